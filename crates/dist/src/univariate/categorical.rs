use super::Distribution;
use elbo_core::Rng;
use serde::{Deserialize, Serialize};

/// One of the classes 0, 1, ..., K - 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Categorical {
    /// Probabilities, `[K]`, which sum to one.
    pub probabilities: Vec<f64>,
}

impl Categorical {
    fn moment(&self, f: impl Fn(f64) -> f64) -> f64 {
        self.probabilities.iter().enumerate().map(|(k, p)| p * f(k as f64)).sum()
    }
}

impl Distribution for Categorical {
    fn log_prob(&self, x: f64) -> f64 {
        if x < 0.0 || x != x.floor() {
            return f64::NEG_INFINITY;
        }
        self.probabilities.get(x as usize).map_or(f64::NEG_INFINITY, |p| p.ln())
    }

    fn cdf(&self, x: f64) -> f64 {
        let k = self.probabilities.len();
        if x < 0.0 {
            0.0
        } else if x >= (k - 1) as f64 {
            1.0
        } else {
            self.probabilities[..=x as usize].iter().sum()
        }
    }

    fn quantile(&self, p: f64) -> f64 {
        if p.is_nan() || !(0.0..=1.0).contains(&p) {
            return f64::NAN;
        }
        let last = self.probabilities.len() - 1;
        (0..last).find(|k| self.cdf(*k as f64) >= p).unwrap_or(last) as f64
    }

    fn mean(&self) -> f64 {
        self.moment(|k| k)
    }

    fn variance(&self) -> f64 {
        let mean = self.mean();
        self.moment(|k| (k - mean).powi(2))
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        rng.weighted(&self.probabilities) as f64
    }

    fn entropy(&self) -> Option<f64> {
        Some(-self.probabilities.iter().map(|p| if *p == 0.0 { 0.0 } else { p * p.ln() }).sum::<f64>())
    }
}
