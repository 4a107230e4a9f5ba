//! Products of matrices given by strides: a register-blocked loop for small ones, panels for the rest.

use rayon::prelude::*;

use super::gemm::{Columns, Packed, Start, Strided, Tiled, product};
use super::{GRAIN, buffer, has_avx2};
use crate::dtype::{Element, Real};
use crate::layout::{Dims, Rows, broadcast_shape, count};
use crate::tensor::Tensor;

/// A matrix by its strides: element (i, j) at `data[i * row + j * column]`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, T> {
    pub data: &'a [T],
    pub row: usize,
    pub column: usize,
}

/// Products up to this many multiplications stay in the small kernel.
const SMALL: usize = 40 * 40 * 40;

/// `[..., m, k]` times `[..., k, n]` with broadcast leading axes.
pub(crate) fn matmul<T: Tiled>(a: &Tensor, b: &Tensor) -> Tensor {
    let (ra, rb) = (a.rank(), b.rank());
    let (m, k, n) = (a.shape()[ra - 2], a.shape()[ra - 1], b.shape()[rb - 1]);
    let (lead_a, lead_b) = (&a.shape()[..ra - 2], &b.shape()[..rb - 2]);
    let product = |i: usize, j: usize, out: &mut [T], shared| gemm(view(a, i), view(b, j), out, [m, k, n], shared);
    if ra == 2 && rb == 2 {
        let mut out = buffer(m * n);
        product(a.layout.offset, b.layout.offset, &mut out, true);
        return Tensor::new(out, &[m, n]);
    }
    let lead = broadcast_shape("matmul", lead_a, lead_b);
    let strides = |t: &Tensor, lead_t: &[usize]| {
        let strides = Dims::from_slice(&t.layout.strides[..lead_t.len()]);
        crate::layout::Layout { shape: lead_t.into(), strides, offset: 0 }.broadcast_strides(&lead)
    };
    let mut starts = vec![[0usize; 2]; count(&lead)];
    let rows = Rows::new(&lead, [strides(a, lead_a), strides(b, lead_b)], [a.layout.offset, b.layout.offset]);
    if !starts.is_empty() {
        rows.visit(0..rows.len(), |row, [i, j]| {
            for k in 0..rows.inner {
                starts[row * rows.inner + k] = [i + k * rows.steps[0], j + k * rows.steps[1]];
            }
        });
    }
    let mut shape = lead;
    shape.extend([m, n]);
    let mut out = buffer::<T>(count(&shape));
    if out.is_empty() {
        return Tensor::new(out, &shape);
    }
    if starts.len() >= 8 && starts.len() * m * n * k > 4 * GRAIN {
        let pairs = out.par_chunks_mut(m * n).zip(starts.par_iter());
        pairs.for_each(|(out, [i, j])| product(*i, *j, out, false));
    } else {
        out.chunks_mut(m * n).zip(&starts).for_each(|(out, [i, j])| product(*i, *j, out, true));
    }
    Tensor::new(out, &shape)
}

fn view<T: Element>(t: &Tensor, at: usize) -> View<'_, T> {
    let rank = t.rank();
    // An empty matrix may start past the end of its storage.
    let data = t.raw::<T>().get(at..).unwrap_or(&[]);
    View { data, row: t.layout.strides[rank - 2], column: t.layout.strides[rank - 1] }
}

/// c = a b for one pair; `c` is row-major.
pub(crate) fn gemm<T: Tiled>(a: View<T>, b: View<T>, c: &mut [T], [m, k, n]: [usize; 3], shared: bool) {
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        c.fill(T::ZERO);
    } else if n == 1 {
        matrix_vector(a, b.data, b.row, c, k);
    } else if m == 1 {
        matrix_vector(View { data: b.data, row: b.column, column: b.row }, a.data, a.column, c, k);
    } else if m * n * k <= SMALL {
        small(a, b, c, [m, k, n]);
    } else {
        panelled(a, b, c, n, [m, k, n], (Start::Zero, shared));
    }
}

