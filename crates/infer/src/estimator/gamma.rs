//! Gradients through gamma variables, the law of positive unknowns that no location and scale can draw.

use elbo_core::{Result, Rng, ensure_within};
use elbo_dist::batched::{Gamma, log_gamma_draws};
use elbo_dist::rejection;
use elbo_tensor::{Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the gradient of an expectation under gamma distributions is estimated.
///
/// | estimator | unbiased | gradient of the target | variance |
/// |---|---|---|---|
/// | [`GammaGradient::Implicit`] | yes | yes | least |
/// | [`GammaGradient::Rejection`] | yes | yes | falls quickly with the augmentation |
/// | [`GammaGradient::Standardised`] | yes | yes | low for large shapes |
/// | [`GammaGradient::Score`] | yes | no | large; centre the signal |
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum GammaGradient {
    /// Through the accepted noise of Marsaglia and Tsang's sampler, with the correction for acceptance.
    Rejection {
        /// Uniforms that bring a draw of a larger shape down, `B`.
        augmentation: usize,
    },
    /// Through the distribution function.
    #[default]
    Implicit,
    /// Through log draws standardised to two moments, with the correction for the law of what is left.
    Standardised,
    /// The score function: draws held fixed.
    Score,
}

/// Draws of independent gamma variables, and what their gradients need.
#[derive(Debug, Clone)]
pub struct GammaDraws {
    /// Logarithms of the draws, differentiable along their paths where there are paths. `[lead..., batch...]`.
    pub log_z: Tensor,
    /// What the correction differentiates; `None` where paths are everything.
    log_ratio: Option<Tensor>,
}

impl GammaGradient {
    /// Refuses an augmentation that is too small or pointless.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        match self {
            // Without augmentation a shape below one has no sampler.
            Self::Rejection { augmentation } => ensure_within("augmentation", *augmentation, 1..=100),
            _ => Ok(()),
        }
    }

    /// Draws of gamma variables with these shapes and means (`[batch...]`, one shape).
    pub fn draw(&self, shape: &Tensor, mean: &Tensor, lead: &[usize], rng: &mut Rng) -> GammaDraws {
        // z = g m / a for g of rate one.
        let log_scale = mean.log() - shape.log();
        match self {
            Self::Implicit => GammaDraws { log_z: log_gamma_draws(shape, lead, rng) + log_scale, log_ratio: None },
            Self::Rejection { augmentation } => {
                let drawn = rejection::gamma(shape, *augmentation, lead, rng);
                GammaDraws { log_z: drawn.z + log_scale, log_ratio: Some(drawn.log_ratio) }
            }
            Self::Standardised => {
                let drawn = rejection::standardised_gamma(shape, lead, rng);
                GammaDraws { log_z: drawn.z + log_scale, log_ratio: Some(drawn.log_ratio) }
            }
            Self::Score => {
                let log_z = no_grad(|| log_gamma_draws(shape, lead, rng) + &log_scale);
                let density = Gamma::new(shape.clone(), shape / mean).log_prob_at_log(&log_z);
                GammaDraws { log_z, log_ratio: Some(density) }
            }
        }
    }

    /// Whether the correction, and so the signal, matters.
    pub fn needs_signal(&self) -> bool {
        *self != Self::Implicit
    }
}

impl GammaDraws {
    /// A tensor of value zero whose gradient is the correction for this signal: the part of the objective that depends on each draw, less
    /// anything whose mean does not depend on it. The signal broadcasts to the draws and is not differentiated.
    pub fn correction(&self, signal: &Tensor) -> Tensor {
        match &self.log_ratio {
            None => Tensor::zeros(&[], self.log_z.dtype()),
            Some(ratio) => (signal.detach() * (ratio - ratio.detach())).sum(),
        }
    }
}

/// Values less the mean of the other draws', along the first axis: what may be subtracted from a signal. With one draw, the values.
pub fn leave_one_out(values: &Tensor) -> Tensor {
    let draws = values.size(0) as f64;
    if draws < 2.0 {
        return values.clone();
    }
    (values - values.mean_axis(0, true)) * (draws / (draws - 1.0))
}
