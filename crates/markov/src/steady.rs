//! The steady state of the filter: on a regular grid without gaps, covariances and gain settle, and a step costs a product with a vector.

use crate::model::Chain;
use crate::small::{product, product_transposed, solve, symmetrised, transposed};
use elbo_core::{Error, Result};

/// Doublings after which a solution is given up: 2^60 steps of the filter.
const DOUBLINGS: usize = 60;

/// Where the filter settles.
#[derive(Debug, Clone, PartialEq)]
pub struct Steady {
    /// Covariance of the predicted state, `[n, n]`.
    pub predicted: Vec<f64>,
    /// Kalman gain, `[n]`: a step's mean moves by it times what the prediction missed.
    pub gain: Vec<f64>,
    /// Variance of what a prediction misses.
    pub innovation: f64,
}

/// Solves the discrete algebraic Riccati equation `P = A (P - P H' (H P H' + R)⁻¹ H P) A' + Q` of a chain with one output and one distinct
/// gap, by doubling: each round is the work of a step and doubles the number of steps.
///
/// # Errors
/// [`Error::Setting`] for other chains; a numerical error where the filter does not settle, as with a constant, a line or a cosine, of which
/// more is known with every step.
///
/// # Source
/// Anderson (1978), the structure-preserving doubling of Chu et al. (2004).
pub fn steady(chain: &Chain<f64>, noise: f64) -> Result<Steady> {
    check(chain)?;
    let n = chain.size;
    let (a, q) = (chain.dense(&chain.a[..chain.packed]), chain.dense(&chain.q[..chain.packed]));
    let singular = || Error::numerical("the filter's steady state cannot be computed", "raise the noise variance");
    let scale = (0..n).fold(0.0, |m: f64, i| m.max(chain.start[i * n + i])).max(f64::MIN_POSITIVE);
    let mut x = q;
    let mut g: Vec<f64> = (0..n * n).map(|i| chain.h[i / n] * chain.h[i % n] / noise).collect();
    let mut f = transposed(&a, n, n);
    for _ in 0..DOUBLINGS {
        // W = I + G X; W⁻¹ F and W⁻¹ G at once.
        let mut w = product(&g, &x, n, n, n);
        (0..n).for_each(|i| w[i * n + i] += 1.0);
        let mut right = vec![0.0; 2 * n * n];
        for i in 0..n {
            right[2 * n * i..2 * n * i + n].copy_from_slice(&f[i * n..(i + 1) * n]);
            right[2 * n * i + n..2 * n * (i + 1)].copy_from_slice(&g[i * n..(i + 1) * n]);
        }
        solve(&mut w, &mut right, n, 2 * n).ok_or_else(singular)?;
        let part = |from: usize| -> Vec<f64> {
            (0..n).flat_map(|i| right[2 * n * i + from..2 * n * i + from + n].to_vec()).collect()
        };
        let (wf, wg) = (part(0), part(n));
        let more_x = product(&product(&transposed(&f, n, n), &x, n, n, n), &wf, n, n, n);
        let more_g = product_transposed(&product(&f, &wg, n, n, n), &f, n, n, n);
        f = product(&f, &wf, n, n, n);
        let change = more_x.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        x = symmetrised(x.iter().zip(&more_x).map(|(a, b)| a + b).collect(), n);
        g = symmetrised(g.iter().zip(&more_g).map(|(a, b)| a + b).collect(), n);
        if !change.is_finite() {
            return Err(singular());
        }
        // What the closed loop remembers of its beginning must be gone too: a constant has the solution zero, which no filter reaches.
        let memory = f.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        if change <= 1e-16 * scale && memory < 1e-6 {
            let ph = product_transposed(&x, &chain.h, n, n, 1);
            let innovation = product(&chain.h, &ph, 1, n, 1)[0] + noise;
            return Ok(Steady { predicted: x, gain: ph.iter().map(|p| p / innovation).collect(), innovation });
        }
    }
    Err(Error::numerical(
        "the filter does not settle",
        "a constant, a line, a Wiener or a purely periodic part is known better with every step; use the filter of all steps",
    ))
}

