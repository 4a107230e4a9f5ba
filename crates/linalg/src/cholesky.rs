//! Cholesky factors, and the one jitter policy.

use crate::backend::{Diagonal, Side, Triangle};
use crate::error::{LinalgError, Result};
use crate::gemm::mirror_lower;
use crate::real::Real;
use crate::threads::Threads;
use crate::triangular::trsm;
use crate::view::{MatMut, MatRef};

/// Replaces the lower triangle of a symmetric matrix, which alone is read, by its factor L. The strictly upper part is set to
/// zero when `clear_upper`, else left alone.
///
/// # Errors
/// [`LinalgError::NotPositiveDefinite`] with the row that failed, or [`LinalgError::NotFinite`] when the factor is not finite; the
/// lower triangle is then undefined. No jitter is added: see [`cholesky_with_jitter`].
pub fn potrf<T: Real>(mut a: MatMut<'_, T>, clear_upper: bool) -> Result<()> {
    let n = square(a.as_ref());
    if n == 0 {
        return Ok(());
    }
    let failure = |row| LinalgError::NotPositiveDefinite { size: n, row, jitter: 0.0 };
    T::potrf(a.reborrow(), Threads::All).map_err(failure)?;
    // A NaN or an infinity below the diagonal always reaches the diagonal of its row.
    if let Some(row) = (0..n).find(|&i| !a.get(i, i).is_finite()) {
        return Err(failure(row));
    }
    if clear_upper {
        clear_strictly_upper(&mut a);
    }
    Ok(())
}

/// Inverse of `L L^T`, both triangles, into `out`. Reads the lower triangle of `l`. Up to [`crate::BY_TILES`] rows in double precision it is made
/// in one thread.
pub fn potri<T: Real>(mut out: MatMut<'_, T>, l: MatRef<'_, T>) {
    potri_lower(out.reborrow(), l);
    mirror_lower(out);
}

/// Lower triangle of the inverse of `L L^T` into `out`, whose strictly upper one is left alone. Reads the lower triangle of `l`.
pub fn potri_lower<T: Real>(out: MatMut<'_, T>, l: MatRef<'_, T>) {
    let n = square(l);
    assert!(out.rows() == n && out.columns() == n, "the inverse of a {n}x{n} matrix needs a {n}x{n} result");
    if n > 0 {
        T::potri(out, l, Threads::All);
    }
}

/// `log |L L^T|` in nats, from the diagonal of L.
pub fn log_det_from_factor<T: Real>(l: MatRef<'_, T>) -> f64 {
    2.0 * (0..square(l)).map(|i| l.get(i, i).to_f64().ln()).sum::<f64>()
}

/// Which jitters are tried. All are relative to the mean of the diagonal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ladder {
    /// These in turn, until one works.
    Climb(&'static [f64]),
    /// Only this one: later solves of a fit use the rung that the first one found, so that the objective is one function.
    Fixed(f64),
}

impl Ladder {
    /// The project's ladder: 0, 1e-10, 1e-8, 1e-6, 1e-4 in f64; 1e-6, 1e-5, 1e-4, 1e-3 in f32.
    pub fn standard<T: Real>() -> Self {
        Self::Climb(T::JITTERS)
    }

    fn rungs(&self) -> &[f64] {
        match self {
            Self::Climb(rungs) => rungs,
            Self::Fixed(rung) => std::slice::from_ref(rung),
        }
    }
}

/// What was added to a diagonal before it could be factored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter {
    /// Relative to the mean of the diagonal; pass it to [`Ladder::Fixed`] to use the same again.
    pub relative: f64,
    /// The number that was added to every entry of the diagonal.
    pub absolute: f64,
}

impl Jitter {
    /// Whether it is large enough that the user should be told.
    pub fn is_worth_reporting(&self) -> bool {
        self.relative > 1e-8
    }
}

