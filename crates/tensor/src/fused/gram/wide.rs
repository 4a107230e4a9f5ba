//! The same matrices for points of many dimensions, through products.
//!
//! Squared distances are `|x|² + |z|² - 2 xᵀz` of points centred on the mean of the columns' points, clamped at zero: about half of the
//! digits are lost between near points, which smooth profiles do not notice. Profiles with a kink at zero do, and take
//! differences whatever the dimension.

use super::super::radial::{Profile, Radial};
use super::pullback::Pull;
use super::{Hyper, Points};
use crate::kernels::{Vectorised, run_vectorised};
use elbo_linalg::{MatMut, MatRef, Shape, gemm, gemm_structured};
use rayon::prelude::*;

/// Dimensions above which products are faster than differences.
const WIDE: usize = 32;
/// Rows that one thread computes in one piece.
const ROWS: usize = 32;

impl Hyper {
    /// Whether to take products.
    pub fn is_wide(&self) -> bool {
        self.lengthscales.len() > WIDE && !matches!(self.radial, Radial::Matern12 | Radial::Matern32)
    }
}

/// The centred points `[N, D]`, and their squared lengths.
fn centred(points: &Points, centre: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut rows = points.rows.clone();
    let mut squares = Vec::with_capacity(points.count);
    for row in rows.chunks_exact_mut(points.dims) {
        row.iter_mut().zip(centre).for_each(|(v, c)| *v -= c);
        squares.push(row.iter().map(|v| v * v).sum());
    }
    (rows, squares)
}

fn centre(points: &Points) -> Vec<f64> {
    (0..points.dims)
        .map(|d| elbo_linalg::vector::sum(points.column(d, 0, points.count)) / points.count as f64)
        .collect()
}

/// Turns a row of inner products into squared distances.
struct Distances<'a> {
    own: f64,
    squares: &'a [f64],
    row: &'a mut [f64],
}

impl Vectorised for Distances<'_> {
    #[inline(always)]
    fn run(self) {
        for (value, square) in self.row.iter_mut().zip(self.squares) {
            let s = self.own + square - 2.0 * *value;
            // Rounding only: a squared distance is not negative. A NaN stays.
            *value = if s < 0.0 { 0.0 } else { s };
        }
    }
}

struct Values<'a, P> {
    profile: P,
    variance: f64,
    row: &'a mut [f64],
}

impl<P: Profile> Vectorised for Values<'_, P> {
    #[inline(always)]
    fn run(self) {
        for value in self.row.iter_mut() {
            *value = self.variance * self.profile.g(*value);
        }
    }
}

/// Squared distances `[N, M]` with the centred points that made them; of one set with itself (`z` is `None`) only the lower triangle.
fn distances(x: &Points, z: Option<&Points>, out: &mut [f64]) -> (Vec<f64>, Vec<f64>) {
    let middle = centre(z.unwrap_or(x));
    let (rows, own) = centred(x, &middle);
    let (others, squares) = z.map_or_else(|| (vec![], own.clone()), |z| centred(z, &middle));
    let (n, m, dims) = (x.count, squares.len(), x.dims);
    let a = MatRef::row_major(&rows, n, dims);
    match z {
        Some(_) => gemm(MatMut::row_major(out, n, m), 1.0, a, MatRef::row_major(&others, m, dims).transpose(), 0.0),
        None => elbo_linalg::syrk_lower(MatMut::row_major(out, n, n), 1.0, a, 0.0),
    }
    out.par_chunks_mut(ROWS * m).enumerate().for_each(|(block, chunk)| {
        for (r, row) in chunk.chunks_exact_mut(m).enumerate() {
            let i = block * ROWS + r;
            let end = if z.is_some() { m } else { i };
            run_vectorised(Distances { own: own[i], squares: &squares[..end], row: &mut row[..end] });
        }
    });
    (rows, others)
}

/// Covariances into `out: [N, M]`; of one set with itself the strictly lower triangle only.
pub(super) fn fill<P: Profile>(profile: P, x: &Points, z: Option<&Points>, variance: f64, out: &mut [f64]) {
    if out.is_empty() {
        return;
    }
    let m = z.unwrap_or(x).count;
    distances(x, z, out);
    out.par_chunks_mut(ROWS * m).enumerate().for_each(|(block, chunk)| {
        for (r, row) in chunk.chunks_exact_mut(m).enumerate() {
            let end = if z.is_some() { m } else { block * ROWS + r };
            run_vectorised(Values { profile, variance, row: &mut row[..end] });
        }
    });
}

/// Replaces a row of squared distances by `dK v h` and adds up `dK g` and `dK ∂g/∂α`.
struct Weights<'a, P> {
    profile: P,
    variance: f64,
    gradient: &'a [f64],
    row: &'a mut [f64],
    sums: &'a mut [f64; 2],
}

