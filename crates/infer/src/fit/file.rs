//! A fit in files: arrays and facts of a model file, a JSON summary, draws in the groups of ArviZ.

use super::vi::Fit;
use crate::diagnostics::psis;
use crate::objective::Estimate;
use crate::target::LogDensity;
use elbo_core::{Error, ModelFile, Result, Snapshot};
use serde_json::{Map, Value, json};

impl Fit {
    /// What a reader looks at first, as plain data: bound, evidence, k-hat, R-hat of the iterates, cost, seed, warnings. A number that is not finite
    /// is `null`.
    pub fn summary(&self) -> Value {
        let estimate = |e: &Estimate| json!({ "value": e.value, "error": e.error });
        json!({
            "family": self.family.title(),
            "elbo": estimate(&self.elbo),
            "log_evidence": estimate(&self.log_evidence),
            "k_hat": self.psis.k,
            "k_hat_threshold": self.psis.threshold,
            "is_reliable": self.psis.is_reliable(),
            "effective_draws": self.psis.effective_size(),
            "r_hat": self.r_hat,
            "is_converged": self.is_converged,
            "steps": self.steps,
            "gradients": self.gradients,
            "seconds": self.seconds,
            "seed": self.seed,
            "warnings": self.warnings,
        })
    }

    /// The draws in the groups of ArviZ, in the target's own terms: `az.from_dict(**json.load(file))` reads them. They are of the approximation; their
    /// log weights, raw, are `sample_stats.log_weight`.
    ///
    /// # Panics
    /// When the target returns another number of natural values than labels.
    pub fn arviz(&self, target: &dyn LogDensity) -> Value {
        let (names, natural) = (target.labels(), target.natural(&self.draws));
        let count = self.log_weights.len();
        assert_eq!(natural.len(), count * names.len(), "a target must return one natural value a label");
        let column = |i: usize| natural.iter().skip(i).step_by(names.len()).copied().collect::<Vec<f64>>();
        let posterior: Map<String, Value> =
            names.iter().enumerate().map(|(i, name)| (name.clone(), json!([column(i)]))).collect();
        json!({ "posterior": posterior, "sample_stats": { "log_weight": [self.log_weights] } })
    }
}

/// A file holds the family's parameters, the draws and their log weights to the bit, and what is known of the fit; bounds and k-hat follow from
/// the weights. A fit is restored into one whose family has the same shape.
impl Snapshot for Fit {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.family.write_to(file, &format!("{prefix}.family"));
        file.put(&format!("{prefix}.draws"), &[self.log_weights.len(), self.family.dim()], &self.draws);
        self.log_weights.save(file, &format!("{prefix}.log_weights"));
        file.put(&format!("{prefix}.numbers"), &[2], &[self.r_hat.unwrap_or(f64::NAN), self.seconds]);
        file.set(&format!("{prefix}.counts"), &(self.steps, self.is_converged, self.gradients, self.seed));
        file.set(&format!("{prefix}.warnings"), &self.warnings);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let log_weights = file.get(&format!("{prefix}.log_weights"))?;
        let draws = file.get(&format!("{prefix}.draws"))?;
        if log_weights.is_empty() || draws.len() != log_weights.len() * self.family.dim() {
            let (count, dim) = (log_weights.len(), self.family.dim());
            return Err(Error::misfit(format!("{} numbers for {count} draws of {dim} unknowns", draws.len())));
        }
        let numbers = file.get(&format!("{prefix}.numbers"))?;
        let [r_hat, seconds] = numbers[..] else {
            return Err(Error::misfit("a fit has an R-hat and a time"));
        };
        let (steps, is_converged, gradients, seed) = file.fact(&format!("{prefix}.counts"))?;
        let warnings = file.fact(&format!("{prefix}.warnings"))?;
        self.family.read_from(file, &format!("{prefix}.family"))?;
        (self.elbo, self.log_evidence) = (Estimate::mean(&log_weights), Estimate::log_mean(&log_weights));
        self.psis = psis(&log_weights);
        (self.draws, self.log_weights, self.warnings) = (draws, log_weights, warnings);
        (self.steps, self.is_converged, self.gradients, self.seed) = (steps, is_converged, gradients, seed);
        (self.r_hat, self.seconds) = ((!r_hat.is_nan()).then_some(r_hat), seconds);
        Ok(())
    }
}
