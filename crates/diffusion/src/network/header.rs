//! The header of a safetensors file: what its arrays are called and where they stand. It is written anew without a look at the numbers.

use elbo_core::{Error, Result};
use serde_json::{Map, Value};

/// The key of a header that is no array.
const METADATA: &str = "__metadata__";

/// What the arrays of a file are called, with their entries.
pub(crate) struct Header {
    entries: Map<String, Value>,
}

impl Header {
    /// The header of a file, and its numbers.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for a file without one.
    pub(crate) fn read(file: &[u8]) -> Result<(Self, &[u8])> {
        let damaged = || Error::model_file("the weights have no header", "give a complete safetensors file");
        let length = file.first_chunk().map(|b| u64::from_le_bytes(*b)).ok_or_else(damaged)?;
        let end = usize::try_from(length).ok().and_then(|n| n.checked_add(8)).ok_or_else(damaged)?;
        let text = file.get(8..end).ok_or_else(damaged)?;
        Ok((Self { entries: serde_json::from_slice(text).map_err(|_| damaged())? }, &file[end..]))
    }

    /// The file with this header and these numbers.
    pub(crate) fn with(&self, numbers: &[u8]) -> Vec<u8> {
        let mut text = serde_json::to_vec(&self.entries).expect("a header is plain data");
        text.resize(text.len().next_multiple_of(8), b' ');
        [&(text.len() as u64).to_le_bytes()[..], &text, numbers].concat()
    }

    /// Names of the arrays.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str).filter(|name| *name != METADATA)
    }

    /// Whether there is an array of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        name != METADATA && self.entries.contains_key(name)
    }

    /// The sizes of an array's axes.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let axes = self.entries.get(name)?["shape"].as_array()?;
        axes.iter().map(|n| n.as_u64().and_then(|n| usize::try_from(n).ok())).collect()
    }

    /// A text of the metadata.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.entries.get(METADATA)?[key].as_str()
    }

    /// The same with the arrays under other names, and their entries changed.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for two arrays that get one name.
    pub(crate) fn renamed(self, mut change: impl FnMut(String, &mut Value) -> String) -> Result<Self> {
        let count = self.entries.len();
        let of = |(name, mut entry): (String, Value)| {
            let name = if name == METADATA { name } else { change(name, &mut entry) };
            (name, entry)
        };
        let entries: Map<String, Value> = self.entries.into_iter().map(of).collect();
        if entries.len() < count {
            return Err(Error::model_file("the weights have arrays under old and new names", "leave one of each out"));
        }
        Ok(Self { entries })
    }

    /// The same without a part in front of the names that have it, as wrappers of PyTorch put it there.
    ///
    /// # Errors
    /// As [`Header::renamed`].
    pub(crate) fn without(self, front: &str) -> Result<Self> {
        self.renamed(|name, _| name.strip_prefix(front).map_or(name.clone(), str::to_owned))
    }

    /// The first few names, for messages.
    pub(crate) fn first_names(&self) -> String {
        let names: Vec<String> = self.names().take(3).map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "nothing".into() } else { names.join(", ") }
    }
}
