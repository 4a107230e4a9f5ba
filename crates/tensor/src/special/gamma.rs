//! The gamma function's logarithm and its derivatives.

use super::tables::{BERNOULLI, DIGAMMA, DIGAMMA_ROOT, ZETA_MINUS_ONE};
use super::{LOG_SQRT_TAU, chebyshev};
use std::f64::consts::PI;

/// `1 -` Euler's constant.
const ONE_MINUS_GAMMA: f64 = 0.422_784_335_098_467_14;

/// From here on Stirling's series has full accuracy.
pub(super) const STIRLING: f64 = 10.0;

/// `log |Gamma(x)|`, with relative accuracy also next to its zeros at 1 and 2. Infinite at 0, -1, -2, ...
///
/// ```
/// use elbo_tensor::special::lgamma;
/// assert!((lgamma(6.0) - 120f64.ln()).abs() < 1e-14);
/// ```
pub fn lgamma(x: f64) -> f64 {
    if x.is_nan() || x.is_infinite() {
        return x.abs();
    }
    if x <= 0.0 {
        if x == x.floor() {
            return f64::INFINITY;
        }
        // The reflection formula, with 1 - x left exact for small x.
        return (PI / (sin_pi(x) * x).abs()).ln() - lgamma(-x);
    }
    if x < 0.5 {
        lgamma_1p(x) - x.ln()
    } else if x < 1.5 {
        lgamma_1p(x - 1.0)
    } else if x < STIRLING {
        let (mut low, mut product) = (x, 1.0);
        while low >= 2.5 {
            low -= 1.0;
            product *= low;
        }
        // Around 2, log Gamma(2 + u) = u (1 - gamma) + sum of (-1)^k (zeta(k) - 1) u^k / k.
        let u = low - 2.0;
        u * (ONE_MINUS_GAMMA + zeta_series(u)) + product.ln()
    } else {
        (x - 0.5) * x.ln() - x + LOG_SQRT_TAU + stirling(x)
    }
}

/// `log Gamma(1 + u)` for `|u| <= 1/2`.
pub(super) fn lgamma_1p(u: f64) -> f64 {
    if u.abs() > 0.5 {
        return lgamma(1.0 + u);
    }
    u * (ONE_MINUS_GAMMA + zeta_series(u)) - u.ln_1p()
}

/// `sum over k >= 2 of (-1)^k (zeta(k) - 1) u^(k-1) / k`, which converges like `(u / 2)^k`.
fn zeta_series(u: f64) -> f64 {
    let mut sum = 0.0;
    for (i, z) in ZETA_MINUS_ONE.iter().enumerate().rev() {
        let k = i as f64 + 2.0;
        let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
        sum = sum * u + sign * z / k;
    }
    sum * u
}

/// Stirling's correction `log Gamma(x) - [(x - 1/2) log x - x + log sqrt(2 pi)]`, for `x >= 10`.
pub(super) fn stirling(x: f64) -> f64 {
    let square = 1.0 / (x * x);
    let mut sum = 0.0;
    for (i, b) in BERNOULLI[..10].iter().enumerate().rev() {
        let k = 2.0 * (i as f64 + 1.0);
        sum = sum * square + b / (k * (k - 1.0));
    }
    sum / x
}

/// `log(n!)` for a real `n > -1`.
pub fn log_factorial(n: f64) -> f64 {
    if n < 0.5 { lgamma_1p(n) } else { lgamma(n + 1.0) }
}

/// Derivative of [`lgamma`]. NaN at 0, -1, -2, ...
pub fn digamma(x: f64) -> f64 {
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x <= 0.0 {
        if x == x.floor() {
            return f64::NAN;
        }
        return digamma(-x) - 1.0 / x - PI / tan_pi(x);
    }
    if x < 1.0 {
        return digamma(x + 1.0) - 1.0 / x;
    }
    if x < STIRLING {
        let (mut low, mut sum) = (x, 0.0);
        while low > 2.0 {
            low -= 1.0;
            sum += 1.0 / low;
        }
        let distance = (low - DIGAMMA_ROOT[0]) - DIGAMMA_ROOT[1];
        return distance * chebyshev(&DIGAMMA, 2.0 * low - 3.0) + sum;
    }
    let square = 1.0 / (x * x);
    let mut sum = 0.0;
    for (i, b) in BERNOULLI[..10].iter().enumerate().rev() {
        sum = (sum + b / (2.0 * (i as f64 + 1.0))) * square;
    }
    x.ln() - 0.5 / x - sum
}

