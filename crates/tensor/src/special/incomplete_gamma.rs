//! The regularised incomplete gamma functions and their inverses.

use super::gamma::{STIRLING, lgamma_1p, stirling};
use super::root::increasing_root;
use super::{LOG_SQRT_TAU, lgamma, ndtri};

/// Lower regularised incomplete gamma function `P(a, x)`: the distribution function of a gamma variable of shape `a`. NaN unless
/// `a > 0` and `x >= 0`.
///
/// ```
/// use elbo_tensor::special::gamma_p;
/// assert!((gamma_p(1.0, 2.0) - (1.0 - (-2f64).exp())).abs() < 1e-15);
/// ```
pub fn gamma_p(a: f64, x: f64) -> f64 {
    both(a, x).0
}

/// Upper regularised incomplete gamma function `Q(a, x) = 1 - P(a, x)`, accurate where it is small.
pub fn gamma_q(a: f64, x: f64) -> f64 {
    both(a, x).1
}

/// The `x` with `P(a, x) = p`. 0 and infinity at the ends, NaN outside [0, 1].
pub fn gamma_p_inv(a: f64, p: f64) -> f64 {
    inverse(a, p, 1.0 - p)
}

/// The `x` with `Q(a, x) = q`; accurate where `q` is small.
pub fn gamma_q_inv(a: f64, q: f64) -> f64 {
    inverse(a, 1.0 - q, q)
}

fn both(a: f64, x: f64) -> (f64, f64) {
    if a.is_nan() || x.is_nan() || a <= 0.0 || x < 0.0 || a == f64::INFINITY {
        return (f64::NAN, f64::NAN);
    }
    if x == 0.0 {
        return (0.0, 1.0);
    }
    if x == f64::INFINITY {
        return (1.0, 0.0);
    }
    if a < 1.0 && x < 1.0 {
        // P = x^a / Gamma(1+a) * (1 + tail), and Q = -(expm1 of the first factor) - first * tail keeps a small Q.
        let exponent = a * x.ln() - lgamma_1p(a);
        let tail = power_series(a, x);
        let first = exponent.exp();
        return (first * (1.0 + tail), -exponent.exp_m1() - first * tail);
    }
    if x < a + 1.0 {
        let mut term = 1.0;
        let mut sum = 1.0;
        let mut n = a;
        while term > sum * 1e-17 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        let p = log_prefactor(a, x).exp() / a * sum;
        (p, 1.0 - p)
    } else {
        let q = log_prefactor(a, x).exp() * continued_fraction(a, x);
        (1.0 - q, q)
    }
}

/// `a * sum over n >= 1 of (-x)^n / ((a + n) n!)`.
fn power_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 0.0, 0.0);
    loop {
        n += 1.0;
        term *= -x / n;
        let add = term / (a + n);
        sum += add;
        if add.abs() <= 1e-18 * sum.abs() {
            return a * sum;
        }
    }
}

/// Legendre's continued fraction for `Gamma(a, x) / (x^a exp(-x))` (Lentz's method).
fn continued_fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut h = d;
    let mut i = 0.0;
    loop {
        i += 1.0;
        let an = -i * (i - a);
        b += 2.0;
        d = an * d + b;
        d = 1.0 / if d.abs() < TINY { TINY } else { d };
        c = b + an / c;
        c = if c.abs() < TINY { TINY } else { c };
        let delta = d * c;
        h *= delta;
        if (delta - 1.0).abs() < 2e-16 {
            return h;
        }
    }
}

/// `log [x^a exp(-x) / Gamma(a)]`; for large `a` from Stirling's formula, whose leading terms cancel exactly.
fn log_prefactor(a: f64, x: f64) -> f64 {
    if a < STIRLING {
        return a * x.ln() - x - lgamma(a);
    }
    let mu = (x - a) / a;
    a * log1p_minus(mu, x / a) + 0.5 * a.ln() - LOG_SQRT_TAU - stirling(a)
}

/// `log(1 + x) - x`, without cancellation for small `x`; `sum = 1 + x` is given, as it may be known better than `x`.
pub(super) fn log1p_minus(x: f64, sum: f64) -> f64 {
    if !(-0.5..=0.8).contains(&x) {
        return sum.ln() - x;
    }
    // log(1 + x) = 2 atanh(r), and 2 r - x = -x r.
    let r = x / (2.0 + x);
    let square = r * r;
    let (mut series, mut power, mut k) = (0.0, 1.0, 3.0);
    while power > 1e-18 {
        series += power / k;
        power *= square;
        k += 2.0;
    }
    r * (2.0 * square * series - x)
}

fn inverse(a: f64, p: f64, q: f64) -> f64 {
    if a.is_nan() || p.is_nan() || a <= 0.0 || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 {
        return 0.0;
    }
    if q == 0.0 {
        return f64::INFINITY;
    }
    // Start: Wilson and Hilferty's cube for a >= 1, the leading power otherwise.
    let z = if p < 0.5 { ndtri(p) } else { -ndtri(q) };
    let cube = 1.0 - 1.0 / (9.0 * a) + z / (3.0 * a.sqrt());
    let power = (p.ln() + lgamma(a + 1.0)) / a;
    let start = if a >= 0.5 && cube > 0.1 { (a * cube.powi(3)).ln() } else { power.min(a.max(-q.ln()).ln()) };
    // Newton's iteration on the logarithm of the smaller probability, in log x.
    let use_lower = p < q;
    let target = if use_lower { p.ln() } else { q.ln() };
    increasing_root(start, |u| {
        let x = u.exp();
        let (lower, upper) = both(a, x);
        let log_density = log_prefactor(a, x);
        if use_lower {
            (lower.ln() - target, (log_density - lower.ln()).exp())
        } else {
            (target - upper.ln(), (log_density - upper.ln()).exp())
        }
    })
    .exp()
}
