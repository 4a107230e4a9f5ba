//! Moments of nonlinear functions of a normal number.

use crate::bayes::mean_field::LEAST_VARIANCE;
use elbo_tensor::Tensor;
use elbo_tensor::special::LOG_SQRT_TAU;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// A nonlinear function whose moments are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// x.
    Identity,
    /// max(x, 0).
    #[default]
    Relu,
    /// x Φ(x).
    Gelu,
    /// Φ(x), the distribution function of the standard normal.
    Probit,
}

/// What becomes of normal numbers, elementwise.
pub struct UnitMoments {
    /// Means.
    pub mean: Tensor,
    /// Variances.
    pub variance: Tensor,
    /// Expected slopes, which carry covariances to first order.
    pub slope: Tensor,
}

/// Density of the standard normal.
fn density(x: &Tensor) -> Tensor {
    x.square().affine(-0.5, -LOG_SQRT_TAU).exp()
}

/// Rounding may leave a variance a digit below zero.
fn held(variance: &Tensor) -> Tensor {
    variance.clamp(0.0, f64::INFINITY)
}

impl Unit {
    /// The function itself.
    pub fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::Identity => x.clone(),
            Self::Relu => x.relu(),
            Self::Gelu => x.gelu(),
            Self::Probit => x.ndtr(),
        }
    }

    /// Moments of the function of normal numbers with these means and variances, which have one shape.
    pub fn moments(self, mean: &Tensor, variance: &Tensor) -> UnitMoments {
        match self {
            Self::Identity => UnitMoments { mean: mean.clone(), variance: variance.clone(), slope: mean.ones_like() },
            Self::Relu => relu(mean, variance),
            Self::Gelu => gelu(mean, variance),
            Self::Probit => probit(mean, variance),
        }
    }
}

/// With a = m / s: mean `m Φ(a) + s ϕ(a)`, and the variance without the difference of two large numbers.
fn relu(m: &Tensor, v: &Tensor) -> UnitMoments {
    let v = v + LEAST_VARIANCE;
    let s = v.sqrt();
    let ratio = m / &s;
    let (above, below, phi) = (ratio.ndtr(), (-&ratio).ndtr(), density(&ratio));
    let mean = m * &above + &s * &phi;
    let cross = m * &s * &phi * (&below - &above);
    let variance = m.square() * &above * &below + v * (&above - phi.square()) + cross;
    UnitMoments { mean, variance: held(&variance), slope: above }
}

/// What the moments of x Φ(x) and Φ(x) share.
struct Gate {
    /// `t = sqrt(1 + v)`.
    root: Tensor,
    /// `m / t`.
    height: Tensor,
    /// `1 / sqrt(1 + 2 v)`.
    slope: Tensor,
    /// `E Φ(x) = Φ(m / t)`.
    mean: Tensor,
    /// `E Φ(x)² = Φ(m / t) - 2 T(m / t, 1 / sqrt(1 + 2 v))`, with Owen's function T.
    square: Tensor,
}

impl Gate {
    fn new(m: &Tensor, v: &Tensor) -> Self {
        let root = (v + 1.0).sqrt();
        let height = m / &root;
        let slope = v.affine(2.0, 1.0).sqrt().recip();
        let mean = height.ndtr();
        let square = &mean - height.owens_t(&slope) * 2.0;
        Self { root, height, slope, mean, square }
    }
}

fn probit(m: &Tensor, v: &Tensor) -> UnitMoments {
    let gate = Gate::new(m, v);
    let slope = density(&gate.height) / &gate.root;
    let variance = gate.square - gate.mean.square();
    UnitMoments { mean: gate.mean, variance: held(&variance), slope }
}

/// `E = m Φ(h) + (v / t) ϕ(h)`, and `E x² Φ(x)² = (m² + v) F0 + 2 m v F1 + v² F2`, where F0, F1 and F2 are the expected square of Φ and
/// the expected first and second derivatives of that square.
fn gelu(m: &Tensor, v: &Tensor) -> UnitMoments {
    let gate = Gate::new(m, v);
    let (t, h) = (&gate.root, &gate.height);
    let phi = density(h);
    let mean = m * &gate.mean + v / t * &phi;
    let first = &phi / t * (h * &gate.slope).ndtr() * 2.0;
    // The second derivative is 2 ϕ² - 2 x ϕ Φ; the density ϕ turns N(m, v) into Z N(m', v').
    let (near, narrow) = (m / &(v + 1.0), v / &(v + 1.0));
    let narrow_root = (&narrow + 1.0).sqrt();
    let narrow_height = &near / &narrow_root;
    let gated = &near * narrow_height.ndtr() + &narrow / &narrow_root * density(&narrow_height);
    let peak = (-(m * &gate.slope).square()).exp() * &gate.slope * (1.0 / PI);
    let second = peak - &phi / t * gated * 2.0;
    let square = (m.square() + v) * &gate.square + m * v * first * 2.0 + v.square() * second;
    let slope = &gate.mean + m / &t.powi(3) * phi;
    let variance = square - mean.square();
    UnitMoments { mean, variance: held(&variance), slope }
}
