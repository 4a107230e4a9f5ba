use super::Distribution;
use elbo_core::Rng;
use serde::{Deserialize, Serialize};

/// Uniform distribution on an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Uniform {
    /// Lower end.
    pub low: f64,
    /// Upper end, above `low`.
    pub high: f64,
}

impl Distribution for Uniform {
    fn log_prob(&self, x: f64) -> f64 {
        if (self.low..=self.high).contains(&x) { -(self.high - self.low).ln() } else { f64::NEG_INFINITY }
    }

    fn cdf(&self, x: f64) -> f64 {
        ((x - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn quantile(&self, p: f64) -> f64 {
        self.low + (self.high - self.low) * p
    }

    fn mean(&self) -> f64 {
        0.5 * (self.low + self.high)
    }

    fn variance(&self) -> f64 {
        (self.high - self.low).powi(2) / 12.0
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        rng.range(self.low, self.high)
    }

    fn entropy(&self) -> Option<f64> {
        Some((self.high - self.low).ln())
    }
}
