//! What draws and weights are worth.

use crate::arrays::{Reals, floats, reals};
use crate::work::unlocked;
use elbo::infer::diagnostics::{ess_bulk, ess_mean, ess_tail, mcse_mean, psis, r_hat};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// Of one unknown's draws `[chains, draws]`: R-hat, effective draws for bulk, tails and mean, the mean's Monte Carlo error.
#[pyfunction]
pub fn chain_diagnostics(py: Python<'_>, draws: PyBackedBytes, chains: usize) -> PyResult<(f64, f64, f64, f64, f64)> {
    unlocked(py, || {
        let draws = reals(&draws);
        (
            r_hat(&draws, chains),
            ess_bulk(&draws, chains),
            ess_tail(&draws, chains),
            ess_mean(&draws, chains),
            mcse_mean(&draws, chains),
        )
    })
}

/// Pareto-smoothed log weights `[S]`, normalised; the shape of their tail, and the shape from which on it is too heavy.
#[pyfunction]
pub fn smoothed_weights<'py>(py: Python<'py>, log_weights: PyBackedBytes) -> PyResult<(Reals<'py>, f64, f64)> {
    let found = unlocked(py, || psis(&reals(&log_weights)))?;
    Ok((floats(py, &found.log_weights), found.k, found.threshold))
}
