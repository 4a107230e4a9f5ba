//! Several latent functions seen through many channels: conjugate-computation sites of rank one a channel, and the readout's Newton steps.
//!
//! A channel `n` at step `t` has the likelihood `p(y | η)` at `η = c_n' f_t + d_n`. Sites are on `f`: `[T, L]` and `[T, L, L]`.

use crate::small::{cholesky, cholesky_solve};
use elbo_core::{Error, Result};
use elbo_gp::likelihood::Likelihood;

/// How channels read the latents.
#[derive(Debug, Clone, PartialEq)]
pub struct Readout {
    /// Loadings, `[N, L]`.
    pub c: Vec<f64>,
    /// Offsets, `[N]`.
    pub d: Vec<f64>,
    /// Number of latents.
    pub latents: usize,
}

impl Readout {
    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.d.len()
    }

    /// Mean and variance of a channel's `η` under the latents' moments at one step.
    pub fn project(&self, channel: usize, mean: &[f64], covariance: &[f64]) -> (f64, f64) {
        let l = self.latents;
        let c = &self.c[channel * l..(channel + 1) * l];
        let (mut eta, mut variance) = (self.d[channel], 0.0);
        for i in 0..l {
            eta += c[i] * mean[i];
            (0..l).for_each(|j| variance += c[i] * covariance[i * l + j] * c[j]);
        }
        (eta, variance)
    }
}

/// Sites of one sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldSites {
    /// `[T, L]`.
    pub shift: Vec<f64>,
    /// `[T, L, L]`.
    pub precision: Vec<f64>,
}

impl FieldSites {
    /// Sites that say nothing.
    pub fn flat(steps: usize, latents: usize) -> Self {
        Self { shift: vec![0.0; steps * latents], precision: vec![0.0; steps * latents * latents] }
    }
}

/// Log rates beyond this are taken as this: counts of e^7 a bin are beyond any of the data.
pub const LOG_RATE_CAP: f64 = 7.0;

/// What the likelihood terms of a sequence say at its marginals.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The sites CVI moves to.
    pub sites: FieldSites,
    /// `Σ E log p(y | η)`, nats.
    pub expected: f64,
    /// Terms whose log rate was held at the cap.
    pub capped: usize,
}

/// The sites that CVI proposes. `y: [T, N]`, NaN for missing; `mean: [T, L]`, `covariance: [T, L, L]` are the posterior's marginals.
///
/// `J = Σ_n (-2 dv) c c'`, `j = Σ_n (dm - 2 dv c'm) c`, exact for Gaussian noise. With a log rate `caps` holds terms at [`LOG_RATE_CAP`].
pub fn propose(
    likelihood: &dyn Likelihood,
    readout: &Readout,
    y: &[f64],
    mean: &[f64],
    covariance: &[f64],
    caps: bool,
) -> Proposal {
    let (l, n) = (readout.latents, readout.channels());
    let steps = y.len() / n;
    let mut out = Proposal { sites: FieldSites::flat(steps, l), expected: 0.0, capped: 0 };
    for t in 0..steps {
        let (m, v) = (&mean[t * l..(t + 1) * l], &covariance[t * l * l..(t + 1) * l * l]);
        for channel in 0..n {
            let value = y[t * n + channel];
            if value.is_nan() {
                continue;
            }
            let (mut eta, mut variance) = readout.project(channel, m, v);
            let along = eta - readout.d[channel];
            if caps && eta + 0.5 * variance > LOG_RATE_CAP {
                out.capped += 1;
                variance = variance.min(2.0);
                eta = LOG_RATE_CAP - 0.5 * variance;
            }
            let expected = likelihood.expected(value, eta, variance);
            out.expected += expected.value;
            let precision = -2.0 * expected.dv;
            let shift = expected.dm + precision * along;
            let c = &readout.c[channel * l..(channel + 1) * l];
            for i in 0..l {
                out.sites.shift[t * l + i] += shift * c[i];
                for j in 0..l {
                    out.sites.precision[(t * l + i) * l + j] += precision * c[i] * c[j];
                }
            }
        }
    }
    out
}

/// Moves sites by a share `rate` of the way.
pub fn blend(sites: &mut FieldSites, to: &FieldSites, rate: f64) {
    let mix = |a: &mut f64, b: &f64| *a += rate * (b - *a);
    sites.shift.iter_mut().zip(&to.shift).for_each(|(a, b)| mix(a, b));
    sites.precision.iter_mut().zip(&to.precision).for_each(|(a, b)| mix(a, b));
}

