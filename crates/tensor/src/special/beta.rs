//! The beta function's logarithm.

use super::gamma::{STIRLING, stirling};
use super::{LOG_SQRT_TAU, lgamma, log_factorial};

/// `log B(a, b) = log [Gamma(a) Gamma(b) / Gamma(a + b)]` for positive arguments, without the cancellation of large ones.
///
/// ```
/// use elbo_tensor::special::log_beta;
/// assert!((log_beta(2.0, 3.0) - (1f64 / 12.0).ln()).abs() < 1e-14);
/// ```
pub fn log_beta(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if small.is_nan() || large.is_nan() || small < 0.0 {
        return f64::NAN;
    }
    if large < STIRLING {
        return if small < 1e-3 {
            // Gamma(a) is about 1/a, and the rest a small difference.
            log_factorial(small) - small.ln() + (lgamma(large) - lgamma(small + large))
        } else {
            lgamma(small) + lgamma(large) - lgamma(small + large)
        };
    }
    if small < STIRLING {
        return lgamma(small) - log_gamma_ratio(large, small);
    }
    // Both large: the leading terms of Stirling's formula are combined by hand.
    let ratio = small / large;
    let correction = stirling(small) + stirling(large) - stirling(small + large);
    LOG_SQRT_TAU - 0.5 * large.ln() + correction + (small - 0.5) * (ratio / (1.0 + ratio)).ln() - large * ratio.ln_1p()
}

/// `log [Gamma(large + a) / Gamma(large)]` for `large >= 10`, `a >= 0`.
pub(super) fn log_gamma_ratio(large: f64, a: f64) -> f64 {
    let correction = stirling(large + a) - stirling(large);
    (large + a - 0.5) * (a / large).ln_1p() + a * (large.ln() - 1.0) + correction
}

/// Logarithm of the binomial coefficient "`n` choose `k`", for real `0 <= k <= n`.
pub fn log_choose(n: f64, k: f64) -> f64 {
    if k == 0.0 || k == n {
        return 0.0;
    }
    -log_beta(k + 1.0, n - k + 1.0) - n.ln_1p()
}
