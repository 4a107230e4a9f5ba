//! Products.

use crate::backend::Shape;
use crate::real::Real;
use crate::threads::{Threads, multiply_adds};
use crate::view::{MatMut, MatRef};
use rayon::prelude::*;

/// Multiply-adds of one product of a batch below which threads take whole products.
const SMALL_PRODUCT: usize = 128 * 128 * 128;

/// `C = alpha A B + beta C`.
///
/// # Shapes
/// `a: [m, k]`, `b: [k, n]`, `c: [m, n]`, any strides; transpose a view for `A^T`. With `beta = 0` C is not read, so it may hold
/// anything.
///
/// # Panics
/// When the shapes do not fit.
pub fn gemm<T: Real>(c: MatMut<'_, T>, alpha: T, a: MatRef<'_, T>, b: MatRef<'_, T>, beta: T) {
    gemm_on(c, alpha, a, b, beta, Threads::All);
}

/// [`gemm`] of operands of which only a triangle counts, or into a triangle of C: `(shape, view)` pairs.
///
/// Entries outside a triangle of A or B are taken for zero, whatever they hold; those of C are left alone. Half or a third of the
/// work of the full product.
pub fn gemm_structured<T: Real>(
    c: (Shape, MatMut<'_, T>),
    alpha: T,
    a: (Shape, MatRef<'_, T>),
    b: (Shape, MatRef<'_, T>),
    beta: T,
) {
    check(&c.1, &a.1, &b.1);
    for (name, shape, rows, columns) in [
        ("C", c.0, c.1.rows(), c.1.columns()),
        ("A", a.0, a.1.rows(), a.1.columns()),
        ("B", b.0, b.1.rows(), b.1.columns()),
    ] {
        assert!(shape == Shape::Full || rows == columns, "triangular {name} is {rows}x{columns}, not square");
    }
    T::gemm(c.1, alpha, a.1, b.1, beta, (c.0, a.0, b.0), Threads::All);
}

/// Lower triangle of `C = alpha A A^T + beta C`; the strictly upper one is left alone. See [`mirror_lower`].
pub fn syrk_lower<T: Real>(c: MatMut<'_, T>, alpha: T, a: MatRef<'_, T>, beta: T) {
    gemm_structured((Shape::Lower, c), alpha, (Shape::Full, a), (Shape::Full, a.transpose()), beta);
}

/// Products of a batch: `C_i = alpha A_i B_i + beta C_i`.
///
/// `c` holds the results one after another, `[batch, m, n]`; `a(i): [m, k]` and `b(i): [k, n]` are the operands, which may repeat
/// (broadcasting). Small products are shared out whole, large ones are shared inside; either way the bits are the same.
pub fn gemm_batched<'a, T: Real>(
    c: &mut [T],
    (m, n): (usize, usize),
    alpha: T,
    a: impl Fn(usize) -> MatRef<'a, T> + Sync,
    b: impl Fn(usize) -> MatRef<'a, T> + Sync,
    beta: T,
) {
    if m * n == 0 || c.is_empty() {
        return;
    }
    assert_eq!(c.len() % (m * n), 0, "{} results are no whole number of {m}x{n} matrices", c.len());
    let work = multiply_adds(m, n, a(0).columns());
    let one = |i: usize, c: &mut [T], threads| gemm_on(MatMut::row_major(c, m, n), alpha, a(i), b(i), beta, threads);
    if work >= SMALL_PRODUCT {
        c.chunks_mut(m * n).enumerate().for_each(|(i, c)| one(i, c, Threads::All));
        return;
    }
    // Enough products per task to be worth handing over.
    let together = (32 * 1024 / work.max(1)).max(1);
    c.par_chunks_mut(m * n * together).enumerate().for_each(|(task, chunk)| {
        chunk.chunks_mut(m * n).enumerate().for_each(|(i, c)| one(task * together + i, c, Threads::One));
    });
}

/// Copies the lower triangle onto the upper one.
pub fn mirror_lower<T: Real>(mut c: MatMut<'_, T>) {
    let n = c.rows();
    assert_eq!(n, c.columns(), "only a square matrix can be symmetric");
    if n >= 128 && c.column_stride() == 1 && c.row_stride() == n {
        return mirror_rows(&mut c.data_mut()[..n * n], n, 0);
    }
    // Blocks, so that the rows read and the columns written stay in cache together.
    const BLOCK: usize = 32;
    for rows in (0..n).step_by(BLOCK) {
        for columns in (0..=rows).step_by(BLOCK) {
            for i in rows..n.min(rows + BLOCK) {
                for j in columns..i.min(columns + BLOCK) {
                    let value = c.get(i, j);
                    c.set(j, i, value);
                }
            }
        }
    }
}

/// Fills the entries right of the diagonal in the columns from `first` on, of consecutive rows that start with row `first` of a
/// row-major matrix with `stride` columns. Halves recursively, so that threads share the work.
fn mirror_rows<T: Real>(rows: &mut [T], stride: usize, first: usize) {
    const BLOCK: usize = 32;
    let n = rows.len() / stride;
    if n <= BLOCK {
        for i in 0..n {
            for j in 0..i {
                rows[j * stride + first + i] = rows[i * stride + first + j];
            }
        }
        return;
    }
    let half = (n / 2).next_multiple_of(BLOCK);
    let (top, bottom) = rows.split_at_mut(half * stride);
    // The upper right block is the lower left one transposed.
    top.par_chunks_mut(BLOCK * stride).enumerate().for_each(|(block, chunk)| {
        for start in (0..n - half).step_by(BLOCK) {
            let end = (n - half).min(start + BLOCK);
            for (i, row) in chunk.chunks_mut(stride).enumerate() {
                let column = first + block * BLOCK + i;
                for j in start..end {
                    row[first + half + j] = bottom[j * stride + column];
                }
            }
        }
    });
    rayon::join(|| mirror_rows(top, stride, first), || mirror_rows(bottom, stride, first + half));
}

fn check<T>(c: &MatMut<'_, T>, a: &MatRef<'_, T>, b: &MatRef<'_, T>) {
    assert!(
        c.rows() == a.rows() && c.columns() == b.columns() && a.columns() == b.rows(),
        "shapes do not fit in a product: [{}, {}] = [{}, {}] [{}, {}]",
        c.rows(),
        c.columns(),
        a.rows(),
        a.columns(),
        b.rows(),
        b.columns()
    );
}

fn gemm_on<T: Real>(c: MatMut<'_, T>, alpha: T, a: MatRef<'_, T>, b: MatRef<'_, T>, beta: T, threads: Threads) {
    check(&c, &a, &b);
    if b.columns() == 1 && a.rows() > 0 {
        return gemv(c, alpha, a, b, beta, threads);
    }
    if a.rows() == 1 && b.columns() > 0 {
        return gemv(c.transpose(), alpha, b.transpose(), a.transpose(), beta, threads);
    }
    T::gemm(c, alpha, a, b, beta, (Shape::Full, Shape::Full, Shape::Full), threads);
}

/// Rows of a matrix-vector product that one thread computes in one piece.
const ROWS: usize = 256;

/// `y = alpha A x + beta y`; the library would split its sums by the number of threads.
fn gemv<T: Real>(mut y: MatMut<'_, T>, alpha: T, a: MatRef<'_, T>, x: MatRef<'_, T>, beta: T, threads: Threads) {
    let (m, k) = (a.rows(), a.columns());
    let x = x.to_row_major();
    let mut product = vec![T::ZERO; m];
    let rows = |(block, out): (usize, &mut [T])| {
        let first = block * ROWS;
        if a.column_stride() == 1 {
            for (i, out) in out.iter_mut().enumerate() {
                let start = (first + i) * a.row_stride();
                *out = if k == 0 { T::ZERO } else { T::dot(&a.data()[start..start + k], &x) };
            }
        } else if a.row_stride() == 1 {
            let length = out.len();
            for (j, x) in x.iter().enumerate() {
                let start = first + j * a.column_stride();
                T::axpy(*x, &a.data()[start..start + length], out);
            }
        } else {
            for (i, out) in out.iter_mut().enumerate() {
                for (j, x) in x.iter().enumerate() {
                    *out += a.get(first + i, j) * *x;
                }
            }
        }
    };
    if threads == Threads::All && m * k >= 256 * 1024 {
        product.par_chunks_mut(ROWS).enumerate().for_each(rows);
    } else {
        product.chunks_mut(ROWS).enumerate().for_each(rows);
    }
    for (i, product) in product.into_iter().enumerate() {
        let old = if beta == T::ZERO { T::ZERO } else { beta * y.get(i, 0) };
        y.set(i, 0, alpha * product + old);
    }
}

/// Prepares C for accumulation: scales the entries that count by `beta` unless 0 or 1, and clears them when the product is
/// empty. Returns whether the product is to be added.
pub(crate) fn scale_result<T: Real>(c: &mut MatMut<'_, T>, beta: T, shape: Shape, is_empty: bool) -> bool {
    if beta == T::ONE || (beta == T::ZERO && !is_empty) {
        return beta == T::ONE;
    }
    for i in 0..c.rows() {
        let columns = match shape {
            Shape::Full => 0..c.columns(),
            Shape::Lower => 0..i + 1,
            Shape::Upper => i..c.columns(),
        };
        for j in columns {
            let value = if beta == T::ZERO { T::ZERO } else { beta * c.get(i, j) };
            c.set(i, j, value);
        }
    }
    true
}
