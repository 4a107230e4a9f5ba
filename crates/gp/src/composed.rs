//! Bounds composed of tensor operations.

use elbo_core::Result;
use elbo_tensor::Tensor;

pub(crate) fn gaussian_log_marginal(gram: &Tensor, noise: &Tensor, residual: &Tensor) -> Result<Tensor> {
    let n = residual.len();
    let chol = (gram + Tensor::eye(n, gram.dtype()) * noise).cholesky()?;
    let half = chol.solve_lower(&residual.unsqueeze(1));
    Ok((half.square().sum() + n as f64 * std::f64::consts::TAU.ln()) * -0.5 - chol.diagonal().log().sum())
}

pub(crate) fn sgpr_bound(
    kuu: &Tensor,
    kuf: &Tensor,
    kff: &Tensor,
    noise: &Tensor,
    residual: &Tensor,
) -> Result<Tensor> {
    let (m, n) = (kuf.shape()[0], residual.len());
    let a = kuu.cholesky()?.solve_lower(kuf) / noise.sqrt();
    let b_chol = (a.matmul(&a.t()) + Tensor::eye(m, kuu.dtype())).cholesky()?;
    let c = b_chol.solve_lower(&(a.matmul(residual) / noise.sqrt()).unsqueeze(1));
    let fit = (residual.square().sum() + kff.sum()) / noise - c.square().sum() - a.square().sum();
    let constant = n as f64 * std::f64::consts::TAU.ln();
    Ok((fit + noise.log() * n as f64 + constant) * -0.5 - b_chol.diagonal().log().sum())
}

pub(crate) fn svgp_marginals(
    kuu: &Tensor,
    kuf: &Tensor,
    kff: &Tensor,
    q_mean: &Tensor,
    q_chol: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let a = kuu.cholesky()?.solve_lower(kuf);
    let spread = q_chol.tril(0).t().matmul(&a).square().sum_axis(0, false);
    Ok((a.t().matmul(q_mean), kff - a.square().sum_axis(0, false) + spread))
}
