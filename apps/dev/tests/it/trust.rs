use elbo_dev::error::read;
use elbo_dev::markers;
use elbo_dev::trust::{Entry, LEAST_P, Outcome, Size, WITHOUT, entries, overconfident};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn every_registered_system_is_tested_or_says_why_not() {
    let mut words: BTreeMap<&str, Vec<&str>> = elbo::systems().iter().map(|s| (s.card().id, vec![])).collect();
    let mut of = |id: &'static str, text: &'static str, may_have_others: bool| {
        let known = words.get_mut(id).unwrap_or_else(|| panic!("`{id}` is no registered system"));
        assert!(may_have_others || known.is_empty(), "`{id}` has tests, and a reason for having none");
        assert!(!known.contains(&text), "two tests of `{id}` are told in the same words: {text}");
        known.push(text);
    };
    for entry in entries() {
        of(entry.system, entry.test, true);
    }
    for (id, reason) in WITHOUT {
        of(id, reason, false);
    }
    let wrong: Vec<_> = words.iter().filter(|(_, words)| words.is_empty()).map(|(id, _)| id).collect();
    assert!(
        wrong.is_empty(),
        "each system needs a test in `trust::entries`, or a reason in `trust::WITHOUT`; these have neither: {wrong:?}"
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
    let row = |entry: &Entry| format!("| `{}` | {} | ", entry.system, entry.test);
    let known: Vec<String> = entries().iter().chain([&overconfident()]).map(row).collect();
    for entry in entries() {
        let name = format!("`{}`", entry.system);
        // Of several tests each is told in its own words, also where it has no row yet.
        let is_said =
            around.contains(entry.test) || (!suite.contains(&format!("| {name} | ")) && around.contains(&name));
        assert!(
            suite.contains(&row(&entry)) || is_said,
            "a test of {name} has no row, and no word of why; run `elbo-dev trust`: {}",
            entry.test
        );
    }
    let reasons = WITHOUT.map(|(id, reason)| format!("| `{id}` | {reason} |"));
    for line in suite.lines().filter(|line| line.starts_with("| `")) {
        let is_known = known.iter().chain(&reasons).any(|row| line.starts_with(row.as_str()));
        assert!(is_known, "this row is of another test; run `elbo-dev trust`: {line}");
    }
    for (id, reason) in WITHOUT {
        assert!(suite.contains(&format!("| `{id}` | {reason} |\n")), "the reason of `{id}` is another one");
    }
}
