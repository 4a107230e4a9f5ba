//! Products of matrices that need not exist: operands are anything that can fill a panel.
//!
//! C is cut into tiles of [`ROWS`] rows and one panel of columns, which stay in registers while the depth runs. Operands are copied into
//! panels in the order in which tiles read them, unless they lie so already; a convolution's patches are made there and nowhere else. Every element of C is summed
//! in an order that depends on the depth alone, so tiles can be shared out in any way without changing a bit.
//!
//! This serves the operations of networks (`matmul` past the small kernel of `kernels::matmul`, `linear`, attention, convolutions) and the
//! products with a triangle of many columns in [`fused`](crate::fused): a panel of rows visits only the depth where its triangle is not
//! zero, and threads share whole tiles, with nothing to wait for before the end. The rest of the Gaussian algebra calls
//! `elbo_linalg::gemm`, which knows `alpha A B + beta C` for any strides.

mod columns;
mod panels;
#[cfg(test)]
mod tests;
mod tile;

use elbo_linalg::Shape;
use rayon::prelude::*;

pub(crate) use columns::Columns;
pub(crate) use panels::{Lines, Panels, Strided};
pub(crate) use tile::Tiled;

use super::buffer;
use elbo_core::recycle::keep;

/// Rows of a tile.
pub(crate) const ROWS: usize = 6;

/// Largest depth that one pass adds: two panels of it fit a first-level cache.
const DEPTH: usize = 320;

/// Columns that are packed together: with [`DEPTH`] they fill half of a second-level cache of f32.
const COLUMNS: usize = 192;

/// Panels of rows that are used with each panel of columns before the next.
const TOGETHER: usize = 32;

/// Multiply-adds of a product below which one thread does it all.
const ALONE: usize = 1 << 18;

/// Equal parts of the depth, each at most [`DEPTH`].
fn passes(depth: usize) -> impl Iterator<Item = std::ops::Range<usize>> + Clone {
    let count = depth.div_ceil(DEPTH).max(1);
    let step = depth.div_ceil(count).max(1);
    (0..depth).step_by(step).map(move |first| first..(first + step).min(depth))
}

/// Where the panel of rows `r` of a left operand can differ from zero.
fn span(shape: Shape, r: usize, depth: usize) -> std::ops::Range<usize> {
    match shape {
        Shape::Full => 0..depth,
        Shape::Lower => 0..((r + 1) * ROWS).min(depth),
        Shape::Upper => (r * ROWS).min(depth)..depth,
    }
}

/// C in memory, shared by the tasks, each of which writes its own tiles.
///
/// Whoever makes one has called [`Columns::check`]: every element of C then has a place of its own inside the slice.
struct Target<T> {
    first: *mut T,
    /// How far rows are apart.
    row: usize,
    /// Tiles that lie outside of it are left out.
    shape: Shape,
}

// SAFETY: tasks write disjoint sets of rows and columns, and no two elements of C share a place; see `product`.
#[allow(unsafe_code)]
unsafe impl<T: Send> Sync for Target<T> {}

/// The left operand in panels of [`ROWS`] rows, ready for many products.
pub(crate) struct Packed<T: Tiled> {
    data: Vec<T>,
    rows: usize,
    depth: usize,
    shape: Shape,
}

impl<T: Tiled> Drop for Packed<T> {
    fn drop(&mut self) {
        keep(std::mem::take(&mut self.data));
    }
}

impl<T: Tiled> Packed<T> {
    /// Packs all rows of `a`.
    pub fn new(a: &(impl Panels<T> + ?Sized), rows: usize, depth: usize) -> Self {
        Self::pack(a, rows, depth, Shape::Full)
    }

    /// Packs a triangle of the square matrix `a`. What stands on its other side counts as zero, whatever it is.
    pub fn triangle(a: Strided<'_, T>, shape: Shape) -> Self {
        Self::pack(&a, a.lines, a.lines, shape)
    }

    fn pack(a: &(impl Panels<T> + ?Sized), rows: usize, depth: usize, shape: Shape) -> Self {
        let panel = ROWS * depth;
        // Outside of the spans nothing is written and nothing is read.
        let mut data = buffer::<T>(rows.div_ceil(ROWS) * panel);
        let fill = |(r, out): (usize, &mut [T])| {
            let (first, span) = (r * ROWS, span(shape, r, depth));
            let count = ROWS.min(rows - first);
            let out = &mut out[span.start * ROWS..span.end * ROWS];
            a.fill(first, count, span.clone(), ROWS, out);
            for i in 0..count {
                let outside = match shape {
                    Shape::Full => 0..0,
                    Shape::Lower => first + i + 1..span.end,
                    Shape::Upper => span.start..first + i,
                };
                outside.for_each(|p| out[(p - span.start) * ROWS + i] = T::ZERO);
            }
        };
        if rows * depth > ALONE / 8 {
            let together = (super::GRAIN / panel).max(1);
            data.par_chunks_mut(together * panel).enumerate().for_each(|(task, chunk)| {
                chunk.chunks_exact_mut(panel).enumerate().for_each(|(i, out)| fill((task * together + i, out)));
            });
        } else if depth > 0 {
            data.chunks_exact_mut(panel).enumerate().for_each(fill);
        }
        Self { data, rows, depth, shape }
    }
}

