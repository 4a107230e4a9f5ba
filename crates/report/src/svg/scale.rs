//! From data to drawing coordinates, for any finite range.

/// A linear or logarithmic axis of the drawing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    pub(super) is_log: bool,
    from: f64,
    to: f64,
}

impl Scale {
    /// Data range `domain`, drawn from `from` to `to`.
    pub(super) fn new(domain: (f64, f64), is_log: bool, from: f64, to: f64) -> Self {
        let warp = |v: f64| if is_log { v.log10() } else { v };
        Self { low: warp(domain.0), high: warp(domain.1), is_log, from, to }
    }

    /// Drawing coordinate of a value. Infinite values, and zero on a logarithmic axis, lie at the end they point to.
    pub(super) fn position(&self, value: f64) -> f64 {
        let value = if self.is_log { value.max(0.0).log10() } else { value };
        // Halves, so that a range from -1e308 to 1e308 does not overflow.
        let width = 0.5 * self.high - 0.5 * self.low;
        let share = if value == f64::INFINITY {
            1.0
        } else if value == f64::NEG_INFINITY {
            0.0
        } else {
            ((0.5 * value - 0.5 * self.low) / width).clamp(0.0, 1.0)
        };
        self.from + share * (self.to - self.from)
    }

    /// Length of the axis in drawing units.
    pub(super) fn length(&self) -> f64 {
        (self.to - self.from).abs()
    }
}

/// The range an axis shows: that of the data with a margin, and something visible around a single value.
///
/// `tight` leaves out the margin, as heat maps and curves over the whole axis want.
pub(super) fn domain(extent: Option<(f64, f64)>, is_log: bool, tight: bool) -> (f64, f64) {
    let Some((low, high)) = extent else {
        return if is_log { (0.1, 10.0) } else { (0.0, 1.0) };
    };
    if is_log {
        let (a, b) = (low.log10(), high.log10());
        let margin = if b - a < 1e-9 {
            0.5
        } else if tight {
            0.0
        } else {
            0.04 * (b - a)
        };
        // 10^308.2 is the largest power that is still finite; below 10^-320 the powers lose all their digits.
        return (10f64.powf((a - margin).max(-320.0)), 10f64.powf((b + margin).min(308.2)));
    }
    let size = low.abs().max(high.abs());
    let half = 0.5 * high - 0.5 * low;
    let margin = if half <= 1e-12 * size {
        if size == 0.0 { 1.0 } else { 0.1 * size }
    } else if tight {
        0.0
    } else {
        0.08 * half
    };
    ((low - margin).max(f64::MIN), (high + margin).min(f64::MAX))
}

/// Smallest and largest of the finite values.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |so_far, v| match so_far {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_range_of_f64_fits_on_an_axis() {
        let scale = Scale::new(domain(Some((-1.7e308, 1.7e308)), false, false), false, 0.0, 100.0);
        assert!((scale.position(0.0) - 50.0).abs() < 1e-9);
        assert!(scale.position(1.7e308) > 95.0 && scale.position(1.7e308) <= 100.0);
        let log = Scale::new(domain(Some((1e-200, 1e200)), true, false), true, 0.0, 100.0);
        assert!((log.position(1.0) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn a_single_value_gets_room_on_both_sides() {
        assert_eq!(domain(Some((0.0, 0.0)), false, false), (-1.0, 1.0));
        let (low, high) = domain(Some((-5.0, -5.0)), false, true);
        assert!(low < -5.0 && high > -5.0);
        assert_eq!(domain(None, true, false), (0.1, 10.0));
    }

    #[test]
    fn infinite_ends_lie_at_the_edge() {
        let scale = Scale::new((1.0, 10.0), true, 0.0, 1.0);
        assert_eq!((scale.position(f64::INFINITY), scale.position(0.0), scale.position(-3.0)), (1.0, 0.0, 0.0));
    }
}
