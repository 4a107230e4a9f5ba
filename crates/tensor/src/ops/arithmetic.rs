//! Sums, products, powers and choices, with broadcasting.
//!
//! Operands broadcast by trailing axes, and their gradients are summed back to their shapes. Both have one type. `+ - * /` also
//! take an `f64` on either side, which takes the tensor's type.

use super::{binary_fn, unary_fn};
use crate::dtype::{DType, Element, Number, Real, with_any, with_number, with_real};
use crate::kernels::{Binary, Unary, map, map_owned, same_type, zip, zip_owned};
use crate::layout::{Dims, Rows, broadcast_shape, broadcasts};
use crate::tape::is_recording;
use crate::tensor::Tensor;

binary_fn!(Plus: Number, |x, y| x + y);
binary_fn!(Minus: Number, |x, y| x - y);
binary_fn!(Times: Number, |x, y| x * y);
binary_fn!(Over: Real, |x, y| x / y);
binary_fn!(Power: Real, |x, y| x.powf(y));
// A NaN on either side stays one.
binary_fn!(Larger: Number, |x, y| if x >= y || x.partial_cmp(&x).is_none() { x } else { y });
binary_fn!(Smaller: Number, |x, y| if x <= y || x.partial_cmp(&x).is_none() { x } else { y });
// The derivative of a square in one pass, for when it is not differentiated again.
binary_fn!(SquareBack: Real, |g, x| g * (x + x));
unary_fn!(Negative: Number, |x| T::ZERO - x);

/// a x + b.
struct Affine<T>(T, T);
impl<T: Number> Unary<T, T> for Affine<T> {
    #[inline(always)]
    fn at(&self, x: T) -> T {
        self.0 * x + self.1
    }
}
struct Scale<T>(T);
impl<T: Number> Unary<T, T> for Scale<T> {
    #[inline(always)]
    fn at(&self, x: T) -> T {
        self.0 * x
    }
}
struct Quotient<T>(T);
impl<T: Real> Unary<T, T> for Quotient<T> {
    #[inline(always)]
    fn at(&self, x: T) -> T {
        x / self.0
    }
}
struct Shift<T>(T);
impl<T: Number> Unary<T, T> for Shift<T> {
    #[inline(always)]
    fn at(&self, x: T) -> T {
        x + self.0
    }
}
struct Divided<T>(T);
impl<T: Real> Unary<T, T> for Divided<T> {
    #[inline(always)]
    fn at(&self, x: T) -> T {
        self.0 / x
    }
}
struct IntegerPower(i32);
impl<T: Real> Unary<T, T> for IntegerPower {
    #[inline(always)]
    fn at(&self, x: T) -> T {
        match self.0 {
            2 => x * x,
            3 => x * x * x,
            n => x.powi(n),
        }
    }
}
struct RealPower<T>(T);
impl<T: Real> Unary<T, T> for RealPower<T> {
    #[inline(always)]
    fn at(&self, x: T) -> T {
        x.powf(self.0)
    }
}

fn number_zip<F>(name: &str, a: &Tensor, b: &Tensor, f: F) -> Tensor
where
    F: Binary<f32, f32> + Binary<f64, f64> + Binary<i64, i64>,
{
    with_number!(name, a.dtype(), T => zip::<T, T, F>(name, a, b, f))
}

fn real_zip<F: Binary<f32, f32> + Binary<f64, f64>>(name: &str, a: &Tensor, b: &Tensor, f: F) -> Tensor {
    with_real!(name, a.dtype(), T => zip::<T, T, F>(name, a, b, f))
}

/// Whether the sum, product, ... can be written over `a`: nothing will be recorded.
fn is_final(a: &Tensor, b: &Tensor) -> bool {
    (a.node.is_none() && b.node.is_none()) || !is_recording()
}

impl Tensor {
    /// Elementwise sum; `&a + &b` is the same.
    pub fn add(&self, other: &Tensor) -> Tensor {
        let value = number_zip("add", self, other, Plus);
        if is_final(self, other) {
            return value;
        }
        let (a, b) = (self.layout.shape.clone(), other.layout.shape.clone());
        value.record("add", [self, other], move |g| [g.when(0, || g.grad.sum_to(&a)), g.when(1, || g.grad.sum_to(&b))])
    }

    /// Elementwise difference.
    pub fn sub(&self, other: &Tensor) -> Tensor {
        let value = number_zip("sub", self, other, Minus);
        if is_final(self, other) {
            return value;
        }
        let (a, b) = (self.layout.shape.clone(), other.layout.shape.clone());
        value.record("sub", [self, other], move |g| [g.when(0, || g.grad.sum_to(&a)), g.when(1, || -g.grad.sum_to(&b))])
    }

