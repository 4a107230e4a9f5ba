//! Derivatives of a function of a Gram matrix with respect to points and hyperparameters, in one pass over its gradient.
//!
//! With the scaled difference `t = (x_d - z_d)/ℓ_d` and the weight `w = dK v h(r)` of an entry:
//! `∂/∂log ℓ_d = Σ w t²`, `∂/∂x_d = -Σ w t/ℓ_d`, `∂/∂z_d = +Σ w t/ℓ_d`.

use super::super::radial::{Profile, with_profile};
use super::{Hyper, Points, wide};
use crate::kernels::{Vectorised, run_vectorised};
use elbo_core::recycle::Kept;
use rayon::prelude::*;

/// Columns computed together, so that points and their gradients stay in the first cache.
const TILE: usize = 128;
/// Blocks of rows have at least this many, and there are at most `BLOCKS`: each keeps a gradient of the columns' points.
const ROWS: usize = 32;
const BLOCKS: usize = 64;

/// What flows back.
pub(in crate::fused) struct Pull {
    /// `[N, D]`; undefined when no points are asked for.
    pub x: Vec<f64>,
    /// `[M, D]`; empty or undefined when not asked for, and empty for a symmetric matrix, where `x` has it all.
    pub z: Vec<f64>,
    /// `[D]`, with respect to the logarithms.
    pub log_lengthscales: Vec<f64>,
    pub variance: f64,
    pub alpha: f64,
}

/// The sums of one block of rows.
#[derive(Clone)]
struct Part {
    /// `[D, M]`: gradient of the columns' points, in scaled units.
    columns: Kept<f64>,
    log_lengthscales: Vec<f64>,
    /// `Σ dK g` and `Σ dK ∂g/∂α`.
    value: f64,
    alpha: f64,
}

/// Sum in eight lanes, combined in order.
#[inline(always)]
fn lane_sum(values: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for k in 0..8 {
            lanes[k] += chunk[k];
        }
    }
    let mut sum = 0.0;
    for value in rest {
        sum += value;
    }
    for lane in lanes {
        sum += lane;
    }
    sum
}

/// `Σ w t²` for `t = at - column`.
#[inline(always)]
fn second_moment(weights: &[f64], column: &[f64], at: f64) -> f64 {
    let mut lanes = [0.0; 8];
    let (w8, c8) = (weights.chunks_exact(8), column.chunks_exact(8));
    let mut sum = 0.0;
    for (w, c) in w8.remainder().iter().zip(c8.remainder()) {
        sum += w * (at - c) * (at - c);
    }
    for (w, c) in w8.zip(c8) {
        for k in 0..8 {
            let t = at - c[k];
            lanes[k] += w[k] * t * t;
        }
    }
    for lane in lanes {
        sum += lane;
    }
    sum
}

/// `(Σ w t, Σ w t²)` for `t = at - column`, adding `w t` to `back` if there is one.
#[inline(always)]
fn moments<const BACK: bool>(weights: &[f64], column: &[f64], at: f64, back: &mut [f64]) -> (f64, f64) {
    let length = weights.len();
    let (column, back) = (&column[..length], &mut back[..if BACK { length } else { 0 }]);
    let (mut first, mut second) = ([0.0; 8], [0.0; 8]);
    let whole = length / 8 * 8;
    let mut j = 0;
    while j < whole {
        let w: &[f64; 8] = weights[j..j + 8].try_into().expect("eight values");
        let c: &[f64; 8] = column[j..j + 8].try_into().expect("eight values");
        let mut u = [0.0; 8];
        for k in 0..8 {
            let t = at - c[k];
            u[k] = w[k] * t;
            first[k] += u[k];
            second[k] += u[k] * t;
        }
        if BACK {
            back[j..j + 8].iter_mut().zip(u).for_each(|(b, u)| *b += u);
        }
        j += 8;
    }
    let (mut a, mut b) = (0.0, 0.0);
    for j in whole..length {
        let t = at - column[j];
        let u = weights[j] * t;
        a += u;
        b += u * t;
        if BACK {
            back[j] += u;
        }
    }
    for k in 0..8 {
        a += first[k];
        b += second[k];
    }
    (a, b)
}

/// Of which points gradients are wanted; that of the rows' points costs next to nothing beside that of the columns'.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::fused) enum Wanted {
    Neither,
    Rows,
    Both,
}

impl Wanted {
    /// Of rows and of columns.
    pub fn of(rows: bool, columns: bool) -> Self {
        match (rows, columns) {
            (_, true) => Self::Both,
            (true, false) => Self::Rows,
            (false, false) => Self::Neither,
        }
    }
}

