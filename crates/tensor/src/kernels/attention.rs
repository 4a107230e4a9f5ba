//! Attention by blocks of queries, and its first derivative, which makes the probabilities again.

use rayon::prelude::*;

use super::gemm::Tiled;
use super::matmul::{View, gemm, gemm_add};
use super::{Vectorised, run_vectorised};
use crate::dtype::Real;

/// Sizes of a batch of attentions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub batch: usize,
    pub queries: usize,
    pub keys: usize,
    /// Of queries and keys.
    pub width: usize,
    /// Of values.
    pub depth: usize,
    pub scale: f64,
}

/// Queries in a block.
const QUERIES: usize = 64;

/// Softmax of a scaled row; entries at -inf become zero.
struct Softmax<'a, T>(&'a mut [T], T);

impl<T: Real> Vectorised for Softmax<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self(row, scale) = self;
        let mut high = T::LOWEST;
        for x in row.iter_mut() {
            *x = *x * scale;
            high = if *x > high { *x } else { high };
        }
        for x in row.iter_mut() {
            *x = (*x - high).exp();
        }
        let mut total = T::ZERO;
        row.iter().for_each(|x| total += *x);
        let share = T::ONE / total;
        row.iter_mut().for_each(|x| *x = *x * share);
    }
}

fn plain<T>(data: &[T], row: usize) -> View<'_, T> {
    View { data, row, column: 1 }
}

fn transposed<T>(data: &[T], row: usize) -> View<'_, T> {
    View { data, row: 1, column: row }
}

impl Sizes {
    fn blocks(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let queries = self.queries;
        (0..queries).step_by(QUERIES).map(move |first| first..(first + QUERIES).min(queries))
    }

    /// Probabilities of a block of queries over all keys.
    fn probabilities<T: Tiled>(&self, q: &[T], k: &[T], allowed: Option<&[bool]>, out: &mut [T]) {
        let rows = q.len() / self.width.max(1);
        gemm(plain(q, self.width), transposed(k, self.width), out, [rows, self.width, self.keys], false);
        let mut scale = T::from_f64(self.scale);
        if let Some(allowed) = allowed {
            // Scaled here, since a scale that is not positive would not keep -inf.
            out.iter_mut().zip(allowed).for_each(|(s, allowed)| *s = if *allowed { *s * scale } else { T::LOWEST });
            scale = T::ONE;
        }
        out.chunks_exact_mut(self.keys).for_each(|row| run_vectorised(Softmax(row, scale)));
    }

    fn mask<'a>(&self, allowed: Option<&'a [bool]>, n: usize, rows: &std::ops::Range<usize>) -> Option<&'a [bool]> {
        allowed.map(|m| &m[(n * self.queries + rows.start) * self.keys..][..rows.len() * self.keys])
    }
}

/// `[batch, queries, depth]` of queries, keys and values.
pub(crate) fn forward<T: Tiled>(s: &Sizes, [q, k, v]: [&[T]; 3], allowed: Option<&[bool]>) -> Vec<T> {
    let mut out = vec![T::ZERO; s.batch * s.queries * s.depth];
    if out.is_empty() {
        return out;
    }
    out.par_chunks_mut(s.queries * s.depth).enumerate().for_each(|(n, out)| {
        let (k, v) = (&k[n * s.keys * s.width..][..s.keys * s.width], &v[n * s.keys * s.depth..][..s.keys * s.depth]);
        let mut p = vec![];
        for rows in s.blocks() {
            p.resize(rows.len() * s.keys, T::ZERO);
            let q = &q[(n * s.queries + rows.start) * s.width..][..rows.len() * s.width];
            s.probabilities(q, k, s.mask(allowed, n, &rows), &mut p);
            let out = &mut out[rows.start * s.depth..rows.end * s.depth];
            gemm(plain(&p, s.keys), plain(v, s.depth), out, [rows.len(), s.keys, s.depth], false);
        }
    });
    out
}

/// Gradients of queries, keys and values.
pub(crate) fn backward<T: Tiled>(s: &Sizes, [q, k, v]: [&[T]; 3], allowed: Option<&[bool]>, g: &[T]) -> [Vec<T>; 3] {
    let [mut dq, mut dk, mut dv] = [q, k, v].map(|x| vec![T::ZERO; x.len()]);
    let scale = T::from_f64(s.scale);
    let sizes = [s.queries * s.width, s.keys * s.width, s.keys * s.depth].map(|n| n.max(1));
    let grads = dq.par_chunks_mut(sizes[0]).zip(dk.par_chunks_mut(sizes[1])).zip(dv.par_chunks_mut(sizes[2]));
    grads.enumerate().for_each(|(n, ((dq, dk), dv))| {
        let (k, v) = (&k[n * sizes[1]..][..sizes[1]], &v[n * sizes[2]..][..sizes[2]]);
        let (mut p, mut dp) = (vec![], vec![]);
        for rows in s.blocks() {
            let count = rows.len();
            p.resize(count * s.keys, T::ZERO);
            dp.resize(count * s.keys, T::ZERO);
            let q = &q[(n * s.queries + rows.start) * s.width..][..count * s.width];
            let g = &g[(n * s.queries + rows.start) * s.depth..][..count * s.depth];
            s.probabilities(q, k, s.mask(allowed, n, &rows), &mut p);
            gemm_add(transposed(&p, s.keys), plain(g, s.depth), dv, s.depth, [s.keys, count, s.depth]);
            gemm(plain(g, s.depth), transposed(v, s.depth), &mut dp, [count, s.depth, s.keys], false);
            for (p, dp) in p.chunks_exact(s.keys).zip(dp.chunks_exact_mut(s.keys)) {
                let mut mean = T::ZERO;
                p.iter().zip(&*dp).for_each(|(p, dp)| mean += *p * *dp);
                dp.iter_mut().zip(p).for_each(|(dp, p)| *dp = *p * (*dp - mean) * scale);
            }
            let dq = &mut dq[rows.start * s.width..rows.end * s.width];
            gemm(plain(&dp, s.keys), plain(k, s.width), dq, [count, s.keys, s.width], false);
            gemm_add(transposed(&dp, s.keys), plain(q, s.width), dk, s.width, [s.keys, count, s.width]);
        }
    });
    [dq, dk, dv]
}
