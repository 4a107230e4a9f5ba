//! Gaussian process regression by dense algebra: what the passes must equal.

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
