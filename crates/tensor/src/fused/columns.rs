//! Arrays `[M, B]` in the order in which products take them: in panels of as many columns as a tile has.
//!
//! A panel is row-major, and the panels lie one after the other. A product reads its right operand in just this order and writes its
//! tiles to places side by side, where rows of a power of two of columns would lie in the same few sets of a cache. Passes over the
//! columns take whole panels; threads share them, and the bits do not depend on how many there are.

use std::ops::Range;

use crate::kernels::gemm::{self, Columns, Packed, Panels, ROWS, Start, Tiled};
use crate::kernels::{Vectorised, run_vectorised};
use elbo_core::recycle::Kept;
use rayon::prelude::*;

/// Columns of a panel.
const WIDTH: usize = <f64 as Tiled>::WIDTH;

/// Panels whose sums one task makes.
const TOGETHER: usize = 16;

/// One number a column of a panel.
type Lanes = [f64; WIDTH];

/// The numbers of `values: [B]` that belong to a panel, and zeros beyond the last.
#[inline(always)]
fn lanes(values: &[f64], panel: usize) -> Lanes {
    std::array::from_fn(|lane| values.get(panel * WIDTH + lane).copied().unwrap_or(0.0))
}

/// Numbers `[M, B]` in panels of columns.
pub(super) struct ColumnPanels {
    m: usize,
    b: usize,
    /// Beyond the last column its panel holds zeros, or products with them.
    data: Kept<f64>,
}

impl ColumnPanels {
    /// With arbitrary contents.
    fn new(m: usize, b: usize) -> Self {
        let panel = m * WIDTH;
        let mut data: Kept<f64> = Kept::new(b.div_ceil(WIDTH) * panel);
        if !b.is_multiple_of(WIDTH) {
            let last = data.len() - panel;
            data[last..].fill(0.0);
        }
        Self { m, b, data }
    }

    /// `a x` for a packed `a: [M, M]` and `x: [M, B]`, whose lines are its columns.
    pub fn product(a: &Packed<f64>, m: usize, x: &impl Panels<f64>) -> Self {
        let mut out = Self::new(m, x.lines());
        out.receive(a, x, Start::Zero);
        out
    }

    /// Adds `a x`.
    pub fn add_product(&mut self, a: &Packed<f64>, x: &impl Panels<f64>) {
        self.receive(a, x, Start::Add);
    }

    fn receive(&mut self, a: &Packed<f64>, x: &impl Panels<f64>, start: Start<'_, f64>) {
        let columns = Columns::Runs { length: WIDTH, step: self.m * WIDTH };
        gemm::product(a, x, self.b, (&mut self.data[..], WIDTH, columns), start, true);
    }

    /// The columns as lines of an operand; column `j` times `factors[j]`, if there are factors.
    pub fn columns<'a>(&'a self, factors: Option<&'a [f64]>) -> ByColumns<'a> {
        ByColumns { of: self, factors }
    }

    /// The rows as lines of an operand, with the columns times factors as in [`ColumnPanels::columns`].
    pub fn rows<'a>(&'a self, factors: Option<&'a [f64]>) -> ByRows<'a> {
        ByRows { of: self, factors }
    }

    /// Length of a panel, for chunks: at least one.
    fn panel(&self) -> usize {
        (self.m * WIDTH).max(1)
    }

    /// Calls `f` with each panel and the places of its columns in `out: [B]`; threads share the panels.
    fn by_columns(&self, out: &mut [f64], f: impl Fn(&[Lanes], &mut [f64]) + Sync) {
        assert_eq!(out.len(), self.b, "one number a column");
        out.par_chunks_mut(WIDTH * TOGETHER).enumerate().for_each(|(task, out)| {
            for (i, out) in out.chunks_mut(WIDTH).enumerate() {
                let first = (task * TOGETHER + i) * self.m * WIDTH;
                f(self.data[first..first + self.m * WIDTH].as_chunks::<WIDTH>().0, out);
            }
        });
    }

    /// Adds `sign` times the sum of the squares of each column to `out: [B]`.
    pub fn add_squares(&self, sign: f64, out: &mut [f64]) {
        self.by_columns(out, |panel, out| {
            let mut sums = [0.0; WIDTH];
            run_vectorised(Squares { panel, sums: &mut sums });
            out.iter_mut().zip(sums).for_each(|(o, sum)| *o += sign * sum);
        });
    }

    /// `xᵀ u` into `out: [B]`, for `u: [M]`.
    pub fn transposed_times(&self, u: &[f64], out: &mut [f64]) {
        assert_eq!(u.len(), self.m, "one number a row");
        self.by_columns(out, |panel, out| {
            let mut sums = [0.0; WIDTH];
            run_vectorised(Combination { panel, u, sums: &mut sums });
            out.copy_from_slice(&sums[..out.len()]);
        });
    }

