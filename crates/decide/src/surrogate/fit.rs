//! Hyperparameters from data.

use super::factor::noise_of;
use super::mean::{Mean, MeanKind};
use super::output::Warp;
use super::posterior::{Gp, Saved};
use super::{Hyper, SurrogateConfig, matern52, student};
use crate::bound::{Stop, minimise};
use elbo_core::{Error, Result, Rng};
use elbo_dist::{Scramble, Sobol};
use elbo_linalg::{Ladder, MatMut, MatRef, cholesky_in_place, log_det_from_factor, potri, vector::dot};
use rayon::prelude::*;
use std::f64::consts::{SQRT_2, TAU};

/// Bounds of lengthscales in the unit cube, of the variance and of the noise where they are learned with priors.
const LENGTHSCALES: (f64, f64) = (5e-3, 1e3);
const NOISES: (f64, f64) = (1e-6, 1.0);
/// Bounds of everything without priors.
const WIDE: (f64, f64) = (1e-6, 1e6);
/// Variance of the logarithm of a lengthscale, and mean and variance of that of the noise.
const LENGTHSCALE_SPREAD: f64 = 3.0;
const NOISE_PRIOR: (f64, f64) = (-4.0, 1.0);

/// The logarithms of what is learned, and how they become hyperparameters.
struct Layout<'a> {
    config: &'a SurrogateConfig,
    scales: usize,
    dims: usize,
}

impl Layout<'_> {
    fn len(&self) -> usize {
        self.scales + usize::from(self.config.learns_variance) + usize::from(self.config.noise.is_none())
    }

    fn hyper(&self, logs: &[f64]) -> Hyper {
        let mut at = self.scales;
        let mut next = || {
            at += 1;
            logs[at - 1].exp()
        };
        let variance = if self.config.learns_variance { next() } else { 1.0 };
        let noise = self.config.noise.unwrap_or_else(&mut next);
        Hyper { lengthscale: logs[..self.scales].iter().map(|l| l.exp()).collect(), variance, noise }
    }

    fn logs(&self, hyper: &Hyper) -> Vec<f64> {
        let mut logs: Vec<f64> = hyper.lengthscale.iter().map(|l| l.ln()).collect();
        logs.extend(self.config.learns_variance.then(|| hyper.variance.ln()));
        logs.extend(self.config.noise.is_none().then(|| hyper.noise.ln()));
        logs
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        let scales = if self.config.priors { LENGTHSCALES } else { WIDE };
        let mut all = vec![scales; self.scales];
        all.extend(self.config.learns_variance.then_some(if self.config.priors { (1e-3, 1e3) } else { WIDE }));
        all.extend(self.config.noise.is_none().then_some(NOISES));
        all.into_iter().map(|(a, b)| (a.ln(), b.ln())).unzip()
    }

    /// The prior's most probable values, or lengthscales of half the cube's diagonal.
    fn start(&self) -> Hyper {
        let centre = self.prior_centre();
        let lengthscale =
            if self.config.priors { (centre - LENGTHSCALE_SPREAD).exp() } else { 0.5 * (self.dims as f64).sqrt() };
        Hyper { lengthscale: vec![lengthscale; self.scales], variance: 1.0, noise: self.config.noise.unwrap_or(1e-3) }
    }

    fn prior_centre(&self) -> f64 {
        SQRT_2 + 0.5 * (self.dims as f64).ln()
    }

    /// Negative log prior of natural values up to a constant; adds its gradient in the logarithms.
    fn penalty(&self, logs: &[f64], gradient: &mut [f64]) -> f64 {
        if !self.config.priors {
            return 0.0;
        }
        let centre = self.prior_centre();
        let mut value = 0.0;
        let mut normal = |i: usize, mean: f64, variance: f64| {
            let z = logs[i] - mean;
            value += 0.5 * z * z / variance + logs[i];
            gradient[i] += z / variance + 1.0;
        };
        (0..self.scales).for_each(|i| normal(i, centre, LENGTHSCALE_SPREAD));
        if self.config.noise.is_none() {
            normal(self.len() - 1, NOISE_PRIOR.0, NOISE_PRIOR.1);
        }
        value
    }
}

