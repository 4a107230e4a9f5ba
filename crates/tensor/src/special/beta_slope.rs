//! Derivatives of the regularised incomplete beta function in its shapes.

use super::{digamma, log_beta};
use std::ops::{Add, Div, Mul, Sub};

/// $(\partial I_x(a, b) / \partial a, \partial I_x(a, b) / \partial b)$; the first is not positive, the second not negative. NaN unless
/// `a, b > 0`, `0 <= x <= 1`.
///
/// The continued fraction of the function itself is evaluated with both derivatives carried along. About 12 digits where the function is
/// not within rounding of its ends.
pub fn beta_inc_shape_slopes(a: f64, b: f64, x: f64) -> (f64, f64) {
    let y = 1.0 - x;
    if a.is_nan() || b.is_nan() || a <= 0.0 || b <= 0.0 || x.is_nan() || x < 0.0 || y < 0.0 {
        return (f64::NAN, f64::NAN);
    }
    if x == 0.0 || y == 0.0 {
        return (0.0, 0.0);
    }
    if x <= (a + 1.0) / (a + b + 2.0) {
        lower(a, b, x, y)
    } else {
        // The complement is the function with the roles exchanged.
        let (by_b, by_a) = lower(b, a, y, x);
        (-by_a, -by_b)
    }
}

/// The slopes where the continued fraction converges.
fn lower(a: f64, b: f64, x: f64, y: f64) -> (f64, f64) {
    let (log_x, log_y) = if x < y { (x.ln(), (-x).ln_1p()) } else { ((-y).ln_1p(), y.ln()) };
    let front = (a * log_x + b * log_y - log_beta(a, b)).exp();
    let both = digamma(a + b);
    let fraction = continued_fraction(a, b, x, y);
    let slope = |log_front: f64, own: f64| front * (fraction.value * log_front + own);
    (slope(log_x - digamma(a) + both, fraction.by_a), slope(log_y - digamma(b) + both, fraction.by_b))
}

/// A number with its derivatives in `a` and `b`.
#[derive(Clone, Copy)]
struct Dual {
    value: f64,
    by_a: f64,
    by_b: f64,
}

fn constant(value: f64) -> Dual {
    Dual { value, by_a: 0.0, by_b: 0.0 }
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, o: Dual) -> Dual {
        Dual { value: self.value + o.value, by_a: self.by_a + o.by_a, by_b: self.by_b + o.by_b }
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, o: Dual) -> Dual {
        Dual { value: self.value - o.value, by_a: self.by_a - o.by_a, by_b: self.by_b - o.by_b }
    }
}

impl Mul for Dual {
    type Output = Dual;
    fn mul(self, o: Dual) -> Dual {
        Dual {
            value: self.value * o.value,
            by_a: self.by_a * o.value + self.value * o.by_a,
            by_b: self.by_b * o.value + self.value * o.by_b,
        }
    }
}

impl Div for Dual {
    type Output = Dual;
    fn div(self, o: Dual) -> Dual {
        let value = self.value / o.value;
        Dual { value, by_a: (self.by_a - value * o.by_a) / o.value, by_b: (self.by_b - value * o.by_b) / o.value }
    }
}

/// Didonato and Morris's continued fraction for `I_x(a, b) B(a, b) / (x^a y^b)`, as in the function itself.
fn continued_fraction(a: f64, b: f64, x: f64, y: f64) -> Dual {
    let (a, b) = (Dual { value: a, by_a: 1.0, by_b: 0.0 }, Dual { value: b, by_a: 0.0, by_b: 1.0 });
    let number = constant;
    // a - (a + b) x, through the smaller of x and y.
    let excess = if x < y { a - (a + b) * number(x) } else { (a + b) * number(y) - b };
    let lambda = excess + number(1.0);
    let mut h = a / (a + number(1.0)) * lambda;
    if h.value.abs() < 1e-300 {
        h.value = 1e-300;
    }
    let (mut c, mut d, mut n) = (h, number(0.0), 0.0);
    loop {
        n += 1.0;
        let middle = a + number(2.0 * n - 1.0);
        let w = (b - number(n)) * number(n * x);
        let alpha = (a + number(n - 1.0)) / middle * ((a + b + number(n - 1.0)) / middle) * (w * number(x));
        let beta = number(n) + w / middle + (a + number(n)) / (middle + number(2.0)) * (lambda + number(n * (1.0 + y)));
        d = number(1.0) / (beta + alpha * d);
        c = beta + alpha / c;
        let delta = c * d;
        h = h * delta;
        let settled = delta.by_a.abs().max(delta.by_b.abs()) < 1e-16 * (h.by_a / h.value).abs().max(1e-3);
        if ((delta.value - 1.0).abs() < 3e-16 && settled) || n > 1e6 {
            return number(1.0) / h;
        }
    }
}
