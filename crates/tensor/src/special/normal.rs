//! The standard normal distribution function, its logarithm and its inverse.

use super::erf::exp_square;
use super::{LOG_SQRT_TAU, erf, erfc, erfcx};
use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI, TAU};

/// Standard normal distribution function, `P(Z <= z)`.
pub fn ndtr(z: f64) -> f64 {
    if z.abs() < 0.5 { 0.5 + 0.5 * erf(z * FRAC_1_SQRT_2) } else { 0.5 * erfc_scaled(-z) }
}

/// Logarithm of [`ndtr`], accurate in both tails.
///
/// ```
/// use elbo_tensor::special::log_ndtr;
/// assert!((log_ndtr(-40.0) + 804.608_442_013_753_9).abs() < 1e-10);
/// assert!(log_ndtr(9.0) < 0.0);
/// ```
pub fn log_ndtr(z: f64) -> f64 {
    if z > 0.0 {
        (-0.5 * erfc_scaled(z)).ln_1p()
    } else if z > -1.0 {
        (0.5 * erfc(-z * FRAC_1_SQRT_2)).ln()
    } else {
        (0.5 * erfcx(-z * FRAC_1_SQRT_2)).ln() - 0.5 * z * z
    }
}

/// Inverse Mills ratio, density over distribution function: the derivative of [`log_ndtr`]. Tends to `-z` in the left tail.
pub fn inverse_mills(z: f64) -> f64 {
    if z < 0.0 { (2.0 / PI).sqrt() / erfcx(-z * FRAC_1_SQRT_2) } else { exp_square(z, -0.5) / (TAU.sqrt() * ndtr(z)) }
}

/// Inverse of [`ndtr`] on (0, 1): the normal quantile. Infinite at the ends, NaN outside.
///
/// Close to 1 the argument itself has lost the tail: use `-ndtri(1 - p)` with the complement at hand.
pub fn ndtri(p: f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p > 0.5 {
        return -lower(1.0 - p, p - 0.5);
    }
    lower(p, 0.5 - p)
}

/// The `z` with `log_ndtr(z) = log_p`, for probabilities too small (or too near 1) for a double. NaN above 0.
pub fn ndtri_exp(log_p: f64) -> f64 {
    if log_p.is_nan() || log_p > 0.0 {
        f64::NAN
    } else if log_p > -LN_2 {
        -lower(-log_p.exp_m1(), 0.5 * (log_p + LN_2).exp_m1())
    } else if log_p > -1.0 {
        lower(log_p.exp(), -0.5 * (log_p + LN_2).exp_m1())
    } else {
        tail(log_p)
    }
}

/// The quantile of `p <= 1/2`, with the distance `half` to one half.
fn lower(p: f64, half: f64) -> f64 {
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if half.abs() < 0.25 {
        // Halley's steps on erf, which keeps the relative accuracy near zero.
        let scale = TAU.sqrt();
        let mut z = -scale * half * (1.0 + PI / 3.0 * half * half);
        for _ in 0..3 {
            let step = (0.5 * erf(z * FRAC_1_SQRT_2) + half) * scale * (0.5 * z * z).exp();
            z -= step / (1.0 + 0.5 * z * step);
        }
        return z;
    }
    tail(p.ln())
}

/// The quantile of a log-probability below -1: Newton's steps with curvature on the concave [`log_ndtr`].
fn tail(log_p: f64) -> f64 {
    if log_p == f64::NEG_INFINITY {
        return log_p;
    }
    // Hastings' rational start, absolute error 5e-4 for moderate tails; far out its relative error is what matters.
    let t = (-2.0 * log_p).sqrt();
    let mut z = if t < 38.0 {
        (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t
    } else {
        -(t * t - 2.0 * (t.ln() + LOG_SQRT_TAU)).sqrt()
    };
    for _ in 0..3 {
        let r = inverse_mills(z);
        let step = (log_ndtr(z) - log_p) / r;
        // The second derivative of log_ndtr is -r (z + r).
        z -= step / (1.0 + 0.5 * (z + r) * step);
    }
    z
}

/// `erfc(z / sqrt 2)`, where the rounding of the quotient must not be multiplied by `z^2`.
fn erfc_scaled(z: f64) -> f64 {
    if z < 1.0 {
        return erfc(z * FRAC_1_SQRT_2);
    }
    if z > 39.0 {
        return 0.0;
    }
    exp_square(z, -0.5) * erfcx(z * FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_outside_are_as_documented() {
        assert_eq!(ndtri(0.0), f64::NEG_INFINITY);
        assert_eq!(ndtri(1.0), f64::INFINITY);
        assert_eq!(ndtri(0.5), 0.0);
        assert_eq!(log_ndtr(f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert_eq!(log_ndtr(f64::INFINITY), 0.0);
        assert!(ndtri(1.1).is_nan() && ndtri(-0.1).is_nan() && ndtri_exp(0.1).is_nan());
    }

    #[test]
    fn quantiles_of_log_probabilities_invert_them() {
        for z in [-1e3, -200.0, -39.0, -37.0, -10.0, -2.0, -0.7, -1e-3, 0.0, 1e-3, 0.3, 2.0, 6.0] {
            let back = ndtri_exp(log_ndtr(z));
            // Near and above the median a probability holds less about its quantile.
            let tolerance = 1e-13 * (1.0 + f64::abs(z)) * (0.5 * f64::max(z, 0.0).powi(2)).exp();
            assert!((back - z).abs() < tolerance, "{z}: {back}");
        }
    }
}
