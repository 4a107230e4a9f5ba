//! Positive numbers of constant relative spread.

use super::OneLatent;
use super::density::{Density, Expected, Jet, Moments};
use elbo_core::Rng;
use elbo_dist::{self as dist, Distribution};
use elbo_tensor::special::{digamma, lgamma};
use elbo_tensor::{Constraint, Parameter};

/// Gamma distribution of scale `exp(f)`. Parameter `shape`, positive; the relative standard deviation is `1 / sqrt(shape)`.
pub type Gamma = OneLatent<GammaDensity>;

impl Gamma {
    /// With this shape, positive.
    pub fn new(shape: f64) -> Self {
        Self::of(GammaDensity { shape })
    }
}

/// The density of [`Gamma`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GammaDensity {
    /// Shape, positive.
    pub shape: f64,
}

impl GammaDensity {
    fn given(&self, f: f64) -> dist::Gamma {
        dist::Gamma { shape: self.shape, rate: (-f).exp() }
    }
}

impl Density for GammaDensity {
    const NAME: &'static str = "gamma";
    const SUPPORT: &'static str = "positive numbers";
    const REMEDY: &'static str =
        "use `gaussian` or `student_t` for numbers of both signs, `poisson` for counts with zeros";
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
        let a = self.shape;
        let ratio = y * (-f).exp();
        let value = -a * f - lgamma(a) + (a - 1.0) * y.ln() - ratio;
        Jet { value, g1: ratio - a, g2: -ratio, g3: ratio }
    }

    fn add_gradient(&self, y: f64, f: f64, weight: f64, out: &mut [f64]) {
        out[0] += weight * (y.ln() - f - digamma(self.shape));
    }

    fn conditional(&self, f: f64) -> Moments {
        let given = self.given(f);
        Moments { mean: given.mean(), variance: given.variance() }
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        self.given(f).cdf(y)
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        self.given(f).quantile(p)
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        self.given(f).sample(rng)
    }

    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected {
        let a = self.shape;
        let ratio = y * (0.5 * variance - mean).exp();
        let value = -a * mean - lgamma(a) + (a - 1.0) * y.ln() - ratio;
        Expected { value, dm: ratio - a, dv: -0.5 * ratio }
    }

    fn d_expected(&self, y: f64, mean: f64, _: f64, out: &mut [f64]) {
        self.add_gradient(y, mean, 1.0, out);
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        let scale = (mean + 0.5 * variance).exp();
        let a = self.shape;
        Moments { mean: a * scale, variance: a * scale * scale * ((a + 1.0) * variance.exp() - a) }
    }
}
