//! How much the divergence from the prior counts in training.

use elbo_core::{Result, ensure};
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Weight of the divergence from the prior, and how long it takes to come in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tempering {
    /// What the divergence is multiplied by; one is Bayes' rule, anything else a tempered posterior.
    pub weight: f64,
    /// Steps over which the weight rises from zero in proportion to the step.
    pub warmup: usize,
}

impl Default for Tempering {
    fn default() -> Self {
        Self { weight: 1.0, warmup: 0 }
    }
}

impl Tempering {
    /// Bayes' rule after a warm-up over a tenth of these steps.
    pub fn over(steps: usize) -> Self {
        Self { warmup: steps / 10, ..Self::default() }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure("weight", self.weight, self.weight > 0.0 && self.weight.is_finite(), "above 0")
    }

    /// The weight at a step, counted from zero.
    pub fn at(&self, step: usize) -> f64 {
        if step >= self.warmup { self.weight } else { self.weight * step as f64 / self.warmup as f64 }
    }

    /// What reports call the posterior.
    pub fn name(&self) -> &'static str {
        if self.weight == 1.0 { "bayes" } else { "tempered" }
    }

    /// Less the evidence lower bound of `rows` rows, over their number, estimated from the log probabilities of a minibatch: its mean stands for
    /// all rows, and the divergence counts once.
    ///
    /// $$ -\frac 1M \sum_{m} \log p(y_m \mid x_m, \theta) + \frac{\beta}{N} \mathrm{KL}[q \,\|\, p] $$
    pub fn loss(&self, log_probs: &Tensor, divergence: &Tensor, rows: usize, step: usize) -> Tensor {
        divergence * (self.at(step) / rows as f64) - log_probs.mean()
    }
}
