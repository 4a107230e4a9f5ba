//! A safeguarded Newton iteration for the inverses.

/// The root of a non-decreasing function of `u`, given with its derivative; `f` may be infinite far out.
///
/// Newton's step is taken when it stays inside the bracket, a bisection otherwise. The bracket is found by doubling.
pub(super) fn increasing_root(start: f64, f: impl Fn(f64) -> (f64, f64)) -> f64 {
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let mut u = start;
    let mut reach = 1.0;
    let mut last_step = f64::INFINITY;
    for _ in 0..200 {
        let (value, slope) = f(u);
        if value == 0.0 {
            return u;
        }
        if value > 0.0 {
            high = u
        } else {
            low = u
        }
        let newton = u - value / slope;
        let inside = newton > low && newton < high && newton.is_finite();
        let limited = if inside && (newton - u).abs() <= reach {
            newton
        } else if low.is_finite() && high.is_finite() {
            0.5 * (low + high)
        } else {
            reach *= 2.0;
            if value > 0.0 { u - reach } else { u + reach }
        };
        let step = (limited - u).abs();
        if step <= 4.0 * f64::EPSILON * u.abs().max(1e-300)
            || (inside && step >= last_step && step < 1e-13 * u.abs().max(1.0))
        {
            return limited;
        }
        last_step = step;
        u = limited;
    }
    u
}
