use super::Distribution;
use elbo_core::Rng;
use serde::{Deserialize, Serialize};

use super::count_quantile;

/// Number of failures before the first success.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Geometric {
    /// Probability of success, in (0, 1].
    pub probability: f64,
}

impl Distribution for Geometric {
    fn log_prob(&self, x: f64) -> f64 {
        if x < 0.0 || x != x.floor() {
            return f64::NEG_INFINITY;
        }
        let failures = if x == 0.0 { 0.0 } else { x * (-self.probability).ln_1p() };
        failures + self.probability.ln()
    }

    fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 { 0.0 } else { -((x.floor() + 1.0) * (-self.probability).ln_1p()).exp_m1() }
    }

    fn quantile(&self, p: f64) -> f64 {
        let start = (-p).ln_1p() / (-self.probability).ln_1p() - 1.0;
        count_quantile(p, start, |k| self.cdf(k))
    }

    fn mean(&self) -> f64 {
        (1.0 - self.probability) / self.probability
    }

    fn variance(&self) -> f64 {
        (1.0 - self.probability) / self.probability.powi(2)
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        // An exponential variable in units of the log failure probability, rounded down.
        if self.probability == 1.0 { 0.0 } else { (rng.exponential() / -(-self.probability).ln_1p()).floor() }
    }

    fn entropy(&self) -> Option<f64> {
        let (p, q) = (self.probability, 1.0 - self.probability);
        let term = |v: f64| if v == 0.0 { 0.0 } else { v * v.ln() };
        Some(-(term(p) + term(q)) / p)
    }
}
