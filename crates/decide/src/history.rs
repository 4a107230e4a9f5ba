//! The trials so far.

use crate::constraint::Polytope;
use crate::space::Space;
use crate::table::{bad_cell, cell_text, column, number_at};
use elbo_core::{Data, Error, Result, Values};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The column that may say that a trial failed or is still running.
pub const STATUS: &str = "status";

/// Words of the status column, and of the target where it is text.
const FAILED: [&str; 7] = ["failed", "fail", "failure", "error", "crashed", "infeasible", "invalid"];
const PENDING: [&str; 5] = ["pending", "running", "planned", "open", "queued"];
const DONE: [&str; 6] = ["done", "ok", "completed", "complete", "success", "measured"];

/// Whether small or large values of the target are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Small values.
    #[default]
    #[serde(alias = "minimize", alias = "min")]
    Minimise,
    /// Large values.
    #[serde(alias = "maximize", alias = "max")]
    Maximise,
}

impl Goal {
    /// What a value is multiplied by to be minimised: 1 or -1.
    pub fn sign(self) -> f64 {
        match self {
            Self::Minimise => 1.0,
            Self::Maximise => -1.0,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Minimise => "minimise",
            Self::Maximise => "maximise",
        }
    }
}

/// A limit on another measured column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The column of the history.
    pub column: String,
    /// Smallest allowed value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Largest allowed value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

impl Limit {
    /// Signs and bounds `(s, b)`: the limit holds where every `s value - b <= 0`.
    pub(crate) fn sides(&self) -> Vec<(f64, f64)> {
        let most = self.at_most.map(|b| (1.0, b));
        let least = self.at_least.map(|b| (-1.0, -b));
        most.into_iter().chain(least).collect()
    }
}

/// Columns of a history besides variables, target, limits and status.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SideColumns {
    /// What each trial cost; empty cells are not known.
    pub cost: Option<String>,
    /// Standard deviation of each value's noise, in the target's unit; where cells are empty the noise is learned.
    pub noise: Option<String>,
    /// A name for each trial.
    pub id: Option<String>,
}

impl SideColumns {
    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [&self.cost, &self.noise, &self.id].into_iter().flatten().map(String::as_str)
    }
}

/// What became of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// The value to minimise.
    Measured(f64),
    /// Not known yet.
    Pending,
    /// There will be no value.
    Failed,
}

/// The trials so far, encoded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// Encoded points, `[N][E]`.
    pub points: Vec<Vec<f64>>,
    /// What became of them, `[N]`; measured values have the sign in which they are minimised.
    pub outcomes: Vec<Outcome>,
    /// Slacks of the limits, `[sides][N]`: at most zero where a limit holds, NaN where it is not known.
    pub slacks: Vec<Vec<f64>>,
    /// Whether a trial breaks the experiment's linear constraints, `[N]`; empty where there are none.
    pub breaks: Vec<bool>,
    /// What the trials cost, `[N]`, NaN where that is not known; empty where costs do not count.
    pub costs: Vec<f64>,
    /// Standard deviations of the values' noise, `[N]`, NaN where it is learned; empty where it is for all.
    pub errors: Vec<f64>,
    /// Names of the trials, `[N]`, empty texts where they have none; empty where there are none.
    pub ids: Vec<String>,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

