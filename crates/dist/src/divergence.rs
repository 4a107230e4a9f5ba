//! Kullback-Leibler divergences in closed form, `KL[q || p]` in nats.

use crate::multivariate_normal::{log_diagonal, solve_lower};
use crate::{Gamma, InverseGamma, MultivariateNormal, Normal};
use elbo_tensor::special::{digamma, lgamma};

/// Between two normal distributions of one number.
pub fn normal(q: &Normal, p: &Normal) -> f64 {
    let ratio = (q.sd / p.sd).powi(2);
    let distance = (q.mean - p.mean) / p.sd;
    // ratio - 1 - log ratio loses digits near 1 unless taken through the excess.
    let excess = ratio - 1.0;
    0.5 * (distance * distance + excess - excess.ln_1p())
}

/// Between two normal distributions with diagonal covariance; `[D]` each, variances positive.
pub fn diagonal(q_mean: &[f64], q_variance: &[f64], p_mean: &[f64], p_variance: &[f64]) -> f64 {
    let d = q_mean.len();
    assert!(q_variance.len() == d && p_mean.len() == d && p_variance.len() == d, "four vectors of one length");
    let term = |i: usize| {
        let (q, p) = (
            Normal { mean: q_mean[i], sd: q_variance[i].sqrt() },
            Normal { mean: p_mean[i], sd: p_variance[i].sqrt() },
        );
        normal(&q, &p)
    };
    (0..d).map(term).sum()
}

/// Between two dense normal distributions of one dimension `D`.
///
/// $$ \tfrac12 \left[ \|L_p^{-1} L_q\|_F^2 + \|L_p^{-1}(m_q - m_p)\|^2 - D \right] + \sum \log L_p - \sum \log L_q $$
pub fn dense(q: &MultivariateNormal, p: &MultivariateNormal) -> f64 {
    let d = q.dimension();
    assert_eq!(p.dimension(), d, "both distributions have one dimension");
    let residual: Vec<f64> = q.mean().iter().zip(p.mean()).map(|(q, p)| q - p).collect();
    let norm = |v: Vec<f64>| v.iter().map(|x| x * x).sum::<f64>();
    let column = |j: usize| (0..d).map(|i| if i < j { 0.0 } else { q.chol()[i * d + j] }).collect::<Vec<_>>();
    let trace: f64 = (0..d).map(|j| norm(solve_lower(p.chol(), &column(j)))).sum();
    let quadratic = norm(solve_lower(p.chol(), &residual));
    0.5 * (trace + quadratic - d as f64) + log_diagonal(p.chol(), d) - log_diagonal(q.chol(), d)
}

/// From a dense normal to the standard normal: the whitened divergence of sparse Gaussian processes.
pub fn whitened(q: &MultivariateNormal) -> f64 {
    let d = q.dimension();
    let square =
        |i: usize| -> f64 { (0..=i).map(|j| q.chol()[i * d + j].powi(2)).sum::<f64>() + q.mean()[i].powi(2) - 1.0 };
    0.5 * (0..d).map(square).sum::<f64>() - log_diagonal(q.chol(), d)
}

/// Between two gamma distributions.
pub fn gamma(q: &Gamma, p: &Gamma) -> f64 {
    (q.shape - p.shape) * digamma(q.shape) - lgamma(q.shape)
        + lgamma(p.shape)
        + p.shape * (q.rate.ln() - p.rate.ln())
        + (p.rate - q.rate) * q.shape / q.rate
}

/// Between two inverse gamma distributions: that of the gamma distributions of the reciprocals.
pub fn inverse_gamma(q: &InverseGamma, p: &InverseGamma) -> f64 {
    gamma(&Gamma { shape: q.shape, rate: q.scale }, &Gamma { shape: p.shape, rate: p.scale })
}
