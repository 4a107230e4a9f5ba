//! Which places fail: a Gaussian process behind a probit, by Laplace's approximation.

use crate::surrogate::{Gp, Hyper};
use elbo_core::{Error, Result};
use elbo_linalg::{Cholesky, Ladder, MatMut, MatRef, cholesky_with_jitter, vector::dot};
use elbo_tensor::special::{inverse_mills, log_ndtr, ndtri};

/// The latent variance; large enough that a failure makes its neighbourhood unlikely.
const VARIANCE: f64 = 4.0;
/// Lengthscales that are tried, as shares of the root of the number of variables; the likeliest is taken.
const SCALES: [f64; 5] = [0.1, 0.2, 0.4, 0.8, 1.6];
const NEWTON_STEPS: usize = 50;

/// The probability that a trial succeeds, from those that did and those that failed.
///
/// # Source
/// Rasmussen and Williams (2006), algorithms 3.1 and 3.2. The mean is the probit of `(successes + 1)/(trials + 2)`.
#[derive(Debug, Clone)]
pub struct FailureModel {
    /// The prior process at the trials, used for its kernel.
    kernel: Gp,
    mean: f64,
    /// Slopes of the log likelihood at the mode, `K⁻¹ (f - m)`.
    alpha: Vec<f64>,
    root: Vec<f64>,
    chol: Cholesky<f64>,
}

impl FailureModel {
    /// Learns from encoded points `x: [N, E]` of which `ok` succeeded.
    ///
    /// # Errors
    /// When the covariance cannot be factorised.
    pub fn learn(x: &[f64], ok: &[bool], groups: &[usize]) -> Result<Self> {
        let dims = groups.last().map_or(1, |g| g + 1) as f64;
        let mut best: Option<(f64, Self)> = None;
        for scale in SCALES {
            let hyper = Hyper { lengthscale: vec![scale * dims.sqrt()], variance: VARIANCE, noise: 1e-6 };
            let (evidence, model) = Self::at(x, ok, groups, hyper)?;
            if best.as_ref().is_none_or(|(e, _)| evidence > *e) {
                best = Some((evidence, model));
            }
        }
        Ok(best.expect("some lengthscale was tried").1)
    }

    fn at(x: &[f64], ok: &[bool], groups: &[usize], hyper: Hyper) -> Result<(f64, Self)> {
        let (n, width) = (ok.len(), groups.len());
        let successes = ok.iter().filter(|o| **o).count() as f64;
        let mean = ndtri((successes + 1.0) / (n as f64 + 2.0));
        let kernel = Gp::with_hyper(x, &vec![0.0; n], groups, hyper)?;
        let row = |i: usize| &x[i * width..(i + 1) * width];
        let k: Vec<f64> = (0..n * n).map(|ij| kernel.kernel(row(ij / n), row(ij % n))).collect();
        let sign: Vec<f64> = ok.iter().map(|o| if *o { 1.0 } else { -1.0 }).collect();
        let mut g = vec![0.0; n];
        let (mut alpha, mut root) = (vec![0.0; n], vec![0.0; n]);
        let mut chol = None;
        let mut evidence = f64::NEG_INFINITY;
        for _ in 0..NEWTON_STEPS {
            let (mut slope, mut value) = (vec![0.0; n], 0.0);
            for i in 0..n {
                let z = sign[i] * (mean + g[i]);
                let mills = inverse_mills(z);
                slope[i] = sign[i] * mills;
                root[i] = (mills * (z + mills)).max(0.0).sqrt();
                value += log_ndtr(z);
            }
            let mut b = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..n {
                    b[i * n + j] = root[i] * k[i * n + j] * root[j] + f64::from(u8::from(i == j));
                }
            }
            let factor =
                cholesky_with_jitter(MatRef::row_major(&b, n, n), Ladder::standard::<f64>()).map_err(|cause| {
                    Error::numerical(format!("the model of failures: {cause}"), "merge repeated trials")
                })?;
            let right: Vec<f64> = (0..n).map(|i| root[i] * root[i] * g[i] + slope[i]).collect();
            let mut inner: Vec<f64> = (0..n).map(|i| root[i] * dot(&k[i * n..(i + 1) * n], &right)).collect();
            factor.solve(MatMut::column(&mut inner));
            alpha = (0..n).map(|i| right[i] - root[i] * inner[i]).collect();
            let next = value - 0.5 * dot(&alpha, &g) - 0.5 * factor.log_det();
            g = (0..n).map(|i| dot(&k[i * n..(i + 1) * n], &alpha)).collect();
            chol = Some(factor);
            if (next - evidence).abs() < 1e-9 * next.abs().max(1.0) {
                evidence = next;
                break;
            }
            evidence = next;
        }
        let chol = chol.expect("at least one step was made");
        Ok((evidence, Self { kernel, mean, alpha, root, chol }))
    }

    /// Log probability of success at `x: [E]`; adds its gradient.
    pub fn log_success(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let width = x.len();
        let inputs = self.kernel.inputs();
        let cross: Vec<f64> = inputs.chunks_exact(width).map(|row| self.kernel.kernel(row, x)).collect();
        let mean = self.mean + dot(&cross, &self.alpha);
        let mut v: Vec<f64> = cross.iter().zip(&self.root).map(|(c, r)| c * r).collect();
        self.chol.half_solve(MatMut::column(&mut v));
        let variance = (VARIANCE - dot(&v, &v)).max(0.0);
        let spread = (1.0 + variance).sqrt();
        let z = mean / spread;
        let mills = inverse_mills(z);
        // Derivatives in the covariances with the trials: of the mean, and of the variance.
        self.chol.half_solve_transposed(MatMut::column(&mut v));
        let by_variance = -0.5 * mills * z / (spread * spread);
        let weights: Vec<f64> = (0..cross.len())
            .map(|i| mills / spread * self.alpha[i] - 2.0 * by_variance * self.root[i] * v[i])
            .collect();
        self.kernel.add_cross_gradient(x, &weights, gradient);
        log_ndtr(z)
    }
}
