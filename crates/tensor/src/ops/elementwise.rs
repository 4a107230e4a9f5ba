//! Functions of one real element.

use super::{binary_fn, unary_fn};
use crate::dtype::{Real, with_number, with_real};
use crate::kernels::{Binary, Unary, map, zip};
use crate::tape::is_recording;
use crate::tensor::Tensor;

unary_fn!(Exp: Real, |x| x.exp());
unary_fn!(ExpM1: Real, |x| x.exp_m1());
unary_fn!(Log: Real, |x| x.ln());
unary_fn!(Log1P: Real, |x| x.ln_1p());
unary_fn!(Sqrt: Real, |x| x.sqrt());
unary_fn!(Abs: Number, |x| if x < T::ZERO { -x } else { x });
unary_fn!(Sign: Number, |x| if x > T::ZERO { T::ONE } else if x < T::ZERO { -T::ONE } else { x });
unary_fn!(Sin: Real, |x| x.sin());
unary_fn!(Cos: Real, |x| x.cos());
unary_fn!(Tan: Real, |x| x.tan());
unary_fn!(Asin: Real, |x| x.asin());
unary_fn!(Acos: Real, |x| x.acos());
unary_fn!(Atan: Real, |x| x.atan());
unary_fn!(Sinh: Real, |x| x.sinh());
unary_fn!(Cosh: Real, |x| x.cosh());
unary_fn!(Tanh: Real, |x| x.tanh());
unary_fn!(Floor: Real, |x| x.floor());
unary_fn!(Round: Real, |x| x.round());
// A NaN stays one.
unary_fn!(Relu: Number, |x| if x <= T::ZERO { T::ZERO } else { x });
/// 1 / (1 + e^-x): exp of a non-positive number never overflows, so both tails are accurate.
#[inline(always)]
pub(super) fn logistic<T: Real>(x: T) -> T {
    let e = (-x.abs()).exp();
    let positive = T::ONE / (T::ONE + e);
    if x >= T::ZERO {
        positive
    } else if x < T::ZERO {
        e * positive
    } else {
        x
    }
}
unary_fn!(Sigmoid: Real, |x| logistic(x));
unary_fn!(Softplus: Real, |x| {
    let tail = (-x.abs()).exp().ln_1p_unit();
    if x > T::ZERO { x + tail } else { tail }
});

// Derivatives in one pass, for when they are not differentiated again.
binary_fn!(TanhBack: Real, |g, y| g * (T::ONE - y * y));
binary_fn!(SigmoidBack: Real, |g, y| g * (y * (T::ONE - y)));
binary_fn!(ReluBack: Real, |g, y| if y > T::ZERO { g } else { T::ZERO });

fn real_map<F: Unary<f32, f32> + Unary<f64, f64>>(name: &str, x: &Tensor, f: F) -> Tensor {
    with_real!(name, x.dtype(), T => map::<T, T, F>(x, f))
}

fn real_zip<F: Binary<f32, f32> + Binary<f64, f64>>(g: &Tensor, y: &Tensor, f: F) -> Tensor {
    with_real!("backward", g.dtype(), T => zip::<T, T, F>("backward", g, y, f))
}

/// Functions whose derivative is written with the input.
macro_rules! of_input {
    ($($(#[$doc:meta])* $name:ident, $kernel:ident, |$x:ident| $derivative:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            pub fn $name(&self) -> Tensor {
                let $x = self.clone();
                real_map(stringify!($name), self, $kernel)
                    .record(stringify!($name), [self], move |g| { let $x = &$x; [Some(g.grad * ($derivative))] })
            }
        )*}
    };
}
of_input! {
    /// Natural logarithm; `-inf` at zero, NaN below.
    log, Log, |x| x.recip();
    /// log(1 + x), accurate for small x.
    log1p, Log1P, |x| (x + 1.0).recip();
    /// Sine.
    sin, Sin, |x| x.cos();
    /// Cosine.
    cos, Cos, |x| -x.sin();
    /// Inverse sine.
    asin, Asin, |x| (1.0 - x.square()).sqrt().recip();
    /// Inverse cosine.
    acos, Acos, |x| -(1.0 - x.square()).sqrt().recip();
    /// Inverse tangent.
    atan, Atan, |x| (x.square() + 1.0).recip();
    /// Hyperbolic sine.
    sinh, Sinh, |x| x.cosh();
    /// Hyperbolic cosine.
    cosh, Cosh, |x| x.sinh();
    /// log(1 + e^x), accurate in both tails.
    softplus, Softplus, |x| x.sigmoid();
}

impl Tensor {
    /// e^x.
    pub fn exp(&self) -> Tensor {
        real_map("exp", self, Exp).record_output("exp", [self], |g, y| [Some(g.grad * y)])
    }

    /// e^x - 1, accurate for small x.
    pub fn expm1(&self) -> Tensor {
        real_map("expm1", self, ExpM1).record_output("expm1", [self], |g, y| [Some(g.grad * (y + 1.0))])
    }

    /// Square root; its gradient at zero is infinite.
    pub fn sqrt(&self) -> Tensor {
        real_map("sqrt", self, Sqrt).record_output("sqrt", [self], |g, y| [Some(g.grad * (0.5 / y))])
    }

    /// Tangent.
    pub fn tan(&self) -> Tensor {
        real_map("tan", self, Tan).record_output("tan", [self], |g, y| [Some(g.grad * (y.square() + 1.0))])
    }

    /// Hyperbolic tangent.
    pub fn tanh(&self) -> Tensor {
        real_map("tanh", self, Tanh).record_output("tanh", [self], |g, y| {
            [Some(if is_recording() { g.grad * (1.0 - y.square()) } else { real_zip(g.grad, &y, TanhBack) })]
        })
    }

    /// 1 / (1 + e^-x), accurate in both tails.
    pub fn sigmoid(&self) -> Tensor {
        real_map("sigmoid", self, Sigmoid).record_output("sigmoid", [self], |g, y| {
            let composed = |y: Tensor| g.grad * (&y * (1.0 - &y));
            [Some(if is_recording() { composed(y) } else { real_zip(g.grad, &y, SigmoidBack) })]
        })
    }

    /// log(1 / (1 + e^-x)).
    pub fn log_sigmoid(&self) -> Tensor {
        -(-self).softplus()
    }

    /// max(x, 0), with derivative zero at zero.
    pub fn relu(&self) -> Tensor {
        let value = with_number!("relu", self.dtype(), T => map::<T, T, _>(self, Relu));
        let saved = value.clone();
        value.record("relu", [self], move |g| {
            let composed = || g.grad.masked_fill(&saved.le_scalar(0.0), 0.0);
            [Some(if is_recording() { composed() } else { real_zip(g.grad, &saved, ReluBack) })]
        })
    }

    /// Absolute value, with derivative zero at zero.
    pub fn abs(&self) -> Tensor {
        let x = self.detach();
        with_number!("abs", self.dtype(), T => map::<T, T, _>(self, Abs))
            .record("abs", [self], move |g| [Some(g.grad * x.sign())])
    }

    /// -1, 0 or 1; no gradient.
    pub fn sign(&self) -> Tensor {
        with_number!("sign", self.dtype(), T => map::<T, T, _>(self, Sign))
    }

    /// Largest integer not above; no gradient.
    pub fn floor(&self) -> Tensor {
        real_map("floor", self, Floor)
    }

    /// Nearest integer, halves away from zero; no gradient.
    pub fn round(&self) -> Tensor {
        real_map("round", self, Round)
    }
}
