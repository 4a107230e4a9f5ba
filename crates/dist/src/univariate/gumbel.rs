use super::Distribution;
use elbo_core::Rng;
use serde::{Deserialize, Serialize};

use super::EULER;
use std::f64::consts::PI;

/// Gumbel distribution of maxima.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gumbel {
    /// Mode.
    pub location: f64,
    /// Scale, positive.
    pub scale: f64,
}

impl Distribution for Gumbel {
    fn log_prob(&self, x: f64) -> f64 {
        let z = (x - self.location) / self.scale;
        if z.is_infinite() { f64::NEG_INFINITY } else { -z - (-z).exp() - self.scale.ln() }
    }

    fn cdf(&self, x: f64) -> f64 {
        (-(-(x - self.location) / self.scale).exp()).exp()
    }

    fn quantile(&self, p: f64) -> f64 {
        self.location - self.scale * (-p.ln()).ln()
    }

    fn mean(&self) -> f64 {
        self.location + EULER * self.scale
    }

    fn variance(&self) -> f64 {
        (PI * self.scale).powi(2) / 6.0
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.location - self.scale * rng.exponential().ln()
    }

    fn entropy(&self) -> Option<f64> {
        Some(self.scale.ln() + EULER + 1.0)
    }
}
