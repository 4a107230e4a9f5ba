//! Lifetimes.

use super::OneLatent;
use super::density::{Density, Expected, Jet, Moments};
use elbo_core::Rng;
use elbo_tensor::special::lgamma;
use elbo_tensor::{Constraint, Parameter};

/// Weibull distribution of scale `exp(f)`. Parameter `shape`, positive: below 1 early failures, above 1 wear.
pub type Weibull = OneLatent<WeibullDensity>;

impl Weibull {
    /// With this shape, positive.
    pub fn new(shape: f64) -> Self {
        Self::of(WeibullDensity { shape })
    }
}

/// The density of [`Weibull`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeibullDensity {
    /// Shape, positive.
    pub shape: f64,
}

impl Density for WeibullDensity {
    const NAME: &'static str = "weibull";
    const SUPPORT: &'static str = "positive numbers";
    const REMEDY: &'static str = "use `gaussian` or `student_t` for numbers of both signs";
    const DISCRETE: bool = false;
    const LOG_CONCAVE: bool = true;

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("shape", Parameter::scalar(self.shape, Constraint::Positive))]
    }

    fn set(&mut self, numbers: &[f64]) {
        self.shape = numbers[0];
    }

    fn supports(&self, y: f64) -> bool {
        y > 0.0
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let k = self.shape;
        let hazard = (k * (y.ln() - f)).exp();
        let value = k.ln() - k * f + (k - 1.0) * y.ln() - hazard;
        Jet { value, g1: k * (hazard - 1.0), g2: -k * k * hazard, g3: k.powi(3) * hazard }
    }

    fn add_gradient(&self, y: f64, f: f64, weight: f64, out: &mut [f64]) {
        let t = y.ln() - f;
        out[0] += weight * (1.0 / self.shape + t - t * (self.shape * t).exp());
    }

    fn conditional(&self, f: f64) -> Moments {
        self.predict(f, 0.0)
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        if y <= 0.0 { 0.0 } else { -(-(self.shape * (y.ln() - f)).exp()).exp_m1() }
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        (f + (-(-p).ln_1p()).ln() / self.shape).exp()
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        (f + rng.exponential().ln() / self.shape).exp()
    }

    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected {
        let k = self.shape;
        let hazard = (k * (y.ln() - mean) + 0.5 * k * k * variance).exp();
        let value = k.ln() - k * mean + (k - 1.0) * y.ln() - hazard;
        Expected { value, dm: k * (hazard - 1.0), dv: -0.5 * k * k * hazard }
    }

    fn d_expected(&self, y: f64, mean: f64, variance: f64, out: &mut [f64]) {
        let (k, t) = (self.shape, y.ln() - mean);
        out[0] += 1.0 / k + t - (t + k * variance) * (k * t + 0.5 * k * k * variance).exp();
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        // E y^n = Gamma(1 + n/k) E exp(n f).
        let first = lgamma(1.0 + 1.0 / self.shape) + mean + 0.5 * variance;
        let second = lgamma(1.0 + 2.0 / self.shape) + 2.0 * mean + 2.0 * variance;
        Moments { mean: first.exp(), variance: (2.0 * first).exp() * (second - 2.0 * first).exp_m1() }
    }
}
