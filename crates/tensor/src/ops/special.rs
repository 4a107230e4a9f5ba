//! Special functions of one or two real elements. Values come from [`crate::special`] in double precision, also for f32.

use crate::dtype::{Element, with_real};
use crate::kernels::{Binary, Unary, map, zip};
use crate::special;
use crate::tensor::Tensor;

/// A scalar function as a loop body.
struct Scalar<F>(F);
impl<T: Element, F: Fn(f64) -> f64 + Sync> Unary<T, T> for Scalar<F> {
    #[inline(always)]
    fn at(&self, x: T) -> T {
        T::from_f64((self.0)(x.to_f64()))
    }
}

/// A function of two numbers as a loop body.
struct Pair<F>(F);
impl<T: Element, F: Fn(f64, f64) -> f64 + Sync> Binary<T, T> for Pair<F> {
    #[inline(always)]
    fn at(&self, x: T, y: T) -> T {
        T::from_f64((self.0)(x.to_f64(), y.to_f64()))
    }
}

fn apply(name: &str, x: &Tensor, f: impl Fn(f64) -> f64 + Sync) -> Tensor {
    with_real!(name, x.dtype(), T => map::<T, T, _>(x, Scalar(f)))
}

const TWO_OVER_SQRT_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI;

impl Tensor {
    /// The error function.
    pub fn erf(&self) -> Tensor {
        let x = self.clone();
        apply("erf", self, special::erf)
            .record("erf", [self], move |g| [Some(g.grad * ((-x.square()).exp() * TWO_OVER_SQRT_PI))])
    }

    /// 1 - erf(x), accurate in the right tail.
    pub fn erfc(&self) -> Tensor {
        let x = self.clone();
        apply("erfc", self, special::erfc)
            .record("erfc", [self], move |g| [Some(g.grad * ((-x.square()).exp() * -TWO_OVER_SQRT_PI))])
    }

    /// Distribution function of the standard normal.
    pub fn ndtr(&self) -> Tensor {
        let x = self.clone();
        apply("ndtr", self, special::ndtr)
            .record("ndtr", [self], move |g| [Some(g.grad * (x.square().affine(-0.5, -special::LOG_SQRT_TAU)).exp())])
    }

    /// Logarithm of the distribution function of the standard normal, accurate in both tails.
    pub fn log_ndtr(&self) -> Tensor {
        let x = self.clone();
        apply("log_ndtr", self, special::log_ndtr).record_output("log_ndtr", [self], move |g, y| {
            [Some(g.grad * (x.square().affine(-0.5, -special::LOG_SQRT_TAU) - y).exp())]
        })
    }

    /// Quantile function of the standard normal, for probabilities in (0, 1).
    pub fn ndtri(&self) -> Tensor {
        apply("ndtri", self, special::ndtri).record_output("ndtri", [self], |g, y| {
            [Some(g.grad * (y.square().affine(0.5, special::LOG_SQRT_TAU)).exp())]
        })
    }

    /// log |Gamma(x)|.
    pub fn lgamma(&self) -> Tensor {
        let x = self.clone();
        apply("lgamma", self, special::lgamma).record("lgamma", [self], move |g| [Some(g.grad * x.digamma())])
    }

    /// Derivative of [`Tensor::lgamma`].
    pub fn digamma(&self) -> Tensor {
        let x = self.clone();
        apply("digamma", self, special::digamma).record("digamma", [self], move |g| [Some(g.grad * x.polygamma(1))])
    }

    /// Derivative of order `order` of [`Tensor::digamma`].
    pub fn polygamma(&self, order: usize) -> Tensor {
        let x = self.clone();
        apply("polygamma", self, |v| special::polygamma(order, v))
            .record("polygamma", [self], move |g| [Some(g.grad * x.polygamma(order + 1))])
    }

    /// Owen's T function of heights h, which are `self`, and slopes `a`, elementwise after broadcasting.
    pub fn owens_t(&self, slope: &Tensor) -> Tensor {
        let name = "owens_t";
        let value = with_real!(name, self.dtype(), T => zip::<T, T, _>(name, self, slope, Pair(special::owens_t)));
        let (h, a) = (self.clone(), slope.clone());
        value.record(name, [self, slope], move |g| {
            // -ϕ(h) (Φ(a h) - 1/2), and exp(-h² (1 + a²) / 2) / (2π (1 + a²)).
            let by_height = || {
                let density = h.square().affine(-0.5, -special::LOG_SQRT_TAU).exp();
                (g.grad * density * (0.5 - (&h * &a).ndtr())).sum_to(h.shape())
            };
            let by_slope = || {
                let reach = a.square() + 1.0;
                let density = (h.square() * &reach).affine(-0.5, -2.0 * special::LOG_SQRT_TAU).exp();
                (g.grad * density / reach).sum_to(a.shape())
            };
            [g.when(0, by_height), g.when(1, by_slope)]
        })
    }
}
