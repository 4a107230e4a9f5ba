//! `deny.toml`: the part of cargo-deny's schema that it uses, read strictly, and its bans, which need no cargo-deny.
//!
//! The keys are those of cargo-deny 0.18 and 0.19. A key that is not named here is refused: cargo-deny refuses those that it does not know, and
//! this check must not accept what the other one stops at. Look a new key up in cargo-deny's book before adding its field.

use super::lock::Locked;
use crate::error::{DevError, Result};
use serde::Deserialize;
use std::collections::BTreeSet;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deny {
    /// Which dependencies are looked at.
    pub graph: Graph,
    /// Published advisories: only cargo-deny knows them.
    pub advisories: Advisories,
    /// Licences: [`licence::faults`](super::licence::faults).
    pub licenses: Licences,
    /// Libraries that may not be used, or only by some: [`faults`].
    pub bans: Bans,
    /// Where packages may come from: [`lock::faults`](super::lock::faults).
    pub sources: Sources,
}

/// The section `graph`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Graph {
    /// Whether dependencies of all features are looked at.
    pub all_features: bool,
}

/// The section `advisories`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Advisories {
    /// The version of the section; 2 is the one that there is.
    pub version: Option<u8>,
    /// What follows from a version that was withdrawn.
    pub yanked: Level,
    /// Advisories that are known and do not concern us.
    pub ignore: Vec<Ignored>,
}

/// An advisory that does not concern us.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignored {
    /// Its name: `RUSTSEC-2024-0436`.
    pub id: String,
    /// Why it does not.
    pub reason: String,
}

/// The section `licenses`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Licences {
    /// The version of the section; 2 is the one that there is.
    pub version: Option<u8>,
    /// How like a licence a text must be to be taken for it.
    pub confidence_threshold: Option<f64>,
    /// The licences that are accepted, by their SPDX names.
    pub allow: BTreeSet<String>,
}

/// The section `bans`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bans {
    /// What follows from two versions of one library.
    pub multiple_versions: Level,
    /// What follows from a requirement of any version.
    pub wildcards: Level,
    /// The libraries that are banned.
    pub deny: Vec<Ban>,
}

/// A banned library.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    /// Its name; all versions are meant.
    #[serde(rename = "crate")]
    pub library: String,
    /// The packages that may depend on it directly; without any, nobody may.
    #[serde(default)]
    pub wrappers: BTreeSet<String>,
}

/// The section `sources`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sources {
    /// What follows from another registry.
    pub unknown_registry: Level,
    /// What follows from a repository.
    pub unknown_git: Level,
    /// The registries that are accepted.
    pub allow_registry: Vec<String>,
    /// The repositories that are accepted.
    pub allow_git: Vec<String>,
}

/// What follows from a finding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing.
    Allow,
    /// A sentence.
    #[default]
    Warn,
    /// The check fails.
    Deny,
}

/// Reads `deny.toml`.
///
/// # Errors
/// [`DevError::Format`] for a key or a value that is not one of those above.
pub fn parse(text: &str) -> Result<Deny> {
    toml::from_str(text).map_err(|error| DevError::format("deny.toml", error))
}

/// Banned libraries that are locked, direct users of a library that are not among those who may, and users in the list that do not use it.
pub fn faults(locked: &[Locked], bans: &Bans) -> Vec<String> {
    let mut found = vec![];
    for Ban { library, wrappers } in &bans.deny {
        if library.contains(['@', ':']) {
            found.push(format!("deny.toml bans some versions of a library, `{library}`; ban it whole"));
            continue;
        }
        let uses = |package: &&Locked| package.dependencies.iter().any(|name| first_word(name) == library);
        let users: BTreeSet<&str> = locked.iter().filter(uses).map(|package| package.name.as_str()).collect();
        if wrappers.is_empty() {
            let is_locked = locked.iter().any(|package| package.name == *library);
            let by = users.into_iter().collect::<Vec<_>>().join(", ");
            found.extend(is_locked.then(|| format!("`{library}` is locked, by {by}, and deny.toml bans it")));
            continue;
        }
        let list = || wrappers.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let strangers = users.iter().filter(|user| !wrappers.contains(**user));
        found.extend(
            strangers.map(|user| format!("{user} depends on `{library}`, which deny.toml leaves to {}", list())),
        );
        let idle = wrappers.iter().filter(|wrapper| !users.contains(wrapper.as_str()));
        found.extend(idle.map(|wrapper| format!("deny.toml leaves `{library}` to {wrapper}, which does not use it")));
    }
    found
}

/// A dependency of a lock file is a name, followed by a version where there are several.
fn first_word(dependency: &str) -> &str {
    dependency.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::read;
    use std::path::Path;

    fn locked(name: &str, dependencies: &[&str]) -> Locked {
        Locked {
            name: name.into(),
            version: "1.0.0".into(),
            source: None,
            checksum: None,
            dependencies: dependencies.iter().map(|d| (*d).to_owned()).collect(),
        }
    }

    fn bans(text: &str) -> Bans {
        parse(&format!("[bans]\ndeny = [{text}]\n")).unwrap().bans
    }

    #[test]
    fn our_own_file_is_read_whole_and_denies_what_is_strange() {
        let deny = parse(&read(Path::new("../../deny.toml")).unwrap()).unwrap();
        assert_eq!((deny.sources.unknown_registry, deny.sources.unknown_git), (Level::Deny, Level::Deny));
        assert_eq!(deny.advisories.yanked, Level::Deny);
        assert!(deny.graph.all_features && deny.licenses.allow.len() > 5 && deny.bans.deny.len() > 2);
        assert!(deny.advisories.ignore.iter().all(|one| one.id.starts_with("RUSTSEC-") && one.reason.len() > 20));
    }

    #[test]
    fn keys_that_are_gone_and_entries_without_a_reason_are_refused() {
        for text in [
            "[advisories]\nvulnerability = \"deny\"\n",
            "[licenses]\ncopyleft = \"deny\"\n",
            "[licenses.private]\nignored = true\n",
            "[bans]\nwildcards = \"forbid\"\n",
            "[bans]\ndeny = [{ wrappers = [\"a\"] }]\n",
            "[advisories]\nignore = [{ id = \"RUSTSEC-2024-0436\" }]\n",
            "targets = []\n",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn banned_libraries_strangers_and_idle_users_are_faults() {
        let packages = [
            locked("ours", &["faer 0.24.4", "serde"]),
            locked("theirs", &["faer", "curl-sys"]),
            locked("faer", &[]),
            locked("curl-sys", &[]),
        ];
        let found = faults(&packages, &bans(r#"{ crate = "faer", wrappers = ["ours"] }, { crate = "curl-sys" }"#));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("theirs depends on `faer`, which deny.toml leaves to ours"), "{found:?}");
        assert!(found[1].starts_with("`curl-sys` is locked, by theirs"), "{found:?}");

        let one = |text: &str| faults(&packages, &bans(text));
        assert_eq!(one(r#"{ crate = "openssl-sys" }"#), Vec::<String>::new());
        assert_eq!(one(r#"{ crate = "faer", wrappers = ["ours", "theirs"] }"#), Vec::<String>::new());
        assert!(one(r#"{ crate = "serde", wrappers = ["ours", "idle"] }"#)[0].contains("idle, which does not use it"));
        assert!(one(r#"{ crate = "faer@0.24" }"#)[0].contains("ban it whole"));
    }
}
