//! The error function and its scaled and inverse forms.

use super::tables::{ERF, ERFCX};
use super::{chebyshev, ndtri, ndtri_exp};
use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};

/// Error function, `2/sqrt(pi) * integral of exp(-t^2) from 0 to x`.
///
/// ```
/// use elbo_tensor::special::erf;
/// assert!((erf(0.5) - 0.520_499_877_813_046_5).abs() < 1e-15);
/// ```
pub fn erf(x: f64) -> f64 {
    if x.abs() <= 1.0 {
        x * chebyshev(&ERF, 2.0 * x * x - 1.0)
    } else if x > 0.0 {
        1.0 - erfc_positive(x)
    } else {
        erfc_positive(-x) - 1.0
    }
}

/// Complementary error function, `1 - erf(x)` without the cancellation.
pub fn erfc(x: f64) -> f64 {
    if x < 0.5 { 1.0 - erf(x) } else { erfc_positive(x) }
}

/// Scaled complementary error function, `exp(x^2) erfc(x)`. Infinite below about -26.6.
pub fn erfcx(x: f64) -> f64 {
    if x >= 0.0 {
        return erfcx_positive(x);
    }
    2.0 * exp_square(x, 1.0) - erfcx_positive(-x)
}

/// Logarithm of [`erfc`], finite in both tails.
pub fn log_erfc(x: f64) -> f64 {
    if x < -0.5 {
        (-0.5 * erfc_positive(-x)).ln_1p() + std::f64::consts::LN_2
    } else if x < 0.5 {
        (-erf(x)).ln_1p()
    } else {
        erfcx_positive(x).ln() - x * x
    }
}

/// Inverse of [`erf`] on (-1, 1); infinite at the ends, NaN outside.
pub fn erf_inv(y: f64) -> f64 {
    if y.abs() > 0.5 {
        // 1 - |y| is exact here.
        return erfc_inv(1.0 - y.abs()).copysign(y);
    }
    // Two of Halley's steps from a start with relative error 2e-2.
    let mut x = y / FRAC_2_SQRT_PI * (1.0 + y * y * 0.27);
    for _ in 0..3 {
        let step = (erf(x) - y) / (FRAC_2_SQRT_PI * (-x * x).exp());
        x -= step / (1.0 + x * step);
    }
    x
}

/// Inverse of [`erfc`] on (0, 2); infinite at the ends, NaN outside.
pub fn erfc_inv(y: f64) -> f64 {
    if y > 0.5 && y < 1.5 {
        return -erf_inv(y - 1.0);
    }
    if y >= 1.5 {
        return -erfc_inv(2.0 - y);
    }
    // Halving is exact except among the subnormals, where the logarithm avoids it.
    if y > 0.0 && y < 1e-300 { -ndtri_exp(y.ln() - std::f64::consts::LN_2) / SQRT_2 } else { -ndtri(0.5 * y) / SQRT_2 }
}

fn erfc_positive(x: f64) -> f64 {
    if x > 27.3 {
        return 0.0;
    }
    exp_square(x, -1.0) * erfcx_positive(x)
}

fn erfcx_positive(x: f64) -> f64 {
    if x == f64::INFINITY {
        return 0.0;
    }
    chebyshev(&ERFCX, (x - 3.75) / (x + 3.75)) / (1.0 + 2.0 * x)
}

/// `exp(sign x^2)`. The square is split in two, because its rounding error would be multiplied by `x^2`.
pub(super) fn exp_square(x: f64, sign: f64) -> f64 {
    let head = f64::from_bits(x.to_bits() & 0xffff_ffff_f800_0000);
    (sign * head * head).exp() * (sign * (x - head) * (x + head)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_outside_are_as_documented() {
        assert_eq!(erf(f64::INFINITY), 1.0);
        assert_eq!(erfc(f64::NEG_INFINITY), 2.0);
        assert_eq!(erfcx(f64::INFINITY), 0.0);
        assert_eq!(erf_inv(1.0), f64::INFINITY);
        assert_eq!(erfc_inv(2.0), f64::NEG_INFINITY);
        assert_eq!(erf_inv(0.0), 0.0);
        for outside in [erf_inv(1.1), erfc_inv(-0.1), erfc_inv(2.1), erf(f64::NAN), erfcx(f64::NAN)] {
            assert!(outside.is_nan());
        }
    }
}
