use super::Distribution;
use elbo_core::Rng;
use serde::{Deserialize, Serialize};

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, TAU};

/// Cauchy distribution folded at zero; it has no moments.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HalfCauchy {
    /// Scale: the median.
    pub scale: f64,
}

impl Distribution for HalfCauchy {
    fn log_prob(&self, x: f64) -> f64 {
        if x < 0.0 { f64::NEG_INFINITY } else { (FRAC_2_PI / self.scale).ln() - (x / self.scale).powi(2).ln_1p() }
    }

    fn cdf(&self, x: f64) -> f64 {
        if x <= 0.0 { 0.0 } else { FRAC_2_PI * (x / self.scale).atan() }
    }

    fn quantile(&self, p: f64) -> f64 {
        self.scale * (FRAC_PI_2 * p).tan()
    }

    fn mean(&self) -> f64 {
        f64::INFINITY
    }

    fn variance(&self) -> f64 {
        f64::INFINITY
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.quantile(rng.uniform())
    }

    fn entropy(&self) -> Option<f64> {
        Some((TAU * self.scale).ln())
    }
}
