//! Weights in and out as safetensors files, with PyTorch's names and layouts.

use elbo_core::read::read_file;
use elbo_core::{Error, Result};
use elbo_tensor::{DType, Parameters};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::path::Path;

/// Arrays that PyTorch stores beside weights and that have no counterpart here.
const IGNORED: &str = "num_batches_tracked";

/// The parameters as a safetensors file: what PyTorch's `load_state_dict` takes.
pub fn to_safetensors(parameters: &dyn Parameters) -> Vec<u8> {
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
    safetensors::serialize(views, None).expect("the views are valid")
}

/// Reads the parameters from a safetensors file, as written by PyTorch or by [`to_safetensors`]: single, double or half precision.
///
/// # Errors
/// [`Error::ModelFile`] when the file is damaged, a parameter is missing or has another shape, or the file has arrays that the
/// network has not.
pub fn from_safetensors(parameters: &mut dyn Parameters, bytes: &[u8]) -> Result<()> {
    let wrong = |message: String| {
        Error::model_file(message, "give the weights of a network with the same layers; names and shapes are PyTorch's")
    };
    let file =
        SafeTensors::deserialize(bytes).map_err(|cause| wrong(format!("the weights cannot be read: {cause}")))?;
    let mut left: Vec<String> = file.names().iter().map(|n| n.to_string()).filter(|n| !n.ends_with(IGNORED)).collect();
    let mut outcome = Ok(());
    let mut read = |name: &str, p: &mut elbo_tensor::Parameter| -> Result<()> {
        let view = file.tensor(name).map_err(|_| wrong(format!("the weights have no array `{name}`")))?;
        if view.shape() != p.shape() {
            return Err(wrong(format!("`{name}` has the shape {:?}; expected {:?}", view.shape(), p.shape())));
        }
        let values = numbers(&view).ok_or_else(|| wrong(format!("`{name}` is {:?}, not numbers", view.dtype())))?;
        left.retain(|n| n != name);
        p.set(&values)
    };
    parameters.visit_mut(&mut |name, p| {
        if outcome.is_ok() {
            outcome = read(name, p);
        }
    });
    outcome?;
    if let Some(extra) = left.first() {
        return Err(wrong(format!("the weights have an array `{extra}` that the network has not")));
    }
    Ok(())
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
