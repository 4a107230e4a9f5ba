//! Claims in their smoke budget, with seeds that no threshold was chosen on, where that budget is enough for the verdict.

use elbo_core::claim::Verdict;
use elbo_core::{Budget, Run};
use elbo_systems_inference::SYSTEMS;

/// Runs a system's smoke claim and shows every number of one that fails.
fn assert_holds(id: &str, seed: u64) {
    let system = SYSTEMS.iter().find(|s| s.card().id == id).expect("registered");
    let claim = system.claim(&mut Run::new(seed).with_budget(Budget::Smoke)).unwrap();
    let lines: Vec<String> = claim.checks.iter().map(|c| format!("{c:?}")).collect();
    assert!(claim.verdict() == Verdict::Holds, "{id}, seed {seed}:\n{}", lines.join("\n"));
}

#[test]
fn fb_gvi_holds() {
    assert_holds("fb-gvi", 31);
    assert_holds("fb-gvi", 32);
}
