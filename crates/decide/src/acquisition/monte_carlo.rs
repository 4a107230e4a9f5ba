//! Improvement of several points together, by samples that stay fixed: qEI, qLogEI, qNEI, qLogNEI.

use super::{Acquisition, Feasibility};
use crate::surrogate::{Gp, Joint};
use elbo_core::Rng;
use elbo_dist::{Scramble, Sobol};
use elbo_linalg::{Cholesky, Ladder, MatMut, MatRef, cholesky_with_jitter, vector::dot};
use elbo_tensor::special::{log1p_exp, ndtri, sigmoid};

/// Temperatures of the smooth `max(0, ·)` and of the smooth maximum over points, and the weight of the first one's fat tail.
const TAU_PLUS: f64 = 1e-6;
const TAU_MAX: f64 = 1e-2;
const FAT: f64 = 0.1;

/// What is sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MonteCarloOptions {
    /// Points scored together, `q`.
    pub count: usize,
    /// Samples, `S`; a power of two is best.
    pub samples: usize,
    /// The logarithm of a smoothed improvement, or the plain improvement.
    pub is_log: bool,
}

impl Default for MonteCarloOptions {
    fn default() -> Self {
        Self { count: 1, samples: 128, is_log: true }
    }
}

/// Improvement of the best of `q` points on an incumbent, averaged over `S` joint samples.
///
/// The samples cover `q` new points and *fixed* ones, whose values lower each sample's own incumbent: pending trials, and with noise the measured
/// ones, of which only the noise-free values count.
///
/// $$ \log \tfrac1S \sum_s \exp \max_i \log (f^\star_s - F_{si})_+ , \qquad F = \mu + L Z $$
///
/// with `max` and `( )_+` smoothed with fat tails, so that gradients never vanish.
///
/// # Source
/// Ament et al. (2023); samples of Balandat et al. (2020). Deviation: the limits' log probabilities are added to each point's log improvement instead of
/// being sampled.
pub struct MonteCarlo<'a> {
    gp: &'a Gp,
    options: MonteCarloOptions,
    feasibility: Feasibility<'a>,
    fixed: Joint,
    fixed_chol: Cholesky<f64>,
    /// `[S, fixed]` and `[S, q]` numbers of variance one, normal or Student-t as the process is.
    fixed_draws: Vec<f64>,
    draws: Vec<f64>,
    /// Each sample's value to improve on, `[S]`.
    incumbent: Vec<f64>,
}

impl<'a> MonteCarlo<'a> {
    /// `incumbent` is the best value so far, standardised; infinite where only the fixed points count, as with noise. `fixed: [B, E]`.
    ///
    /// # Errors
    /// When the covariance of the fixed points cannot be factorised.
    pub fn new(
        gp: &'a Gp,
        options: MonteCarloOptions,
        incumbent: f64,
        fixed: &[f64],
        feasibility: Feasibility<'a>,
        rng: &mut Rng,
    ) -> elbo_core::Result<Self> {
        let joint = gp.joint(fixed);
        let (b, q, s) = (joint.len(), options.count, options.samples);
        // Enough for values that the data determine almost exactly.
        let mut covariance = joint.covariance.clone();
        (0..b).for_each(|i| covariance[i * b + i] += 1e-10 * gp.hyper().variance);
        let fixed_chol = cholesky_with_jitter(MatRef::row_major(&covariance, b, b), Ladder::standard::<f64>())
            .map_err(|cause| {
                elbo_core::Error::numerical(
                    format!("the values at {b} pending and measured points cannot be sampled: {cause}"),
                    "remove repeated rows of the history",
                )
            })?;
        // New points take the sequence's first and best dimensions.
        let sobol_dims = (q + b).clamp(1, Sobol::MAX_DIMENSION);
        let sobol = Sobol::new(sobol_dims, Scramble::Owen, rng);
        let (mut draws, mut fixed_draws) = (Vec::with_capacity(s * q), Vec::with_capacity(s * b));
        for sample in 0..s {
            let point = sobol.point(sample as u64);
            let mut normal = |i: usize| if i < sobol_dims { ndtri(point[i]) } else { rng.normal() };
            draws.extend((0..q).map(&mut normal));
            fixed_draws.extend((q..q + b).map(&mut normal));
            // A Student-t vector is a normal one over a scale that all its parts share.
            if let Some(freedom) = gp.freedom() {
                let stretch = ((freedom - 2.0) / rng.chi_squared(freedom)).sqrt();
                draws[sample * q..].iter_mut().chain(&mut fixed_draws[sample * b..]).for_each(|z| *z *= stretch);
            }
        }
        let factor = fixed_chol.factor();
        let lowest = |z: &[f64]| {
            let value = |i: usize| joint.mean[i] + (0..=i).map(|j| factor.get(i, j) * z[j]).sum::<f64>();
            (0..b).map(value).fold(incumbent, f64::min)
        };
        let incumbent = (0..s).map(|k| lowest(&fixed_draws[k * b..(k + 1) * b])).collect();
        Ok(Self { gp, options, feasibility, fixed: joint, fixed_chol, fixed_draws, draws, incumbent })
    }
}

