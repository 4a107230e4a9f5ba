//! Named arrays between Python and Rust: bytes in native order with a type and a shape, or levels with codes.

use elbo::core::{Array, Data, Values};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyByteArray;

/// An array from Python: name, type (`f8`, `f4`, `u1`, `i8`, `text`), shape, bytes, and the levels of text, whose codes are `i8`
/// with -1 for missing.
pub type Given = (String, String, Vec<usize>, PyBackedBytes, Vec<String>);

/// An array for Python, of the same form.
pub type Taken = (String, &'static str, Vec<usize>, Py<PyByteArray>, Vec<String>);

/// Bytes of 64-bit floats for Python.
pub type Reals<'py> = Bound<'py, PyByteArray>;

/// The data set of these arrays.
pub fn data(arrays: Vec<Given>, target: Option<String>, source: String) -> PyResult<Data> {
    let arrays = arrays.into_iter().map(array).collect::<PyResult<_>>()?;
    Ok(Data { source, arrays, target, ..Data::default() })
}

fn array((name, kind, shape, bytes, levels): Given) -> PyResult<(String, Array)> {
    let bytes: &[u8] = &bytes;
    let values = match kind.as_str() {
        "f8" => Values::F64(numbers(bytes, f64::from_ne_bytes)),
        "f4" => Values::F32(numbers(bytes, f32::from_ne_bytes)),
        "i8" => Values::I64(numbers(bytes, i64::from_ne_bytes)),
        "u1" => Values::U8(bytes.into()),
        "text" => {
            let known = |code: i64| u32::try_from(code).ok().filter(|c| (*c as usize) < levels.len());
            Values::Text { codes: numbers(bytes, |b| known(i64::from_ne_bytes(b))), levels }
        }
        other => return Err(PyValueError::new_err(format!("array `{name}` has the unknown type {other}"))),
    };
    if shape.iter().product::<usize>() != values.len() {
        return Err(PyValueError::new_err(format!("array `{name}` of shape {shape:?} has {} cells", values.len())));
    }
    Ok((name, Array { shape, values }))
}

/// Numbers in native order, `W` bytes each.
pub fn numbers<const W: usize, T>(bytes: &[u8], of: impl Fn([u8; W]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|chunk| of(*chunk)).collect()
}

/// Real numbers from Python.
pub fn reals(bytes: &[u8]) -> Vec<f64> {
    numbers(bytes, f64::from_ne_bytes)
}

/// A data set's arrays for Python.
pub fn taken(py: Python<'_>, data: &Data) -> Vec<Taken> {
    let one = |(name, array): &(String, Array)| {
        let (kind, bytes, levels) = match &array.values {
            Values::F64(v) => ("f8", bytes(v, |x| x.to_ne_bytes()), vec![]),
            Values::F32(v) => ("f4", bytes(v, |x| x.to_ne_bytes()), vec![]),
            Values::I64(v) => ("i8", bytes(v, |x| x.to_ne_bytes()), vec![]),
            Values::U8(v) => ("u1", v.clone(), vec![]),
            Values::Text { levels, codes } => {
                ("text", bytes(codes, |c| c.map_or(-1, i64::from).to_ne_bytes()), levels.clone())
            }
        };
        (name.clone(), kind, array.shape.clone(), PyByteArray::new(py, &bytes).unbind(), levels)
    };
    data.arrays.iter().map(one).collect()
}

/// Real numbers for Python.
pub fn floats<'py>(py: Python<'py>, values: &[f64]) -> Reals<'py> {
    PyByteArray::new(py, &bytes(values, |x| x.to_ne_bytes()))
}

fn bytes<const W: usize, T: Copy>(values: &[T], of: impl Fn(T) -> [u8; W]) -> Vec<u8> {
    values.iter().flat_map(|value| of(*value)).collect()
}
