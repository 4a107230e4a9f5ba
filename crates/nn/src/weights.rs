//! Weights in and out as safetensors files, with PyTorch's names and layouts.

use elbo_core::read::read_file;
use elbo_core::{Error, Result};
use elbo_tensor::{DType, Parameters};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Arrays that PyTorch stores beside weights and that have no counterpart here.
const IGNORED: &str = "num_batches_tracked";

/// Arrays of one kind that a message names.
const NAMED: usize = 5;

/// The parameters as a safetensors file: what PyTorch's `load_state_dict` takes.
pub fn to_safetensors(parameters: &dyn Parameters) -> Vec<u8> {
    to_safetensors_with(parameters, None)
}

/// The same with a text under a key of the file's metadata, which PyTorch passes over.
pub fn to_safetensors_with(parameters: &dyn Parameters, text: Option<(&str, String)>) -> Vec<u8> {
    let mut arrays = BTreeMap::new();
    parameters.visit(&mut |name, p| {
        let natural = p.get().detach();
        let (dtype, bytes): (Dtype, Vec<u8>) = match natural.dtype() {
            DType::F32 => (Dtype::F32, natural.as_slice::<f32>().iter().flat_map(|v| v.to_le_bytes()).collect()),
            _ => (Dtype::F64, natural.as_f64().iter().flat_map(|v| v.to_le_bytes()).collect()),
        };
        arrays.insert(name.to_owned(), (dtype, p.shape().to_vec(), bytes));
    });
    let views = arrays.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).expect("the bytes were made for this shape"))
    });
    let metadata = text.map(|(key, text)| HashMap::from([(key.to_owned(), text)]));
    safetensors::serialize(views, metadata).expect("the views are valid")
}

/// What a file has beside the parameters, and what its arrays are called in messages.
pub struct Reading<'a> {
    /// An array's name in the file as its author knows it, from the parameter's name.
    pub told: &'a dyn Fn(&str) -> String,
    /// Whether an array without a parameter is no mistake.
    pub is_beside: &'a dyn Fn(&str) -> bool,
}

/// Reads the parameters from a safetensors file, as written by PyTorch or by [`to_safetensors`]: single, double or half precision.
///
/// # Errors
/// [`Error::ModelFile`] when the file is damaged, parameters are missing, have another shape or numbers that are not finite, or the
/// file has arrays that the network has not: the message names the first of each.
pub fn from_safetensors(parameters: &mut dyn Parameters, bytes: &[u8]) -> Result<()> {
    from_safetensors_as(parameters, bytes, &Reading { told: &str::to_owned, is_beside: &|_| false })
}

/// [`from_safetensors`] of a file that was renamed, or has more than the parameters.
///
/// # Errors
/// As [`from_safetensors`].
pub fn from_safetensors_as(parameters: &mut dyn Parameters, bytes: &[u8], reading: &Reading<'_>) -> Result<()> {
    let wrong = |message: String| {
        Error::model_file(message, "give the weights of a network with the same layers; names and shapes are PyTorch's")
    };
    let file =
        SafeTensors::deserialize(bytes).map_err(|cause| wrong(format!("the weights cannot be read: {cause}")))?;
    let is_left = |name: &String| !name.ends_with(IGNORED) && !(reading.is_beside)(name);
    let mut left: BTreeSet<String> = file.names().iter().map(|n| n.to_string()).filter(is_left).collect();
    let (mut missing, mut misfits, mut outcome) = (vec![], vec![], Ok(()));
    parameters.visit_mut(&mut |name, p| {
        left.remove(name);
        let told = (reading.told)(name);
        match file.tensor(name) {
            Err(_) => missing.push(told),
            Ok(view) if view.shape() != p.shape() => {
                misfits.push(format!("`{told}` has the shape {:?}, expected {:?}", view.shape(), p.shape()));
            }
            Ok(view) => match numbers(&view) {
                None => misfits.push(format!("`{told}` is {:?}, not numbers", view.dtype())),
                Some(values) if values.iter().any(|v| !v.is_finite()) => {
                    misfits.push(format!("`{told}` holds numbers that are not finite"));
                }
                // Nothing is changed by a file that does not fit as far as it was read.
                Some(values) if outcome.is_ok() && missing.is_empty() && misfits.is_empty() => outcome = p.set(&values),
                Some(_) => {}
            },
        }
    });
    let mut parts = vec![];
    if !missing.is_empty() {
        parts.push(format!("the weights have no array {}", first(&missing, true)));
    }
    if !misfits.is_empty() {
        parts.push(first(&misfits, false));
    }
    if !left.is_empty() {
        let extra: Vec<String> = left.iter().map(|name| (reading.told)(name)).collect();
        parts.push(format!("the weights have an array {} that the network has not", first(&extra, true)));
    }
    if parts.is_empty() { outcome } else { Err(wrong(parts.join("; "))) }
}

/// The first few of a list, and how many more there are.
fn first(list: &[String], is_quoted: bool) -> String {
    let shown = list.iter().take(NAMED).map(|part| if is_quoted { format!("`{part}`") } else { part.clone() });
    let shown = shown.collect::<Vec<_>>().join(", ");
    if list.len() > NAMED { format!("{shown} and {} more", list.len() - NAMED) } else { shown }
}

/// Writes [`to_safetensors`] to a file.
///
/// # Errors
/// [`Error::File`].
pub fn save(parameters: &dyn Parameters, path: &Path) -> Result<()> {
    elbo_core::file::write_atomically(path, &to_safetensors(parameters))
}

/// Reads a file by [`from_safetensors`].
///
/// # Errors
/// [`Error::File`], and those of [`from_safetensors`].
pub fn load(parameters: &mut dyn Parameters, path: &Path) -> Result<()> {
    from_safetensors(parameters, &read_file("the weights cannot be read", path)?)
}

/// The numbers of an array as a file has them; `None` for other types.
pub(crate) fn numbers(view: &TensorView<'_>) -> Option<Vec<f64>> {
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        Dtype::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        Dtype::BF16 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f64::from(f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16)))
            .collect(),
        Dtype::F16 => bytes.as_chunks().0.iter().map(|b| half(u16::from_le_bytes(*b))).collect(),
        _ => return None,
    })
}

/// A number in half precision.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1.0 + fraction / 1024.0) * 2f64.powi(e - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}
