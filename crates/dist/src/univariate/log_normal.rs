use super::{Distribution, Normal};
use elbo_core::Rng;
use serde::{Deserialize, Serialize};

/// Log-normal distribution: the exponential of a normal variable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogNormal {
    /// Mean of the logarithm.
    pub mu: f64,
    /// Standard deviation of the logarithm, positive.
    pub sigma: f64,
}

impl LogNormal {
    fn log(&self) -> Normal {
        Normal { mean: self.mu, sd: self.sigma }
    }
}

impl Distribution for LogNormal {
    fn log_prob(&self, x: f64) -> f64 {
        if x <= 0.0 {
            return f64::NEG_INFINITY;
        }
        self.log().log_prob(x.ln()) - x.ln()
    }

    fn cdf(&self, x: f64) -> f64 {
        if x <= 0.0 { 0.0 } else { self.log().cdf(x.ln()) }
    }

    fn quantile(&self, p: f64) -> f64 {
        self.log().quantile(p).exp()
    }

    fn mean(&self) -> f64 {
        (self.mu + 0.5 * self.sigma * self.sigma).exp()
    }

    fn variance(&self) -> f64 {
        self.mean().powi(2) * (self.sigma * self.sigma).exp_m1()
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.log().sample(rng).exp()
    }

    fn entropy(&self) -> Option<f64> {
        Some(self.mu + 0.5 + elbo_tensor::special::LOG_SQRT_TAU + self.sigma.ln())
    }
}
