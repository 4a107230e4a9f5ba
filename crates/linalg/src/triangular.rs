//! Triangular systems.

use crate::backend::{Diagonal, Side, Triangle};
use crate::real::Real;
use crate::threads::Threads;
use crate::view::{MatMut, MatRef};

/// Replaces B by the solution of `A X = B` (left) or `X A = B` (right), for a triangular A.
///
/// For `A^T` pass the transposed view and the other triangle. The triangle that is not named is never read.
///
/// # Shapes
/// `a: [n, n]`; `b: [n, m]` on the left, `[m, n]` on the right.
pub fn trsm<T: Real>(side: Side, triangle: Triangle, diagonal: Diagonal, a: MatRef<'_, T>, b: MatMut<'_, T>) {
    let n = if side == Side::Left { b.rows() } else { b.columns() };
    assert!(a.rows() == n && a.columns() == n, "a {}x{} triangle cannot solve for {n} rows", a.rows(), a.columns());
    if !b.is_empty() {
        T::trsm(side, triangle, diagonal, a, b, Threads::All);
    }
}

/// Inverse of a triangular matrix into `out`, whose other triangle is left alone.
pub fn triangular_inverse<T: Real>(out: MatMut<'_, T>, triangle: Triangle, diagonal: Diagonal, a: MatRef<'_, T>) {
    let n = a.rows();
    assert!(a.columns() == n && out.rows() == n && out.columns() == n, "a triangular inverse needs square matrices");
    if n > 0 {
        T::trtri(out, triangle, diagonal, a, Threads::All);
    }
}
