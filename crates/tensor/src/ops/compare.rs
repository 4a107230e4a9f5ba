//! Comparisons, which give masks, and the algebra of masks. Nothing here carries gradients.

use crate::dtype::{DType, Element, with_number};
use crate::kernels::{Binary, Unary, map, zip};
use crate::tensor::Tensor;

macro_rules! comparison {
    ($($(#[$doc:meta])* $name:ident, $scalar:ident, $kernel:ident, $op:tt;)*) => {$(
        struct $kernel;
        impl<T: Element> Binary<T, bool> for $kernel {
            #[inline(always)]
            fn at(&self, x: T, y: T) -> bool {
                x $op y
            }
        }
        impl Tensor {
            $(#[$doc])*
            pub fn $name(&self, other: &Tensor) -> Tensor {
                with_number!(stringify!($name), self.dtype(), T => zip::<T, bool, _>(stringify!($name), self, other, $kernel))
            }

            $(#[$doc])*
            /// Here against one number.
            pub fn $scalar(&self, other: f64) -> Tensor {
                self.$name(&Tensor::full(&[], other, self.dtype()))
            }
        }
    )*};
}
comparison! {
    /// Where `self` equals `other`.
    eq, eq_scalar, Equal, ==;
    /// Where `self` differs from `other`.
    ne, ne_scalar, Different, !=;
    /// Where `self` is below `other`.
    lt, lt_scalar, Below, <;
    /// Where `self` is at most `other`.
    le, le_scalar, AtMost, <=;
    /// Where `self` is above `other`.
    gt, gt_scalar, Above, >;
    /// Where `self` is at least `other`.
    ge, ge_scalar, AtLeast, >=;
}

struct Both;
impl Binary<bool, bool> for Both {
    #[inline(always)]
    fn at(&self, x: bool, y: bool) -> bool {
        x & y
    }
}
struct Either;
impl Binary<bool, bool> for Either {
    #[inline(always)]
    fn at(&self, x: bool, y: bool) -> bool {
        x | y
    }
}
struct Not;
impl Unary<bool, bool> for Not {
    #[inline(always)]
    fn at(&self, x: bool) -> bool {
        !x
    }
}

impl Tensor {
    /// Where both masks are true.
    pub fn and(&self, other: &Tensor) -> Tensor {
        zip::<bool, bool, _>("and", self, other, Both)
    }

    /// Where at least one mask is true.
    pub fn or(&self, other: &Tensor) -> Tensor {
        zip::<bool, bool, _>("or", self, other, Either)
    }

    /// The opposite mask.
    pub fn not(&self) -> Tensor {
        assert!(self.dtype() == DType::Bool, "`not` needs a mask, found {}", self.dtype());
        map::<bool, bool, _>(self, Not)
    }

    /// Whether any element of a mask is true.
    pub fn any(&self) -> bool {
        self.as_slice::<bool>().iter().any(|v| *v)
    }

    /// Whether every element of a mask is true; so it is when there are none.
    pub fn all(&self) -> bool {
        self.as_slice::<bool>().iter().all(|v| *v)
    }
}
