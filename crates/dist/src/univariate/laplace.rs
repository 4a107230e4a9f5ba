use super::Distribution;
use elbo_core::Rng;
use serde::{Deserialize, Serialize};

use std::f64::consts::LN_2;

/// Laplace distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Laplace {
    /// Mean, median and mode.
    pub location: f64,
    /// Mean absolute deviation, positive.
    pub scale: f64,
}

impl Distribution for Laplace {
    fn log_prob(&self, x: f64) -> f64 {
        -((x - self.location) / self.scale).abs() - self.scale.ln() - LN_2
    }

    fn cdf(&self, x: f64) -> f64 {
        let z = (x - self.location) / self.scale;
        if z < 0.0 { 0.5 * z.exp() } else { 1.0 - 0.5 * (-z).exp() }
    }

    fn quantile(&self, p: f64) -> f64 {
        self.location + self.scale * if p < 0.5 { (2.0 * p).ln() } else { -(2.0 * (1.0 - p)).ln() }
    }

    fn mean(&self) -> f64 {
        self.location
    }

    fn variance(&self) -> f64 {
        2.0 * self.scale * self.scale
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        let size = self.scale * rng.exponential();
        self.location + if rng.uniform() < 0.5 { -size } else { size }
    }

    fn entropy(&self) -> Option<f64> {
        Some(1.0 + LN_2 + self.scale.ln())
    }
}