    /// Elementwise product.
    pub fn mul(&self, other: &Tensor) -> Tensor {
        let value = number_zip("mul", self, other, Times);
        if is_final(self, other) {
            return value;
        }
        let (a, b) = (self.clone(), other.clone());
        value.record("mul", [self, other], move |g| {
            [g.when(0, || (g.grad * &b).sum_to(a.shape())), g.when(1, || (g.grad * &a).sum_to(b.shape()))]
        })
    }

    /// Elementwise quotient.
    pub fn div(&self, other: &Tensor) -> Tensor {
        let value = real_zip("div", self, other, Over);
        if is_final(self, other) {
            return value;
        }
        let (a, b) = (self.clone(), other.clone());
        value.record_output("div", [self, other], move |g, y| {
            let over = g.grad / &b;
            [g.when(0, || over.sum_to(a.shape())), g.when(1, || -(&over * y).sum_to(b.shape()))]
        })
    }

    /// Elementwise power with a tensor of exponents; the base must be positive where the exponent's gradient is used.
    pub fn pow(&self, exponent: &Tensor) -> Tensor {
        let (a, b) = (self.clone(), exponent.clone());
        real_zip("pow", self, exponent, Power).record_output("pow", [self, exponent], move |g, y| {
            [
                g.when(0, || (g.grad * &b * a.pow(&(&b - 1.0))).sum_to(a.shape())),
                g.when(1, || (g.grad * y * a.log()).sum_to(b.shape())),
            ]
        })
    }

    /// Elementwise larger of two; the gradient goes to `self` where they are equal. A NaN stays.
    pub fn maximum(&self, other: &Tensor) -> Tensor {
        let value = number_zip("maximum", self, other, Larger);
        self.record_choice("maximum", other, value, |a, b| a.ge(b))
    }

    /// Elementwise smaller of two; the gradient goes to `self` where they are equal. A NaN stays.
    pub fn minimum(&self, other: &Tensor) -> Tensor {
        let value = number_zip("minimum", self, other, Smaller);
        self.record_choice("minimum", other, value, |a, b| a.le(b))
    }

    fn record_choice(
        &self,
        name: &'static str,
        other: &Tensor,
        value: Tensor,
        first: fn(&Tensor, &Tensor) -> Tensor,
    ) -> Tensor {
        if is_final(self, other) {
            return value;
        }
        let mask = first(self, other);
        let (a, b) = (self.layout.shape.clone(), other.layout.shape.clone());
        value.record(name, [self, other], move |g| {
            [
                g.when(0, || g.grad.masked_fill(&mask.not(), 0.0).sum_to(&a)),
                g.when(1, || g.grad.masked_fill(&mask, 0.0).sum_to(&b)),
            ]
        })
    }

    /// Elements within [low, high]; the gradient is one inside and at the bounds, zero outside.
    pub fn clamp(&self, low: f64, high: f64) -> Tensor {
        assert!(low <= high, "`clamp` between {low} and {high}");
        struct Clamp<T>(T, T);
        impl<T: Number> Unary<T, T> for Clamp<T> {
            #[inline(always)]
            fn at(&self, x: T) -> T {
                let x = if x < self.0 { self.0 } else { x };
                if x > self.1 { self.1 } else { x }
            }
        }
        let value = with_number!("clamp", self.dtype(), T => {
            map::<T, T, _>(self, Clamp(T::from_f64(low), T::from_f64(high)))
        });
        let x = self.detach();
        value.record("clamp", [self], move |g| {
            let outside = x.lt_scalar(low).or(&x.gt_scalar(high));
            [Some(g.grad.masked_fill(&outside, 0.0))]
        })
    }