/// Squared differences of all pairs of rows, per lengthscale: `[pairs][scales]`, pairs `(i, j)` with `j < i` in order.
fn squared_differences(x: &[f64], width: usize, scale_of: &[usize], scales: usize) -> Vec<f64> {
    let n = x.len() / width;
    let mut out = Vec::with_capacity(n * n.saturating_sub(1) / 2 * scales);
    for i in 0..n {
        for j in 0..i {
            let start = out.len();
            out.resize(start + scales, 0.0);
            for e in 0..width {
                let d = x[i * width + e] - x[j * width + e];
                out[start + scale_of[e]] += d * d;
            }
        }
    }
    out
}

/// Negative log marginal likelihood of residuals in nats and its gradient in the logarithms.
struct Evidence<'a> {
    layout: &'a Layout<'a>,
    differences: &'a [f64],
    y: &'a [f64],
    /// Noise variances of the data, NaN where not known; empty where none is.
    known: &'a [f64],
    learns_constant: bool,
}

impl Evidence<'_> {
    fn value_and_gradient(&self, logs: &[f64], gradient: &mut [f64]) -> f64 {
        let (n, scales) = (self.y.len(), self.layout.scales);
        let hyper = self.layout.hyper(logs);
        let inverse: Vec<f64> = hyper.lengthscale.iter().map(|l| 1.0 / (l * l)).collect();
        let mut k = vec![0.0; n * n];
        let mut slopes = Vec::with_capacity(self.differences.len() / scales.max(1));
        let mut pair = self.differences.chunks_exact(scales);
        for i in 0..n {
            k[i * n + i] = hyper.variance + noise_of(self.known, i, hyper.noise);
            for j in 0..i {
                let (g, h) = matern52(dot(pair.next().expect("one a pair"), &inverse).sqrt());
                k[i * n + j] = hyper.variance * g;
                k[j * n + i] = hyper.variance * g;
                slopes.push(hyper.variance * h);
            }
        }
        let covariance = self.layout.config.learns_variance.then(|| k.clone());
        if cholesky_in_place(&mut k, n, Ladder::standard::<f64>(), true).is_err() {
            gradient.fill(f64::NAN);
            return f64::INFINITY;
        }
        let mut w = vec![0.0; n * n];
        potri(MatMut::row_major(&mut w, n, n), MatRef::row_major(&k, n, n));
        let constant = if self.learns_constant { generalised_mean(&w, self.y) } else { 0.0 };
        let residual: Vec<f64> = self.y.iter().map(|y| y - constant).collect();
        let mut alpha: Vec<f64> = (0..n).map(|i| dot(&w[i * n..(i + 1) * n], &residual)).collect();
        let square = dot(&residual, &alpha);
        let log_det = log_det_from_factor(MatRef::row_major(&k, n, n));
        let value = match self.layout.config.degrees {
            None => 0.5 * square + 0.5 * log_det + 0.5 * n as f64 * TAU.ln(),
            Some(before) => {
                let (misfit, weight) = student::misfit(before, n, square);
                alpha.iter_mut().for_each(|a| *a *= weight.sqrt());
                misfit + 0.5 * log_det
            }
        };
        // W = K⁻¹ - alpha alphaᵀ; the constant is at its optimum and adds nothing.
        gradient.fill(0.0);
        let mut pairs = self.differences.chunks_exact(scales).zip(&slopes);
        for i in 0..n {
            for j in 0..i {
                let (difference, slope) = pairs.next().expect("one a pair");
                // Twice the half, for both triangles.
                let weight = (w[i * n + j] - alpha[i] * alpha[j]) * slope;
                for g in 0..scales {
                    gradient[g] += weight * difference[g] * inverse[g];
                }
            }
        }
        let mut at = scales;
        if let Some(covariance) = covariance {
            let mut sum = 0.0;
            for i in 0..n {
                for j in 0..n {
                    let noise = if i == j { noise_of(self.known, i, hyper.noise) } else { 0.0 };
                    sum += (w[i * n + j] - alpha[i] * alpha[j]) * (covariance[i * n + j] - noise);
                }
            }
            gradient[at] = 0.5 * sum;
            at += 1;
        }
        if self.layout.config.noise.is_none() {
            let unknown = (0..n).filter(|i| self.known.get(*i).is_none_or(|v| v.is_nan()));
            gradient[at] = 0.5 * hyper.noise * unknown.map(|i| w[i * n + i] - alpha[i] * alpha[i]).sum::<f64>();
        }
        value
    }
}

