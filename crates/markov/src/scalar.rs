//! The numbers that the recursions run on: `f64`, `f32`, and [`Dual`] numbers for derivatives of derivatives.

use elbo_core::recycle::{Shelf, Shelved};
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};
use std::sync::Mutex;

/// A real number of the recursions.
pub trait Real:
    Shelved
    + Debug
    + PartialOrd
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
{
    /// Whether it is a machine number, worth code of its own for every size of state.
    const IS_PLAIN: bool;

    /// The number nearest to `x`.
    fn of(x: f64) -> Self;

    /// The value, without a derivative.
    fn value(self) -> f64;

    /// Square root.
    fn sqrt(self) -> Self;

    /// Natural logarithm.
    fn ln(self) -> Self;

    /// Exponential.
    fn exp(self) -> Self;

    /// Sine and cosine.
    fn sin_cos(self) -> (Self, Self);
}

macro_rules! real {
    ($t:ty) => {
        impl Real for $t {
            const IS_PLAIN: bool = true;

            #[inline(always)]
            fn of(x: f64) -> Self {
                x as $t
            }

            #[inline(always)]
            fn value(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }

            #[inline(always)]
            fn ln(self) -> Self {
                self.ln()
            }

            #[inline(always)]
            fn exp(self) -> Self {
                self.exp()
            }

            #[inline(always)]
            fn sin_cos(self) -> (Self, Self) {
                self.sin_cos()
            }
        }
    };
}

real!(f64);
real!(f32);

/// `v + d ε` with `ε² = 0`: a value and its derivative along one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Dual {
    /// The value.
    pub v: f64,
    /// The derivative.
    pub d: f64,
}

impl Dual {
    /// A value with this derivative.
    pub fn new(v: f64, d: f64) -> Self {
        Self { v, d }
    }
}

impl PartialOrd for Dual {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.v.partial_cmp(&other.v)
    }
}

impl Add for Dual {
    type Output = Self;
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        Self { v: self.v + o.v, d: self.d + o.d }
    }
}

impl Sub for Dual {
    type Output = Self;
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        Self { v: self.v - o.v, d: self.d - o.d }
    }
}

impl Mul for Dual {
    type Output = Self;
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        Self { v: self.v * o.v, d: self.d * o.v + self.v * o.d }
    }
}

impl Div for Dual {
    type Output = Self;
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        let v = self.v / o.v;
        Self { v, d: (self.d - v * o.d) / o.v }
    }
}

impl Neg for Dual {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { v: -self.v, d: -self.d }
    }
}

impl AddAssign for Dual {
    #[inline(always)]
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl SubAssign for Dual {
    #[inline(always)]
    fn sub_assign(&mut self, o: Self) {
        *self = *self - o;
    }
}

impl Shelved for Dual {
    fn shelf() -> &'static Mutex<Shelf<Self>> {
        static SHELF: Mutex<Shelf<Dual>> = Shelf::empty();
        &SHELF
    }
}

impl Real for Dual {
    const IS_PLAIN: bool = false;

    #[inline(always)]
    fn of(x: f64) -> Self {
        Self { v: x, d: 0.0 }
    }

    #[inline(always)]
    fn value(self) -> f64 {
        self.v
    }

    fn sqrt(self) -> Self {
        let v = self.v.sqrt();
        Self { v, d: if self.d == 0.0 { 0.0 } else { self.d / (2.0 * v) } }
    }

    fn ln(self) -> Self {
        Self { v: self.v.ln(), d: self.d / self.v }
    }

    fn exp(self) -> Self {
        let v = self.v.exp();
        Self { v, d: self.d * v }
    }

    fn sin_cos(self) -> (Self, Self) {
        let (s, c) = self.v.sin_cos();
        (Self { v: s, d: self.d * c }, Self { v: c, d: -self.d * s })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_follow_the_chain_rule() {
        let x = Dual::new(0.7, 1.0);
        let f = |x: f64| (x.exp() / x).ln() * x.sqrt() - x.sin() * x.cos();
        let (s, c) = x.sin_cos();
        let dual = (x.exp() / x).ln() * x.sqrt() - s * c;
        let numeric = (f(0.7 + 1e-6) - f(0.7 - 1e-6)) / 2e-6;
        assert!((dual.v - f(0.7)).abs() < 1e-15 && (dual.d - numeric).abs() < 1e-8);
    }
}
