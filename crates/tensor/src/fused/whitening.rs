//! Whitening by the inverse of a Cholesky factor: `L⁻¹ K` for many columns, as a product.
//!
//! A product with a triangle costs what a triangular solve costs, M²B/2 multiply-adds, but its tiles do not wait for each other. It is as
//! accurate when the inverse `X` is the one whose rows solve `x L = eᵀ`: then `|X L - I| <= c u |X| |L|`, and so
//! `|X K - L⁻¹K| = |(X L - I) L⁻¹K| <= c u |X| |L| |L⁻¹K|`, which is the bound of substitution too (Higham, *Accuracy and Stability of
//! Numerical Algorithms*, chapters 8 and 14). An inverse made of products of its blocks, or by columns, has no such bound: on smooth
//! kernels it loses several digits more.
//!
//! Products with `L⁻ᵀ`, which gradients need, have no such bound, whichever inverse it is. Their largest errors are those of substitution, but
//! along a direction in which covariances hardly change, as a derivative by a lengthscale is, they are about five times as large: 5e-7 of the
//! derivative against 1e-7 for an RBF at 240 points, with cond(L) about 7e5.

use elbo_linalg::threads::Threads;
use elbo_linalg::{Dense, Diagonal, MatMut, MatRef, Shape, Side, Triangle, mirror_lower};
use rayon::prelude::*;

use super::columns::ColumnPanels;
use crate::kernels::gemm::{Columns, Packed, Start, Strided, product, product_lower, product_upper};
use elbo_core::recycle::Kept;

/// Rows of the inverse that one task solves for.
const ROWS: usize = 64;

/// The inverse of a factor `L: [M, M]`.
pub(super) struct Whitening {
    m: usize,
    /// `L⁻ᵀ`, row-major; what stands below its diagonal is arbitrary.
    upper: Kept<f64>,
}

impl Whitening {
    /// Inverts the lower triangle of `l: [M, M]`.
    pub fn new(l: &[f64], m: usize) -> Self {
        // Rows of the inverse are columns of L⁻ᵀ. The last blocks are the longest, so they come first.
        let blocks: Vec<Kept<f64>> = (0..m.div_ceil(ROWS))
            .into_par_iter()
            .rev()
            .with_max_len(1)
            .map(|block| {
                let (first, end) = (block * ROWS, m.min((block + 1) * ROWS));
                let width = end - first;
                let mut columns: Kept<f64> = Kept::new(end * width);
                columns.fill(0.0);
                (0..width).for_each(|j| columns[(first + j) * width + j] = 1.0);
                let factor = MatRef::row_major(l, m, m).block(0, 0, end, end).transpose();
                let view = MatMut::row_major(&mut columns, end, width);
                f64::trsm(Side::Left, Triangle::Upper, Diagonal::Stored, factor, view, Threads::One);
                columns
            })
            .collect();
        let mut upper: Kept<f64> = Kept::new(m * m);
        upper.par_chunks_mut((ROWS * m).max(1)).enumerate().for_each(|(top, rows)| {
            // The blocks to the left end above these rows.
            for (block, columns) in blocks.iter().rev().enumerate().skip(top) {
                let first = block * ROWS;
                let width = ROWS.min(m - first);
                for (row, values) in rows.chunks_exact_mut(m).zip(columns.chunks_exact(width).skip(top * ROWS)) {
                    row[first..first + width].copy_from_slice(values);
                }
            }
        });
        Self { m, upper }
    }

    /// `L⁻¹ k` for `k: [M, B]`, row-major.
    pub fn whiten(&self, k: &[f64], b: usize) -> ColumnPanels {
        let lines = Strided { data: &self.upper[..], lines: self.m, line: 1, step: self.m };
        let columns = Strided { data: k, lines: b, line: 1, step: b };
        ColumnPanels::product(&Packed::triangle(lines, Shape::Lower), self.m, &columns)
    }

    /// `L⁻ᵀ`, ready for [`multiply`] and [`sandwich`].
    pub fn transposed(&self) -> Packed<f64> {
        let lines = Strided { data: &self.upper[..], lines: self.m, line: self.m, step: 1 };
        Packed::triangle(lines, Shape::Upper)
    }
}

/// `out = a x` or `out += a x` for a packed `a: [M, M]` and `x, out: [M, B]`.
pub(super) fn multiply(a: &Packed<f64>, x: &[f64], b: usize, start: Start<'_, f64>, out: &mut [f64]) {
    let columns = Strided { data: x, lines: b, line: 1, step: b };
    product(a, &columns, b, (out, b, Columns::Plain), start, true);
}

