//! Low-rank Cholesky factors of matrices that are never formed.

use crate::error::{LinalgError, Result};
use crate::real::Real;

/// `A ~ F F^T`, exact on the pivots' rows.
#[derive(Debug, Clone, PartialEq)]
pub struct PivotedCholesky<T> {
    /// The factor transposed, `[rank, n]` row-major: row `k` belongs to the pivot `pivots[k]`.
    pub factor: Vec<T>,
    /// The rows chosen, in order.
    pub pivots: Vec<usize>,
    /// `trace(A - F F^T)`: what the approximation leaves out.
    pub residual: f64,
}

/// Partial Cholesky factorisation that takes the row with the largest remaining variance first.
///
/// # Shapes
/// `diagonal: [n]`; `column(i, out)` writes column `i` of A, `[n]`. Stops after `max_rank` columns, or when the remaining trace is at
/// most `tolerance` times the trace of A. Costs `n rank^2` and asks for `rank` columns.
///
/// # Errors
/// [`LinalgError::NotFinite`] when the diagonal or a column is not finite.
///
/// # Source
/// Harbrecht, Peters and Schneider (2012).
pub fn pivoted_cholesky<T: Real>(
    diagonal: &[T],
    mut column: impl FnMut(usize, &mut [T]),
    tolerance: f64,
    max_rank: usize,
) -> Result<PivotedCholesky<T>> {
    let n = diagonal.len();
    let not_finite = |row: usize, column: usize, value: T| LinalgError::NotFinite {
        rows: n,
        columns: n,
        row,
        column,
        value: value.to_f64(),
    };
    if let Some(i) = diagonal.iter().position(|v| !v.is_finite()) {
        return Err(not_finite(i, i, diagonal[i]));
    }
    let trace = |values: &[T]| values.iter().map(|v| v.to_f64()).sum::<f64>();
    let mut remaining = diagonal.to_vec();
    let total = trace(&remaining);
    let mut result = PivotedCholesky { factor: vec![], pivots: vec![], residual: total };
    // Remaining variances below this are rounding.
    let floor = T::EPSILON.to_f64() * remaining.iter().fold(0.0, |m, v| v.to_f64().max(m));
    while result.pivots.len() < max_rank.min(n) && result.residual > tolerance * total {
        let pivot = (0..n).fold(0, |best, i| if remaining[i] > remaining[best] { i } else { best });
        if remaining[pivot].to_f64() <= floor {
            break;
        }
        let start = result.factor.len();
        result.factor.resize(start + n, T::ZERO);
        let (old, new) = result.factor.split_at_mut(start);
        column(pivot, new);
        if let Some(i) = new.iter().position(|v| !v.is_finite()) {
            return Err(not_finite(i, pivot, new[i]));
        }
        for row in old.chunks(n) {
            T::axpy(-row[pivot], row, new);
        }
        let root = remaining[pivot].sqrt();
        for (i, value) in new.iter_mut().enumerate() {
            *value /= root;
            remaining[i] -= *value * *value;
        }
        for &done in &result.pivots {
            new[done] = T::ZERO;
        }
        new[pivot] = root;
        result.pivots.push(pivot);
        for &done in &result.pivots {
            remaining[done] = T::ZERO;
        }
        // Rounding may leave a variance slightly below zero: it carries no information.
        result.residual = remaining.iter().map(|v| v.to_f64().max(0.0)).sum();
    }
    Ok(result)
}
