//! The mathematics of a likelihood of one latent value, at fixed parameter values.

use super::quadrature;
use elbo_core::Rng;
use elbo_tensor::Parameter;
use std::fmt::Debug;

/// `log p(y | f)` and its first three derivatives in `f`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jet {
    /// `log p`.
    pub value: f64,
    /// First derivative.
    pub g1: f64,
    /// Second derivative.
    pub g2: f64,
    /// Third derivative.
    pub g3: f64,
}

/// An expectation under `N(mean, variance)` with its derivatives.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Expected {
    /// `E[log p]`, nats.
    pub value: f64,
    /// Derivative by the mean.
    pub dm: f64,
    /// Derivative by the variance.
    pub dv: f64,
}

/// A tilted normaliser `log E[p^alpha]` with its derivatives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tilted {
    /// The logarithm, nats.
    pub value: f64,
    /// First derivative by the mean.
    pub d1: f64,
    /// Second derivative by the mean.
    pub d2: f64,
    /// Derivative by the variance.
    pub dv: f64,
}

impl Tilted {
    /// From a closed form: the derivative by the variance is half the second derivative of the normaliser itself (Price's theorem).
    pub fn closed(value: f64, d1: f64, d2: f64) -> Self {
        Self { value, d1, d2, dv: 0.5 * (d2 + d1 * d1) }
    }
}

/// Mean and variance of an observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: f64,
    /// Variance.
    pub variance: f64,
}

/// `p(y | f)` as plain numbers. What is not overridden is done by Gauss-Hermite quadrature.
pub trait Density: Clone + Debug + Send + Sync + 'static {
    /// Name in configurations.
    const NAME: &'static str;
    /// The targets it allows, to complete "needs ...".
    const SUPPORT: &'static str;
    /// What to do with other targets.
    const REMEDY: &'static str;
    /// Whether `y` is a whole number.
    const DISCRETE: bool;
    /// Whether `log p` is concave in `f` for every `y` and all parameters.
    const LOG_CONCAVE: bool;
    /// Whether `log p(y | f)` is quadratic in `f`, so that its site is the same under every posterior.
    const CONJUGATE: bool = false;
    /// Whether `f` is the location of `y`: an observation is the latent value plus noise.
    const LOCATION: bool = false;

    /// Named parameters at their present values; none by default.
    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![]
    }

    /// Takes natural parameter values, flattened in the order of [`Density::parameters`].
    fn set(&mut self, _numbers: &[f64]) {}

    /// Whether `y` is in the support.
    fn supports(&self, y: f64) -> bool;

    /// `log p(y | f)` with derivatives in `f`.
    fn jet(&self, y: f64, f: f64) -> Jet;

    /// `log p(y | f)` alone.
    fn log_prob(&self, y: f64, f: f64) -> f64 {
        self.jet(y, f).value
    }

    /// Adds `weight` times the derivatives of `log p(y | f)` by the natural parameter values to `out`.
    fn add_gradient(&self, _y: f64, _f: f64, _weight: f64, _out: &mut [f64]) {}

    /// Mean and variance of `y` given `f`.
    fn conditional(&self, f: f64) -> Moments;

    /// `P(Y <= y | f)`.
    fn conditional_cdf(&self, y: f64, f: f64) -> f64;

    /// Quantile of `y` given `f`.
    fn conditional_quantile(&self, p: f64, f: f64) -> f64;

    /// One draw of `y` given `f`.
    fn sample(&self, f: f64, rng: &mut Rng) -> f64;

    /// `E[log p]` with derivatives.
    fn expected(&self, y: f64, mean: f64, variance: f64) -> Expected {
        quadrature::expected(self, y, mean, variance)
    }

    /// Derivatives of [`Density::expected`] by the natural parameter values.
    fn d_expected(&self, y: f64, mean: f64, variance: f64, out: &mut [f64]) {
        quadrature::d_expected(self, y, mean, variance, out);
    }

    /// `log E[p^alpha]` with derivatives.
    fn log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64) -> Tilted {
        quadrature::log_tilted(self, y, mean, variance, alpha)
    }

    /// Derivatives of [`Density::log_tilted`] by the natural parameter values.
    fn d_log_tilted(&self, y: f64, mean: f64, variance: f64, alpha: f64, out: &mut [f64]) {
        quadrature::d_log_tilted(self, y, mean, variance, alpha, out);
    }

    /// Mean and variance of `y`.
    fn predict(&self, mean: f64, variance: f64) -> Moments {
        quadrature::predict(self, mean, variance)
    }

    /// Predictive distribution function.
    fn cdf(&self, y: f64, mean: f64, variance: f64) -> f64 {
        quadrature::cdf(self, y, mean, variance)
    }

    /// Predictive quantile.
    fn quantile(&self, p: f64, mean: f64, variance: f64) -> f64 {
        quadrature::quantile(self, p, mean, variance)
    }

    /// For two classes, the probability of the class 1.
    fn probability(&self, _mean: f64, _variance: f64) -> Option<f64> {
        None
    }
}
