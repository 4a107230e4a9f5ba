//! The layer check: dependencies between the workspace's packages point downwards only.
//!
//! ```text
//! core ─> linalg ─> tensor ─> dist ─┬─> gp ─> markov ─┐
//!                                   ├─> infer ────────┼─> decide
//!                                   └─> nn(infer) ────┴─> diffusion, codec, splat
//! core ─> data, report
//! core ─> picture ─> nn, diffusion, codec, splat
//! systems/* ─> any of crates/        never systems/* ─> systems/*
//! apps/*    ─> systems/*, data, report, core
//! ```
//! `apps/elbo`, the facade, re-exports crates, so it may name them all; the other front ends may name the facade. Development
//! dependencies obey the same arrows. To add a crate, add its line to [`CRATES`].

use crate::cargo;
use crate::error::{DevError, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Every crate and the crates it may name: all that stand left of it in the picture.
pub const CRATES: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("linalg", &["core"]),
    ("tensor", &["core", "linalg"]),
    ("dist", &["core", "linalg", "tensor"]),
    ("gp", &["core", "linalg", "tensor", "dist"]),
    ("markov", &["core", "linalg", "tensor", "dist", "gp"]),
    ("infer", &["core", "linalg", "tensor", "dist"]),
    ("picture", &["core"]),
    ("nn", &["core", "linalg", "tensor", "dist", "infer", "picture"]),
    ("splat", &["core", "linalg", "tensor", "dist", "infer", "nn", "picture"]),
    ("decide", &["core", "linalg", "tensor", "dist", "gp", "markov", "infer", "nn"]),
    ("diffusion", &["core", "linalg", "tensor", "dist", "gp", "markov", "infer", "nn", "picture"]),
    ("codec", &["core", "linalg", "tensor", "dist", "gp", "markov", "infer", "nn", "picture"]),
    ("data", &["core"]),
    ("report", &["core"]),
];

/// One package of the workspace.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// `elbo-gp`.
    pub name: String,
    /// Its folder from the workspace's root: `crates/gp`.
    pub folder: String,
    /// Names of all its dependencies, development and build ones included.
    pub dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: String,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: String,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
}

/// Reads the manifest graph that `cargo metadata` prints for the workspace at `root`.
///
/// # Errors
/// [`DevError::Command`] when cargo fails, [`DevError::Format`] when its output is not understood.
pub fn packages(root: &Path) -> Result<Vec<Package>> {
    parse(&cargo::metadata(root, &["--no-deps", "--offline"])?)
}

/// The packages in `cargo metadata`'s output.
///
/// # Errors
/// [`DevError::Format`].
pub fn parse(metadata: &str) -> Result<Vec<Package>> {
    let metadata: Metadata =
        serde_json::from_str(metadata).map_err(|error| DevError::format("`cargo metadata`", error))?;
    let package = |package: MetadataPackage| {
        let folder = cargo::folder_of(&package.manifest_path, &metadata.workspace_root)
            .ok_or_else(|| DevError::format(&package.manifest_path, "it is outside the workspace"))?;
        let dependencies = package.dependencies.into_iter().map(|dependency| dependency.name).collect();
        Ok(Package { name: package.name, folder, dependencies })
    };
    metadata.packages.into_iter().map(package).collect()
}

