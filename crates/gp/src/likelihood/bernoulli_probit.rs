//! Two classes through the normal distribution function.

use super::OneLatent;
use super::density::{Density, Jet, Moments, Tilted};
use super::quadrature;
use elbo_core::Rng;
use elbo_tensor::special::{inverse_mills, log_ndtr, ndtr};

/// Two classes, -1 and 1, with `P(y = 1) = Phi(f)`; no parameters.
pub type BernoulliProbit = OneLatent<BernoulliProbitDensity>;

impl BernoulliProbit {
    /// The likelihood.
    pub fn new() -> Self {
        Self::of(BernoulliProbitDensity)
    }
}

impl Default for BernoulliProbit {
    fn default() -> Self {
        Self::new()
    }
}

/// The density of [`BernoulliProbit`]. Predictions, and the tilted normaliser at power 1, are in closed form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BernoulliProbitDensity;

/// Moments of -1 and 1 with this probability of 1.
pub(super) fn sign_moments(probability: f64) -> Moments {
    Moments { mean: 2.0 * probability - 1.0, variance: 4.0 * probability * (1.0 - probability) }
}

/// Distribution function of -1 and 1.
pub(super) fn sign_cdf(y: f64, probability: f64) -> f64 {
    if y < -1.0 {
        0.0
    } else if y < 1.0 {
        1.0 - probability
    } else {
        1.0
    }
}

/// Quantile of -1 and 1.
pub(super) fn sign_quantile(p: f64, probability: f64) -> f64 {
    if p <= 1.0 - probability { -1.0 } else { 1.0 }
}

/// What two-class likelihoods say of other targets.
pub(super) const SIGN_SUPPORT: &str = "-1 and 1";
pub(super) const SIGN_REMEDY: &str =
    "code the two classes as -1 and 1, or use `softmax` or `robust_max` for more classes";

impl Density for BernoulliProbitDensity {
    const NAME: &'static str = "bernoulli_probit";
    const SUPPORT: &'static str = SIGN_SUPPORT;
    const REMEDY: &'static str = SIGN_REMEDY;
    const DISCRETE: bool = true;
    const LOG_CONCAVE: bool = true;

    fn supports(&self, y: f64) -> bool {
        y.abs() == 1.0
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        // With z = y f and r = phi(z) / Phi(z): r' = -r (z + r).
        let z = y * f;
        let r = inverse_mills(z);
        let g2 = -r * (z + r);
        let g3 = y * r * ((z + r) * (z + 2.0 * r) - 1.0);
        Jet { value: log_ndtr(z), g1: y * r, g2, g3 }
    }

    fn log_prob(&self, y: f64, f: f64) -> f64 {
        log_ndtr(y * f)
    }

    fn conditional(&self, f: f64) -> Moments {
        sign_moments(ndtr(f))
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        sign_cdf(y, ndtr(f))
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        sign_quantile(p, ndtr(f))
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        if rng.uniform() < ndtr(f) { 1.0 } else { -1.0 }
    }

    fn log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64) -> Tilted {
        if alpha != 1.0 {
            return quadrature::log_tilted(self, y, mean, variance, alpha);
        }
        let scale = (1.0 + variance).sqrt();
        let jet = self.jet(y, mean / scale);
        Tilted::closed(jet.value, jet.g1 / scale, jet.g2 / (scale * scale))
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        sign_moments(ndtr(mean / (1.0 + variance).sqrt()))
    }

    fn cdf(&self, y: f64, mean: f64, variance: f64) -> f64 {
        sign_cdf(y, ndtr(mean / (1.0 + variance).sqrt()))
    }

    fn quantile(&self, p: f64, mean: f64, variance: f64) -> f64 {
        sign_quantile(p, ndtr(mean / (1.0 + variance).sqrt()))
    }

    fn probability(&self, mean: f64, variance: f64) -> Option<f64> {
        Some(ndtr(mean / (1.0 + variance).sqrt()))
    }
}