    /// `a` where `self` (a mask) is true, `b` elsewhere; all three broadcast. The branch not taken gets a zero gradient, but a NaN in its own
    /// derivative survives multiplication by zero: make its argument harmless first.
    pub fn where_(&self, a: &Tensor, b: &Tensor) -> Tensor {
        assert!(self.dtype() == DType::Bool, "`where_` needs a mask, found {}", self.dtype());
        same_type("where_", a, b);
        let shape = broadcast_shape("where_", &broadcast_shape("where_", a.shape(), b.shape()), self.shape());
        let value = with_any!(a.dtype(), T => {
            let (m, x, y) = (self.raw::<bool>(), a.raw::<T>(), b.raw::<T>());
            let strides = [self, a, b].map(|t| t.layout.broadcast_strides(&shape));
            let rows = Rows::new(&shape, strides, [self, a, b].map(|t| t.layout.offset));
            let mut out = vec![<T as Default>::default(); crate::layout::count(&shape)];
            let [p, q, r] = rows.steps;
            crate::kernels::fill_rows(&rows, &mut out, &|out, [i, j, k]| {
                for (n, o) in out.iter_mut().enumerate() {
                    *o = if m[i + n * p] { x[j + n * q] } else { y[k + n * r] };
                }
            });
            Tensor::new(out, &shape)
        });
        if is_final(a, b) {
            return value;
        }
        let mask = self.clone();
        let (sa, sb) = (a.layout.shape.clone(), b.layout.shape.clone());
        value.record("where", [a, b], move |g| {
            [
                g.when(0, || g.grad.masked_fill(&mask.not(), 0.0).sum_to(&sa)),
                g.when(1, || g.grad.masked_fill(&mask, 0.0).sum_to(&sb)),
            ]
        })
    }

    /// Elementwise integer power.
    pub fn powi(&self, n: i32) -> Tensor {
        let x = self.clone();
        with_real!("powi", self.dtype(), T => map::<T, T, _>(self, IntegerPower(n))).record("powi", [self], move |g| {
            [Some(match n {
                0 => g.grad.zeros_like(),
                1 => g.grad.clone(),
                2 if !is_recording() => real_zip("powi", g.grad, &x, SquareBack),
                2 => g.grad * (&x * 2.0),
                _ => g.grad * (x.powi(n - 1) * n as f64),
            })]
        })
    }

    /// Elementwise real power of non-negative numbers.
    pub fn powf(&self, p: f64) -> Tensor {
        let x = self.clone();
        with_real!("powf", self.dtype(), T => map::<T, T, _>(self, RealPower(T::from_f64(p)))).record(
            "powf",
            [self],
            move |g| [Some(g.grad * (x.powf(p - 1.0) * p))],
        )
    }

    /// Elementwise square.
    pub fn square(&self) -> Tensor {
        self.powi(2)
    }

    /// Elementwise 1/x.
    pub fn recip(&self) -> Tensor {
        1.0 / self
    }

    /// `scale * self + shift`, in one pass.
    pub fn affine(&self, scale: f64, shift: f64) -> Tensor {
        let value = with_number!("affine", self.dtype(), T => {
            map::<T, T, _>(self, Affine(T::from_f64(scale), T::from_f64(shift)))
        });
        value.record("affine", [self], move |g| [Some(g.grad * scale)])
    }

    /// Sums over the axes along which `self` repeats a tensor of this shape: the adjoint of [`Tensor::broadcast_to`].
    pub fn sum_to(&self, shape: &[usize]) -> Tensor {
        if self.shape() == shape {
            return self.clone();
        }
        assert!(broadcasts(shape, self.shape()), "`sum_to`: {:?} does not come from {shape:?}", self.shape());
        let lead = self.rank() - shape.len();
        let over: Vec<bool> =
            (0..self.rank()).map(|d| d < lead || (shape[d - lead] == 1 && self.shape()[d] != 1)).collect();
        let value = crate::ops::reduce::sum_value(self, &over);
        let value = value.view(crate::layout::Layout::contiguous(shape));
        let from = self.layout.shape.clone();
        value.record("sum_to", [self], move |g| [Some(g.grad.broadcast_to(&from))])
    }

    /// Shows the tensor in a larger shape without copying.
    pub fn broadcast_to(&self, shape: &[usize]) -> Tensor {
        if self.shape() == shape {
            return self.clone();
        }
        assert!(broadcasts(self.shape(), shape), "`broadcast_to`: {:?} does not broadcast to {shape:?}", self.shape());
        let from: Dims = self.layout.shape.clone();
        self.expanded(shape).record("broadcast_to", [self], move |g| [Some(g.grad.sum_to(&from))])
    }

    fn negative(&self) -> Tensor {
        with_number!("neg", self.dtype(), T => map::<T, T, _>(self, Negative))
            .record("neg", [self], |g| [Some(-g.grad)])
    }

    fn add_scalar(&self, s: f64) -> Tensor {
        with_number!("add", self.dtype(), T => map::<T, T, _>(self, Shift(T::from_f64(s)))).record(
            "add_scalar",
            [self],
            |g| [Some(g.grad.clone())],
        )
    }

