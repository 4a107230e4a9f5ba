//! Gaussian process regression by dense algebra: what the passes must equal.

use elbo_linalg::vector::dot;
use elbo_linalg::{Ladder, MatMut, MatRef, cholesky_with_jitter};
use elbo_markov::Kernel;
use elbo_markov::reference::log_normal;
use elbo_markov::small::{cholesky, cholesky_solve};

/// Covariances between two sets of times.
pub fn gram(kernel: &Kernel, t: &[f64], s: &[f64], origin: f64) -> Vec<f64> {
    t.iter().flat_map(|t| s.iter().map(move |s| kernel.covariance(*t, *s, origin))).collect()
}

/// Posterior at `at` given rows with noise: log likelihood, means, covariance.
pub fn posterior(
    kernel: &Kernel,
    origin: f64,
    (times, y, noise): (&[f64], &[f64], &[f64]),
    at: &[f64],
) -> (f64, Vec<f64>, Vec<f64>) {
    let seen: Vec<usize> = (0..y.len()).filter(|i| !y[*i].is_nan()).collect();
    let times: Vec<f64> = seen.iter().map(|i| times[*i]).collect();
    let y: Vec<f64> = seen.iter().map(|i| y[*i]).collect();
    let n = y.len();
    let mut ky = gram(kernel, &times, &times, origin);
    (0..n).for_each(|i| ky[i * n + i] += noise[seen[i]]);
    let chol = cholesky(&ky, n).expect("noise makes it positive definite");
    let alpha = cholesky_solve(&chol, &y, n, 1);
    let log = log_normal(&y, &ky).expect("it was factored above");
    let cross = gram(kernel, &times, at, origin);
    let weights = cholesky_solve(&chol, &cross, n, at.len());
    let m = at.len();
    let mean = (0..m).map(|j| (0..n).map(|i| cross[i * m + j] * alpha[i]).sum()).collect();
    let mut covariance = gram(kernel, at, at, origin);
    for a in 0..m {
        for b in 0..m {
            covariance[a * m + b] -= (0..n).map(|i| cross[i * m + a] * weights[i * m + b]).sum::<f64>();
        }
    }
    (log, mean, covariance)
}

/// Posterior of `f ~ N(0, K)` at its rows under sites `exp(shift f - precision f² / 2)`, which may say nothing: means, variances, log normaliser.
/// `gram: [N, N]`, `shift, precision: [N]`.
///
/// With `W = diag(precision)` and `B = I + W^½ K W^½ = L L'`: `S = K - K W^½ B⁻¹ W^½ K`, means `S shift`, log normaliser `½ shift' S shift - ½ log|B|`.
pub fn under_sites(gram: &[f64], shift: &[f64], precision: &[f64]) -> (Vec<f64>, Vec<f64>, f64) {
    let n = shift.len();
    let root: Vec<f64> = precision.iter().map(|p| p.sqrt()).collect();
    let rows = gram.chunks_exact(n).zip(&root);
    let mut half: Vec<f64> = rows.flat_map(|(row, r)| row.iter().map(move |k| r * k)).collect();
    let mut b: Vec<f64> = half.chunks_exact(n).flat_map(|row| row.iter().zip(&root).map(|(k, r)| k * r)).collect();
    (0..n).for_each(|i| b[i * n + i] += 1.0);
    let chol = cholesky_with_jitter(MatRef::row_major(&b, n, n), Ladder::Fixed(0.0)).expect("no eigenvalue below one");
    chol.half_solve(MatMut::row_major(&mut half, n, n));
    let mut mean: Vec<f64> = gram.chunks_exact(n).map(|row| dot(row, shift)).collect();
    let mut variance: Vec<f64> = (0..n).map(|i| gram[i * n + i]).collect();
    for row in half.chunks_exact(n) {
        let along = dot(row, shift);
        row.iter().zip(&mut mean).for_each(|(h, m)| *m -= h * along);
        row.iter().zip(&mut variance).for_each(|(h, v)| *v -= h * h);
    }
    let log_z = 0.5 * (dot(shift, &mean) - chol.log_det());
    (mean, variance, log_z)
}
