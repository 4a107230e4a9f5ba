use super::Distribution;
use crate::batched::log_gamma_draw;
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
        // Logarithms, which do not underflow for small exponents.
        let (x, y) = (log_gamma_draw(self.a, rng), log_gamma_draw(self.b, rng));
        sigmoid(x - y)
    }

    fn entropy(&self) -> Option<f64> {
        let both = digamma(self.a + self.b);
        let parts = (self.a - 1.0) * (digamma(self.a) - both) + (self.b - 1.0) * (digamma(self.b) - both);
        Some(log_beta(self.a, self.b) - parts)
    }
}