impl History {
    /// Reads a table: a column for each variable, the target, the columns with limits, and maybe `status`.
    ///
    /// A row without a target value is pending; one whose status (or target) says `failed`, or a word like it, has failed; all others are
    /// measured.
    ///
    /// # Errors
    /// [`Error::Data`] with the row and the column.
    pub fn read(data: &Data, space: &Space, goal: Goal, limits: &[Limit]) -> Result<Self> {
        let target = data.target()?;
        if data.rows() == 0 {
            return Ok(Self { slacks: vec![vec![]; limits.iter().map(|l| l.sides().len()).sum()], ..Self::default() });
        }
        let (points, notes) = space.read_rows(data)?;
        let values = &column(data, target)?.values;
        // The name may belong to the target or to a variable.
        let is_status = target != STATUS && space.variables.iter().all(|v| v.name != STATUS);
        let status = if is_status && data.get(STATUS).is_ok() { Some(&column(data, STATUS)?.values) } else { None };
        let outcomes =
            (0..points.len()).map(|row| outcome(values, status, row, target, goal)).collect::<Result<_>>()?;
        let mut slacks = vec![];
        for limit in limits {
            let array = column(data, &limit.column)?;
            if let Values::Text { .. } = array.values {
                return Err(Error::data(
                    format!("column `{}`, which has a limit, holds text", limit.column),
                    "give numbers there; leave cells of pending and failed trials empty",
                ));
            }
            let cells: Vec<f64> = (0..points.len()).map(|row| number_at(&array.values, row)).collect();
            if let Some(row) = cells.iter().position(|v| v.is_infinite()) {
                return Err(Error::data(
                    format!("column `{}`, which has a limit, has {} in row {}", limit.column, cells[row], row + 1),
                    "mend the cell, or leave it empty where the value is not known",
                ));
            }
            for (sign, bound) in limit.sides() {
                slacks.push(cells.iter().map(|v| sign * v - bound).collect());
            }
        }
        Ok(Self { points, outcomes, slacks, notes, ..Self::default() })
    }

    /// Reads further columns of the same table.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a column that is not there, [`Error::Data`] with the row for a cell that cannot be used.
    pub fn with_columns(mut self, data: &Data, columns: &SideColumns) -> Result<Self> {
        if let Some(cost) = columns.cost.as_deref().filter(|_| !self.is_empty()) {
            self.costs = positive(data, cost, "a cost", self.len())?;
        }
        if let Some(noise) = columns.noise.as_deref().filter(|_| !self.is_empty()) {
            self.errors = positive(data, noise, "a standard deviation", self.len())?;
        }
        if let Some(id) = columns.id.as_deref().filter(|_| !self.is_empty()) {
            self.ids = ids(data, id, self.len())?;
        }
        Ok(self)
    }

    /// Marks the trials that break linear constraints: they inform the model, and are never the best. Returns their number.
    pub fn mark_broken(&mut self, limits: &Polytope) -> usize {
        self.breaks =
            if limits.is_whole() { vec![] } else { self.points.iter().map(|p| limits.is_broken(p)).collect() };
        self.breaks.iter().filter(|b| **b).count()
    }

    /// Number of trials.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Adds a measured trial without limits.
    pub fn tell(&mut self, point: Vec<f64>, value: f64) {
        self.points.push(point);
        self.outcomes.push(Outcome::Measured(value));
        self.slacks.iter_mut().for_each(|s| s.push(f64::NAN));
        if !self.costs.is_empty() {
            self.costs.push(f64::NAN);
        }
        if !self.breaks.is_empty() {
            self.breaks.push(false);
        }
        if !self.errors.is_empty() {
            self.errors.push(f64::NAN);
        }
        if !self.ids.is_empty() {
            self.ids.push(String::new());
        }
    }

    /// Measured points and values.
    pub fn measured(&self) -> (Vec<&[f64]>, Vec<f64>) {
        let each = self.points.iter().zip(&self.outcomes).filter_map(|(p, o)| match o {
            Outcome::Measured(y) => Some((p.as_slice(), *y)),
            _ => None,
        });
        each.unzip()
    }

    /// Standard deviations of the measured values' noise, as [`Gp::fit_with_errors`](crate::surrogate::Gp::fit_with_errors) takes them.
    pub fn measured_errors(&self) -> Vec<f64> {
        let each = self.errors.iter().zip(&self.outcomes);
        each.filter(|(_, outcome)| matches!(outcome, Outcome::Measured(_))).map(|(error, _)| *error).collect()
    }

