//! Gaussian noise.

use super::OneLatent;
use super::density::{Density, Expected, Jet, Moments, Tilted};
use elbo_core::Rng;
use elbo_dist::{Distribution, Normal};
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{Constraint, Parameter};

/// Smallest noise variance, for targets of variance about one.
pub(super) const NOISE_FLOOR: f64 = 1e-6;

/// Gaussian noise of one variance: `y = f + noise`. Parameter `variance`, above 1e-6.
pub type Gaussian = OneLatent<GaussianDensity>;

impl Gaussian {
    /// Noise of this variance, which must exceed 1e-6.
    pub fn new(variance: f64) -> Self {
        Self::of(GaussianDensity { variance })
    }
}

/// The density of [`Gaussian`]. Everything is in closed form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianDensity {
    /// Noise variance, positive.
    pub variance: f64,
}

fn normal(mean: f64, variance: f64) -> Normal {
    Normal { mean, sd: variance.sqrt() }
}

impl Density for GaussianDensity {
    const NAME: &'static str = "gaussian";
    const SUPPORT: &'static str = "finite numbers";
    const REMEDY: &'static str = "remove rows without a target";
    const DISCRETE: bool = false;
    const LOG_CONCAVE: bool = true;
    const CONJUGATE: bool = true;
    const LOCATION: bool = true;

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("variance", Parameter::scalar(self.variance, Constraint::Above(NOISE_FLOOR)))]
    }

    fn set(&mut self, numbers: &[f64]) {
        self.variance = numbers[0];
    }

    fn supports(&self, _: f64) -> bool {
        true
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let error = y - f;
        let value = -0.5 * error * error / self.variance - 0.5 * self.variance.ln() - LOG_SQRT_TAU;
        Jet { value, g1: error / self.variance, g2: -1.0 / self.variance, g3: 0.0 }
    }

    fn add_gradient(&self, y: f64, f: f64, weight: f64, out: &mut [f64]) {
        out[0] += weight * 0.5 * ((y - f).powi(2) / self.variance - 1.0) / self.variance;
    }

    fn conditional(&self, f: f64) -> Moments {
        Moments { mean: f, variance: self.variance }
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        normal(f, self.variance).cdf(y)
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        normal(f, self.variance).quantile(p)
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        f + self.variance.sqrt() * rng.normal()
    }

    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected {
        let jet = self.jet(y, mean);
        Expected { value: jet.value - 0.5 * variance / self.variance, dm: jet.g1, dv: -0.5 / self.variance }
    }

    fn d_expected(&self, y: f64, mean: f64, variance: f64, out: &mut [f64]) {
        out[0] += 0.5 * (((y - mean).powi(2) + variance) / self.variance - 1.0) / self.variance;
    }

    /// A power of a normal density is a normal density of variance `s / alpha`, up to a factor.
    fn log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64) -> Tilted {
        let total = variance + self.variance / alpha;
        let error = y - mean;
        let factor = (1.0 - alpha) * (0.5 * self.variance.ln() + LOG_SQRT_TAU) - 0.5 * alpha.ln();
        let value = factor - 0.5 * error * error / total - 0.5 * total.ln() - LOG_SQRT_TAU;
        Tilted::closed(value, error / total, -1.0 / total)
    }

    fn d_log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64, out: &mut [f64]) {
        let total = variance + self.variance / alpha;
        out[0] += 0.5 * (1.0 - alpha) / self.variance + 0.5 * ((y - mean).powi(2) / total - 1.0) / (total * alpha);
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        Moments { mean, variance: variance + self.variance }
    }

    fn cdf(&self, y: f64, mean: f64, variance: f64) -> f64 {
        normal(mean, variance + self.variance).cdf(y)
    }

    fn quantile(&self, p: f64, mean: f64, variance: f64) -> f64 {
        normal(mean, variance + self.variance).quantile(p)
    }
}
