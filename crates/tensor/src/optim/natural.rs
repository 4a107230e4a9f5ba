//! Natural-gradient steps of a Gaussian.

use elbo_linalg::{Ladder, Result};

use crate::tape::no_grad;
use crate::tensor::Tensor;

/// One step down the natural gradient of a loss in a Gaussian's natural parameters.
///
/// With natural parameters (S⁻¹m, -S⁻¹/2), the natural gradient is the gradient in the mean parameters (m, S + mm'), so
///
/// $$ S_+^{-1} = S^{-1} + 2 \rho\, \partial_S, \qquad m_+ = m - \rho\, S_+\, \partial_m . $$
///
/// # Shapes
/// `mean: [..., M]`, `chol: [..., M, M]` lower with S = LL'; `mean_grad: [..., M]` and `cov_grad: [..., M, M]` are the loss's
/// gradients in m and S. Returns the new mean and factor, outside the graph.
///
/// # Errors
/// Recoverable [`elbo_linalg::LinalgError::NotPositiveDefinite`] when the step leaves the Gaussians; take a smaller `rate`.
///
/// # Source
/// Salimbeni, Eleftheriadis and Hensman (2018); Khan and Lin (2017).
pub fn natural_step(
    mean: &Tensor,
    chol: &Tensor,
    mean_grad: &Tensor,
    cov_grad: &Tensor,
    rate: f64,
) -> Result<(Tensor, Tensor)> {
    natural_step_with(mean, chol, mean_grad, cov_grad, rate, Ladder::Fixed(0.0))
}

/// [`natural_step`] with these jitters for the new covariance.
///
/// # Errors
/// As there.
pub fn natural_step_with(
    mean: &Tensor,
    chol: &Tensor,
    mean_grad: &Tensor,
    cov_grad: &Tensor,
    rate: f64,
    ladder: Ladder,
) -> Result<(Tensor, Tensor)> {
    no_grad(|| {
        // S₊ = L B⁻¹ L' with B = I + 2ρ L' ∂S L keeps the inverse of S out of it.
        let gradient = (cov_grad + cov_grad.t()) * 0.5;
        let eye = Tensor::eye(chol.size(-1), chol.dtype());
        let inner = chol.t().matmul(&gradient).matmul(chol) * (2.0 * rate) + eye;
        let half = inner.cholesky_with(ladder)?.0.solve_lower(&chol.t());
        let cov = half.t().matmul(&half);
        let factor = cov.cholesky_with(ladder)?.0;
        let mean = mean - cov.matmul(&mean_grad.unsqueeze(-1)).squeeze(-1) * rate;
        Ok((mean, factor))
    })
}
