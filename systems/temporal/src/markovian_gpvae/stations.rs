//! Latent functions of time at several places: `z(x, t)` with the covariance `K(x, x') k(t, t')`, as functions of time that are mixed in space.
//!
//! With `K = L L'` the latents of all stations are `z = L f` of independent functions `f` of time. A diagonal site of `z`, shift `j` and precision `J`, is then
//! the full site `L'j`, `L'JL` of `f`, which the filter takes, and covariances come back as `L C L'`.

use super::posterior::{Posterior, Priors, functions, matern, partition};
use elbo_core::Result;
use elbo_markov::evidence::Evidence;
use elbo_markov::kernel::Kernel;
use elbo_markov::model::Grid;
use elbo_markov::pass::{Wants, run};
use elbo_tensor::{DType, Tensor};
use std::sync::Arc;

/// Share of a latent's variance at a station that no other station sees: it keeps stations at one place apart.
const NUGGET: f64 = 1e-6;

/// Distances between places `[R, d]`: `[R, R]`.
pub fn station_distances(places: &[Vec<f64>]) -> Tensor {
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
    let all = places.iter().flat_map(|a| places.iter().map(move |b| distance(a, b)));
    Tensor::from_vec(all.collect(), &[places.len(), places.len()])
}

/// `L`, `[R, R]`, lower triangular with `L L' = K`: a Matérn-3/2 of variance one in space, of lengthscale `reach`.
///
/// # Errors
/// When `K` cannot be factored.
pub fn station_mixing(distances: &Tensor, reach: &Tensor) -> Result<Tensor> {
    let gram = matern(1, distances, reach) + Tensor::eye(distances.size(0), DType::F64) * NUGGET;
    Ok(gram.cholesky()?)
}

/// The posterior given sites at all stations: linear in the number of frames, cubic in that of stations.
///
/// `mean`, `variance: [F R, L]` are the sites, stations within frames, and so are the posterior's; `mixing: [R, R]`. Differentiable in sites, mixing and the
/// priors' parameters.
///
/// # Errors
/// As [`super::markov_posterior`].
pub fn station_posterior(
    priors: &Priors,
    grids: &[Arc<Grid>],
    mean: &Tensor,
    variance: &Tensor,
    mixing: &Tensor,
) -> Result<Posterior> {
    let (rows, latents, stations) = (mean.size(0), mean.size(1), mixing.size(0));
    let frames = rows / stations;
    // Row r holds the products of all pairs of the row L_r.
    let pairs = (mixing.unsqueeze(2) * mixing.unsqueeze(1)).reshape(&[stations, stations * stations]);
    let by_latent =
        |x: &Tensor| x.reshape(&[frames, stations, latents]).permute(&[0, 2, 1]).reshape(&[frames * latents, stations]);
    let by_station = |x: &Tensor| x.reshape(&[frames, latents, stations]).permute(&[0, 2, 1]).reshape(&[rows, latents]);
    let precision = variance.recip();
    let shift = mean * &precision;
    let sites = (by_latent(&shift).matmul(mixing), by_latent(&precision).matmul(&pairs));
    let packed = partition(priors, grids, &sites.0, &sites.1)?;
    let count = rows * latents;
    let moments = packed.narrow(0, 1, count).reshape(&[frames * latents, stations]);
    let spread = packed.narrow(0, 1 + count, count * stations).reshape(&[frames * latents, stations * stations]);
    let normaliser = (mean * &shift + variance.log() + std::f64::consts::TAU.ln()).sum();
    Ok(Posterior {
        log_z: packed.select(0, 0) - normaliser * 0.5,
        mean: by_station(&moments.matmul(&mixing.transpose(0, 1))),
        variance: by_station(&spread.matmul(&pairs.transpose(0, 1))),
    })
}

/// Means and variances of one latent at all stations and times, `[T, R]`, given diagonal sites of it, `shift`, `precision: [T, R]`, zero where there
/// is none; `mixing: [R, R]`, row-major.
///
/// # Errors
/// Where the log partition is not finite.
pub fn station_marginals(
    kernel: &Kernel,
    grid: &Grid,
    (shift, precision): (&[f64], &[f64]),
    mixing: &[f64],
) -> Result<(Vec<f64>, Vec<f64>)> {
    let steps = grid.len();
    let stations = shift.len() / steps.max(1);
    let row = |s: usize| &mixing[s * stations..(s + 1) * stations];
    let (mut j, mut big_j) = (vec![0.0; steps * stations], vec![0.0; steps * stations * stations]);
    for k in 0..steps {
        for s in (0..stations).filter(|s| precision[k * stations + s] > 0.0) {
            for (a, weight) in row(s).iter().enumerate() {
                j[k * stations + a] += weight * shift[k * stations + s];
                for (b, other) in row(s).iter().enumerate() {
                    big_j[(k * stations + a) * stations + b] += weight * precision[k * stations + s] * other;
                }
            }
        }
    }
    let chain = functions(kernel, stations)?.chain(grid);
    let found = run(&chain, Evidence::Sites { shift: &j, precision: &big_j }, Wants::Moments, None)?;
    let (mut mean, mut variance) = (vec![], vec![]);
    for (m, c) in found.mean.chunks_exact(stations).zip(found.covariance.chunks_exact(stations * stations)) {
        for s in 0..stations {
            let dot = |values: &[f64]| row(s).iter().zip(values).map(|(a, b)| a * b).sum::<f64>();
            mean.push(dot(m));
            let along: Vec<f64> = c.chunks_exact(stations).map(dot).collect();
            variance.push(dot(&along).max(0.0));
        }
    }
    Ok((mean, variance))
}