/// Every fault of the graph, one sentence each; empty when all arrows are allowed.
pub fn faults(packages: &[Package]) -> Vec<String> {
    let folders: BTreeMap<&str, &str> = packages.iter().map(|p| (p.name.as_str(), p.folder.as_str())).collect();
    let mut found = Vec::new();
    for Package { name, folder, dependencies } in packages {
        if let Err(fault) = check_place(name, folder) {
            found.push(fault);
            continue;
        }
        for dependency in dependencies {
            if let Some(target) = folders.get(dependency.as_str())
                && let Err(rule) = check_arrow(folder, target)
            {
                found.push(format!("{folder} depends on {target}, but {rule}"));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// A package is named after its folder, and a crate stands in the table.
fn check_place(name: &str, folder: &str) -> Result<(), String> {
    let expected = match folder.split_once('/') {
        Some(("crates", short)) if CRATES.iter().any(|(known, _)| *known == short) => format!("elbo-{short}"),
        Some(("crates", _)) => return Err(format!("{folder} has no place in the layers; add it to `CRATES`")),
        Some(("systems", short)) => format!("elbo-systems-{short}"),
        Some(("apps", "elbo")) => "elbo".into(),
        Some(("apps", short)) => format!("elbo-{short}"),
        _ => return Err(format!("{folder} is in none of crates/, systems/, apps/")),
    };
    if name == expected { Ok(()) } else { Err(format!("{folder} is named `{name}`; its folder asks for `{expected}`")) }
}

/// Whether the package in folder `from` may depend on the one in folder `to`; the rule it breaks otherwise.
fn check_arrow(from: &str, to: &str) -> Result<(), String> {
    if from == to {
        return Ok(()); // A package's tests may switch on its own features.
    }
    let kind = |folder: &str| folder.split_once('/').map(|(kind, short)| (kind.to_owned(), short.to_owned()));
    let (Some((from_kind, from_name)), Some((to_kind, to_name))) = (kind(from), kind(to)) else {
        return Err("a folder is in none of the layers".into());
    };
    match (from_kind.as_str(), to_kind.as_str()) {
        ("crates", "crates") => {
            let (_, allowed) = CRATES.iter().find(|(name, _)| *name == from_name).expect("checked by its place");
            let list = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
            if allowed.contains(&to_name.as_str()) { Ok(()) } else { Err(format!("of the crates it may name: {list}")) }
        }
        ("crates", _) => Err("crates know neither systems nor front ends".into()),
        ("systems", "crates") => Ok(()),
        ("systems", "systems") => Err("a system never names another; what two share moves down into crates/".into()),
        ("systems", _) => Err("systems do not know the front ends".into()),
        ("apps", "systems") => Ok(()),
        ("apps", "crates") if from_name == "elbo" || ["core", "data", "report"].contains(&to_name.as_str()) => Ok(()),
        ("apps", "crates") => {
            Err("of the crates a front end may name core, data, report; the rest is in `elbo`".into())
        }
        ("apps", "apps") if to_name == "elbo" => Ok(()),
        _ => Err("front ends do not know each other, except for the facade".into()),
    }
}

/// Checks the workspace at `root`; returns a sentence for the log.
///
/// # Errors
/// [`DevError::Faults`] with one line per arrow that is not allowed.
pub fn check(root: &Path) -> Result<String> {
    let packages = packages(root)?;
    let found = faults(&packages);
    if !found.is_empty() {
        return Err(DevError::Faults(found));
    }
    let arrows: usize = packages
        .iter()
        .map(|package| package.dependencies.iter().filter(|name| packages.iter().any(|p| p.name == **name)).count())
        .sum();
    Ok(format!("layers: {} packages, {arrows} arrows, all pointing down", packages.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, dependencies: &[&str]) -> Package {
        let (kind, short) = folder.split_once('/').unwrap();
        let name = match (kind, short) {
            ("systems", _) => format!("elbo-systems-{short}"),
            (_, "elbo") => "elbo".into(),
            _ => format!("elbo-{short}"),
        };
        Package { name, folder: folder.into(), dependencies: dependencies.iter().map(|d| (*d).into()).collect() }
    }

    fn house(extra: Package) -> Vec<Package> {
        let mut all = vec![
            package("crates/core", &["serde"]),
            package("crates/linalg", &["elbo-core", "faer"]),
            package("crates/tensor", &["elbo-core", "elbo-linalg"]),
            package("crates/dist", &["elbo-core", "elbo-tensor"]),
            package("crates/gp", &["elbo-dist", "elbo-core"]),
            package("crates/report", &["elbo-core"]),
            package("systems/stats", &["elbo-core", "elbo-dist"]),
            package("systems/gp", &["elbo-core", "elbo-gp"]),
            package("apps/elbo", &["elbo-gp", "elbo-systems-gp"]),
            package("apps/cli", &["elbo", "elbo-report", "elbo-core"]),
        ];
        all.retain(|p| p.folder != extra.folder);
        all.push(extra);
        all
    }

    #[track_caller]
    fn only_fault(extra: Package, part: &str) {
        let found = faults(&house(extra));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(part), "{found:?}");
    }

    #[test]
    fn the_allowed_arrows_have_no_fault() {
        assert_eq!(faults(&house(package("apps/dev", &["elbo", "clap"]))), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_that_points_up_or_sideways_is_a_fault() {
        only_fault(package("crates/linalg", &["elbo-tensor"]), "crates/linalg depends on crates/tensor");
        only_fault(package("crates/report", &["elbo-dist"]), "crates/report depends on crates/dist");
        only_fault(package("crates/core", &["elbo-systems-gp"]), "crates know neither systems");
    }

    #[test]
    fn a_system_that_names_another_system_is_a_fault() {
        only_fault(package("systems/gp", &["elbo-systems-stats"]), "never names another");
        only_fault(package("systems/gp", &["elbo"]), "do not know the front ends");
    }

    #[test]
    fn a_front_end_reaches_the_mathematics_through_the_facade() {
        only_fault(package("apps/dev", &["elbo-gp"]), "the rest is in `elbo`");
        only_fault(package("apps/dev", &["elbo-cli"]), "except for the facade");
    }

    #[test]
    fn a_crate_outside_the_table_and_a_wrong_name_are_faults() {
        only_fault(package("crates/misc", &[]), "has no place in the layers");
        let misnamed = Package { name: "gaussian".into(), ..package("crates/infer", &[]) };
        only_fault(misnamed, "asks for `elbo-infer`");
    }

    #[test]
    fn the_table_has_no_cycle() {
        for (at, (name, allowed)) in CRATES.iter().enumerate() {
            for lower in *allowed {
                assert!(CRATES[..at].iter().any(|(earlier, _)| earlier == lower), "{name} -> {lower}");
            }
        }
    }
}
