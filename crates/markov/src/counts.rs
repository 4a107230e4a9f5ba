//! Several latent functions seen through many channels: conjugate-computation sites of rank one a channel, and the readout's Newton steps.
//!
//! A channel `n` at step `t` has the likelihood `p(y | η)` at `η = c_n' f_t + d_n + o_tn`, with offsets `o` that are known. Sites are on `f`: `[T, L]` and
//! `[T, L, L]`.

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

/// One sequence as its channels saw it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Observations, `[T, N]`, NaN for missing.
    pub y: &'a [f64],
    /// What is known to be added to every `η`, `[T, N]`: the effect of a channel's own last events, or the logarithm of a bin's width.
    pub offset: Option<&'a [f64]>,
}

impl<'a> Seen<'a> {
    /// Observations without offsets.
    pub fn plain(y: &'a [f64]) -> Self {
        Self { y, offset: None }
    }

    /// The offset of an entry of `y`.
    fn offset(&self, entry: usize) -> f64 {
        self.offset.map_or(0.0, |offset| offset[entry])
    }
}

/// Log rates beyond this are taken as this in the sites, about a thousand counts a bin; [`Proposal::capped`] says how many are. [`fit_channel`] has no
/// such cap.
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

/// The sites that CVI proposes. `likelihoods` is one for all channels, or one for each; `mean: [T, L]`, `covariance: [T, L, L]` are the posterior's
/// marginals.
///
/// `J = Σ_n (-2 dv) c c'`, `j = Σ_n (dm - 2 dv c'm) c`, exact for Gaussian noise. With a log rate `caps` holds terms at [`LOG_RATE_CAP`].
pub fn propose(
    likelihoods: &[Box<dyn Likelihood>],
    readout: &Readout,
    seen: Seen<'_>,
    mean: &[f64],
    covariance: &[f64],
    caps: bool,
) -> Proposal {
    let (l, n) = (readout.latents, readout.channels());
    let steps = seen.y.len() / n;
    let mut out = Proposal { sites: FieldSites::flat(steps, l), expected: 0.0, capped: 0 };
    for t in 0..steps {
        let (m, v) = (&mean[t * l..(t + 1) * l], &covariance[t * l * l..(t + 1) * l * l]);
        for channel in 0..n {
            let value = seen.y[t * n + channel];
            if value.is_nan() {
                continue;
            }
            let (mut eta, mut variance) = readout.project(channel, m, v);
            let along = eta - readout.d[channel];
            eta += seen.offset(t * n + channel);
            if caps && eta + 0.5 * variance > LOG_RATE_CAP {
                out.capped += 1;
                variance = variance.min(2.0);
                eta = LOG_RATE_CAP - 0.5 * variance;
            }
            let expected = likelihoods[channel % likelihoods.len()].expected(value, eta, variance);
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

/// Posterior moments of one sequence and what was seen of it, as the readout's step needs them.
#[derive(Debug, Clone, Copy)]
pub struct Moments<'a> {
    /// Observations and offsets.
    pub seen: Seen<'a>,
    /// `[T, L]`.
    pub mean: &'a [f64],
    /// `[T, L, L]`.
    pub covariance: &'a [f64],
}

impl Moments<'_> {
    /// A channel's observations, each with mean and variance of its `η`.
    pub fn terms(&self, readout: &Readout, channel: usize) -> Vec<(f64, f64, f64)> {
        let (l, n) = (readout.latents, readout.channels());
        let term = |t: usize| {
            let (m, v) = (&self.mean[t * l..(t + 1) * l], &self.covariance[t * l * l..(t + 1) * l * l]);
            let (eta, variance) = readout.project(channel, m, v);
            (self.seen.y[t * n + channel], eta + self.seen.offset(t * n + channel), variance)
        };
        (0..self.seen.y.len() / n).map(term).filter(|(y, _, _)| !y.is_nan()).collect()
    }
}

/// An objective of `(c, d)`, its gradient, and a positive semidefinite matrix in place of the Hessian's negative.
struct Local {
    value: f64,
    gradient: Vec<f64>,
    curvature: Vec<f64>,
}

impl Local {
    /// The penalty on loadings alone.
    fn penalty(x: &[f64], ridge: f64) -> Self {
        let size = x.len();
        let c = &x[..size - 1];
        let mut gradient: Vec<f64> = c.iter().map(|c| -ridge * c).collect();
        gradient.push(0.0);
        let mut curvature = vec![0.0; size * size];
        (0..size - 1).for_each(|i| curvature[i * size + i] = ridge);
        Self { value: -0.5 * ridge * c.iter().map(|c| c * c).sum::<f64>(), gradient, curvature }
    }
}

/// One step's part of what is known of a channel's latents: `[L]`, `[L, L]`, and `V c: [L]`; with mean and variance of `c'f + d + o`.
struct At<'a> {
    y: f64,
    mean: &'a [f64],
    covariance: &'a [f64],
    along: &'a [f64],
    eta: f64,
    spread: f64,
}