impl Ladder {
    /// Calls `attempt` with the jitters of the ladder, as numbers to add to a diagonal with this mean, until one succeeds. For
    /// callers that can refill their matrix and so need no copy of it.
    ///
    /// # Errors
    /// [`LinalgError::NotPositiveDefinite`] of the last attempt, naming the jitter; at once whatever else `attempt` returns.
    pub fn climb(self, size: usize, mean_diagonal: f64, mut attempt: impl FnMut(f64) -> Result<()>) -> Result<Jitter> {
        let mut failure = LinalgError::NotPositiveDefinite { size, row: 0, jitter: 0.0 };
        for &relative in self.rungs() {
            let absolute = relative * mean_diagonal;
            match attempt(absolute) {
                Ok(()) => return Ok(Jitter { relative, absolute }),
                Err(LinalgError::NotPositiveDefinite { size, row, .. }) => {
                    failure = LinalgError::NotPositiveDefinite { size, row, jitter: relative };
                }
                Err(other) => return Err(other),
            }
        }
        Err(failure)
    }
}

/// Factors a symmetric matrix in place, adding the first jitter of the ladder that suffices.
///
/// # Shapes
/// `a: [n, n]` row-major, **both triangles filled**: a failed attempt is undone from the upper one. On return the lower
/// triangle holds L; the strictly upper one still holds the matrix when `clear_upper` is false.
///
/// # Errors
/// [`LinalgError::NotPositiveDefinite`] after the last rung; [`LinalgError::NotFinite`] with the place of the first NaN or infinity.
pub fn cholesky_in_place<T: Real>(a: &mut [T], n: usize, ladder: Ladder, clear_upper: bool) -> Result<Jitter> {
    assert_eq!(a.len(), n * n, "{} values are no {n}x{n} matrix", a.len());
    let diagonal: Vec<T> = (0..n).map(|i| a[i * n + i]).collect();
    let mean = diagonal.iter().map(|v| v.to_f64()).sum::<f64>() / n.max(1) as f64;
    let mut failed_before = false;
    let jitter = ladder.climb(n, mean, |absolute| {
        if failed_before {
            restore_lower(a, n);
        }
        for i in 0..n {
            a[i * n + i] = diagonal[i] + T::from_f64(absolute);
        }
        let result = potrf(MatMut::row_major(a, n, n), false);
        if result.is_err() && !failed_before {
            failed_before = true;
            // Only now is it worth looking through all entries.
            check_upper_finite(a, n, &diagonal)?;
        }
        result
    })?;
    if clear_upper {
        clear_strictly_upper(&mut MatMut::row_major(a, n, n));
    }
    Ok(jitter)
}

/// Refuses a NaN or an infinity in the diagonal or in the strictly upper triangle.
fn check_upper_finite<T: Real>(a: &[T], n: usize, diagonal: &[T]) -> Result<()> {
    for i in 0..n {
        let entry = |j: usize| if i == j { diagonal[i] } else { a[i * n + j] };
        if let Some(column) = (i..n).find(|&j| !entry(j).is_finite()) {
            let value = entry(column).to_f64();
            return Err(LinalgError::NotFinite { rows: n, columns: n, row: i, column, value });
        }
    }
    Ok(())
}

/// Factors a symmetric matrix, adding the first jitter of the ladder that suffices. Reads the lower triangle.
///
/// ```
/// use elbo_linalg::{Ladder, MatRef, cholesky_with_jitter};
/// // Two equal inputs: singular, but for a jitter.
/// let k = [1.0, 1.0, 1.0, 1.0];
/// let cholesky = cholesky_with_jitter(MatRef::row_major(&k, 2, 2), Ladder::standard::<f64>())?;
/// assert_eq!(cholesky.jitter().relative, 1e-10);
/// # Ok::<(), elbo_linalg::LinalgError>(())
/// ```
///
/// # Errors
/// As [`cholesky_in_place`].
pub fn cholesky_with_jitter<T: Real>(a: MatRef<'_, T>, ladder: Ladder) -> Result<Cholesky<T>> {
    let n = square(a);
    let mut l = vec![T::ZERO; n * n];
    let mut view = MatMut::row_major(&mut l, n, n);
    for i in 0..n {
        for j in 0..=i {
            view.set(i, j, a.get(i, j));
        }
    }
    mirror_lower(view);
    let jitter = cholesky_in_place(&mut l, n, ladder, true)?;
    Ok(Cholesky { l, n, jitter })
}

