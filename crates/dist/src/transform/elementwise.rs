//! Maps of one number.

use super::Bijector;
use elbo_tensor::{Constraint, Parameter, Tensor};
use std::f64::consts::LN_2;

/// The line to the positive numbers, $e^x$.
#[derive(Debug, Clone, Copy)]
pub struct Exp;

impl Bijector for Exp {
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.exp(), x.clone())
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let x = y.log();
        Some((x.clone(), -x))
    }
}

/// The line to the positive numbers, $\log(1 + e^x)$: linear where `x` is large.
#[derive(Debug, Clone, Copy)]
pub struct Softplus;

impl Bijector for Softplus {
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.softplus(), -(-x).softplus())
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        // log(e^y - 1) = y + log(1 - e^-y), and the slope of the inverse is 1 / (1 - e^-y).
        let log_rest = (-(-y).expm1()).log();
        Some((y + &log_rest, -log_rest))
    }
}

/// The line to an open interval, by the logistic function.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    low: f64,
    high: f64,
}

impl Interval {
    /// To `(low, high)`, both finite.
    pub fn new(low: f64, high: f64) -> Self {
        assert!(low < high && (high - low).is_finite(), "an interval ({low}, {high})");
        Self { low, high }
    }
}

/// To the unit interval.
impl Default for Interval {
    fn default() -> Self {
        Self::new(0.0, 1.0)
    }
}

impl Bijector for Interval {
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let width = self.high - self.low;
        (x.sigmoid().affine(width, self.low), x.log_sigmoid() + (-x).log_sigmoid() + width.ln())
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let (below, above) = ((y - self.low).log(), (self.high - y).log());
        Some((&below - &above, -(below + above) + (self.high - self.low).ln()))
    }
}

/// The line to (-1, 1).
#[derive(Debug, Clone, Copy)]
pub struct Tanh;

impl Bijector for Tanh {
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.tanh(), (LN_2 - x - (x * -2.0).softplus()) * 2.0)
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let (plus, minus) = (y.log1p(), (-y).log1p());
        Some(((&plus - &minus) * 0.5, -(plus + minus)))
    }
}

elbo_tensor::parameters!(Exp {});
elbo_tensor::parameters!(Softplus {});
elbo_tensor::parameters!(Interval {});
elbo_tensor::parameters!(Tanh {});

/// Shift and positive scale of each coordinate, both learnable.
#[derive(Debug, Clone)]
pub struct Affine {
    shift: Parameter,
    scale: Parameter,
}

impl Affine {
    /// $y = \text{shift} + \text{scale} \cdot x$; both have the shape `[D]` of a vector, or `[]`.
    pub fn new(shift: &Tensor, scale: &Tensor) -> Self {
        assert_eq!(shift.shape(), scale.shape(), "shift and scale have one shape");
        Self { shift: Parameter::real(shift), scale: Parameter::from_tensor(scale, Constraint::Positive) }
    }

    fn log_det(&self, x: &Tensor) -> Tensor {
        let rank = self.shift.shape().len();
        let one = self.scale.get().log().sum();
        one.broadcast_to(&x.shape()[..x.rank() - rank])
    }
}

elbo_tensor::parameters!(Affine { shift, scale });

impl Bijector for Affine {
    fn ranks(&self) -> (usize, usize) {
        let rank = self.shift.shape().len();
        (rank, rank)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x * self.scale.get() + self.shift.get(), self.log_det(x))
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        Some(((y - self.shift.get()) / self.scale.get(), -self.log_det(y)))
    }
}
