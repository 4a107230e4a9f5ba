//! Positive numbers whose logarithm has Gaussian noise.

use super::OneLatent;
use super::density::{Density, Expected, Jet, Moments, Tilted};
use super::gaussian::GaussianDensity;
use elbo_core::Rng;
use elbo_tensor::Parameter;

/// Gaussian noise on the logarithm: `log y = f + noise`. Parameter `variance`, above 1e-6.
pub type LogGaussian = OneLatent<LogGaussianDensity>;

impl LogGaussian {
    /// Noise of this variance on the logarithm, which must exceed 1e-6.
    pub fn new(variance: f64) -> Self {
        Self::of(LogGaussianDensity { log: GaussianDensity { variance } })
    }
}

/// The density of [`LogGaussian`]: that of the logarithm, with the factor `1/y`. Everything is in closed form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogGaussianDensity {
    /// The density of the logarithm.
    pub log: GaussianDensity,
}

impl Density for LogGaussianDensity {
    const NAME: &'static str = "log_gaussian";
    const SUPPORT: &'static str = "positive numbers";
    const REMEDY: &'static str = "use `gaussian` or `student_t` for numbers of both signs";
    const DISCRETE: bool = false;
    const LOG_CONCAVE: bool = true;
    const CONJUGATE: bool = true;

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        self.log.parameters()
    }

    fn set(&mut self, numbers: &[f64]) {
        self.log.set(numbers);
    }

    fn supports(&self, y: f64) -> bool {
        y > 0.0
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let jet = self.log.jet(y.ln(), f);
        Jet { value: jet.value - y.ln(), ..jet }
    }

    fn add_gradient(&self, y: f64, f: f64, weight: f64, out: &mut [f64]) {
        self.log.add_gradient(y.ln(), f, weight, out);
    }

    fn conditional(&self, f: f64) -> Moments {
        self.predict(f, 0.0)
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        self.cdf(y, f, 0.0)
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        self.quantile(p, f, 0.0)
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        self.log.sample(f, rng).exp()
    }

    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected {
        let expected = self.log.expected(y.ln(), mean, variance);
        Expected { value: expected.value - y.ln(), ..expected }
    }

    fn d_expected(&self, y: f64, mean: f64, variance: f64, out: &mut [f64]) {
        self.log.d_expected(y.ln(), mean, variance, out);
    }

    fn log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64) -> Tilted {
        let tilted = self.log.log_tilted(y.ln(), mean, variance, alpha);
        Tilted { value: tilted.value - alpha * y.ln(), ..tilted }
    }

    fn d_log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64, out: &mut [f64]) {
        self.log.d_log_tilted(y.ln(), mean, variance, alpha, out);
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        let total = variance + self.log.variance;
        let centre = (mean + 0.5 * total).exp();
        Moments { mean: centre, variance: centre * centre * total.exp_m1() }
    }

    fn cdf(&self, y: f64, mean: f64, variance: f64) -> f64 {
        if y <= 0.0 { 0.0 } else { self.log.cdf(y.ln(), mean, variance) }
    }

    fn quantile(&self, p: f64, mean: f64, variance: f64) -> f64 {
        self.log.quantile(p, mean, variance).exp()
    }
}
