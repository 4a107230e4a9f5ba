//! Sigma points: a few fixed points of a Gaussian posterior in place of draws.

use super::posterior::Posterior;
use elbo_core::{Result, ensure_within};
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gaussian posteriors whose expectations in training are sums over `1 + 2 L` points,
///
/// $$ \chi_0 = \mu, \qquad \chi_{i,\pm} = \mu \pm \sqrt{L + \lambda}\, S e_i, \qquad
///    w_0 = \frac{\lambda}{L + \lambda}, \quad w_i = \frac{1}{2 (L + \lambda)}, \qquad \Sigma = S S^\top, $$
///
/// which is exact for polynomials of a degree up to three, and has no noise. Measures are those of the posterior itself, from draws.
///
/// # Source
/// Julier and Uhlmann (2004); Janjoš, Rosenbaum, Dolgov and Zöllner (2023), who take the points' columns from the factor of the covariance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SigmaPointsConfig {
    /// Whether covariances are full; else they are diagonal.
    pub is_full: bool,
    /// λ: how far the points lie beyond the standard deviations times the root of their number. With zero the mean has no weight.
    pub lambda: f64,
}

impl Default for SigmaPointsConfig {
    fn default() -> Self {
        Self { is_full: false, lambda: 1e-3 }
    }
}

impl SigmaPointsConfig {
    /// Checks ranges.
    pub(super) fn check(self) -> Result<()> {
        ensure_within("family.lambda", self.lambda, 0.0..=1e6)
    }

    /// Number of points for `latent` dimensions.
    pub(super) fn count(latent: usize) -> usize {
        1 + 2 * latent
    }

    /// The points of standard normals in the place of the posteriors `q`, `[1 + 2 L, B, L]`, and their weights, `[1 + 2 L, B]`.
    pub(super) fn standard(self, q: &Posterior) -> (Tensor, Tensor) {
        let (rows, dims, dtype) = (q.rows(), q.dims(), q.dtype());
        let (count, reach) = (Self::count(dims), dims as f64 + self.lambda);
        let axes = Tensor::eye(dims, dtype) * reach.sqrt();
        let points = Tensor::cat(&[Tensor::zeros(&[1, dims], dtype), axes.clone(), -axes], 0);
        let mut weights = vec![0.5 / reach; count];
        weights[0] = self.lambda / reach;
        let weights = Tensor::from_vec(weights, &[count, 1]).cast(dtype);
        (
            points.unsqueeze(1).broadcast_to(&[count, rows, dims]).contiguous(),
            weights.broadcast_to(&[count, rows]).contiguous(),
        )
    }
}
