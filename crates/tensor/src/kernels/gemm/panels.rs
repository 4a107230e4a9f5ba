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
            for (p, out) in out.chunks_exact_mut(width).enumerate() {
                out[..count].copy_from_slice(&data[p * self.step..][..count]);
            }
            return;
        }
        for (p, out) in out.chunks_exact_mut(width).enumerate() {
            for i in 0..count {
                out[i] = data[i * self.line + p * self.step];
            }
        }
    }
}

/// Lines that start anywhere and visit the same relative places: element `p` of line `i` at `data[starts[i] + places[p]]`. Where
/// neighbouring lines start side by side their elements are copied together.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a, T> {
    pub data: &'a [T],
    pub starts: &'a [usize],
    pub places: &'a [usize],
}

struct Gather<'a, T> {
    data: &'a [T],
    starts: &'a [usize],
    places: &'a [usize],
    width: usize,
    out: &'a mut [T],
}

impl<T: Real> Vectorised for Gather<'_, T> {
    #[inline(always)]
    fn run(self) {
        for (out, place) in self.out.chunks_exact_mut(self.width).zip(self.places) {
            let data = &self.data[*place..];
            for (o, start) in out.iter_mut().zip(self.starts) {
                *o = data[*start];
            }
        }
    }
}

impl<T: Real> Panels<T> for Lines<'_, T> {
    fn lines(&self) -> usize {
        self.starts.len()
    }

    fn fill(&self, first: usize, count: usize, depth: std::ops::Range<usize>, width: usize, out: &mut [T]) {
        if count < width {
            out.fill(T::ZERO);
        }
        let (starts, places) = (&self.starts[first..first + count], &self.places[depth]);
        if starts[count - 1] == starts[0] + count - 1 && starts.is_sorted() {
            for (out, place) in out.chunks_exact_mut(width).zip(places) {
                out[..count].copy_from_slice(&self.data[starts[0] + place..][..count]);
            }
            return;
        }
        run_vectorised(Gather { data: self.data, starts, places, width, out });
    }
}
