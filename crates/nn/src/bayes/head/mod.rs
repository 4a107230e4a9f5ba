//! Bayesian last layers: heads on deterministic features, trained with them by one bound in closed form.
//!
//! | target | head |
//! |---|---|
//! | numbers; noise of one size, with outliers, or varying | [`RegressionHead`] with a [`NoiseConfig`] |
//! | classes, from noisy logits | [`DiscriminativeHead`] |
//! | classes, from a Gaussian of features a class; also says how usual the features are | [`GenerativeHead`] |
//!
//! The loss of `N` rows is `-mean(bound) + cost / N`. A head of [`Covariance::Point`] is the network without a
//! posterior: squared errors with learned noise, or softmax.
//!
//! # Source
//! Harrison, Willes and Snoek (2024). Deviation: each output has its own noise in the trace term, where the published program multiplies
//! by the sum of all precisions.

mod classification;
mod regression;

pub use classification::{Bound, DiscriminativeHead, GenerativeHead};
pub use regression::{NoiseConfig, RegressionHead};

use crate::layer::MOST_WIDTH;
use elbo_core::{Result, Rng, ensure, ensure_within};
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{Parameters, Tensor};
use serde::{Deserialize, Serialize};

use super::Covariance;

/// A last layer with a distribution over its weights.
pub trait Head: Parameters + Send + Sync {
    /// Lower bound on the expected log likelihood of each row, in nats. `features: [B, H]`; `targets: [B, K]` of numbers, or `[B]` of class
    /// indices in `I64`; returns `[B]`.
    ///
    /// # Errors
    /// When a covariance cannot be factorised.
    fn bound(&self, features: &Tensor, targets: &Tensor) -> Result<Tensor>;

    /// What all rows pay together, in nats: the divergence of the weights from their prior, less the log prior density of the noise.
    ///
    /// # Errors
    /// As [`Head::bound`].
    fn cost(&self) -> Result<Tensor>;
}

/// What every head is built from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeadConfig {
    /// Outputs or classes, `K`.
    pub outputs: usize,
    /// Width of the features, `H`.
    pub features: usize,
    /// What the covariances look like.
    pub covariance: Covariance,
    /// Common directions of [`Covariance::LowRank`].
    pub rank: usize,
    /// Variance of the prior of all weights of an output together; each has its share of it.
    pub prior_scale: f64,
    /// Degrees of freedom of the inverse Wishart prior of the noise.
    pub wishart_dof: f64,
    /// Scale of that prior.
    pub wishart_scale: f64,
    /// The noise's standard deviation at the start.
    pub noise_sd: f64,
}

impl HeadConfig {
    /// Standard settings for this many outputs and features.
    pub fn new(outputs: usize, features: usize) -> Self {
        Self {
            outputs,
            features,
            covariance: Covariance::Dense,
            rank: 3,
            prior_scale: 1.0,
            wishart_dof: 1.0,
            wishart_scale: 0.01,
            noise_sd: 0.5,
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("rank", self.rank, 1..=MOST_WIDTH)?;
        ensure("prior_scale", self.prior_scale, self.prior_scale > 0.0, "above 0")?;
        ensure("wishart_dof", self.wishart_dof, self.wishart_dof > 0.0, "above 0")?;
        ensure("wishart_scale", self.wishart_scale, self.wishart_scale > 0.0, "above 0")
    }

    /// Starting means: normal with variance 2 / H.
    fn start(&self, rng: &mut Rng) -> Tensor {
        let values = rng.normals(self.outputs * self.features);
        Tensor::from_vec(values, &[self.outputs, self.features]) * (2.0 / self.features as f64).sqrt()
    }

    /// Starting deviation of each weight.
    fn start_sd(&self) -> f64 {
        1.0 / (self.features as f64).sqrt()
    }

    /// Less the log density of the inverse Wishart prior at diagonal covariances of these standard deviations, up to a constant.
    fn noise_cost(&self, sd: &Tensor) -> Tensor {
        let half = 0.5 * (self.wishart_dof + sd.len() as f64 + 1.0);
        sd.log().sum() * (2.0 * half) + sd.square().recip().sum() * (0.5 * self.wishart_scale)
    }
}

/// log N(y; m, v), elementwise.
fn normal_log_prob(error: &Tensor, variance: &Tensor) -> Tensor {
    (error.square() / variance + variance.log()) * -0.5 - LOG_SQRT_TAU
}
