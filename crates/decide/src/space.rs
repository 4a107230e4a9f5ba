//! What may be varied, and how its values become coordinates.

use elbo_core::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::f64::consts::FRAC_1_SQRT_2;

/// Most steps that a local move of an integer or ordinal variable tries at once, as shares of its range.
const STRIDES: [f64; 2] = [0.1, 0.3];

/// One variable of an experiment.
///
/// ```
/// use elbo_decide::{Domain, Variable};
/// let rate: Variable = serde_json::from_str(r#"{"name": "rate", "type": "real", "low": 1e-4, "high": 0.1, "log": true}"#)?;
/// assert_eq!(rate.domain, Domain::Real { low: 1e-4, high: 0.1, log: true });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "VariableForm", into = "VariableForm")]
pub struct Variable {
    /// The column of the history that holds it.
    pub name: String,
    /// Its values.
    pub domain: Domain,
    /// Where it counts; everywhere where `None`.
    pub when: Option<When>,
}

/// A condition: a variable counts only where an earlier one, ordinal or categorical, has one of these values and counts itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The other variable.
    pub variable: String,
    /// Its values, as they stand in the history.
    pub is: Vec<String>,
}

/// The values of a variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// Numbers of an interval; equal ratios count as equal steps where `log`.
    Real {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
        /// Whether the scale is logarithmic.
        log: bool,
    },
    /// Whole numbers of an interval.
    Integer {
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
        /// Whether the scale is logarithmic.
        log: bool,
    },
    /// Values in an order, equally far apart.
    Ordinal {
        /// As they stand in the history, from one end to the other.
        values: Vec<String>,
    },
    /// Values without an order.
    Categorical {
        /// As they stand in the history.
        values: Vec<String>,
    },
}

/// The kinds of variables, as written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Numbers of an interval.
    #[default]
    Real,
    /// Whole numbers of an interval.
    Integer,
    /// Values in an order.
    Ordinal,
    /// Values without an order.
    Categorical,
}

/// A variable as written in a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VariableForm {
    /// The column of the history that holds it.
    name: String,
    /// What its values are.
    #[serde(rename = "type", default)]
    kind: Kind,
    /// Smallest value, of a real or an integer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    low: Option<f64>,
    /// Largest value, of a real or an integer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    high: Option<f64>,
    /// Whether equal ratios count as equal steps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    log: bool,
    /// The values of an ordinal or a categorical variable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<Value>,
    /// Where it counts, such as `{variable = "kernel", is = ["rbf"]}`; its cells are empty elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    when: Option<When>,
}

impl TryFrom<VariableForm> for Variable {
    type Error = String;

    fn try_from(form: VariableForm) -> Result<Self, String> {
        let VariableForm { name, kind, low, high, log, values, when } = form;
        if name.trim().is_empty() {
            return Err("a variable needs a `name`: the column of the history that holds it".into());
        }
        let range = || -> Result<(f64, f64), String> {
            let (Some(low), Some(high)) = (low, high) else {
                return Err(format!("variable `{name}` needs `low` and `high`"));
            };
            if !(low.is_finite() && high.is_finite() && low < high) {
                return Err(format!("variable `{name}` has low = {low} and high = {high}; low must be below high"));
            }
            if !(high - low).is_finite() {
                return Err(format!(
                    "variable `{name}` has low = {low} and high = {high}; their difference must be finite"
                ));
            }
            if log && low <= 0.0 {
                return Err(format!("variable `{name}` has low = {low}; a logarithmic scale needs low above 0"));
            }
            if !values.is_empty() {
                return Err(format!("variable `{name}` has `values`; give its `type`: ordinal or categorical"));
            }
            Ok((low, high))
        };
        let list = || -> Result<Vec<String>, String> {
            if low.is_some() || high.is_some() || log {
                return Err(format!("variable `{name}` has `values`, and so no `low`, `high` or `log`"));
            }
            let texts: Vec<String> = values.iter().map(level_text).collect();
            let mut sorted = texts.clone();
            sorted.sort();
            sorted.dedup();
            if texts.len() < 2 || sorted.len() < texts.len() {
                return Err(format!("variable `{name}` needs two or more different `values`"));
            }
            Ok(texts)
        };
        let domain = match kind {
            Kind::Real => range().map(|(low, high)| Domain::Real { low, high, log })?,
            Kind::Integer => {
                let (low, high) = range()?;
                if low.fract() != 0.0 || high.fract() != 0.0 || low.abs().max(high.abs()) > 1e15 {
                    return Err(format!("variable `{name}` is an integer; `low` and `high` must be whole numbers"));
                }
                Domain::Integer { low: low as i64, high: high as i64, log }
            }
            Kind::Ordinal => Domain::Ordinal { values: list()? },
            Kind::Categorical => Domain::Categorical { values: list()? },
        };
        Ok(Self { name, domain, when })
    }
}

