//! Noise with a sharp peak and exponential tails: regression to the median.

use super::OneLatent;
use super::density::{Density, Expected, Jet, Moments, Tilted};
use elbo_core::Rng;
use elbo_tensor::special::{LOG_SQRT_TAU, log_add_exp, log_ndtr, ndtr};
use elbo_tensor::{Constraint, Parameter};

/// Laplace noise around `f`. Parameter `scale`, positive; the variance is twice its square.
pub type Laplace = OneLatent<LaplaceDensity>;

impl Laplace {
    /// With this scale, positive.
    pub fn new(scale: f64) -> Self {
        Self::of(LaplaceDensity { scale })
    }
}

/// The density of [`Laplace`]. Its curvature is a spike that quadrature misses, so everything is in closed form; `g2` and `g3` are those
/// beside the spike, zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaplaceDensity {
    /// Scale, positive.
    pub scale: f64,
}

/// `E exp(-k |f - y|)` over `N(f; y + d, s^2)`, split at the kink.
struct Halves {
    /// Logarithm of the part `f < y`.
    left: f64,
    /// Logarithm of the part `f > y`.
    right: f64,
    /// Logarithm of the sum.
    log_sum: f64,
    /// Density of `f` at `y`, over the sum.
    peak: f64,
}

impl Halves {
    fn new(k: f64, d: f64, s: f64) -> Self {
        let left = 0.5 * (k * s).powi(2) + k * d + log_ndtr(-d / s - k * s);
        let right = 0.5 * (k * s).powi(2) - k * d + log_ndtr(d / s - k * s);
        let log_sum = log_add_exp(left, right);
        let peak = (-0.5 * (d / s).powi(2) - LOG_SQRT_TAU - s.ln() - log_sum).exp();
        Self { left, right, log_sum, peak }
    }

    /// Share of the left part less that of the right.
    fn balance(&self) -> f64 {
        (self.left - self.log_sum).exp() - (self.right - self.log_sum).exp()
    }
}

impl Density for LaplaceDensity {
    const NAME: &'static str = "laplace";
    const SUPPORT: &'static str = "finite numbers";
    const REMEDY: &'static str = "remove rows without a target";
    const DISCRETE: bool = false;
    const LOG_CONCAVE: bool = true;
    const LOCATION: bool = true;

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("scale", Parameter::scalar(self.scale, Constraint::Positive))]
    }

    fn set(&mut self, numbers: &[f64]) {
        self.scale = numbers[0];
    }

    fn supports(&self, _: f64) -> bool {
        true
    }

    fn jet(&self, y: f64, f: f64) -> Jet {
        let e = y - f;
        let g1 = if e == 0.0 { 0.0 } else { e.signum() / self.scale };
        Jet { value: -(2.0 * self.scale).ln() - e.abs() / self.scale, g1, g2: 0.0, g3: 0.0 }
    }

    fn add_gradient(&self, y: f64, f: f64, weight: f64, out: &mut [f64]) {
        out[0] += weight * ((y - f).abs() / self.scale - 1.0) / self.scale;
    }

    fn conditional(&self, f: f64) -> Moments {
        Moments { mean: f, variance: 2.0 * self.scale * self.scale }
    }

    fn conditional_cdf(&self, y: f64, f: f64) -> f64 {
        let z = (y - f) / self.scale;
        if z < 0.0 { 0.5 * z.exp() } else { 1.0 - 0.5 * (-z).exp() }
    }

    fn conditional_quantile(&self, p: f64, f: f64) -> f64 {
        f + self.scale * if p < 0.5 { (2.0 * p).ln() } else { -(2.0 * (1.0 - p)).ln() }
    }

    fn sample(&self, f: f64, rng: &mut Rng) -> f64 {
        f + self.scale * (rng.exponential() - rng.exponential())
    }

    /// From the mean of a folded normal.
    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected {
        let (s, d) = (variance.sqrt(), mean - y);
        let sign = 2.0 * ndtr(d / s) - 1.0;
        let peak = (-0.5 * (d / s).powi(2) - LOG_SQRT_TAU - s.ln()).exp();
        let distance = 2.0 * variance * peak + d * sign;
        Expected {
            value: -(2.0 * self.scale).ln() - distance / self.scale,
            dm: -sign / self.scale,
            dv: -peak / self.scale,
        }
    }

    fn d_expected(&self, y: f64, mean: f64, variance: f64, out: &mut [f64]) {
        let distance = -self.scale * (self.expected(y, mean, variance).value + (2.0 * self.scale).ln());
        out[0] += (distance / self.scale - 1.0) / self.scale;
    }

    fn log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64) -> Tilted {
        let k = alpha / self.scale;
        let halves = Halves::new(k, mean - y, variance.sqrt());
        let d1 = k * halves.balance();
        let value = halves.log_sum - alpha * (2.0 * self.scale).ln();
        Tilted::closed(value, d1, k * k - 2.0 * k * halves.peak - d1 * d1)
    }

    fn d_log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64, out: &mut [f64]) {
        let (k, d) = (alpha / self.scale, mean - y);
        let halves = Halves::new(k, d, variance.sqrt());
        // The tilted mean of |f - y|, negated.
        let by_k = k * variance + d * halves.balance() - 2.0 * variance * halves.peak;
        out[0] += -by_k * k / self.scale - alpha / self.scale;
    }

    fn predict(&self, mean: f64, variance: f64) -> Moments {
        Moments { mean, variance: variance + 2.0 * self.scale * self.scale }
    }

    fn cdf(&self, y: f64, mean: f64, variance: f64) -> f64 {
        let (s, d) = (variance.sqrt(), mean - y);
        let halves = Halves::new(1.0 / self.scale, d, s);
        (ndtr(-d / s) + 0.5 * (halves.right.exp() - halves.left.exp())).clamp(0.0, 1.0)
    }
}
