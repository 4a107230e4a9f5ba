use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::{digamma, gamma_q, gamma_q_inv, lgamma};
use serde::{Deserialize, Serialize};

/// Inverse gamma distribution: `scale / G` for a gamma variable `G` of this shape and rate one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct InverseGamma {
    /// Shape, positive.
    pub shape: f64,
    /// Scale, positive.
    pub scale: f64,
}

impl Distribution for InverseGamma {
    fn log_prob(&self, x: f64) -> f64 {
        if x <= 0.0 {
            return f64::NEG_INFINITY;
        }
        self.shape * self.scale.ln() - lgamma(self.shape) - (self.shape + 1.0) * x.ln() - self.scale / x
    }

    fn cdf(&self, x: f64) -> f64 {
        if x <= 0.0 { 0.0 } else { gamma_q(self.shape, self.scale / x) }
    }

    fn quantile(&self, p: f64) -> f64 {
        self.scale / gamma_q_inv(self.shape, p)
    }

    fn mean(&self) -> f64 {
        if self.shape > 1.0 { self.scale / (self.shape - 1.0) } else { f64::INFINITY }
    }

    fn variance(&self) -> f64 {
        if self.shape > 2.0 { self.mean().powi(2) / (self.shape - 2.0) } else { f64::INFINITY }
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.scale / rng.gamma(self.shape)
    }

    fn entropy(&self) -> Option<f64> {
        Some(self.shape + self.scale.ln() + lgamma(self.shape) - (1.0 + self.shape) * digamma(self.shape))
    }
}
