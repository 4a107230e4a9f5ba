//! The dense Gaussian.

use elbo_core::Rng;
use elbo_linalg::{Jitter, Ladder, LinalgError, cholesky_in_place};
use elbo_tensor::special::LOG_SQRT_TAU;

/// Multivariate normal distribution, held by its Cholesky factor.
#[derive(Debug, Clone, PartialEq)]
pub struct MultivariateNormal {
    mean: Vec<f64>,
    chol: Vec<f64>,
}

impl MultivariateNormal {
    /// From the mean `[D]` and the lower Cholesky factor of the covariance, `[D, D]` row-major with a positive diagonal. What stands
    /// above the diagonal is not read.
    pub fn new(mean: Vec<f64>, chol: Vec<f64>) -> Self {
        let d = mean.len();
        assert_eq!(chol.len(), d * d, "the factor of a {d}-dimensional normal has {d}x{d} entries");
        assert!((0..d).all(|i| chol[i * d + i] > 0.0), "a Cholesky factor has a positive diagonal");
        Self { mean, chol }
    }

    /// From the mean `[D]` and the covariance, `[D, D]` row-major and symmetric; returns the jitter that was added as well.
    ///
    /// # Errors
    /// [`LinalgError`] when the covariance is not positive definite within the jitter policy, or not finite.
    pub fn from_covariance(mean: Vec<f64>, mut covariance: Vec<f64>) -> Result<(Self, Jitter), LinalgError> {
        let jitter = cholesky_in_place(&mut covariance, mean.len(), Ladder::standard::<f64>(), true)?;
        Ok((Self::new(mean, covariance), jitter))
    }

    /// Number of dimensions, `D`.
    pub fn dimension(&self) -> usize {
        self.mean.len()
    }

    /// Mean, `[D]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Lower Cholesky factor of the covariance, `[D, D]` row-major.
    pub fn chol(&self) -> &[f64] {
        &self.chol
    }

    /// Covariance, `[D, D]` row-major.
    pub fn covariance(&self) -> Vec<f64> {
        let d = self.dimension();
        let entry = |i: usize, j: usize| (0..=i.min(j)).map(|k| self.chol[i * d + k] * self.chol[j * d + k]).sum();
        (0..d * d).map(|ij| entry(ij / d, ij % d)).collect()
    }

    /// Log density at `x: [D]`, in nats.
    pub fn log_prob(&self, x: &[f64]) -> f64 {
        let residual: Vec<f64> = x.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        let white = solve_lower(&self.chol, &residual);
        let square: f64 = white.iter().map(|w| w * w).sum();
        -0.5 * square - log_diagonal(&self.chol, self.dimension()) - self.dimension() as f64 * LOG_SQRT_TAU
    }

    /// One draw, `[D]`.
    pub fn sample(&self, rng: &mut Rng) -> Vec<f64> {
        let d = self.dimension();
        let noise: Vec<f64> = (0..d).map(|_| rng.normal()).collect();
        let shift = |i: usize| -> f64 { (0..=i).map(|k| self.chol[i * d + k] * noise[k]).sum() };
        (0..d).map(|i| self.mean[i] + shift(i)).collect()
    }
}

/// `L^-1 b` for a lower triangular row-major `L`.
pub(crate) fn solve_lower(chol: &[f64], b: &[f64]) -> Vec<f64> {
    let d = b.len();
    let mut x = b.to_vec();
    for i in 0..d {
        let known: f64 = (0..i).map(|k| chol[i * d + k] * x[k]).sum();
        x[i] = (x[i] - known) / chol[i * d + i];
    }
    x
}

/// Sum of the logarithms of the diagonal.
pub(crate) fn log_diagonal(chol: &[f64], d: usize) -> f64 {
    (0..d).map(|i| chol[i * d + i].abs().ln()).sum()
}
