//! Errors as exceptions. The classes are Python's own, in `elbo.errors`; the words are the program's.

use elbo::core::Error;
use pyo3::prelude::*;
use std::any::Any;

/// The exception that goes with an error.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    of_kind(py, error.kind(), &error.to_string(), &error.remedy())
}

/// The same for a result.
pub fn raised<T>(py: Python<'_>, result: Result<T, Error>) -> PyResult<T> {
    result.map_err(|error| raise(py, &error))
}

/// Tells what a run warned of as warnings of Python; an error where they are to be exceptions.
pub fn warned(py: Python<'_>, texts: &[String]) -> PyResult<()> {
    if !texts.is_empty() {
        py.import("elbo.errors")?.getattr("caution")?.call1((texts.to_vec(),))?;
    }
    Ok(())
}

/// The exception of a panic, which is a bug of ours. Programs can catch it, unlike pyo3's own, which is no `Exception`.
pub fn panicked(py: Python<'_>, panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let what = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown cause");
    let message = format!("this is a bug in elbo {}: {what}", env!("CARGO_PKG_VERSION"));
    of_kind(py, "bug", &message, "please report it with the code and, if you may, the data")
}

fn of_kind(py: Python<'_>, kind: &str, message: &str, remedy: &str) -> PyErr {
    let made = py.import("elbo.errors").and_then(|module| module.getattr("of_kind")?.call1((kind, message, remedy)));
    made.map_or_else(|failed| failed, PyErr::from_value)
}
