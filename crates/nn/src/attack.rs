//! Inputs moved a little so that a loss grows: for training that they should not sway, and for tests of those they do.

use elbo_core::{Result, ensure, ensure_within};
use elbo_tensor::{Tensor, grad, no_grad, with_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of an attack within a box around each input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttackConfig {
    /// How far each number may move.
    pub size: f64,
    /// Steps; one is the fast gradient sign, several are projected gradients.
    pub steps: usize,
}

impl Default for AttackConfig {
    fn default() -> Self {
        Self { size: 0.1, steps: 1 }
    }
}

impl AttackConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure("size", self.size, self.size >= 0.0 && self.size.is_finite(), "at least 0")?;
        ensure_within("steps", self.steps, 1..=10_000)
    }

    /// The inputs, moved along the signs of the loss's gradient; with several steps, each of `2.5 size / steps`, back into the box after
    /// each. `loss` is a sum or mean over rows, so that each row moves for its own part of it.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for settings out of range.
    ///
    /// # Source
    /// Goodfellow, Shlens and Szegedy (2015); Madry et al. (2018), without their random start.
    pub fn apply(&self, x: &Tensor, loss: impl Fn(&Tensor) -> Tensor) -> Result<Tensor> {
        self.check()?;
        let step = if self.steps == 1 { self.size } else { 2.5 * self.size / self.steps as f64 };
        let start = x.detach();
        let mut at = start.clone();
        for _ in 0..self.steps {
            let here = at.variable();
            let slope = grad(&with_grad(|| loss(&here)), &[&here]).remove(0);
            at = no_grad(|| {
                let moved = here.detach() + slope.sign() * step;
                &start + (moved - &start).clamp(-self.size, self.size)
            });
        }
        Ok(at)
    }
}
