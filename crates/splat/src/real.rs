//! Numbers the rasteriser runs in: `f32` for pictures, `f64` so that finite differences are exact.

use elbo_picture::Pixel;
use std::fmt::Debug;
use std::ops::{DivAssign, MulAssign, SubAssign};

/// A floating-point number.
pub trait Real: Pixel + Default + Debug + PartialOrd + SubAssign + MulAssign + DivAssign {
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;

    /// The nearest number of this type.
    fn of(value: f64) -> Self;

    /// As `f64`.
    fn to_f64(self) -> f64;

    /// Square root.
    fn sqrt(self) -> Self;

    /// Exponential.
    fn exp(self) -> Self;

    /// Natural logarithm.
    fn ln(self) -> Self;

    /// `self * a + b`, rounded once where `FMA`.
    fn fused<const FMA: bool>(self, a: Self, b: Self) -> Self;

    /// The numbers 0 to 15.
    const STEPS: [Self; 16];

    /// The exponential of a number from -87 to 0, with a relative error below `1e-6`; below them, a number that is nearly zero. Straight
    /// arithmetic, so that loops over it become wide.
    fn exp_fast<const FMA: bool>(self) -> Self;

    /// A key that sorts positive numbers as they are sorted.
    fn sort_key(self) -> u64;

    /// The largest whole number that is not greater, for numbers that fit.
    fn floor_index(self) -> i64;

    /// The greater of the two.
    #[inline(always)]
    fn most(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    /// The smaller of the two.
    #[inline(always)]
    fn least(self, other: Self) -> Self {
        if self < other { self } else { other }
    }

    /// Distance from zero.
    #[inline(always)]
    fn distance(self) -> Self {
        self.most(-self)
    }
}

/// What both precisions share; `exp_fast` is each one's own.
macro_rules! real {
    ($t:ty { $($exp_fast:tt)* }) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const STEPS: [Self; 16] =
                [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $t
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }

            #[inline(always)]
            fn exp(self) -> Self {
                self.exp()
            }

            #[inline(always)]
            fn ln(self) -> Self {
                self.ln()
            }

            #[inline(always)]
            fn fused<const FMA: bool>(self, a: Self, b: Self) -> Self {
                if FMA { self.mul_add(a, b) } else { self * a + b }
            }

            #[inline(always)]
            fn sort_key(self) -> u64 {
                u64::from(self.to_bits())
            }

            #[inline(always)]
            fn floor_index(self) -> i64 {
                self.floor() as i64
            }

            $($exp_fast)*
        }
    };
}

real! { f64 {
    #[inline(always)]
    fn exp_fast<const FMA: bool>(self) -> Self {
        self.exp()
    }
} }

real! { f32 {
    /// `2^n` times a polynomial in the rest, whose coefficients are those of Cephes.
    #[inline(always)]
    fn exp_fast<const FMA: bool>(self) -> Self {
        // Adding it rounds to a whole number, which then lies in the low bits.
        const ROUND: f32 = 12_582_912.0;
        let x = self.most(-87.0);
        let shifted = x.fused::<FMA>(std::f32::consts::LOG2_E, ROUND);
        let whole = shifted - ROUND;
        let rest = whole.fused::<FMA>(-0.693_359_4, x);
        let rest = whole.fused::<FMA>(2.121_944_4e-4, rest);
        let p = 1.987_569_1e-4f32.fused::<FMA>(rest, 1.398_199_9e-3);
        let p = p.fused::<FMA>(rest, 8.333_452e-3);
        let p = p.fused::<FMA>(rest, 4.166_579_6e-2);
        let p = p.fused::<FMA>(rest, 1.666_666_5e-1);
        let p = p.fused::<FMA>(rest, 0.5);
        let p = p.fused::<FMA>(rest * rest, rest + 1.0);
        p * f32::from_bits(shifted.to_bits().wrapping_sub(0x4b40_0000).wrapping_add(127) << 23)
    }
} }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_a_millionth() {
        for step in 0..=32_000 {
            let x = -86.0 * step as f32 / 32_000.0;
            let exact = f64::from(x).exp();
            for found in [x.exp_fast::<true>(), x.exp_fast::<false>()] {
                assert!((f64::from(found) / exact - 1.0).abs() < 1e-6, "exp({x}) = {found}");
            }
        }
        assert_eq!(0f32.exp_fast::<true>(), 1.0);
    }
}