impl Acquisition for MonteCarlo<'_> {
    fn count(&self) -> usize {
        self.options.count
    }

    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let (q, s, b) = (self.options.count, self.options.samples, self.fixed.len());
        let width = self.gp.width();
        gradient.fill(0.0);
        let joint = self.gp.joint(x);
        // V = L_B⁻¹ C_BX, and the factor of what is left.
        let mut v = self.gp.between(&self.fixed, &joint);
        self.fixed_chol.half_solve(MatMut::row_major(&mut v, b, q));
        let mut left = joint.covariance.clone();
        for i in 0..q {
            for j in 0..q {
                left[i * q + j] -= (0..b).map(|k| v[k * q + i] * v[k * q + j]).sum::<f64>();
            }
        }
        let chol = small_cholesky(&left, q, 1e-10 * self.gp.hyper().variance);
        // Log probabilities of being feasible, with gradients kept until their weights are known.
        let mut log_feasible = vec![0.0; q];
        let mut feasible_gradient = vec![0.0; x.len()];
        if !self.feasibility.is_certain() {
            for i in 0..q {
                let columns = i * width..(i + 1) * width;
                log_feasible[i] = self.feasibility.add(&x[columns.clone()], &mut feasible_gradient[columns]);
            }
        }
        let (mut utility, mut slopes) = (vec![0.0; s], vec![0.0; s * q]);
        // Derivatives of the log improvements in the improvements.
        let mut inner = vec![1.0; s * q];
        let mut values = vec![0.0; q];
        for k in 0..s {
            let (z, zb) = (&self.draws[k * q..(k + 1) * q], &self.fixed_draws[k * b..(k + 1) * b]);
            for i in 0..q {
                let shared: f64 = (0..b).map(|m| v[m * q + i] * zb[m]).sum();
                values[i] = self.incumbent[k] - (joint.mean[i] + shared + dot(&chol[i * q..=i * q + i], &z[..=i]));
            }
            let slopes = &mut slopes[k * q..(k + 1) * q];
            utility[k] = if self.options.is_log {
                for i in 0..q {
                    let (log, slope) = log_fat_plus(values[i]);
                    values[i] = log + log_feasible[i];
                    inner[k * q + i] = slope;
                }
                fat_max(&values, slopes)
            } else {
                plain_utility(&values, slopes)
            };
        }
        // The mean over samples, in the logarithm where asked.
        let value = if self.options.is_log {
            let largest = utility.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = utility.iter().map(|u| (u - largest).exp()).sum();
            for k in 0..s {
                let weight = (utility[k] - largest).exp() / total;
                slopes[k * q..(k + 1) * q].iter_mut().for_each(|g| *g *= weight);
            }
            largest + (total / s as f64).ln()
        } else {
            slopes.iter_mut().for_each(|g| *g /= s as f64);
            utility.iter().sum::<f64>() / s as f64
        };
        if self.options.is_log && !self.feasibility.is_certain() {
            for i in 0..q {
                let weight: f64 = (0..s).map(|k| slopes[k * q + i]).sum();
                (i * width..(i + 1) * width).for_each(|e| gradient[e] += weight * feasible_gradient[e]);
            }
        }
        slopes.iter_mut().zip(&inner).for_each(|(slope, inner)| *slope *= inner);
        // Improvements fall as values rise.
        slopes.iter_mut().for_each(|g| *g = -*g);
        let (mut by_mean, mut by_chol, mut by_v) = (vec![0.0; q], vec![0.0; q * q], vec![0.0; b * q]);
        for k in 0..s {
            let (z, zb) = (&self.draws[k * q..(k + 1) * q], &self.fixed_draws[k * b..(k + 1) * b]);
            for i in 0..q {
                let slope = slopes[k * q + i];
                if slope == 0.0 {
                    continue;
                }
                by_mean[i] += slope;
                (0..=i).for_each(|j| by_chol[i * q + j] += slope * z[j]);
                (0..b).for_each(|m| by_v[m * q + i] += slope * zb[m]);
            }
        }
        let by_left = cholesky_pullback(&chol, &by_chol, q);
        for m in 0..b {
            for i in 0..q {
                by_v[m * q + i] -= 2.0 * (0..q).map(|j| v[m * q + j] * by_left[j * q + i]).sum::<f64>();
            }
        }
        self.fixed_chol.half_solve_transposed(MatMut::row_major(&mut by_v, b, q));
        self.gp.pullback(&joint, &by_mean, &by_left, Some((&self.fixed, &by_v)), gradient);
        value
    }
}

