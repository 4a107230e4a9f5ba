//! Priors on a model's parameters.

use crate::{Beta, Distribution, Gamma, HalfCauchy, HalfNormal, InverseGamma, LogNormal, Normal, Uniform};
use elbo_core::{Result, Rng, ensure};
use elbo_tensor::special::{LOG_SQRT_TAU, ndtri};
use elbo_tensor::{DType, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_2_PI, LN_2};

/// Whether a density of a positive parameter is taken with respect to the parameter or to its logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Jacobian {
    /// `log p(theta)`: what is maximised for MAP in the literature's usual sense; the mode depends on the parameterisation.
    Omitted,
    /// `log p(theta) + log theta`: the density of `log theta`, for sampling and Laplace approximations in log space.
    Log,
}

/// A prior density on the natural value of one parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Prior {
    /// Normal.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        sd: f64,
    },
    /// Log-normal, a density of the value (with the factor `1/theta`).
    LogNormal {
        /// Mean of the logarithm.
        mu: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Normal density in the logarithm, without the factor `1/theta`: its mode is `exp(mu)`.
    NormalOnLog {
        /// Mean of the logarithm.
        mu: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Gamma.
    Gamma {
        /// Shape.
        shape: f64,
        /// Rate.
        rate: f64,
    },
    /// Inverse gamma.
    InverseGamma {
        /// Shape.
        shape: f64,
        /// Scale.
        scale: f64,
    },
    /// Normal folded at zero.
    HalfNormal {
        /// Standard deviation before folding.
        sd: f64,
    },
    /// Cauchy folded at zero.
    HalfCauchy {
        /// Scale: the median.
        scale: f64,
    },
    /// Beta, on (0, 1).
    Beta {
        /// Exponent of `theta`.
        a: f64,
        /// Exponent of `1 - theta`.
        b: f64,
    },
    /// Uniform on an interval.
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
}

impl Prior {
    /// The dimension-scaled prior on the lengthscales of inputs of unit variance: log-normal with `mu = sqrt 2 + log(D)/2`,
    /// `sigma = sqrt 3`.
    pub fn lengthscale(dimension: usize) -> Self {
        Self::LogNormal { mu: 2f64.sqrt() + 0.5 * (dimension as f64).ln(), sigma: 3f64.sqrt() }
    }

    /// The prior on the noise variance of a target of unit variance: log-normal with `mu = -4`, `sigma = 1`.
    pub fn noise() -> Self {
        Self::LogNormal { mu: -4.0, sigma: 1.0 }
    }

    /// Refuses parameters outside their range.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let positive =
            |name: &str, value: f64| ensure(name, value, value > 0.0 && value.is_finite(), "a positive number");
        let finite = |name: &str, value: f64| ensure(name, value, value.is_finite(), "a finite number");
        match *self {
            Self::Normal { mean, sd } => finite("mean", mean).and(positive("sd", sd)),
            Self::LogNormal { mu, sigma } | Self::NormalOnLog { mu, sigma } => {
                finite("mu", mu).and(positive("sigma", sigma))
            }
            Self::Gamma { shape, rate } => positive("shape", shape).and(positive("rate", rate)),
            Self::InverseGamma { shape, scale } => positive("shape", shape).and(positive("scale", scale)),
            Self::HalfNormal { sd } => positive("sd", sd),
            Self::HalfCauchy { scale } => positive("scale", scale),
            Self::Beta { a, b } => positive("a", a).and(positive("b", b)),
            Self::Uniform { low, high } => {
                finite("low", low).and(ensure("high", high, high > low && high.is_finite(), "above `low`"))
            }
        }
    }

    /// Whether the natural value is off the support.
    fn excludes(&self, theta: f64) -> bool {
        match *self {
            Self::Normal { .. } => false,
            Self::Gamma { .. } => theta < 0.0,
            Self::Beta { .. } => !(0.0..=1.0).contains(&theta),
            Self::Uniform { low, high } => !(low..=high).contains(&theta),
            Self::LogNormal { .. }
            | Self::NormalOnLog { .. }
            | Self::InverseGamma { .. }
            | Self::HalfNormal { .. }
            | Self::HalfCauchy { .. } => theta <= 0.0,
        }
    }

    /// Log density at the natural value, in nats; minus infinity off the support. Normalised, but for `NormalOnLog`.
    pub fn log_prob(&self, theta: f64) -> f64 {
        if self.excludes(theta) {
            return f64::NEG_INFINITY;
        }
        match *self {
            Self::Normal { mean, sd } => Normal { mean, sd }.log_prob(theta),
            Self::LogNormal { mu, sigma } => LogNormal { mu, sigma }.log_prob(theta),
            Self::NormalOnLog { mu, sigma } => Normal { mean: mu, sd: sigma }.log_prob(theta.ln()),
            Self::Gamma { shape, rate } => Gamma { shape, rate }.log_prob(theta),
            Self::InverseGamma { shape, scale } => InverseGamma { shape, scale }.log_prob(theta),
            Self::HalfNormal { sd } => HalfNormal { sd }.log_prob(theta),
            Self::HalfCauchy { scale } => HalfCauchy { scale }.log_prob(theta),
            Self::Beta { a, b } => Beta { a, b }.log_prob(theta),
            Self::Uniform { low, high } => Uniform { low, high }.log_prob(theta),
        }
    }

    /// Derivative of [`Prior::log_prob`] by the natural value; zero off the support, where nothing says which way back.
    pub fn gradient(&self, theta: f64) -> f64 {
        if self.excludes(theta) {
            return 0.0;
        }
        match *self {
            Self::Normal { mean, sd } => (mean - theta) / (sd * sd),
            Self::LogNormal { mu, sigma } => ((mu - theta.ln()) / (sigma * sigma) - 1.0) / theta,
            Self::NormalOnLog { mu, sigma } => (mu - theta.ln()) / (sigma * sigma * theta),
            Self::Gamma { shape, rate } => (shape - 1.0) / theta - rate,
            Self::InverseGamma { shape, scale } => (scale / theta - shape - 1.0) / theta,
            Self::HalfNormal { sd } => -theta / (sd * sd),
            Self::HalfCauchy { scale } => -2.0 * theta / (scale * scale + theta * theta),
            Self::Beta { a, b } => (a - 1.0) / theta - (b - 1.0) / (1.0 - theta),
            Self::Uniform { .. } => 0.0,
        }
    }

    /// Log density and its derivative by `log theta`, for a positive parameter that is optimised or sampled through its logarithm.
    pub fn log_prob_of_log(&self, log_theta: f64, jacobian: Jacobian) -> (f64, f64) {
        let theta = log_theta.exp();
        let (value, slope) = (self.log_prob(theta), self.gradient(theta) * theta);
        match jacobian {
            Jacobian::Omitted => (value, slope),
            Jacobian::Log => (value + log_theta, slope + 1.0),
        }
    }

    /// The value below which a share `p` of the prior lies.
    pub fn quantile(&self, p: f64) -> f64 {
        match *self {
            Self::Normal { mean, sd } => Normal { mean, sd }.quantile(p),
            Self::LogNormal { mu, sigma } | Self::NormalOnLog { mu, sigma } => LogNormal { mu, sigma }.quantile(p),
            Self::Gamma { shape, rate } => Gamma { shape, rate }.quantile(p),
            Self::InverseGamma { shape, scale } => InverseGamma { shape, scale }.quantile(p),
            Self::HalfNormal { sd } => -sd * ndtri(0.5 * (1.0 - p)),
            Self::HalfCauchy { scale } => HalfCauchy { scale }.quantile(p),
            Self::Beta { a, b } => Beta { a, b }.quantile(p),
            Self::Uniform { low, high } => Uniform { low, high }.quantile(p),
        }
    }

    /// One draw, by inversion; `NormalOnLog` draws like `LogNormal`.
    pub fn sample(&self, rng: &mut Rng) -> f64 {
        // The midpoint of a cell of 2^-53 is never 0 or 1.
        self.quantile(rng.uniform() + 0.5 / (1u64 << 53) as f64)
    }
}