    /// Whether the noise of every measured value is given.
    pub fn has_all_errors(&self) -> bool {
        let errors = self.measured_errors();
        !errors.is_empty() && errors.iter().all(|error| !error.is_nan())
    }

    /// Names for `count` new trials: whole numbers above those that are in use.
    pub fn new_ids(&self, count: usize) -> Vec<String> {
        let largest = self.ids.iter().filter_map(|id| id.parse::<u64>().ok()).max();
        let first = largest.unwrap_or(self.len() as u64).saturating_add(1);
        (0..count as u64).map(|i| first.saturating_add(i).to_string()).collect()
    }

    /// Number of measured trials.
    pub fn measured_count(&self) -> usize {
        self.outcomes.iter().filter(|o| matches!(o, Outcome::Measured(_))).count()
    }

    /// Pending points.
    pub fn pending(&self) -> Vec<&[f64]> {
        self.with(Outcome::Pending)
    }

    /// Failed points.
    pub fn failed(&self) -> Vec<&[f64]> {
        self.with(Outcome::Failed)
    }

    fn with(&self, wanted: Outcome) -> Vec<&[f64]> {
        let each = self.points.iter().zip(&self.outcomes);
        each.filter(|(_, o)| **o == wanted).map(|(p, _)| p.as_slice()).collect()
    }

    /// Whether every known limit holds in this row, and it breaks no constraint.
    pub fn is_feasible(&self, row: usize) -> bool {
        !self.breaks.get(row).is_some_and(|b| *b) && self.slacks.iter().all(|s| s[row] <= 0.0 || s[row].is_nan())
    }

    /// Row and value of the best measured trial within the limits.
    pub fn best(&self) -> Option<(usize, f64)> {
        let mut best: Option<(usize, f64)> = None;
        for (row, outcome) in self.outcomes.iter().enumerate() {
            if let Outcome::Measured(y) = outcome
                && self.is_feasible(row)
                && best.is_none_or(|(_, b)| *y < b)
            {
                best = Some((row, *y));
            }
        }
        best
    }

    /// Rows and values of the measured trials within the limits, best first.
    pub fn ranked(&self) -> Vec<(usize, f64)> {
        let feasible = |row: usize| match self.outcomes[row] {
            Outcome::Measured(y) if self.is_feasible(row) => Some((row, y)),
            _ => None,
        };
        let mut rows: Vec<(usize, f64)> = (0..self.len()).filter_map(feasible).collect();
        rows.sort_by(|a, b| a.1.total_cmp(&b.1));
        rows
    }

    /// Points `[K, E]` and logarithms of costs `[K]` of the trials whose cost is known.
    pub(crate) fn known_costs(&self) -> (Vec<f64>, Vec<f64>) {
        let rows: Vec<usize> = (0..self.costs.len()).filter(|i| self.costs[*i].is_finite()).collect();
        let x = rows.iter().flat_map(|i| self.points[*i].iter().copied()).collect();
        (x, rows.iter().map(|i| self.costs[*i].ln()).collect())
    }

    /// What the trials have cost together; those whose cost is not known are left out.
    pub fn spent(&self) -> f64 {
        self.costs.iter().filter(|cost| cost.is_finite()).sum()
    }

    /// Columns of these limits, which are those of the slacks, that are known at fewer than two trials.
    pub(crate) fn unlearned<'a>(&self, limits: &'a [Limit]) -> Vec<&'a str> {
        let columns = limits.iter().flat_map(|limit| limit.sides().into_iter().map(move |_| limit.column.as_str()));
        let few = |slack: &Vec<f64>| slack.iter().filter(|s| s.is_finite()).count() < 2;
        columns.zip(&self.slacks).filter_map(|(column, slack)| few(slack).then_some(column)).collect()
    }

    /// Points `[K, E]` and slacks `[K]` of each side of a limit that is known at two or more trials.
    pub(crate) fn known_slacks(&self) -> Vec<(Vec<f64>, Vec<f64>)> {
        let known = |slack: &Vec<f64>| -> (Vec<f64>, Vec<f64>) {
            let rows: Vec<usize> = (0..slack.len()).filter(|i| slack[*i].is_finite()).collect();
            let x = rows.iter().flat_map(|i| self.points[*i].iter().copied()).collect();
            (x, rows.iter().map(|i| slack[*i]).collect())
        };
        self.slacks.iter().map(known).filter(|(_, slacks)| slacks.len() >= 2).collect()
    }
}