/// `x w' + b` with a number for each column: `x: [m, k]`, `w: [n, k]`.
pub(crate) fn affine<T: Tiled>(x: &Tensor, w: &Tensor, bias: Option<&[T]>) -> Tensor {
    let (m, k, n) = (x.shape()[0], x.shape()[1], w.shape()[0]);
    let (a, b) = (view::<T>(x, x.layout.offset), view::<T>(w, w.layout.offset));
    let b = View { row: b.column, column: b.row, ..b };
    let mut out = buffer::<T>(m * n);
    match bias {
        Some(bias) if m > 1 && n > 1 && m * n * k > SMALL => {
            out.chunks_exact_mut(n).for_each(|row| row.copy_from_slice(bias));
            panelled(a, b, &mut out, n, [m, k, n], (Start::Add, true));
        }
        _ => {
            gemm(a, b, &mut out, [m, k, n], true);
            if let Some(bias) = bias {
                let rows = out.chunks_exact_mut(n.max(1));
                rows.for_each(|row| row.iter_mut().zip(bias).for_each(|(y, b)| *y += *b));
            }
        }
    }
    Tensor::new(out, &[m, n])
}

/// c += a b, on this thread alone; `c` is row-major with rows `row` apart.
pub(crate) fn gemm_add<T: Tiled>(a: View<T>, b: View<T>, c: &mut [T], row: usize, size: [usize; 3]) {
    panelled(a, b, c, row, size, (Start::Add, false));
}

fn panelled<T: Tiled>(
    a: View<T>,
    b: View<T>,
    c: &mut [T],
    row: usize,
    [m, k, n]: [usize; 3],
    (start, shared): (Start<T>, bool),
) {
    let a = Packed::new(&Strided { data: a.data, lines: m, line: a.row, step: a.column }, m, k);
    let b = Strided { data: b.data, lines: n, line: b.column, step: b.row };
    product(&a, &b, n, (c, row, Columns::Plain), start, shared);
}

/// y = A x, with `x` at a stride.
fn matrix_vector<T: Real>(a: View<T>, x: &[T], step: usize, y: &mut [T], k: usize) {
    let packed: Vec<T>;
    let x = if step == 1 {
        &x[..k]
    } else {
        packed = (0..k).map(|i| x[i * step]).collect();
        &packed
    };
    let block = |(first, y): (usize, &mut [T])| {
        if a.column == 1 {
            super::run_vectorised(Dots { a, x, y, first });
        } else {
            super::run_vectorised(Axpy { a, x, y, first });
        }
    };
    if y.len() * k < 4 * GRAIN {
        block((0, y));
    } else {
        let rows = (GRAIN / k).max(64);
        y.par_chunks_mut(rows).enumerate().map(|(i, y)| (i * rows, y)).for_each(block);
    }
}

struct Dots<'a, T> {
    a: View<'a, T>,
    x: &'a [T],
    y: &'a mut [T],
    first: usize,
}

impl<T: Real> super::Vectorised for Dots<'_, T> {
    #[inline(always)]
    fn run(self) {
        for (i, y) in self.y.iter_mut().enumerate() {
            let row = &self.a.data[(self.first + i) * self.a.row..][..self.x.len()];
            let mut lanes = [T::ZERO; 8];
            let (chunks, tail) = (row.chunks_exact(8), row.len() / 8 * 8);
            for (r, x) in chunks.zip(self.x.chunks_exact(8)) {
                for ((lane, r), x) in lanes.iter_mut().zip(r).zip(x) {
                    *lane += *r * *x;
                }
            }
            let mut total = T::ZERO;
            lanes.iter().for_each(|lane| total += *lane);
            for (r, x) in row[tail..].iter().zip(&self.x[tail..]) {
                total += *r * *x;
            }
            *y = total;
        }
    }
}

struct Axpy<'a, T> {
    a: View<'a, T>,
    x: &'a [T],
    y: &'a mut [T],
    first: usize,
}

