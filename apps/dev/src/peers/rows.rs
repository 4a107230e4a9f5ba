//! One measurement as every script prints it, and the summary of several.

use crate::error::{DevError, Result};
use serde::{Deserialize, Serialize};

/// One line of JSON from a peer or from `elbo-dev time`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `elbo`, `gpytorch`, `sklearn`, `jax`, `torch`.
    pub engine: String,
    /// The engine's version.
    pub version: String,
    /// What was timed: `gp-nll`, ...
    pub work: String,
    /// Rows, batch or rounds, as the work says.
    pub size: usize,
    /// Threads it was allowed.
    pub threads: usize,
    /// Median of the repeats, in milliseconds.
    pub median_ms: f64,
    /// Fastest repeat, in milliseconds.
    pub min_ms: f64,
    /// How often it ran.
    pub repeats: usize,
    /// Cores that other processes kept busy meanwhile; absent where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_cores: Option<f64>,
    /// What was computed, to compare with the other engines; absent when only the time is of interest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Evaluations of the objective, for a fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluations: Option<usize>,
    /// Derivatives of the value, where they were timed with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gradient: Vec<f64>,
}

impl Row {
    /// The one row in a script's output.
    ///
    /// # Errors
    /// [`DevError::Format`] unless exactly one line is a row.
    pub fn parse(output: &str, script: &str) -> Result<Self> {
        let mut lines = output.lines().filter(|line| line.starts_with('{'));
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(DevError::format(format!("output of {script}"), "expected one line of JSON"));
        };
        serde_json::from_str(line).map_err(|error| DevError::format(format!("output of {script}"), error))
    }
}

/// The middle value; the mean of the two middle ones for an even count.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[middle],
        _ => 0.5 * (sorted[middle - 1] + sorted[middle]),
    }
}

/// The rounds of one engine at one size: median of medians, fastest of all, the busiest neighbour.
///
/// # Panics
/// Without rows: a round always measures.
pub fn summarise(rounds: &[Row]) -> Row {
    let medians: Vec<f64> = rounds.iter().map(|row| row.median_ms).collect();
    Row {
        median_ms: median(&medians),
        min_ms: rounds.iter().map(|row| row.min_ms).fold(f64::INFINITY, f64::min),
        repeats: rounds.iter().map(|row| row.repeats).sum(),
        foreign_cores: rounds.iter().filter_map(|row| row.foreign_cores).reduce(f64::max),
        ..rounds.last().expect("a round always measures").clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(median_ms: f64, foreign_cores: f64) -> Row {
        let line = format!(
            r#"{{"engine": "jax", "version": "1", "work": "svgp-step", "size": 4, "threads": 2, "median_ms": {median_ms},
            "min_ms": 1.5, "repeats": 3, "foreign_cores": {foreign_cores}, "value": -3.5, "optax": "0.2"}}"#
        );
        Row::parse(&format!("a warning\n{}\n", line.replace('\n', " ")), "jax.py").unwrap()
    }

    #[test]
    fn a_row_is_found_among_other_output_and_unknown_fields_are_ignored() {
        assert_eq!(row(2.0, 0.1).value, Some(-3.5));
        assert!(Row::parse("nothing", "x.py").unwrap_err().to_string().contains("output of x.py"));
    }

    #[test]
    fn rounds_are_summarised_by_the_median_and_the_worst_neighbour() {
        let all = summarise(&[row(4.0, 0.1), row(2.0, 0.7), row(3.0, 0.0)]);
        assert_eq!((all.median_ms, all.repeats, all.foreign_cores), (3.0, 9, Some(0.7)));
        assert_eq!(median(&[1.0, 2.0]), 1.5);
    }
}