/// `1ᵀ K⁻¹ y / 1ᵀ K⁻¹ 1`.
fn generalised_mean(inverse: &[f64], y: &[f64]) -> f64 {
    let n = y.len();
    let (mut top, mut bottom) = (0.0, 0.0);
    for row in 0..n {
        let sum: f64 = inverse[row * n..(row + 1) * n].iter().sum();
        top += sum * y[row];
        bottom += sum;
    }
    top / bottom
}

impl Gp {
    /// Fits hyperparameters and conditions on the data; of a Student-t process where `config` has degrees of freedom.
    ///
    /// `x: [N, E]` encoded, row-major; `y: [N]`; `groups: [E]` the variable of each column. `last` is one more start, such as the previous fit.
    ///
    /// # Errors
    /// [`Error::Numerical`] when no start can be evaluated, or the values are too large for a variance; [`Error::Setting`] for degrees of freedom of 2
    /// or less; as [`Warp::learn`].
    pub fn fit(
        x: &[f64],
        y: &[f64],
        groups: &[usize],
        config: &SurrogateConfig,
        last: Option<&Hyper>,
        rng: &mut Rng,
    ) -> Result<Self> {
        Self::fit_with_errors(x, y, &[], groups, config, last, rng)
    }

    /// [`Gp::fit`] with known noise: `errors: [N]` are standard deviations in the unit of `y`, NaN where the noise is the learned one; empty where it is
    /// for all. Values are not transformed before they are standardised.
    ///
    /// # Errors
    /// As [`Gp::fit`].
    pub fn fit_with_errors(
        x: &[f64],
        y: &[f64],
        errors: &[f64],
        groups: &[usize],
        config: &SurrogateConfig,
        last: Option<&Hyper>,
        rng: &mut Rng,
    ) -> Result<Self> {
        student::check(config.degrees)?;
        let dims = groups.last().map_or(0, |g| g + 1);
        let scales = if config.isotropic { 1 } else { dims };
        let unfit = || {
            Error::numerical(
                format!("no surrogate could be fitted to these {} trials", y.len()),
                "look for values that are not finite or of absurd size",
            )
        };
        let warp = Warp::learn(config.output, y)?;
        let warped: Vec<f64> = y.iter().map(|v| warp.forward(*v)).collect();
        let (shift, scale) = standardiser(&warped);
        if !(shift.is_finite() && scale.is_finite() && warp.is_sound()) {
            return Err(unfit());
        }
        let z: Vec<f64> = warped.iter().map(|v| (v - shift) / scale).collect();
        let mean = Mean::learn(config.mean, x, &z, groups.len(), rng);
        let residual: Vec<f64> = x.chunks(groups.len()).zip(&z).map(|(x, z)| z - mean.value(x)).collect();
        let layout = Layout { config, scales, dims };
        let scale_of: Vec<usize> = groups.iter().map(|g| if config.isotropic { 0 } else { *g }).collect();
        let differences = squared_differences(x, groups.len(), &scale_of, scales);
        let learns_constant = config.mean == MeanKind::Learned;
        let known: Vec<f64> = errors.iter().map(|e| (e / scale).powi(2)).collect();
        let evidence =
            Evidence { layout: &layout, differences: &differences, y: &residual, known: &known, learns_constant };
        let (low, high) = layout.bounds();
        let stop = Stop { steps: config.iterations, gradient: 1e-4, decrease: 1e-7 };
        let starts = starts(&layout, config.starts, last, rng);
        let ends: Vec<_> = starts
            .par_iter()
            .map(|start| {
                let objective = |logs: &[f64], gradient: &mut [f64]| {
                    let value = evidence.value_and_gradient(logs, gradient);
                    value + layout.penalty(logs, gradient)
                };
                minimise(objective, start, &low, &high, stop)
            })
            .collect();
        let best = ends.into_iter().filter(|e| e.value.is_finite()).min_by(|a, b| a.value.total_cmp(&b.value));
        let best = best.ok_or_else(unfit)?;
        let hyper = layout.hyper(&best.x);
        let log_evidence = -evidence.value_and_gradient(&best.x, &mut vec![0.0; best.x.len()]);
        let fitted = Saved { hyper, mean, learns_constant, log_evidence, warp, degrees: config.degrees };
        Self::condition(x, &z, &known, groups, fitted, (shift, scale))
    }

