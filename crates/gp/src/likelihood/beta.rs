//! Shares between 0 and 1.

use super::OneLatent;
use super::density::{Density, Jet, Moments};
use elbo_core::Rng;
use elbo_dist::{self as dist, Distribution};
use elbo_tensor::special::{digamma, log_beta, polygamma, sigmoid, trigamma};
use elbo_tensor::{Constraint, Parameter};

/// Beta distribution of mean `mu = sigmoid(f)`, `Beta(mu phi, (1 - mu) phi)`. Parameter `precision` `phi`, positive.
pub type Beta = OneLatent<BetaDensity>;

impl Beta {
    /// With this precision, positive.
    pub fn new(precision: f64) -> Self {
        Self::of(BetaDensity { precision })
    }
}

/// The density of [`Beta`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BetaDensity {
    /// Precision, positive: the variance is `mu (1 - mu) / (1 + precision)`.
    pub precision: f64,
}

impl BetaDensity {
    /// Both exponents.
    fn exponents(&self, f: f64) -> (f64, f64) {
        (sigmoid(f) * self.precision, sigmoid(-f) * self.precision)
    }

    fn given(&self, f: f64) -> dist::Beta {
        let (a, b) = self.exponents(f);
        dist::Beta { a, b }
    }
}

impl Density for BetaDensity {
    const NAME: &'static str = "beta";
    const SUPPORT: &'static str = "numbers strictly between 0 and 1";
    const REMEDY: &'static str =
        "divide percentages by 100 and move exact zeros and ones inside, or use `binomial` for successes in trials";
    const DISCRETE: bool = false;
    const LOG_CONCAVE: bool = false;

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("precision", Parameter::scalar(self.precision, Constraint::Positive))]
    }

    fn set(&mut self, numbers: &[f64]) {
        self.precision = numbers[0];
    }

    fn supports(&self, y: f64) -> bool {
        y > 0.0 && y < 1.0
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let phi = self.precision;
        let (a, b) = self.exponents(f);
        let (p, q) = (sigmoid(f), sigmoid(-f));
        let (log_y, log_rest) = (y.ln(), (-y).ln_1p());
        let value = (a - 1.0) * log_y + (b - 1.0) * log_rest - log_beta(a, b);
        // Derivatives by the mean, then through the logistic function w = mu', mu'' = w (q - p), mu''' = w (1 - 6 w).
        let l1 = phi * (log_y - log_rest - digamma(a) + digamma(b));
        let l2 = -phi * phi * (trigamma(a) + trigamma(b));
        let l3 = -phi.powi(3) * (polygamma(2, a) - polygamma(2, b));
        let (w, bend) = (p * q, p * q * (q - p));
        Jet {
            value,
            g1: l1 * w,
            g2: l2 * w * w + l1 * bend,
            g3: l3 * w.powi(3) + 3.0 * l2 * w * bend + l1 * w * (1.0 - 6.0 * w),
        }
    }

    fn log_prob(&self, y: f64, f: f64) -> f64 {
        self.given(f).log_prob(y)
    }

    fn add_gradient(&self, y: f64, f: f64, weight: f64, out: &mut [f64]) {
        let (a, b) = self.exponents(f);
        let (p, q) = (sigmoid(f), sigmoid(-f));
        let shares = p * (y.ln() - digamma(a)) + q * ((-y).ln_1p() - digamma(b));
        out[0] += weight * (digamma(self.precision) + shares);
    }

    fn conditional(&self, f: f64) -> Moments {
        let (p, q) = (sigmoid(f), sigmoid(-f));
        Moments { mean: p, variance: p * q / (1.0 + self.precision) }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::special::lgamma;

    #[test]
    fn the_normaliser_is_that_of_the_gamma_functions() {
        let density = BetaDensity { precision: 7.0 };
        let (a, b) = density.exponents(0.4);
        let value = lgamma(7.0) - lgamma(a) - lgamma(b) + (a - 1.0) * 0.3f64.ln() + (b - 1.0) * 0.7f64.ln();
        assert!((density.log_prob(0.3, 0.4) - value).abs() < 1e-13);
    }
}
