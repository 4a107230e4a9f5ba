//! Noise with heavy tails.

use super::OneLatent;
use super::density::{Density, Jet, Moments};
use elbo_core::Rng;
use elbo_dist::{self as dist, Distribution};
use elbo_tensor::special::{digamma, log_beta};
use elbo_tensor::{Constraint, Parameter};

/// Student-t noise around `f`. Parameters `dof`, above 2 so that the predictive variance is finite, and `scale`, positive.
///
/// Not log-concave: an observation far out pulls less, and rules that need a positive curvature must floor it.
pub type StudentT = OneLatent<StudentTDensity>;

impl StudentT {
    /// With these degrees of freedom, above 2, and this scale.
    pub fn new(dof: f64, scale: f64) -> Self {
        Self::of(StudentTDensity { dof, scale })
    }
}

/// The density of [`StudentT`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StudentTDensity {
    /// Degrees of freedom, positive; the variance is infinite up to 2.
    pub dof: f64,
    /// Scale, positive.
    pub scale: f64,
}

impl StudentTDensity {
    fn given(&self, f: f64) -> dist::StudentT {
        dist::StudentT { location: f, scale: self.scale, dof: self.dof }
    }
}

impl Density for StudentTDensity {
    const NAME: &'static str = "student_t";
    const SUPPORT: &'static str = "finite numbers";
    const REMEDY: &'static str = "remove rows without a target";
    const DISCRETE: bool = false;
    const LOG_CONCAVE: bool = false;
    const LOCATION: bool = true;

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![
            ("dof", Parameter::scalar(self.dof, Constraint::Above(2.0))),
            ("scale", Parameter::scalar(self.scale, Constraint::Positive)),
        ]
    }

    fn set(&mut self, numbers: &[f64]) {
        (self.dof, self.scale) = (numbers[0], numbers[1]);
    }

    fn supports(&self, _: f64) -> bool {
        true
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let (e, n) = (y - f, self.dof + 1.0);
        let (a, square) = (self.dof * self.scale * self.scale, e * e);
        let d = a + square;
        let value =
            -0.5 * n * (square / a).ln_1p() - log_beta(0.5, 0.5 * self.dof) - 0.5 * self.dof.ln() - self.scale.ln();
        let g3 = -2.0 * n * e * (3.0 * a - square) / (d * d * d);
        Jet { value, g1: n * e / d, g2: n * (square - a) / (d * d), g3 }
    }

    fn add_gradient(&self, y: f64, f: f64, weight: f64, out: &mut [f64]) {
        let (square, nu) = ((y - f).powi(2), self.dof);
        let a = nu * self.scale * self.scale;
        let pull = (nu + 1.0) * square / (a + square);
        let constants = digamma(0.5 * (nu + 1.0)) - digamma(0.5 * nu) - 1.0 / nu;
        out[0] += weight * 0.5 * (constants - (square / a).ln_1p() + pull / nu);
        out[1] += weight * (pull - 1.0) / self.scale;
    }

    fn conditional(&self, f: f64) -> Moments {
        Moments { mean: self.given(f).mean(), variance: self.given(f).variance() }
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

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        let noise = self.conditional(mean);
        Moments { mean: noise.mean, variance: variance + noise.variance }
    }
}
