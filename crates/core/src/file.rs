//! The model file: one safetensors file whose metadata rebuild the model, refused with a reason when damaged or foreign.

use crate::error::{Error, Result};
use crate::read::read_file;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// The newest format this program reads and the one it writes.
pub const FORMAT: u64 = 1;

/// The single metadata key, so that the file's bytes do not depend on a hash map's order.
const KEY: &str = "elbo";

/// Named arrays and named facts, in memory or on disk.
///
/// ```
/// use elbo_core::ModelFile;
/// let mut file = ModelFile::new("gpr");
/// file.put("alpha", &[2], &[1.0, f64::MIN_POSITIVE]);
/// let back = ModelFile::from_bytes(&file.to_bytes()).unwrap();
/// assert_eq!(back.get("alpha").unwrap(), [1.0, f64::MIN_POSITIVE]);
/// assert_eq!(back.system(), "gpr");
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelFile {
    facts: Map<String, Value>,
    arrays: BTreeMap<String, Stored>,
}

#[derive(Debug, Clone, PartialEq)]
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl ModelFile {
    /// An empty file of this system.
    pub fn new(system: &str) -> Self {
        let mut file = Self::default();
        file.set("format", &FORMAT);
        file.set("version", &env!("CARGO_PKG_VERSION"));
        file.set("system", &system);
        file
    }

    /// The id of the system that wrote the file.
    pub fn system(&self) -> &str {
        self.facts.get("system").and_then(Value::as_str).unwrap_or_default()
    }

    /// Stores a fact; any plain data.
    pub fn set(&mut self, key: &str, value: &impl Serialize) {
        self.facts.insert(key.into(), serde_json::to_value(value).expect("facts are plain data"));
    }

    /// A stored fact.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when it is absent or of another type.
    pub fn fact<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let value = self.facts.get(key).cloned().unwrap_or(Value::Null);
        serde_json::from_value(value).map_err(|cause| {
            Error::model_file(
                format!("the model file's entry `{key}` is missing or of another type ({cause})"),
                "fit the model again with this version",
            )
        })
    }

    /// Whether a fact is stored under this key.
    pub fn has(&self, key: &str) -> bool {
        self.facts.contains_key(key)
    }

    /// Stores real numbers, bit for bit.
    pub fn put(&mut self, name: &str, shape: &[usize], values: &[f64]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.insert(name, Dtype::F64, shape, bytes, values.len());
    }

    /// Stores single-precision numbers, bit for bit.
    pub fn put_f32(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.insert(name, Dtype::F32, shape, bytes, values.len());
    }

    /// Stores integers.
    pub fn put_i64(&mut self, name: &str, shape: &[usize], values: &[i64]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.insert(name, Dtype::I64, shape, bytes, values.len());
    }

    fn insert(&mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>, count: usize) {
        assert_eq!(shape.iter().product::<usize>(), count, "array `{name}` of shape {shape:?} needs as many values");
        self.arrays.insert(name.into(), Stored { dtype, shape: shape.into(), bytes });
    }

    /// Stored real numbers.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when they are absent or of another type.
    pub fn get(&self, name: &str) -> Result<Vec<f64>> {
        let bytes = self.bytes_of(name, Dtype::F64)?;
        Ok(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect())
    }

    /// Stored single-precision numbers.
    ///
    /// # Errors
    /// As [`ModelFile::get`].
    pub fn get_f32(&self, name: &str) -> Result<Vec<f32>> {
        let bytes = self.bytes_of(name, Dtype::F32)?;
        Ok(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    /// Stored integers.
    ///
    /// # Errors
    /// As [`ModelFile::get`].
    pub fn get_i64(&self, name: &str) -> Result<Vec<i64>> {
        let bytes = self.bytes_of(name, Dtype::I64)?;
        Ok(bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
    }

    /// Stored real numbers that a model is rebuilt from: of this shape, and finite. The checksum says that nobody damaged the file, not that
    /// what somebody wrote into it makes a model.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when they are absent, of another type or shape, or not finite.
    pub fn get_as(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>> {
        let values = self.get(name)?;
        self.check_shape(name, shape)?;
        all_finite(name, values.iter().all(|v| v.is_finite()))?;
        Ok(values)
    }

    /// The same in single precision.
    ///
    /// # Errors
    /// As [`ModelFile::get_as`].
    pub fn get_f32_as(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let values = self.get_f32(name)?;
        self.check_shape(name, shape)?;
        all_finite(name, values.iter().all(|v| v.is_finite()))?;
        Ok(values)
    }

    /// Rows of a stored array `[rows, ...]` whose other axes are these: for arrays whose length the file alone knows.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when it is absent or has other axes.
    pub fn rows(&self, name: &str, axes: &[usize]) -> Result<usize> {
        match self.shape(name)? {
            [rows, others @ ..] if others == axes => Ok(*rows),
            found => Err(Error::misfit(format!("array `{name}` has the shape {found:?}, not rows of {axes:?}"))),
        }
    }

    fn check_shape(&self, name: &str, shape: &[usize]) -> Result<()> {
        match self.shape(name)? {
            found if found == shape => Ok(()),
            found => Err(Error::misfit(format!("array `{name}` has the shape {found:?}, not {shape:?}"))),
        }
    }

    /// The shape of a stored array.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when it is absent.
    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        self.arrays.get(name).map(|a| a.shape.as_slice()).ok_or_else(|| absent(name))
    }

    /// Names of the stored arrays, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// Names of the stored facts.
    pub fn facts(&self) -> impl Iterator<Item = &str> {
        self.facts.keys().map(String::as_str)
    }

    fn bytes_of(&self, name: &str, dtype: Dtype) -> Result<&[u8]> {
        let stored = self.arrays.get(name).ok_or_else(|| absent(name))?;
        if stored.dtype != dtype {
            return Err(Error::model_file(
                format!("array `{name}` of the model file is {:?}, not {dtype:?}", stored.dtype),
                "fit the model again with this version",
            ));
        }
        Ok(&stored.bytes)
    }

    /// The file's bytes; equal contents give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut facts = self.facts.clone();
        facts.insert("digest".into(), Value::String(self.digest()));
        let text = serde_json::to_string(&facts).expect("facts are plain data");
        let views = self.arrays.iter().map(|(name, a)| {
            (
                name,
                TensorView::new(a.dtype, a.shape.clone(), &a.bytes).expect("shape and bytes were checked by `insert`"),
            )
        });
        let metadata = [(KEY.to_owned(), text)].into_iter().collect();
        safetensors::serialize(views, Some(metadata)).expect("views are valid")
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when they are truncated, damaged, foreign, or of a newer format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = |what: &str| {
            Error::model_file(
                format!("the model file is damaged: {what}"),
                "copy it again from where it was made, or fit the model again",
            )
        };
        let foreign = || {
            Error::model_file("this is not a model file of elbo", "give the file that `elbo fit ... --out FILE` wrote")
        };
        if bytes.len() < 10 || bytes[8] != b'{' {
            return Err(if bytes.len() < 10 { damaged("it ends within its header") } else { foreign() });
        }
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|cause| damaged(&cause.to_string()))?;
        let text = header.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(foreign)?;
        let mut facts: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| damaged("its description cannot be read"))?;
        match facts.get("format").and_then(Value::as_u64) {
            Some(format) if format > FORMAT => {
                return Err(Error::model_file(
                    format!("the model file has format {format}; this program reads formats up to {FORMAT}"),
                    "update the program, or fit the model again with this version",
                ));
            }
            Some(_) => {}
            None => return Err(damaged("its format number cannot be read")),
        }
        let stored = facts.shift_remove("digest");
        let tensors = SafeTensors::deserialize(bytes).map_err(|cause| damaged(&cause.to_string()))?;
        let arrays = tensors
            .iter()
            .map(|(name, view)| {
                let stored = Stored { dtype: view.dtype(), shape: view.shape().into(), bytes: view.data().into() };
                (name.to_owned(), stored)
            })
            .collect();
        let file = Self { facts, arrays };
        if stored.as_ref().and_then(Value::as_str) != Some(file.digest().as_str()) {
            return Err(damaged("its contents do not match its checksum"));
        }
        Ok(file)
    }

    /// Writes under a temporary name beside `path`, then renames: a reader sees the old file or the new one, never a part.
    ///
    /// # Errors
    /// [`Error::File`] when the place cannot be written; nothing is left behind.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomically(path, &self.to_bytes())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read or is larger than 8 GiB, [`Error::ModelFile`] as [`ModelFile::from_bytes`].
    pub fn read(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::File {
                message: "the model file is a folder".into(),
                remedy: "give the file that `elbo fit ... --out FILE` wrote".into(),
                path: path.into(),
            });
        }
        Self::from_bytes(&read_file("cannot read the model file", path)?)
    }

    /// SHA-256 over facts and arrays, in hexadecimal.
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(serde_json::to_string(&self.facts).expect("facts are plain data"));
        for (name, array) in &self.arrays {
            hash.update(name);
            hash.update(format!("{:?}{:?}", array.dtype, array.shape));
            hash.update(&array.bytes);
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}

