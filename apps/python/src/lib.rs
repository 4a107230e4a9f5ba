//! The native half of the Python package: arrays and JSON go in and out, the package's own Python gives them their manners.
//!
//! | file | what it holds |
//! |---|---|
//! | [`acquisitions`] | acquisition functions of means and variances |
//! | [`arrays`] | named arrays, as Python hands them over and takes them back |
//! | [`coders`] | integer tables and entropy coders |
//! | [`diagnostics`] | what draws and weights are worth |
//! | [`distributions`] | distributions of one number and of vectors |
//! | [`error`] | errors as the package's exceptions |
//! | [`fit`] | systems, their settings, reading data, fitting |
//! | [`flows`] | normalising flows and their fit |
//! | [`infer`] | sampling and variational inference of a Python function |
//! | [`kernels`] | values of kernels |
//! | [`likelihoods`] | values of likelihoods |
//! | [`model`] | fitted models and their verbs |
//! | [`prediction`] | predictive distributions |
//! | [`work`] | work without the interpreter's lock, that Ctrl-C stops |

mod acquisitions;
mod arrays;
mod coders;
mod diagnostics;
mod distributions;
mod error;
mod fit;
mod flows;
mod infer;
mod kernels;
mod likelihoods;
mod model;
mod prediction;
mod work;

use pyo3::prelude::*;

/// The native half of the package `elbo`.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::acquisitions::{acquisition_scores, knowledge_gradient};
    #[pymodule_export]
    use crate::coders::{Alphabet, Table, range_decode, range_encode, rans_decode, rans_encode};
    #[pymodule_export]
    use crate::diagnostics::{chain_diagnostics, smoothed_weights};
    #[pymodule_export]
    use crate::distributions::{Multivariate, Univariate};
    #[pymodule_export]
    use crate::fit::{auto, check, fit, read, systems};
    #[pymodule_export]
    use crate::flows::{Flow, fit_flow};
    #[pymodule_export]
    use crate::infer::{nuts, vi};
    #[pymodule_export]
    use crate::kernels::kernel_matrix;
    #[pymodule_export]
    use crate::likelihoods::{Likelihood, MultiLikelihood};
    #[pymodule_export]
    use crate::model::Model;
    #[pymodule_export]
    use crate::prediction::Prediction;
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