impl Prior {
    /// Sum of the log densities in tensor operations, with derivatives of every order.
    fn composed(&self, natural: &Tensor) -> Tensor {
        let excluded = natural.to_vec().iter().map(|v| self.excludes(*v)).collect();
        let excluded = Tensor::from_bool(excluded, natural.shape());
        // Operations off the support get a value on it, so that their slopes are numbers.
        let inside = match *self {
            Self::Beta { .. } => 0.5,
            Self::Uniform { low, .. } => low,
            _ => 1.0,
        };
        let x = &natural.masked_fill(&excluded, inside);
        let normal =
            |z: &Tensor, mean: f64, sd: f64| ((z - mean) * (1.0 / sd)).square() * -0.5 - sd.ln() - LOG_SQRT_TAU;
        // The constants of gamma, inverse gamma and beta are the scalar density where the other terms are known.
        let terms = match *self {
            Self::Normal { mean, sd } => normal(x, mean, sd),
            Self::LogNormal { mu, sigma } => normal(&x.log(), mu, sigma) - x.log(),
            Self::NormalOnLog { mu, sigma } => normal(&x.log(), mu, sigma),
            Self::HalfNormal { sd } => normal(x, 0.0, sd) + LN_2,
            Self::HalfCauchy { scale } => (FRAC_2_PI / scale).ln() - (x * (1.0 / scale)).square().log1p(),
            Self::Gamma { shape, rate } => x.log() * (shape - 1.0) - x * rate + (self.log_prob(1.0) + rate),
            Self::InverseGamma { shape, scale } => {
                x.log() * (-shape - 1.0) - x.recip() * scale + (self.log_prob(1.0) + scale)
            }
            Self::Beta { a, b } => {
                x.log() * (a - 1.0) + (-x).log1p() * (b - 1.0) + (self.log_prob(0.5) + (a + b - 2.0) * LN_2)
            }
            Self::Uniform { low, high } => x * 0.0 - (high - low).ln(),
        };
        terms.masked_fill(&excluded, f64::NEG_INFINITY).sum()
    }
}

