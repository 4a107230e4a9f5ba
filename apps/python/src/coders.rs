//! Integer tables and entropy coders. Python has checked probabilities, symbols and counts.

use crate::arrays::{Reals, floats, numbers};
use crate::error::raised;
use crate::work::unlocked;
use elbo::codec::coder::{
    ByteDecoder, Lookup, RangeDecoder, RangeEncoder, decode_integers, encode_bytes, encode_integers,
};
use elbo::codec::table;
use elbo::core::Result;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes};

/// Integer frequencies of an alphabet `0, 1, ..., K - 1`.
#[pyclass(frozen, module = "elbo._native")]
pub struct Table(table::Table);

#[pymethods]
impl Table {
    /// The table of probabilities with a precision of this many bits.
    #[new]
    fn new(py: Python<'_>, probabilities: Vec<f64>, bits: u32) -> PyResult<Self> {
        Ok(Self(unlocked(py, || table::Table::from_probabilities(&probabilities, bits))?))
    }

    /// The table of frequencies that were stored.
    #[staticmethod]
    fn from_frequencies(py: Python<'_>, frequencies: Vec<u32>, bits: u32) -> PyResult<Self> {
        let table = unlocked(py, || table::Table::from_frequencies(&frequencies, bits))?;
        Ok(Self(raised(py, table)?))
    }

    /// Frequencies `[K]`, whose sum is `2^bits`.
    #[getter]
    fn frequencies(&self) -> Vec<u32> {
        self.0.frequencies()
    }

    /// What each symbol costs, in bits, `[K]`.
    #[getter]
    fn costs<'py>(&self, py: Python<'py>) -> Reals<'py> {
        let costs: Vec<f64> = (0..self.0.len()).map(|symbol| self.0.cost(symbol)).collect();
        floats(py, &costs)
    }

    /// The bytes of symbols, one a byte, in 1, 2, 4 or 8 lanes.
    fn encode<'py>(&self, py: Python<'py>, symbols: PyBackedBytes, lanes: usize) -> PyResult<Bound<'py, PyBytes>> {
        let file = unlocked(py, || encode_bytes(&symbols, &self.0, lanes))?;
        Ok(PyBytes::new(py, &raised(py, file)?))
    }

    /// The symbols of what `encode` wrote.
    fn decode<'py>(
        &self,
        py: Python<'py>,
        file: PyBackedBytes,
        count: usize,
        lanes: usize,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let symbols = unlocked(py, || ByteDecoder::new(&self.0).decode(&file, count, lanes))?;
        Ok(PyByteArray::new(py, &raised(py, symbols)?))
    }
}

/// Integers from `low` on with a table of their own, and an escape for all others.
#[pyclass(frozen, module = "elbo._native")]
pub struct Alphabet(Lookup);

#[pymethods]
impl Alphabet {
    /// `low`, `low + 1`, ... with these probabilities; what is left is the escape's.
    #[new]
    fn new(py: Python<'_>, low: i32, probabilities: Vec<f64>, bits: u32) -> PyResult<Self> {
        Ok(Self(unlocked(py, || Lookup::new(table::Alphabet::new(low, &probabilities, bits)))?))
    }

    /// The alphabet of frequencies that were stored, the escape's at the end.
    #[staticmethod]
    fn from_frequencies(py: Python<'_>, low: i32, frequencies: Vec<u32>, bits: u32) -> PyResult<Self> {
        let made = unlocked(py, || table::Alphabet::from_frequencies(low, &frequencies, bits).map(Lookup::new))?;
        Ok(Self(raised(py, made)?))
    }

    /// Frequencies, the escape's at the end.
    #[getter]
    fn frequencies(&self) -> Vec<u32> {
        self.0.alphabet().table().frequencies()
    }

    /// What each integer costs, in bits.
    fn costs<'py>(&self, py: Python<'py>, values: PyBackedBytes) -> PyResult<Reals<'py>> {
        let cost = |value| self.0.alphabet().cost(value);
        let costs: Vec<f64> = unlocked(py, || numbers(&values, i32::from_ne_bytes).into_iter().map(cost).collect())?;
        Ok(floats(py, &costs))
    }
}

fn lookups(alphabets: &[PyRef<'_, Alphabet>]) -> Vec<Lookup> {
    alphabets.iter().map(|alphabet| alphabet.0.clone()).collect()
}

/// The bytes of 32-bit integers, `values[i]` in `alphabets[which[i]]`.
#[pyfunction]
pub fn rans_encode<'py>(
    py: Python<'py>,
    values: PyBackedBytes,
    which: PyBackedBytes,
    alphabets: Vec<PyRef<'py, Alphabet>>,
    lanes: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let (values, which) = (numbers(&values, i32::from_ne_bytes), numbers(&which, u16::from_ne_bytes));
    let lookups = lookups(&alphabets);
    let file = unlocked(py, || encode_integers(&values, &which, &lookups, lanes))?;
    Ok(PyBytes::new(py, &file))
}

/// The 32-bit integers of what `rans_encode` wrote.
#[pyfunction]
pub fn rans_decode<'py>(
    py: Python<'py>,
    file: PyBackedBytes,
    which: PyBackedBytes,
    alphabets: Vec<PyRef<'py, Alphabet>>,
    lanes: usize,
) -> PyResult<Bound<'py, PyByteArray>> {
    let which = numbers(&which, u16::from_ne_bytes);
    let lookups = lookups(&alphabets);
    let values = raised(py, unlocked(py, || decode_integers(&file, &which, &lookups, lanes))?)?;
    let bytes: Vec<u8> = values.into_iter().flat_map(i32::to_ne_bytes).collect();
    Ok(PyByteArray::new(py, &bytes))
}

fn tables(tables: &[PyRef<'_, Table>]) -> Vec<table::Table> {
    tables.iter().map(|table| table.0.clone()).collect()
}

/// The bytes of 32-bit symbols by the range coder, `symbols[i]` in `tables[which[i]]`.
#[pyfunction]
pub fn range_encode<'py>(
    py: Python<'py>,
    symbols: PyBackedBytes,
    which: PyBackedBytes,
    tables: Vec<PyRef<'py, Table>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (symbols, which) = (numbers(&symbols, u32::from_ne_bytes), numbers(&which, u16::from_ne_bytes));
    let tables = self::tables(&tables);
    let file = unlocked(py, || {
        let mut encoder = RangeEncoder::default();
        symbols.iter().zip(&which).for_each(|(s, w)| encoder.put(&tables[usize::from(*w)], *s as usize));
        encoder.finish()
    })?;
    Ok(PyBytes::new(py, &file))
}

/// The 32-bit symbols of what `range_encode` wrote.
#[pyfunction]
pub fn range_decode<'py>(
    py: Python<'py>,
    file: PyBackedBytes,
    which: PyBackedBytes,
    tables: Vec<PyRef<'py, Table>>,
) -> PyResult<Bound<'py, PyByteArray>> {
    let which = numbers(&which, u16::from_ne_bytes);
    let tables = self::tables(&tables);
    let decoded = unlocked(py, || -> Result<Vec<u8>> {
        let mut decoder = RangeDecoder::new(&file)?;
        let mut bytes = Vec::with_capacity(4 * which.len());
        for which in &which {
            bytes.extend((decoder.take(&tables[usize::from(*which)])? as u32).to_ne_bytes());
        }
        decoder.finish()?;
        Ok(bytes)
    })?;
    Ok(PyByteArray::new(py, &raised(py, decoded)?))
}
