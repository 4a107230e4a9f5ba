//! Latent functions of time at several places: `z(x, t)` with the covariance `K(x, x') k(t, t')`, as functions of time that are mixed in space.
//!
//! With `K = L L'` the latents of all stations are `z = L f` of independent functions `f` of time. A diagonal site of `z`, shift `j` and precision `J`, is then
//! the full site `L'j`, `L'JL` of `f`, which the filter takes, and covariances come back as `L C L'`.

use super::posterior::{Posterior, matern};
use elbo_core::Result;
use elbo_markov::evidence::Evidence;
use elbo_markov::kernel::{Form, Kernel};
use elbo_markov::model::{Chain, Grid, StateSpace};
use elbo_markov::pass::{Pass, Wants, run};
use elbo_markov::vjp;
use elbo_tensor::{DType, Tensor};
use rayon::prelude::*;
use std::ops::Range;
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

/// The independent functions of time of one latent: Matérn of smoothness `order + 1/2`, variance one.
fn functions(order: usize, lengthscale: f64, stations: usize) -> Result<StateSpace> {
    StateSpace::of_latents(&vec![Kernel::term(Form::Matern(order), &[1.0, lengthscale]); stations], 0.0)
}

/// The posterior given sites at all stations: linear in the number of frames, cubic in that of stations.
///
/// `mean`, `variance: [F R, L]` are the sites, stations within frames, and so are the posterior's; `lengthscale: [L]`, `mixing: [R, R]`. Differentiable
/// in all four.
///
/// # Errors
/// As [`super::markov_posterior`].
pub fn station_posterior(
    order: usize,
    grids: &[Arc<Grid>],
    mean: &Tensor,
    variance: &Tensor,
    lengthscale: &Tensor,
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
    let packed = partition(order, grids, &sites.0, &sites.1, lengthscale)?;
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

/// The rows of one latent in the frames of a range, of `[F L, width]`.
fn gather(values: &[f64], width: usize, latents: usize, l: usize, frames: &Range<usize>) -> Vec<f64> {
    frames.clone().flat_map(|f| &values[(f * latents + l) * width..][..width]).copied().collect()
}

/// The log partition function, and means and covariances of the independent functions, `[1 + F L R + F L R R]`. Its derivatives are those of
/// [`super::markov_posterior`], with full sites.
fn partition(
    order: usize,
    grids: &[Arc<Grid>],
    shift: &Tensor,
    precision: &Tensor,
    lengthscale: &Tensor,
) -> Result<Tensor> {
    let (latents, stations) = (lengthscale.size(0), shift.size(1));
    let (one, full) = (stations, stations * stations);
    let count = shift.len();
    let lengths = lengthscale.to_vec();
    let priors = lengths.iter().map(|l| functions(order, *l, stations)).collect::<Result<Vec<_>>>()?;
    let (j, big_j) = (shift.to_vec(), precision.to_vec());
    let mut starts = vec![0];
    grids.iter().for_each(|g| starts.push(starts[starts.len() - 1] + g.len()));
    assert_eq!(starts[grids.len()] * latents, shift.size(0), "one site for each time of each sequence");
    let tasks: Vec<(usize, usize)> = (0..latents).flat_map(|l| (0..grids.len()).map(move |s| (l, s))).collect();
    let solve = |(l, s): &(usize, usize)| -> Result<(Chain<f64>, Pass<f64>)> {
        let chain = priors[*l].chain(&grids[*s]);
        let own = starts[*s]..starts[*s + 1];
        let (shift, precision) = (gather(&j, one, latents, *l, &own), gather(&big_j, full, latents, *l, &own));
        let sites = Evidence::Sites { shift: &shift, precision: &precision };
        let found = run(&chain, sites, Wants::Moments, None)?;
        Ok((chain, found))
    };
    let solved: Vec<(Chain<f64>, Pass<f64>)> = tasks.par_iter().map(solve).collect::<Result<_>>()?;
    let mut packed = vec![0.0; 1 + count + count * stations];
    for ((l, s), (_, found)) in tasks.iter().zip(&solved) {
        packed[0] += found.log_z;
        for (k, (mean, covariance)) in found.mean.chunks_exact(one).zip(found.covariance.chunks_exact(full)).enumerate()
        {
            let row = (starts[*s] + k) * latents + l;
            packed[1 + row * one..][..one].copy_from_slice(mean);
            packed[1 + count + row * full..][..full].copy_from_slice(covariance);
        }
    }
    let solved: Vec<(Chain<f64>, Vec<f64>)> = solved.into_iter().map(|(chain, found)| (chain, found.mean)).collect();
    let value = Tensor::from_vec(packed, &[1 + count + count * stations]);
    let grids = grids.to_vec();
    let shapes = [shift.shape().to_vec(), precision.shape().to_vec(), lengthscale.shape().to_vec()];
    let inputs = vec![shift.clone(), precision.clone(), lengthscale.clone()];
    Ok(Tensor::custom("station posterior", inputs, value, move |gradient, _| {
        let gradient = gradient.to_vec();
        let pull = |task: &(usize, usize), (chain, mean): &(Chain<f64>, Vec<f64>)| {
            let (l, s) = task;
            let own = starts[*s]..starts[*s + 1];
            let of = |values: &[f64], width: usize| gather(values, width, latents, *l, &own);
            let back = vjp::pull_back(
                chain,
                (&of(&j, one), &of(&big_j, full)),
                mean,
                gradient[0],
                &of(&gradient[1..1 + count], one),
                &of(&gradient[1 + count..], full),
            )
            .expect("the same chain with the same sites was finite in the forward pass");
            // Every function has a variance, which is not learnt, and the common lengthscale.
            let by_logs = priors[*l].pull_back(&grids[*s], &back.chain);
            (back.shift, back.precision, by_logs.iter().skip(1).step_by(2).sum::<f64>() / lengths[*l])
        };
        let pulled: Vec<_> = tasks.par_iter().zip(&solved).map(|(task, found)| pull(task, found)).collect();
        let (mut to_shift, mut to_precision) = (vec![0.0; count], vec![0.0; count * stations]);
        let mut to_length = vec![0.0; latents];
        for ((l, s), (shift, precision, length)) in tasks.iter().zip(pulled) {
            to_length[*l] += length;
            for (k, (a, b)) in shift.chunks_exact(one).zip(precision.chunks_exact(full)).enumerate() {
                let row = (starts[*s] + k) * latents + l;
                to_shift[row * one..][..one].copy_from_slice(a);
                to_precision[row * full..][..full].copy_from_slice(b);
            }
        }
        let tensor = |values: Vec<f64>, shape: &[usize]| Some(Tensor::from_vec(values, shape));
        vec![tensor(to_shift, &shapes[0]), tensor(to_precision, &shapes[1]), tensor(to_length, &shapes[2])]
    }))
}

/// Means and variances of one latent at all stations and times, `[T, R]`, given diagonal sites of it, `shift`, `precision: [T, R]`, zero where there
/// is none; `mixing: [R, R]`, row-major.
///
/// # Errors
/// Where the log partition is not finite.
pub fn station_marginals(
    order: usize,
    lengthscale: f64,
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
    let chain = functions(order, lengthscale, stations)?.chain(grid);
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
