//! Moments of the clean point given the noisy one, which are derivatives of the denoiser.
//!
//! With y = x + σn and μ(y) = E[x | y]: the covariance is σ² ∂μ/∂y, and along a unit direction v with f(a) = vᵀμ(y + av) the mean is f,
//! the variance σ²f′, the third central moment σ⁴f″ and the fourth σ⁶f‴ + 3 variance².

use crate::denoiser::{Denoiser, estimate, push_forward};
use elbo_core::{Allowed, Result, Rng, ensure, ensure_within};
use elbo_linalg::{MatRef, qr};
use elbo_tensor::Tensor;

/// Moments along a direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// E[vᵀx | y].
    pub mean: f64,
    /// Its variance.
    pub variance: f64,
    /// Its third central moment.
    pub third: f64,
    /// Its fourth central moment.
    pub fourth: f64,
}

/// Moments of vᵀx given a noisy point `y: [1, D]`. The unit direction is `v: [D]`. The derivatives are those of a polynomial of degree 10
/// through 11 Chebyshev points within ±σ/4.
pub fn moments_along(denoiser: &dyn Denoiser, y: &Tensor, sigma: f64, v: &[f64]) -> Moments {
    const NODES: usize = 11;
    let reach = 0.25 * sigma;
    let nodes: Vec<f64> = (0..NODES).map(|i| (std::f64::consts::PI * (i as f64 + 0.5) / NODES as f64).cos()).collect();
    let d = v.len();
    let base = y.to_vec();
    let points: Vec<f64> =
        nodes.iter().flat_map(|a| (0..d).map(|j| base[j] + a * reach * v[j]).collect::<Vec<_>>()).collect();
    let clean = estimate(denoiser, &Tensor::from_vec(points, &[NODES, d]), sigma).to_vec();
    let values: Vec<f64> = clean.chunks_exact(d).map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum()).collect();
    // Chebyshev coefficients, then the values of T_k and its derivatives at zero by their recurrences.
    let coefficient = |k: usize| {
        let sum: f64 = nodes.iter().zip(&values).map(|(x, f)| f * (k as f64 * x.acos()).cos()).sum();
        sum * if k == 0 { 1.0 } else { 2.0 } / NODES as f64
    };
    let mut derivatives = [0.0; 4];
    let (mut before, mut now) = ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]);
    for k in 0..NODES {
        let t = if k == 0 { before } else { now };
        derivatives.iter_mut().zip(t).for_each(|(d, t)| *d += coefficient(k) * t);
        if k > 0 {
            // T_{k+1} = 2xT_k - T_{k-1}; the r-th derivative at zero is 2r T_k^(r-1) - T_{k-1}^(r).
            let next = std::array::from_fn(|r| 2.0 * r as f64 * if r > 0 { now[r - 1] } else { 0.0 } - before[r]);
            (before, now) = (now, next);
        }
    }
    let [mean, first, second, third] = derivatives;
    let variance = sigma.powi(2) * first / reach;
    Moments {
        mean,
        variance,
        third: sigma.powi(4) * second / reach.powi(2),
        fourth: sigma.powi(6) * third / reach.powi(3) + 3.0 * variance * variance,
    }
}

/// Principal directions of the clean point given a noisy one.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Variances along the directions, falling, `[k]`.
    pub variances: Vec<f64>,
    /// Unit directions, `[k, D]`.
    pub directions: Vec<f64>,
    /// Evaluations of the denoiser, each with its derivative.
    pub evaluations: usize,
}

/// The `k` directions in which the clean point is least known given a noisy one `y: [1, D]`, by subspace iteration on the denoiser's
/// derivative. Variances above σ² occur where the clean law has several modes.
///
/// # Errors
/// [`elbo_core::Error::Setting`] for `k` out of `1..=D`, or no rounds.
pub fn principal(
    denoiser: &dyn Denoiser,
    y: &Tensor,
    sigma: f64,
    k: usize,
    rounds: usize,
    rng: &mut Rng,
) -> Result<Principal> {
    let d = denoiser.dims();
    ensure("k", k, (1..=d).contains(&k), Allowed::within(1..=d).told("from 1 to the number of dimensions"))?;
    ensure_within("rounds", rounds, 1..)?;
    let repeated = y.broadcast_to(&[k, d]).contiguous();
    let mut v = orthonormal(&rng.normals(k * d), k, d);
    let mut lengths = vec![0.0; k];
    for _ in 0..rounds {
        let image = push_forward(denoiser, &repeated, sigma, &Tensor::from_slice(&v, &[k, d])).to_vec();
        // Rayleigh quotients of the directions before they are turned.
        lengths = image
            .chunks_exact(d)
            .zip(v.chunks_exact(d))
            .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum())
            .collect();
        v = orthonormal(&image, k, d);
    }
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|a, b| lengths[*b].total_cmp(&lengths[*a]));
    Ok(Principal {
        variances: order.iter().map(|i| sigma * sigma * lengths[*i]).collect(),
        directions: order.iter().flat_map(|i| v[i * d..(i + 1) * d].to_vec()).collect(),
        evaluations: rounds,
    })
}

/// Rows brought to an orthonormal basis of what they span.
fn orthonormal(rows: &[f64], k: usize, d: usize) -> Vec<f64> {
    let q = qr(MatRef::row_major(rows, k, d).transpose()).q;
    (0..k * d).map(|i| q[i % d * k + i / d]).collect()
}

/// How far the denoiser's derivative is from symmetric, ‖J - Jᵀ‖/‖J‖ estimated by random probes at a noisy point `y: [1, D]`: zero for the
/// mean of a posterior, so that a large value says that the denoiser is something else.
pub fn asymmetry(denoiser: &dyn Denoiser, y: &Tensor, sigma: f64, probes: usize, rng: &mut Rng) -> f64 {
    let d = denoiser.dims();
    let repeated = y.broadcast_to(&[probes, d]).contiguous();
    let v = Tensor::from_vec(rng.normals(probes * d), &[probes, d]);
    let forward = push_forward(denoiser, &repeated, sigma, &v);
    let (_, backward) = crate::denoiser::pullback(denoiser, &repeated, sigma, |_| v.clone());
    ((&forward - backward).square().sum() / forward.square().sum()).sqrt().item()
}
