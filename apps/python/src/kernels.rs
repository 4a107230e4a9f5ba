//! Values of kernels.

use crate::arrays::{Reals, floats, reals};
use crate::error::raised;
use crate::fit::of_json;
use crate::work::unlocked;
use elbo::core::{Features, Result};
use elbo::gp::kernel::KernelConfig;
use elbo::tensor::{Tensor, no_grad};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// Covariances `[N, M]` of a kernel, an expression or a table as JSON, between rows `x: [N, D]` and `z: [M, D]`; without `z`, those
/// of `x` with itself.
#[pyfunction]
#[pyo3(signature = (kernel, dims, x, z))]
pub fn kernel_matrix<'py>(
    py: Python<'py>,
    kernel: &str,
    dims: usize,
    x: PyBackedBytes,
    z: Option<PyBackedBytes>,
) -> PyResult<Reals<'py>> {
    let values = unlocked(py, || -> Result<Vec<f64>> {
        let config: KernelConfig = of_json("kernel", kernel)?;
        let (x, z) = (reals(&x), z.as_deref().map(reals));
        let kernel = config.build_for(&Features::numeric(dims, x.clone()))?;
        let rows = |values: &[f64]| Tensor::from_slice(values, &[values.len() / dims, dims]);
        let matrix = no_grad(|| match &z {
            Some(z) => kernel.gram(&rows(&x), &rows(z)),
            None => kernel.gram_symmetric(&rows(&x)),
        });
        Ok(matrix.as_f64().to_vec())
    })?;
    Ok(floats(py, &raised(py, values)?))
}
