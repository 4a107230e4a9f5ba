//! Passes over the columns of `[M, B]` arrays, bound by memory: threads share them, and the bits do not depend on how many there are.

use rayon::prelude::*;

/// Columns whose sums one task makes.
const COLUMNS: usize = 128;
/// Numbers of a task that works row by row: 128 kB.
const ROWS: usize = 16 * 1024;

/// Adds `sign` times the sums of the squares of each column of `x: [M, B]` to `out: [B]`.
pub(super) fn add_squares(x: &[f64], b: usize, sign: f64, out: &mut [f64]) {
    out.par_chunks_mut(COLUMNS).enumerate().for_each(|(block, out)| {
        let mut sums = [0.0; COLUMNS];
        let start = block * COLUMNS;
        for row in x.chunks_exact(b) {
            sums.iter_mut().zip(&row[start..start + out.len()]).for_each(|(s, v)| *s += v * v);
        }
        out.iter_mut().zip(&sums).for_each(|(o, s)| *o += sign * s);
    });
}

/// `out = factor x diag(h)` for `x, out: [M, B]` and `h: [B]`.
pub(super) fn scale(x: &[f64], h: &[f64], factor: f64, out: &mut [f64]) {
    scale_and_add(x, h, factor, (&[], &[]), out);
}

/// `out = factor x diag(h) + uᵀ g` for `x, out: [M, B]`, `h: [B]`, `u: [P, M]` and `g: [P, B]`.
pub(super) fn scale_and_add(x: &[f64], h: &[f64], factor: f64, (u, g): (&[f64], &[f64]), out: &mut [f64]) {
    let b = h.len().max(1);
    let m = x.len() / b;
    let rows = (ROWS / b).max(1);
    out.par_chunks_mut(rows * b).zip(x.par_chunks(rows * b)).enumerate().for_each(|(piece, (out, x))| {
        for (i, (out, x)) in (piece * rows..).zip(out.chunks_exact_mut(b).zip(x.chunks_exact(b))) {
            out.iter_mut().zip(x).zip(h).for_each(|((o, v), h)| *o = factor * h * v);
            for (u, g) in u.chunks_exact(m).zip(g.chunks_exact(b)) {
                out.iter_mut().zip(g).for_each(|(o, g)| *o += u[i] * g);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(count: usize) -> Vec<f64> {
        (0..count).map(|j| 0.25 * j as f64 - 3.0).collect()
    }

    #[test]
    fn sums_of_squares_and_scaled_columns_equal_naive_loops() {
        for (m, b) in [(0, 3), (1, 1), (5, 127), (70, 300)] {
            let x: Vec<f64> = (0..m * b).map(|i| (i as f64 * 0.7).sin()).collect();
            let h: Vec<f64> = (0..b).map(|j| 1.0 - j as f64).collect();
            let mut sums = h.clone();
            add_squares(&x, b, -2.0, &mut sums);
            for j in 0..b {
                let naive: f64 = (0..m).map(|i| x[i * b + j].powi(2)).sum();
                assert!((sums[j] - (h[j] - 2.0 * naive)).abs() < 1e-12 * (1.0 + naive), "{m}x{b}, column {j}");
            }
            let mut scaled = vec![f64::NAN; m * b];
            scale(&x, &h, 3.0, &mut scaled);
            assert!((0..m * b).all(|i| scaled[i] == 3.0 * h[i % b] * x[i]), "{m}x{b}");
            let (u, g): (Vec<f64>, Vec<f64>) = ((0..2 * m).map(|i| i as f64).collect(), ramp(2 * b));
            let mut sum = vec![f64::NAN; m * b];
            scale_and_add(&x, &h, 3.0, (&u[..], &g[..]), &mut sum);
            let expected = |i: usize, j: usize| scaled[i * b + j] + u[i] * g[j] + u[m + i] * g[b + j];
            assert!((0..m * b).all(|at| sum[at] == expected(at / b, at % b)), "{m}x{b}");
        }
    }
}
