//! Counts with more zeros than Poisson's.

use super::OneLatent;
use super::density::{Density, Jet, Moments};
use super::poisson::is_count;
use elbo_core::Rng;
use elbo_dist::{self as dist, Distribution};
use elbo_tensor::special::{log_add_exp, log_factorial};
use elbo_tensor::{Constraint, Parameter};

/// Zero with probability `zero`, otherwise Poisson of mean `exp(f)`. Parameter `zero`, in (0, 1).
pub type ZeroInflatedPoisson = OneLatent<ZeroInflatedPoissonDensity>;

impl ZeroInflatedPoisson {
    /// With this probability of a structural zero, in (0, 1).
    pub fn new(zero: f64) -> Self {
        Self::of(ZeroInflatedPoissonDensity { zero })
    }
}

/// The density of [`ZeroInflatedPoisson`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZeroInflatedPoissonDensity {
    /// Probability of a structural zero, in (0, 1).
    pub zero: f64,
}

impl ZeroInflatedPoissonDensity {
    /// `log p(0 | f)` and the share of the Poisson part in it.
    fn nothing(&self, rate: f64) -> (f64, f64) {
        let chance = (-self.zero).ln_1p() - rate;
        let total = log_add_exp(self.zero.ln(), chance);
        (total, (chance - total).exp())
    }
}

impl Density for ZeroInflatedPoissonDensity {
    const NAME: &'static str = "zero_inflated_poisson";
    const SUPPORT: &'static str = "counts 0, 1, 2, ...";
    const REMEDY: &'static str =
        "use `gaussian` or `student_t` for other numbers, `gamma` or `log_gaussian` for positive ones";
    const DISCRETE: bool = true;
    const LOG_CONCAVE: bool = false;

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("zero", Parameter::scalar(self.zero, Constraint::Interval(0.0, 1.0)))]
    }

    fn set(&mut self, numbers: &[f64]) {
        self.zero = numbers[0];
    }

    fn supports(&self, y: f64) -> bool {
        is_count(y)
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let rate = f.exp();
        if y > 0.0 {
            let value = (-self.zero).ln_1p() + y * f - rate - log_factorial(y);
            return Jet { value, g1: y - rate, g2: -rate, g3: -rate };
        }
        let (value, q) = self.nothing(rate);
        // A huge rate has no share, and its products with the share vanish.
        if q == 0.0 {
            return Jet { value, g1: 0.0, g2: 0.0, g3: 0.0 };
        }
        // Derivatives by the rate, then through the exponential.
        let (l1, l2) = (-q * rate, q * (1.0 - q) * rate * rate);
        let l3 = -q * (1.0 - q) * (1.0 - 2.0 * q) * rate.powi(3);
        Jet { value, g1: l1, g2: l2 + l1, g3: l3 + 3.0 * l2 + l1 }
    }

    fn add_gradient(&self, y: f64, f: f64, weight: f64, out: &mut [f64]) {
        out[0] += weight
            * if y > 0.0 {
                -1.0 / (1.0 - self.zero)
            } else {
                let rate = f.exp();
                -(-rate).exp_m1() * (-self.nothing(rate).0).exp()
            };
    }

    fn conditional(&self, f: f64) -> Moments {
        let (rate, rest) = (f.exp(), 1.0 - self.zero);
        Moments { mean: rest * rate, variance: rest * rate * (1.0 + self.zero * rate) }
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        if y < 0.0 { 0.0 } else { self.zero + (1.0 - self.zero) * dist::Poisson { mean: f.exp() }.cdf(y) }
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        if p <= self.zero {
            return 0.0;
        }
        dist::Poisson { mean: f.exp() }.quantile((p - self.zero) / (1.0 - self.zero))
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        if rng.uniform() < self.zero { 0.0 } else { rng.poisson(f.exp()) as f64 }
    }
}
