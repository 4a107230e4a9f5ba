use super::{Distribution, Normal, count_quantile};
use elbo_core::Rng;
use elbo_tensor::special::{gamma_q, log_factorial};
use serde::{Deserialize, Serialize};

/// Poisson distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Poisson {
    /// Mean, positive.
    pub mean: f64,
}

impl Distribution for Poisson {
    fn log_prob(&self, x: f64) -> f64 {
        if x < 0.0 || x == f64::INFINITY || x != x.floor() {
            return f64::NEG_INFINITY;
        }
        x * self.mean.ln() - self.mean - log_factorial(x)
    }

    fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 || x == f64::INFINITY { f64::from(x > 0.0) } else { gamma_q(x.floor() + 1.0, self.mean) }
    }

    fn quantile(&self, p: f64) -> f64 {
        let start = Normal { mean: self.mean, sd: self.mean.sqrt() }.quantile(p);
        count_quantile(p, start, |k| self.cdf(k))
    }

    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.mean
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        rng.poisson(self.mean) as f64
    }
}
