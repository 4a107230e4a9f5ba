//! Convolutions in which each channel has one filter of its own: too thin for a product of matrices, so rows are moved by hand.

use rayon::prelude::*;

use super::conv::Geometry;
use super::{Vectorised, run_vectorised, zeros};
use crate::dtype::Real;

/// Columns of an output row whose tap `j` falls inside the input, and where the first one falls.
fn inside(g: &Geometry, j: usize) -> (std::ops::Range<usize>, usize) {
    let (stride, shift, pad) = (g.stride[1], j * g.dilation[1], g.padding[1]);
    let first = pad.saturating_sub(shift).div_ceil(stride);
    let last = (g.input[1] + pad).saturating_sub(shift).div_ceil(stride).min(g.output[1]);
    let range = first.min(last)..last;
    (range.clone(), (range.start * stride + shift).saturating_sub(pad))
}

/// Calls `f(tap, start in the output, start in the input, length)` for each run of a plane under a tap.
#[inline(always)]
fn runs(g: &Geometry, mut f: impl FnMut(usize, usize, usize, usize)) {
    for i in 0..g.kernel[0] {
        for j in 0..g.kernel[1] {
            let (columns, start) = inside(g, j);
            if columns.is_empty() {
                continue;
            }
            for row in 0..g.output[0] {
                let at = (row * g.stride[0] + i * g.dilation[0]).checked_sub(g.padding[0]);
                if let Some(at) = at.filter(|at| *at < g.input[0]) {
                    f(i * g.kernel[1] + j, row * g.output[1] + columns.start, at * g.input[1] + start, columns.len());
                }
            }
        }
    }
}

struct Out<'a, T>(&'a Geometry, &'a [T], &'a [T], &'a mut [T]);

impl<T: Real> Vectorised for Out<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self(g, x, w, y) = self;
        runs(g, |tap, to, from, n| {
            let (y, w) = (&mut y[to..to + n], w[tap]);
            if g.stride[1] == 1 {
                y.iter_mut().zip(&x[from..from + n]).for_each(|(y, x)| *y += w * *x);
            } else {
                y.iter_mut().zip(x[from..].iter().step_by(g.stride[1])).for_each(|(y, x)| *y += w * *x);
            }
        });
    }
}

struct In<'a, T>(&'a Geometry, &'a [T], &'a [T], &'a mut [T]);

impl<T: Real> Vectorised for In<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self(g, y, w, x) = self;
        runs(g, |tap, from, to, n| {
            let (y, w) = (&y[from..from + n], w[tap]);
            if g.stride[1] == 1 {
                x[to..to + n].iter_mut().zip(y).for_each(|(x, y)| *x += w * *y);
            } else {
                x[to..].iter_mut().step_by(g.stride[1]).zip(y).for_each(|(x, y)| *x += w * *y);
            }
        });
    }
}

struct Taps<'a, T>(&'a Geometry, &'a [T], &'a [T], &'a mut [T]);

impl<T: Real> Vectorised for Taps<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self(g, x, y, w) = self;
        runs(g, |tap, from, to, n| {
            let y = &y[from..from + n];
            if g.stride[1] == 1 {
                let mut lanes = [T::ZERO; 8];
                let x = &x[to..to + n];
                let whole = n / 8 * 8;
                for (x, y) in x[..whole].chunks_exact(8).zip(y[..whole].chunks_exact(8)) {
                    lanes.iter_mut().zip(x).zip(y).for_each(|((lane, x), y)| *lane += *x * *y);
                }
                lanes.iter().for_each(|lane| w[tap] += *lane);
                x[whole..].iter().zip(&y[whole..]).for_each(|(x, y)| w[tap] += *x * *y);
            } else {
                x[to..].iter().step_by(g.stride[1]).zip(y).for_each(|(x, y)| w[tap] += *x * *y);
            }
        });
    }
}

/// As [`super::conv::forward`].
pub(super) fn forward<T: Real>(g: &Geometry, x: &[T], w: &[T], bias: Option<&[T]>) -> Vec<T> {
    let mut out = zeros::<T>(g.batch * g.groups * g.out_plane());
    out.par_chunks_mut(g.out_plane()).zip(x.par_chunks(g.plane())).enumerate().for_each(|(i, (y, x))| {
        let channel = i % g.groups;
        if let Some(bias) = bias {
            y.fill(bias[channel]);
        }
        run_vectorised(Out(g, x, &w[channel * g.taps()..], y));
    });
    out
}

/// As [`super::conv::backward_input`].
pub(super) fn backward_input<T: Real>(g: &Geometry, y: &[T], w: &[T], out: &mut [T]) {
    out.par_chunks_mut(g.plane()).zip(y.par_chunks(g.out_plane())).enumerate().for_each(|(i, (x, y))| {
        run_vectorised(In(g, y, &w[i % g.groups * g.taps()..], x));
    });
}

struct Scatter<'a, T>(&'a Geometry, &'a [T], &'a mut [T]);

impl<T: Real> Vectorised for Scatter<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self(g, patches, x) = self;
        runs(g, |tap, from, to, n| {
            let from = &patches[tap * g.out_plane() + from..][..n];
            if g.stride[1] == 1 {
                x[to..to + n].iter_mut().zip(from).for_each(|(x, p)| *x += *p);
            } else {
                x[to..].iter_mut().step_by(g.stride[1]).zip(from).for_each(|(x, p)| *x += *p);
            }
        });
    }
}

/// Adds the patches of one plane, `[taps, outputs]`, to where they came from.
pub(super) fn scatter<T: Real>(g: &Geometry, patches: &[T], x: &mut [T]) {
    run_vectorised(Scatter(g, patches, x));
}

/// As [`super::conv::backward_weight`].
pub(super) fn backward_weight<T: Real>(g: &Geometry, x: &[T], y: &[T]) -> Vec<T> {
    let mut out = zeros::<T>(g.groups * g.taps());
    out.par_chunks_mut(g.taps()).enumerate().for_each(|(channel, w)| {
        for image in 0..g.batch {
            let i = image * g.groups + channel;
            let (x, y) = (&x[i * g.plane()..][..g.plane()], &y[i * g.out_plane()..][..g.out_plane()]);
            run_vectorised(Taps(g, x, y, w));
        }
    });
    out
}
