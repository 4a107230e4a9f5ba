//! Quantiles of a sample.

/// The quantile of ascending values by linear interpolation (type 7); NaN of no values.
pub fn quantile(sorted: &[f64], probability: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let position = probability * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let (low, high, part) = (sorted[below], sorted[above], position - below as f64);
    // Two infinite values have no difference.
    if low == high || part == 0.0 { low } else { low + part * (high - low) }
}