/// `A + jitter I = L L^T`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cholesky<T> {
    l: Vec<T>,
    n: usize,
    jitter: Jitter,
}

impl<T: Real> Cholesky<T> {
    /// A factor that was computed elsewhere: `l: [n, n]` row-major with a zero upper part.
    pub fn from_factor(l: Vec<T>, n: usize, jitter: Jitter) -> Self {
        assert_eq!(l.len(), n * n, "{} values are no {n}x{n} matrix", l.len());
        Self { l, n, jitter }
    }

    /// Number of rows.
    pub fn size(&self) -> usize {
        self.n
    }

    /// What was added to the diagonal.
    pub fn jitter(&self) -> Jitter {
        self.jitter
    }

    /// `l: [n, n]`, zero above the diagonal.
    pub fn factor(&self) -> MatRef<'_, T> {
        MatRef::row_major(&self.l, self.n, self.n)
    }

    /// The factor's values, row-major.
    pub fn into_factor(self) -> Vec<T> {
        self.l
    }

    /// `log |A|`, in nats.
    pub fn log_det(&self) -> f64 {
        log_det_from_factor(self.factor())
    }

    /// Replaces `b: [n, m]` by `L^-1 b`.
    pub fn half_solve(&self, b: MatMut<'_, T>) {
        trsm(Side::Left, Triangle::Lower, Diagonal::Stored, self.factor(), b);
    }

    /// Replaces `b: [n, m]` by `L^-T b`.
    pub fn half_solve_transposed(&self, b: MatMut<'_, T>) {
        trsm(Side::Left, Triangle::Upper, Diagonal::Stored, self.factor().transpose(), b);
    }

    /// Replaces `b: [n, m]` by `A^-1 b`.
    pub fn solve(&self, mut b: MatMut<'_, T>) {
        self.half_solve(b.reborrow());
        self.half_solve_transposed(b);
    }

    /// `A^-1: [n, n]`, row-major, both triangles.
    pub fn inverse(&self) -> Vec<T> {
        let mut out = vec![T::ZERO; self.n * self.n];
        potri(MatMut::row_major(&mut out, self.n, self.n), self.factor());
        out
    }

    /// Extends A by one row and column: `column: [n]` are the covariances with the old rows, `diagonal` the new variance, to which
    /// the same jitter is added. Costs n^2 instead of n^3.
    ///
    /// # Errors
    /// [`LinalgError::NotPositiveDefinite`] when the new row depends on the old ones; the factor is then unchanged.
    pub fn append(&mut self, column: &[T], diagonal: T) -> Result<()> {
        let n = self.n;
        assert_eq!(column.len(), n, "a {n}x{n} factor takes a row of {n} covariances");
        let mut row = column.to_vec();
        self.half_solve(MatMut::column(&mut row));
        let pivot = diagonal + T::from_f64(self.jitter.absolute) - T::dot(&row, &row);
        // Also false for a NaN.
        if !(pivot > T::ZERO && pivot.is_finite()) {
            return Err(LinalgError::NotPositiveDefinite { size: n + 1, row: n, jitter: self.jitter.relative });
        }
        let mut l = Vec::with_capacity((n + 1) * (n + 1));
        for i in 0..n {
            l.extend_from_slice(&self.l[i * n..(i + 1) * n]);
            l.push(T::ZERO);
        }
        l.extend_from_slice(&row);
        l.push(pivot.sqrt());
        (self.l, self.n) = (l, n + 1);
        Ok(())
    }
}

fn square<T>(a: MatRef<'_, T>) -> usize {
    assert_eq!(a.rows(), a.columns(), "a {}x{} matrix is not square", a.rows(), a.columns());
    a.rows()
}

fn clear_strictly_upper<T: Real>(a: &mut MatMut<'_, T>) {
    let n = a.rows();
    for i in 0..n {
        for j in i + 1..n {
            a.set(i, j, T::ZERO);
        }
    }
}

/// Copies the strictly upper triangle onto the lower one.
fn restore_lower<T: Real>(a: &mut [T], n: usize) {
    mirror_lower(MatMut::row_major(a, n, n).transpose());
}
