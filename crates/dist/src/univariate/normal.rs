use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::{LOG_SQRT_TAU, ndtr, ndtri};
use serde::{Deserialize, Serialize};

/// Normal distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Normal {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, positive.
    pub sd: f64,
}

impl Distribution for Normal {
    fn log_prob(&self, x: f64) -> f64 {
        let z = (x - self.mean) / self.sd;
        -0.5 * z * z - self.sd.ln() - LOG_SQRT_TAU
    }

    fn cdf(&self, x: f64) -> f64 {
        ndtr((x - self.mean) / self.sd)
    }

    fn quantile(&self, p: f64) -> f64 {
        self.mean + self.sd * ndtri(p)
    }

    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.sd * self.sd
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.mean + self.sd * rng.normal()
    }

    fn entropy(&self) -> Option<f64> {
        Some(0.5 + LOG_SQRT_TAU + self.sd.ln())
    }
}
