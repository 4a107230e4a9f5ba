//! Functions of one number.

/// Where a function with one minimum between two numbers is least, by golden sections: each of `steps` leaves 0.618 of the interval.
/// A function is so flat at its minimum that its place is found to half the digits of a double, however many steps there are.
///
/// # Source
/// Kiefer (1953).
pub fn golden_section(mut low: f64, mut high: f64, steps: usize, f: impl Fn(f64) -> f64) -> f64 {
    let ratio = 0.5 * (5f64.sqrt() - 1.0);
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_a, mut at_b) = (f(a), f(b));
    for _ in 0..steps {
        // One of the inner points is an inner point of what is left.
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - ratio * (high - low);
            at_a = f(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + ratio * (high - low);
            at_b = f(b);
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_is_found_inside_and_at_the_ends() {
        let at = |place: f64| golden_section(-2.0, 3.0, 60, |x| (x - place).powi(2) + 1.0);
        // A square root of the rounding of a value of one.
        assert!((at(0.7) - 0.7).abs() < 1e-7);
        assert!((at(-5.0) + 2.0).abs() < 1e-9 && (at(5.0) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_step_takes_one_evaluation() {
        let count = std::cell::Cell::new(0);
        let f = |x: f64| {
            count.set(count.get() + 1);
            (x - 0.7).abs()
        };
        // Far beyond the digits of a double, too.
        assert!((golden_section(-2.0, 3.0, 200, f) - 0.7).abs() < 1e-12);
        assert_eq!(count.get(), 202);
    }
}
