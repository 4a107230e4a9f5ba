use super::{Distribution, count_quantile};
use elbo_core::Rng;
use serde::{Deserialize, Serialize};

/// Counts with extra zeros: zero with some probability, else a draw of the base.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ZeroInflated<D> {
    /// Probability of a forced zero, in [0, 1].
    pub zero: f64,
    /// The counts otherwise.
    pub base: D,
}

impl<D: Distribution> Distribution for ZeroInflated<D> {
    fn log_prob(&self, x: f64) -> f64 {
        let drawn = (-self.zero).ln_1p() + self.base.log_prob(x);
        if x == 0.0 { (self.zero + drawn.exp()).ln() } else { drawn }
    }

    fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 { 0.0 } else { self.zero + (1.0 - self.zero) * self.base.cdf(x) }
    }

    fn quantile(&self, p: f64) -> f64 {
        let above = (p - self.zero) / (1.0 - self.zero);
        if above <= 0.0 {
            return 0.0;
        }
        count_quantile(p, self.base.quantile(above.min(1.0 - 1e-16)), |k| self.cdf(k))
    }

    fn mean(&self) -> f64 {
        (1.0 - self.zero) * self.base.mean()
    }

    fn variance(&self) -> f64 {
        (1.0 - self.zero) * (self.base.variance() + self.zero * self.base.mean().powi(2))
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        if rng.uniform() < self.zero { 0.0 } else { self.base.sample(rng) }
    }
}
