use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::{beta_inc, log_choose};
use serde::{Deserialize, Serialize};

use super::{Normal, count_quantile};

/// Number of successes in independent trials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Binomial {
    /// Number of trials, a whole number.
    pub trials: f64,
    /// Probability of success, in [0, 1].
    pub probability: f64,
}

impl Distribution for Binomial {
    fn log_prob(&self, x: f64) -> f64 {
        if x < 0.0 || x > self.trials || x != x.floor() {
            return f64::NEG_INFINITY;
        }
        // 0 log 0 = 0.
        let term = |count: f64, log_p: f64| if count == 0.0 { 0.0 } else { count * log_p };
        log_choose(self.trials, x) + term(x, self.probability.ln()) + term(self.trials - x, (-self.probability).ln_1p())
    }

    fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 {
            0.0
        } else if x >= self.trials {
            1.0
        } else {
            beta_inc(self.trials - x.floor(), x.floor() + 1.0, 1.0 - self.probability)
        }
    }

    fn quantile(&self, p: f64) -> f64 {
        let start = Normal { mean: self.mean(), sd: self.variance().sqrt().max(1e-9) }.quantile(p);
        if p == 1.0 { self.trials } else { count_quantile(p, start, |k| self.cdf(k)) }
    }

    fn mean(&self) -> f64 {
        self.trials * self.probability
    }

    fn variance(&self) -> f64 {
        self.trials * self.probability * (1.0 - self.probability)
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        rng.binomial(self.trials as u64, self.probability) as f64
    }
}
