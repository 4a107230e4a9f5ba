//! The bidirectional information filter: one filter forward, one backward in time with the reversed prior, and their product.
//!
//! The two passes do not know of each other and run on two threads. The prior must be stationary with an invertible covariance.

use crate::model::{Chain, StateSpace};
use crate::small::{cholesky, cholesky_solve, identity, log_det, product, product_transposed, symmetrised};
use elbo_core::{Error, Result};

/// Posterior moments of the outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Smoothed {
    /// Logarithm of the integral of the prior times all sites, nats.
    pub log_z: f64,
    /// `[T, L]`.
    pub mean: Vec<f64>,
    /// `[T, L, L]`.
    pub covariance: Vec<f64>,
}

/// Natural parameters of the state at every step: `z = P⁻¹ m` and `Z = P⁻¹`.
struct Naturals {
    z: Vec<f64>,
    big: Vec<f64>,
}

/// The posterior given sites `shift: [T, L]`, `precision: [T, L, L]`.
///
/// # Errors
/// [`Error::Setting`] for a prior that is not stationary; a numerical error where a covariance cannot be factored.
pub fn smooth(space: &StateSpace, chain: &Chain<f64>, shift: &[f64], precision: &[f64]) -> Result<Smoothed> {
    let parity = space.parity().ok_or_else(|| Error::Setting {
        setting: "kernel".into(),
        found: "a kernel that is not stationary".into(),
        expected: "a stationary one for the bidirectional filter; the two-pass smoother takes any".into(),
    })?;
    let (n, l) = (chain.size, chain.outputs);
    let start = inverse(&chain.start, n)?;
    let forward = || filter(chain, shift, precision, None, true);
    let backward = || filter(chain, shift, precision, Some(&parity), false);
    let (forward, backward) = rayon::join(forward, backward);
    let ((forward, log_z), (backward, _)) = (forward?, backward?);
    let steps = chain.len();
    let (mut mean, mut covariance) = (Vec::with_capacity(steps * l), Vec::with_capacity(steps * l * l));
    for k in 0..steps {
        // The prior is in both: it is taken out once.
        let own = k * n * n..(k + 1) * n * n;
        let big: Vec<f64> =
            forward.big[own.clone()].iter().zip(&backward.big[own]).zip(&start).map(|((f, b), p)| f + b - p).collect();
        let own = k * n..(k + 1) * n;
        let z: Vec<f64> = forward.z[own.clone()].iter().zip(&backward.z[own]).map(|(f, b)| f + b).collect();
        let chol = factor(&big, n)?;
        mean.extend(product(&chain.h, &cholesky_solve(&chol, &z, n, 1), l, n, 1));
        let spread = cholesky_solve(&chol, &crate::small::transposed(&chain.h, l, n), n, l);
        covariance.extend(symmetrised(product(&chain.h, &spread, l, n, l), l));
    }
    Ok(Smoothed { log_z, mean, covariance })
}

/// One filter. Forward it keeps naturals with the step's own site; backward, which runs from the last step with the reversed prior,
/// those before it. Reversing a stationary scalar process flips the sign of odd derivatives: `A_b = S A S`, `Q_b = S Q S` with
/// `S = diag(parity)`, which equals `P A' P⁻¹` and `P - A_b P A_b'` without their cancellation.
fn filter(
    chain: &Chain<f64>,
    shift: &[f64],
    precision: &[f64],
    parity: Option<&[f64]>,
    with_own: bool,
) -> Result<(Naturals, f64)> {
    let (n, l, steps) = (chain.size, chain.outputs, chain.len());
    let mut out = Naturals { z: vec![0.0; steps * n], big: vec![0.0; steps * n * n] };
    let mut log_z = 0.0;
    let (mut mean, mut covariance) = (vec![0.0; n], chain.start.clone());
    for turn in 0..steps {
        let k = if parity.is_some() { steps - 1 - turn } else { turn };
        if turn > 0 {
            let (a, q) = chain.transition(if parity.is_some() { k + 1 } else { k });
            let (mut a, mut q) = (chain.dense(a), chain.dense(q));
            if let Some(parity) = parity {
                for i in 0..n {
                    for j in 0..n {
                        a[i * n + j] *= parity[i] * parity[j];
                        q[i * n + j] *= parity[i] * parity[j];
                    }
                }
            }
            mean = product(&a, &mean, n, n, 1);
            let carried = product_transposed(&product(&a, &covariance, n, n, n), &a, n, n, n);
            covariance = symmetrised(carried.iter().zip(&q).map(|(a, b)| a + b).collect(), n);
        }
        let chol = factor(&covariance, n)?;
        let mut big = cholesky_solve(&chol, &identity(n), n, n);
        let mut z = cholesky_solve(&chol, &mean, n, 1);
        if !with_own {
            out.z[k * n..(k + 1) * n].copy_from_slice(&z);
            out.big[k * n * n..(k + 1) * n * n].copy_from_slice(&big);
        }
        // ½ z⁻'m⁻ - ½ log|Z⁻|, where log|Z⁻| = -log|P⁻|.
        let before = 0.5 * dot(&z, &mean) + 0.5 * log_det(&chol, n);
        let j = &precision[k * l * l..(k + 1) * l * l];
        let jh = product(j, &chain.h, l, l, n);
        for i in 0..n {
            for o in 0..l {
                z[i] += chain.h[o * n + i] * shift[k * l + o];
                for c in 0..n {
                    big[i * n + c] += chain.h[o * n + i] * jh[o * n + c];
                }
            }
        }
        let chol = factor(&big, n)?;
        mean = cholesky_solve(&chol, &z, n, 1);
        covariance = symmetrised(cholesky_solve(&chol, &identity(n), n, n), n);
        log_z += 0.5 * dot(&z, &mean) - 0.5 * log_det(&chol, n) - before;
        if with_own {
            out.z[k * n..(k + 1) * n].copy_from_slice(&z);
            out.big[k * n * n..(k + 1) * n * n].copy_from_slice(&big);
        }
    }
    Ok((out, log_z))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn factor(a: &[f64], n: usize) -> Result<Vec<f64>> {
    cholesky(a, n).ok_or_else(|| {
        Error::recoverable(
            "a covariance of the state is not positive definite",
            "thin out times that lie very close together, or use the two-pass smoother",
        )
    })
}

fn inverse(a: &[f64], n: usize) -> Result<Vec<f64>> {
    Ok(cholesky_solve(&factor(a, n)?, &identity(n), n, n))
}
