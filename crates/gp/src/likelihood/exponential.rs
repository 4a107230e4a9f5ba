//! Waiting times without memory.

use super::OneLatent;
use super::density::{Density, Expected, Jet, Moments};
use elbo_core::Rng;

/// Exponential distribution of mean `exp(f)` (rate `exp(-f)`); no parameters.
pub type Exponential = OneLatent<ExponentialDensity>;

impl Exponential {
    /// The likelihood.
    pub fn new() -> Self {
        Self::of(ExponentialDensity)
    }
}

impl Default for Exponential {
    fn default() -> Self {
        Self::new()
    }
}

/// The density of [`Exponential`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExponentialDensity;

impl Density for ExponentialDensity {
    const NAME: &'static str = "exponential";
    const SUPPORT: &'static str = "numbers of at least 0";
    const REMEDY: &'static str = "use `gaussian` or `student_t` for numbers of both signs";
    const DISCRETE: bool = false;
    const LOG_CONCAVE: bool = true;

    fn supports(&self, y: f64) -> bool {
        y >= 0.0
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let ratio = y * (-f).exp();
        Jet { value: -f - ratio, g1: ratio - 1.0, g2: -ratio, g3: ratio }
    }

    fn conditional(&self, f: f64) -> Moments {
        Moments { mean: f.exp(), variance: (2.0 * f).exp() }
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        if y <= 0.0 { 0.0 } else { -(-y * (-f).exp()).exp_m1() }
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        -(-p).ln_1p() * f.exp()
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        rng.exponential() * f.exp()
    }

    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected {
        let ratio = y * (0.5 * variance - mean).exp();
        Expected { value: -mean - ratio, dm: ratio - 1.0, dv: -0.5 * ratio }
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        let centre = (mean + 0.5 * variance).exp();
        Moments { mean: centre, variance: centre * centre * (2.0 * variance.exp() - 1.0) }
    }
}
