use super::Distribution;
use elbo_core::Rng;
use serde::{Deserialize, Serialize};

/// Exponential distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Exponential {
    /// Rate: the reciprocal of the mean, positive.
    pub rate: f64,
}

impl Distribution for Exponential {
    fn log_prob(&self, x: f64) -> f64 {
        if x < 0.0 { f64::NEG_INFINITY } else { self.rate.ln() - self.rate * x }
    }

    fn cdf(&self, x: f64) -> f64 {
        -(-self.rate * x.max(0.0)).exp_m1()
    }

    fn quantile(&self, p: f64) -> f64 {
        -(-p).ln_1p() / self.rate
    }

    fn mean(&self) -> f64 {
        1.0 / self.rate
    }

    fn variance(&self) -> f64 {
        1.0 / (self.rate * self.rate)
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        rng.exponential() / self.rate
    }

    fn entropy(&self) -> Option<f64> {
        Some(1.0 - self.rate.ln())
    }
}
