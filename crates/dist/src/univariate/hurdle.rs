use super::{Distribution, count_quantile};
use elbo_core::Rng;
use elbo_tensor::special::log1m_exp;
use serde::{Deserialize, Serialize};

/// Counts behind a hurdle: zero with some probability, else a draw of the base that is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hurdle<D> {
    /// Probability of a zero, in [0, 1].
    pub zero: f64,
    /// The counts otherwise, of which zeros are left out.
    pub base: D,
}

impl<D: Distribution> Hurdle<D> {
    /// How much likelier a positive count is than under the base.
    fn ratio(&self) -> f64 {
        (1.0 - self.zero) / -self.base.log_prob(0.0).exp_m1()
    }

    /// The smallest count with this probability of those above zero at or below it.
    fn positive(&self, p: f64) -> f64 {
        let zero = self.base.cdf(0.0);
        self.base.quantile((zero + (1.0 - zero) * p).min(1.0 - 1e-16)).max(1.0)
    }
}

impl<D: Distribution> Distribution for Hurdle<D> {
    fn log_prob(&self, x: f64) -> f64 {
        if x == 0.0 {
            return self.zero.ln();
        }
        (-self.zero).ln_1p() + self.base.log_prob(x) - log1m_exp(self.base.log_prob(0.0))
    }

    fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 {
            return 0.0;
        }
        if x == f64::INFINITY { 1.0 } else { self.zero + self.ratio() * (self.base.cdf(x) - self.base.cdf(0.0)) }
    }

    fn quantile(&self, p: f64) -> f64 {
        if p <= self.zero {
            return if p >= 0.0 { 0.0 } else { f64::NAN };
        }
        count_quantile(p, self.positive((p - self.zero) / (1.0 - self.zero)), |k| self.cdf(k))
    }

    fn mean(&self) -> f64 {
        self.ratio() * self.base.mean()
    }

    fn variance(&self) -> f64 {
        let (ratio, mean) = (self.ratio(), self.base.mean());
        ratio * (self.base.variance() + mean * mean) - (ratio * mean).powi(2)
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        if rng.uniform() < self.zero { 0.0 } else { self.positive(rng.uniform()) }
    }
}
