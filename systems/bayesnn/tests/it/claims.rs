//! The claims in their smoke budget, with two seeds that no threshold was chosen on.

use elbo_core::claim::Verdict;
use elbo_core::{Budget, Run};
use elbo_systems_bayesnn::SYSTEMS;

/// Checks that a few hundred steps are too few for: their thresholds are those of the full budget.
const FULL_ONLY: [&str; 4] = ["diabetes", "digits: least accuracy", "cubic: least spread", "cubic: mean nlpd"];

#[test]
fn every_claim_holds_in_a_smoke_budget_but_for_what_needs_training_to_the_end() {
    for system in SYSTEMS {
        for seed in [31, 32] {
            let claim = system.claim(&mut Run::new(seed).with_budget(Budget::Smoke)).unwrap();
            for check in &claim.checks {
                let is_full = FULL_ONLY.iter().any(|name| check.name.contains(name));
                assert!(is_full || check.verdict == Verdict::Holds, "{}, seed {seed}: {check:?}", system.card().id);
            }
        }
    }
}
