//! The regularised incomplete beta function and its inverse.

use super::gamma::{STIRLING, stirling};
use super::incomplete_gamma::log1p_minus;
use super::root::increasing_root;
use super::{LOG_SQRT_TAU, log_beta, log_sigmoid, ndtri, sigmoid};

/// Regularised incomplete beta function `I_x(a, b)`: the distribution function of a beta variable. NaN unless `a, b > 0`, `0 <= x <= 1`.
///
/// ```
/// use elbo_tensor::special::beta_inc;
/// assert!((beta_inc(1.0, 3.0, 0.2) - (1.0 - 0.8f64.powi(3))).abs() < 1e-15);
/// ```
pub fn beta_inc(a: f64, b: f64, x: f64) -> f64 {
    beta_inc_both(a, b, x, 1.0 - x).0
}

/// `1 - I_x(a, b)`, accurate where it is small.
pub fn beta_inc_c(a: f64, b: f64, x: f64) -> f64 {
    beta_inc_both(a, b, x, 1.0 - x).1
}

/// The `x` with `I_x(a, b) = p`. NaN outside [0, 1].
pub fn beta_inc_inv(a: f64, b: f64, p: f64) -> f64 {
    if p == 0.0 || p == 1.0 {
        return p;
    }
    sigmoid(beta_logit_quantile(a, b, p, 1.0 - p))
}

/// `I_x(a, b)` and its complement, from `x` and `y = 1 - x` both given to full relative accuracy.
pub(super) fn beta_inc_both(a: f64, b: f64, x: f64, y: f64) -> (f64, f64) {
    if a.is_nan() || b.is_nan() || a <= 0.0 || b <= 0.0 || x.is_nan() || x < 0.0 || y < 0.0 {
        return (f64::NAN, f64::NAN);
    }
    if x == 0.0 {
        return (0.0, 1.0);
    }
    if y == 0.0 {
        return (1.0, 0.0);
    }
    let log_front = log_front(a, b, x, y);
    if x <= (a + 1.0) / (a + b + 2.0) {
        let p = log_front.exp() * continued_fraction(a, b, x, y);
        (p, 1.0 - p)
    } else {
        let q = log_front.exp() * continued_fraction(b, a, y, x);
        (1.0 - q, q)
    }
}

/// `log [x^a y^b / B(a, b)]`.
fn log_front(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if a < STIRLING || b < STIRLING {
        // The logarithm of the larger of x and y is taken through the smaller.
        let (log_x, log_y) = if x < y { (x.ln(), (-x).ln_1p()) } else { ((-y).ln_1p(), y.ln()) };
        return a * log_x + b * log_y - log_beta(a, b);
    }
    // Both large: expand about the mean, as for the incomplete gamma function.
    let n = a + b;
    let lambda = excess(a, b, x, y);
    let correction = stirling(a) + stirling(b) - stirling(n);
    a * log1p_minus(-lambda / a, n * x / a) + b * log1p_minus(lambda / b, n * y / b) + 0.5 * (a * (b / n)).ln()
        - LOG_SQRT_TAU
        - correction
}

/// `a - (a + b) x`, through the smaller of `x` and `y`.
fn excess(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x < y { a - (a + b) * x } else { (a + b) * y - b }
}

/// The continued fraction of Didonato and Morris (1992) for `I_x(a, b) B(a, b) / (x^a y^b)`, for `x <= (a + 1) / (a + b + 2)`
/// (Lentz's method). Unlike the textbook's, it has no cancellation when `a` or `b` is large.
fn continued_fraction(a: f64, b: f64, x: f64, y: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if v.abs() < TINY { TINY } else { v };
    let lambda = excess(a, b, x, y) + 1.0;
    let mut h = guard(a / (a + 1.0) * lambda);
    let (mut c, mut d, mut n) = (h, 0.0, 0.0);
    loop {
        n += 1.0;
        let middle = a + 2.0 * n - 1.0;
        let w = n * (b - n) * x;
        let alpha = (a + n - 1.0) / middle * ((a + b + n - 1.0) / middle) * (w * x);
        let beta = n + w / middle + (a + n) / (middle + 2.0) * (lambda + n * (1.0 + y));
        d = 1.0 / guard(beta + alpha * d);
        c = guard(beta + alpha / c);
        let delta = c * d;
        h *= delta;
        if (delta - 1.0).abs() < 3e-16 {
            return 1.0 / h;
        }
    }
}

/// The logit of the quantile: both `x` and `1 - x` follow from it without cancellation. `p + q = 1`, both positive.
pub(super) fn beta_logit_quantile(a: f64, b: f64, p: f64, q: f64) -> f64 {
    if a.is_nan() || b.is_nan() || a <= 0.0 || b <= 0.0 || p.is_nan() || p <= 0.0 || q <= 0.0 {
        return f64::NAN;
    }
    let z = if p < 0.5 { ndtri(p) } else { -ndtri(q) };
    let start = if a.min(b) >= 1.0 {
        // The logit of a beta variable is roughly normal.
        (a / b).ln() + z * (1.0 / a + 1.0 / b).sqrt()
    } else {
        // The power laws at the two ends, each exact in its tail.
        let front = log_beta(a, b);
        let left = (p.ln() + a.ln() + front) / a;
        let right = (q.ln() + b.ln() + front) / b;
        if left < right { left.min(0.0) } else { -right.min(0.0) }
    };
    let use_lower = p < q;
    let target = if use_lower { p.ln() } else { q.ln() };
    increasing_root(start, |u| {
        let (x, y) = (sigmoid(u), sigmoid(-u));
        let (lower, upper) = if x == 0.0 {
            // Below the smallest double the leading power is exact.
            let log_lower = a * log_sigmoid(u) - a.ln() - log_beta(a, b);
            return if use_lower { (log_lower - target, a) } else { (target, 0.0) };
        } else {
            beta_inc_both(a, b, x, y)
        };
        let front = log_front(a, b, x, y);
        if use_lower {
            (lower.ln() - target, (front - lower.ln()).exp())
        } else {
            (target - upper.ln(), (front - upper.ln()).exp())
        }
    })
}