impl From<Variable> for VariableForm {
    fn from(variable: Variable) -> Self {
        let form = Self { name: variable.name, when: variable.when, ..Self::default() };
        let texts = |values: Vec<String>| values.into_iter().map(Value::String).collect();
        match variable.domain {
            Domain::Real { low, high, log } => Self { low: Some(low), high: Some(high), log, ..form },
            Domain::Integer { low, high, log } => {
                Self { kind: Kind::Integer, low: Some(low as f64), high: Some(high as f64), log, ..form }
            }
            Domain::Ordinal { values } => Self { kind: Kind::Ordinal, values: texts(values), ..form },
            Domain::Categorical { values } => Self { kind: Kind::Categorical, values: texts(values), ..form },
        }
    }
}

/// A level as it stands in a table: whole numbers without a decimal point.
fn level_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), number_text),
        other => other.to_string(),
    }
}

pub(crate) fn number_text(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{}", value as i64) } else { format!("{value}") }
}

impl Variable {
    /// A variable that counts everywhere.
    pub fn new(name: &str, domain: Domain) -> Self {
        Self { name: name.into(), domain, when: None }
    }

    /// A real variable on a linear scale.
    pub fn real(name: &str, low: f64, high: f64) -> Self {
        assert!(low < high, "a variable needs low < high");
        Self::new(name, Domain::Real { low, high, log: false })
    }

    /// Encoded columns it takes.
    fn width(&self) -> usize {
        match &self.domain {
            Domain::Categorical { values } => values.len(),
            _ => 1,
        }
    }

    /// Number of values, or `None` of a real variable.
    fn count(&self) -> Option<u64> {
        match &self.domain {
            Domain::Real { .. } => None,
            Domain::Integer { low, high, .. } => Some((high - low) as u64 + 1),
            Domain::Ordinal { values } | Domain::Categorical { values } => Some(values.len() as u64),
        }
    }

    /// The natural value at a coordinate in [0, 1]; discrete values take the nearest. Of a categorical variable, the level's number.
    pub(crate) fn natural(&self, u: f64) -> f64 {
        match &self.domain {
            Domain::Real { low, high, log } => between(*low, *high, *log, u),
            Domain::Integer { low, high, log } => {
                between(*low as f64, *high as f64, *log, u).round().clamp(*low as f64, *high as f64)
            }
            Domain::Ordinal { values } => (u * (values.len() - 1) as f64).round(),
            Domain::Categorical { .. } => u,
        }
    }

    /// The coordinate of a natural value.
    fn unit(&self, value: f64) -> f64 {
        match &self.domain {
            Domain::Real { low, high, log } => share(*low, *high, *log, value),
            Domain::Integer { low, high, log } => share(*low as f64, *high as f64, *log, value),
            Domain::Ordinal { values } => value / (values.len() - 1) as f64,
            Domain::Categorical { .. } => value,
        }
    }

    /// The coordinate that a uniform number becomes, so that every value of a discrete variable is as likely.
    fn spread(&self, u: f64) -> f64 {
        match self.count() {
            None => u,
            Some(_) if matches!(self.domain, Domain::Integer { log: true, .. }) => self.unit(self.natural(u)),
            Some(count) => {
                let index = (u * count as f64).floor().min((count - 1) as f64);
                match self.domain {
                    Domain::Integer { low, .. } => self.unit(low as f64 + index),
                    Domain::Ordinal { .. } => self.unit(index),
                    _ => index,
                }
            }
        }
    }

    /// A natural value as text, as it stands in a table; empty where the variable does not count.
    pub fn text(&self, value: f64) -> String {
        if value.is_nan() {
            return String::new();
        }
        match &self.domain {
            Domain::Real { .. } => number_text(value),
            Domain::Integer { .. } => format!("{}", value as i64),
            Domain::Ordinal { values } | Domain::Categorical { values } => values[value as usize].clone(),
        }
    }
}

fn between(low: f64, high: f64, log: bool, u: f64) -> f64 {
    let u = u.clamp(0.0, 1.0);
    match (u, log) {
        // The ends exactly.
        (0.0, _) => low,
        (1.0, _) => high,
        (u, true) => (low.ln() + u * (high.ln() - low.ln())).exp().clamp(low, high),
        (u, false) => (low + u * (high - low)).clamp(low, high),
    }
}

fn share(low: f64, high: f64, log: bool, value: f64) -> f64 {
    if log { (value.ln() - low.ln()) / (high.ln() - low.ln()) } else { (value - low) / (high - low) }
}