/// Calls `visit` with every observation of a channel at `(c, d)`.
fn each_step(x: &[f64], channel: usize, channels: usize, data: &[Moments<'_>], mut visit: impl FnMut(&At<'_>)) {
    let l = x.len() - 1;
    let mut along = vec![0.0; l];
    for part in data {
        for t in 0..part.seen.y.len() / channels {
            let entry = t * channels + channel;
            let y = part.seen.y[entry];
            if y.is_nan() {
                continue;
            }
            let (mean, covariance) = (&part.mean[t * l..(t + 1) * l], &part.covariance[t * l * l..(t + 1) * l * l]);
            let (mut eta, mut spread) = (x[l] + part.seen.offset(entry), 0.0);
            for i in 0..l {
                along[i] = (0..l).map(|j| covariance[i * l + j] * x[j]).sum();
                eta += x[i] * mean[i];
                spread += x[i] * along[i];
            }
            visit(&At { y, mean, covariance, along: &along, eta, spread });
        }
    }
}

/// `e^u` with its first and second derivatives, and beyond `limit` the parabola that continues them: convex and rising everywhere, and finite where the
/// exponential is not.
fn rate(u: f64, limit: f64) -> [f64; 3] {
    if u <= limit {
        return [u.exp(); 3];
    }
    let (at_limit, beyond) = (limit.exp(), u - limit);
    [at_limit * (1.0 + beyond + 0.5 * beyond * beyond), at_limit * (1.0 + beyond), at_limit]
}

/// `Σ (y η - rate(η + s / 2)) - ridge |c|² / 2` of one channel at `x = (c, d)`, with the negative of its exact Hessian.
fn poisson(x: &[f64], channel: usize, channels: usize, data: &[Moments<'_>], ridge: f64, limit: f64) -> Local {
    let size = x.len();
    let l = size - 1;
    let mut local = Local::penalty(x, ridge);
    let mut direction = vec![1.0; size];
    each_step(x, channel, channels, data, |at| {
        (0..l).for_each(|i| direction[i] = at.mean[i] + at.along[i]);
        let [value, slope, bend] = rate(at.eta + 0.5 * at.spread, limit);
        local.value += at.y * at.eta - value;
        for i in 0..size {
            local.gradient[i] += at.y * if i < l { at.mean[i] } else { 1.0 } - slope * direction[i];
            for j in 0..size {
                let own = if i < l && j < l { at.covariance[i * l + j] } else { 0.0 };
                local.curvature[i * size + j] += bend * direction[i] * direction[j] + slope * own;
            }
        }
    });
    local
}

/// Maximises `Σ E log Poisson(y | exp(c'f + d + o)) - ridge |c|² / 2` of one channel over `(c, d)` by Newton's method with halved steps, over
/// all sequences. Returns the objective, without the factorials of the counts.
///
/// It is concave. At its maximum the rates add up to the counts, as `d` is free, so that no log rate is above the logarithm of their sum. Beyond this the
/// exponential is continued by a parabola, which keeps far starts finite, brings them back in few steps, and leaves the maximum where it is.
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
    let channels = readout.channels();
    let own = |part: &Moments<'_>| -> f64 {
        part.seen.y.iter().skip(channel).step_by(channels).filter(|y| !y.is_nan()).sum()
    };
    // Without a count there is no maximum, and any limit will do.
    let limit = data.iter().map(own).sum::<f64>().max(1.0).ln();
    climb(readout, channel, steps, |x| poisson(x, channel, channels, data, ridge, limit))
}