/// One block of rows. `weights(i, start, out)` writes the gradient of the entries of row `i` from column `start` on.
struct Block<'a, P, W> {
    profile: P,
    variance: f64,
    x: &'a Points,
    z: &'a Points,
    first: usize,
    lower: bool,
    wanted: Wanted,
    /// The covariances `[N, M]`, of a profile that is its own slope.
    values: Option<&'a [f64]>,
    weights: &'a W,
    /// `[rows, D]`, in scaled units.
    rows: &'a mut [f64],
    part: &'a mut Part,
}

impl<P: Profile, W: Fn(usize, usize, &mut [f64])> Vectorised for Block<'_, P, W> {
    #[inline(always)]
    fn run(self) {
        let (m, dims) = (self.z.count, self.z.dims);
        let count = self.rows.len().checked_div(dims).unwrap_or(0);
        let end = if self.lower { self.first + count - 1 } else { m };
        let (mut s, mut w, mut g) = ([0.0; TILE], [0.0; TILE], [0.0; TILE]);
        for start in (0..end).step_by(TILE) {
            for (r, row) in self.rows.chunks_exact_mut(dims).enumerate() {
                let i = self.first + r;
                let end = (start + TILE).min(if self.lower { i } else { m });
                if start >= end {
                    continue;
                }
                let length = end - start;
                let (s, w, g) = (&mut s[..length], &mut w[..length], &mut g[..length]);
                let point = self.x.row(i);
                (self.weights)(i, start, w);
                if let Some(values) = self.values {
                    for (w, k) in w.iter_mut().zip(&values[i * m + start..]) {
                        *w *= k;
                    }
                    self.part.value += lane_sum(w) / self.variance;
                } else {
                    self.z.squared_distances(point, start, s);
                    if P::HAS_ALPHA {
                        for j in 0..length {
                            g[j] = w[j] * self.profile.g_alpha(s[j]);
                        }
                        self.part.alpha += lane_sum(g);
                    }
                    for j in 0..length {
                        let (value, slope) = self.profile.gh(s[j]);
                        g[j] = w[j] * value;
                        w[j] *= self.variance * slope;
                    }
                    self.part.value += lane_sum(g);
                }
                for (d, back) in row.iter_mut().enumerate() {
                    let (column, at) = (self.z.column(d, start, length), point[d]);
                    let (first, second) = match self.wanted {
                        Wanted::Neither => (0.0, second_moment(w, column, at)),
                        Wanted::Rows => moments::<false>(w, column, at, &mut []),
                        Wanted::Both => {
                            moments::<true>(w, column, at, &mut self.part.columns[d * m + start..][..length])
                        }
                    };
                    *back -= first;
                    self.part.log_lengthscales[d] += second;
                }
            }
        }
    }
}

/// Runs the blocks and returns the rows' gradient `[N, D]` in scaled units with the sums of the blocks, added in order.
fn blocks<P: Profile, W: Fn(usize, usize, &mut [f64]) + Sync>(
    profile: P,
    x: &Points,
    z: &Points,
    variance: f64,
    lower: bool,
    wanted: Wanted,
    values: Option<&[f64]>,
    weights: W,
) -> (Vec<f64>, Part) {
    let (n, m, dims) = (x.count, z.count, x.dims);
    let mut rows = vec![0.0; n * dims];
    let new = || Part {
        columns: Kept::zeros(if wanted == Wanted::Both { m * dims } else { 0 }),
        log_lengthscales: vec![0.0; dims],
        value: 0.0,
        alpha: 0.0,
    };
    let size = ROWS.max(n.div_ceil(BLOCKS));
    let parts: Vec<Part> = rows
        .par_chunks_mut((size * dims).max(1))
        .enumerate()
        .map(|(block, rows)| {
            let mut part = new();
            let first = block * size;
            let weights = &weights;
            let part_ref = &mut part;
            run_vectorised(Block {
                profile,
                variance,
                x,
                z,
                first,
                lower,
                wanted,
                values,
                weights,
                rows,
                part: part_ref,
            });
            part
        })
        .collect();
    let mut total = new();
    for part in parts {
        total.columns.iter_mut().zip(&part.columns).for_each(|(t, p)| *t += p);
        total.log_lengthscales.iter_mut().zip(&part.log_lengthscales).for_each(|(t, p)| *t += p);
        total.value += part.value;
        total.alpha += part.alpha;
    }
    (rows, total)
}

/// Back to the units of the points, `[N, D]`.
fn unscale(rows: &mut [f64], hyper: &Hyper) {
    let dims = hyper.lengthscales.len();
    for row in rows.chunks_exact_mut(dims.max(1)) {
        row.iter_mut().zip(&hyper.lengthscales).for_each(|(v, l)| *v /= l);
    }
}

