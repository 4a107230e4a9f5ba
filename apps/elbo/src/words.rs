//! Numbers and summaries as people read them.

use elbo_core::Summary;

/// A number as people read it: four significant digits, exponents only far from one.
pub fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let magnitude = value.abs();
    if !(1e-4..1e7).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let digits = (3 - magnitude.log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The objective and the metrics of a summary, an objective that is also a metric once.
pub fn found(summary: &Summary) -> impl Iterator<Item = &(String, f64)> {
    let objective = summary.objective.as_ref();
    let metrics = summary.metrics.iter().filter(move |(name, _)| objective.is_none_or(|(o, _)| o != name));
    objective.into_iter().chain(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        let shown: Vec<String> =
            [0.0, 1.0, 0.123456, -12.3456, 123456.0, 1e-9, 2.5e12].into_iter().map(number).collect();
        assert_eq!(shown, ["0", "1", "0.1235", "-12.35", "123456", "1.000e-9", "2.500e12"]);
    }
}
