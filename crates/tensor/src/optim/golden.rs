//! Functions of one number.

/// Where a function with one minimum between two numbers is least, by golden sections: each of `steps` leaves 0.618 of the interval.
/// A function is so flat at its minimum that its place is found to half the digits of a double, however many steps there are.
///
/// # Source
/// Kiefer (1953).
pub fn golden_section(mut low: f64, mut high: f64, steps: usize, f: impl Fn(f64) -> f64) -> f64 {
    let ratio = 0.5 * (5f64.sqrt() - 1.0);
    for _ in 0..steps {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if f(a) < f(b) { high = b } else { low = a }
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
}