/// [`fit_channel`] for any likelihood that is log-concave: `Σ E log p(y | c'f + d + o) - ridge |c|² / 2`, by quadrature where there is no closed form.
///
/// The Hessian is taken as `Σ E[∂²log p] E[(f, 1)(f, 1)']`, which is exact for Gaussian noise and of the right sign for every other; steps are halved
/// until the objective rises.
///
/// # Errors
/// As [`fit_channel`].
pub fn fit_channel_under(
    likelihood: &dyn Likelihood,
    readout: &mut Readout,
    channel: usize,
    data: &[Moments<'_>],
    ridge: f64,
    steps: usize,
) -> Result<f64> {
    let (l, channels) = (readout.latents, readout.channels());
    let size = l + 1;
    climb(readout, channel, steps, |x| {
        let mut local = Local::penalty(x, ridge);
        each_step(x, channel, channels, data, |at| {
            let expected = likelihood.expected(at.y, at.eta, at.spread);
            let weight = (-2.0 * expected.dv).max(0.0);
            local.value += expected.value;
            let first = |i: usize| if i < l { at.mean[i] } else { 1.0 };
            for i in 0..size {
                let spread = if i < l { at.along[i] } else { 0.0 };
                local.gradient[i] += expected.dm * first(i) + 2.0 * expected.dv * spread;
                for j in 0..size {
                    let own = if i < l && j < l { at.covariance[i * l + j] } else { 0.0 };
                    local.curvature[i * size + j] += weight * (first(i) * first(j) + own);
                }
            }
        });
        local
    })
}

/// Newton's method with halved steps from a channel's readout, which is left at the end. Returns the objective.
fn climb(readout: &mut Readout, channel: usize, steps: usize, evaluate: impl Fn(&[f64]) -> Local) -> Result<f64> {
    let l = readout.latents;
    let mut x: Vec<f64> = readout.c[channel * l..(channel + 1) * l].to_vec();
    x.push(readout.d[channel]);
    let mut here = evaluate(&x);
    for _ in 0..steps {
        let chol = cholesky(&here.curvature, l + 1).ok_or_else(|| {
            Error::numerical(
                format!("the readout of channel {} cannot be determined", channel + 1),
                "drop channels without counts, or raise `ridge`",
            )
        })?;
        let step = cholesky_solve(&chol, &here.gradient, l + 1, 1);
        // Where a rate is far too low the step is as long as the rate is short of the counts: halve until it moves next to nothing.
        let reach = step.iter().fold(1.0, |a: f64, s| a.max(s.abs()));
        let mut share = 1.0;
        let mut moved = false;
        while share > 1e-6 / reach {
            let trial: Vec<f64> = x.iter().zip(&step).map(|(x, s)| x + share * s).collect();
            let there = evaluate(&trial);
            if there.value.is_finite() && there.value > here.value {
                moved = there.value - here.value > 1e-9 * (1.0 + there.value.abs());
                (x, here) = (trial, there);
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
    Ok(here.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_of_the_readouts_objective_are_its_differences_on_both_sides_of_the_limit() {
        let (mean, covariance) = ([0.5, -1.0, 1.5, 0.3, -0.7, 0.9], [0.3, 0.1, 0.1, 0.2].repeat(3));
        let (y, offset) = ([3.0, f64::NAN, 2.0], [0.1, 0.0, -0.2]);
        let seen = Seen { y: &y, offset: Some(&offset) };
        let data = [Moments { seen, mean: &mean, covariance: &covariance }];
        let x = [0.8, -0.3, 1.0];
        // Limits above both log rates, between them, and below.
        let mut beyond = vec![];
        each_step(&x, 0, 1, &data, |at| beyond.push(at.eta + 0.5 * at.spread));
        beyond.sort_by(f64::total_cmp);
        assert!(beyond.len() == 2 && beyond[1] - beyond[0] > 0.5, "{beyond:?}");
        for limit in [beyond[1] + 1.0, 0.5 * (beyond[0] + beyond[1]), beyond[0] - 1.0] {
            let at = |i: usize, by: f64| {
                let mut moved = x;
                moved[i] += by;
                poisson(&moved, 0, 1, &data, 0.1, limit)
            };
            let here = at(0, 0.0);
            let h = 1e-5;
            for i in 0..3 {
                let (up, down) = (at(i, h), at(i, -h));
                let slope = (up.value - down.value) / (2.0 * h);
                // Rounding of a value of about ten, over the difference's width.
                assert!((slope - here.gradient[i]).abs() < 1e-7 * (1.0 + slope.abs()), "{limit}, {i}: {slope}");
                for j in 0..3 {
                    let bend = (down.gradient[j] - up.gradient[j]) / (2.0 * h);
                    assert!((bend - here.curvature[i * 3 + j]).abs() < 1e-7 * (1.0 + bend.abs()), "{limit}, {i}, {j}");
                }
            }
        }
    }

    #[test]
    fn beyond_the_limit_the_rate_goes_on_smoothly_and_never_stops_rising() {
        let limit = 2.0;
        let (below, above) = (rate(limit, limit), rate(limit + 1e-9, limit));
        assert!(below.iter().zip(above).all(|(a, b)| (a - b).abs() < 1e-7 * a), "{below:?} {above:?}");
        let far = rate(1e4, limit);
        assert!(far.iter().all(|r| r.is_finite()) && far[0] > rate(1e3, limit)[0] && far[1] > 0.0, "{far:?}");
    }
}