/// The variables of an experiment, in the order of the suggestions' columns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Space {
    /// The variables.
    #[schemars(with = "Vec<VariableForm>")]
    pub variables: Vec<Variable>,
}

impl Space {
    /// A space of these variables.
    pub fn new(variables: Vec<Variable>) -> Self {
        Self { variables }
    }

    /// A box of real variables `x1, x2, ...`.
    pub fn cube(bounds: &[(f64, f64)]) -> Self {
        let each = |(d, (low, high)): (usize, &(f64, f64))| Variable::real(&format!("x{}", d + 1), *low, *high);
        Self { variables: bounds.iter().enumerate().map(each).collect() }
    }

    /// Checks that there are variables, that their names differ, and that conditions speak of earlier variables and their values.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure("space", "empty", !self.variables.is_empty(), "at least one variable")?;
        for (i, variable) in self.variables.iter().enumerate() {
            let is_new = self.variables[..i].iter().all(|other| other.name != variable.name);
            ensure("space", &variable.name, is_new, "every variable once")?;
            let Some(when) = &variable.when else { continue };
            let known = self.variables[..i].iter().any(|other| {
                let (Domain::Ordinal { values } | Domain::Categorical { values }) = &other.domain else { return false };
                other.name == when.variable && !when.is.is_empty() && when.is.iter().all(|w| values.contains(w))
            });
            let expected = "an earlier ordinal or categorical variable and some of its values";
            ensure("when", format!("{when:?}"), known, expected)?;
        }
        Ok(())
    }

    /// Number of variables, `D`.
    pub fn dims(&self) -> usize {
        self.variables.len()
    }

    /// Number of encoded columns, `E`.
    pub fn width(&self) -> usize {
        self.variables.iter().map(Variable::width).sum()
    }

    /// The variable that each encoded column belongs to, `[E]`.
    pub fn groups(&self) -> Vec<usize> {
        self.variables.iter().enumerate().flat_map(|(v, variable)| std::iter::repeat_n(v, variable.width())).collect()
    }

    /// Whether each encoded column is real, `[E]`.
    pub fn is_real(&self) -> Vec<bool> {
        self.groups().into_iter().map(|v| matches!(self.variables[v].domain, Domain::Real { .. })).collect()
    }

    /// First encoded column of each variable, `[D]`.
    pub(crate) fn offsets(&self) -> Vec<usize> {
        let mut at = 0;
        self.variables
            .iter()
            .map(|v| {
                at += v.width();
                at - v.width()
            })
            .collect()
    }

    /// Number of points of a space without real variables, those that differ only in what does not count among them; `None` with real ones. Saturates.
    pub fn points(&self) -> Option<u64> {
        self.variables.iter().try_fold(1u64, |product, v| v.count().map(|c| product.saturating_mul(c)))
    }

    /// Whether variable `v` counts, from the natural values of the earlier ones.
    pub(crate) fn counts(&self, v: usize, earlier: &[f64]) -> bool {
        let Some(when) = &self.variables[v].when else { return true };
        let parent = self.variables[..v].iter().position(|other| other.name == when.variable);
        // Where the parent does not count its value is NaN, and its text empty.
        parent.is_some_and(|p| when.is.contains(&self.variables[p].text(earlier[p])))
    }

    /// Puts the columns of variables that do not count at one neutral place, so that their value makes no difference, and those of categories that
    /// begin to count at their first level.
    pub(crate) fn settle(&self, encoded: &mut [f64]) {
        if self.variables.iter().all(|v| v.when.is_none()) {
            return;
        }
        let natural = self.decode(encoded);
        for ((variable, start), value) in self.variables.iter().zip(self.offsets()).zip(natural) {
            let columns = &mut encoded[start..start + variable.width()];
            match (&variable.domain, value.is_nan()) {
                (Domain::Categorical { .. }, true) => columns.fill(0.0),
                (Domain::Categorical { .. }, false) if columns.iter().all(|c| *c == 0.0) => columns[0] = FRAC_1_SQRT_2,
                (_, true) => columns[0] = variable.unit(variable.natural(0.5)),
                _ => {}
            }
        }
    }

    /// Whether each encoded column is real and counts at this point, `[E]`.
    pub(crate) fn is_free(&self, encoded: &[f64]) -> Vec<bool> {
        let natural = self.decode(encoded);
        let real = self.is_real();
        self.groups().into_iter().zip(real).map(|(v, real)| real && !natural[v].is_nan()).collect()
    }

    /// Encoded coordinates of natural values `[D]`; a categorical variable's value is its level's number.
    pub fn encode(&self, natural: &[f64]) -> Vec<f64> {
        let units: Vec<f64> = self.variables.iter().zip(natural).map(|(v, value)| v.unit(*value)).collect();
        self.one_hot(&units)
    }

    /// Encoded coordinates of a point of the unit cube `[D]`, so that uniform points stay uniform over discrete values.
    pub fn from_cube(&self, cube: &[f64]) -> Vec<f64> {
        let units: Vec<f64> = self.variables.iter().zip(cube).map(|(v, u)| v.spread(*u)).collect();
        self.one_hot(&units)
    }

    fn one_hot(&self, units: &[f64]) -> Vec<f64> {
        let mut encoded = Vec::with_capacity(self.width());
        for (variable, unit) in self.variables.iter().zip(units) {
            match &variable.domain {
                Domain::Categorical { values } => {
                    encoded.extend((0..values.len()).map(|l| if l as f64 == *unit { FRAC_1_SQRT_2 } else { 0.0 }));
                }
                _ => encoded.push(*unit),
            }
        }
        self.settle(&mut encoded);
        encoded
    }

    /// Natural values `[D]` of encoded coordinates; the nearest of discrete ones, NaN of variables that do not count.
    pub fn decode(&self, encoded: &[f64]) -> Vec<f64> {
        let mut at = 0;
        let mut natural = Vec::with_capacity(self.dims());
        for (v, variable) in self.variables.iter().enumerate() {
            let columns = &encoded[at..at + variable.width()];
            at += variable.width();
            natural.push(match variable.domain {
                _ if !self.counts(v, &natural) => f64::NAN,
                Domain::Categorical { .. } => largest(columns) as f64,
                _ => variable.natural(columns[0]),
            });
        }
        natural
    }

    /// Encoded points that differ in one discrete variable: other categories, and steps of several sizes of the others.
    pub fn neighbours(&self, encoded: &[f64]) -> Vec<Vec<f64>> {
        let mut out = vec![];
        let natural = self.decode(encoded);
        for ((variable, start), value) in self.variables.iter().zip(self.offsets()).zip(&natural) {
            if value.is_nan() {
                continue;
            }
            let columns = start..start + variable.width();
            match &variable.domain {
                Domain::Real { .. } => {}
                Domain::Categorical { values } => {
                    let present = largest(&encoded[columns.clone()]);
                    for level in (0..values.len()).filter(|l| *l != present) {
                        let mut point = encoded.to_vec();
                        point[columns.clone()].fill(0.0);
                        point[start + level] = FRAC_1_SQRT_2;
                        out.push(point);
                    }
                }
                Domain::Integer { .. } | Domain::Ordinal { .. } => {
                    let (low, high) = match variable.domain {
                        Domain::Integer { low, high, .. } => (low as f64, high as f64),
                        _ => (0.0, variable.count().expect("ordinals have values") as f64 - 1.0),
                    };
                    let present = variable.natural(encoded[start]);
                    let mut targets = vec![present - 1.0, present + 1.0];
                    for stride in STRIDES {
                        let step = (stride * (high - low)).round().max(1.0);
                        targets.extend([present - step, present + step]);
                    }
                    targets.sort_by(f64::total_cmp);
                    targets.dedup();
                    for target in targets.into_iter().filter(|t| (low..=high).contains(t)) {
                        let mut point = encoded.to_vec();
                        point[start] = variable.unit(target);
                        out.push(point);
                    }
                }
            }
        }
        out.iter_mut().for_each(|point| self.settle(point));
        out
    }

    /// All points of a space without real variables, encoded; `None` when there are more than `most`.
    pub fn enumerate(&self, most: u64) -> Option<Vec<Vec<f64>>> {
        let total = self.points().filter(|p| *p <= most)?;
        let sizes: Vec<u64> = self.variables.iter().map(|v| v.count().expect("no real variables")).collect();
        let point = |mut index: u64| {
            let mut natural = Vec::with_capacity(self.dims());
            for (v, (variable, size)) in self.variables.iter().zip(&sizes).enumerate() {
                let digit = (index % size) as f64;
                index /= size;
                let value = if let Domain::Integer { low, .. } = variable.domain { low as f64 + digit } else { digit };
                let counts = self.counts(v, &natural);
                // Of points that differ only in what does not count, the first.
                if !counts && digit > 0.0 {
                    return None;
                }
                natural.push(if counts { value } else { f64::NAN });
            }
            Some(self.encode(&natural))
        };
        Some((0..total).filter_map(point).collect())
    }
}

fn largest(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// Euclidean distance of two encoded points.
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    squared_distance(a, b).sqrt()
}

/// Its square.
pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(p, q)| (p - q) * (p - q)).sum()
}
