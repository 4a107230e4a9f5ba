//! How much a trial would tell about the minimum: its value, its place, or both.
//!
//! The published forms maximise; here the function is minimised, so that with `m` a mean and `f*` a drawn minimum, `γ = (m - f*) / σ`.

use super::{Acquisition, Feasibility, PathScore};
use crate::information::entropy;
use crate::maximise::{MaximiseConfig, Region, maximise_within};
use crate::space::Space;
use crate::surrogate::{Gp, Joint, Path};
use elbo_core::{Result, Rng};
use elbo_tensor::special::{inverse_mills, log_ndtr};

/// A drawn function's minimum.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// Its place, encoded.
    pub point: Vec<f64>,
    /// Its standardised value.
    pub value: f64,
}

/// Minima of functions drawn from the posterior, with this many random features.
///
/// # Errors
/// As [`maximise_within`].
pub fn minima(
    gp: &Gp,
    space: &Space,
    config: &MaximiseConfig,
    count: usize,
    features: usize,
    rng: &mut Rng,
) -> Result<Vec<Minimum>> {
    minima_within(gp, space, &Region::whole(space.width()), config, (count, features), rng)
}

/// [`minima`] with real variables kept in a region.
///
/// # Errors
/// As [`maximise_within`].
pub fn minima_within(
    gp: &Gp,
    space: &Space,
    region: &Region,
    config: &MaximiseConfig,
    (count, features): (usize, usize),
    rng: &mut Rng,
) -> Result<Vec<Minimum>> {
    let one = |_| -> Result<Minimum> {
        let score = PathScore(Path::draw(gp, features, rng));
        let found = maximise_within(&score, space, region, config, (&[], &[]), rng)?;
        Ok(Minimum { point: found.point, value: -found.score })
    };
    (0..count).map(one).collect()
}

/// What the information is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The smallest value: max-value entropy search.
    Value,
    /// Where it is: predictive entropy search in its reduced form, which conditions on `f(x) >= f(x*)` alone.
    Place,
    /// Both: joint entropy search.
    Both,
}

/// The expected information of a trial about the minimum, averaged over drawn minima.
///
/// With `λ = ϕ(γ)/Φ(γ)` and noise `τ²`:
/// - value: `mean_s [ γ λ / 2 - log Φ(γ) ]`;
/// - place and both: `1/2 log(σ² + τ²) - mean_s 1/2 log(v_s + τ²)`, where `v_s` is the variance of `f(x)` once it must lie above the drawn minimum.
///
/// # Source
/// Wang and Jegelka (2017); Hernández-Lobato, Hoffman and Ghahramani (2014), reduced; Hvarfner, Hutter and Nardi (2022).
pub struct EntropySearch<'a> {
    gp: &'a Gp,
    about: About,
    minima: Vec<Minimum>,
    /// For the place, joints at the minima; for both, processes that know them.
    places: Vec<Joint>,
    informed: Vec<Gp>,
    feasibility: Feasibility<'a>,
}

impl<'a> EntropySearch<'a> {
    /// From drawn minima, of which there must be some.
    ///
    /// # Errors
    /// As [`Gp::know`].
    pub fn new(gp: &'a Gp, about: About, minima: Vec<Minimum>, feasibility: Feasibility<'a>) -> Result<Self> {
        let places = if about == About::Place { minima.iter().map(|m| gp.joint(&m.point)).collect() } else { vec![] };
        let informed = if about == About::Both {
            minima.iter().map(|m| gp.know(&m.point, m.value)).collect::<Result<_>>()?
        } else {
            vec![]
        };
        Ok(Self { gp, about, minima, places, informed, feasibility })
    }
}

/// `v [1 - γλ - λ²]` for `N(m, v)` kept above `f*`, and its derivatives in `m` and `v`.
fn kept_above(mean: f64, variance: f64, bound: f64) -> (f64, f64, f64) {
    let sd = variance.sqrt();
    let gamma = (mean - bound) / sd;
    let lambda = inverse_mills(gamma);
    let left = (1.0 - gamma * lambda - lambda * lambda).max(1e-12);
    // dλ/dγ = -λ (γ + λ).
    let slope = -lambda + lambda * (gamma + lambda) * (gamma + 2.0 * lambda);
    (variance * left, sd * slope, left - 0.5 * gamma * slope)
}