    /// `x g` for `g: [B]`: the sums of some panels each, added in order.
    pub fn times(&self, g: &[f64]) -> Vec<f64> {
        assert_eq!(g.len(), self.b, "one number a column");
        let runs = self.data.par_chunks(TOGETHER * self.panel()).enumerate();
        let parts: Vec<Vec<f64>> = runs
            .map(|(task, run)| {
                let mut sums = vec![0.0; self.m];
                for (i, panel) in run.chunks_exact(self.panel()).enumerate() {
                    let g = lanes(g, task * TOGETHER + i);
                    for (sum, row) in sums.iter_mut().zip(panel.as_chunks::<WIDTH>().0) {
                        *sum += row.iter().zip(&g).map(|(x, g)| x * g).sum::<f64>();
                    }
                }
                sums
            })
            .collect();
        let mut out = vec![0.0; self.m];
        for part in parts {
            out.iter_mut().zip(part).for_each(|(o, sum)| *o += sum);
        }
        out
    }

    /// `x diag(factors) + uᵀ g` for `u: [P, M]` and `g: [P, B]`.
    pub fn scaled_plus(&self, factors: &[f64], (u, g): (&[f64], &[f64])) -> Self {
        let mut out = Self::new(self.m, self.b);
        let size = self.panel();
        out.data.par_chunks_mut(size).zip(self.data.par_chunks(size)).enumerate().for_each(|(at, (out, panel))| {
            let g: Vec<Lanes> = g.chunks_exact(self.b).map(|g| lanes(g, at)).collect();
            let (panel, out) = (panel.as_chunks::<WIDTH>().0, out.as_chunks_mut::<WIDTH>().0);
            run_vectorised(ScaledPlus { panel, factors: lanes(factors, at), u, g: &g, out });
        });
        out
    }
}

/// Sums of the squares of a panel's columns.
struct Squares<'a> {
    panel: &'a [Lanes],
    sums: &'a mut Lanes,
}

impl Vectorised for Squares<'_> {
    #[inline(always)]
    fn run(self) {
        let mut sums = [0.0; WIDTH];
        for row in self.panel {
            for lane in 0..WIDTH {
                sums[lane] += row[lane] * row[lane];
            }
        }
        *self.sums = sums;
    }
}

/// Sums of a panel's rows, each times its number.
struct Combination<'a> {
    panel: &'a [Lanes],
    u: &'a [f64],
    sums: &'a mut Lanes,
}

impl Vectorised for Combination<'_> {
    #[inline(always)]
    fn run(self) {
        let mut sums = [0.0; WIDTH];
        for (row, u) in self.panel.iter().zip(self.u) {
            for lane in 0..WIDTH {
                sums[lane] += u * row[lane];
            }
        }
        *self.sums = sums;
    }
}

/// One panel of [`ColumnPanels::scaled_plus`].
struct ScaledPlus<'a> {
    panel: &'a [Lanes],
    factors: Lanes,
    /// `[P, M]`.
    u: &'a [f64],
    /// One for each row of `u`.
    g: &'a [Lanes],
    out: &'a mut [Lanes],
}

impl Vectorised for ScaledPlus<'_> {
    #[inline(always)]
    fn run(self) {
        let m = self.panel.len();
        for (i, (out, row)) in self.out.iter_mut().zip(self.panel).enumerate() {
            let mut sums: Lanes = std::array::from_fn(|lane| self.factors[lane] * row[lane]);
            for (p, g) in self.g.iter().enumerate() {
                let u = self.u[p * m + i];
                for lane in 0..WIDTH {
                    sums[lane] += u * g[lane];
                }
            }
            *out = sums;
        }
    }
}

/// See [`ColumnPanels::columns`].
pub(super) struct ByColumns<'a> {
    of: &'a ColumnPanels,
    factors: Option<&'a [f64]>,
}

impl ByColumns<'_> {
    /// Some rows of the panel that starts with column `first`.
    fn panel(&self, first: usize, rows: Range<usize>, width: usize) -> &[f64] {
        assert!(width == WIDTH && first.is_multiple_of(WIDTH), "columns are taken in the panels in which they lie");
        let start = first / WIDTH * self.of.m;
        &self.of.data[(start + rows.start) * WIDTH..(start + rows.end) * WIDTH]
    }
}

