//! The factor of a covariance of trials, and which of them to leave out where there is none.

use super::{Hyper, matern52};
use crate::space::distance;
use elbo_linalg::{Cholesky, Ladder, LinalgError, MatRef, cholesky_with_jitter};

/// Distance in lengthscales below which a trial repeats an earlier one.
const NEAR: f64 = 1e-6;

/// The noise variance of a datum: its own, or the common one where that is not known.
pub(super) fn noise_of(known: &[f64], row: usize, common: f64) -> f64 {
    known.get(row).copied().filter(|v| !v.is_nan()).unwrap_or(common)
}

/// The factor of the covariance of these rows.
pub(super) fn factorised(
    ladder: Ladder,
    rows: &[usize],
    (scaled, width): (&[f64], usize),
    hyper: &Hyper,
    noise: &[f64],
) -> std::result::Result<Cholesky<f64>, LinalgError> {
    let n = rows.len();
    let point = |i: usize| &scaled[rows[i] * width..(rows[i] + 1) * width];
    let mut k = vec![0.0; n * n];
    for i in 0..n {
        k[i * n + i] = hyper.variance + noise[rows[i]];
        for j in 0..i {
            k[i * n + j] = hyper.variance * matern52(distance(point(i), point(j))).0;
        }
    }
    cholesky_with_jitter(MatRef::row_major(&k, n, n), ladder)
}

/// Rows that do not nearly repeat an earlier one of them.
pub(super) fn distinct(scaled: &[f64], width: usize) -> Vec<usize> {
    let point = |i: usize| &scaled[i * width..(i + 1) * width];
    let mut kept: Vec<usize> = vec![];
    for i in 0..scaled.len() / width {
        // What is not a number repeats nothing.
        if !kept.iter().any(|j| distance(point(i), point(*j)) <= NEAR) {
            kept.push(i);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_trials_that_nearly_repeat_is_kept() {
        let scaled = [0.0, 1.0, 0.5, 0.5, 1e-7, 1.0, 0.5, 0.5 + 1e-5, f64::NAN, 0.5];
        assert_eq!(distinct(&scaled, 2), [0, 1, 3, 4]);
    }

    #[test]
    fn noise_is_its_own_where_it_is_known() {
        let known = [0.5, f64::NAN];
        assert_eq!([0, 1, 2].map(|row| noise_of(&known, row, 0.1)), [0.5, 0.1, 0.1]);
        assert_eq!(noise_of(&[], 0, 0.1), 0.1);
    }
}
