//! The matrices themselves.

use super::super::radial::{Profile, with_profile};
use super::{Hyper, Points, wide};
use crate::kernels::{Vectorised, buffer, run_vectorised};
use rayon::prelude::*;

/// Rows that one thread computes in one piece.
const ROWS: usize = 32;
/// Columns computed together, so that a tile of the points stays in the first cache.
const TILE: usize = 256;

/// A block of rows `[ROWS, M]`; in a lower triangle, row `i` ends at column `i`.
struct Rows<'a, P> {
    profile: P,
    variance: f64,
    x: &'a Points,
    z: &'a Points,
    first: usize,
    lower: bool,
    out: &'a mut [f64],
}

impl<P: Profile> Vectorised for Rows<'_, P> {
    #[inline(always)]
    fn run(self) {
        let m = self.z.count;
        let last = self.first + self.out.len() / m - 1;
        let end = if self.lower { last } else { m };
        for start in (0..end).step_by(TILE) {
            for (r, row) in self.out.chunks_exact_mut(m).enumerate() {
                let i = self.first + r;
                let end = (start + TILE).min(if self.lower { i } else { m });
                if start >= end {
                    continue;
                }
                let row = &mut row[start..end];
                self.z.squared_distances(self.x.row(i), start, row);
                for value in row.iter_mut() {
                    *value = self.variance * self.profile.g(*value);
                }
            }
        }
    }
}

/// `[N, M]` covariances.
pub(super) fn rectangle<P: Profile>(profile: P, x: &Points, z: &Points, hyper: &Hyper) -> Vec<f64> {
    // Every entry is written below.
    let mut out = buffer::<f64>(x.count * z.count);
    let variance = hyper.variance;
    if hyper.is_wide() {
        wide::fill(profile, x, Some(z), variance, &mut out);
    } else if !out.is_empty() {
        out.par_chunks_mut(ROWS * z.count).enumerate().for_each(|(block, out)| {
            run_vectorised(Rows { profile, variance, x, z, first: block * ROWS, lower: false, out });
        });
    }
    out
}

/// Lower triangle of the covariances within `x` into `out: [N, N]`, with `diagonal(i)` on the diagonal; the strictly upper part is left
/// alone.
pub(in crate::fused) fn fill_lower(x: &Points, hyper: &Hyper, diagonal: impl Fn(usize) -> f64 + Sync, out: &mut [f64]) {
    let n = x.count;
    let variance = hyper.variance;
    if n == 0 {
        return;
    }
    with_profile!(hyper.radial, hyper.alpha, profile => {
        if hyper.is_wide() {
            wide::fill(profile, x, None, variance, out);
            out.iter_mut().step_by(n + 1).enumerate().for_each(|(i, d)| *d = diagonal(i));
            return;
        }
        out.par_chunks_mut(ROWS * n).enumerate().for_each(|(block, out)| {
            let first = block * ROWS;
            run_vectorised(Rows { profile, variance, x, z: x, first, lower: true, out: &mut *out });
            for (r, row) in out.chunks_exact_mut(n).enumerate() {
                row[first + r] = diagonal(first + r);
            }
        });
    });
}