/// The names in a column, empty where a cell is.
fn ids(data: &Data, name: &str, rows: usize) -> Result<Vec<String>> {
    let values = &column(data, name)?.values;
    let ids: Vec<String> = (0..rows).map(|row| cell_text(values, row).unwrap_or_default()).collect();
    let mut seen = HashMap::new();
    for (row, id) in ids.iter().enumerate().filter(|(_, id)| !id.is_empty()) {
        if let Some(earlier) = seen.insert(id, row) {
            return Err(Error::data(
                format!("column `{name}` has `{id}` in rows {} and {}", earlier + 1, row + 1),
                "keep one row for each trial; a repetition is a trial with its own name",
            ));
        }
    }
    Ok(ids)
}

/// The positive numbers of a column, NaN where a cell is empty; `what` is what they are, for messages.
fn positive(data: &Data, name: &str, what: &str, rows: usize) -> Result<Vec<f64>> {
    let array = column(data, name)?;
    if let Values::Text { .. } = array.values {
        return Err(Error::data(
            format!("column `{name}` holds text; {what} is a number"),
            "give numbers there; leave cells empty where nothing is known",
        ));
    }
    let cells: Vec<f64> = (0..rows).map(|row| number_at(&array.values, row)).collect();
    match cells.iter().position(|v| !(v.is_nan() || *v > 0.0 && v.is_finite())) {
        None => Ok(cells),
        Some(row) => Err(Error::data(
            format!("column `{name}` has {} in row {}; {what} is positive and finite", cells[row], row + 1),
            "mend the cell, or leave it empty where nothing is known",
        )),
    }
}

fn outcome(values: &Values, status: Option<&Values>, row: usize, target: &str, goal: Goal) -> Result<Outcome> {
    let word = |cells: &Values| cell_text(cells, row).map(|t| t.to_lowercase());
    let value = match values {
        Values::Text { .. } => match word(values) {
            None => f64::NAN,
            Some(text) if FAILED.contains(&text.as_str()) => return Ok(Outcome::Failed),
            Some(text) if PENDING.contains(&text.as_str()) => f64::NAN,
            Some(text) => text.parse().map_err(|_| {
                Error::data(
                    format!("the target `{target}` has the text `{text}` in row {}", row + 1),
                    "give a number; leave the cell empty for a pending trial, or write `failed`",
                )
            })?,
        },
        numbers => number_at(numbers, row),
    };
    let is_pending = match status.and_then(word) {
        Some(text) if FAILED.contains(&text.as_str()) => return Ok(Outcome::Failed),
        Some(text) if PENDING.contains(&text.as_str()) => true,
        Some(text) if DONE.contains(&text.as_str()) => false,
        Some(text) => {
            return Err(Error::data(
                format!("column `{STATUS}` has `{text}` in row {}", row + 1),
                "write done, pending or failed there, or leave it empty",
            ));
        }
        None => value.is_nan(),
    };
    if is_pending {
        return Ok(Outcome::Pending);
    }
    if value.is_finite() {
        return Ok(Outcome::Measured(goal.sign() * value));
    }
    if value.is_nan() {
        return Err(Error::data(
            format!("row {} is done by its status and has no value of `{target}`", row + 1),
            "give the value, or write pending or failed as its status",
        ));
    }
    Err(bad_cell(target, row, value))
}
