//! Counts that vary more than Poisson's.

use super::OneLatent;
use super::density::{Density, Jet, Moments};
use super::poisson::is_count;
use elbo_core::Rng;
use elbo_dist::{self as dist, Distribution};
use elbo_tensor::special::{digamma, log_beta, log_sigmoid, sigmoid};
use elbo_tensor::{Constraint, Parameter};

/// Negative binomial counts of mean `mu = exp(f)` and variance `mu + mu^2 / dispersion`. Parameter `dispersion`, positive; large is
/// Poisson.
pub type NegativeBinomial = OneLatent<NegativeBinomialDensity>;

impl NegativeBinomial {
    /// With this dispersion, positive.
    pub fn new(dispersion: f64) -> Self {
        Self::of(NegativeBinomialDensity { dispersion })
    }
}

/// The density of [`NegativeBinomial`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NegativeBinomialDensity {
    /// Dispersion, positive.
    pub dispersion: f64,
}

impl NegativeBinomialDensity {
    fn given(&self, f: f64) -> dist::NegativeBinomial {
        dist::NegativeBinomial { mean: f.exp(), dispersion: self.dispersion }
    }
}

impl Density for NegativeBinomialDensity {
    const NAME: &'static str = "negative_binomial";
    const SUPPORT: &'static str = "counts 0, 1, 2, ...";
    const REMEDY: &'static str =
        "use `gaussian` or `student_t` for other numbers, `gamma` or `log_gaussian` for positive ones";
    const DISCRETE: bool = true;
    const LOG_CONCAVE: bool = true;

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("dispersion", Parameter::scalar(self.dispersion, Constraint::Positive))]
    }

    fn set(&mut self, numbers: &[f64]) {
        self.dispersion = numbers[0];
    }

    fn supports(&self, y: f64) -> bool {
        is_count(y)
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let r = self.dispersion;
        // The mean's share p = mu / (mu + r) is the logistic function of t.
        let t = f - r.ln();
        let (p, q) = (sigmoid(t), sigmoid(-t));
        let ways = if y == 0.0 { 0.0 } else { -y.ln() - log_beta(y, r) };
        let value = ways + y * log_sigmoid(t) + r * log_sigmoid(-t);
        let g2 = -(y + r) * p * q;
        Jet { value, g1: y * q - r * p, g2, g3: g2 * (q - p) }
    }

    fn add_gradient(&self, y: f64, f: f64, weight: f64, out: &mut [f64]) {
        let r = self.dispersion;
        let t = f - r.ln();
        let g1 = y * sigmoid(-t) - r * sigmoid(t);
        out[0] += weight * (digamma(y + r) - digamma(r) + log_sigmoid(-t) - g1 / r);
    }

    fn conditional(&self, f: f64) -> Moments {
        Moments { mean: self.given(f).mean(), variance: self.given(f).variance() }
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

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        let mu = (mean + 0.5 * variance).exp();
        // E mu^2 / r, and the variance of mu.
        let square = mu * mu * variance.exp() / self.dispersion;
        Moments { mean: mu, variance: mu + square + mu * mu * variance.exp_m1() }
    }
}