fn absent(name: &str) -> Error {
    Error::model_file(format!("the model file has no array `{name}`"), "fit the model again with this version")
}

fn all_finite(name: &str, holds: bool) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::misfit(format!("array `{name}` holds numbers that are not finite"))) }
}

/// Writes bytes under a temporary name in the same folder, syncs, and renames. A link is followed; a device or a pipe,
/// which a rename would replace, is written to directly.
///
/// # Errors
/// [`Error::File`] when the place cannot be written; nothing is left behind.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let followed = std::fs::canonicalize(path);
    let path = followed.as_deref().unwrap_or(path);
    if path.is_dir() {
        return Err(Error::File {
            message: "cannot write a file where a folder is".into(),
            remedy: "give a file name".into(),
            path: path.into(),
        });
    }
    let Some(name) = path.file_name() else {
        return Err(Error::File {
            message: "cannot write: no file name".into(),
            remedy: "give a file name".into(),
            path: path.into(),
        });
    };
    if path.exists() && !path.is_file() {
        let written = std::fs::OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(bytes));
        return written.map_err(|cause| Error::file("cannot write the file", path, &cause));
    }
    let temporary = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let written = std::fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|cause| {
        // The original failure is what the user needs; a leftover that cannot be removed changes nothing about it.
        let _ = std::fs::remove_file(&temporary);
        Error::file("cannot write the file", path, &cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> ModelFile {
        let mut file = ModelFile::new("gpr");
        file.put("x", &[2, 2], &[1.0, -0.0, 1e-310, f64::MAX]);
        file.put_i64("k", &[1], &[-3]);
        file.set("config", &serde_json::json!({"noise": 0.1}));
        file
    }

    #[test]
    fn a_file_comes_back_to_the_bit() {
        let file = example();
        let bytes = file.to_bytes();
        let back = ModelFile::from_bytes(&bytes).unwrap();
        assert_eq!(back, file);
        assert_eq!(back.to_bytes(), bytes);
        assert_eq!(back.get("x").unwrap()[1].to_bits(), (-0.0f64).to_bits());
    }

    #[test]
    fn numbers_of_another_shape_and_numbers_that_are_none_are_refused_by_name() {
        let mut file = example();
        file.put("bad", &[2], &[1.0, f64::NAN]);
        file.put_f32("worse", &[1], &[f32::INFINITY]);
        assert_eq!((file.rows("x", &[2]).unwrap(), file.get_as("x", &[2, 2]).unwrap().len()), (2, 4));
        for outcome in [
            file.get_as("x", &[4]).map(drop),
            file.get_as("x", &[usize::MAX, 2]).map(drop),
            file.rows("x", &[3]).map(drop),
            file.rows("x", &[]).map(drop),
            file.get_as("bad", &[2]).map(drop),
            file.get_f32_as("worse", &[1]).map(drop),
            file.get_as("k", &[1]).map(drop),
        ] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, Error::ModelFile { .. }) && error.to_string().contains("array `"), "{error}");
        }
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_refused() {
        let bytes = example().to_bytes();
        for length in 0..bytes.len() {
            assert!(ModelFile::from_bytes(&bytes[..length]).is_err(), "cut at {length}");
        }
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1 << bit;
                // Padding spaces of the header may turn into other white space, which changes nothing.
                if let Ok(back) = ModelFile::from_bytes(&damaged) {
                    assert_eq!(back, example(), "flipped bit {bit} of byte {position}");
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_to_and_a_link_followed() {
        use std::os::unix::fs::FileTypeExt;
        let full = Path::new("/dev/full");
        assert!(write_atomically(full, b"x").unwrap_err().to_string().contains("no space"));
        assert!(std::fs::metadata(full).unwrap().file_type().is_char_device());
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_atomically(&link, b"new").unwrap();
        assert_eq!((std::fs::read(&file).unwrap(), link.is_symlink()), (b"new".to_vec(), true));
    }

    #[test]
    fn a_newer_format_and_a_foreign_file_are_named_as_such() {
        let mut file = example();
        file.set("format", &(FORMAT + 1));
        assert!(ModelFile::from_bytes(&file.to_bytes()).unwrap_err().to_string().contains("format 2"));
        let foreign = ModelFile::from_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap_err();
        assert!(foreign.to_string().contains("not a model file"), "{foreign}");
    }
}
