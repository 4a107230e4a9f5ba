//! The four element types, and what arithmetic each offers.

use crate::fastmath;
use crate::storage::Storage;
use elbo_core::recycle::Shelved;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// Single precision: networks and images.
    F32,
    /// Double precision: Gaussian algebra.
    F64,
    /// Indices and counts.
    I64,
    /// Masks.
    Bool,
}

impl DType {
    /// Whether this is `F32` or `F64`, the types that carry gradients.
    pub fn is_real(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::I64 => "i64",
            Self::Bool => "bool",
        })
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for i64 {}
    impl Sealed for bool {}
}

/// A Rust type that can be an element: `f32`, `f64`, `i64`, `bool`.
pub trait Element: sealed::Sealed + Shelved + Copy + Default + PartialOrd + Send + Sync + 'static {
    /// Its tag.
    const DTYPE: DType;
    #[doc(hidden)]
    fn wrap(values: Vec<Self>) -> Storage;
    #[doc(hidden)]
    fn slice(storage: &Storage) -> &[Self];
    #[doc(hidden)]
    fn slice_mut(storage: &mut Storage) -> &mut [Self];
    /// The value as a double; `true` is one.
    fn to_f64(self) -> f64;
    /// The nearest value of this type; anything but zero is `true`.
    fn from_f64(value: f64) -> Self;
}

macro_rules! element {
    ($type:ty, $variant:ident, $to:expr, $from:expr) => {
        impl Element for $type {
            const DTYPE: DType = DType::$variant;
            fn wrap(values: Vec<Self>) -> Storage {
                Storage::$variant(values)
            }
            #[inline]
            fn slice(storage: &Storage) -> &[Self] {
                match storage {
                    Storage::$variant(values) => values,
                    other => panic!("asked for {} elements of a tensor of {}", Self::DTYPE, other.dtype()),
                }
            }
            #[inline]
            fn slice_mut(storage: &mut Storage) -> &mut [Self] {
                match storage {
                    Storage::$variant(values) => values,
                    other => panic!("asked for {} elements of a tensor of {}", Self::DTYPE, other.dtype()),
                }
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                $to(self)
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                $from(value)
            }
        }
    };
}
element!(f32, F32, |v| v as f64, |v| v as f32);
element!(f64, F64, |v| v, |v| v);
element!(i64, I64, |v| v as f64, |v| v as i64);
element!(bool, Bool, |v: bool| u8::from(v) as f64, |v| v != 0.0);

/// Numbers that add, subtract, multiply and compare.
pub(crate) trait Number:
    Element
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::SubAssign
{
    const ZERO: Self;
    const ONE: Self;
    /// Below every number.
    const LOWEST: Self;
    /// Above every number.
    const HIGHEST: Self;
}
impl Number for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const LOWEST: Self = f32::NEG_INFINITY;
    const HIGHEST: Self = f32::INFINITY;
}
impl Number for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const LOWEST: Self = f64::NEG_INFINITY;
    const HIGHEST: Self = f64::INFINITY;
}
impl Number for i64 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const LOWEST: Self = i64::MIN;
    const HIGHEST: Self = i64::MAX;
}

/// Floating-point numbers. The transcendental functions marked "fast" are branch-free so that loops over them vectorise.
pub(crate) trait Real: Number + std::ops::Div<Output = Self> {
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn tanh(self) -> Self;
    /// log(1 + x) for x in [0, 1], fast.
    fn ln_1p_unit(self) -> Self;
    fn exp_m1(self) -> Self;
    fn ln_1p(self) -> Self;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tan(self) -> Self;
    fn asin(self) -> Self;
    fn acos(self) -> Self;
    fn atan(self) -> Self;
    fn sinh(self) -> Self;
    fn cosh(self) -> Self;
    fn powf(self, p: Self) -> Self;
    fn powi(self, p: i32) -> Self;
    fn floor(self) -> Self;
    fn round(self) -> Self;
    fn mul_add(self, a: Self, b: Self) -> Self;
}

macro_rules! real {
    ($t:ident, $exp:path, $ln:path, $tanh:path, $ln_1p_unit:path) => {
        impl Real for $t {
            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                $ln(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $tanh(self)
            }
            #[inline(always)]
            fn ln_1p_unit(self) -> Self {
                $ln_1p_unit(self)
            }
            #[inline(always)]
            fn powi(self, p: i32) -> Self {
                <$t>::powi(self, p)
            }
            #[inline(always)]
            fn powf(self, p: Self) -> Self {
                <$t>::powf(self, p)
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                <$t>::mul_add(self, a, b)
            }
            real!(@std $t, exp_m1 ln_1p sqrt abs sin cos tan asin acos atan sinh cosh floor round);
        }
    };
    (@std $t:ident, $($f:ident)*) => {
        $(#[inline(always)]
        fn $f(self) -> Self {
            <$t>::$f(self)
        })*
    };
}
real!(f32, fastmath::exp_f32, fastmath::ln_f32, fastmath::tanh_f32, fastmath::ln_1p_unit_f32);
real!(f64, fastmath::exp_f64, fastmath::ln_f64, fastmath::tanh_f64, fastmath::ln_1p_unit_f64);

/// Runs `$body` with `$T` bound to the element type, for f32 and f64; any other type is our own bug.
macro_rules! with_real {
    ($name:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            other => panic!("`{}` needs f32 or f64, found {other}", $name),
        }
    };
}

/// Runs `$body` with `$T` bound to the element type, for f32, f64 and i64.
macro_rules! with_number {
    ($name:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::Bool => panic!("`{}` needs numbers, found bool", $name),
        }
    };
}

/// Runs `$body` with `$T` bound to the element type, for all four.
macro_rules! with_any {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::Bool => {
                type $T = bool;
                $body
            }
        }
    };
}
pub(crate) use {with_any, with_number, with_real};
