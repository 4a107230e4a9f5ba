//! Line search under the strong Wolfe conditions.

use elbo_core::Result;

use super::Function;

/// Sufficient decrease.
pub(super) const DECREASE: f64 = 1e-4;
/// Curvature.
const CURVATURE: f64 = 0.9;
const TRIALS: usize = 30;

/// A point on the line.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub step: f64,
    pub value: f64,
    /// Derivative along the line.
    pub slope: f64,
    pub x: Vec<f64>,
    pub gradient: Vec<f64>,
}

impl Point {
    /// Where the objective exists.
    fn exists(&self) -> bool {
        self.value.is_finite() && self.slope.is_finite()
    }
}

/// The objective at `x`, infinite where it does not exist.
pub(super) fn attempt(f: &mut Function<'_>, x: &[f64]) -> Result<(f64, Vec<f64>)> {
    match f(x) {
        Ok((value, gradient)) if value.is_finite() && gradient.iter().all(|g| g.is_finite()) => Ok((value, gradient)),
        Ok(_) => Ok((f64::INFINITY, vec![f64::NAN; x.len()])),
        Err(error) if error.is_recoverable() => Ok((f64::INFINITY, vec![f64::NAN; x.len()])),
        Err(error) => Err(error),
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A step in (0, `most`] that satisfies the strong Wolfe conditions, or sufficient decrease alone at `most`; `None` when there is
/// none within rounding.
///
/// # Source
/// Nocedal and Wright (2006), algorithms 3.5 and 3.6, with cubic interpolation. Deviation: a trial where the objective does not exist
/// counts as infinitely bad.
pub(super) fn wolfe(
    f: &mut Function<'_>,
    start: &Point,
    direction: &[f64],
    first: f64,
    most: f64,
) -> Result<Option<Point>> {
    let mut at = |step: f64| -> Result<Point> {
        let x: Vec<f64> = start.x.iter().zip(direction).map(|(x, d)| x + step * d).collect();
        let (value, gradient) = attempt(f, &x)?;
        Ok(Point { step, value, slope: dot(&gradient, direction), x, gradient })
    };
    let bound = |step: f64| start.value + DECREASE * step * start.slope;
    let mut old = start.clone();
    let mut step = first.min(most);
    for trial in 0..TRIALS {
        let new = at(step)?;
        if !new.exists() || new.value > bound(step) || (trial > 0 && new.value >= old.value) {
            return zoom(&mut at, start, old, new);
        }
        if new.slope.abs() <= -CURVATURE * start.slope || step >= most {
            return Ok(Some(new));
        }
        if new.slope >= 0.0 {
            return zoom(&mut at, start, new, old);
        }
        old = new;
        step = (2.0 * step).min(most);
    }
    Ok(Some(old))
}

/// Narrows the interval between `low`, the best point so far, and `high`.
fn zoom(
    at: &mut impl FnMut(f64) -> Result<Point>,
    start: &Point,
    mut low: Point,
    mut high: Point,
) -> Result<Option<Point>> {
    for _ in 0..TRIALS {
        let width = high.step - low.step;
        if width.abs() <= 1e-14 * low.step.abs().max(1e-10) {
            break;
        }
        let middle = low.step + 0.5 * width;
        let step = if high.exists() { cubic(&low, &high).unwrap_or(middle) } else { low.step + 0.2 * width };
        // Away from the ends, so that the interval shrinks.
        let (near, far) = (low.step + 0.1 * width, low.step + 0.9 * width);
        let step = step.clamp(near.min(far), near.max(far));
        let new = at(step)?;
        if !new.exists() || new.value > start.value + DECREASE * step * start.slope || new.value >= low.value {
            high = new;
        } else {
            if new.slope.abs() <= -CURVATURE * start.slope {
                return Ok(Some(new));
            }
            if new.slope * width >= 0.0 {
                high = low;
            }
            low = new;
        }
    }
    // Decrease without the curvature condition is still progress.
    Ok((low.step > 0.0).then_some(low))
}

/// Minimiser of the cubic through two values and slopes.
fn cubic(a: &Point, b: &Point) -> Option<f64> {
    let d1 = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.step - b.step);
    let square = d1 * d1 - a.slope * b.slope;
    if square.is_nan() || square < 0.0 {
        return None;
    }
    let d2 = square.sqrt() * (b.step - a.step).signum();
    let step = b.step - (b.step - a.step) * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
    step.is_finite().then_some(step)
}
