//! The textbook filter (Joseph's form) and smoother (Rauch, Tung and Striebel): dense, slow, readable. What the fast passes are tested
//! against, and the place to look up full state covariances and lag-one covariances. [`fisher`] is the gradient by Fisher's identity, and
//! [`log_normal`] the density by dense algebra.

use crate::model::{Chain, ChainGradient};
use crate::small::{cholesky, cholesky_solve, identity, log_det, product, product_transposed, symmetrised, transposed};
use elbo_core::{Error, Result};

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

/// The gradient of the log likelihood by Fisher's identity: the expected gradient of the complete-data log density under the smoothed moments,
/// as the EM algorithm uses it. Derivatives by the chain's numbers, and by the noise variances `[T]`.
///
/// For one output with noise variances `[T]`. `None` where the first covariance or a process covariance is singular.
pub fn fisher(chain: &Chain<f64>, states: &States, y: &[f64], noise: &[f64]) -> Option<(ChainGradient<f64>, Vec<f64>)> {
    let n = chain.size;
    assert_eq!(chain.outputs, 1, "numbers are of one output");
    // E[x x'] of a step, and E[x_{k+1} x_k'].
    let second = |k: usize| -> Vec<f64> {
        (0..n * n).map(|i| states.covariance[k][i] + states.mean[k][i / n] * states.mean[k][i % n]).collect()
    };
    let inverse = |a: &[f64]| Some(cholesky_solve(&cholesky(a, n)?, &identity(n), n, n));
    // d log N(r; 0, V) / dV, with E[r r'] = moment: (V⁻¹ moment V⁻¹ - V⁻¹) / 2.
    let by_covariance = |inverse: &[f64], moment: &[f64]| -> Vec<f64> {
        let both = product(&product(inverse, moment, n, n, n), inverse, n, n, n);
        both.iter().zip(inverse).map(|(b, i)| 0.5 * (b - i)).collect()
    };
    let mut out = ChainGradient {
        h: vec![0.0; n],
        start: by_covariance(&inverse(&chain.start)?, &second(0)),
        a: vec![0.0; chain.a.len()],
        q: vec![0.0; chain.q.len()],
    };
    let mut by_noise = vec![0.0; y.len()];
    for k in 0..chain.len() {
        let here = second(k);
        if !y[k].is_nan() {
            let xh = product(&here, &chain.h, n, n, 1);
            let (mut f, mut square) = (0.0, 0.0);
            for i in 0..n {
                out.h[i] += (y[k] * states.mean[k][i] - xh[i]) / noise[k];
                f += chain.h[i] * states.mean[k][i];
                square += chain.h[i] * xh[i];
            }
            let missed = y[k] * y[k] - 2.0 * y[k] * f + square;
            by_noise[k] = 0.5 * (missed / noise[k] - 1.0) / noise[k];
        }
        if k == 0 {
            continue;
        }
        let (a, q) = chain.transition(k);
        let (a, q) = (chain.dense(a), chain.dense(q));
        let (m0, m1) = (&states.mean[k - 1], &states.mean[k]);
        let cross: Vec<f64> =
            (0..n * n).map(|i| states.lag_one[k - 1][i % n * n + i / n] + m1[i / n] * m0[i % n]).collect();
        let before = second(k - 1);
        let q_inverse = inverse(&q)?;
        let a_before = product(&a, &before, n, n, n);
        let rest: Vec<f64> = cross.iter().zip(&a_before).map(|(c, b)| c - b).collect();
        let by_a = product(&q_inverse, &rest, n, n, n);
        // E[(x - A x₋)(x - A x₋)'] = E[x x'] - A C' - C A' + A E[x₋ x₋'] A'.
        let ac = product_transposed(&a, &cross, n, n, n);
        let aba = product_transposed(&a_before, &a, n, n, n);
        let moment: Vec<f64> = (0..n * n).map(|i| here[i] - ac[i] - ac[i % n * n + i / n] + aba[i]).collect();
        let by_q = by_covariance(&q_inverse, &moment);
        let gap = chain.gap[k - 1] as usize * chain.packed;
        for place in &chain.places {
            for i in 0..place.size {
                for j in 0..place.size {
                    let (packed, dense) = (gap + place.packed + i * place.size + j, (place.at + i) * n + place.at + j);
                    out.a[packed] += by_a[dense];
                    out.q[packed] += by_q[dense];
                }
            }
        }
    }
    Some((out, by_noise))
}

/// `log N(y; 0, C)` by dense algebra, nats: `y: [N]`, `covariance: [N, N]`. What filters must equal.
///
/// # Errors
/// A numerical error where the covariance is not positive definite.
pub fn log_normal(y: &[f64], covariance: &[f64]) -> Result<f64> {
    let n = y.len();
    let chol = cholesky(covariance, n).ok_or_else(|| {
        Error::numerical(format!("the {n}x{n} covariance is not positive definite"), "raise the noise variance")
    })?;
    let alpha = cholesky_solve(&chol, y, n, 1);
    let quadratic: f64 = y.iter().zip(&alpha).map(|(a, b)| a * b).sum();
    Ok(-0.5 * (quadratic + log_det(&chol, n) + n as f64 * std::f64::consts::TAU.ln()))
}
