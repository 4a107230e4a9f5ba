use elbo_dev::trust::{LEAST_P, Outcome, Size, WITHOUT, entries, overconfident};
use rayon::prelude::*;
use std::collections::BTreeMap;

#[test]
fn every_registered_system_is_tested_or_says_why_not() {
    let mut counts: BTreeMap<&str, usize> = elbo::systems().iter().map(|system| (system.card().id, 0)).collect();
    for id in entries().iter().map(|entry| entry.system).chain(WITHOUT.iter().map(|(id, _)| *id)) {
        *counts.get_mut(id).unwrap_or_else(|| panic!("`{id}` is no registered system")) += 1;
    }
    let wrong: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(
        wrong.is_empty(),
        "each system needs one test in `trust::entries`, or a reason in `trust::WITHOUT`; these are listed so often: {wrong:?}"
    );
    assert!(WITHOUT.iter().all(|(_, reason)| reason.len() > 20));
}

#[test]
fn every_system_passes_its_small_test() {
    let faults: Vec<String> = entries()
        .par_iter()
        .filter_map(|entry| {
            let outcome = entry.run(Size::Small).unwrap_or_else(|error| panic!("{}: {error}", entry.system));
            assert_ne!(outcome, Outcome::default(), "{} measured nothing", entry.system);
            outcome.fault().map(|fault| format!("{} {fault}", entry.system))
        })
        .collect();
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn an_overconfident_answer_fails_the_same_test() {
    let outcome = overconfident().run(Size::Small).unwrap();
    let p = outcome.p_value().unwrap();
    assert!(p < LEAST_P * LEAST_P && outcome.fault().is_some(), "p = {p}");
}
