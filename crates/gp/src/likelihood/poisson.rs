//! Counts.

use super::OneLatent;
use super::density::{Density, Expected, Jet, Moments};
use elbo_core::Rng;
use elbo_dist::{self as dist, Distribution};
use elbo_tensor::special::log_factorial;

/// Poisson counts of mean `exposure * exp(f)`; no parameters.
pub type Poisson = OneLatent<PoissonDensity>;

impl Poisson {
    /// With this exposure (time, area, population), positive. Where it differs between rows, use 1 and add its logarithm to the mean
    /// function.
    pub fn new(exposure: f64) -> Self {
        Self::of(PoissonDensity { exposure })
    }
}

/// The density of [`Poisson`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoissonDensity {
    /// Factor of the rate, positive.
    pub exposure: f64,
}

impl PoissonDensity {
    fn given(&self, f: f64) -> dist::Poisson {
        dist::Poisson { mean: self.exposure * f.exp() }
    }
}

/// Whether `y` is 0, 1, 2, ...
pub(super) fn is_count(y: f64) -> bool {
    y >= 0.0 && y == y.floor()
}

impl Density for PoissonDensity {
    const NAME: &'static str = "poisson";
    const SUPPORT: &'static str = "counts 0, 1, 2, ...";
    const REMEDY: &'static str =
        "use `gaussian` or `student_t` for other numbers, `gamma` or `log_gaussian` for positive ones";
    const DISCRETE: bool = true;
    const LOG_CONCAVE: bool = true;

    fn supports(&self, y: f64) -> bool {
        is_count(y)
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let rate = self.exposure * f.exp();
        let value = y * (f + self.exposure.ln()) - rate - log_factorial(y);
        Jet { value, g1: y - rate, g2: -rate, g3: -rate }
    }

    fn conditional(&self, f: f64) -> Moments {
        let rate = self.exposure * f.exp();
        Moments { mean: rate, variance: rate }
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        self.given(f).cdf(y)
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        self.given(f).quantile(p)
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        self.given(f).sample(rng)
    }

    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected {
        let rate = self.exposure * (mean + 0.5 * variance).exp();
        let value = y * (mean + self.exposure.ln()) - rate - log_factorial(y);
        Expected { value, dm: y - rate, dv: -0.5 * rate }
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        let rate = self.exposure * (mean + 0.5 * variance).exp();
        Moments { mean: rate, variance: rate + rate * rate * variance.exp_m1() }
    }
}
