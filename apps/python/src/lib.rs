//! The native half of the Python package: arrays and JSON go in and out, the package's own Python gives them their manners.
//!
//! | file | what it holds |
//! |---|---|
//! | [`arrays`] | named arrays, as Python hands them over and takes them back |
//! | [`error`] | errors as the package's exceptions |
//! | [`fit`] | systems, their settings, reading data, fitting |
//! | [`infer`] | sampling and variational inference of a Python function |
//! | [`kernels`] | values of kernels |
//! | [`model`] | fitted models and their verbs |
//! | [`prediction`] | predictive distributions |
//! | [`work`] | work without the interpreter's lock, that Ctrl-C stops |

mod arrays;
mod error;
mod fit;
mod infer;
mod kernels;
mod model;
mod prediction;
mod work;

use pyo3::prelude::*;

/// The native half of the package `elbo`.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::fit::{check, fit, read, systems};
    #[pymodule_export]
    use crate::infer::{nuts, vi};
    #[pymodule_export]
    use crate::kernels::kernel_matrix;
    #[pymodule_export]
    use crate::model::Model;
    #[pymodule_export]
    use crate::prediction::Prediction;
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