/// A smooth maximum of log improvements; `slopes` get its derivatives in them.
fn fat_max(improvements: &[f64], slopes: &mut [f64]) -> f64 {
    let q = improvements.len();
    let best = (0..q).fold(0, |a, i| if improvements[i] > improvements[a] { i } else { a });
    let largest = improvements[best];
    let (mut sum, mut others) = (1.0, 0.0);
    for i in (0..q).filter(|i| *i != best) {
        let t = (largest - improvements[i]) / TAU_MAX;
        let d = 2.0 + t + 0.5 * t * t;
        sum += 4.0 / (d * d);
        slopes[i] = 8.0 * (1.0 + t) / (d * d * d);
    }
    for i in (0..q).filter(|i| *i != best) {
        slopes[i] /= sum;
        others += slopes[i];
    }
    slopes[best] = 1.0 - others;
    largest + TAU_MAX * sum.ln()
}

/// The largest improvement, or zero.
fn plain_utility(improvements: &[f64], slopes: &mut [f64]) -> f64 {
    slopes.fill(0.0);
    let best = (0..improvements.len()).fold(0, |a, i| if improvements[i] > improvements[a] { i } else { a });
    if improvements[best] <= 0.0 {
        return 0.0;
    }
    slopes[best] = 1.0;
    improvements[best]
}

/// Logarithm of a smooth `max(0, x)` whose left tail falls as `1/x²`, and its derivative.
fn log_fat_plus(x: f64) -> (f64, f64) {
    let t = x / TAU_PLUS;
    let tail = 1.0 / (1.0 + t * t);
    let value = log1p_exp(t) + FAT * tail;
    let slope = sigmoid(t) - FAT * 2.0 * t * tail * tail;
    (value.ln() + TAU_PLUS.ln(), slope / (value * TAU_PLUS))
}

/// Lower factor of a small matrix; pivots are kept above `floor`.
fn small_cholesky(a: &[f64], n: usize, floor: f64) -> Vec<f64> {
    let mut l = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let left = a[i * n + j] - dot(&l[i * n..i * n + j], &l[j * n..j * n + j]);
            l[i * n + j] = if i == j { left.max(floor).sqrt() } else { left / l[j * n + j] };
        }
    }
    l
}

/// The derivative in a symmetric matrix from that in its lower factor: `L⁻ᵀ Φ(Lᵀ L̄) L⁻¹`, symmetrised, where `Φ` takes the lower triangle with
/// half the diagonal.
fn cholesky_pullback(l: &[f64], by_l: &[f64], n: usize) -> Vec<f64> {
    let mut p = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let value: f64 = (i..n).map(|k| l[k * n + i] * by_l[k * n + j]).sum();
            p[i * n + j] = if i == j { 0.5 * value } else { value };
        }
    }
    // L⁻ᵀ P, a column at a time, then times L⁻¹ from the right, a row at a time.
    for column in 0..n {
        for i in (0..n).rev() {
            let left = p[i * n + column] - (i + 1..n).map(|k| l[k * n + i] * p[k * n + column]).sum::<f64>();
            p[i * n + column] = left / l[i * n + i];
        }
    }
    for row in 0..n {
        for j in (0..n).rev() {
            let left = p[row * n + j] - (j + 1..n).map(|k| p[row * n + k] * l[k * n + j]).sum::<f64>();
            p[row * n + j] = left / l[j * n + j];
        }
    }
    (0..n * n).map(|i| 0.5 * (p[i] + p[(i % n) * n + i / n])).collect()
}
