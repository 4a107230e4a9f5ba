//! Activations of networks beyond `relu`, `tanh`, `sigmoid` and `softplus`, which are in `elementwise`.

use super::elementwise::logistic;
use super::{binary_fn, unary_fn};
use crate::dtype::{DType, Element, Real, with_real};
use crate::kernels::{Binary, Unary, map, zip};
use crate::tape::is_recording;
use crate::tensor::Tensor;

unary_fn!(Silu: Real, |x| x * logistic(x));
binary_fn!(SiluBack: Real, |g, x| {
    let s = logistic(x);
    g * (s * (T::ONE + x * (T::ONE - s)))
});

struct LeakyRelu<T>(T);
impl<T: Real> Unary<T, T> for LeakyRelu<T> {
    #[inline(always)]
    fn at(&self, x: T) -> T {
        if x > T::ZERO { x } else { self.0 * x }
    }
}
struct LeakyReluBack<T>(T);
impl<T: Real> Binary<T, T> for LeakyReluBack<T> {
    #[inline(always)]
    fn at(&self, g: T, x: T) -> T {
        if x > T::ZERO { g } else { self.0 * g }
    }
}

struct Elu<T>(T);
impl<T: Real> Unary<T, T> for Elu<T> {
    #[inline(always)]
    fn at(&self, x: T) -> T {
        if x > T::ZERO { x } else { self.0 * x.exp_m1() }
    }
}

/// 1 above zero, `below` elsewhere, as numbers.
fn steps(x: &Tensor, below: f64) -> Tensor {
    let above = x.detach().gt_scalar(0.0);
    above.where_(&x.ones_like(), &x.full_like(below))
}

impl Tensor {
    /// x sigmoid(x), also called swish.
    pub fn silu(&self) -> Tensor {
        let x = self.clone();
        with_real!("silu", self.dtype(), T => map::<T, T, _>(self, Silu)).record("silu", [self], move |g| {
            let composed = || {
                let s = x.sigmoid();
                g.grad * (&s * (&x * (1.0 - &s) + 1.0))
            };
            let fused = || with_real!("silu", x.dtype(), T => zip::<T, T, _>("silu", g.grad, &x, SiluBack));
            [Some(if is_recording() { composed() } else { fused() })]
        })
    }

    /// x above zero, `slope` x below; the derivative at zero is `slope`.
    pub fn leaky_relu(&self, slope: f64) -> Tensor {
        let x = self.detach();
        let value = with_real!("leaky_relu", self.dtype(), T => map::<T, T, _>(self, LeakyRelu(T::from_f64(slope))));
        value.record("leaky_relu", [self], move |g| {
            let fused = || {
                with_real!("leaky_relu", x.dtype(), T => {
                    zip::<T, T, _>("leaky_relu", g.grad, &x, LeakyReluBack(T::from_f64(slope)))
                })
            };
            [Some(if is_recording() { g.grad * steps(&x, slope) } else { fused() })]
        })
    }

    /// x above zero, `alpha` (e^x - 1) below.
    pub fn elu(&self, alpha: f64) -> Tensor {
        let x = self.clone();
        let value = with_real!("elu", self.dtype(), T => map::<T, T, _>(self, Elu(T::from_f64(alpha))));
        value.record("elu", [self], move |g| {
            // e^min(x, 0) is one above zero; the mask gives the slope one there and alpha e^x below.
            let below = x.detach().le_scalar(0.0);
            let slope = below.where_(&(x.clamp(f64::NEG_INFINITY, 0.0).exp() * alpha), &x.ones_like());
            [Some(g.grad * slope)]
        })
    }

    /// x Φ(x), with Φ the distribution function of the standard normal.
    pub fn gelu(&self) -> Tensor {
        self * self.ndtr()
    }

    /// [`Tensor::gelu`] by its usual approximation with a hyperbolic tangent.
    pub fn gelu_tanh(&self) -> Tensor {
        let inner = (self + self.powi(3) * 0.044715) * (2.0 / std::f64::consts::PI).sqrt();
        (self * 0.5) * (inner.tanh() + 1.0)
    }

    /// Gated linear unit: the first half of an axis times the sigmoid of the second.
    pub fn glu(&self, axis: isize) -> Tensor {
        let half = self.size(axis) / 2;
        assert_eq!(2 * half, self.size(axis), "`glu` of an axis of odd size in {:?}", self.shape());
        self.narrow(axis, 0, half) * self.narrow(axis, half, half).sigmoid()
    }

    /// Entries set to zero where `keep` (uniform on [0, 1), drawn by the caller) is below `rate`, the others divided by `1 - rate`.
    pub fn dropout(&self, keep: &Tensor, rate: f64) -> Tensor {
        assert!((0.0..1.0).contains(&rate), "`dropout` of a share {rate}, not in [0, 1)");
        assert!(keep.dtype() != DType::Bool, "`dropout` needs uniform numbers, found a mask");
        self.masked_fill(&keep.lt_scalar(rate), 0.0) / (1.0 - rate)
    }
}
