//! Eigenvalues, singular values, orthogonal bases, and general systems.

use crate::backend::{Diagonal, Side, Triangle};
use crate::error::{LinalgError, Result};
use crate::gemm::gemm;
use crate::real::Real;
use crate::triangular::trsm;
use crate::view::{MatMut, MatRef};

/// `A = V diag(values) V^T` of a symmetric matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen<T> {
    /// Ascending, `[n]`.
    pub values: Vec<T>,
    /// Orthonormal eigenvectors as columns, `[n, n]` row-major. The sign of a column is arbitrary, but always the same.
    pub vectors: Vec<T>,
}

/// Eigenvalues and eigenvectors of a symmetric matrix, of which the lower triangle is read.
///
/// # Errors
/// [`LinalgError::NotFinite`] and [`LinalgError::NoConvergence`].
pub fn syevd<T: Real>(a: MatRef<'_, T>) -> Result<Eigen<T>> {
    let n = a.rows();
    assert_eq!(n, a.columns(), "a {}x{} matrix is not square", a.rows(), a.columns());
    check_finite(a, true)?;
    let (mut values, mut vectors) = (vec![T::ZERO; n], vec![T::ZERO; n * n]);
    if n > 0 && !T::syevd(a, &mut values, Some(MatMut::row_major(&mut vectors, n, n))) {
        return Err(LinalgError::NoConvergence { what: "eigenvalues", rows: n, columns: n });
    }
    Ok(Eigen { values, vectors })
}

/// `A = U diag(s) V^T`, thin: `k = min(m, n)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Svd<T> {
    /// Left singular vectors as columns, `[m, k]` row-major.
    pub u: Vec<T>,
    /// Singular values, descending, `[k]`.
    pub s: Vec<T>,
    /// Right singular vectors as columns, `[n, k]` row-major.
    pub v: Vec<T>,
}

/// Thin singular value decomposition of `a: [m, n]`. The sign of a pair of vectors is arbitrary, but always the same.
///
/// # Errors
/// [`LinalgError::NotFinite`] and [`LinalgError::NoConvergence`].
pub fn svd<T: Real>(a: MatRef<'_, T>) -> Result<Svd<T>> {
    let (m, n) = (a.rows(), a.columns());
    let k = m.min(n);
    check_finite(a, false)?;
    let (mut u, mut s, mut v) = (vec![T::ZERO; m * k], vec![T::ZERO; k], vec![T::ZERO; n * k]);
    if k > 0 && !T::svd(a, MatMut::row_major(&mut u, m, k), &mut s, MatMut::row_major(&mut v, n, k)) {
        return Err(LinalgError::NoConvergence { what: "singular values", rows: m, columns: n });
    }
    Ok(Svd { u, s, v })
}

/// `A = Q R`, thin: `k = min(m, n)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Qr<T> {
    /// Orthonormal columns, `[m, k]` row-major.
    pub q: Vec<T>,
    /// Zero below the diagonal, `[k, n]` row-major.
    pub r: Vec<T>,
}

/// Thin QR decomposition of `a: [m, n]`, with the diagonal of R not negative: unique when A has full column rank.
pub fn qr<T: Real>(a: MatRef<'_, T>) -> Qr<T> {
    let (m, n) = (a.rows(), a.columns());
    let k = m.min(n);
    let (mut q, mut r) = (vec![T::ZERO; m * k], vec![T::ZERO; k * n]);
    if k > 0 {
        T::qr(a, MatMut::row_major(&mut q, m, k), MatMut::row_major(&mut r, k, n));
        for i in (0..k).filter(|&i| r[i * n + i] < T::ZERO).collect::<Vec<_>>() {
            r[i * n..(i + 1) * n].iter_mut().for_each(|v| *v = -*v);
            q.iter_mut().skip(i).step_by(k).for_each(|v| *v = -*v);
        }
    }
    Qr { q, r }
}

/// `P A = L U` of a square matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Lu<T> {
    factors: Vec<T>,
    permutation: Vec<usize>,
    exchanges: usize,
}

