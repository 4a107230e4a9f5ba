//! Two classes through the logistic function.

use super::OneLatent;
use super::bernoulli_probit::{SIGN_REMEDY, SIGN_SUPPORT, sign_cdf, sign_moments, sign_quantile};
use super::density::{Density, Expected, Jet, Moments};
use super::quadrature;
use elbo_core::Rng;
use elbo_dist::Rule;
use elbo_tensor::special::{log_sigmoid, sigmoid};

/// Two classes, -1 and 1, with `P(y = 1) = sigmoid(f)`; no parameters.
pub type BernoulliLogit = OneLatent<BernoulliLogitDensity>;

impl BernoulliLogit {
    /// With expectations by quadrature.
    pub fn new() -> Self {
        Self::of(BernoulliLogitDensity { bound: false })
    }

    /// With the closed lower bound of the expected log density: steps are conjugate, results looser.
    ///
    /// # Source
    /// Jaakkola and Jordan (2000); Polson, Scott and Windle (2013).
    pub fn bounded() -> Self {
        Self::of(BernoulliLogitDensity { bound: true })
    }
}

impl Default for BernoulliLogit {
    fn default() -> Self {
        Self::new()
    }
}

/// The density of [`BernoulliLogit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BernoulliLogitDensity {
    /// Whether [`Density::expected`] is the closed lower bound.
    pub bound: bool,
}

impl BernoulliLogitDensity {
    fn probability_of_one(&self, mean: f64, variance: f64) -> f64 {
        Rule::hermite50().expect(mean, variance, sigmoid)
    }
}

impl Density for BernoulliLogitDensity {
    const NAME: &'static str = "bernoulli_logit";
    const SUPPORT: &'static str = SIGN_SUPPORT;
    const REMEDY: &'static str = SIGN_REMEDY;
    const DISCRETE: bool = true;
    const LOG_CONCAVE: bool = true;

    fn supports(&self, y: f64) -> bool {
        y.abs() == 1.0
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let (p, q) = (sigmoid(f), sigmoid(-f));
        Jet { value: log_sigmoid(y * f), g1: y * sigmoid(-y * f), g2: -p * q, g3: -p * q * (q - p) }
    }

    fn log_prob(&self, y: f64, f: f64) -> f64 {
        log_sigmoid(y * f)
    }

    fn conditional(&self, f: f64) -> Moments {
        sign_moments(sigmoid(f))
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        sign_cdf(y, sigmoid(f))
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        sign_quantile(p, sigmoid(f))
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        if rng.uniform() < sigmoid(f) { 1.0 } else { -1.0 }
    }

    /// The bound is `log sigmoid(c) + (y mean - c) / 2` at its maximum, `c^2 = mean^2 + variance`.
    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected {
        if !self.bound {
            return quadrature::expected(self, y, mean, variance);
        }
        let c = (mean * mean + variance).sqrt();
        // tanh(c/2) / (2c), the site's precision; 1/4 in the limit.
        let precision = if c < 1e-8 { 0.25 } else { 0.5 * (0.5 * c).tanh() / c };
        Expected { value: log_sigmoid(c) + 0.5 * (y * mean - c), dm: 0.5 * y - precision * mean, dv: -0.5 * precision }
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        sign_moments(self.probability_of_one(mean, variance))
    }

    fn cdf(&self, y: f64, mean: f64, variance: f64) -> f64 {
        sign_cdf(y, self.probability_of_one(mean, variance))
    }

    fn quantile(&self, p: f64, mean: f64, variance: f64) -> f64 {
        sign_quantile(p, self.probability_of_one(mean, variance))
    }

    fn probability(&self, mean: f64, variance: f64) -> Option<f64> {
        Some(self.probability_of_one(mean, variance))
    }
}