impl<T: Real> super::Vectorised for Axpy<'_, T> {
    #[inline(always)]
    fn run(self) {
        let n = self.y.len();
        self.y.fill(T::ZERO);
        for (p, x) in self.x.iter().enumerate() {
            let start = self.first * self.a.row + p * self.a.column;
            if self.a.row == 1 {
                for (y, a) in self.y.iter_mut().zip(&self.a.data[start..start + n]) {
                    *y += *a * *x;
                }
            } else {
                for (i, y) in self.y.iter_mut().enumerate() {
                    *y += self.a.data[start + i * self.a.row] * *x;
                }
            }
        }
    }
}

/// The small kernel: 4 rows by two vector registers of columns at a time.
fn small<T: Real>(a: View<T>, b: View<T>, c: &mut [T], [m, k, n]: [usize; 3]) {
    if b.column == 1 {
        return small_packed(a, b.data, b.row, c, [m, k, n]);
    }
    let mut packed = vec![T::ZERO; k * n];
    for (p, row) in packed.chunks_exact_mut(n).enumerate() {
        row.iter_mut().enumerate().for_each(|(j, o)| *o = b.data[p * b.row + j * b.column]);
    }
    small_packed(a, &packed, n, c, [m, k, n]);
}

fn small_packed<T: Real>(a: View<T>, b: &[T], row: usize, c: &mut [T], [m, k, n]: [usize; 3]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn wide<T: Real, const W: usize>(a: View<T>, b: &[T], row: usize, c: &mut [T], size: [usize; 3]) {
            panels::<T, W, true>(a, b, row, c, size);
        }
        if has_avx2() {
            // SAFETY: the features were detected on this machine.
            #[allow(unsafe_code)]
            return unsafe {
                if size_of::<T>() == 4 {
                    wide::<T, 16>(a, b, row, c, [m, k, n])
                } else {
                    wide::<T, 8>(a, b, row, c, [m, k, n])
                }
            };
        }
    }
    panels::<T, 8, false>(a, b, row, c, [m, k, n]);
}

#[inline(always)]
fn panels<T: Real, const W: usize, const FMA: bool>(
    a: View<T>,
    b: &[T],
    row: usize,
    c: &mut [T],
    [m, k, n]: [usize; 3],
) {
    let mut tail = vec![];
    let mut j = 0;
    while j < n {
        let width = W.min(n - j);
        // The last columns are copied into a full-width panel.
        let (panel, panel_row) = if width == W {
            (&b[j..], row)
        } else {
            tail.resize(k * W, T::ZERO);
            for p in 0..k {
                tail[p * W..p * W + width].copy_from_slice(&b[p * row + j..][..width]);
            }
            (&tail[..], W)
        };
        let mut i = 0;
        while i + 4 <= m {
            let sums = tile::<T, W, 4, FMA>(a, i, panel, panel_row, k);
            for (r, sums) in sums.iter().enumerate() {
                c[(i + r) * n + j..][..width].copy_from_slice(&sums[..width]);
            }
            i += 4;
        }
        while i < m {
            let sums = tile::<T, W, 1, FMA>(a, i, panel, panel_row, k);
            c[i * n + j..][..width].copy_from_slice(&sums[0][..width]);
            i += 1;
        }
        j += W;
    }
}

#[inline(always)]
fn tile<T: Real, const W: usize, const H: usize, const FMA: bool>(
    a: View<T>,
    i: usize,
    b: &[T],
    row: usize,
    k: usize,
) -> [[T; W]; H] {
    let mut sums = [[T::ZERO; W]; H];
    for p in 0..k {
        let b: &[T; W] = b[p * row..p * row + W].try_into().expect("a slice of this length");
        for r in 0..H {
            let x = a.data[(i + r) * a.row + p * a.column];
            for (sum, b) in sums[r].iter_mut().zip(b) {
                *sum = if FMA { x.mul_add(*b, *sum) } else { *sum + x * *b };
            }
        }
    }
    sums
}