/// Whether [`pull`] wants the values of the Gram matrix, which spare it the distances.
pub(super) fn needs_values<P: Profile>(_: P, hyper: &Hyper) -> bool {
    P::IS_ITS_SLOPE && hyper.variance > 0.0 && !hyper.is_wide()
}

/// Pulls `weights: [N, M]` back through a rectangular Gram matrix, with its `values` where [`needs_values`] says so.
pub(super) fn pull<P: Profile>(
    profile: P,
    x: &Points,
    z: &Points,
    weights: &[f64],
    values: Option<&[f64]>,
    hyper: &Hyper,
    wanted: Wanted,
) -> Pull {
    let (m, dims) = (z.count, z.dims);
    let read = |i: usize, start: usize, out: &mut [f64]| out.copy_from_slice(&weights[i * m + start..][..out.len()]);
    if hyper.is_wide() {
        let mut pull = wide::pull(profile, x, Some(z), hyper, read);
        unscale(&mut pull.x, hyper);
        unscale(&mut pull.z, hyper);
        return pull;
    }
    let (mut rows, total) = blocks(profile, x, z, hyper.variance, false, wanted, values, read);
    unscale(&mut rows, hyper);
    let mut back = vec![];
    if wanted == Wanted::Both {
        back = vec![0.0; m * dims];
        for d in 0..dims {
            for j in 0..m {
                back[j * dims + d] = total.columns[d * m + j];
            }
        }
        unscale(&mut back, hyper);
    }
    Pull {
        x: rows,
        z: back,
        log_lengthscales: total.log_lengthscales,
        variance: total.value,
        alpha: hyper.variance * total.alpha,
    }
}

/// Pulls a gradient back through a symmetric Gram matrix. `pairs(i, start, out)` writes the sums of the gradients of entries `(i, j)`
/// and `(j, i)` for `j` from `start` on, all below `i`; `diagonal(i)` is the gradient of the variance at `i`.
pub(in crate::fused) fn pull_symmetric(
    x: &Points,
    hyper: &Hyper,
    with_points: bool,
    pairs: impl Fn(usize, usize, &mut [f64]) + Sync,
    diagonal: impl Fn(usize) -> f64,
) -> Pull {
    let (n, dims) = (x.count, x.dims);
    let on_diagonal: f64 = (0..n).map(diagonal).sum();
    if hyper.is_wide() {
        let mut pull = with_profile!(hyper.radial, hyper.alpha, p => wide::pull(p, x, None, hyper, pairs));
        unscale(&mut pull.x, hyper);
        pull.variance += on_diagonal;
        return pull;
    }
    let wanted = Wanted::of(with_points, with_points);
    let (mut rows, total) =
        with_profile!(hyper.radial, hyper.alpha, p => blocks(p, x, x, hyper.variance, true, wanted, None, pairs));
    if with_points {
        for i in 0..n {
            for d in 0..dims {
                rows[i * dims + d] += total.columns[d * n + i];
            }
        }
    }
    unscale(&mut rows, hyper);
    Pull {
        x: rows,
        z: vec![],
        log_lengthscales: total.log_lengthscales,
        variance: total.value + on_diagonal,
        alpha: hyper.variance * total.alpha,
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::rectangle;
    use super::*;
    use crate::fused::radial::{Radial, Rbf};

    #[test]
    fn an_rbf_pulls_back_through_its_values_as_through_distances() {
        let hyper = Hyper { radial: Radial::Rbf, lengthscales: vec![0.7, 1.3], variance: 1.4, alpha: 1.0 };
        let waves = |count: usize, rate: f64| -> Vec<f64> { (0..count).map(|i| (i as f64 * rate).sin()).collect() };
        let (n, m) = (40, 300);
        let (x, z) = (Points::new(&waves(2 * n, 0.9), n, &hyper), Points::new(&waves(2 * m, 1.7), m, &hyper));
        let (weights, values) = (waves(n * m, 0.3), rectangle(Rbf, &x, &z, &hyper));
        for wanted in [Wanted::Neither, Wanted::Rows, Wanted::Both] {
            let [by_value, by_distance] =
                [Some(&values[..]), None].map(|values| pull(Rbf, &x, &z, &weights, values, &hyper, wanted));
            let parts = |of: &Pull| [of.x.clone(), of.z.clone(), of.log_lengthscales.clone(), vec![of.variance]];
            for (found, expected) in parts(&by_value).iter().flatten().zip(parts(&by_distance).iter().flatten()) {
                assert!((found - expected).abs() < 1e-12 * expected.abs().max(100.0), "{found} and {expected}");
            }
        }
    }
}
