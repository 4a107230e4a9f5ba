//! Derivatives of the regularised incomplete gamma function in its shape.

use super::{digamma, lgamma};

/// $\partial P(a, x) / \partial a$ of the lower regularised incomplete gamma function; not positive. NaN unless `a > 0` and `x >= 0`.
pub fn gamma_p_shape_slope(a: f64, x: f64) -> f64 {
    if x == 0.0 || x == f64::INFINITY {
        return if a > 0.0 { 0.0 } else { f64::NAN };
    }
    let log_x = x.ln();
    -gamma_log_quantile_slope(a, log_x) * (a * log_x - x - lgamma(a)).exp()
}

/// $\partial \log x / \partial a$ at constant `P(a, x)`: how the logarithm of a gamma quantile moves with the shape. Takes `log x`, so
/// that it holds where `x` underflows. Positive; NaN unless `a > 0`.
///
/// $$ \frac{\partial \log x}{\partial a} = -\frac{\partial P(a, x)/\partial a}{x^a e^{-x} / \Gamma(a)} $$
///
/// The power series is differentiated term by term below `a + 1`, Legendre's continued fraction above, where nothing cancels.
pub fn gamma_log_quantile_slope(a: f64, log_x: f64) -> f64 {
    if a.is_nan() || a <= 0.0 || a == f64::INFINITY || log_x.is_nan() {
        return f64::NAN;
    }
    let x = log_x.exp();
    if x < a + 1.0 {
        // P = x^a e^-x / Gamma(a + 1) * S with S = sum of x^n / ((a + 1) ... (a + n)).
        let (mut term, mut log_slope, mut sum, mut slope, mut n) = (1.0, 0.0, 1.0, 0.0, a);
        while term * (1.0 - log_slope) > 1e-17 * (sum - slope) {
            n += 1.0;
            term *= x / n;
            log_slope -= 1.0 / n;
            sum += term;
            slope += term * log_slope;
        }
        (sum * (digamma(a + 1.0) - log_x) - slope) / a
    } else {
        let (value, slope) = continued_fraction(a, x);
        value * (log_x - digamma(a)) + slope
    }
}

/// $\Gamma(a, x) / (x^a e^{-x})$ and its derivative in `a`, by Lentz's method with the derivative carried along.
fn continued_fraction(a: f64, x: f64) -> (f64, f64) {
    let mut b = x + 1.0 - a;
    let (mut c, mut c1) = (f64::INFINITY, 0.0);
    let (mut d, mut d1) = (1.0 / b, 1.0 / (b * b));
    let (mut h, mut h1) = (d, d1);
    let mut i = 0.0;
    loop {
        i += 1.0;
        let (an, an1) = (-i * (i - a), i);
        b += 2.0;
        // The derivative of b in a is -1.
        let (e, e1) = (an * d + b, an1 * d + an * d1 - 1.0);
        (d, d1) = (1.0 / e, -e1 / (e * e));
        (c, c1) = if c.is_finite() { (b + an / c, -1.0 + an1 / c - an * c1 / (c * c)) } else { (b, -1.0) };
        let (delta, delta1) = (c * d, c1 * d + c * d1);
        (h, h1) = (h * delta, h1 * delta + h * delta1);
        if (delta - 1.0).abs() < 2e-16 && (delta1 * h).abs() < 2e-16 * h1.abs() {
            return (h, h1);
        }
        if i > 1e6 {
            // A factor that rounds back and forth around one has converged as far as it can.
            return (h, h1);
        }
    }
}

/// $\partial Q(a, x) / \partial a$, the negative of [`gamma_p_shape_slope`].
pub fn gamma_q_shape_slope(a: f64, x: f64) -> f64 {
    -gamma_p_shape_slope(a, x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::{gamma_p, gamma_q};

    #[test]
    fn slopes_agree_with_differences_of_both_tails() {
        for (a, x) in [(0.3, 0.2), (0.3, 2.0), (2.5, 1.0), (2.5, 6.0), (40.0, 35.0), (40.0, 55.0)] {
            let h = 1e-5 * a;
            let lower = (gamma_p(a + h, x) - gamma_p(a - h, x)) / (2.0 * h);
            let upper = (gamma_q(a + h, x) - gamma_q(a - h, x)) / (2.0 * h);
            let exact = gamma_p_shape_slope(a, x);
            assert!((lower - exact).abs() < 1e-8 && (upper + exact).abs() < 1e-8, "{a}, {x}: {lower} {upper} {exact}");
        }
    }
}