impl<T: Real> Lu<T> {
    /// Factors `a: [n, n]`.
    ///
    /// # Errors
    /// [`LinalgError::NotFinite`]; [`LinalgError::Singular`] when a pivot is exactly zero.
    pub fn new(a: MatRef<'_, T>) -> Result<Self> {
        let n = a.rows();
        assert_eq!(n, a.columns(), "a {}x{} matrix is not square", a.rows(), a.columns());
        check_finite(a, false)?;
        let mut lu = Self { factors: a.to_row_major(), permutation: (0..n).collect(), exchanges: 0 };
        if n > 0 {
            lu.exchanges = T::lu(MatMut::row_major(&mut lu.factors, n, n), &mut lu.permutation);
        }
        match (0..n).find(|&i| lu.factors[i * n + i] == T::ZERO) {
            Some(row) => Err(LinalgError::Singular { size: n, row }),
            None => Ok(lu),
        }
    }

    fn view(&self) -> MatRef<'_, T> {
        MatRef::row_major(&self.factors, self.permutation.len(), self.permutation.len())
    }

    /// Replaces `b: [n, m]` by `A^-1 b`.
    pub fn solve(&self, mut b: MatMut<'_, T>) {
        let (n, m) = (b.rows(), b.columns());
        let old = b.as_ref().to_row_major();
        for i in 0..n {
            for j in 0..m {
                b.set(i, j, old[self.permutation[i] * m + j]);
            }
        }
        trsm(Side::Left, Triangle::Lower, Diagonal::Unit, self.view(), b.reborrow());
        trsm(Side::Left, Triangle::Upper, Diagonal::Stored, self.view(), b);
    }

    /// Replaces `b: [n, m]` by `A^-T b`.
    pub fn solve_transposed(&self, mut b: MatMut<'_, T>) {
        trsm(Side::Left, Triangle::Lower, Diagonal::Stored, self.view().transpose(), b.reborrow());
        trsm(Side::Left, Triangle::Upper, Diagonal::Unit, self.view().transpose(), b.reborrow());
        let (n, m) = (b.rows(), b.columns());
        let old = b.as_ref().to_row_major();
        for i in 0..n {
            for j in 0..m {
                b.set(self.permutation[i], j, old[i * m + j]);
            }
        }
    }

    /// Sign of the determinant and the logarithm of its absolute value.
    pub fn sign_and_log_det(&self) -> (f64, f64) {
        let start = if self.exchanges.is_multiple_of(2) { 1.0 } else { -1.0 };
        let n = self.permutation.len();
        (0..n)
            .map(|i| self.factors[i * n + i].to_f64())
            .fold((start, 0.0), |(sign, log), pivot| (sign * pivot.signum(), log + pivot.abs().ln()))
    }
}

/// Least squares: the shortest of the X that minimise `|A X - B|`, and the rank.
///
/// Singular values below `max(m, n)` roundings of the largest count as zero.
///
/// # Shapes
/// `a: [m, n]`, `b: [m, p]`; returns X, `[n, p]` row-major.
///
/// # Errors
/// As [`svd`].
pub fn lstsq<T: Real>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Result<(Vec<T>, usize)> {
    let (m, n, p) = (a.rows(), a.columns(), b.columns());
    assert_eq!(m, b.rows(), "{m} equations with {} right-hand sides", b.rows());
    let k = m.min(n);
    let mut x = vec![T::ZERO; n * p];
    if k == 0 {
        return Ok((x, 0));
    }
    let Svd { u, s, v } = svd(a)?;
    let cutoff = s[0] * T::EPSILON * T::from_f64(m.max(n) as f64);
    let rank = s.iter().filter(|s| **s > cutoff).count();
    let mut inner = vec![T::ZERO; k * p];
    let left = MatRef::row_major(&u, m, k).transpose();
    gemm(MatMut::row_major(&mut inner, k, p), T::ONE, left, b, T::ZERO);
    for (i, row) in inner.chunks_mut(p.max(1)).enumerate() {
        let scale = if i < rank { T::ONE / s[i] } else { T::ZERO };
        row.iter_mut().for_each(|v| *v *= scale);
    }
    let (right, inner) = (MatRef::row_major(&v, n, k), MatRef::row_major(&inner, k, p));
    gemm(MatMut::row_major(&mut x, n, p), T::ONE, right, inner, T::ZERO);
    Ok((x, rank))
}

fn check_finite<T: Real>(a: MatRef<'_, T>, lower_only: bool) -> Result<()> {
    for i in 0..a.rows() {
        let end = if lower_only { i + 1 } else { a.columns() };
        if let Some(j) = (0..end).find(|&j| !a.get(i, j).is_finite()) {
            let value = a.get(i, j).to_f64();
            return Err(LinalgError::NotFinite { rows: a.rows(), columns: a.columns(), row: i, column: j, value });
        }
    }
    Ok(())
}
