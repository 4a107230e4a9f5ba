//! Acquisition functions of means and variances, for minimising.

use crate::arrays::{Reals, floats, reals};
use crate::error::raised;
use crate::work::unlocked;
use elbo::core::Error;
use elbo::decide::acquisition::{self, Score};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// Scores `[N]` of `N(mean, variance)` and their derivatives by both. `parameter` is the margin of `pi` and `log_pi`, the squared width
/// of `lcb`; the others have none.
#[pyfunction]
pub fn acquisition_scores<'py>(
    py: Python<'py>,
    score: &str,
    parameter: f64,
    mean: PyBackedBytes,
    variance: PyBackedBytes,
    incumbent: f64,
) -> PyResult<[Reals<'py>; 3]> {
    let score = match score {
        "ei" => Score::Ei,
        "log_ei" => Score::LogEi,
        "pi" => Score::Pi { margin: parameter },
        "log_pi" => Score::LogPi { margin: parameter },
        "lcb" => Score::Lcb { beta: parameter },
        other => {
            let unknown = Error::unknown("acquisition function", other, ["ei", "log_ei", "pi", "log_pi", "lcb"]);
            return raised(py, Err(unknown));
        }
    };
    let [values, by_mean, by_variance] = unlocked(py, || {
        let mut columns = [vec![], vec![], vec![]];
        for (mean, variance) in reals(&mean).into_iter().zip(reals(&variance)) {
            let (value, dm, dv) = score.of(mean, variance, incumbent);
            columns.iter_mut().zip([value, dm, dv]).for_each(|(column, number)| column.push(number));
        }
        columns
    })?;
    Ok([floats(py, &values), floats(py, &by_mean), floats(py, &by_variance)])
}

/// `E max_i (a_i + b_i Z) - max_i a_i`, and its derivatives by every `b_i`.
#[pyfunction]
pub fn knowledge_gradient<'py>(py: Python<'py>, a: PyBackedBytes, b: PyBackedBytes) -> PyResult<(f64, Reals<'py>)> {
    let (value, gradient) = unlocked(py, || acquisition::knowledge_gradient(&reals(&a), &reals(&b)))?;
    Ok((value, floats(py, &gradient)))
}
