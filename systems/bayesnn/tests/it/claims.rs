//! The claims in their smoke budget, with two seeds that no threshold was chosen on.

use elbo_core::claim::{Check, Verdict};
use elbo_core::{Budget, Run};
use elbo_systems_bayesnn::SYSTEMS;

/// Checks that a few hundred steps are too few for: their thresholds are those of the full budget. What is left are the linear limit
/// and the letters.
const FULL_ONLY: [&str; 4] = ["diabetes", "digits: least accuracy", "cubic: least spread", "cubic: mean nlpd"];

#[test]
fn every_claim_holds_in_a_smoke_budget_but_for_what_needs_training_to_the_end() {
    for system in SYSTEMS {
        for seed in [31, 32] {
            let claim = system.claim(&mut Run::new(seed).with_budget(Budget::Smoke)).unwrap();
            for name in FULL_ONLY {
                assert!(claim.checks.iter().any(|c| c.name.contains(name)), "no check is called `{name}`");
            }
            let (full, asked): (Vec<&Check>, Vec<&Check>) =
                claim.checks.iter().partition(|c| FULL_ONLY.iter().any(|name| c.name.contains(name)));
            assert_eq!((full.len(), asked.len()), (5, 2), "{:?}", claim.checks);
            for check in asked {
                assert!(check.verdict == Verdict::Holds, "{}, seed {seed}: {check:?}", system.card().id);
            }
        }
    }
}
