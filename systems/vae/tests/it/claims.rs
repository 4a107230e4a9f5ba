//! The part of the claim that is computed by quadrature, which neither the seed nor the budget changes. The others need training to the
//! end.

use elbo_core::claim::Verdict;
use elbo_core::{Budget, Run};
use elbo_systems_vae::SYSTEMS;

#[test]
fn infovae_infers_correctly_in_a_model_of_two_points_where_the_bound_does_not() {
    let system = SYSTEMS.iter().find(|s| s.card().id == "infovae").expect("registered");
    let claim = system.claim(&mut Run::new(31).with_budget(Budget::Smoke)).unwrap();
    let exact: Vec<_> = claim.checks.iter().filter(|c| c.name.starts_with("two points: ")).collect();
    assert_eq!(exact.len(), 6);
    for check in exact {
        assert!(check.verdict == Verdict::Holds, "{check:?}");
    }
}