impl Acquisition for EntropySearch<'_> {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let joint = self.gp.joint(x);
        let (mean, variance, noise) = (joint.mean[0], joint.covariance[0], self.gp.hyper().noise);
        let share = 1.0 / self.minima.len() as f64;
        let (mut value, mut by_mean, mut by_variance) = (0.0, 0.0, 0.0);
        if self.about != About::Value {
            value = 0.5 * (variance + noise).ln();
            by_variance = 0.5 / (variance + noise);
        }
        for (s, minimum) in self.minima.iter().enumerate() {
            match self.about {
                About::Value => {
                    let sd = variance.sqrt();
                    let gamma = (mean - minimum.value) / sd;
                    let lambda = inverse_mills(gamma);
                    value += share * (0.5 * gamma * lambda - log_ndtr(gamma));
                    let slope = share * (-0.5 * lambda - 0.5 * gamma * lambda * (gamma + lambda));
                    by_mean += slope / sd;
                    by_variance -= 0.5 * slope * gamma / variance;
                }
                About::Both => {
                    let gp = &self.informed[s];
                    let joint = gp.joint(x);
                    let (left, of_mean, of_variance) = kept_above(joint.mean[0], joint.covariance[0], minimum.value);
                    value -= 0.5 * share * (left + noise).ln();
                    let slope = -0.5 * share / (left + noise);
                    gp.pullback(&joint, &[slope * of_mean], &[slope * of_variance], None, gradient);
                }
                About::Place => {
                    let place = &self.places[s];
                    let cross = self.gp.between(place, &joint)[0];
                    let gap = variance - cross;
                    let square = (variance + place.covariance[0] - 2.0 * cross).max(1e-12 * self.gp.hyper().variance);
                    let root = square.sqrt();
                    let alpha = (mean - place.mean[0]) / root;
                    let lambda = inverse_mills(alpha);
                    let fall = lambda * (lambda + alpha);
                    let left = (variance - gap * gap * fall / square).max(1e-12 * self.gp.hyper().variance);
                    value -= 0.5 * share * (left + noise).ln();
                    let slope = -0.5 * share / (left + noise);
                    // d(λ(λ + α))/dα, then through α and the square.
                    let turn = -lambda * (alpha + lambda) * (2.0 * lambda + alpha) + lambda;
                    let by_alpha = -gap * gap * turn / square;
                    let by_square = gap * gap * fall / (square * square) - 0.5 * by_alpha * alpha / square;
                    by_mean += slope * by_alpha / root;
                    by_variance += slope * (1.0 - 2.0 * gap * fall / square + by_square);
                    let by_cross = slope * (2.0 * gap * fall / square - 2.0 * by_square);
                    self.gp.pullback(&joint, &[0.0], &[0.0], Some((place, &[by_cross])), gradient);
                }
            }
        }
        self.gp.pullback(&joint, &[by_mean], &[by_variance], None, gradient);
        value + self.feasibility.add(x, gradient)
    }
}

/// Probability of each place of a finite set to hold the minimum: the share of joint draws `[S][A]` whose smallest value is there.
pub fn minimum_probabilities(draws: &[Vec<f64>]) -> Vec<f64> {
    let places = draws.first().map_or(0, Vec::len);
    let mut counts = vec![0.0; places];
    for draw in draws {
        let smallest = (1..places).fold(0, |best, i| if draw[i] < draw[best] { i } else { best });
        counts[smallest] += 1.0 / draws.len() as f64;
    }
    counts
}

/// How far the entropy of [`minimum_probabilities`] over a finite set is expected to fall when something with a normal law is measured: joint draws of
/// the set's values `[S][A]` with that of the measurement, noise included, `[S]`; covariances of the set with the measurement over the
/// measurement's standard deviation, `slopes: [A]`; the measurement's mean and standard deviation; and `fantasies` of it, standard normal.
///
/// Each draw becomes one of the posterior by Matheron's rule, so that the same draws serve every fantasy.
///
/// # Source
/// Hennig and Schuler (2012), with joint samples in place of expectation propagation.
pub fn entropy_fall(
    draws: &[Vec<f64>],
    measured: &[f64],
    slopes: &[f64],
    (mean, sd): (f64, f64),
    fantasies: &[f64],
) -> f64 {
    let now = entropy(&minimum_probabilities(draws));
    let after = |z: &f64| {
        let moved: Vec<Vec<f64>> = (draws.iter().zip(measured))
            .map(|(draw, y)| {
                let shift = z - (y - mean) / sd;
                draw.iter().zip(slopes).map(|(f, b)| f + b * shift).collect()
            })
            .collect();
        entropy(&minimum_probabilities(&moved))
    };
    now - fantasies.iter().map(after).sum::<f64>() / fantasies.len() as f64
}