impl<P: Profile> Vectorised for Weights<'_, P> {
    #[inline(always)]
    fn run(self) {
        for (s, gradient) in self.row.iter_mut().zip(self.gradient) {
            let (g, h) = self.profile.gh(*s);
            self.sums[0] += gradient * g;
            self.sums[1] += gradient * self.profile.g_alpha(*s);
            *s = gradient * self.variance * h;
        }
    }
}

/// Pulls a gradient back; `weights` as in the narrow pullback. The rows' gradients are in scaled units.
pub(super) fn pull<P: Profile>(
    profile: P,
    x: &Points,
    z: Option<&Points>,
    hyper: &Hyper,
    weights: impl Fn(usize, usize, &mut [f64]) + Sync,
) -> Pull {
    let (n, m, dims) = (x.count, z.unwrap_or(x).count, x.dims);
    let mut pull = Pull {
        x: vec![0.0; n * dims],
        z: vec![0.0; z.map_or(0, |z| z.count) * dims],
        log_lengthscales: vec![0.0; dims],
        variance: 0.0,
        alpha: 0.0,
    };
    if n * m == 0 {
        return pull;
    }
    let mut w = vec![0.0; n * m];
    let (rows, others) = distances(x, z, &mut w);
    let sums: Vec<[f64; 2]> = w
        .par_chunks_mut(ROWS * m)
        .enumerate()
        .map(|(block, chunk)| {
            let (mut sums, mut gradient) = ([0.0; 2], vec![0.0; m]);
            for (r, row) in chunk.chunks_exact_mut(m).enumerate() {
                let i = block * ROWS + r;
                let end = if z.is_some() { m } else { i };
                weights(i, 0, &mut gradient[..end]);
                let (gradient, row) = (&gradient[..end], &mut row[..]);
                let variance = hyper.variance;
                run_vectorised(Weights { profile, variance, gradient, row: &mut row[..end], sums: &mut sums });
                if z.is_none() {
                    // The diagonal moves with nothing.
                    row[i] = 0.0;
                }
            }
            sums
        })
        .collect();
    for [value, alpha] in sums {
        pull.variance += value;
        pull.alpha += hyper.variance * alpha;
    }
    let (ones_n, ones_m) = (vec![1.0; n], vec![1.0; m]);
    let (mut by_row, mut by_column) = (vec![0.0; n], vec![0.0; m]);
    let (a, shape) = (MatRef::row_major(&w, n, m), if z.is_some() { Shape::Full } else { Shape::Lower });
    let turned = if z.is_some() { Shape::Full } else { Shape::Upper };
    let full = |v| (Shape::Full, v);
    gemm_structured(full_mut(&mut by_row, n, 1), 1.0, (shape, a), full(MatRef::column(&ones_m)), 0.0);
    gemm_structured(full_mut(&mut by_column, m, 1), 1.0, (turned, a.transpose()), full(MatRef::column(&ones_n)), 0.0);
    let xv = MatRef::row_major(&rows, n, dims);
    if z.is_none() {
        // Each pair stands once in the lower triangle and moves both of its points.
        gemm_structured(full_mut(&mut pull.x, n, dims), 1.0, (shape, a), full(xv), 0.0);
        gemm_structured(full_mut(&mut pull.x, n, dims), 1.0, (turned, a.transpose()), full(xv), 1.0);
        by_row.iter_mut().zip(&by_column).for_each(|(r, c)| *r += c);
        finish(&mut pull.x, &rows, &by_row, &mut pull.log_lengthscales);
        return pull;
    }
    let zv = MatRef::row_major(&others, m, dims);
    gemm(MatMut::row_major(&mut pull.x, n, dims), 1.0, a, zv, 0.0);
    gemm(MatMut::row_major(&mut pull.z, m, dims), 1.0, a.transpose(), xv, 0.0);
    finish(&mut pull.x, &rows, &by_row, &mut pull.log_lengthscales);
    finish(&mut pull.z, &others, &by_column, &mut pull.log_lengthscales);
    pull
}

fn full_mut(values: &mut [f64], rows: usize, columns: usize) -> (Shape, MatMut<'_, f64>) {
    (Shape::Full, MatMut::row_major(values, rows, columns))
}

/// From the products `Σ_j w_ij z_j` to the gradient `-Σ_j w_ij (x_i - z_j)`, adding `Σ_i x_i (Σ_j w_ij (x_i - z_j))` to the sums by dimension:
/// over both sides these add up to `Σ w (x - z)²`.
fn finish(products: &mut [f64], points: &[f64], totals: &[f64], by_dimension: &mut [f64]) {
    let dims = by_dimension.len();
    for ((product, point), total) in products.chunks_exact_mut(dims).zip(points.chunks_exact(dims)).zip(totals) {
        for d in 0..dims {
            let moved = total * point[d] - product[d];
            by_dimension[d] += point[d] * moved;
            product[d] = -moved;
        }
    }
}
