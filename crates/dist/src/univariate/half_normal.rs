use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::{LOG_SQRT_TAU, erf, erf_inv};
use serde::{Deserialize, Serialize};

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI, SQRT_2};

/// Normal distribution folded at zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HalfNormal {
    /// Standard deviation before folding.
    pub sd: f64,
}

impl Distribution for HalfNormal {
    fn log_prob(&self, x: f64) -> f64 {
        if x < 0.0 { f64::NEG_INFINITY } else { LN_2 - 0.5 * (x / self.sd).powi(2) - self.sd.ln() - LOG_SQRT_TAU }
    }

    fn cdf(&self, x: f64) -> f64 {
        if x <= 0.0 { 0.0 } else { erf(x / self.sd * FRAC_1_SQRT_2) }
    }

    fn quantile(&self, p: f64) -> f64 {
        self.sd * SQRT_2 * erf_inv(p)
    }

    fn mean(&self) -> f64 {
        self.sd * (2.0 / PI).sqrt()
    }

    fn variance(&self) -> f64 {
        self.sd * self.sd * (1.0 - 2.0 / PI)
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        (self.sd * rng.normal()).abs()
    }

    fn entropy(&self) -> Option<f64> {
        Some(0.5 + LOG_SQRT_TAU - LN_2 + self.sd.ln())
    }
}