impl Panels<f64> for ByColumns<'_> {
    fn lines(&self) -> usize {
        self.of.b
    }

    fn fill(&self, first: usize, _: usize, depth: Range<usize>, width: usize, out: &mut [f64]) {
        let rows = self.panel(first, depth, width);
        match self.factors {
            None => out.copy_from_slice(rows),
            Some(factors) => {
                let (panel, out) = (rows.as_chunks::<WIDTH>().0, out.as_chunks_mut::<WIDTH>().0);
                run_vectorised(ScaledPlus { panel, factors: lanes(factors, first / WIDTH), u: &[], g: &[], out });
            }
        }
    }

    fn lying(&self, first: usize, depth: Range<usize>, width: usize) -> Option<&[f64]> {
        self.factors.is_none().then(|| self.panel(first, depth, width))
    }
}

/// See [`ColumnPanels::rows`].
pub(super) struct ByRows<'a> {
    of: &'a ColumnPanels,
    factors: Option<&'a [f64]>,
}

impl Panels<f64> for ByRows<'_> {
    fn lines(&self) -> usize {
        self.of.m
    }

    fn fill(&self, first: usize, count: usize, depth: Range<usize>, width: usize, out: &mut [f64]) {
        if count < width {
            out.fill(0.0);
        }
        run_vectorised(Turned { source: self, rows: first..first + count, depth, width, out });
    }
}

/// Some rows of some columns, one column after the other.
struct Turned<'a> {
    source: &'a ByRows<'a>,
    rows: Range<usize>,
    depth: Range<usize>,
    width: usize,
    out: &'a mut [f64],
}

impl Vectorised for Turned<'_> {
    #[inline(always)]
    fn run(self) {
        let ColumnPanels { m, data, .. } = self.source.of;
        let (count, width) = (self.rows.len(), self.width);
        let mut p = self.depth.start;
        while p < self.depth.end {
            let (panel, lane) = (p / WIDTH, p % WIDTH);
            let next = self.depth.end.min((panel + 1) * WIDTH);
            let factors = self.source.factors.map_or([1.0; WIDTH], |factors| lanes(factors, panel));
            let rows = data[(panel * m + self.rows.start) * WIDTH..][..count * WIDTH].as_chunks::<WIDTH>().0;
            let out = &mut self.out[(p - self.depth.start) * width..(next - self.depth.start) * width];
            match (count, width, next - p) {
                (ROWS, ROWS, WIDTH) => turn::<ROWS>(rows, &factors, out),
                (WIDTH, WIDTH, WIDTH) => turn::<WIDTH>(rows, &factors, out),
                _ => {
                    for (lane, out) in (lane..).zip(out.chunks_exact_mut(width)) {
                        out.iter_mut().zip(rows).for_each(|(o, row)| *o = row[lane] * factors[lane]);
                    }
                }
            }
            p = next;
        }
    }
}

/// A panel's rows, `W` of them, with lengths known when compiled.
#[inline(always)]
fn turn<const W: usize>(rows: &[Lanes], factors: &Lanes, out: &mut [f64]) {
    let rows: &[Lanes; W] = rows.try_into().expect("as many rows as told");
    let out: &mut [[f64; W]; WIDTH] = out.as_chunks_mut::<W>().0.try_into().expect("all columns of a panel");
    for lane in 0..WIDTH {
        for i in 0..W {
            out[lane][i] = rows[i][lane] * factors[lane];
        }
    }
}

#[cfg(test)]
impl ColumnPanels {
    /// From `[M, B]`, row-major.
    pub fn from_rows(values: &[f64], m: usize, b: usize) -> Self {
        let mut out = Self::new(m, b);
        (0..m * b).for_each(|at| out.data[Self::place(m, at / b, at % b)] = values[at]);
        out
    }

    /// `[M, B]`, row-major.
    pub fn to_rows(&self) -> Vec<f64> {
        let (m, b) = (self.m, self.b);
        (0..m * b).map(|at| self.data[Self::place(m, at / b, at % b)]).collect()
    }

