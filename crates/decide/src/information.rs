//! How much an experiment is expected to tell: the information `I(θ; y)` that a design would give, in nats.
//!
//! | estimator | is | needs |
//! |---|---|---|
//! | [`linear_gaussian`] | exact | `y = G θ + e`, all Gaussian |
//! | [`contrastive`] | a lower and an upper bound (the upper one is nested Monte Carlo) | the likelihood's density |
//! | [`gaussian_bounds`] | a lower and an upper bound, tight for the linear Gaussian model | samples and the noise's covariance only |
//! | [`bald`] | exact for classes, over the given samples | class probabilities of several models |
//! | [`d_optimality`] | the linear Gaussian value around a point | a Jacobian |
//!
//! A greedy sequence of experiments takes the posterior after `k` data for the next prior: give a [`Simulator`] that draws from it.

use elbo_core::{Error, Result, Rng, ensure_within};
use elbo_linalg::{Cholesky, Ladder, MatMut, MatRef, cholesky_with_jitter};
use elbo_tensor::special::{log_add_exp, log_sum_exp};
use rayon::prelude::*;
use std::f64::consts::{E, TAU};

/// An experiment that can be simulated.
pub trait Simulator: Sync {
    /// Draws what is unknown, `[D]`, from what is believed now.
    fn draw(&self, rng: &mut Rng) -> Vec<f64>;
    /// Draws data of a design, `[m]`.
    fn simulate(&self, theta: &[f64], design: &[f64], rng: &mut Rng) -> Vec<f64>;
    /// `log p(y | θ, design)`.
    fn log_likelihood(&self, y: &[f64], theta: &[f64], design: &[f64]) -> f64;
}

/// A Monte Carlo mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
}

impl Estimate {
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Self { mean, error: (variance / n).sqrt() }
    }
}

/// Lower and upper bound of the expected information, from `outer` simulations and `inner` contrasts each.
///
/// The lower one keeps the parameters that made the data among the `inner + 1` contrasts, and never exceeds `log(inner + 1)`; the upper one leaves them
/// out, which is nested Monte Carlo. Both tend to the truth as `inner` grows; `inner` of about the root of `outer` balances bias and spread.
///
/// # Errors
/// [`Error::Setting`] for fewer than two simulations or no contrast; [`Error::Numerical`] for a density that is not a number.
///
/// # Source
/// Foster, Jankowiak, O'Meara, Teh and Rainforth (2020); Rainforth, Cornish, Yang, Warrington and Wood (2018).
pub fn contrastive(
    simulator: &impl Simulator,
    design: &[f64],
    outer: usize,
    inner: usize,
    rng: &mut Rng,
) -> Result<[Estimate; 2]> {
    ensure_within("outer", outer, 2..)?;
    ensure_within("inner", inner, 1..)?;
    let root = rng.fork();
    let one = |n: usize| {
        let mut rng = root.split(n as u64);
        let theta = simulator.draw(&mut rng);
        let y = simulator.simulate(&theta, design, &mut rng);
        let own = simulator.log_likelihood(&y, &theta, design);
        let others: Vec<f64> =
            (0..inner).map(|_| simulator.log_likelihood(&y, &simulator.draw(&mut rng), design)).collect();
        let sum = log_sum_exp(&others);
        let with = log_add_exp(own, sum);
        (own - with + ((inner + 1) as f64).ln(), own - sum + (inner as f64).ln())
    };
    let (lower, upper): (Vec<f64>, Vec<f64>) =
        (0..outer).into_par_iter().map(one).collect::<Vec<_>>().into_iter().unzip();
    // Where no contrast can explain the data the upper bound is infinite, which is true.
    if lower.iter().chain(&upper).any(|v| v.is_nan()) {
        return Err(Error::numerical("a log density of the simulator is not a number", "look at its log_likelihood"));
    }
    Ok([Estimate::of(&lower), Estimate::of(&upper)])
}

/// `1/2 log |I + R^{-1/2} G C Gᵀ R^{-T/2}|`, the information in `y = G θ + e` with `θ ~ N(·, C)`, `e ~ N(0, R)`. `g: [m, D]`, `c: [D, D]`, `r: [m, m]`.
///
/// # Errors
/// [`Error::Data`] for shapes that do not fit; [`Error::Numerical`] when a covariance is not positive.
pub fn linear_gaussian(g: &[f64], c: &[f64], r: &[f64]) -> Result<f64> {
    let (d, m) = (root_of(c.len()), root_of(r.len()));
    if d * d != c.len() || m * m != r.len() || g.len() != m * d {
        return Err(Error::data(
            format!("the map has {} values, the covariances {} and {}", g.len(), c.len(), r.len()),
            "give [m, D], [D, D] and [m, m] values",
        ));
    }
    let gc = product(g, c, m, d, d, false);
    let mut y = product(&gc, g, m, d, m, true);
    y.iter_mut().zip(r).for_each(|(y, r)| *y += r);
    Ok(0.5 * (factor(&y)?.log_det() - factor(r)?.log_det()))
}

