//! Standardising groups of channels, with its first derivative.
//!
//! A tensor is `[B, C, S]`. Statistics are shared by the channels of a group within an image, or by one channel within the batch;
//! scale and shift belong to channels. Sums run over segments, one an image and channel, which are joined in order.

use rayon::prelude::*;

use super::{GRAIN, Vectorised, run_vectorised};
use crate::dtype::Real;

/// Sizes of the tensor, and what shares statistics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Groups {
    pub batch: usize,
    pub channels: usize,
    pub inner: usize,
    /// Groups of channels within an image; `None` for channels within the batch.
    pub groups: Option<usize>,
}

/// What the forward pass leaves for the backward one: mean and reciprocal deviation of each set.
#[derive(Debug, Clone)]
pub(crate) struct Moments<T> {
    pub mean: Vec<T>,
    pub rstd: Vec<T>,
    pub variance: Vec<T>,
}

/// Sum of a segment, and of its products with another one shifted.
struct Sums<'a, T> {
    x: &'a [T],
    y: &'a [T],
    shift: T,
    out: &'a mut [T; 2],
}

impl<T: Real> Vectorised for Sums<'_, T> {
    /// `out[0] = sum x`, `out[1] = sum x (y - shift)`.
    #[inline(always)]
    fn run(self) {
        let (mut plain, mut product) = ([T::ZERO; 16], [T::ZERO; 16]);
        let whole = self.x.len() / 16 * 16;
        for (x, y) in self.x[..whole].chunks_exact(16).zip(self.y[..whole].chunks_exact(16)) {
            for i in 0..16 {
                plain[i] += x[i];
                product[i] += x[i] * (y[i] - self.shift);
            }
        }
        let mut out = [T::ZERO; 2];
        for i in 0..16 {
            out[0] += plain[i];
            out[1] += product[i];
        }
        for (x, y) in self.x[whole..].iter().zip(&self.y[whole..]) {
            out[0] += *x;
            out[1] += *x * (*y - self.shift);
        }
        *self.out = out;
    }
}

/// Sum of squares about a shift.
struct Squares<'a, T>(&'a [T], T, &'a mut T);

impl<T: Real> Vectorised for Squares<'_, T> {
    #[inline(always)]
    fn run(self) {
        let mut lanes = [T::ZERO; 16];
        let chunks = self.0.chunks_exact(16);
        let rest = chunks.remainder();
        for x in chunks {
            for i in 0..16 {
                let d = x[i] - self.1;
                lanes[i] += d * d;
            }
        }
        let mut total = T::ZERO;
        lanes.iter().for_each(|lane| total += *lane);
        rest.iter().for_each(|x| total += (*x - self.1) * (*x - self.1));
        *self.2 = total;
    }
}

struct Plain<'a, T>(&'a [T], &'a mut T);

impl<T: Real> Vectorised for Plain<'_, T> {
    #[inline(always)]
    fn run(self) {
        let mut lanes = [T::ZERO; 16];
        let chunks = self.0.chunks_exact(16);
        let rest = chunks.remainder();
        for x in chunks {
            for i in 0..16 {
                lanes[i] += x[i];
            }
        }
        let mut total = T::ZERO;
        lanes.iter().for_each(|lane| total += *lane);
        rest.iter().for_each(|x| total += *x);
        *self.1 = total;
    }
}

/// `y = a x + b` over a segment.
struct Line<'a, T>(&'a [T], T, T, &'a mut [T]);

impl<T: Real> Vectorised for Line<'_, T> {
    #[inline(always)]
    fn run(self) {
        for (y, x) in self.3.iter_mut().zip(self.0) {
            *y = self.1 * *x + self.2;
        }
    }
}

/// `z = a x + b (y - c) + d` over a segment.
struct Plane<'a, T>(&'a [T], T, &'a [T], T, T, T, &'a mut [T]);

impl<T: Real> Vectorised for Plane<'_, T> {
    #[inline(always)]
    fn run(self) {
        for ((z, x), y) in self.6.iter_mut().zip(self.0).zip(self.2) {
            *z = self.1 * *x + self.3 * (*y - self.4) + self.5;
        }
    }
}

/// `y = (x - mean) rstd w + b` with a scale and shift for each element.
struct Rows<'a, T>(&'a [T], T, T, &'a [T], &'a [T], &'a mut [T]);

impl<T: Real> Vectorised for Rows<'_, T> {
    #[inline(always)]
    fn run(self) {
        for (((y, x), w), b) in self.5.iter_mut().zip(self.0).zip(self.3).zip(self.4) {
            *y = (*x - self.1) * self.2 * *w + *b;
        }
    }
}

impl Groups {
    /// Sets that share statistics.
    pub fn sets(&self) -> usize {
        self.groups.map_or(self.channels, |groups| self.batch * groups)
    }

    /// Elements of a set.
    pub fn members(&self) -> usize {
        self.inner * self.groups.map_or(self.batch, |groups| self.channels / groups)
    }

    fn set(&self, image: usize, channel: usize) -> usize {
        self.groups.map_or(channel, |groups| image * groups + channel / (self.channels / groups))
    }

    /// Starts of the runs that make a set, and their common length.
    fn runs(&self, set: usize) -> (impl Iterator<Item = usize> + use<>, usize) {
        let step = self.channels * self.inner;
        let (count, first, length) = match self.groups {
            Some(_) => (1, set * self.members(), self.members()),
            None => (self.batch, set * self.inner, self.inner),
        };
        ((0..count).map(move |k| first + k * step), length)
    }

    fn is_vector(&self) -> bool {
        self.inner == 1 && self.groups == Some(1)
    }

