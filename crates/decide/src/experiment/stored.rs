//! An experiment in a model file.

use super::{Experiment, Plan};
use crate::ask::Surrogates;
use crate::constraint::Polytope;
use crate::history::{History, Outcome};
use crate::surrogate::{Gp, MeanKind, Saved};
use elbo_core::{Error, ModelFile, Result};

impl Experiment {
    /// Rebuilds a model from its file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing.
    pub fn load(file: &ModelFile) -> Result<Self> {
        let plan: Plan = file.fact("plan")?;
        plan.space.check()?;
        plan.ask.check()?;
        let misfit = || Error::model_file("the trials of the model do not fit together", "fit the model again");
        let (width, groups) = (plan.space.width(), plan.space.groups());
        let (points, values, codes) = (file.get("points")?, file.get("values")?, file.get_i64("outcomes")?);
        let slacks = file.get("slacks")?;
        let sides = plan.limits.iter().map(|l| l.sides().len()).sum::<usize>();
        let n = values.len();
        let costs = if file.has("cost") { file.get_as("costs", &[n])? } else { vec![] };
        let errors = if file.has("has_errors") { file.get_as("errors", &[n])? } else { vec![] };
        let ids: Vec<String> = if file.has("ids") { file.fact("ids")? } else { vec![] };
        let is_named = ids.is_empty() || ids.len() == n;
        if points.len() != n * width || codes.len() != n || slacks.len() != sides * n || !is_named {
            return Err(misfit());
        }
        let outcome = |(code, value): (&i64, &f64)| match code {
            0 if value.is_finite() => Ok(Outcome::Measured(*value)),
            1 => Ok(Outcome::Pending),
            2 => Ok(Outcome::Failed),
            _ => Err(misfit()),
        };
        let mut history = History {
            points: points.chunks_exact(width).map(<[f64]>::to_vec).collect(),
            outcomes: codes.iter().zip(&values).map(outcome).collect::<Result<_>>()?,
            slacks: (0..sides).map(|s| slacks[s * n..(s + 1) * n].to_vec()).collect(),
            costs: or_unknown(costs),
            errors: or_unknown(errors),
            ids,
            ..History::default()
        };
        history.mark_broken(&Polytope::new(&plan.space, &plan.ask.constraints)?);
        let mut surrogates =
            Surrogates { failures: Surrogates::failures(&plan.space, &history)?, ..Surrogates::default() };
        if file.has("objective") {
            let (points, values) = history.measured();
            surrogates.objective = Some(Gp::rebuild(
                &points.concat(),
                &values,
                &history.measured_errors(),
                &groups,
                file.fact("objective")?,
            )?);
        }
        let saved: Vec<Saved> = file.fact("limits")?;
        let known = history.known_slacks();
        if saved.len() != known.len() {
            return Err(misfit());
        }
        for ((x, y), saved) in known.iter().zip(saved) {
            surrogates.limits.push(Gp::rebuild(x, y, &[], &groups, saved)?);
        }
        if file.has("cost") {
            let (x, costs) = history.known_costs();
            surrogates.cost = Some(Gp::rebuild(&x, &costs, &[], &groups, file.fact("cost")?)?);
        }
        Ok(Self { plan, history, surrogates })
    }

    /// Writes everything that [`Experiment::load`] needs.
    pub(super) fn store(&self, file: &mut ModelFile) {
        let (n, width) = (self.history.len(), self.plan.space.width());
        file.set("plan", &self.plan);
        file.put("points", &[n, width], &self.history.points.concat());
        let value = |o: &Outcome| if let Outcome::Measured(y) = o { *y } else { 0.0 };
        file.put("values", &[n], &self.history.outcomes.iter().map(value).collect::<Vec<_>>());
        let code = |o: &Outcome| match o {
            Outcome::Measured(_) => 0,
            Outcome::Pending => 1,
            Outcome::Failed => 2,
        };
        file.put_i64("outcomes", &[n], &self.history.outcomes.iter().map(code).collect::<Vec<_>>());
        file.put("slacks", &[self.history.slacks.len(), n], &self.history.slacks.concat());
        if let Some(gp) = &self.surrogates.objective {
            file.set("objective", &gp.saved(self.plan.surrogate.mean == MeanKind::Learned));
        }
        let limits: Vec<_> = self.surrogates.limits.iter().map(|gp| gp.saved(true)).collect();
        file.set("limits", &limits);
        if let Some(gp) = &self.surrogates.cost {
            file.put("costs", &[n], &or_zero(&self.history.costs));
            file.set("cost", &gp.saved(true));
        }
        if !self.history.errors.is_empty() {
            file.set("has_errors", &true);
            file.put("errors", &[n], &or_zero(&self.history.errors));
        }
        if !self.history.ids.is_empty() {
            file.set("ids", &self.history.ids);
        }
    }
}

/// Positive numbers, of which those that are not known are stored as zero.
fn or_zero(values: &[f64]) -> Vec<f64> {
    values.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect()
}

/// The reverse of [`or_zero`].
fn or_unknown(values: Vec<f64>) -> Vec<f64> {
    values.into_iter().map(|v| if v > 0.0 { v } else { f64::NAN }).collect()
}