/// Bounds of the expected information from an ensemble: parameters `theta: [J, D]`, predictions without noise `g: [J, m]`, noise covariance
/// `r: [m, m]`. Returns lower, upper.
///
/// The upper one takes `y` for Gaussian, `1/2 log|C_yy| - 1/2 log|R|` with `C_yy = C_gg + R`; the lower one takes the posterior for Gaussian with a mean
/// linear in `y`, `H[p(θ)] - 1/2 log|2πe S|`. `entropy` is that of the prior in nats; where none is given it is taken for Gaussian, and the lower
/// value is a bound only then.
///
/// # Errors
/// [`Error::Data`] for shapes that do not fit and fewer than `D + 2` members; [`Error::Numerical`] for covariances that are not positive.
///
/// # Source
/// Foster et al. (2019), the variational posterior and marginal estimators with Gaussian families.
pub fn gaussian_bounds(theta: &[f64], g: &[f64], r: &[f64], members: usize, entropy: Option<f64>) -> Result<[f64; 2]> {
    let m = root_of(r.len());
    let d = theta.len().checked_div(members).unwrap_or(0);
    if d == 0 || theta.len() != members * d || g.len() != members * m || m * m != r.len() || members < d + 2 {
        return Err(Error::data(
            format!("an ensemble of {members} has {} parameters and {} predictions", theta.len(), g.len()),
            "give [J, D] and [J, m] values with J of at least D + 2",
        ));
    }
    let (theta, g) = (centred(theta, d), centred(g, m));
    let moment = |a: &[f64], b: &[f64], p: usize, q: usize| -> Vec<f64> {
        let mut out = vec![0.0; p * q];
        for (a, b) in a.chunks_exact(p).zip(b.chunks_exact(q)) {
            for i in 0..p {
                elbo_linalg::vector::axpy(a[i] / (members - 1) as f64, b, &mut out[i * q..(i + 1) * q]);
            }
        }
        out
    };
    let (c, mut cross, mut y) = (moment(&theta, &theta, d, d), moment(&g, &theta, m, d), moment(&g, &g, m, m));
    y.iter_mut().zip(r).for_each(|(y, r)| *y += r);
    let y = factor(&y)?;
    // S = C_θθ - C_θy C_yy⁻¹ C_yθ.
    y.half_solve(MatMut::row_major(&mut cross, m, d));
    let mut s = c.clone();
    for v in cross.chunks_exact(d) {
        for i in 0..d {
            elbo_linalg::vector::axpy(-v[i], v, &mut s[i * d..(i + 1) * d]);
        }
    }
    let constant = 0.5 * d as f64 * (TAU * E).ln();
    let prior = match entropy {
        Some(entropy) => entropy,
        None => constant + 0.5 * factor(&c)?.log_det(),
    };
    let lower = prior - constant - 0.5 * factor(&s)?.log_det();
    Ok([lower, 0.5 * (y.log_det() - factor(r)?.log_det())])
}

/// What a label would tell about which of the models is right: entropy of the mean prediction less the mean entropy. `probabilities: [K][C]`.
///
/// # Source
/// Houlsby, Huszár, Ghahramani and Lengyel (2011).
pub fn bald(probabilities: &[Vec<f64>]) -> f64 {
    let classes = probabilities.first().map_or(0, Vec::len);
    let k = probabilities.len() as f64;
    let mean: Vec<f64> = (0..classes).map(|c| probabilities.iter().map(|p| p[c]).sum::<f64>() / k).collect();
    entropy(&mean) - probabilities.iter().map(|p| entropy(p)).sum::<f64>() / k
}

/// Entropy of a discrete distribution in nats.
pub fn entropy(p: &[f64]) -> f64 {
    -p.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>()
}

/// `log |Jᵀ R⁻¹ J|`, the log determinant of Fisher's information. `jacobian: [m, D]`, `r: [m, m]`.
///
/// # Errors
/// [`Error::Data`] for shapes that do not fit; [`Error::Numerical`] when the design does not determine all parameters.
pub fn d_optimality(jacobian: &[f64], r: &[f64]) -> Result<f64> {
    let m = root_of(r.len());
    let d = jacobian.len().checked_div(m).unwrap_or(0);
    if m * m != r.len() || jacobian.len() != m * d {
        return Err(Error::data(
            format!("the Jacobian has {} values, the noise's covariance {}", jacobian.len(), r.len()),
            "give [m, D] and [m, m] values",
        ));
    }
    let mut half = jacobian.to_vec();
    factor(r)?.half_solve(MatMut::row_major(&mut half, m, d));
    let mut fisher = vec![0.0; d * d];
    for v in half.chunks_exact(d) {
        for i in 0..d {
            elbo_linalg::vector::axpy(v[i], v, &mut fisher[i * d..(i + 1) * d]);
        }
    }
    Ok(factor(&fisher)?.log_det())
}

fn root_of(len: usize) -> usize {
    (len as f64).sqrt().round() as usize
}

/// `a b`, or `a bᵀ`: `[p, q]` times `[q, n]`.
fn product(a: &[f64], b: &[f64], p: usize, q: usize, n: usize, is_transposed: bool) -> Vec<f64> {
    let entry = |i: usize, j: usize| {
        (0..q).map(|k| a[i * q + k] * if is_transposed { b[j * q + k] } else { b[k * n + j] }).sum::<f64>()
    };
    (0..p * n).map(|at| entry(at / n, at % n)).collect()
}

fn centred(rows: &[f64], width: usize) -> Vec<f64> {
    let n = (rows.len() / width) as f64;
    let mean: Vec<f64> = (0..width).map(|k| rows.iter().skip(k).step_by(width).sum::<f64>() / n).collect();
    rows.iter().enumerate().map(|(at, v)| v - mean[at % width]).collect()
}

/// Without jitter, which would make a determinant out of nothing.
fn factor(matrix: &[f64]) -> Result<Cholesky<f64>> {
    let n = root_of(matrix.len());
    cholesky_with_jitter(MatRef::row_major(matrix, n, n), Ladder::Fixed(0.0))
        .map_err(|cause| Error::numerical(cause.to_string(), cause.remedy()))
}
