use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::{gamma_q, gamma_q_inv, lgamma};
use serde::{Deserialize, Serialize};

/// Generalised normal distribution, of density proportional to $e^{-|(x - m)/\alpha|^\beta}$: Laplace for an exponent of 1, normal for 2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GeneralisedNormal {
    /// Mean.
    pub mean: f64,
    /// Scale, positive.
    pub scale: f64,
    /// Exponent, positive; small ones give heavy tails.
    pub exponent: f64,
}

impl Distribution for GeneralisedNormal {
    fn log_prob(&self, x: f64) -> f64 {
        let z = ((x - self.mean) / self.scale).abs();
        (0.5 * self.exponent / self.scale).ln() - lgamma(1.0 / self.exponent) - z.powf(self.exponent)
    }

    fn cdf(&self, x: f64) -> f64 {
        let z = (x - self.mean) / self.scale;
        let tail = 0.5 * gamma_q(1.0 / self.exponent, z.abs().powf(self.exponent));
        if z < 0.0 { tail } else { 1.0 - tail }
    }

    fn quantile(&self, p: f64) -> f64 {
        let size = |tail: f64| self.scale * gamma_q_inv(1.0 / self.exponent, 2.0 * tail).powf(1.0 / self.exponent);
        self.mean + if p < 0.5 { -size(p) } else { size(1.0 - p) }
    }

    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.scale * self.scale * (lgamma(3.0 / self.exponent) - lgamma(1.0 / self.exponent)).exp()
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        let size = self.scale * rng.gamma(1.0 / self.exponent).powf(1.0 / self.exponent);
        self.mean + if rng.uniform() < 0.5 { -size } else { size }
    }

    fn entropy(&self) -> Option<f64> {
        Some(1.0 / self.exponent + lgamma(1.0 / self.exponent) - (0.5 * self.exponent / self.scale).ln())
    }
}
