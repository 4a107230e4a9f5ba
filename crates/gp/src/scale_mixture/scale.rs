//! Priors over the scale, and integrals over it.

use elbo_core::{Result, ensure};
use elbo_dist::{Distribution, InverseGamma};
use elbo_tensor::Tensor;
use elbo_tensor::special::{gamma_q_inv, log_sum_exp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nodes of the integral over the scale.
const NODES: usize = 128;

/// Nodes are placed where the integrand is within this many nats of its largest value.
const DEPTH: f64 = 32.0;

/// A prior over the scale `s` that multiplies the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ScalePrior {
    /// `s = 1`: a Gaussian process.
    Point,
    /// Inverse gamma: a Student-t process with `2 alpha` degrees of freedom.
    InverseGamma {
        /// Shape, `α`.
        alpha: f64,
        /// Scale, `β`.
        beta: f64,
    },
    /// Burr's twelfth: density `c k s^(c-1) (1 + s^c)^(-k-1)`; its tail falls as `s^(-c k - 1)`.
    Burr {
        /// First shape, `c`.
        c: f64,
        /// Second shape, `k`.
        k: f64,
    },
}

impl ScalePrior {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] naming the parameter.
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, v: f64| ensure(name, v, v > 0.0 && v.is_finite(), "a positive number");
        match self {
            Self::Point => Ok(()),
            Self::InverseGamma { alpha, beta } => positive("alpha", *alpha).and(positive("beta", *beta)),
            Self::Burr { c, k } => positive("burr_c", *c).and(positive("burr_k", *k)),
        }
    }

    /// Log density at `s > 0`, in nats; minus infinity everywhere but at the point for a point.
    pub fn log_prob(&self, s: f64) -> f64 {
        match *self {
            Self::Point => {
                if s == 1.0 {
                    0.0
                } else {
                    f64::NEG_INFINITY
                }
            }
            Self::InverseGamma { alpha, beta } => InverseGamma { shape: alpha, scale: beta }.log_prob(s),
            Self::Burr { c, k } => {
                let t = s.ln();
                (c * k).ln() + (c - 1.0) * t - (k + 1.0) * elbo_tensor::special::log1p_exp(c * t)
            }
        }
    }

    /// Quantile of the scale, for `p` in (0, 1).
    pub fn quantile(&self, p: f64) -> f64 {
        match *self {
            Self::Point => 1.0,
            Self::InverseGamma { alpha, beta } => InverseGamma { shape: alpha, scale: beta }.quantile(p),
            Self::Burr { c, k } => (-(-p).ln_1p() / k).exp_m1().powf(1.0 / c),
        }
    }

    /// The scale given a quadratic form `d = yᵀ K⁻¹ y` of `n` observations, as nodes with weights: the trapezoidal rule in `log s`,
    /// over the range that matters. It integrates smooth functions of `s` to nearly machine accuracy.
    pub fn given(&self, d: f64, n: usize) -> ScaleWeights {
        if matches!(self, Self::Point) {
            return ScaleWeights { nodes: vec![1.0], log_prior: vec![0.0], weights: vec![1.0] };
        }
        let half = 0.5 * n as f64;
        let log_prior = |t: f64| self.log_prob(t.exp()) + t;
        let log_density = |t: f64| log_prior(t) - half * t - 0.5 * d * (-t).exp();
        let likely = (d.max(1e-300) / (n as f64).max(1.0)).ln();
        let (mut low, mut high) = (self.quantile(1e-12).ln(), self.quantile(1.0 - 1e-12).ln());
        if n > 0 {
            (low, high) = (low.min(likely - 1.0), high.max(likely + 1.0));
        }
        // Two zooms find the range however narrow the posterior is within the prior.
        for _ in 0..6 {
            let step = (high - low) / 400.0;
            let values: Vec<f64> = (0..=400).map(|i| log_density(low + step * f64::from(i))).collect();
            let top = values.iter().fold(f64::NEG_INFINITY, |a, v| a.max(*v));
            let inside = |v: &f64| *v > top - DEPTH;
            let first = values.iter().position(inside).unwrap_or(0).saturating_sub(1);
            let last = (values.iter().rposition(inside).unwrap_or(400) + 1).min(400);
            (low, high) = (low + step * first as f64, low + step * last as f64);
            if last - first > 200 {
                break;
            }
        }
        let step = (high - low) / (NODES - 1) as f64;
        let grid: Vec<f64> = (0..NODES).map(|i| low + step * i as f64).collect();
        let prior: Vec<f64> = grid.iter().map(|t| log_prior(*t) + step.ln()).collect();
        let terms: Vec<f64> = grid.iter().map(|t| log_density(*t)).collect();
        let total = log_sum_exp(&terms);
        ScaleWeights {
            nodes: grid.iter().map(|t| t.exp()).collect(),
            log_prior: prior,
            weights: terms.iter().map(|t| (t - total).exp()).collect(),
        }
    }
}

/// A distribution of the scale on nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaleWeights {
    /// Values of `s`.
    pub nodes: Vec<f64>,
    /// Log of prior density times the width of a node.
    pub log_prior: Vec<f64>,
    /// Posterior weights; they sum to one.
    pub weights: Vec<f64>,
}

/// `KL[IG(a, b) || IG(α, β)]` in nats, differentiable in `a` and `b`, which are scalars.
pub fn inverse_gamma_kl(a: &Tensor, b: &Tensor, alpha: f64, beta: f64) -> Tensor {
    (a - alpha) * a.digamma() - a.lgamma()
        + elbo_tensor::special::lgamma(alpha)
        + (b.log() - beta.ln()) * alpha
        + (beta - b) * (a / b)
}

/// Quantiles of `IG(a, b)` at the midpoints of `count` equal parts, `[count]`, differentiable in the scalars `a` and `b`.
///
/// The derivative in `a` is a central difference of the inverse incomplete gamma function, exact to about nine digits.
pub fn inverse_gamma_quantiles(a: &Tensor, b: &Tensor, count: usize) -> Tensor {
    let shape = a.item();
    // s = b / G, and the quantile of s at p is b over the upper quantile of G.
    let gamma = move |shape: f64| -> Vec<f64> {
        (0..count).map(|j| gamma_q_inv(shape, (j as f64 + 0.5) / count as f64).recip()).collect()
    };
    let value = Tensor::from_vec(gamma(shape), &[count]);
    let backward = move |g: &Tensor, _: &[bool]| {
        let h = 1e-5 * shape;
        let (up, down) = (gamma(shape + h), gamma(shape - h));
        let slope: Vec<f64> = up.iter().zip(&down).map(|(u, d)| (u - d) / (2.0 * h)).collect();
        vec![Some((g * Tensor::from_vec(slope, &[count])).sum())]
    };
    Tensor::custom("inverse_gamma_quantiles", vec![a.clone()], value, backward) * b
}
