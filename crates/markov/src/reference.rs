//! The textbook filter (Joseph's form) and smoother (Rauch, Tung and Striebel): dense, slow, readable. What the fast passes are tested
//! against, and the place to look up full state covariances and lag-one covariances.

use crate::model::Chain;
use crate::small::{cholesky, cholesky_solve, log_det, product, product_transposed, symmetrised, transposed};

/// Full smoothed moments of the state.
#[derive(Debug, Clone, PartialEq)]
pub struct States {
    /// Log likelihood, nats.
    pub log_likelihood: f64,
    /// Filtered means, `[T][n]`.
    pub filtered_mean: Vec<Vec<f64>>,
    /// Filtered covariances, `[T][n, n]`.
    pub filtered: Vec<Vec<f64>>,
    /// Smoothed means, `[T][n]`.
    pub mean: Vec<Vec<f64>>,
    /// Smoothed covariances, `[T][n, n]`.
    pub covariance: Vec<Vec<f64>>,
    /// `Cov(x_k, x_{k+1} | y)`, `[T - 1][n, n]`.
    pub lag_one: Vec<Vec<f64>>,
}

/// Filters and smooths `y: [T, L]` with independent noise `[L]` a row; a NaN is missing.
///
/// Returns `None` where a covariance is not positive definite, as happens with deterministic blocks.
pub fn smooth(chain: &Chain<f64>, y: &[f64], noise: &[f64]) -> Option<States> {
    let (n, l) = (chain.size, chain.outputs);
    let steps = chain.len();
    let mut log_likelihood = 0.0;
    let (mut filtered_mean, mut filtered) = (vec![], vec![]);
    let (mut predicted_mean, mut predicted) = (vec![vec![0.0; n]], vec![chain.start.clone()]);
    for k in 0..steps {
        if k > 0 {
            let (a, q) = chain.transition(k);
            let (a, q) = (chain.dense(a), chain.dense(q));
            let (m, p): (&Vec<f64>, &Vec<f64>) = (&filtered_mean[k - 1], &filtered[k - 1]);
            predicted_mean.push(product(&a, m, n, n, 1));
            let carried = product_transposed(&product(&a, p, n, n, n), &a, n, n, n);
            predicted.push(carried.iter().zip(&q).map(|(a, b)| a + b).collect());
        }
        // Missing rows are dropped; the prediction has been made all the same.
        let seen: Vec<usize> = (0..l).filter(|o| !y[k * l + o].is_nan()).collect();
        let s = seen.len();
        if s == 0 {
            filtered_mean.push(predicted_mean[k].clone());
            filtered.push(predicted[k].clone());
            continue;
        }
        let h: Vec<f64> = seen.iter().flat_map(|o| chain.h[o * n..(o + 1) * n].to_vec()).collect();
        let (m, p) = (&predicted_mean[k], &predicted[k]);
        let f = product(&h, m, s, n, 1);
        let v: Vec<f64> = seen.iter().zip(&f).map(|(o, f)| y[k * l + o] - f).collect();
        let hp = product(&h, p, s, n, n);
        let mut total = product_transposed(&hp, &h, s, n, s);
        (0..s).for_each(|i| total[i * s + i] += noise[seen[i]]);
        let chol = cholesky(&total, s)?;
        let gain = transposed(&cholesky_solve(&chol, &hp, s, n), s, n);
        let whitened = cholesky_solve(&chol, &v, s, 1);
        let quadratic: f64 = v.iter().zip(&whitened).map(|(a, b)| a * b).sum();
        log_likelihood -= 0.5 * (quadratic + log_det(&chol, s) + s as f64 * std::f64::consts::TAU.ln());
        let step = product(&gain, &v, n, s, 1);
        filtered_mean.push(m.iter().zip(&step).map(|(a, b)| a + b).collect());
        let mut keep: Vec<f64> = product(&gain, &h, n, s, n).iter().map(|x| -x).collect();
        (0..n).for_each(|i| keep[i * n + i] += 1.0);
        let mut next = product_transposed(&product(&keep, p, n, n, n), &keep, n, n, n);
        for i in 0..n {
            for j in 0..n {
                next[i * n + j] += (0..s).map(|o| gain[i * s + o] * noise[seen[o]] * gain[j * s + o]).sum::<f64>();
            }
        }
        filtered.push(symmetrised(next, n));
    }
    let (mut mean, mut covariance) = (filtered_mean.clone(), filtered.clone());
    let mut lag_one = vec![vec![]; steps - 1];
    for k in (0..steps - 1).rev() {
        let (a, _) = chain.transition(k + 1);
        let a = chain.dense(a);
        let ap = product(&a, &filtered[k], n, n, n);
        let chol = cholesky(&predicted[k + 1], n)?;
        let gain = transposed(&cholesky_solve(&chol, &ap, n, n), n, n);
        let difference: Vec<f64> = mean[k + 1].iter().zip(&predicted_mean[k + 1]).map(|(a, b)| a - b).collect();
        let step = product(&gain, &difference, n, n, 1);
        mean[k] = filtered_mean[k].iter().zip(&step).map(|(a, b)| a + b).collect();
        let change: Vec<f64> = covariance[k + 1].iter().zip(&predicted[k + 1]).map(|(a, b)| a - b).collect();
        let back = product_transposed(&product(&gain, &change, n, n, n), &gain, n, n, n);
        covariance[k] = symmetrised(filtered[k].iter().zip(&back).map(|(a, b)| a + b).collect(), n);
        lag_one[k] = product(&gain, &covariance[k + 1], n, n, n);
    }
    Some(States { log_likelihood, filtered_mean, filtered, mean, covariance, lag_one })
}
