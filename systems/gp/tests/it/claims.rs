//! Every system's claim in its smoke budget, with two seeds that no threshold was chosen on.

use elbo_core::claim::Verdict;
use elbo_core::{Budget, Run};
use elbo_systems_gp::SYSTEMS;

/// Runs a system's smoke claim and shows every number of one that fails.
fn assert_holds(id: &str, seed: u64) {
    let system = SYSTEMS.iter().find(|s| s.card().id == id).expect("registered");
    let claim = system.claim(&mut Run::new(seed).with_budget(Budget::Smoke)).unwrap();
    let lines: Vec<String> = claim.checks.iter().map(|c| format!("{c:?}")).collect();
    assert!(claim.verdict() == Verdict::Holds, "{id}, seed {seed}:\n{}", lines.join("\n"));
}

macro_rules! claims {
    ($($name:ident: $id:literal),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                assert_holds($id, 31);
                assert_holds($id, 32);
            }
        )*

        #[test]
        fn every_registered_system_is_listed_here() {
            let listed = [$($id),*];
            for system in SYSTEMS {
                assert!(listed.contains(&system.card().id), "{} has no claim test", system.card().id);
            }
        }
    };
}

claims! {
    gpr_holds: "gpr",
    sgpr_holds: "sgpr",
    svgp_holds: "svgp",
    bayesian_gpr_holds: "bayesian-gpr",
    cvi_ep_hyper_holds: "cvi-ep-hyper",
    cvtgp_holds: "cvtgp",
    memory_dual_gp_holds: "memory-dual-gp",
    sdd_gp_holds: "sdd-gp",
    scale_mixture_nngp_holds: "scale-mixture-nngp",
}