/// How C starts.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Start<'a, T> {
    /// At zero, whatever it holds.
    Zero,
    /// At what it holds.
    Add,
    /// At one number a row.
    Bias(&'a [T]),
}

/// C = A B, or C += A B: `a` packed `[m, k]`, `b: [k, n]`, rows of C `row` apart, columns as told.
///
/// `shared` says whether threads may share the work; the bits are the same.
pub(crate) fn product<T: Tiled>(
    a: &Packed<T>,
    b: &(impl Panels<T> + ?Sized),
    n: usize,
    c: (&mut [T], usize, Columns<'_>),
    start: Start<'_, T>,
    shared: bool,
) {
    let (m, depth) = (a.rows, a.depth);
    let (c, row, columns) = c;
    if m == 0 || n == 0 {
        return;
    }
    assert_eq!(b.lines(), n, "columns of B and of C");
    columns.check([m, n], row, c.len());
    let work = m.saturating_mul(n).saturating_mul(depth.max(1));
    let target = Target { first: c.as_mut_ptr(), row, shape: Shape::Full };
    let job = |rows: std::ops::Range<usize>, cols: std::ops::Range<usize>| {
        task(a, b, rows, cols, &target, columns, start);
    };
    let panels = [m.div_ceil(ROWS), n.div_ceil(T::WIDTH)];
    if !shared || work < ALONE || rayon::current_num_threads() == 1 {
        return job(0..panels[0], 0..panels[1]);
    }
    // The bits do not depend on how tiles are shared out, so the number of threads may decide.
    let most = rayon::current_num_threads() * if work < 32 * ALONE { 1 } else { 4 };
    let [across, down] = split(panels, most);
    (0..across * down).into_par_iter().for_each(|i| {
        let part = |total: usize, parts: usize, k: usize| total * k / parts..total * (k + 1) / parts;
        job(part(panels[0], down, i / across), part(panels[1], across, i % across));
    });
}

/// Lower triangle of C = A B, row-major and square: `a` packed `[n, k]`, `b: [k, n]`. What C holds above its diagonal is arbitrary
/// afterwards.
pub(crate) fn product_lower<T: Tiled>(a: &Packed<T>, b: &(impl Panels<T> + ?Sized), c: &mut [T]) {
    product_triangle(a, b, c, Shape::Lower);
}

/// As [`product_lower`], with the upper triangle; what C holds below its diagonal is arbitrary afterwards, but for the columns from the
/// first row of a panel of rows on, which are right.
pub(crate) fn product_upper<T: Tiled>(a: &Packed<T>, b: &(impl Panels<T> + ?Sized), c: &mut [T]) {
    product_triangle(a, b, c, Shape::Upper);
}

fn product_triangle<T: Tiled>(a: &Packed<T>, b: &(impl Panels<T> + ?Sized), c: &mut [T], shape: Shape) {
    let n = a.rows;
    if n == 0 {
        return;
    }
    assert_eq!(b.lines(), n, "a triangle is that of a square matrix");
    Columns::Plain.check([n, n], n, c.len());
    let target = Target { first: c.as_mut_ptr(), row: n, shape };
    let panels = [n.div_ceil(ROWS), n.div_ceil(T::WIDTH)];
    let job = |cols: std::ops::Range<usize>| {
        let rows = match shape {
            Shape::Full => 0..panels[0],
            Shape::Lower => cols.start * T::WIDTH / ROWS..panels[0],
            Shape::Upper => 0..(cols.end * T::WIDTH).div_ceil(ROWS).min(panels[0]),
        };
        task(a, b, rows, cols, &target, Columns::Plain, Start::Zero);
    };
    let work = n.saturating_mul(n).saturating_mul(a.depth.max(1)) / 2;
    if work < ALONE || rayon::current_num_threads() == 1 {
        return job(0..panels[1]);
    }
    // As in `product`, the bits do not depend on the parts. The longest ones, at the left or at the right, come first.
    let parts = (4 * rayon::current_num_threads()).min(panels[1]);
    let part = |i: usize| panels[1] * i / parts..panels[1] * (i + 1) / parts;
    let from_longest = |i: usize| if shape == Shape::Upper { parts - 1 - i } else { i };
    (0..parts).into_par_iter().with_max_len(1).for_each(|i| job(part(from_longest(i))));
}

/// Parts across and down, about `most` together, that make the least packing: columns first.
fn split([rows, columns]: [usize; 2], most: usize) -> [usize; 2] {
    let across = most.min(columns);
    [across, (most / across).clamp(1, rows)]
}

/// Computes these panels of rows and columns of C. Tasks that run at once have no tile in common.
#[allow(unsafe_code)]
fn task<T: Tiled>(
    a: &Packed<T>,
    b: &(impl Panels<T> + ?Sized),
    rows: std::ops::Range<usize>,
    cols: std::ops::Range<usize>,
    c: &Target<T>,
    columns: Columns<'_>,
    start: Start<'_, T>,
) {
    let width = T::WIDTH;
    let n = b.lines();
    let together = COLUMNS.div_ceil(width);
    let longest = passes(a.depth).map(|depth| depth.len()).max().unwrap_or(0);
    let mut packed = buffer::<T>(together.min(cols.len()) * longest * width);
    for block in cols.clone().step_by(together) {
        let block = block..(block + together).min(cols.end);
        for (pass, depth) in passes(a.depth).enumerate() {
            let whole = depth.len();
            for (out, panel) in packed.chunks_exact_mut(whole * width).zip(block.clone()) {
                let first = panel * width;
                if b.lying(first, depth.clone(), width).is_none() {
                    b.fill(first, width.min(n - first), depth.clone(), width, out);
                }
            }
            let adds = pass > 0 || start == Start::Add;
            // A panel of B stays in the first-level cache, some rows of A in the second.
            let tiles = rows.clone().step_by(TOGETHER).flat_map(|first| {
                let some = first..(first + TOGETHER).min(rows.end);
                block.clone().flat_map(move |panel| some.clone().map(move |r| (panel, r)))
            });
            for (panel, r) in tiles {
                let first = panel * width;
                let is_outside = match c.shape {
                    Shape::Full => false,
                    Shape::Lower => (r + 1) * ROWS <= first,
                    Shape::Upper => first + width <= r * ROWS,
                };
                if is_outside {
                    continue;
                }
                let span = span(a.shape, r, a.depth);
                let from = span.start.clamp(depth.start, depth.end);
                let k = depth.end.min(span.end).saturating_sub(from);
                if k == 0 && adds {
                    continue;
                }
                let height = ROWS.min(a.rows - r * ROWS);
                let left = &a.data[(r * a.depth + from) * ROWS..][..k * ROWS];
                let right = b.lying(first, from..from + k, width).unwrap_or_else(|| {
                    &packed[((panel - block.start) * whole + from - depth.start) * width..][..k * width]
                });
                let used = width.min(n - first);
                let bias: [T; ROWS] = match start {
                    Start::Bias(bias) if pass == 0 => std::array::from_fn(|i| bias[(r * ROWS + i).min(a.rows - 1)]),
                    _ => [T::ZERO; ROWS],
                };
                // SAFETY: `product` or `product_triangle` checked that every element of C has its own place in the slice, and no other task has these rows
                // and columns. A tile is written straight to C only where all its columns lie side by side.
                unsafe {
                    let row = c.first.add(r * ROWS * c.row);
                    let run = match columns {
                        Columns::Plain => Some(first),
                        Columns::Runs { length, step } => {
                            let (run, at) = (first / length, first % length);
                            (at + used <= length).then_some(run * step + at)
                        }
                        Columns::Places { .. } => None,
                    };
                    match run {
                        Some(at) if height == ROWS && used == width => {
                            T::tile(k, left, right, row.add(at), c.row, adds, &bias);
                        }
                        _ => {
                            let mut tile = [T::ZERO; ROWS * 16];
                            T::tile(k, left, right, tile.as_mut_ptr(), width, false, &bias);
                            for j in 0..used {
                                let at = columns.at(first + j);
                                for i in 0..height {
                                    let to = row.add(i * c.row + at);
                                    let value = tile[i * width + j];
                                    *to = if adds { *to + value } else { value };
                                }
                            }
                        }
                    }
                }
            }
        }
        if a.depth == 0 {
            empty(a.rows, &rows, &block, n, c, columns, start);
        }
    }
    keep(packed);
}

/// C of a product without depth.
#[allow(unsafe_code)]
fn empty<T: Tiled>(
    m: usize,
    rows: &std::ops::Range<usize>,
    block: &std::ops::Range<usize>,
    n: usize,
    c: &Target<T>,
    columns: Columns<'_>,
    start: Start<'_, T>,
) {
    for i in rows.start * ROWS..(rows.end * ROWS).min(m) {
        for j in block.start * T::WIDTH..(block.end * T::WIDTH).min(n) {
            let at = columns.at(j);
            let value = match start {
                Start::Zero => T::ZERO,
                Start::Add => continue,
                Start::Bias(bias) => bias[i],
            };
            // SAFETY: as in `task`.
            unsafe { *c.first.add(i * c.row + at) = value };
        }
    }
}
