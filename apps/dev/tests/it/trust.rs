use elbo_dev::error::read;
use elbo_dev::markers;
use elbo_dev::trust::{LEAST_P, Outcome, Size, WITHOUT, entries, overconfident};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

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

#[test]
fn the_document_has_the_suite_s_own_words_of_every_system() {
    let page = read(Path::new("../../docs/trust.md")).unwrap();
    let suite = markers::between(&page, "trust-suite").unwrap();
    let around = page.replace(suite, "");
    for entry in entries() {
        let opening = format!("| `{}` | ", entry.system);
        if suite.contains(&opening) {
            let row = format!("{opening}{} | ", entry.test);
            assert!(suite.contains(&row), "the row of `{}` is of another test; run `elbo-dev trust`", entry.system);
        } else {
            let name = format!("`{}`", entry.system);
            assert!(around.contains(&name), "{name} has no row, and no word of why; run `elbo-dev trust`");
        }
    }
    for (id, reason) in WITHOUT {
        assert!(suite.contains(&format!("| `{id}` | {reason} |\n")), "the reason of `{id}` is another one");
    }
}
