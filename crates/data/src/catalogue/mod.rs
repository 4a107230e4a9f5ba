//! Published data sets: where each comes from, how it becomes a table, and the copies on this machine.
//!
//! [`get`] calls the user's own package client by name and pinned version, checks every file it takes by size and SHA-256, converts it and
//! writes `DIR/KEY/` with the data and `SOURCE.json`; nothing else is kept. Data of licence class [`LicenceClass::B`] must not be passed on.

mod convert;
mod entries;
mod fetch;
mod pairs;
mod pictures;
mod sheet;
mod store;
mod tabletop;

pub use store::{Stored, default_dir, get, locate, stored_table, verify};

use elbo_core::{Error, Result};

/// Where a package comes from, and how it is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Package {
    /// A Python wheel.
    Wheel {
        /// Package name.
        name: &'static str,
        /// Pinned version.
        version: &'static str,
    },
    /// A Python source archive.
    Sdist {
        /// Package name.
        name: &'static str,
        /// Pinned version.
        version: &'static str,
    },
    /// A package of the JavaScript registry.
    Npm {
        /// Package name.
        name: &'static str,
        /// Pinned version.
        version: &'static str,
    },
    /// A Debian package; the version is the system's own.
    Deb {
        /// Package name.
        name: &'static str,
    },
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wheel { name, version } | Self::Sdist { name, version } => write!(f, "py:{name}=={version}"),
            Self::Npm { name, version } => write!(f, "npm:{name}@{version}"),
            Self::Deb { name } => write!(f, "deb:{name}"),
        }
    }
}

/// A file taken out of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Path below the package's root.
    pub path: &'static str,
    /// First 16 hexadecimal digits of its SHA-256.
    pub sha256: &'static str,
    /// Size in bytes.
    pub bytes: u64,
}

/// Whether the data may be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LicenceClass {
    /// May be copied and shared with attribution.
    A,
    /// For use on this machine; the terms are restrictive or not stated.
    B,
}

/// A data set.
pub struct Entry {
    /// Its name on the command line.
    pub key: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Who made it.
    pub origin: &'static str,
    /// The package that carries it.
    pub package: Package,
    /// The files taken from the package.
    pub members: &'static [Member],
    /// Licence of the data, in words.
    pub licence: &'static str,
    /// Whether it may be passed on.
    pub class: LicenceClass,
    /// Number of rows after conversion.
    pub rows: usize,
    /// Names of the inputs; a single name ending in `#` (`##`) stands for columns numbered by index (row and column).
    inputs: &'static [&'static str],
    /// Number of inputs.
    pub dims: usize,
    /// Name of the column to predict, the last; empty for photographs, which have none.
    pub target: &'static str,
    /// What is changed from the original.
    pub changes: &'static str,
    convert: convert::Convert,
}

impl Entry {
    /// Column names, the target last.
    pub fn columns(&self) -> Vec<String> {
        let inputs: Vec<String> = match self.inputs {
            // Square pictures whose sides have one digit: row, then column.
            [stem] if stem.ends_with("##") => {
                let side = self.dims.isqrt();
                (0..self.dims).map(|d| format!("{}{}{}", stem.trim_end_matches('#'), d / side, d % side)).collect()
            }
            [stem] if stem.ends_with('#') => {
                (0..self.dims).map(|d| format!("{}{d}", stem.trim_end_matches('#'))).collect()
            }
            names => names.iter().map(|n| (*n).to_owned()).collect(),
        };
        inputs.into_iter().chain([self.target.to_owned()]).collect()
    }

    /// The data files under `DIR/KEY`; the first is the one to fit, save for photographs, whose folder is.
    pub fn files(&self) -> Vec<String> {
        match self.convert {
            convert::Convert::Pictures => vec!["train.npz".into(), "test.npz".into()],
            convert::Convert::Digits | convert::Convert::Faces => vec![format!("{}.npz", self.key)],
            convert::Convert::Photographs => self.members.iter().map(convert::photograph_name).collect(),
            _ => vec![format!("{}.csv.gz", self.key)],
        }
    }
}

/// Every data set that can be fetched.
pub fn catalogue() -> &'static [Entry] {
    entries::ENTRIES
}

/// The data set of this key.
///
/// # Errors
/// [`Error::Unknown`] with the nearest key.
pub fn entry(key: &str) -> Result<&'static Entry> {
    let known = || catalogue().iter().map(|e| e.key);
    catalogue().iter().find(|e| e.key == key).ok_or_else(|| Error::unknown("data key", key, known()))
}
