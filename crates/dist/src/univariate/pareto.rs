use super::Distribution;
use elbo_core::Rng;
use serde::{Deserialize, Serialize};

/// Pareto distribution, of numbers above a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pareto {
    /// Threshold, positive.
    pub scale: f64,
    /// Tail index, positive: moments of this order and above are infinite.
    pub shape: f64,
}

impl Distribution for Pareto {
    fn log_prob(&self, x: f64) -> f64 {
        if x < self.scale { f64::NEG_INFINITY } else { (self.shape / x).ln() - self.shape * (x / self.scale).ln() }
    }

    fn cdf(&self, x: f64) -> f64 {
        if x <= self.scale { 0.0 } else { -(-self.shape * (x / self.scale).ln()).exp_m1() }
    }

    fn quantile(&self, p: f64) -> f64 {
        self.scale * (-(-p).ln_1p() / self.shape).exp()
    }

    fn mean(&self) -> f64 {
        if self.shape > 1.0 { self.scale * self.shape / (self.shape - 1.0) } else { f64::INFINITY }
    }

    fn variance(&self) -> f64 {
        if self.shape <= 2.0 {
            return f64::INFINITY;
        }
        self.scale * self.scale * self.shape / ((self.shape - 1.0).powi(2) * (self.shape - 2.0))
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.scale * (rng.exponential() / self.shape).exp()
    }

    fn entropy(&self) -> Option<f64> {
        Some((self.scale / self.shape).ln() + 1.0 + 1.0 / self.shape)
    }
}