    /// Whether the work is worth sharing.
    fn is_large(&self) -> bool {
        self.batch * self.channels * self.inner >= 2 * GRAIN
    }

    /// Images that one task takes.
    fn together(&self) -> usize {
        if self.is_large() { (GRAIN / (self.channels * self.inner).max(1)).max(1) } else { self.batch.max(1) }
    }

    /// Means and reciprocal deviations of the sets.
    pub fn moments<T: Real>(&self, x: &[T], epsilon: T) -> Moments<T> {
        let count = T::from_f64(self.members() as f64);
        let one = |set: usize| {
            let total = |f: &dyn Fn(&[T]) -> T| {
                let (starts, length) = self.runs(set);
                let mut sum = T::ZERO;
                starts.for_each(|start| sum += f(&x[start..start + length]));
                sum
            };
            let mean = total(&|x| {
                let mut sum = T::ZERO;
                run_vectorised(Plain(x, &mut sum));
                sum
            }) / count;
            let variance = total(&|x| {
                let mut sum = T::ZERO;
                run_vectorised(Squares(x, mean, &mut sum));
                sum
            }) / count;
            (mean, variance)
        };
        let found: Vec<(T, T)> = if self.is_large() {
            (0..self.sets()).into_par_iter().with_min_len((GRAIN / self.members().max(1)).max(1)).map(one).collect()
        } else {
            (0..self.sets()).map(one).collect()
        };
        Moments {
            mean: found.iter().map(|m| m.0).collect(),
            rstd: found.iter().map(|m| T::ONE / (m.1 + epsilon).sqrt()).collect(),
            variance: found.iter().map(|m| m.1).collect(),
        }
    }

    /// The standardised tensor, scaled by `w` and shifted by `b`, one number a channel.
    pub fn forward<T: Real>(&self, x: &[T], m: &Moments<T>, w: &[T], b: &[T]) -> Vec<T> {
        let size = self.channels * self.inner;
        let mut out = vec![T::ZERO; x.len()];
        let image = |image: usize, y: &mut [T]| {
            let x = &x[image * size..][..size];
            if self.is_vector() {
                return run_vectorised(Rows(x, m.mean[image], m.rstd[image], w, b, y));
            }
            for (channel, y) in y.chunks_exact_mut(self.inner).enumerate() {
                let set = self.set(image, channel);
                let scale = m.rstd[set] * w[channel];
                let x = &x[channel * self.inner..][..self.inner];
                run_vectorised(Line(x, scale, b[channel] - m.mean[set] * scale, y));
            }
        };
        self.for_images(&mut out, &image);
        out
    }

    fn for_images<T: Real>(&self, out: &mut [T], f: &(dyn Fn(usize, &mut [T]) + Sync)) {
        let (size, together) = (self.channels * self.inner, self.together());
        if size == 0 {
            return;
        }
        out.par_chunks_mut(together * size).enumerate().for_each(|(task, chunk)| {
            chunk.chunks_exact_mut(size).enumerate().for_each(|(i, out)| f(task * together + i, out));
        });
    }

    /// Gradients of the tensor, the scales and the shifts.
    pub fn backward<T: Real>(&self, x: &[T], m: &Moments<T>, w: &[T], g: &[T]) -> [Vec<T>; 3] {
        let (size, inner) = (self.channels * self.inner, self.inner);
        let count = T::from_f64(self.members() as f64);
        // For each image and channel: the sum of g, and of g times the standardised x.
        let mut segments = vec![T::ZERO; 2 * self.batch * self.channels];
        let tasks = |image: usize, out: &mut [T]| {
            for (channel, out) in out.chunks_exact_mut(2).enumerate() {
                let at = image * size + channel * inner;
                let set = self.set(image, channel);
                let out: &mut [T; 2] = out.try_into().expect("chunks of two");
                run_vectorised(Sums { x: &g[at..at + inner], y: &x[at..at + inner], shift: m.mean[set], out });
                out[1] = out[1] * m.rstd[set];
            }
        };
        let together = self.together();
        if self.channels > 0 {
            segments.par_chunks_mut(together * self.channels * 2).enumerate().for_each(|(task, chunk)| {
                chunk
                    .chunks_exact_mut(2 * self.channels)
                    .enumerate()
                    .for_each(|(i, out)| tasks(task * together + i, out));
            });
        }
        let (mut dw, mut db) = (vec![T::ZERO; self.channels], vec![T::ZERO; self.channels]);
        let mut sets = vec![[T::ZERO; 2]; self.sets()];
        for image in 0..self.batch {
            for channel in 0..self.channels {
                let [plain, product] = [0, 1].map(|k| segments[2 * (image * self.channels + channel) + k]);
                db[channel] += plain;
                dw[channel] += product;
                let set = &mut sets[self.set(image, channel)];
                set[0] += w[channel] * plain;
                set[1] += w[channel] * product;
            }
        }
        let mut dx = vec![T::ZERO; x.len()];
        self.for_images(&mut dx, &|image, dx| {
            for (channel, dx) in dx.chunks_exact_mut(inner).enumerate() {
                let (at, set) = (image * size + channel * inner, self.set(image, channel));
                let rstd = m.rstd[set];
                let [plain, product] = sets[set];
                // rstd (w g - plain/n - (x - mean) rstd product/n)
                let (slope, level) = (-(rstd * rstd * product / count), -(rstd * plain / count));
                let (g, x) = (&g[at..at + inner], &x[at..at + inner]);
                run_vectorised(Plane(g, rstd * w[channel], x, slope, m.mean[set], level, dx));
            }
        });
        [dx, dw, db]
    }
}
