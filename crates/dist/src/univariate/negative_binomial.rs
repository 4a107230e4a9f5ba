use super::{Distribution, Normal, count_quantile};
use elbo_core::Rng;
use elbo_tensor::special::{beta_inc, log_beta};
use serde::{Deserialize, Serialize};

/// Negative binomial distribution: a Poisson variable whose mean is gamma distributed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NegativeBinomial {
    /// Mean, positive.
    pub mean: f64,
    /// Dispersion `r`, positive: the variance is `mean + mean^2 / r`.
    pub dispersion: f64,
}

impl Distribution for NegativeBinomial {
    fn log_prob(&self, x: f64) -> f64 {
        if x < 0.0 || x == f64::INFINITY || x != x.floor() {
            return f64::NEG_INFINITY;
        }
        let r = self.dispersion;
        // Gamma(x + r) / (Gamma(r) x!) = 1 / (x B(x, r)).
        let ways = if x == 0.0 { 0.0 } else { -x.ln() - log_beta(x, r) };
        let zeros = -r * (self.mean / r).ln_1p();
        let counts = if x == 0.0 { 0.0 } else { -x * (r / self.mean).ln_1p() };
        ways + zeros + counts
    }

    fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 || x == f64::INFINITY {
            return f64::from(x > 0.0);
        }
        beta_inc(self.dispersion, x.floor() + 1.0, self.dispersion / (self.dispersion + self.mean))
    }

    fn quantile(&self, p: f64) -> f64 {
        let start = Normal { mean: self.mean, sd: self.variance().sqrt() }.quantile(p);
        count_quantile(p, start, |k| self.cdf(k))
    }

    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.mean + self.mean * self.mean / self.dispersion
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        let mean = rng.gamma(self.dispersion) * self.mean / self.dispersion;
        rng.poisson(mean) as f64
    }
}
