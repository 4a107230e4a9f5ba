//! The supply check: where everything we compile comes from, under which licence, and who may use it.
//!
//! | file | law |
//! |---|---|
//! | `deny.toml`, `licenses` | every locked package has a licence of its list, and each licence of the list occurs |
//! | `deny.toml`, `bans` | no banned library is locked, and those left to some packages are used by these alone |
//! | `deny.toml` as a whole | it has only keys and values that cargo-deny 0.18 and 0.19 know |
//! | `Cargo.lock` | every package comes from crates.io and is pinned by its checksum |
//! | `ARCHITECTURE.md`, table of libraries | every library that we name is explained, and only those that the table says name it |
//! | `ARCHITECTURE.md`, table of modules | `unsafe` is written in these modules only, beside the reason why it is sound |
//!
//! `cargo deny check` reads the same `deny.toml`, and knows published advisories, withdrawn versions and the texts of licences beside; this check
//! needs nothing but cargo.

pub mod deny;
pub mod libraries;
pub mod licence;
pub mod lock;
pub mod soundness;

use crate::error::{DevError, Result, read};
use crate::{cargo, markers};
use std::path::Path;

/// The document with both tables.
pub const PAGE: &str = "ARCHITECTURE.md";

/// Checks the workspace at `root`; returns a sentence for the log.
///
/// # Errors
/// [`DevError::Faults`] with one line per fault; [`DevError::Command`] when the locked packages cannot be listed.
pub fn check(root: &Path) -> Result<String> {
    // Without --offline: packages for other operating systems may have to be fetched for their licence to be known.
    let known = lock::parse_metadata(&cargo::metadata(root, &["--locked", "--all-features"])?)?;
    let locked = lock::parse_lock(&read(&root.join("Cargo.lock"))?)?;
    let rules = deny::parse(&read(&root.join("deny.toml"))?)?;
    let page = read(&root.join(PAGE))?;
    let libraries = libraries::explained(markers::between(&page, "libraries")?)?;
    let modules = soundness::allowed(markers::between(&page, "unsafe")?)?;

    let mut found = lock::faults(&locked, &known);
    found.extend(licence::faults(&known, &rules.licenses.allow));
    found.extend(deny::faults(&locked, &rules.bans));
    found.extend(libraries::faults(&known, &libraries));
    found.extend(soundness::check(root, &modules)?);
    if !found.is_empty() {
        return Err(DevError::Faults(found));
    }
    Ok(format!(
        "supply: {} packages, {} licences, {} bans, {} libraries of our own choice, unsafe code in {} modules",
        locked.len(),
        rules.licenses.allow.len(),
        rules.bans.deny.len(),
        libraries.len(),
        modules.len()
    ))
}
