//! Filling panels: copies of some lines of an operand (rows of A, columns of B) with one position of all of them after the other.

use crate::dtype::Real;
use crate::kernels::{Vectorised, run_vectorised};

/// An operand of a product.
pub(crate) trait Panels<T>: Sync {
    /// Number of lines.
    fn lines(&self) -> usize;

    /// Writes positions `depth` of `count` lines from `first` on: `out[(p - depth.start) * width + line]`, zeros for the lines from
    /// `count` to `width`.
    fn fill(&self, first: usize, count: usize, depth: std::ops::Range<usize>, width: usize, out: &mut [T]);

    /// What [`Panels::fill`] would write for all lines of a panel, where the operand holds it in just this order: no copy is needed.
    fn lying(&self, _first: usize, _depth: std::ops::Range<usize>, _width: usize) -> Option<&[T]> {
        None
    }
}

/// Lines at a stride: element `p` of line `i` at `data[i * line + p * step]`.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a, T> {
    pub data: &'a [T],
    pub lines: usize,
    pub line: usize,
    pub step: usize,
}

struct Interleave<'a, T> {
    data: &'a [T],
    line: usize,
    count: usize,
    width: usize,
    out: &'a mut [T],
}

impl<T: Real> Vectorised for Interleave<'_, T> {
    /// Lines whose elements lie side by side.
    #[inline(always)]
    fn run(self) {
        let (k, width) = (self.out.len() / self.width, self.width);
        // Eight positions at a time keep a line's reads and the panel's writes in cache.
        let mut p = 0;
        while p + 8 <= k {
            let out = &mut self.out[p * width..(p + 8) * width];
            for i in 0..self.count {
                let from: &[T; 8] = self.data[i * self.line + p..][..8].try_into().expect("eight elements");
                for (q, x) in from.iter().enumerate() {
                    out[q * width + i] = *x;
                }
            }
            p += 8;
        }
        for p in p..k {
            for i in 0..self.count {
                self.out[p * width + i] = self.data[i * self.line + p];
            }
        }
    }
}

impl<T: Real> Panels<T> for Strided<'_, T> {
    fn lines(&self) -> usize {
        self.lines
    }

    fn fill(&self, first: usize, count: usize, depth: std::ops::Range<usize>, width: usize, out: &mut [T]) {
        if count < width {
            out.fill(T::ZERO);
        }
        let start = first * self.line + depth.start * self.step;
        let data = &self.data[start..];
        if self.step == 1 {
            return run_vectorised(Interleave { data, line: self.line, count, width, out });
        }
        if self.line == 1 {
            let starts = (0..out.len() / width).map(|p| p * self.step);
            return copy(data, starts, count, width, out);
        }
        for (p, out) in out.chunks_exact_mut(width).enumerate() {
            for i in 0..count {
                out[i] = data[i * self.line + p * self.step];
            }
        }
    }
}

/// Copies `count` elements from each start to the head of each row of `width`.
#[inline(always)]
fn copy<T: Real>(data: &[T], starts: impl Iterator<Item = usize>, count: usize, width: usize, out: &mut [T]) {
    #[inline(always)]
    fn whole<T: Real, const W: usize>(data: &[T], starts: impl Iterator<Item = usize>, out: &mut [T]) {
        // A length known when compiled makes this two moves of registers in place of a call.
        for (out, start) in out.chunks_exact_mut(W).zip(starts) {
            let out: &mut [T; W] = out.try_into().expect("chunks of this length");
            *out = *<&[T; W]>::try_from(&data[start..start + W]).expect("a slice of this length");
        }
    }
    match (count, width) {
        (16, 16) => whole::<T, 16>(data, starts, out),
        (8, 8) => whole::<T, 8>(data, starts, out),
        (6, 6) => whole::<T, 6>(data, starts, out),
        _ => {
            for (out, start) in out.chunks_exact_mut(width).zip(starts) {
                out[..count].copy_from_slice(&data[start..start + count]);
            }
        }
    }
}

/// Lines that start anywhere and visit the same relative places: element `p` of line `i` at `data[starts[i] + places[p]]`. Where
/// neighbouring lines start side by side their elements are copied together.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a, T> {
    data: &'a [T],
    starts: &'a [usize],
    places: &'a [usize],
}

impl<'a, T> Lines<'a, T> {
    /// Checks once that everything lies inside.
    pub fn new(data: &'a [T], starts: &'a [usize], places: &'a [usize]) -> Self {
        let last = |list: &[usize]| list.iter().copied().max().unwrap_or(0);
        let empty = starts.is_empty() || places.is_empty();
        assert!(empty || last(starts).saturating_add(last(places)) < data.len(), "lines leave their operand");
        Self { data, starts, places }
    }
}

impl<T: Real> Panels<T> for Lines<'_, T> {
    fn lines(&self) -> usize {
        self.starts.len()
    }

    #[allow(unsafe_code)]
    fn fill(&self, first: usize, count: usize, depth: std::ops::Range<usize>, width: usize, out: &mut [T]) {
        assert!(count <= width && out.len() == depth.len() * width, "a panel has {width} lines at most");
        if count < width {
            out.fill(T::ZERO);
        }
        let (starts, places) = (&self.starts[first..first + count], &self.places[depth]);
        if starts[count - 1] == starts[0] + count - 1 && starts.is_sorted() {
            return copy(self.data, places.iter().map(|place| starts[0] + place), count, width, out);
        }
        let positions = |row: usize| places[row + 1] == places[row] + 1;
        // Positions side by side, eight at a time, and lines that are not: each line's eight are read together.
        let mut p = 0;
        while p < places.len() {
            let together = p + 8 <= places.len() && (p..p + 7).all(positions);
            let rows = if together { 8 } else { 1 };
            let out = &mut out[p * width..(p + rows) * width];
            for (i, start) in starts.iter().enumerate() {
                // SAFETY: `new` checked the sum of the largest start and place, and the last of eight places is one of them; `out` holds
                // `rows` lines of `width` elements, and `i < count <= width`.
                unsafe {
                    let from = self.data.as_ptr().add(start + places[p]);
                    if together {
                        for (q, x) in (*from.cast::<[T; 8]>()).iter().enumerate() {
                            *out.get_unchecked_mut(q * width + i) = *x;
                        }
                    } else {
                        *out.get_unchecked_mut(i) = *from;
                    }
                }
            }
            p += rows;
        }
    }
}
