//! Codes that are one of several classes, as one-hot vectors.

use super::posterior::Posterior;
use super::prior::{Prior, PriorPass};
use elbo_core::{Result, Rng, ensure_within};
use elbo_dist::batched::{Batched, Categorical, Concrete, Gumbel, Kl};
use elbo_tensor::{DType, Parameter, Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// How training follows the probabilities of classes.
///
/// Few classes are summed over, which is exact. With many, draws are relaxed: softmax((logits + Gumbel noise) / t), whose gradient is biased the
/// less the lower the temperature t, and varies the more. Measures and codes are always those of the classes themselves.
///
/// # Source
/// Jang, Gu and Poole (2017); Maddison, Mnih and Teh (2017).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassesConfig {
    /// Most classes that are summed over.
    pub most_summed: usize,
    /// Temperature of relaxed draws at the first step.
    pub temperature: f64,
    /// Temperature after `cooling` steps; between them it falls by the same factor at every step.
    pub last_temperature: f64,
    /// Steps between the two temperatures.
    pub cooling: usize,
    /// Whether relaxed draws are rounded to a class, with the gradient of the relaxed ones.
    pub straight_through: bool,
}

impl Default for ClassesConfig {
    fn default() -> Self {
        Self { most_summed: 64, temperature: 1.0, last_temperature: 0.5, cooling: 10_000, straight_through: false }
    }
}

impl ClassesConfig {
    /// Checks ranges.
    pub(super) fn check(self) -> Result<()> {
        for (name, value) in [("temperature", self.temperature), ("last_temperature", self.last_temperature)] {
            ensure_within(&format!("family.{name}"), value, 0.01..)?;
        }
        Ok(())
    }

    /// Whether this many classes are summed over.
    pub(crate) fn sums(self, classes: usize) -> bool {
        classes <= self.most_summed
    }

    /// The temperature at a step.
    pub fn temperature_at(self, step: usize) -> f64 {
        let share = if self.cooling == 0 { 1.0 } else { (step as f64 / self.cooling as f64).min(1.0) };
        self.temperature * (self.last_temperature / self.temperature).powf(share)
    }
}

/// Posteriors over classes, from unnormalised log probabilities.
#[derive(Debug, Clone)]
pub struct Classes {
    logits: Tensor,
    probs: OnceLock<Tensor>,
}

impl Classes {
    /// From unnormalised log probabilities `[B, L]`.
    pub fn new(logits: Tensor) -> Self {
        Self { logits, probs: OnceLock::new() }
    }

    /// Unnormalised log probabilities, `[B, L]`.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }

    fn law(&self) -> Categorical {
        Categorical::new(&self.logits)
    }

    /// Probabilities, `[B, L]`, without a gradient: the mean of the codes.
    pub(super) fn mean(&self) -> &Tensor {
        self.probs.get_or_init(|| no_grad(|| self.law().probs()))
    }

    /// Gumbel noise, `[K, B, L]`.
    pub(super) fn noise(&self, draws: usize, rng: &mut Rng) -> Tensor {
        let shape = self.logits.shape();
        let law = Gumbel::new(Tensor::zeros(shape, DType::F64), Tensor::ones(shape, DType::F64));
        law.sample(&[draws], rng).cast(self.logits.dtype())
    }

    /// The classes whose log probability and Gumbel noise have the largest sum, which are drawn with those probabilities: `[K, B, L]`.
    pub(super) fn draw(&self, noise: &Tensor) -> Tensor {
        let classes = self.logits.size(-1);
        no_grad(|| (&self.logits + noise).argmax(-1, false).one_hot(classes, self.logits.dtype()))
    }

    /// Codes that training decodes, `[K, B, L]`, and their weights in expectations, `[K, B]`: every class with its probability where there are
    /// few; else `draws` relaxed ones, all alike.
    pub(super) fn training_codes(
        &self,
        config: ClassesConfig,
        draws: usize,
        step: usize,
        rng: &mut Rng,
    ) -> (Tensor, Option<Tensor>) {
        let (rows, classes) = (self.logits.size(0), self.logits.size(1));
        if config.sums(classes) {
            let each = Tensor::eye(classes, self.logits.dtype()).unsqueeze(1);
            return (each.broadcast_to(&[classes, rows, classes]).contiguous(), Some(self.law().probs().t()));
        }
        let law = Concrete::new(&self.logits, config.temperature_at(step));
        let drawn = if config.straight_through {
            law.straight_through(&[draws], rng)
        } else {
            law.log_rsample(&[draws], rng).exp()
        };
        (drawn, None)
    }

    /// Log probability of one-hot codes `[K, B, L]`, `[K, B]`.
    pub(super) fn log_prob(&self, z: &Tensor) -> Tensor {
        (z * self.law().log_probs()).sum_axis(-1, false)
    }

    /// Entropy, `[B]`.
    pub(super) fn entropy(&self) -> Option<Tensor> {
        self.law().entropy()
    }

    pub(super) fn map(&self, f: &dyn Fn(&Tensor) -> Tensor) -> Self {
        Self::new(f(&self.logits))
    }
}

/// Classes with equal probabilities, or learned ones.
pub(super) struct ClassPrior {
    logits: Parameter,
}

elbo_tensor::parameters!(ClassPrior { "logits": logits });

impl ClassPrior {
    /// Equal probabilities at the start, and all along unless they are learned.
    pub(super) fn new(classes: usize, is_learned: bool, dtype: DType) -> Self {
        let logits = Parameter::real(&Tensor::zeros(&[classes], dtype));
        Self { logits: if is_learned { logits } else { logits.frozen() } }
    }
}

impl Prior for ClassPrior {
    fn log_prob(&self, z: &Tensor, _: &mut PriorPass<'_>) -> Tensor {
        (z * self.logits.get().log_softmax(-1)).sum_axis(-1, false)
    }

    fn kl(&self, q: &Posterior) -> Option<Tensor> {
        let Posterior::Classes(q) = q else { return None };
        let prior = Categorical::new(&self.logits.get().cast(q.logits.dtype()));
        Some(q.law().kl(&prior).unsqueeze(-1))
    }

    fn sample(&self, count: usize, _: Option<&Posterior>, rng: &mut Rng) -> Tensor {
        let probs = self.logits.get().detach().softmax(-1).to_vec();
        let drawn: Vec<usize> = (0..count).map(|_| rng.weighted(&probs)).collect();
        Tensor::indices(&drawn).one_hot(probs.len(), DType::F64)
    }
}
