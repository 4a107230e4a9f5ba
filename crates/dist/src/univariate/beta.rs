use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::{beta_inc, beta_inc_inv, digamma, log_beta, sigmoid};
use serde::{Deserialize, Serialize};

/// Beta distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Beta {
    /// Exponent of `x`, positive.
    pub a: f64,
    /// Exponent of `1 - x`, positive.
    pub b: f64,
}

impl Distribution for Beta {
    fn log_prob(&self, x: f64) -> f64 {
        if !(0.0..=1.0).contains(&x) {
            return f64::NEG_INFINITY;
        }
        // An exponent of zero makes the factor one, also at its end of the interval.
        let left = if self.a == 1.0 { 0.0 } else { (self.a - 1.0) * x.ln() };
        let right = if self.b == 1.0 { 0.0 } else { (self.b - 1.0) * (-x).ln_1p() };
        left + right - log_beta(self.a, self.b)
    }

    fn cdf(&self, x: f64) -> f64 {
        beta_inc(self.a, self.b, x.clamp(0.0, 1.0))
    }

    fn quantile(&self, p: f64) -> f64 {
        beta_inc_inv(self.a, self.b, p)
    }

    fn mean(&self) -> f64 {
        self.a / (self.a + self.b)
    }

    fn variance(&self) -> f64 {
        let n = self.a + self.b;
        self.a * self.b / (n * n * (n + 1.0))
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        // G(a) is G(a + 1) U^(1/a); the logarithm does not underflow for small a.
        let log_gamma = |shape: f64, rng: &mut Rng| rng.gamma(shape + 1.0).ln() - rng.exponential() / shape;
        let (x, y) = (log_gamma(self.a, rng), log_gamma(self.b, rng));
        sigmoid(x - y)
    }

    fn entropy(&self) -> Option<f64> {
        let both = digamma(self.a + self.b);
        let parts = (self.a - 1.0) * (digamma(self.a) - both) + (self.b - 1.0) * (digamma(self.b) - both);
        Some(log_beta(self.a, self.b) - parts)
    }
}
