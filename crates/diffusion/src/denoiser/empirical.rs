//! The exact denoiser of a finite data set.

use super::Denoiser;
use elbo_core::{Error, Result};
use elbo_tensor::Tensor;

/// The law that puts the same weight on each point of a data set. Its clean estimate is the softmax-weighted mean of the points,
///
/// $$ \hat x_0 = \sum_i w_i x_i, \qquad w_i \propto \exp(-\|x - x_i\|^2 / 2\sigma^2). $$
///
/// It is the optimum that a network trained on these points would reach, and so it only ever returns them; it generalises by their
/// mixtures at high levels only.
#[derive(Debug, Clone)]
pub struct Empirical {
    /// `[N, D]`.
    points: Tensor,
    /// -½‖x_i‖², `[1, N]`.
    half_squares: Tensor,
}

impl Empirical {
    /// The law of these points, `[N, D]`, row-major.
    ///
    /// # Errors
    /// [`Error::Data`] without points, or when they are not finite.
    pub fn new(points: &[f64], dims: usize) -> Result<Self> {
        if points.is_empty() || dims == 0 || !points.len().is_multiple_of(dims) {
            return Err(Error::data(
                format!("{} numbers are no points of {dims}", points.len()),
                "give at least one point",
            ));
        }
        if points.iter().any(|v| !v.is_finite()) {
            return Err(Error::data("a point of the data set is not finite", "remove it"));
        }
        let count = points.len() / dims;
        let points = Tensor::from_slice(points, &[count, dims]);
        let half_squares = (points.square().sum_axis(-1, false) * -0.5).reshape(&[1, count]);
        Ok(Self { points, half_squares })
    }

    /// The points, `[N, D]`.
    pub fn points(&self) -> &Tensor {
        &self.points
    }

    /// Weights of the points given noisy ones, `[rows of x, N]`. `x: [.., D]`.
    pub fn weights(&self, x: &Tensor, sigma: f64) -> Tensor {
        // ‖x‖² is the same for all points and falls out of the softmax.
        ((x.matmul(&self.points.t()) + &self.half_squares) / (sigma * sigma)).softmax(-1)
    }

    /// The mean of the points weighted by `log_weights: [.., N]`: with a log likelihood in them, the exact posterior mean.
    pub fn weighted_mean(&self, log_weights: &Tensor) -> Tensor {
        log_weights.softmax(-1).matmul(&self.points)
    }
}

impl Denoiser for Empirical {
    fn dims(&self) -> usize {
        self.points.size(1)
    }

    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        self.weights(x, sigma).matmul(&self.points)
    }
}