    fn place(m: usize, i: usize, j: usize) -> usize {
        (j / WIDTH * m + i) * WIDTH + j % WIDTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::gemm::{Strided, product_lower};

    const SIZES: [(usize, usize); 6] = [(0, 3), (1, 1), (5, 127), (13, 8), (70, 300), (3, 0)];

    /// Small whole numbers, so that sums are exact in any order.
    fn numbers(count: usize, step: usize) -> Vec<f64> {
        (0..count).map(|i| ((i * step + 3) % 11) as f64 - 5.0).collect()
    }

    #[test]
    fn sums_and_scaled_columns_equal_naive_loops() {
        for (m, b) in SIZES {
            let (x, h, g) = (numbers(m * b, 7), numbers(b, 5), numbers(2 * b, 3));
            let u = numbers(2 * m, 4);
            let panels = ColumnPanels::from_rows(&x, m, b);
            assert_eq!(panels.to_rows(), x);
            let (mut sums, mut combined) = (h.clone(), vec![f64::NAN; b]);
            panels.add_squares(-2.0, &mut sums);
            panels.transposed_times(&u[..m], &mut combined);
            for j in 0..b {
                let squares: f64 = (0..m).map(|i| x[i * b + j].powi(2)).sum();
                let products: f64 = (0..m).map(|i| x[i * b + j] * u[i]).sum();
                assert_eq!((sums[j], combined[j]), (h[j] - 2.0 * squares, products), "{m}x{b}, column {j}");
            }
            let of_row = |i: usize| (0..b).map(|j| x[i * b + j] * h[j]).sum::<f64>();
            assert_eq!(panels.times(&h), (0..m).map(of_row).collect::<Vec<_>>(), "{m}x{b}");
            let expected = |at: usize| {
                let (i, j) = (at / b, at % b);
                h[j] * x[at] + u[i] * g[j] + u[m + i] * g[b + j]
            };
            let found = panels.scaled_plus(&h, (&u[..], &g[..])).to_rows();
            assert_eq!(found, (0..m * b).map(expected).collect::<Vec<_>>(), "{m}x{b}");
        }
    }

    #[test]
    fn products_read_and_write_panels_whatever_a_buffer_held_before() {
        for (m, b) in SIZES {
            let (a, x, h) = (numbers(m * m, 5), numbers(m * b, 7), numbers(b, 4));
            // Not a number where a buffer of this size is used again.
            Kept::<f64>::new(b.div_ceil(WIDTH) * m * WIDTH).fill(f64::NAN);
            let packed = Packed::new(&Strided { data: &a[..], lines: m, line: m, step: 1 }, m, m);
            let panels = ColumnPanels::from_rows(&x, m, b);
            let sum = |at: usize| (0..m).map(|k| a[at / b * m + k] * x[k * b + at % b]).sum::<f64>();
            let rows = Strided { data: &x[..], lines: b, line: 1, step: b };
            let mut out = ColumnPanels::product(&packed, m, &rows);
            assert_eq!(out.to_rows(), (0..m * b).map(sum).collect::<Vec<_>>(), "{m}x{b}");
            assert!(out.data.iter().all(|v| v.is_finite()), "{m}x{b}: the last panel ends with zeros");
            out.add_product(&packed, &panels.columns(Some(&h)));
            let expected = |at: usize| sum(at) * (1.0 + h[at % b]);
            assert_eq!(out.to_rows(), (0..m * b).map(expected).collect::<Vec<_>>(), "{m}x{b}");
            // Without factors the panels are read where they lie.
            let again = ColumnPanels::product(&packed, m, &panels.columns(None));
            assert_eq!(again.to_rows(), (0..m * b).map(sum).collect::<Vec<_>>(), "{m}x{b}");
        }
    }

    #[test]
    fn a_product_with_a_transpose_fills_the_lower_triangle() {
        for (m, b) in SIZES {
            let (x, y, h) = (numbers(m * b, 7), numbers(m * b, 5), numbers(b, 4));
            let [px, py] = [&x, &y].map(|values| ColumnPanels::from_rows(values, m, b));
            let mut out = vec![f64::NAN; m * m];
            product_lower(&Packed::new(&px.rows(None), m, b), &py.rows(Some(&h)), &mut out);
            for (i, j) in (0..m).flat_map(|i| (0..=i).map(move |j| (i, j))) {
                let sum: f64 = (0..b).map(|p| x[i * b + p] * h[p] * y[j * b + p]).sum();
                assert_eq!(out[i * m + j], sum, "({i}, {j}) of {m}x{b}");
            }
        }
    }

    #[test]
    fn rows_are_turned_from_any_column_on() {
        let (m, b) = (11, 37);
        let (x, h) = (numbers(m * b, 7), numbers(b, 4));
        let panels = ColumnPanels::from_rows(&x, m, b);
        for (first, count, width) in [(0, ROWS, ROWS), (6, 5, ROWS), (0, 8, 8), (8, 3, 8)] {
            for depth in [0..b, 3..6, 5..24, 16..32, 31..37] {
                let mut out = vec![f64::NAN; depth.len() * width];
                panels.rows(Some(&h)).fill(first, count, depth.clone(), width, &mut out);
                for (at, found) in out.iter().enumerate() {
                    let (p, i) = (depth.start + at / width, at % width);
                    let expected = if i < count { x[(first + i) * b + p] * h[p] } else { 0.0 };
                    assert_eq!(*found, expected, "row {i} from {first}, column {p}, {depth:?}");
                }
            }
        }
    }
}