/// What the filter that settles found.
#[derive(Debug, Clone, PartialEq)]
pub struct Filtered {
    /// Log likelihood, nats.
    pub log_likelihood: f64,
    /// Predicted means of the function at every step, from the steps before it, `[T]`.
    pub predicted: Vec<f64>,
    /// The step from which the gain was constant; the number of steps where it never was.
    pub settled: usize,
}

/// Filters `y: [T]` with one noise variance on a regular grid without missing values: exactly until the predicted covariance changes by less
/// than 1e-12 of its size, with the steady gain from then on.
///
/// # Errors
/// As [`steady`] for chains that are not regular; [`Error::Data`] for missing values; recoverable where the log likelihood is not finite.
pub fn filter(chain: &Chain<f64>, y: &[f64], noise: f64) -> Result<Filtered> {
    check(chain)?;
    assert_eq!(y.len(), chain.len(), "one number a step");
    if let Some(k) = y.iter().position(|y| y.is_nan()) {
        return Err(Error::data(
            format!("the value of step {} is missing", k + 1),
            "a filter with a constant gain needs every value; use the filter of all steps",
        ));
    }
    let n = chain.size;
    let a = chain.dense(&chain.a[..chain.packed]);
    let q = chain.dense(&chain.q[..chain.packed]);
    let (mut mean, mut covariance) = (vec![0.0; n], chain.start.clone());
    let mut out = Filtered { log_likelihood: 0.0, predicted: Vec::with_capacity(y.len()), settled: y.len() };
    let (mut gain, mut innovation) = (vec![0.0; n], 0.0);
    let mut next = vec![0.0; n];
    for (k, y) in y.iter().enumerate() {
        if k < out.settled {
            let ph = product_transposed(&covariance, &chain.h, n, n, 1);
            innovation = product(&chain.h, &ph, 1, n, 1)[0] + noise;
            gain = ph.iter().map(|p| p / innovation).collect();
            let kept = covariance.iter().enumerate().map(|(i, p)| p - gain[i / n] * ph[i % n]).collect();
            let carried = product_transposed(&product(&a, &symmetrised(kept, n), n, n, n), &a, n, n, n);
            let following: Vec<f64> = carried.iter().zip(&q).map(|(c, q)| c + q).collect();
            let size = (0..n).fold(0.0, |m: f64, i| m.max(covariance[i * n + i]));
            let change = covariance.iter().zip(&following).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
            if change <= 1e-12 * size {
                out.settled = k;
            }
            covariance = following;
        }
        let f: f64 = chain.h.iter().zip(&mean).map(|(h, m)| h * m).sum();
        let missed = y - f;
        out.predicted.push(f);
        out.log_likelihood -= 0.5 * (missed * missed / innovation + (std::f64::consts::TAU * innovation).ln());
        mean.iter_mut().zip(&gain).for_each(|(m, g)| *m += g * missed);
        for i in 0..n {
            next[i] = a[i * n..(i + 1) * n].iter().zip(&mean).map(|(a, m)| a * m).sum();
        }
        std::mem::swap(&mut mean, &mut next);
    }
    if !out.log_likelihood.is_finite() {
        return Err(Error::recoverable(
            format!("the log likelihood of {} steps is {}", y.len(), out.log_likelihood),
            "raise the noise variance, or start from other lengthscales",
        ));
    }
    Ok(out)
}

fn check(chain: &Chain<f64>) -> Result<()> {
    let gaps = chain.a.len() / chain.packed.max(1);
    if chain.outputs == 1 && gaps <= 1 && chain.packed > 0 && !chain.a.is_empty() {
        return Ok(());
    }
    Err(Error::Setting {
        setting: "times".into(),
        found: format!("{gaps} distinct gaps and {} outputs", chain.outputs),
        expected: "one gap and one output for a filter with a constant gain; use the filter of all steps".into(),
    })
}
