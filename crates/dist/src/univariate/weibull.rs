use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::lgamma;
use serde::{Deserialize, Serialize};

use super::EULER;

/// Weibull distribution: a power of an exponential variable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Weibull {
    /// Shape, positive: below one the hazard falls, above it rises.
    pub shape: f64,
    /// Scale, positive.
    pub scale: f64,
}

impl Distribution for Weibull {
    fn log_prob(&self, x: f64) -> f64 {
        if x < 0.0 || x == f64::INFINITY {
            return f64::NEG_INFINITY;
        }
        let z = x / self.scale;
        let power = if self.shape == 1.0 { 0.0 } else { (self.shape - 1.0) * z.ln() };
        (self.shape / self.scale).ln() + power - z.powf(self.shape)
    }

    fn cdf(&self, x: f64) -> f64 {
        -(-(x.max(0.0) / self.scale).powf(self.shape)).exp_m1()
    }

    fn quantile(&self, p: f64) -> f64 {
        self.scale * (-(-p).ln_1p()).powf(1.0 / self.shape)
    }

    fn mean(&self) -> f64 {
        self.scale * lgamma(1.0 + 1.0 / self.shape).exp()
    }

    fn variance(&self) -> f64 {
        self.scale * self.scale * lgamma(1.0 + 2.0 / self.shape).exp() - self.mean().powi(2)
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.scale * rng.exponential().powf(1.0 / self.shape)
    }

    fn entropy(&self) -> Option<f64> {
        Some(EULER * (1.0 - 1.0 / self.shape) + (self.scale / self.shape).ln() + 1.0)
    }
}
