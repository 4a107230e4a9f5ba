//! Claims in their smoke budget, where that budget is enough for the verdict. It is not for `aevb` and `iwae`, whose networks have barely
//! learned by then; that their numbers are finite is part of the conformance of every system.

use elbo_core::claim::assert_smoke_claim;
use elbo_systems_inference::SYSTEMS;

fn assert_holds(id: &str, seeds: &[u64]) {
    let system = SYSTEMS.iter().find(|s| s.card().id == id).expect("registered");
    seeds.iter().for_each(|seed| assert_smoke_claim(*system, *seed));
}

#[test]
fn fb_gvi_holds() {
    assert_holds("fb-gvi", &[31, 32]);
}

#[test]
fn flow_vi_holds() {
    assert_holds("flow-vi", &[31]);
}

#[test]
fn rsvi_holds() {
    assert_holds("rsvi", &[31]);
}

#[test]
fn coin_sampling_holds() {
    assert_holds("coin-sampling", &[31, 32]);
}
