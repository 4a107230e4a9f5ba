//! Arithmetic at the ends of the floating-point range, where squares overflow or vanish.

/// A power of two near the largest magnitude of the values: dividing by it is exact, and squares of the quotients stay in range.
///
/// Both the power and its inverse are finite, also where all values are zero or one is infinite.
pub fn unit_of(values: impl IntoIterator<Item = f64>) -> f64 {
    let largest = values.into_iter().fold(0.0f64, |a, v| a.max(v.abs()));
    2f64.powi(largest.log2().floor().clamp(-1000.0, 1000.0) as i32)
}

/// Root of the mean square of `[N]` numbers; NaN where there are none.
pub fn root_mean_square(values: &[f64]) -> f64 {
    let unit = unit_of(values.iter().copied());
    unit * (values.iter().map(|v| (v / unit).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_of_the_largest_and_the_smallest_numbers_stay_in_range() {
        for magnitude in [1e300, 1.0, 1e-300] {
            let found = root_mean_square(&[3.0 * magnitude, -4.0 * magnitude]) / magnitude;
            assert!((found - 12.5f64.sqrt()).abs() < 1e-14, "{found} at {magnitude:e}");
        }
        assert_eq!(root_mean_square(&[0.0, 0.0]), 0.0);
        assert_eq!(root_mean_square(&[1.0, f64::INFINITY]), f64::INFINITY);
        assert!(root_mean_square(&[1.0, f64::NAN]).is_nan());
    }

    #[test]
    fn scaling_changes_no_bit_of_ordinary_numbers() {
        let values = [0.1, -7.3, 1e-5, 123.456];
        let plain = (values.iter().map(|v: &f64| v.powi(2)).sum::<f64>() / 4.0).sqrt();
        assert_eq!(root_mean_square(&values), plain);
    }
}
