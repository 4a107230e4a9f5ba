use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::{digamma, log_beta};
use serde::{Deserialize, Serialize};

use super::EULER;

/// Kumaraswamy's distribution on the unit interval: like a beta distribution, with a closed distribution function.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Kumaraswamy {
    /// Exponent of `x`, positive.
    pub a: f64,
    /// Exponent of `1 - x^a`, positive.
    pub b: f64,
}

impl Distribution for Kumaraswamy {
    fn log_prob(&self, x: f64) -> f64 {
        if !(0.0..=1.0).contains(&x) {
            return f64::NEG_INFINITY;
        }
        let left = if self.a == 1.0 { 0.0 } else { (self.a - 1.0) * x.ln() };
        let right = if self.b == 1.0 { 0.0 } else { (self.b - 1.0) * (-x.powf(self.a)).ln_1p() };
        (self.a * self.b).ln() + left + right
    }

    fn cdf(&self, x: f64) -> f64 {
        let power = x.clamp(0.0, 1.0).powf(self.a);
        -(self.b * (-power).ln_1p()).exp_m1()
    }

    fn quantile(&self, p: f64) -> f64 {
        (-((-p).ln_1p() / self.b).exp_m1()).powf(1.0 / self.a)
    }

    fn mean(&self) -> f64 {
        self.moment(1.0)
    }

    fn variance(&self) -> f64 {
        self.moment(2.0) - self.moment(1.0).powi(2)
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.quantile(rng.uniform())
    }

    fn entropy(&self) -> Option<f64> {
        Some(1.0 - 1.0 / self.b + (1.0 - 1.0 / self.a) * (digamma(self.b + 1.0) + EULER) - (self.a * self.b).ln())
    }
}

impl Kumaraswamy {
    /// `E x^n`.
    fn moment(&self, n: f64) -> f64 {
        self.b * log_beta(1.0 + n / self.a, self.b).exp()
    }
}
