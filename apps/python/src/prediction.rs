//! Predictive distributions.

use crate::arrays::floats;
use crate::work::unlocked;
use elbo::core;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

/// A log density at a point; none is left at infinity, where formulas would subtract infinities.
pub fn log_prob_at(x: f64, of: impl FnOnce(f64) -> f64) -> f64 {
    if x.is_infinite() { f64::NEG_INFINITY } else { of(x) }
}

/// A distribution function at a point; its limits at infinity, where series would not end.
pub fn cdf_at(x: f64, of: impl FnOnce(f64) -> f64) -> f64 {
    if x.is_infinite() { f64::from(x > 0.0) } else { of(x) }
}

/// One predictive distribution a row. Numbers come as bytes of 64-bit floats.
#[pyclass(frozen, module = "elbo._native")]
pub struct Prediction(pub core::Prediction);

impl Prediction {
    fn marginals(&self) -> PyResult<&dyn core::Marginals> {
        match &self.0 {
            core::Prediction::Numbers(marginals) => Ok(marginals.as_ref()),
            core::Prediction::Classes { .. } => {
                Err(PyTypeError::new_err("the model predicts classes; ask for their probabilities"))
            }
        }
    }

    fn each<'py>(
        &self,
        py: Python<'py>,
        of: impl Fn(&dyn core::Marginals, usize) -> f64 + Send,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let marginals = self.marginals()?;
        let values: Vec<f64> = unlocked(py, move || (0..marginals.len()).map(|i| of(marginals, i)).collect())?;
        Ok(floats(py, &values))
    }
}

#[pymethods]
impl Prediction {
    /// Number of rows.
    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// Class names, or None for a numeric target.
    #[getter]
    fn classes(&self) -> Option<Vec<String>> {
        match &self.0 {
            core::Prediction::Numbers(_) => None,
            core::Prediction::Classes { classes, .. } => Some(classes.clone()),
        }
    }

    /// Probabilities `[N, C]`.
    #[getter]
    fn probabilities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        match &self.0 {
            core::Prediction::Numbers(_) => Err(PyTypeError::new_err("the model predicts a number; ask for its mean")),
            core::Prediction::Classes { probabilities, .. } => Ok(floats(py, probabilities)),
        }
    }

    /// Means `[N]`.
    #[getter]
    fn mean<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        self.each(py, |m, i| m.mean(i))
    }

    /// Standard deviations `[N]`.
    #[getter]
    fn sd<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        self.each(py, |m, i| m.sd(i))
    }

    /// Quantiles `[N]` at `p` in (0, 1).
    fn quantile<'py>(&self, py: Python<'py>, p: f64) -> PyResult<Bound<'py, PyByteArray>> {
        self.each(py, |m, i| m.quantile(i, p))
    }

    /// Log densities, or log probabilities of counts, of `y: [N]`.
    fn log_prob<'py>(&self, py: Python<'py>, y: Vec<f64>) -> PyResult<Bound<'py, PyByteArray>> {
        self.each(py, |m, i| log_prob_at(y[i], |y| m.log_prob(i, y)))
    }

    /// Distribution functions at `y: [N]`.
    fn cdf<'py>(&self, py: Python<'py>, y: Vec<f64>) -> PyResult<Bound<'py, PyByteArray>> {
        self.each(py, |m, i| cdf_at(y[i], |y| m.cdf(i, y)))
    }
}
