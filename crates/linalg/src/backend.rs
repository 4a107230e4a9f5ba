//! The seam to the library underneath.

use crate::threads::Threads;
use crate::view::{MatMut, MatRef};

/// On which side of the unknown a triangular matrix stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `A X = B`.
    Left,
    /// `X A = B`.
    Right,
}

/// Which triangle of a square matrix is read; the other one is never looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Triangle {
    /// Entries `(i, j)` with `i >= j`.
    Lower,
    /// Entries `(i, j)` with `i <= j`.
    Upper,
}

impl Triangle {
    /// The triangle that the same entries form in the transposed matrix.
    pub fn transpose(self) -> Self {
        match self {
            Self::Lower => Self::Upper,
            Self::Upper => Self::Lower,
        }
    }
}

/// Whether the diagonal of a triangular matrix is stored or known to be 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diagonal {
    /// Read it.
    Stored,
    /// It is 1 and not looked at.
    Unit,
}

/// Which entries of an operand count; the others are taken for zero, or are left alone in a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All.
    Full,
    /// The lower triangle with its diagonal.
    Lower,
    /// The upper triangle with its diagonal.
    Upper,
}

/// The five operations that every hot path is made of. A system BLAS would implement these.
pub trait Dense: Sized {
    /// `C = alpha A B + beta C`, within the entries of C that `shapes.0` names, with A and B taken as `shapes.1`, `shapes.2`.
    /// `beta = 0` overwrites C without reading it.
    fn gemm(
        c: MatMut<'_, Self>,
        alpha: Self,
        a: MatRef<'_, Self>,
        b: MatRef<'_, Self>,
        beta: Self,
        shapes: (Shape, Shape, Shape),
        threads: Threads,
    );

    /// Replaces the lower triangle of a symmetric matrix by its factor L; the strictly upper one is not touched. On failure
    /// returns the row whose pivot is not positive; the lower triangle is then undefined.
    fn potrf(a: MatMut<'_, Self>, threads: Threads) -> Result<(), usize>;

    /// Replaces B by the solution X of `A X = B` or `X A = B`.
    fn trsm(
        side: Side,
        triangle: Triangle,
        diagonal: Diagonal,
        a: MatRef<'_, Self>,
        b: MatMut<'_, Self>,
        threads: Threads,
    );

    /// Lower triangle of the inverse of `L L^T`; the strictly upper part of `out` is not touched.
    fn potri(out: MatMut<'_, Self>, l: MatRef<'_, Self>, threads: Threads);

    /// Eigenvalues of a symmetric matrix of which the lower triangle is read, ascending, and the eigenvectors as columns.
    /// False when the iteration did not converge.
    fn syevd(a: MatRef<'_, Self>, values: &mut [Self], vectors: Option<MatMut<'_, Self>>) -> bool;
}

/// Decompositions off the hot path.
pub trait Decompose: Sized {
    /// Thin singular value decomposition: `u: [m, k]`, `s: [k]` descending, `v: [n, k]`, `k = min(m, n)`. False when the
    /// iteration did not converge.
    fn svd(a: MatRef<'_, Self>, u: MatMut<'_, Self>, s: &mut [Self], v: MatMut<'_, Self>) -> bool;

    /// Thin orthogonal basis and triangle: `q: [m, k]`, `r: [k, n]`, zero below the diagonal, signs as they come.
    fn qr(a: MatRef<'_, Self>, q: MatMut<'_, Self>, r: MatMut<'_, Self>);

    /// LU factors with row exchanges, in place; row `i` of the product is row `permutation[i]` of the matrix. Returns the
    /// number of exchanges.
    fn lu(a: MatMut<'_, Self>, permutation: &mut [usize]) -> usize;

    /// Inverse of a triangular matrix; the other triangle of `out` is not touched.
    fn trtri(out: MatMut<'_, Self>, triangle: Triangle, diagonal: Diagonal, a: MatRef<'_, Self>, threads: Threads);
}
