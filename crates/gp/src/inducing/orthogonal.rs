//! Orthogonally decoupled inducing variables: a principal set `u` (`M` of them) and a set `v` (`K`) of what is left of the function
//! once `u` is known. The cost is `M³ + K³` instead of `(M + K)³`.
//!
//! With `C_vv = K_vv - K_vu K_uu⁻¹ K_uv` and `C_vf = K_vf - K_vu K_uu⁻¹ K_uf`, and whitened variables on both sides,
//! `A = L_u⁻¹ K_uf`, `B = L_v⁻¹ C_vf`, `q(u) = N(m_u, R_u R_uᵀ)`, `q(v) = N(m_v, R_v R_vᵀ)`:
//! mean `Aᵀ m_u + Bᵀ m_v`; variance `k_ff - Σ A² - Σ B² + Σ (R_uᵀ A)² + Σ (R_vᵀ B)²`; the divergences add.
//!
//! # Source
//! Shi, Titsias and Mnih (2020), here with both sets whitened.

use elbo_core::Result;
use elbo_tensor::Tensor;

/// Whitened projections of the function onto the two sets.
pub struct Projections {
    /// `A = L_u⁻¹ K_uf`, `[M, N]`.
    pub principal: Tensor,
    /// `B = L_v⁻¹ C_vf`, `[K, N]`.
    pub orthogonal: Tensor,
}

/// Covariances of what `u` leaves of the function: `C_vv` `[K, K]`, `C_vf` `[K, N]`, and `A` `[M, N]`.
///
/// # Shapes
/// `kuu_chol: [M, M]` the lower factor, `kuv: [M, K]`, `kuf: [M, N]`, `kvv: [K, K]`, `kvf: [K, N]`.
pub fn residual_covariances(
    kuu_chol: &Tensor,
    kuv: &Tensor,
    kuf: &Tensor,
    kvv: &Tensor,
    kvf: &Tensor,
) -> (Tensor, Tensor, Tensor) {
    let (v, a) = (kuu_chol.solve_lower(kuv), kuu_chol.solve_lower(kuf));
    (kvv - v.t().matmul(&v), kvf - v.t().matmul(&a), a)
}

/// Both projections; shapes as [`residual_covariances`].
///
/// # Errors
/// [`elbo_core::Error::Numerical`] when `u` determines `v`, so that nothing is left.
pub fn project(kuu_chol: &Tensor, kuv: &Tensor, kuf: &Tensor, kvv: &Tensor, kvf: &Tensor) -> Result<Projections> {
    let (cvv, cvf, principal) = residual_covariances(kuu_chol, kuv, kuf, kvv, kvf);
    Ok(Projections { principal, orthogonal: cvv.cholesky()?.solve_lower(&cvf) })
}

/// Means and variances of the function, each `[N]`. `kff_diag: [N]`; `mean_u: [M]`, `factor_u: [M, M]`, `mean_v: [K]`, `factor_v: [K, K]`
/// whitened, factors lower triangular; `factor_v` is `None` for `S_v = I`, the prior, which costs nothing.
pub fn marginals(
    projections: &Projections,
    kff_diag: &Tensor,
    mean_u: &Tensor,
    factor_u: &Tensor,
    mean_v: &Tensor,
    factor_v: Option<&Tensor>,
) -> (Tensor, Tensor) {
    let (a, b) = (&projections.principal, &projections.orthogonal);
    let mean = a.t().matmul(mean_u) + b.t().matmul(mean_v);
    let column_squares = |t: &Tensor| t.square().sum_axis(0, false);
    let mut variance = kff_diag - column_squares(a) + column_squares(&factor_u.t().matmul(a));
    if let Some(factor) = factor_v {
        variance = variance - column_squares(b) + column_squares(&factor.t().matmul(b));
    }
    (mean, variance)
}

/// `KL(q(u) ‖ p(u)) + KL(q(v) ‖ p(v))` in nats, a scalar; arguments as in [`marginals`].
pub fn divergence(mean_u: &Tensor, factor_u: &Tensor, mean_v: &Tensor, factor_v: Option<&Tensor>) -> Tensor {
    let shift = (mean_u.square().sum() + mean_v.square().sum()) * 0.5;
    let spread = |r: &Tensor| (r.square().sum() - r.size(0) as f64) * 0.5 - r.diagonal().square().log().sum() * 0.5;
    let principal = shift + spread(factor_u);
    match factor_v {
        Some(factor) => principal + spread(factor),
        None => principal,
    }
}
