//! Logarithms of sums and of exponentials, without overflow or cancellation.

use std::f64::consts::LN_2;

/// `log(1 + exp(x))`, the softplus.
pub fn log1p_exp(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

/// `log(exp(x) - 1)` for `x > 0`: the inverse of [`log1p_exp`]. Minus infinity at 0, NaN below.
pub fn log_expm1(x: f64) -> f64 {
    if x > LN_2 { x + (-(-x).exp()).ln_1p() } else { x.exp_m1().ln() }
}

/// `log(1 - exp(x))` for `x < 0`. Minus infinity at 0, NaN above.
pub fn log1m_exp(x: f64) -> f64 {
    if x > -LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() }
}

/// `log(exp(a) + exp(b))`.
pub fn log_add_exp(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high.is_infinite() {
        return high;
    }
    high + (low - high).exp().ln_1p()
}

/// `log(sum of exp(x))`; minus infinity for an empty slice.
///
/// ```
/// use elbo_tensor::special::log_sum_exp;
/// assert!((log_sum_exp(&[1000.0, 1000.0]) - 1000.0 - 2f64.ln()).abs() < 1e-12);
/// ```
pub fn log_sum_exp(x: &[f64]) -> f64 {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max.is_infinite() {
        // The maximum skips NaNs; a sum does not.
        return if x.iter().any(|v| v.is_nan()) { f64::NAN } else { max };
    }
    max + x.iter().map(|v| (v - max).exp()).sum::<f64>().ln()
}

/// Logistic function, `1 / (1 + exp(-x))`, with relative accuracy in both tails.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// `log(sigmoid(x))`.
pub fn log_sigmoid(x: f64) -> f64 {
    -log1p_exp(-x)
}

/// Inverse of [`sigmoid`] on (0, 1); infinite at the ends, NaN outside.
pub fn logit(p: f64) -> f64 {
    p.ln() - (-p).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_stay_finite_or_reach_their_limit() {
        assert_eq!(log1p_exp(800.0), 800.0);
        assert_eq!(log1p_exp(-800.0), 0.0);
        assert_eq!(log_expm1(800.0), 800.0);
        assert_eq!(log_expm1(0.0), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY, 2.0]), 2.0);
        assert!(log_sum_exp(&[f64::NAN, 1.0]).is_nan());
        assert_eq!(log_add_exp(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert_eq!(sigmoid(-1000.0), 0.0);
        assert!((sigmoid(-700.0) / (-700f64).exp() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn the_softplus_and_its_inverse_are_inverse() {
        for x in [-30.0, -3.0, -1e-3, 0.2, 5.0, 100.0] {
            assert!((log_expm1(log1p_exp(x)) - x).abs() < 1e-13 * f64::abs(x).max(1.0), "{x}");
            // log(1 - p) from log p: what rounding log p costs is multiplied by the odds.
            let tolerance = 1e-15 * (1.0 + f64::abs(x) + x.exp());
            assert!(x > 30.0 || (log1m_exp(log_sigmoid(x)) - log_sigmoid(-x)).abs() < tolerance, "{x}");
        }
    }
}
