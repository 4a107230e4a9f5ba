//! Modified Bessel functions of real order, scaled.

use super::{LOG_SQRT_TAU, lgamma};
use std::f64::consts::LN_2;
use std::sync::LazyLock;

/// Orders from here on use the uniform expansion.
const LARGE_ORDER: f64 = 30.0;
/// Terms of the uniform expansion.
const TERMS: usize = 14;

/// `log I_v(x)` for real order `v >= 0` and `x >= 0`; minus infinity at `x = 0` unless `v = 0`.
///
/// ```
/// use elbo_tensor::special::log_bessel_i;
/// // I_1/2(x) = sqrt(2 / (pi x)) sinh x
/// let exact = (2.0 / (std::f64::consts::PI * 3.0)).sqrt() * 3f64.sinh();
/// assert!((log_bessel_i(0.5, 3.0) - exact.ln()).abs() < 1e-14);
/// ```
pub fn log_bessel_i(order: f64, x: f64) -> f64 {
    if x == f64::INFINITY && order >= 0.0 && order.is_finite() {
        return f64::INFINITY;
    }
    log_bessel_ie(order, x) + x
}

/// `log [exp(-x) I_v(x)]`, finite for any large `x`. NaN unless `v >= 0` and `x >= 0`.
pub fn log_bessel_ie(order: f64, x: f64) -> f64 {
    if order.is_nan() || x.is_nan() || order < 0.0 || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return if order == 0.0 { 0.0 } else { f64::NEG_INFINITY };
    }
    if order >= LARGE_ORDER {
        return uniform(order, x);
    }
    if x > 25.0 + 0.5 * order * order {
        return hankel(order, x);
    }
    // The power series, every term positive.
    let quarter = 0.25 * x * x;
    let (mut term, mut sum, mut k) = (1.0, 1.0, 0.0);
    while term > 1e-17 * sum {
        k += 1.0;
        term *= quarter / (k * (order + k));
        sum += term;
    }
    order * (0.5 * x).ln() - lgamma(order + 1.0) - x + sum.ln()
}

/// `exp(-x) I_v(x)`.
pub fn bessel_ive(order: f64, x: f64) -> f64 {
    log_bessel_ie(order, x).exp()
}

/// `I_{v+1}(x) / I_v(x)`, in [0, 1]: the mean resultant length of directional distributions. NaN unless `v >= 0`, `x >= 0`.
pub fn bessel_i_ratio(order: f64, x: f64) -> f64 {
    if order.is_nan() || x.is_nan() || order < 0.0 || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return 0.0;
    }
    if x == f64::INFINITY && order.is_finite() {
        return 1.0;
    }
    if x > 2000.0 && x > order {
        return (log_bessel_ie(order + 1.0, x) - log_bessel_ie(order, x)).exp();
    }
    // Gauss's continued fraction 1 / (2(v+1)/x + 1 / (2(v+2)/x + ...)), by Lentz's method.
    let step = |k: f64| 2.0 * (order + k) / x;
    let mut h = step(1.0);
    let (mut c, mut d, mut k) = (h, 0.0, 1.0);
    loop {
        k += 1.0;
        let b = step(k);
        d = 1.0 / (b + d);
        c = b + 1.0 / c;
        let delta = c * d;
        h *= delta;
        if (delta - 1.0).abs() < 2e-16 || k > 1e5 {
            return 1.0 / h;
        }
    }
}

/// `exp(x) K_v(x)` for real order and `x > 0`; infinite at zero. Takes as many terms as `sqrt(v + x) log(v / x)` for large orders.
///
/// $$ e^x K_\nu(x) = \int_0^\infty e^{-x (\cosh t - 1)} \cosh \nu t \, dt $$
///
/// by the trapezoidal rule, which converges faster than any power for this integrand.
pub fn bessel_kve(order: f64, x: f64) -> f64 {
    if order.is_nan() || x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::INFINITY;
    }
    let order = order.abs();
    match (order.is_infinite(), x.is_infinite()) {
        (false, false) => {}
        (false, true) => return 0.0,
        (true, false) => return f64::INFINITY,
        (true, true) => return f64::NAN,
    }
    let step = 0.2f64.min(0.5 / order.hypot(x).sqrt());
    let log_term = |t: f64| {
        // cosh t - 1 = 2 sinh^2(t / 2) keeps its digits near zero.
        let half = (0.5 * t).sinh();
        order * t - 2.0 * x * half * half + (-2.0 * order * t).exp().ln_1p() - LN_2
    };
    // A quotient that overflows would have no peak to sum up to.
    let peak = (order / x).min(1e300).asinh();
    let top = log_term(peak);
    let mut sum = 0.5 * (log_term(0.0) - top).exp();
    let mut k = 0.0;
    loop {
        k += 1.0;
        let t = k * step;
        let term = (log_term(t) - top).exp();
        sum += term;
        if t > peak && term < 1e-18 * sum {
            return (top + (sum * step).ln()).exp();
        }
    }
}

/// Hankel's expansion for `x` large beside the square of the order.
fn hankel(order: f64, x: f64) -> f64 {
    if x == f64::INFINITY {
        return f64::NEG_INFINITY;
    }
    let mu = 4.0 * order * order;
    let (mut term, mut sum, mut k) = (1.0f64, 1.0, 0.0f64);
    while term.abs() > 1e-17 && k < 80.0 {
        k += 1.0;
        term *= -(mu - (2.0 * k - 1.0).powi(2)) / (8.0 * k * x);
        sum += term;
    }
    sum.ln() - LOG_SQRT_TAU - 0.5 * x.ln()
}

/// Debye's expansion, uniform in `x`, for large orders (DLMF 10.41.3).
fn uniform(order: f64, x: f64) -> f64 {
    let z = x / order;
    let root = z.hypot(1.0);
    let t = 1.0 / root;
    // v (sqrt(1 + z^2) - z + log(z / (1 + sqrt(1 + z^2)))), without cancellation for large z.
    let exponent = order * (1.0 / (root + z) - (1.0 / z).asinh());
    let mut sum = 0.0;
    for u in DEBYE.iter().rev() {
        let value = u.iter().rev().fold(0.0, |sum, c| sum * t + c);
        sum = sum / order + value;
    }
    exponent + sum.ln() - LOG_SQRT_TAU - 0.5 * order.ln() - 0.5 * root.ln()
}

/// Coefficients of Debye's polynomials, by
/// $u_{k+1}(t) = \tfrac12 t^2 (1 - t^2) u_k'(t) + \tfrac18 \int_0^t (1 - 5 s^2) u_k(s) ds$.
static DEBYE: LazyLock<Vec<Vec<f64>>> = LazyLock::new(|| {
    let mut all = vec![vec![1.0]];
    for k in 0..TERMS {
        let u: &Vec<f64> = &all[k];
        let mut next = vec![0.0; u.len() + 3];
        for (n, c) in u.iter().enumerate() {
            let degree = n as f64;
            next[n + 1] += 0.5 * degree * c + c / (8.0 * (degree + 1.0));
            next[n + 3] -= 0.5 * degree * c + 5.0 * c / (8.0 * (degree + 3.0));
        }
        all.push(next);
    }
    all
});
