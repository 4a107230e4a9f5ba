//! Factor and inverse of a small covariance, by tiles in one thread: below some hundred rows the library's recursion costs more than
//! its arithmetic, and a sampler of hyperparameters factors and inverts thousands of such matrices a second.
//!
//! Both work on row-major copies whose rows are filled up with zeros to whole tiles, and both are sums of outer products of rows,
//! `Σ_k a_k b_k^T`: of the rows of `U = L^T` above for the factor, of those of `U` and `L^{-1}` for the inverse of a factor, of those of
//! `L^{-1}` for its square.

use crate::view::{MatMut, MatRef};
use elbo_core::recycle::Kept;
use std::ops::Range;

/// Rows up to which [`crate::potrf`] and [`crate::potri`] work by tiles, in double precision; what is larger goes to the library.
pub const BY_TILES: usize = 192;

/// Rows and columns of a tile, whose sums stay in registers.
const ROWS: usize = 4;
const WIDTH: usize = 8;

type Tile = [[f64; WIDTH]; ROWS];

/// How far rows of a copy are apart: whole tiles, and an odd number of them, so that a column's numbers share no cache set.
fn stride(n: usize) -> usize {
    (n.div_ceil(WIDTH) | 1) * WIDTH
}

/// Lower triangle of the factor L of a symmetric matrix, whose lower triangle is read, in its place. The error is the row that failed.
pub(crate) fn potrf(mut a: MatMut<'_, f64>) -> Result<(), usize> {
    let n = a.rows();
    let mut upper = transposed(a.as_ref());
    let failed = factor(&mut upper, n);
    if failed < n {
        return Err(failed);
    }
    write_lower(&mut a, &upper, [1, stride(n)]);
    Ok(())
}

/// Lower triangle of the inverse of `L L^T`; the strictly upper part of `out` is not touched.
pub(crate) fn potri(mut out: MatMut<'_, f64>, l: MatRef<'_, f64>) {
    let n = l.rows();
    let upper = transposed(l);
    let mut half = Kept::zeros(upper.len());
    inverse_of_factor(&upper, n, &mut half);
    // The copy of L is read no more.
    let mut whole = upper;
    square(&half, n, &mut whole);
    write_lower(&mut out, &whole, [stride(n), 1]);
}

/// The lower triangle of `a`, transposed, in rows of whole tiles; zeros elsewhere.
fn transposed(a: MatRef<'_, f64>) -> Kept<f64> {
    let n = a.rows();
    let width = stride(n);
    let mut out = Kept::zeros(n.next_multiple_of(ROWS) * width);
    let (row, column) = (a.row_stride(), a.column_stride());
    for i in 0..n {
        let line = a.data()[i * row..].iter().step_by(column).take(i + 1);
        out[i..].iter_mut().step_by(width).zip(line).for_each(|(o, v)| *o = *v);
    }
    out
}

/// The lower triangle of `out` becomes that of `from`, whose rows and columns are `row` and `column` apart.
fn write_lower(out: &mut MatMut<'_, f64>, from: &[f64], [row, column]: [usize; 2]) {
    let (n, to) = (out.rows(), [out.row_stride(), out.column_stride()]);
    for i in 0..n {
        let line = out.data_mut()[i * to[0]..].iter_mut().step_by(to[1]).take(i + 1);
        line.zip(from[i * row..].iter().step_by(column)).for_each(|(o, v)| *o = *v);
    }
}

/// Adds `Σ_k a_k[row..] b_k[column..]^T` over these rows of two matrices to a tile, or subtracts it.
#[inline(always)]
fn accumulate<const FMA: bool, const ADD: bool>(
    tile: &mut Tile,
    [a, b]: [&[f64]; 2],
    width: usize,
    over: Range<usize>,
    [row, column]: [usize; 2],
) {
    let mut sums = *tile;
    let over = over.start * width..over.end * width;
    for (a, b) in a[over.clone()].chunks_exact(width).zip(b[over].chunks_exact(width)) {
        let (a, b) = (&a[row..row + ROWS], &b[column..column + WIDTH]);
        for (sums, a) in sums.iter_mut().zip(a) {
            let a = if ADD { *a } else { -a };
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = if FMA { a.mul_add(*b, *sum) } else { a * b + *sum };
            }
        }
    }
    *tile = sums;
}

