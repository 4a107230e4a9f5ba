//! Continuous ranked probability scores in closed form, in the target's unit; smaller is better.
//!
//! `CRPS(F, y) = E|X - y| - E|X - X'|/2`: for a point prediction it is the absolute error.

use elbo_tensor::special::{LOG_SQRT_TAU, log_beta, ndtr, student_t_cdf};
use std::f64::consts::PI;

/// Of a normal distribution: `sd [z (2 Phi(z) - 1) + 2 phi(z) - 1/sqrt(pi)]`.
pub fn normal(mean: f64, sd: f64, y: f64) -> f64 {
    let z = (y - mean) / sd;
    sd * (z * (2.0 * ndtr(z) - 1.0) + 2.0 * density(z) - 1.0 / PI.sqrt())
}

/// Of a Student-t distribution with more than one degree of freedom; infinite with fewer.
///
/// # Source
/// Jordan, Krüger and Lerch (2019).
pub fn student_t(location: f64, scale: f64, dof: f64, y: f64) -> f64 {
    if dof <= 1.0 {
        return f64::INFINITY;
    }
    let z = (y - location) / scale;
    let log_density = -0.5 * (dof + 1.0) * (z * z / dof).ln_1p() - log_beta(0.5, 0.5 * dof) - 0.5 * dof.ln();
    let spread = (log_beta(0.5, dof - 0.5) - 2.0 * log_beta(0.5, 0.5 * dof)).exp();
    let tail = 2.0 * log_density.exp() * (dof + z * z) / (dof - 1.0) - 2.0 * dof.sqrt() / (dof - 1.0) * spread;
    scale * (z * (2.0 * student_t_cdf(z, dof) - 1.0) + tail)
}

/// Of a mixture of normal distributions; `[K]` each, weights summing to one.
///
/// # Source
/// Grimit, Gneiting, Berrocal and Johnson (2006).
pub fn gaussian_mixture(weights: &[f64], means: &[f64], sds: &[f64], y: f64) -> f64 {
    let mut score = 0.0;
    for i in 0..weights.len() {
        score += weights[i] * mean_absolute(y - means[i], sds[i]);
        score -= 0.5 * weights[i] * weights[i] * mean_absolute(0.0, (2.0f64).sqrt() * sds[i]);
        for j in 0..i {
            score -= weights[i] * weights[j] * mean_absolute(means[i] - means[j], sds[i].hypot(sds[j]));
        }
    }
    score
}

/// `E|N(mean, sd^2)|`.
fn mean_absolute(mean: f64, sd: f64) -> f64 {
    if sd == 0.0 {
        return mean.abs();
    }
    let z = mean / sd;
    2.0 * sd * density(z) + mean * (2.0 * ndtr(z) - 1.0)
}

fn density(z: f64) -> f64 {
    (-0.5 * z * z - LOG_SQRT_TAU).exp()
}

/// Of a sample, without the bias of its size: `mean |x_i - y| - sum_ij |x_i - x_j| / 2S(S - 1)`. At least two draws.
///
/// # Source
/// Ferro (2014).
pub fn ensemble(draws: &[f64], y: f64) -> f64 {
    let count = draws.len();
    assert!(count >= 2, "the spread of a sample needs two draws at least");
    let mut sorted = draws.to_vec();
    sorted.sort_by(f64::total_cmp);
    let s = count as f64;
    let distance = sorted.iter().map(|x| (x - y).abs()).sum::<f64>() / s;
    // Half the sum over ordered pairs, from the ranks.
    let pairs: f64 = sorted.iter().enumerate().map(|(i, x)| (2.0 * i as f64 + 1.0 - s) * x).sum();
    distance - pairs / (s * (s - 1.0))
}
