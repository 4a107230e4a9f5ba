//! The log marginal likelihood by importance sampling, with a standard error: the truth that approximations are held against.

use crate::sites::SiteGp;
use elbo_core::{Result, Rng};
use elbo_tensor::{Tensor, no_grad};

/// An estimate with its standard error, both in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its standard error, from the spread of the weights.
    pub error: f64,
}

/// Log marginal likelihood of a dense site model, by drawing `f` at the data from its own Gaussian posterior. Exact in the limit of many
/// draws; reliable while the error is far below one.
///
/// # Errors
/// When a covariance is not positive definite within the jitter policy.
pub fn log_evidence(model: &SiteGp, draws: usize, rng: &mut Rng) -> Result<Estimate> {
    no_grad(|| {
        let n = model.targets().len();
        let x = model.prior.inputs();
        let (mean, covariance) = model.condition()?.joint(x);
        let k_chol = model.prior.kernel().gram_symmetric(x).cholesky()?;
        let q_chol = covariance.cholesky()?;
        let noise = Tensor::from_vec(rng.normals(n * draws), &[n, draws]);
        let f = q_chol.matmul(&noise) + mean.unsqueeze(1);
        let prior = k_chol.solve_lower(&f).square().sum_axis(0, false).to_vec();
        let proposal = noise.square().sum_axis(0, false).to_vec();
        let log_dets = (q_chol.diagonal().log().sum() - k_chol.diagonal().log().sum()).item();
        let values = f.t().to_vec();
        let offset = if model.mean().is_zero() { vec![0.0; n] } else { model.mean().value(x).to_vec() };
        let log_weights: Vec<f64> = (0..draws)
            .map(|s| {
                let fit: f64 = (0..n)
                    .map(|i| model.likelihood().row(i).log_prob(model.targets()[i], values[s * n + i] + offset[i]))
                    .sum();
                fit - 0.5 * prior[s] + 0.5 * proposal[s] + log_dets
            })
            .collect();
        let largest = log_weights.iter().fold(f64::NEG_INFINITY, |a, w| a.max(*w));
        let weights: Vec<f64> = log_weights.iter().map(|w| (w - largest).exp()).collect();
        let mean = weights.iter().sum::<f64>() / draws as f64;
        let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / draws as f64;
        Ok(Estimate { value: largest + mean.ln(), error: (variance / draws as f64).sqrt() / mean })
    })
}