    fn mul_scalar(&self, s: f64) -> Tensor {
        with_number!("mul", self.dtype(), T => map::<T, T, _>(self, Scale(T::from_f64(s)))).record(
            "mul_scalar",
            [self],
            move |g| [Some(g.grad * s)],
        )
    }

    fn div_scalar(&self, s: f64) -> Tensor {
        with_real!("div", self.dtype(), T => map::<T, T, _>(self, Quotient(T::from_f64(s)))).record(
            "div_scalar",
            [self],
            move |g| [Some(g.grad / s)],
        )
    }

    fn scalar_div(&self, s: f64) -> Tensor {
        let x = self.clone();
        with_real!("div", self.dtype(), T => map::<T, T, _>(self, Divided(T::from_f64(s)))).record_output(
            "scalar_div",
            [self],
            move |g, y| [Some(-(g.grad * (y / &x)))],
        )
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $kernel:ident, $with:ident) => {
        impl std::ops::$trait<&Tensor> for &Tensor {
            type Output = Tensor;
            fn $method(self, other: &Tensor) -> Tensor {
                Tensor::$method(self, other)
            }
        }
        impl std::ops::$trait<&Tensor> for Tensor {
            type Output = Tensor;
            fn $method(self, other: &Tensor) -> Tensor {
                // The left side's storage is used again when nobody else holds it.
                if is_final(&self, other) && self.dtype().is_real() {
                    let name = stringify!($method);
                    let a = Tensor { node: None, ..self };
                    return $with!(name, a.dtype(), T => zip_owned::<T, _>(name, a, other, $kernel));
                }
                Tensor::$method(&self, other)
            }
        }
        impl std::ops::$trait<Tensor> for Tensor {
            type Output = Tensor;
            fn $method(self, other: Tensor) -> Tensor {
                std::ops::$trait::$method(self, &other)
            }
        }
        impl std::ops::$trait<Tensor> for &Tensor {
            type Output = Tensor;
            fn $method(self, other: Tensor) -> Tensor {
                Tensor::$method(self, &other)
            }
        }
    };
}
operator!(Add, add, Plus, with_number);
operator!(Sub, sub, Minus, with_number);
operator!(Mul, mul, Times, with_number);
operator!(Div, div, Over, with_real);

impl std::ops::Neg for &Tensor {
    type Output = Tensor;
    fn neg(self) -> Tensor {
        self.negative()
    }
}
impl std::ops::Neg for Tensor {
    type Output = Tensor;
    fn neg(self) -> Tensor {
        if (self.node.is_none() || !is_recording()) && self.dtype().is_real() {
            let x = Tensor { node: None, ..self };
            return with_number!("neg", x.dtype(), T => map_owned::<T, _>(x, Negative));
        }
        self.negative()
    }
}

macro_rules! scalar_operator {
    ($trait:ident, $method:ident, |$t:ident, $s:ident| $right:expr, $left:expr) => {
        impl std::ops::$trait<f64> for &Tensor {
            type Output = Tensor;
            fn $method(self, $s: f64) -> Tensor {
                let $t = self;
                $right
            }
        }
        impl std::ops::$trait<f64> for Tensor {
            type Output = Tensor;
            fn $method(self, s: f64) -> Tensor {
                std::ops::$trait::$method(&self, s)
            }
        }
        impl std::ops::$trait<&Tensor> for f64 {
            type Output = Tensor;
            fn $method(self, $t: &Tensor) -> Tensor {
                let $s = self;
                $left
            }
        }
        impl std::ops::$trait<Tensor> for f64 {
            type Output = Tensor;
            fn $method(self, t: Tensor) -> Tensor {
                std::ops::$trait::$method(self, &t)
            }
        }
    };
}
scalar_operator!(Add, add, |t, s| t.add_scalar(s), t.add_scalar(s));
scalar_operator!(Sub, sub, |t, s| t.add_scalar(-s), t.affine(-1.0, s));
scalar_operator!(Mul, mul, |t, s| t.mul_scalar(s), t.mul_scalar(s));
scalar_operator!(Div, div, |t, s| t.div_scalar(s), t.scalar_div(s));

impl std::ops::AddAssign<&Tensor> for Tensor {
    fn add_assign(&mut self, other: &Tensor) {
        *self = std::mem::replace(self, Tensor::scalar(0.0)) + other;
    }
}

impl std::iter::Sum for Tensor {
    /// Sum of tensors of one shape; a double zero when there are none.
    fn sum<I: Iterator<Item = Tensor>>(iter: I) -> Tensor {
        iter.reduce(|a, b| a + b).unwrap_or_else(|| Tensor::scalar(0.0))
    }
}
