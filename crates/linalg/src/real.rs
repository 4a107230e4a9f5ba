//! The two number types that matrices are made of.

use crate::backend::{Decompose, Dense};

/// f32 or f64.
pub trait Real:
    Dense
    + Decompose
    + Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + std::fmt::Debug
    + std::fmt::Display
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::SubAssign
    + std::ops::MulAssign
    + std::ops::DivAssign
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Distance from 1 to the next number.
    const EPSILON: Self;
    /// The jitters tried in turn, relative to the mean of the diagonal.
    const JITTERS: &'static [f64];

    /// The nearest number to `value`.
    fn from_f64(value: f64) -> Self;
    /// The value in double precision.
    fn to_f64(self) -> f64;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// Whether neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// `self * a + b` with one rounding, in one instruction where the machine has one.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Sum of the products; see [`crate::vector::dot`].
    fn dot(x: &[Self], y: &[Self]) -> Self;
    /// `y += alpha x`; see [`crate::vector::axpy`].
    fn axpy(alpha: Self, x: &[Self], y: &mut [Self]);
}

macro_rules! real {
    ($t:ident, $jitters:expr) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: Self = $t::EPSILON;
            const JITTERS: &'static [f64] = $jitters;

            fn from_f64(value: f64) -> Self {
                value as $t
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn abs(self) -> Self {
                self.abs()
            }
            fn is_finite(self) -> bool {
                self.is_finite()
            }
            fn mul_add(self, a: Self, b: Self) -> Self {
                self.mul_add(a, b)
            }
            fn dot(x: &[Self], y: &[Self]) -> Self {
                crate::vector::$t::dot(x, y)
            }
            fn axpy(alpha: Self, x: &[Self], y: &mut [Self]) {
                crate::vector::$t::axpy(alpha, x, y)
            }
        }
    };
}

real!(f64, &[0.0, 1e-10, 1e-8, 1e-6, 1e-4]);
real!(f32, &[1e-6, 1e-5, 1e-4, 1e-3]);
