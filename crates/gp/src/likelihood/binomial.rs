//! Successes in a number of trials.

use super::OneLatent;
use super::density::{Density, Jet, Moments};
use super::poisson::is_count;
use super::quadrature::whole_quantile;
use elbo_core::Rng;
use elbo_tensor::special::{beta_inc, log_choose, log_sigmoid, sigmoid};

/// Successes in a fixed number of trials, each with probability `sigmoid(f)`; no parameters.
pub type Binomial = OneLatent<BinomialDensity>;

impl Binomial {
    /// With this number of trials, positive.
    pub fn new(trials: u32) -> Self {
        assert!(trials > 0, "a binomial likelihood needs at least one trial");
        Self::of(BinomialDensity { trials: f64::from(trials) })
    }
}

/// The density of [`Binomial`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BinomialDensity {
    /// Number of trials, a positive whole number.
    pub trials: f64,
}

impl Density for BinomialDensity {
    const NAME: &'static str = "binomial";
    const SUPPORT: &'static str = "whole numbers from 0 to the number of trials";
    const REMEDY: &'static str = "give the number of successes, not a share, and the right number of trials";
    const DISCRETE: bool = true;
    const LOG_CONCAVE: bool = true;

    fn supports(&self, y: f64) -> bool {
        is_count(y) && y <= self.trials
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let n = self.trials;
        let (p, q) = (sigmoid(f), sigmoid(-f));
        let value = log_choose(n, y) + y * log_sigmoid(f) + (n - y) * log_sigmoid(-f);
        Jet { value, g1: y * q - (n - y) * p, g2: -n * p * q, g3: -n * p * q * (q - p) }
    }

    fn conditional(&self, f: f64) -> Moments {
        let (p, q) = (sigmoid(f), sigmoid(-f));
        Moments { mean: self.trials * p, variance: self.trials * p * q }
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        let k = y.floor();
        if k < 0.0 {
            0.0
        } else if k >= self.trials {
            1.0
        } else {
            beta_inc(self.trials - k, k + 1.0, sigmoid(-f))
        }
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        whole_quantile(p, 0.0, self.trials, |y| self.conditional_cdf(y, f))
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        rng.binomial(self.trials as u64, sigmoid(f)) as f64
    }
}
