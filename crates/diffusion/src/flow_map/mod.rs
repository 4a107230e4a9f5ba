//! Maps along the flow from one level to another in one evaluation.
//!
//! A flow map Φ(x; σ → s) carries a noisy point where the probability flow would. A consistency model is the map to zero. What a solver
//! computes ([`crate::sampler::flow`]) is one too, and the exact one is what others are judged by.
//!
//! | I want | use |
//! |---|---|
//! | the exact map of a Gaussian, to test with | [`GaussianFlow`] |
//! | one step of DDIM as a map | [`OneStep`] |
//! | a network that jumps to the data, learned from a denoiser | [`Distillation`], which makes a [`Consistency`] |
//! | the average velocity of any map | [`mean_velocity`] |
//! | a network that knows the average velocity, learned from data without a teacher | [`MeanVelocityTraining`], which makes a [`MeanVelocity`] |

mod average;
mod consistency;

pub use average::{MeanVelocity, MeanVelocityConfig, MeanVelocityTraining, Span, mean_velocity_target};
pub use consistency::{Consistency, DistillConfig, Distillation};

use crate::denoiser::Denoiser;
use elbo_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// A map along the flow.
pub trait FlowMap: Send + Sync {
    /// Points `x: [N, D]` at the level `from`, carried to the level `to`.
    fn carry(&self, x: &Tensor, from: f64, to: f64) -> Tensor;
}

/// The boundary of a consistency model: f(x; σ) = skip x + out F with skip = 1 and out = 0 at the least level, so that f is the identity
/// there whatever F is.
///
/// # Source
/// Song, Dhariwal, Chen and Sutskever (2023).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Boundary {
    /// Standard deviation of the data.
    pub data_sd: f64,
    /// The least level.
    pub low: f64,
}

impl Boundary {
    /// `(skip, out)` at a level.
    pub fn at(&self, sigma: f64) -> (f64, f64) {
        let gap = sigma - self.low;
        let variance = self.data_sd * self.data_sd;
        (variance / (gap * gap + variance), self.data_sd * gap / (sigma * sigma + variance).sqrt())
    }
}

/// One step of DDIM as a flow map: exact where the clean estimate is constant along the flow, and otherwise of first order.
pub struct OneStep<D> {
    /// The denoiser.
    pub denoiser: D,
}

impl<D: Denoiser> FlowMap for OneStep<D> {
    fn carry(&self, x: &Tensor, from: f64, to: f64) -> Tensor {
        let clean = self.denoiser.denoise(x, from);
        &clean + (x - &clean) * (to / from)
    }
}

/// The exact flow map of a Gaussian N(mean, diag(variances)): (x - m)·√((v + s²)/(v + σ²)) + m.
pub struct GaussianFlow {
    /// `[1, D]`.
    pub mean: Tensor,
    /// `[1, D]`.
    pub variances: Tensor,
}

impl FlowMap for GaussianFlow {
    fn carry(&self, x: &Tensor, from: f64, to: f64) -> Tensor {
        let scale = ((&self.variances + to * to) / (&self.variances + from * from)).sqrt();
        (x - &self.mean) * scale + &self.mean
    }
}

/// The average velocity between two levels, ū = (Φ(x; σ → s) - x)/(s - σ). With the flow's velocity u = dx/dσ it satisfies
/// u = ū + (σ - s) dū/dσ, where the derivative is the total one along the flow.
pub fn mean_velocity(map: &dyn FlowMap, x: &Tensor, from: f64, to: f64) -> Tensor {
    (map.carry(x, from, to) - x) / (to - from)
}
