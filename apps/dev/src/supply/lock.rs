//! The locked packages: where they come from, and what cargo knows about them.

use crate::cargo;
use crate::error::{DevError, Result};
use serde::Deserialize;
use std::collections::BTreeSet;

/// The one registry that packages may come from, as lock files name it.
pub const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A package of `Cargo.lock`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Absent for packages of the workspace.
    pub source: Option<String>,
    /// SHA-256 of its archive, in hexadecimal digits.
    pub checksum: Option<String>,
    /// What it depends on: names, each followed by a version where several are locked.
    #[serde(default)]
    pub dependencies: Vec<String>,
}

/// What `cargo metadata` says about a package.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// An SPDX expression.
    pub licence: Option<String>,
    /// Its folder from the workspace's root, for packages of the workspace: `crates/gp`.
    pub folder: Option<String>,
    /// Name and version requirement of each dependency that is no package of the workspace; development and build ones included.
    pub libraries: Vec<(String, String)>,
}

/// The packages of a lock file.
///
/// # Errors
/// [`DevError::Format`].
pub fn parse_lock(text: &str) -> Result<Vec<Locked>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    let lock: Lock = toml::from_str(text).map_err(|error| DevError::format("Cargo.lock", error))?;
    Ok(lock.package)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_members: Vec<String>,
    workspace_root: String,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: String,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    req: String,
    /// Set by a dependency on a folder.
    path: Option<String>,
}

/// The packages in the output of `cargo metadata`.
///
/// # Errors
/// [`DevError::Format`].
pub fn parse_metadata(text: &str) -> Result<Vec<Package>> {
    let Metadata { packages, workspace_members, workspace_root } =
        serde_json::from_str(text).map_err(|error| DevError::format("`cargo metadata`", error))?;
    let members: BTreeSet<String> = workspace_members.into_iter().collect();
    let package = |package: MetadataPackage| {
        let is_ours = members.contains(&package.id);
        let foreign = package.dependencies.into_iter().filter(|dependency| is_ours && dependency.path.is_none());
        Package {
            name: package.name,
            version: package.version,
            licence: package.license,
            folder: if is_ours { cargo::folder_of(&package.manifest_path, &workspace_root) } else { None },
            libraries: foreign.map(|dependency| (dependency.name, dependency.req)).collect(),
        }
    };
    Ok(packages.into_iter().map(package).collect())
}

/// Packages from elsewhere, without a checksum, or of which cargo says nothing.
pub fn faults(locked: &[Locked], known: &[Package]) -> Vec<String> {
    let named: BTreeSet<(&str, &str)> = known.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
    let ours: BTreeSet<&str> = known.iter().filter(|p| p.folder.is_some()).map(|p| p.name.as_str()).collect();
    let mut found = vec![];
    for Locked { name, version, source, checksum, .. } in locked {
        match source.as_deref() {
            None if ours.contains(name.as_str()) => {}
            None => found.push(format!("{name} {version} is a folder outside the workspace; take it from crates.io")),
            Some(REGISTRY) => {
                let is_pinned =
                    checksum.as_ref().is_some_and(|sum| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()));
                if !is_pinned {
                    found.push(format!(
                        "{name} {version} has no checksum in Cargo.lock; put back the line of an earlier one, or take the entry out and run \
                         `cargo update --workspace`, which leaves other versions as they are"
                    ));
                }
            }
            Some(other) => found.push(format!("{name} {version} comes from {other}; only crates.io is allowed")),
        }
        if !named.contains(&(name.as_str(), version.as_str())) {
            found.push(format!("{name} {version} is locked, but `cargo metadata` does not list it"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str, folder: Option<&str>) -> Package {
        let folder = folder.map(str::to_owned);
        Package { name: name.into(), version: "1.0.0".into(), licence: None, folder, libraries: vec![] }
    }

    #[test]
    fn a_lock_file_pins_everything_to_the_registry() {
        let sum = "0123456789abcdef".repeat(4);
        let lock = format!(
            "version = 4\n[[package]]\nname = \"elbo\"\nversion = \"1.0.0\"\ndependencies = [\"good\"]\n\
             [[package]]\nname = \"good\"\nversion = \"1.0.0\"\nsource = \"{REGISTRY}\"\nchecksum = \"{sum}\"\n\
             [[package]]\nname = \"loose\"\nversion = \"1.0.0\"\nsource = \"{REGISTRY}\"\n\
             [[package]]\nname = \"fork\"\nversion = \"1.0.0\"\nsource = \"git+https://example.org/fork#abc\"\n\
             [[package]]\nname = \"folder\"\nversion = \"1.0.0\"\n"
        );
        let known =
            [("elbo", Some("apps/elbo")), ("good", None), ("loose", None), ("fork", None)].map(|(n, f)| known(n, f));
        let locked = parse_lock(&lock).unwrap();
        assert_eq!((locked[0].dependencies.concat().as_str(), locked[1].dependencies.len()), ("good", 0));
        let found = faults(&locked, &known);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("loose 1.0.0 has no checksum"), "{found:?}");
        assert!(found[1].contains("comes from git+https://example.org/fork"), "{found:?}");
        assert!(found[2].contains("folder 1.0.0 is a folder outside"), "{found:?}");
        assert!(found[3].contains("folder 1.0.0 is locked, but"), "{found:?}");
    }

    #[test]
    fn metadata_gives_licences_and_what_we_name_ourselves() {
        let text = r#"{"workspace_root": "/w", "workspace_members": ["a"], "packages": [
            {"id": "a", "name": "elbo-gp", "version": "0.1.0", "license": "MIT", "manifest_path": "/w/crates/gp/Cargo.toml",
             "dependencies": [{"name": "elbo-core", "req": "*", "path": "/w/crates/core"}, {"name": "serde", "req": "^1"}]},
            {"id": "b", "name": "serde", "version": "1.0.0", "license": null, "manifest_path": "/r/serde/Cargo.toml",
             "dependencies": [{"name": "serde_derive", "req": "^1"}]}]}"#;
        let all = parse_metadata(text).unwrap();
        assert_eq!(all[0].folder.as_deref(), Some("crates/gp"));
        assert_eq!(all[0].libraries, [("serde".to_owned(), "^1".to_owned())]);
        assert_eq!((all[1].folder.as_deref(), all[1].libraries.len()), (None, 0));
    }
}
