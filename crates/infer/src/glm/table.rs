//! From a user's table to a generalised linear model.

use super::density::{Glm, GlmLikelihood};
use elbo_core::columns::ColumnKind;
use elbo_core::{Columns, Data, Error, Features, ModelFile, Result, Run, Supervised, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The likelihood as a user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GlmKind {
    /// A number with normal noise: linear regression.
    Gaussian,
    /// Two classes: logistic regression.
    Bernoulli,
    /// Counts: Poisson regression.
    Poisson,
    /// Several classes: softmax regression.
    Categorical,
}

/// What a tabular regression needs besides the table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GlmSettings {
    /// The likelihood; without one, by the target: Gaussian for numbers, logistic for two classes, softmax for more.
    pub likelihood: Option<GlmKind>,
    /// Prior standard deviation of the weights, for inputs of unit variance.
    pub weight_sd: f64,
    /// Prior standard deviation of the intercept.
    pub intercept_sd: f64,
}

impl Default for GlmSettings {
    fn default() -> Self {
        Self { likelihood: None, weight_sd: 2.5, intercept_sd: 5.0 }
    }
}

impl GlmSettings {
    /// Refuses numbers outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, v: f64| ensure(name, v, v > 0.0 && v.is_finite(), "a positive number");
        positive("weight_sd", self.weight_sd).and(positive("intercept_sd", self.intercept_sd))
    }
}

/// How a table becomes a design matrix: an intercept, standardised numbers, and one indicator for each level but the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GlmTable {
    columns: Columns,
    kind: GlmKind,
}

impl GlmTable {
    /// Learns the design and makes the posterior of these rows; also returns notes for the user.
    ///
    /// # Errors
    /// [`Error::Data`] when the likelihood does not fit the target.
    pub fn read(input: Supervised, settings: &GlmSettings) -> Result<(Self, Glm, Vec<String>)> {
        settings.check()?;
        let (x, y, columns, notes, kind) = match input {
            Supervised::Classes(input) => {
                let kind = match (settings.likelihood, input.classes.len()) {
                    (None | Some(GlmKind::Bernoulli), 2) => GlmKind::Bernoulli,
                    (None | Some(GlmKind::Categorical), _) => GlmKind::Categorical,
                    (Some(GlmKind::Bernoulli), count) => {
                        return Err(Error::data(
                            format!("the target has {count} classes and `likelihood` is bernoulli"),
                            "leave `likelihood` out, or set it to categorical",
                        ));
                    }
                    (Some(_), _) => {
                        return Err(Error::data(
                            "the target has classes and `likelihood` is one of numbers",
                            "leave `likelihood` out; if the target is numeric with just two values, it is taken for two classes",
                        ));
                    }
                };
                let y = input.y.iter().map(|c| *c as f64).collect();
                (input.x, y, input.columns, input.notes, kind)
            }
            Supervised::Numbers(input) => match settings.likelihood {
                None | Some(GlmKind::Gaussian) => (input.x, input.y, input.columns, input.notes, GlmKind::Gaussian),
                Some(GlmKind::Poisson) => {
                    let input = input.in_own_unit();
                    if let Some(row) = input.y.iter().position(|y| *y < 0.0 || y.fract() != 0.0) {
                        return Err(Error::data(
                            format!("row {} has target {}, which is not a count", row + 1, input.y[row]),
                            "a Poisson likelihood needs 0, 1, 2, ...; leave `likelihood` out for a Gaussian one",
                        ));
                    }
                    (input.x, input.y, input.columns, input.notes, GlmKind::Poisson)
                }
                Some(GlmKind::Bernoulli | GlmKind::Categorical) => {
                    return Err(Error::data(
                        "the target is numeric and `likelihood` is one of classes",
                        "leave `likelihood` out, or read the target as text with --categorical",
                    ));
                }
            },
        };
        let table = Self { columns, kind };
        let likelihood = match kind {
            GlmKind::Gaussian => GlmLikelihood::Gaussian { noise: None },
            GlmKind::Bernoulli => GlmLikelihood::Bernoulli,
            GlmKind::Poisson => GlmLikelihood::Poisson,
            GlmKind::Categorical => GlmLikelihood::Categorical { classes: table.columns.classes().len() },
        };
        let names = table.names();
        let mut prior_sd = vec![settings.weight_sd; names.len()];
        prior_sd[0] = settings.intercept_sd;
        let glm = Glm::new(likelihood, table.expand(&x), y, prior_sd).with_labels(table.labels());
        Ok((table, glm, notes))
    }

    /// Names of the design's columns, the intercept first.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec!["intercept".to_owned()];
        for column in &self.columns.inputs {
            match &column.kind {
                ColumnKind::Number { .. } => names.push(column.name.clone()),
                ColumnKind::Category { levels } => {
                    names.extend(levels[1..].iter().map(|level| format!("{}={level}", column.name)));
                }
            }
        }
        names
    }

    /// Names of the unknowns in the posterior's order.
    pub fn labels(&self) -> Vec<String> {
        let names = self.names();
        match self.kind {
            GlmKind::Categorical => {
                self.classes().iter().flat_map(|c| names.iter().map(move |n| format!("{c}: {n}"))).collect()
            }
            GlmKind::Gaussian => names.into_iter().chain(["noise".to_owned()]).collect(),
            GlmKind::Bernoulli | GlmKind::Poisson => names,
        }
    }

    /// The likelihood.
    pub fn kind(&self) -> GlmKind {
        self.kind
    }

    /// Class names; none for a numeric target.
    pub fn classes(&self) -> &[String] {
        self.columns.classes()
    }

    /// Centre and scale of the target.
    pub fn target_scaling(&self) -> (f64, f64) {
        self.columns.target_scaling()
    }

    /// The design of new rows, `[N, D]` row-major, with a warning for levels that were not seen in training.
    ///
    /// # Errors
    /// As [`Columns::encode`].
    pub fn design(&self, data: &Data, run: &mut Run) -> Result<Vec<f64>> {
        let features = self.columns.encode(data)?;
        for (d, column) in self.columns.inputs.iter().enumerate() {
            let unseen = (0..features.rows).filter(|i| features.levels[d] > 0 && features.row(*i)[d] < 0.0).count();
            if unseen > 0 {
                run.warn(format!(
                    "{unseen} rows have a level of `{}` that was not seen in training; they are predicted as the first level",
                    column.name
                ));
            }
        }
        Ok(self.expand(&features))
    }

    fn expand(&self, x: &Features) -> Vec<f64> {
        let mut design = vec![];
        for i in 0..x.rows {
            design.push(1.0);
            for (value, levels) in x.row(i).iter().zip(&x.levels) {
                match levels {
                    0 => design.push(*value),
                    _ => design.extend((1..*levels).map(|level| f64::from(u8::from(*value == level as f64)))),
                }
            }
        }
        design
    }

    pub(super) fn save(&self, file: &mut ModelFile) {
        file.set("table", self);
    }

    pub(super) fn load(file: &ModelFile) -> Result<Self> {
        let table: Self = file.fact("table")?;
        let classes = table.classes().len();
        let fits = match table.kind {
            GlmKind::Gaussian | GlmKind::Poisson => classes == 0,
            GlmKind::Bernoulli => classes == 2,
            GlmKind::Categorical => classes >= 2,
        };
        if fits {
            Ok(table)
        } else {
            Err(Error::misfit(format!("a target of {classes} classes under {:?}", table.kind)))
        }
    }
}
