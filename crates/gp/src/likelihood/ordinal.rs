//! Ordered classes.

use super::OneLatent;
use super::density::{Density, Jet, Moments, Tilted};
use super::poisson::is_count;
use super::quadrature::{self, whole_quantile};
use elbo_core::Rng;
use elbo_tensor::special::{LOG_SQRT_TAU, log_ndtr, log1m_exp, ndtr};
use elbo_tensor::{Constraint, Parameter};

/// Ordered classes 0 .. K-1: class k when `f` plus normal noise falls between the edges k and k + 1.
///
/// Parameters: `first_edge`, any number; `increments` `[K - 2]`, positive; `scale` of the noise, positive and held fixed, since the
/// latent function's variance takes its part.
pub type Ordinal = OneLatent<OrdinalDensity>;

impl Ordinal {
    /// With these inner edges, ascending, one fewer than classes.
    pub fn new(edges: &[f64], scale: f64) -> Self {
        assert!(
            !edges.is_empty() && edges.windows(2).all(|w| w[0] < w[1]),
            "an ordinal likelihood needs ascending edges"
        );
        Self::of(OrdinalDensity { edges: edges.to_vec(), scale })
    }
}

/// The density of [`Ordinal`]. Predictions, and the tilted normaliser at power 1, are in closed form.
#[derive(Debug, Clone, PartialEq)]
pub struct OrdinalDensity {
    /// Inner edges, `[K - 1]`, ascending.
    pub edges: Vec<f64>,
    /// Standard deviation of the noise, positive.
    pub scale: f64,
}

/// The probability between two standardised edges, with the densities at the edges over it.
struct Slice {
    low: f64,
    high: f64,
    log_probability: f64,
    at_low: f64,
    at_high: f64,
}

impl Slice {
    fn new(low: f64, high: f64) -> Self {
        // On the side where both are negative the difference keeps its relative accuracy.
        let (a, b) = if low > 0.0 { (-high, -low) } else { (low, high) };
        let log_b = log_ndtr(b);
        let log_probability = if a == f64::NEG_INFINITY { log_b } else { log_b + log1m_exp(log_ndtr(a) - log_b) };
        let ratio = |z: f64| if z.is_infinite() { 0.0 } else { (-0.5 * z * z - LOG_SQRT_TAU - log_probability).exp() };
        Self { low, high, log_probability, at_low: ratio(low), at_high: ratio(high) }
    }

    /// `z^n` times the ratio of densities at the low edge, less that at the high edge; zero at an infinite edge.
    fn difference(&self, weight: impl Fn(f64) -> f64) -> f64 {
        let term = |z: f64, ratio: f64| if z.is_infinite() { 0.0 } else { weight(z) * ratio };
        term(self.low, self.at_low) - term(self.high, self.at_high)
    }
}

impl OrdinalDensity {
    fn classes(&self) -> usize {
        self.edges.len() + 1
    }

    /// Edges below and above class `y`.
    fn around(&self, y: f64) -> (f64, f64) {
        let k = y as usize;
        let low = if k == 0 { f64::NEG_INFINITY } else { self.edges[k - 1] };
        (low, self.edges.get(k).copied().unwrap_or(f64::INFINITY))
    }

    fn slice(&self, y: f64, f: f64) -> Slice {
        let (low, high) = self.around(y);
        Slice::new((low - f) / self.scale, (high - f) / self.scale)
    }

    /// The same likelihood with the latent variance added to that of the noise.
    fn widened(&self, variance: f64) -> Self {
        Self { edges: self.edges.clone(), scale: (self.scale * self.scale + variance).sqrt() }
    }

    fn probabilities(&self, f: f64) -> Vec<f64> {
        (0..self.classes()).map(|k| self.slice(k as f64, f).log_probability.exp()).collect()
    }
}

impl Density for OrdinalDensity {
    const NAME: &'static str = "ordinal";
    const SUPPORT: &'static str = "classes 0, 1, ... up to one fewer than it has";
    const REMEDY: &'static str =
        "number the ordered classes from 0, and give the likelihood one edge fewer than there are classes";
    const DISCRETE: bool = true;
    const LOG_CONCAVE: bool = true;

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        let increments: Vec<f64> = self.edges.windows(2).map(|w| w[1] - w[0]).collect();
        vec![
            ("first_edge", Parameter::scalar(self.edges[0], Constraint::Real)),
            ("increments", Parameter::new(&increments, &[increments.len()], Constraint::Positive)),
            ("scale", Parameter::scalar(self.scale, Constraint::Positive).frozen()),
        ]
    }

    fn set(&mut self, numbers: &[f64]) {
        let last = numbers.len() - 1;
        let mut edge = 0.0;
        for (k, step) in numbers[..last].iter().enumerate() {
            edge += step;
            self.edges[k] = edge;
        }
        self.scale = numbers[last];
    }

    fn supports(&self, y: f64) -> bool {
        is_count(y) && y < self.classes() as f64
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let slice = self.slice(y, f);
        // Derivatives of the probability over the probability.
        let first = slice.difference(|_| 1.0) / self.scale;
        let second = slice.difference(|z| z) / self.scale.powi(2);
        let third = slice.difference(|z| z * z - 1.0) / self.scale.powi(3);
        Jet {
            value: slice.log_probability,
            g1: first,
            g2: second - first * first,
            g3: third - 3.0 * second * first + 2.0 * first.powi(3),
        }
    }

    fn log_prob(&self, y: f64, f: f64) -> f64 {
        self.slice(y, f).log_probability
    }

    fn add_gradient(&self, y: f64, f: f64, weight: f64, out: &mut [f64]) {
        let (slice, k, last) = (self.slice(y, f), y as usize, out.len() - 1);
        // Edge j is the sum of the first j + 1 numbers.
        for (edge, derivative) in [(k.checked_sub(1), -slice.at_low), (Some(k), slice.at_high)] {
            if let Some(edge) = edge.filter(|e| *e < self.edges.len()) {
                out[..=edge].iter_mut().for_each(|o| *o += weight * derivative / self.scale);
            }
        }
        out[last] += weight * slice.difference(|z| z) / self.scale;
    }

    fn conditional(&self, f: f64) -> Moments {
        let p = self.probabilities(f);
        let mean: f64 = p.iter().enumerate().map(|(k, p)| k as f64 * p).sum();
        Moments { mean, variance: p.iter().enumerate().map(|(k, p)| (k as f64 - mean).powi(2) * p).sum() }
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        if y < 0.0 {
            return 0.0;
        }
        let (_, high) = self.around(y.floor().min(self.edges.len() as f64));
        ndtr((high - f) / self.scale)
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        whole_quantile(p, 0.0, self.edges.len() as f64, |y| self.conditional_cdf(y, f))
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        let position = f + self.scale * rng.normal();
        self.edges.iter().filter(|e| **e < position).count() as f64
    }

    fn log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64) -> Tilted {
        if alpha != 1.0 {
            return quadrature::log_tilted(self, y, mean, variance, alpha);
        }
        let jet = self.widened(variance).jet(y, mean);
        Tilted::closed(jet.value, jet.g1, jet.g2)
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        self.widened(variance).conditional(mean)
    }

    fn cdf(&self, y: f64, mean: f64, variance: f64) -> f64 {
        self.widened(variance).conditional_cdf(y, mean)
    }

    fn quantile(&self, p: f64, mean: f64, variance: f64) -> f64 {
        self.widened(variance).conditional_quantile(p, mean)
    }
}
