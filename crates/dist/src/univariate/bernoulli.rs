use super::Distribution;
use elbo_core::Rng;
use serde::{Deserialize, Serialize};

/// Bernoulli distribution on {0, 1}.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bernoulli {
    /// Probability of 1, in [0, 1].
    pub probability: f64,
}

impl Distribution for Bernoulli {
    fn log_prob(&self, x: f64) -> f64 {
        if x == 1.0 {
            self.probability.ln()
        } else if x == 0.0 {
            (-self.probability).ln_1p()
        } else {
            f64::NEG_INFINITY
        }
    }

    fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 {
            0.0
        } else if x < 1.0 {
            1.0 - self.probability
        } else {
            1.0
        }
    }

    fn quantile(&self, p: f64) -> f64 {
        if p <= 1.0 - self.probability { 0.0 } else { 1.0 }
    }

    fn mean(&self) -> f64 {
        self.probability
    }

    fn variance(&self) -> f64 {
        self.probability * (1.0 - self.probability)
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        f64::from(u8::from(rng.uniform() < self.probability))
    }

    fn entropy(&self) -> Option<f64> {
        let term = |p: f64| if p == 0.0 { 0.0 } else { -p * p.ln() };
        Some(term(self.probability) + term(1.0 - self.probability))
    }
}