/// The same density of tensors, for objectives with priors. Elements are independent.
impl elbo_tensor::Prior for Prior {
    fn log_prob(&self, natural: &Tensor) -> Tensor {
        let prior = *self;
        if natural.dtype() != DType::F64 {
            return prior.composed(natural);
        }
        let (values, shape) = (natural.to_vec(), natural.shape().to_vec());
        let total = values.iter().map(|v| prior.log_prob(*v)).sum();
        let backward = move |grad: &Tensor, _: &[bool]| {
            let g = grad.item();
            vec![Some(Tensor::from_vec(values.iter().map(|v| g * prior.gradient(*v)).collect(), &shape))]
        };
        Tensor::custom("log prior", vec![natural.clone()], Tensor::scalar(total), backward)
            .with_twin(move |inputs| prior.composed(&inputs[0]))
    }

    fn describe(&self) -> String {
        match *self {
            Self::Normal { mean, sd } => format!("Normal({mean}, {sd})"),
            Self::LogNormal { mu, sigma } => format!("LogNormal({mu}, {sigma})"),
            Self::NormalOnLog { mu, sigma } => format!("Normal({mu}, {sigma}) of the logarithm"),
            Self::Gamma { shape, rate } => format!("Gamma({shape}, {rate})"),
            Self::InverseGamma { shape, scale } => format!("InverseGamma({shape}, {scale})"),
            Self::HalfNormal { sd } => format!("HalfNormal({sd})"),
            Self::HalfCauchy { scale } => format!("HalfCauchy({scale})"),
            Self::Beta { a, b } => format!("Beta({a}, {b})"),
            Self::Uniform { low, high } => format!("Uniform({low}, {high})"),
        }
    }
}
