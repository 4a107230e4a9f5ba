use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::{log_sigmoid, logit, sigmoid};
use serde::{Deserialize, Serialize};

use std::f64::consts::PI;

/// Logistic distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// Mean, median and mode.
    pub location: f64,
    /// Scale, positive.
    pub scale: f64,
}

impl Distribution for Logistic {
    fn log_prob(&self, x: f64) -> f64 {
        let z = (x - self.location) / self.scale;
        log_sigmoid(z) + log_sigmoid(-z) - self.scale.ln()
    }

    fn cdf(&self, x: f64) -> f64 {
        sigmoid((x - self.location) / self.scale)
    }

    fn quantile(&self, p: f64) -> f64 {
        self.location + self.scale * logit(p)
    }

    fn mean(&self) -> f64 {
        self.location
    }

    fn variance(&self) -> f64 {
        (PI * self.scale).powi(2) / 3.0
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.location + self.scale * (rng.exponential() / rng.exponential()).ln()
    }

    fn entropy(&self) -> Option<f64> {
        Some(self.scale.ln() + 2.0)
    }
}
