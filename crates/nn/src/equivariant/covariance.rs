//! Covariances of vectors that turn with them.

use super::irrep::SYMMETRIC;
use elbo_core::Result;
use elbo_tensor::Tensor;

/// `exp(S)` with `S = a I + Σ_k s_k E_k`, `[N, 3, 3]`, from a number a of each atom, `[N]`, and the coefficients s of a symmetric matrix without
/// trace, `[N, 5]`: positive definite, of log determinant `3 a`, and `Q exp(S) Q'` where an orthogonal Q turns the atoms. Its inverse is that
/// of `-a` and `-s`. Where eigenvalues coincide, the gradient in the directions between them counts as zero.
///
/// # Errors
/// When numbers are not finite.
pub fn exponential(level: &Tensor, shape: &Tensor) -> Result<Tensor> {
    let basis: Vec<f64> = SYMMETRIC.iter().flatten().flatten().copied().collect();
    let basis = Tensor::from_vec(basis, &[5, 9]).cast(shape.dtype());
    let matrices = shape.matmul(&basis).reshape(&[shape.size(0), 3, 3]);
    let (values, vectors) = matrices.eigh()?;
    let scales = (values + level.unsqueeze(1)).exp();
    Ok((&vectors * scales.unsqueeze(1)).matmul(&vectors.t()))
}

/// Log density of vectors `[N, 3]` around zero with these covariances, `[N]`, in nats; see [`exponential`].
///
/// # Errors
/// As there.
pub fn log_density(vectors: &Tensor, level: &Tensor, shape: &Tensor) -> Result<Tensor> {
    let precision = exponential(&-level, &-shape)?;
    let along = precision.matmul(&vectors.unsqueeze(2)).squeeze(2);
    let square = (along * vectors).sum_axis(1, false);
    Ok((square + level * 3.0) * -0.5 - 3.0 * elbo_tensor::special::LOG_SQRT_TAU)
}