#[inline(always)]
fn load(from: &[f64], width: usize, [row, column]: [usize; 2]) -> Tile {
    std::array::from_fn(|r| std::array::from_fn(|t| from[(row + r) * width + column + t]))
}

#[inline(always)]
fn store(tile: &Tile, to: &mut [f64], width: usize, [row, column]: [usize; 2]) {
    for (r, line) in tile.iter().enumerate() {
        to[(row + r) * width + column..][..WIDTH].copy_from_slice(line);
    }
}

/// `target -= factor source`, for rows of the same length.
#[inline(always)]
fn subtract<const FMA: bool>(factor: f64, source: &[f64], target: &mut [f64]) {
    for (t, s) in target.iter_mut().zip(source) {
        *t = if FMA { (-factor).mul_add(*s, *t) } else { *t - factor * s };
    }
}

crate::multiversion! {
    /// Replaces the upper triangle of a symmetric matrix by its factor `U`, `U^T U = A`, row by row of tiles. Returns the row whose pivot is
    /// not positive and finite, or `n`. What stands below the diagonal is undefined afterwards.
    fn factor[FMA](u: &mut [f64], n: usize) -> usize {
        let width = stride(n);
        for first in (0..n).step_by(ROWS) {
            let left = first / WIDTH * WIDTH;
            for column in (left..n).step_by(WIDTH) {
                let at = [first, column];
                let mut tile = load(u, width, at);
                accumulate::<FMA, false>(&mut tile, [&*u, &*u], width, 0..first, at);
                store(&tile, u, width, at);
            }
            for row in first..(first + ROWS).min(n) {
                let (own, below) = u[row * width..(first + ROWS) * width].split_at_mut(width);
                let pivot = own[row];
                // Also false for a NaN.
                if !(pivot > 0.0 && pivot.is_finite()) {
                    return row;
                }
                let root = pivot.sqrt();
                let scale = 1.0 / root;
                own[left..].iter_mut().for_each(|v| *v *= scale);
                own[row] = root;
                for (s, below) in below.chunks_exact_mut(width).enumerate() {
                    subtract::<FMA>(own[row + 1 + s], &own[left..], &mut below[left..]);
                }
            }
        }
        n
    }

    /// `L^{-1}` from `U = L^T`, into zeros.
    fn inverse_of_factor[FMA](u: &[f64], n: usize, half: &mut [f64]) {
        let width = stride(n);
        for first in (0..n).step_by(ROWS) {
            let used = ROWS.min(n - first);
            let inverse = |at: usize| 1.0 / u[at * width + at];
            let scales: [f64; ROWS] = std::array::from_fn(|r| if r < used { inverse(first + r) } else { 0.0 });
            for column in (0..first + ROWS).step_by(WIDTH) {
                let mut tile: Tile =
                    std::array::from_fn(|r| std::array::from_fn(|t| if first + r == column + t { 1.0 } else { 0.0 }));
                // Rows of the inverse are zero right of the diagonal.
                accumulate::<FMA, false>(&mut tile, [u, &*half], width, column..first, [first, column]);
                for r in 0..ROWS {
                    let (solved, rest) = tile.split_at_mut(r);
                    for (s, solved) in solved.iter().enumerate() {
                        subtract::<FMA>(u[(first + s) * width + first + r], solved, &mut rest[0]);
                    }
                    rest[0].iter_mut().for_each(|v| *v *= scales[r]);
                }
                store(&tile, half, width, [first, column]);
            }
        }
    }

    /// Lower triangle of `H^T H` for a lower triangular `H`, and something above it.
    fn square[FMA](half: &[f64], n: usize, out: &mut [f64]) {
        let width = stride(n);
        for first in (0..n).step_by(ROWS) {
            for column in (0..first + ROWS).step_by(WIDTH) {
                let mut tile = [[0.0; WIDTH]; ROWS];
                accumulate::<FMA, true>(&mut tile, [half, half], width, first..n, [first, column]);
                store(&tile, out, width, [first, column]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BY_TILES;
    use crate::threads::Threads;
    use crate::{LinalgError, MatMut, MatRef, library, potrf, potri_lower};

    const SIZES: [usize; 10] = [1, 2, 3, 4, 5, 8, 31, 60, BY_TILES, BY_TILES + 1];

    /// Row-major, with neighbours that resemble each other.
    fn covariance(n: usize) -> Vec<f64> {
        let mut k: Vec<f64> = (0..n * n).map(|at| (-0.5 * (at / n).abs_diff(at % n).pow(2) as f64).exp()).collect();
        (0..n).for_each(|i| k[i * n + i] += 0.1);
        k
    }

    /// What `f` makes of the lower triangle of an `[n, n]` matrix in column order, inside a larger one.
    fn inside_columns(n: usize, from: &[f64], f: impl FnOnce(MatMut<'_, f64>)) -> Vec<f64> {
        let mut wide = vec![7.0; (n + 2) * (n + 1)];
        let mut block = MatMut::column_major(&mut wide, n + 2, n + 1).block(2, 1, n, n);
        (0..n).for_each(|i| (0..=i).for_each(|j| block.set(i, j, from[i * n + j])));
        f(block);
        MatRef::column_major(&wide, n + 2, n + 1).block(2, 1, n, n).to_row_major()
    }

    fn assert_near(seen: &[f64], expected: &[f64], what: &str) {
        let worst = seen.iter().zip(expected).map(|(s, e)| (s - e).abs()).fold(0.0, f64::max);
        assert!(seen.len() == expected.len() && worst < 1e-12, "{what}: {worst}");
    }

    #[test]
    fn a_small_factor_is_the_library_s_in_every_layout() {
        for n in SIZES {
            // What stands above the diagonal stays, and is to be ignored.
            let mut k = covariance(n);
            (0..n).for_each(|i| (i + 1..n).for_each(|j| k[i * n + j] = 7.0));
            let mut expected = k.clone();
            library::potrf(MatMut::row_major(&mut expected, n, n), Threads::All).unwrap();
            let mut found = k.clone();
            potrf(MatMut::row_major(&mut found, n, n), false).unwrap();
            assert_near(&found, &expected, &format!("{n} rows"));
            let seen = inside_columns(n, &k, |block| potrf(block, false).unwrap());
            assert_near(&seen, &found, &format!("{n} rows in column order"));
            assert!(n > BY_TILES || seen == found, "{n} rows in column order have other bits");
        }
    }

    #[test]
    fn the_row_without_a_positive_and_finite_pivot_is_named() {
        for n in [1, 4, 7, 30] {
            for bad in [0, n / 2, n - 1] {
                for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
                    let mut k = covariance(n);
                    k[bad * n + bad] = value;
                    let error = potrf(MatMut::row_major(&mut k, n, n), false).unwrap_err();
                    let expected = LinalgError::NotPositiveDefinite { size: n, row: bad, jitter: 0.0 };
                    assert_eq!(error, expected, "{value} in row {bad} of {n}");
                }
            }
        }
    }

    #[test]
    fn a_small_inverse_is_the_library_s_in_every_layout() {
        for n in SIZES {
            let mut l = covariance(n);
            potrf(MatMut::row_major(&mut l, n, n), false).unwrap();
            let factor = MatRef::row_major(&l, n, n);
            let mut expected = vec![7.0; n * n];
            library::potri(MatMut::row_major(&mut expected, n, n), factor, Threads::All);
            // Above the diagonal nothing is written.
            (0..n).for_each(|i| expected[i * n + i + 1..(i + 1) * n].fill(7.0));
            let mut found = vec![7.0; n * n];
            potri_lower(MatMut::row_major(&mut found, n, n), factor);
            assert_near(&found, &expected, &format!("{n} rows"));
            let columns: Vec<f64> = (0..n * n).map(|at| l[(at % n) * n + at / n]).collect();
            let seen = inside_columns(n, &found, |block| potri_lower(block, MatRef::column_major(&columns, n, n)));
            assert_near(&seen, &found, &format!("{n} rows in column order"));
            assert!(n > BY_TILES || seen == found, "{n} rows in column order have other bits");
        }
    }
}
