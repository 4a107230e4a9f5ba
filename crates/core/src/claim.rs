//! A paper's effect as numbers with thresholds that can fail.

use serde::{Deserialize, Serialize};

/// On which side of the threshold a value must lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The value must be at least the threshold.
    AtLeast,
    /// The value must be at most the threshold.
    AtMost,
}

/// One measured number against its threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What is measured, in a few words.
    pub name: String,
    /// The number with the method.
    pub value: f64,
    /// The number without it: what a wrong or absent method gives. `None` for identities.
    pub baseline: Option<f64>,
    /// The bound.
    pub threshold: f64,
    /// The side of the bound.
    pub direction: Direction,
    /// "holds" or "fails".
    pub verdict: Verdict,
}

/// Whether a check or a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The number lies on the right side.
    Holds,
    /// It does not, or is not finite.
    Fails,
}

/// The checks of one system, with the seeds they used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The seeds that were run.
    pub seeds: Vec<u64>,
    /// The checks.
    pub checks: Vec<Check>,
}

impl Claim {
    /// A claim over these seeds.
    pub fn new(seeds: Vec<u64>) -> Self {
        Self { seeds, checks: vec![] }
    }

    /// Adds a check that `value >= threshold`.
    pub fn at_least(&mut self, name: &str, value: f64, baseline: Option<f64>, threshold: f64) {
        self.push(name, value, baseline, threshold, Direction::AtLeast);
    }

    /// Adds a check that `value <= threshold`.
    pub fn at_most(&mut self, name: &str, value: f64, baseline: Option<f64>, threshold: f64) {
        self.push(name, value, baseline, threshold, Direction::AtMost);
    }

    fn push(&mut self, name: &str, value: f64, baseline: Option<f64>, threshold: f64, direction: Direction) {
        // A NaN compares false both ways, so it fails.
        let holds = match direction {
            Direction::AtLeast => value >= threshold,
            Direction::AtMost => value <= threshold,
        };
        let verdict = if holds && value.is_finite() { Verdict::Holds } else { Verdict::Fails };
        self.checks.push(Check { name: name.into(), value, baseline, threshold, direction, verdict });
    }

    /// Holds when there are checks and every one holds.
    pub fn verdict(&self) -> Verdict {
        let holds = !self.checks.is_empty() && self.checks.iter().all(|c| c.verdict == Verdict::Holds);
        if holds { Verdict::Holds } else { Verdict::Fails }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_and_an_empty_claim_fail() {
        let mut claim = Claim::new(vec![0]);
        assert_eq!(claim.verdict(), Verdict::Fails);
        claim.at_least("ratio", 2.0, Some(1.0), 1.5);
        assert_eq!(claim.verdict(), Verdict::Holds);
        claim.at_most("error", f64::NAN, None, 1.0);
        assert_eq!(claim.verdict(), Verdict::Fails);
    }
}
