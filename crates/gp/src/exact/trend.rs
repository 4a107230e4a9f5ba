//! The coefficients of a mean function integrated out under a flat prior: universal kriging.

use elbo_core::{Error, Result};
use elbo_tensor::{Ladder, Tensor};
use std::f64::consts::TAU;

/// What a term must have beyond the terms before it, and the other rows beyond any one, as shares.
const DETERMINED: f64 = 1e-7;

const REMEDY: &str = "choose a mean function with fewer terms, or optimise its coefficients (`coefficients=optimised`) instead of \
                      integrating them out";

/// What data with the covariance `K_y = L Lᵀ` say of `y = H β + f + noise`: `β` is normal around
/// `(Hᵀ K_y⁻¹ H)⁻¹ Hᵀ K_y⁻¹ y` with the precision `Hᵀ K_y⁻¹ H`.
pub(super) struct FlatTrend {
    /// `L⁻¹ H`, `[N, p]`.
    half: Tensor,
    /// The lower factor of the precision of `β`, `[p, p]`.
    precision_chol: Tensor,
    /// The mean of `β`, `[p, 1]`.
    coefficients: Tensor,
    /// `L⁻¹ (y - H β)`, `[N, 1]`.
    whitened: Tensor,
}

impl FlatTrend {
    /// From `L`, the lower factor `chol: [N, N]`, `H`, the `basis: [N, p]`, and `y: [N]`; differentiable in them.
    ///
    /// # Errors
    /// Recoverable, where the precision of the coefficients is singular.
    pub fn new(chol: &Tensor, basis: &Tensor, y: &Tensor) -> Result<Self> {
        let (half, target) = (chol.solve_lower(basis), chol.solve_lower(&y.unsqueeze(1)));
        let precision = half.t().matmul(&half);
        let (precision_chol, _) = precision.cholesky_with(Ladder::Fixed(0.0)).map_err(|_| {
            Error::recoverable("these hyperparameters leave coefficients of the mean function undetermined", REMEDY)
        })?;
        let coefficients = precision_chol.cholesky_solve(&half.t().matmul(&target));
        let whitened = target - half.matmul(&coefficients);
        Ok(Self { half, precision_chol, coefficients, whitened })
    }

    /// The restricted log likelihood in nats, a scalar.
    ///
    /// $$ -\tfrac12 r^\top K_y^{-1} r - \tfrac12 \log |K_y| - \tfrac12 \log |H^\top K_y^{-1} H| - \tfrac{N-p}2 \log 2\pi, \quad r = y - H \hat\beta $$
    pub fn restricted_log_likelihood(&self, chol: &Tensor) -> Tensor {
        let (n, p) = (self.half.size(0) as f64, self.half.size(1) as f64);
        let determinants = chol.cholesky_log_det() + self.precision_chol.cholesky_log_det();
        (self.whitened.square().sum() + determinants + (n - p) * TAU.ln()) * -0.5
    }

    /// The mean of `β`, `p` numbers.
    pub fn coefficients(&self) -> Vec<f64> {
        self.coefficients.to_vec()
    }

    /// `K_y⁻¹ (y - H β)`, `[N]`.
    pub fn alpha(&self, chol: &Tensor) -> Tensor {
        chol.solve_lower_t(&self.whitened).squeeze(1)
    }

    /// `R⁻¹ u`, `[p, N*]`, for the factor `R` of the precision of `β` and `u = h* - Hᵀ K_y⁻¹ k*`: its columns' products are what the
    /// coefficients add to covariances. `half_cross: [N, N*]` is `L⁻¹ k*`, `basis: [N*, p]` has the functions at the new points.
    pub fn unknown(&self, half_cross: &Tensor, basis: &Tensor) -> Tensor {
        self.precision_chol.solve_lower(&(basis.t() - self.half.t().matmul(half_cross)))
    }

    /// The diagonal of the targets' precision with the coefficients unknown, `K_y⁻¹ - K_y⁻¹ H (Hᵀ K_y⁻¹ H)⁻¹ Hᵀ K_y⁻¹`, as sums of squares,
    /// which no cancellation makes negative.
    pub fn precision_diagonal(&self, chol: &Tensor) -> Vec<f64> {
        let inverse = chol.solve_lower(&Tensor::eye(chol.size(0), chol.dtype()));
        // Orthonormal rows that span what the trend can explain.
        let explained = self.precision_chol.solve_lower(&self.half.t());
        let rest = &inverse - explained.t().matmul(&explained.matmul(&inverse));
        rest.square().sum_axis(0, false).to_vec()
    }
}

/// Refuses rows that do not determine the coefficients of a mean function, all of them or all but any one: without it leave-one-out predictions
/// do not exist. `basis: [N, p]` has the functions at the rows; `term` names one of them.
///
/// # Errors
/// [`Error::Data`] naming the term.
pub fn ensure_determined(basis: &Tensor, term: impl Fn(usize) -> String) -> Result<()> {
    let (n, p) = (basis.size(0), basis.size(1));
    if n <= p {
        let message =
            format!("{n} rows do not determine the {p} coefficients of the mean function; they take more rows");
        return Err(Error::data(message, REMEDY));
    }
    let norms = basis.square().sum_axis(0, true).sqrt();
    if let Some(j) = norms.to_vec().iter().position(|norm| *norm == 0.0) {
        return Err(Error::data(format!("the term {} of the mean function is zero in every row", term(j)), REMEDY));
    }
    let (q, r) = (basis / norms).qr();
    if let Some(j) = r.diagonal().to_vec().iter().position(|pivot| *pivot < DETERMINED) {
        let message =
            format!("on these rows the term {} of the mean function is a combination of the terms before it", term(j));
        return Err(Error::data(message, REMEDY));
    }
    // The trend can follow a row with a leverage of one whatever its target is.
    let leverages = q.square().sum_axis(1, false).to_vec();
    if let Some(i) = leverages.iter().position(|leverage| *leverage > 1.0 - DETERMINED) {
        let shares = r.solve_triangular(&q.narrow(0, i, 1).t(), false, false).to_vec();
        let j = (0..p).max_by(|a, b| shares[*a].abs().total_cmp(&shares[*b].abs())).unwrap_or(0);
        let message = format!("one row alone determines the coefficient of the term {} of the mean function", term(j));
        return Err(Error::data(message, REMEDY));
    }
    Ok(())
}