/// `Σ E_q log site`, nats.
pub fn expected_sites(sites: &FieldSites, mean: &[f64], covariance: &[f64]) -> f64 {
    let linear: f64 = sites.shift.iter().zip(mean).map(|(j, m)| j * m).sum();
    let latents = sites.precision.len() / sites.shift.len().max(1);
    let mut quadratic = 0.0;
    for t in 0..sites.shift.len() / latents.max(1) {
        for i in 0..latents {
            for j in 0..latents {
                let at = (t * latents + i) * latents + j;
                quadratic += sites.precision[at] * (covariance[at] + mean[t * latents + i] * mean[t * latents + j]);
            }
        }
    }
    linear - 0.5 * quadratic
}

/// Posterior moments of one sequence and its counts, as the readout's step needs them.
#[derive(Debug, Clone, Copy)]
pub struct Moments<'a> {
    /// Counts, `[T, N]`, NaN for missing.
    pub y: &'a [f64],
    /// `[T, L]`.
    pub mean: &'a [f64],
    /// `[T, L, L]`.
    pub covariance: &'a [f64],
}

/// Maximises `Σ E log Poisson(y | exp(c'f + d)) - ridge |c|² / 2` of one channel over `(c, d)` by Newton's method with halved steps, over
/// all sequences. Returns the objective.
///
/// # Errors
/// A numerical error where the Hessian cannot be factored, as without any count.
pub fn fit_channel(
    readout: &mut Readout,
    channel: usize,
    data: &[Moments<'_>],
    ridge: f64,
    steps: usize,
) -> Result<f64> {
    let l = readout.latents;
    let size = l + 1;
    let channels = readout.channels();
    let mut x: Vec<f64> = readout.c[channel * l..(channel + 1) * l].to_vec();
    x.push(readout.d[channel]);
    // The value, its gradient, and the Hessian's negative.
    let evaluate = |x: &[f64]| -> (f64, Vec<f64>, Vec<f64>) {
        let (c, d) = (&x[..l], x[l]);
        let mut value = -0.5 * ridge * c.iter().map(|c| c * c).sum::<f64>();
        let (mut g, mut h) = (vec![0.0; size], vec![0.0; size * size]);
        let mut direction = vec![0.0; size];
        for part in data {
            for t in 0..part.y.len() / channels {
                let y = part.y[t * channels + channel];
                if y.is_nan() {
                    continue;
                }
                let (m, v) = (&part.mean[t * l..(t + 1) * l], &part.covariance[t * l * l..(t + 1) * l * l]);
                let (mut eta, mut spread) = (d, 0.0);
                for i in 0..l {
                    let vc: f64 = (0..l).map(|j| v[i * l + j] * c[j]).sum();
                    eta += c[i] * m[i];
                    spread += c[i] * vc;
                    direction[i] = m[i] + vc;
                }
                direction[l] = 1.0;
                let rate = (eta + 0.5 * spread).min(LOG_RATE_CAP).exp();
                value += y * eta - rate;
                for i in 0..size {
                    g[i] += y * if i < l { m[i] } else { 1.0 } - rate * direction[i];
                    for j in 0..size {
                        let own = if i < l && j < l { v[i * l + j] } else { 0.0 };
                        h[i * size + j] += rate * (direction[i] * direction[j] + own);
                    }
                }
            }
        }
        for i in 0..l {
            g[i] -= ridge * c[i];
            h[i * size + i] += ridge;
        }
        (value, g, h)
    };
    let (mut value, mut g, mut h) = evaluate(&x);
    for _ in 0..steps {
        let chol = cholesky(&h, size).ok_or_else(|| {
            Error::numerical(
                format!("the readout of channel {} cannot be determined", channel + 1),
                "drop channels without counts, or raise `ridge`",
            )
        })?;
        let step = cholesky_solve(&chol, &g, size, 1);
        let mut share = 1.0;
        let mut moved = false;
        while share > 1e-6 {
            let trial: Vec<f64> = x.iter().zip(&step).map(|(x, s)| x + share * s).collect();
            let there = evaluate(&trial);
            if there.0.is_finite() && there.0 > value {
                let gain = there.0 - value;
                x = trial;
                (value, g, h) = there;
                moved = gain > 1e-9 * (1.0 + value.abs());
                break;
            }
            share *= 0.5;
        }
        if !moved {
            break;
        }
    }
    readout.c[channel * l..(channel + 1) * l].copy_from_slice(&x[..l]);
    readout.d[channel] = x[l];
    Ok(value)
}
