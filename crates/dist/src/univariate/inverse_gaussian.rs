use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::special::{LOG_SQRT_TAU, log_ndtr, ndtr};
use serde::{Deserialize, Serialize};

/// Inverse Gaussian distribution: of the time at which a drifting Brownian motion first reaches a level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct InverseGaussian {
    /// Mean, positive.
    pub mean: f64,
    /// Shape, positive: the variance is `mean^3 / shape`.
    pub shape: f64,
}

impl Distribution for InverseGaussian {
    fn log_prob(&self, x: f64) -> f64 {
        if x <= 0.0 || x == f64::INFINITY {
            return f64::NEG_INFINITY;
        }
        let z = (x - self.mean) / self.mean;
        0.5 * (self.shape / x).ln() - x.ln() - LOG_SQRT_TAU - 0.5 * self.shape * z * z / x
    }

    fn cdf(&self, x: f64) -> f64 {
        if x <= 0.0 || x == f64::INFINITY {
            return f64::from(x > 0.0);
        }
        let root = (self.shape / x).sqrt();
        let ratio = x / self.mean;
        // The exponential alone would overflow.
        ndtr(root * (ratio - 1.0)) + (2.0 * self.shape / self.mean + log_ndtr(-root * (ratio + 1.0))).exp()
    }

    fn quantile(&self, p: f64) -> f64 {
        if p.is_nan() || !(0.0..=1.0).contains(&p) {
            return f64::NAN;
        }
        if p == 0.0 || p == 1.0 {
            return if p == 0.0 { 0.0 } else { f64::INFINITY };
        }
        // Newton's iteration in log x within a bracket that grows, then halves.
        let (mut low, mut high) = (self.mean.ln() - 1.0, self.mean.ln() + 1.0);
        while self.cdf(low.exp()) > p {
            low -= 2.0;
        }
        while self.cdf(high.exp()) < p {
            high += 2.0;
        }
        let mut u = 0.5 * (low + high);
        for _ in 0..200 {
            let x = u.exp();
            let excess = self.cdf(x) - p;
            if excess < 0.0 {
                low = u
            } else {
                high = u
            }
            let newton = u - excess / (self.log_prob(x) + u).exp();
            let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
            if (next - u).abs() <= 1e-15 {
                break;
            }
            u = next;
        }
        u.exp()
    }

    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.mean.powi(3) / self.shape
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        // Michael, Schucany and Haas (1976): the smaller root, or its mirror image.
        let y = self.mean * rng.normal().powi(2) / self.shape;
        let x = self.mean * (1.0 + 0.5 * y - 0.5 * (y * (4.0 + y)).sqrt());
        if rng.uniform() * (self.mean + x) <= self.mean { x } else { self.mean * self.mean / x }
    }
}
