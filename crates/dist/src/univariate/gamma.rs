use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::{digamma, gamma_p, gamma_p_inv, lgamma};
use serde::{Deserialize, Serialize};

/// Gamma distribution with shape and rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gamma {
    /// Shape, positive.
    pub shape: f64,
    /// Rate (inverse scale), positive.
    pub rate: f64,
}

impl Distribution for Gamma {
    fn log_prob(&self, x: f64) -> f64 {
        if x < 0.0 || x == f64::INFINITY {
            return f64::NEG_INFINITY;
        }
        // At zero with shape one the product 0 * log 0 is zero.
        let power = if self.shape == 1.0 { 0.0 } else { (self.shape - 1.0) * x.ln() };
        self.shape * self.rate.ln() + power - self.rate * x - lgamma(self.shape)
    }

    fn cdf(&self, x: f64) -> f64 {
        gamma_p(self.shape, self.rate * x.max(0.0))
    }

    fn quantile(&self, p: f64) -> f64 {
        gamma_p_inv(self.shape, p) / self.rate
    }

    fn mean(&self) -> f64 {
        self.shape / self.rate
    }

    fn variance(&self) -> f64 {
        self.shape / (self.rate * self.rate)
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        rng.gamma(self.shape) / self.rate
    }

    fn entropy(&self) -> Option<f64> {
        Some(self.shape - self.rate.ln() + lgamma(self.shape) + (1.0 - self.shape) * digamma(self.shape))
    }
}
