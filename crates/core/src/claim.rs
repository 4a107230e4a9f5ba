//! A paper's effect as numbers with thresholds that can fail.

use crate::error::Error;
use crate::run::{Budget, Run};
use crate::system::AnySystem;
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

/// A check that was not made, because something it needs is absent on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// What would have been measured.
    pub name: String,
    /// What is absent, and how to get it.
    pub reason: String,
}

/// The checks of one system, with the seeds they used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The seeds that were run.
    pub seeds: Vec<u64>,
    /// The checks.
    pub checks: Vec<Check>,
    /// Checks that were not made. They leave the verdict as it is, and are shown beside it.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
}

impl Claim {
    /// A claim over these seeds.
    pub fn new(seeds: Vec<u64>) -> Self {
        Self { seeds, ..Self::default() }
    }

    /// Says that a check was not made since something is absent; `absence` names it and its remedy.
    pub fn skip(&mut self, name: &str, absence: &Error) {
        let reason = format!("{absence}; {}", absence.remedy());
        self.skipped.push(Skipped { name: name.into(), reason });
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

/// Runs a system's claim in the smoke budget and shows every number of one that fails: for the tests of a family, through
/// [`claim_tests!`](crate::claim_tests).
///
/// # Panics
/// When the claim fails, or its run does.
pub fn assert_smoke_claim(system: &dyn AnySystem, seed: u64) {
    let id = system.card().id;
    let claim = match system.claim(&mut Run::new(seed).with_budget(Budget::Smoke)) {
        Ok(claim) => claim,
        Err(error) => panic!("{id}, seed {seed}: {error}; {}", error.remedy()),
    };
    let lines: Vec<String> = claim.checks.iter().map(|c| format!("{c:?}")).collect();
    assert!(claim.verdict() == Verdict::Holds, "{id}, seed {seed}:\n{}", lines.join("\n"));
}

/// Tests of a family's smoke claims: one a system, each with these seeds, and one that no registered system is left out.
///
/// ```ignore
/// elbo_core::claim_tests! { elbo_systems_gp::SYSTEMS, seeds [31, 32]; gpr_holds: "gpr", sgpr_holds: "sgpr" }
/// ```
#[macro_export]
macro_rules! claim_tests {
    ($systems:expr, seeds $seeds:expr; $($name:ident: $id:literal),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                let system = $systems.iter().find(|s| s.card().id == $id).expect("registered");
                for seed in $seeds {
                    $crate::claim::assert_smoke_claim(*system, seed);
                }
            }
        )*

        #[test]
        fn every_registered_system_has_a_claim_test() {
            let listed = [$($id),*];
            for system in $systems {
                assert!(listed.contains(&system.card().id), "{} has no claim test", system.card().id);
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_and_an_empty_claim_fail_and_a_skipped_check_does_not() {
        let mut claim = Claim::new(vec![0]);
        assert_eq!(claim.verdict(), Verdict::Fails);
        claim.at_least("ratio", 2.0, Some(1.0), 1.5);
        assert_eq!(claim.verdict(), Verdict::Holds);
        claim.skip("on real data", &Error::data("data set `a` is not here", "run `elbo data get a`"));
        assert_eq!((claim.verdict(), claim.skipped.len()), (Verdict::Holds, 1));
        assert!(claim.skipped[0].reason.ends_with("not here; run `elbo data get a`"), "{:?}", claim.skipped);
        claim.at_most("error", f64::NAN, None, 1.0);
        assert_eq!(claim.verdict(), Verdict::Fails);
    }
}
