//! Errors as exceptions. The classes are Python's own, in `elbo.errors`; the words are the program's.

use elbo::core::Error;
use pyo3::prelude::*;

/// The exception that goes with an error.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let made = py
        .import("elbo.errors")
        .and_then(|module| module.getattr("of_kind")?.call1((error.kind(), error.to_string(), error.remedy())));
    made.map_or_else(|failed| failed, PyErr::from_value)
}

/// The same for a result.
pub fn raised<T>(py: Python<'_>, result: Result<T, Error>) -> PyResult<T> {
    result.map_err(|error| raise(py, &error))
}