    /// Negative log marginal likelihood (nats, standardised values) at given hyperparameters, and its gradient in the logarithms of lengthscales,
    /// variance and noise, as far as `config` learns them.
    pub fn evidence(
        x: &[f64],
        y: &[f64],
        groups: &[usize],
        config: &SurrogateConfig,
        hyper: &Hyper,
    ) -> (f64, Vec<f64>) {
        Self::evidence_with_noise(x, y, &[], groups, config, hyper)
    }

    /// [`Gp::evidence`] with known noise variances of the data, NaN where the noise is that of `hyper`.
    pub fn evidence_with_noise(
        x: &[f64],
        y: &[f64],
        known: &[f64],
        groups: &[usize],
        config: &SurrogateConfig,
        hyper: &Hyper,
    ) -> (f64, Vec<f64>) {
        let dims = groups.last().map_or(0, |g| g + 1);
        let scales = if config.isotropic { 1 } else { dims };
        let layout = Layout { config, scales, dims };
        let scale_of: Vec<usize> = groups.iter().map(|g| if config.isotropic { 0 } else { *g }).collect();
        let differences = squared_differences(x, groups.len(), &scale_of, scales);
        let learns_constant = config.mean == MeanKind::Learned;
        let evidence = Evidence { layout: &layout, differences: &differences, y, known, learns_constant };
        let logs = layout.logs(hyper);
        let mut gradient = vec![0.0; logs.len()];
        let value = evidence.value_and_gradient(&logs, &mut gradient);
        (value, gradient)
    }
}

/// Mean and standard deviation; a spread below 1e-12 of the mean counts as one.
pub(super) fn standardiser(y: &[f64]) -> (f64, f64) {
    let n = y.len().max(1) as f64;
    let mean = y.iter().sum::<f64>() / n;
    let sd = (y.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    (mean, if sd > 1e-12 * mean.abs() && sd > 0.0 { sd } else { 1.0 })
}

/// The prior's centre or the last fit first, then a Sobol sequence around the centre.
fn starts(layout: &Layout<'_>, count: usize, last: Option<&Hyper>, rng: &mut Rng) -> Vec<Vec<f64>> {
    let centre = layout.logs(&layout.start());
    let last = last.filter(|h| h.lengthscale.len() == layout.scales).map(|h| layout.logs(h));
    let mut out: Vec<Vec<f64>> = last.into_iter().chain([centre.clone()]).take(count).collect();
    let sobol = Sobol::new(centre.len().clamp(1, Sobol::MAX_DIMENSION), Scramble::Owen, rng);
    let mut index = 0;
    while out.len() < count {
        let point = sobol.point(index);
        index += 1;
        // Lengthscales from a quarter to fourfold.
        let shift = |i: usize| 1.4 * (2.0 * point[i % point.len()] - 1.0);
        out.push((0..centre.len()).map(|i| centre[i] + shift(i)).collect());
    }
    out
}