/// Replaces a symmetric `x: [M, M]` by `L⁻ᵀ x L⁻¹`, exactly symmetric, given `L⁻ᵀ`.
pub(super) fn sandwich(transposed: &Packed<f64>, m: usize, x: &mut [f64]) {
    let mut half: Kept<f64> = Kept::new(m * m);
    // Row i of L⁻ᵀ begins at column i, so that the lower triangle of L⁻ᵀ (L⁻ᵀ x)ᵀ needs row j of L⁻ᵀ x from column j on.
    product_upper(transposed, &Strided { data: &x[..], lines: m, line: 1, step: m }, &mut half);
    // It is the transpose of the result, which is symmetric but for rounding.
    product_lower(transposed, &Strided { data: &half[..], lines: m, line: m, step: 1 }, x);
    mirror_lower(MatMut::row_major(x, m, m));
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_linalg::{Ladder, cholesky_in_place, trsm};

    /// `[M, B]` covariances of an RBF of points on a line, `gap` apart.
    fn covariances(m: usize, b: usize, gap: f64) -> Vec<f64> {
        (0..m * b).map(|at| (-0.5 * (gap * ((at / b) as f64 - (at % b) as f64 * 0.7)).powi(2)).exp()).collect()
    }

    fn factor(m: usize, gap: f64, jitter: f64) -> Vec<f64> {
        let mut k: Vec<f64> =
            (0..m * m).map(|at| (-0.5 * (gap * ((at / m) as f64 - (at % m) as f64)).powi(2)).exp()).collect();
        (0..m).for_each(|i| k[i * m + i] += jitter);
        cholesky_in_place(&mut k, m, Ladder::Fixed(0.0), true).unwrap();
        k
    }

    fn solved(l: &[f64], m: usize, mut k: Vec<f64>, transposed: bool) -> Vec<f64> {
        let b = k.len() / m;
        let l = MatRef::row_major(l, m, m);
        let (triangle, l) = if transposed { (Triangle::Upper, l.transpose()) } else { (Triangle::Lower, l) };
        trsm(Side::Left, triangle, Diagonal::Stored, l, MatMut::row_major(&mut k, m, b));
        k
    }

    #[track_caller]
    fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
        let scale = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for (at, (f, e)) in found.iter().zip(expected).enumerate() {
            assert!((f - e).abs() <= tolerance * scale, "{at}: {f} instead of {e}");
        }
    }

    #[test]
    fn products_with_the_inverse_are_solutions_at_every_size() {
        // 350 rows are more than one pass of a product and many blocks of the inverse.
        for (m, b) in [(1, 1), (5, 3), (64, 7), (65, 130), (350, 20)] {
            let (l, k) = (factor(m, 1.5, 0.0), covariances(m, b, 1.5));
            let whitening = Whitening::new(&l, m);
            let a = whitening.whiten(&k, b).to_rows();
            assert_near(&a, &solved(&l, m, k.clone(), false), 1e-13);
            let mut back = vec![1.0; m * b];
            multiply(&whitening.transposed(), &k, b, Start::Add, &mut back);
            back.iter_mut().for_each(|v| *v -= 1.0);
            assert_near(&back, &solved(&l, m, k, true), 1e-13);
        }
    }

    #[test]
    fn a_sandwich_is_two_solves_and_symmetric_to_the_bit() {
        for m in [1, 9, 200, 350] {
            let l = factor(m, 1.5, 0.0);
            let symmetric: Vec<f64> = (0..m * m).map(|at| ((at / m + at % m) as f64).sin()).collect();
            let turned = |x: &[f64]| -> Vec<f64> { (0..m * m).map(|at| x[at % m * m + at / m]).collect() };
            let half = turned(&solved(&l, m, symmetric.clone(), true));
            let expected = solved(&l, m, half, true);
            let mut found = symmetric;
            sandwich(&Whitening::new(&l, m).transposed(), m, &mut found);
            assert_near(&found, &expected, 1e-12);
            assert_eq!(turned(&found), found, "{m} rows");
        }
    }

    #[test]
    fn near_a_singular_covariance_the_inverse_is_as_accurate_as_substitution() {
        // The condition number of L is 7e5. The explained variances are at most 1, the rounding of theirs that of a few hundred
        // terms; the whitened covariances have errors of u cond(L), up to 1e-10, whichever way they are found.
        let (m, b) = (240, 300);
        let (l, k) = (factor(m, 0.05, 1e-10), covariances(m, b, 0.05));
        let a = Whitening::new(&l, m).whiten(&k, b).to_rows();
        let expected = solved(&l, m, k, false);
        assert_near(&a, &expected, 1e-8);
        let explained = |a: &[f64], j: usize| (0..m).map(|i| a[i * b + j].powi(2)).sum::<f64>();
        for j in 0..b {
            let (found, expected) = (explained(&a, j), explained(&expected, j));
            assert!((found - expected).abs() < 1e-10, "column {j}: {found} and {expected}");
        }
    }
}