/// Second derivative of [`lgamma`].
pub fn trigamma(x: f64) -> f64 {
    polygamma(1, x)
}

/// The derivative of order `order` of [`digamma`]. NaN at 0, -1, ...; negative `x` only up to order 3, NaN beyond.
pub fn polygamma(order: usize, x: f64) -> f64 {
    if order == 0 {
        return digamma(x);
    }
    if x.is_nan() || (x <= 0.0 && (x == x.floor() || order > 3)) {
        return f64::NAN;
    }
    if x < 0.0 {
        let (sin, cos) = (sin_pi(x), cos_pi(x));
        let mirrored = polygamma(order, 1.0 - x);
        return match order {
            1 => (PI / sin).powi(2) - mirrored,
            2 => mirrored - 2.0 * PI.powi(3) * cos / sin.powi(3),
            _ => 2.0 * PI.powi(4) * (1.0 + 2.0 * cos * cos) / sin.powi(4) - mirrored,
        };
    }
    let n = order as f64;
    let factorial: f64 = (1..order).map(|k| k as f64).product();
    // |psi_n(x)| = n! sum of 1/(x+k)^(n+1), every term positive: a few terms, then the asymptotic series.
    let (mut shifted, mut sum) = (x, 0.0);
    while shifted < STIRLING + n {
        sum += shifted.powi(-(order as i32) - 1);
        shifted += 1.0;
    }
    let square = 1.0 / (shifted * shifted);
    // (2k+n-1)!/(2k)! over (n-1)!, built up from k = 1.
    let mut series = 0.0;
    let mut ratio = 1.0;
    let mut power = 1.0;
    for (i, b) in BERNOULLI.iter().enumerate() {
        let k = 2.0 * (i as f64 + 1.0);
        ratio *= (k + n - 1.0) * (k + n - 2.0) / (k * (k - 1.0));
        power *= square;
        series += b * ratio * power;
    }
    let asymptotic = factorial * shifted.powi(-(order as i32)) * (1.0 + 0.5 * n / shifted + series);
    let total = factorial * n * sum + asymptotic;
    if order % 2 == 1 { total } else { -total }
}

/// `sin(pi x)`, exact at the integers.
fn sin_pi(x: f64) -> f64 {
    let r = x - 2.0 * (0.5 * x).round();
    // |r| <= 1; fold to at most one half.
    if r > 0.5 {
        (PI * (1.0 - r)).sin()
    } else if r < -0.5 {
        -(PI * (1.0 + r)).sin()
    } else {
        (PI * r).sin()
    }
}

/// `cos(pi x)`.
fn cos_pi(x: f64) -> f64 {
    let r = (x - 2.0 * (0.5 * x).round()).abs();
    if r > 0.75 { -(PI * (1.0 - r)).cos() } else { (PI * (0.5 - r)).sin() }
}

/// `tan(pi x)`.
fn tan_pi(x: f64) -> f64 {
    (PI * (x - x.round())).tan()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poles_and_limits_are_as_documented() {
        assert_eq!(lgamma(0.0), f64::INFINITY);
        assert_eq!(lgamma(-3.0), f64::INFINITY);
        assert_eq!(lgamma(1.0), 0.0);
        assert_eq!(lgamma(2.0), 0.0);
        assert!(digamma(-2.0).is_nan() && trigamma(0.0).is_nan());
        assert_eq!(log_factorial(0.0), 0.0);
    }

    #[test]
    fn each_derivative_continues_the_one_before() {
        for x in [0.03, 0.4, 1.2, 3.3, 9.7, 40.0, -0.4, -2.7] {
            let h = 1e-5 * f64::abs(x);
            let slope = |f: &dyn Fn(f64) -> f64| (f(x + h) - f(x - h)) / (2.0 * h);
            let pairs = [
                (slope(&lgamma), digamma(x)),
                (slope(&digamma), trigamma(x)),
                (slope(&trigamma), polygamma(2, x)),
                (slope(&|t| polygamma(2, t)), polygamma(3, x)),
            ];
            for (order, (numeric, exact)) in pairs.into_iter().enumerate() {
                assert!(
                    (numeric - exact).abs() < 2e-7 * exact.abs().max(1.0),
                    "order {order} at {x}: {numeric} vs {exact}"
                );
            }
        }
    }
}
