//! The posterior of independent latent functions given an encoder's sites, as one operation of the graph.

use elbo_core::Result;
use elbo_markov::evidence::Evidence;
use elbo_markov::kernel::{Form, Kernel};
use elbo_markov::model::{Chain, Grid, StateSpace};
use elbo_markov::pass::{Pass, Wants, run};
use elbo_markov::vjp;
use elbo_tensor::{DType, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// What the sites leave of the latent functions at the sites' times, differentiable in sites and lengthscales.
pub struct Posterior {
    /// Log density of the sites' means under the prior, summed over sequences and latents, in nats; a scalar.
    pub log_z: Tensor,
    /// Means, `[F, L]`.
    pub mean: Tensor,
    /// Variances, `[F, L]`.
    pub variance: Tensor,
}

impl Posterior {
    /// Takes the three parts out of one vector.
    fn unpack(packed: &Tensor, frames: usize, latents: usize) -> Self {
        let count = frames * latents;
        let part = |at: usize| packed.narrow(0, at, count).reshape(&[frames, latents]);
        Self { log_z: packed.select(0, 0), mean: part(1), variance: part(1 + count) }
    }

    /// `KL(q || p)` of the whole functions, summed: `E_q[log N(ỹ; z, Ṽ)] - log Z`, in nats; a scalar. `mean`, `variance: [F, L]` are those of the
    /// sites.
    pub fn divergence(&self, mean: &Tensor, variance: &Tensor) -> Tensor {
        let spread = (mean - &self.mean).square() + &self.variance;
        let expected = (spread / variance + variance.log() + std::f64::consts::TAU.ln()).sum() * -0.5;
        expected - &self.log_z
    }
}

/// One latent function's prior: Matérn of smoothness `order + 1/2`, variance one.
pub fn prior(order: usize, lengthscale: f64) -> Result<StateSpace> {
    StateSpace::new(&Kernel::term(Form::Matern(order), &[1.0, lengthscale]), 0.0)
}

/// The posterior by filter and smoother: linear in the number of frames.
///
/// `grids` holds the times of each sequence, `mean`, `variance: [F, L]` the sites of all sequences one after the other, `lengthscale: [L]`.
///
/// With `j = ỹ/Ṽ` and `J = 1/Ṽ` the marginals are derivatives of one function, the log partition `A(j, J, θ)`: `∂A/∂j = m`, `∂A/∂J = -(m² + S)/2`. So slopes of a
/// loss by `m` and `S` are a direction in `(j, J)`, and what the backward pass wants is the derivative of `∇A` along it: the same filter and smoother
/// once more, with dual numbers.
///
/// # Errors
/// For lengthscales that are no positive numbers, and where the log partition is not finite.
pub fn markov_posterior(
    order: usize,
    grids: &[Arc<Grid>],
    mean: &Tensor,
    variance: &Tensor,
    lengthscale: &Tensor,
) -> Result<Posterior> {
    let (frames, latents) = (mean.size(0), mean.size(1));
    let precision = variance.recip();
    let shift = mean * &precision;
    let packed = partition(order, grids, &shift, &precision, lengthscale)?;
    let mut found = Posterior::unpack(&packed, frames, latents);
    let normaliser = (mean * &shift + variance.log() + std::f64::consts::TAU.ln()).sum();
    found.log_z = found.log_z - normaliser * 0.5;
    Ok(found)
}

/// `A` and the marginals, `[1 + 2 F L]`: `A`, means `[F, L]`, variances `[F, L]`.
fn partition(
    order: usize,
    grids: &[Arc<Grid>],
    shift: &Tensor,
    precision: &Tensor,
    lengthscale: &Tensor,
) -> Result<Tensor> {
    let (frames, latents) = (shift.size(0), shift.size(1));
    let count = frames * latents;
    let lengths = lengthscale.to_vec();
    let priors = lengths.iter().map(|l| prior(order, *l)).collect::<Result<Vec<_>>>()?;
    let (j, big_j) = (by_latent(&shift.to_vec(), latents), by_latent(&precision.to_vec(), latents));
    let mut starts = vec![0];
    grids.iter().for_each(|g| starts.push(starts[starts.len() - 1] + g.len()));
    assert_eq!(starts[grids.len()], frames, "one site for each time of each sequence");
    let tasks: Vec<(usize, usize)> = (0..latents).flat_map(|l| (0..grids.len()).map(move |s| (l, s))).collect();
    let solve = |(l, s): &(usize, usize)| -> Result<(Chain<f64>, Pass<f64>)> {
        let chain = priors[*l].chain(&grids[*s]);
        let own = l * frames + starts[*s]..l * frames + starts[*s + 1];
        let found =
            run(&chain, Evidence::Sites { shift: &j[own.clone()], precision: &big_j[own] }, Wants::Moments, None)?;
        Ok((chain, found))
    };
    let solved: Vec<(Chain<f64>, Pass<f64>)> = tasks.par_iter().map(solve).collect::<Result<_>>()?;
    let mut packed = vec![0.0; 1 + 2 * count];
    let mut means = vec![0.0; count];
    for ((l, s), (_, found)) in tasks.iter().zip(&solved) {
        packed[0] += found.log_z;
        for (k, (mean, variance)) in found.mean.iter().zip(&found.covariance).enumerate() {
            let at = 1 + (starts[*s] + k) * latents + l;
            (packed[at], packed[at + count]) = (*mean, *variance);
            means[l * frames + starts[*s] + k] = *mean;
        }
    }
    let chains: Vec<Chain<f64>> = solved.into_iter().map(|(chain, _)| chain).collect();
    let value = Tensor::from_vec(packed, &[1 + 2 * count]);
    let (grids, shape) = (grids.to_vec(), lengthscale.shape().to_vec());
    let inputs = vec![shift.clone(), precision.clone(), lengthscale.clone()];
    Ok(Tensor::custom("markov posterior", inputs, value, move |gradient, _| {
        let gradient = gradient.to_vec();
        let by_log_z = gradient[0];
        let (by_mean, by_variance) =
            (by_latent(&gradient[1..1 + count], latents), by_latent(&gradient[1 + count..], latents));
        let pull = |((l, s), chain): (&(usize, usize), &Chain<f64>)| {
            let own = l * frames + starts[*s]..l * frames + starts[*s + 1];
            let back = vjp::pull_back(
                chain,
                (&j[own.clone()], &big_j[own.clone()]),
                &means[own.clone()],
                by_log_z,
                &by_mean[own.clone()],
                &by_variance[own],
            )
            .expect("the same chain with the same sites was finite in the forward pass");
            // Variance, lengthscale: only the latter is learnt.
            let to_length = priors[*l].pull_back(&grids[*s], &back.chain)[1] / lengths[*l];
            (back.shift, back.precision, to_length)
        };
        let pulled: Vec<_> = tasks.par_iter().zip(&chains).map(pull).collect();
        let (mut to_shift, mut to_precision) = (vec![0.0; count], vec![0.0; count]);
        let mut to_length = vec![0.0; latents];
        for ((l, s), (shift, precision, length)) in tasks.iter().zip(pulled) {
            to_length[*l] += length;
            for (k, (a, b)) in shift.into_iter().zip(precision).enumerate() {
                let at = (starts[*s] + k) * latents + l;
                (to_shift[at], to_precision[at]) = (a, b);
            }
        }
        let tensor = |values: Vec<f64>, shape: &[usize]| Some(Tensor::from_vec(values, shape));
        vec![tensor(to_shift, &[frames, latents]), tensor(to_precision, &[frames, latents]), tensor(to_length, &shape)]
    }))
}

/// Marginals of one latent function at the times of a chain, given sites `shift`, `precision: [T]`, zero where there is none: means and variances.
///
/// # Errors
/// Where the log partition is not finite.
pub fn smoothed(chain: &Chain<f64>, shift: &[f64], precision: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    let found = run(chain, Evidence::Sites { shift, precision }, Wants::Moments, None)?;
    Ok((found.mean, found.covariance))
}

/// `[F, L]` to `[L, F]`.
fn by_latent(values: &[f64], latents: usize) -> Vec<f64> {
    (0..latents).flat_map(|l| values.iter().skip(l).step_by(latents).copied()).collect()
}

/// The same for one sequence by dense algebra, composed of tensor operations: cubic in the number of frames. It is what the linear form must equal,
/// and the competitor without Markov structure.
///
/// # Errors
/// When the covariance cannot be factored.
pub fn dense_posterior(
    order: usize,
    times: &[f64],
    mean: &Tensor,
    variance: &Tensor,
    lengthscale: &Tensor,
) -> Result<Posterior> {
    let (frames, latents) = (mean.size(0), mean.size(1));
    let distances: Vec<f64> = times.iter().flat_map(|a| times.iter().map(move |b| (a - b).abs())).collect();
    let distances = Tensor::from_vec(distances, &[frames, frames]);
    let (mut log_z, mut means, mut variances) = (vec![], vec![], vec![]);
    for l in 0..latents {
        let gram = matern(order, &distances, &lengthscale.select(0, l));
        let (y, v) = (mean.narrow(1, l, 1), variance.select(1, l));
        let factor = (&gram + v.diag()).cholesky()?;
        let whitened = factor.solve_lower(&y);
        log_z.push(
            (whitened.square().sum() + factor.cholesky_log_det() + frames as f64 * std::f64::consts::TAU.ln()) * -0.5,
        );
        means.push(gram.matmul(&factor.cholesky_solve(&y)));
        // diag(K - K C⁻¹ K): the squares of L⁻¹ K, column by column.
        let half = factor.solve_lower(&gram);
        variances.push((half.square().sum_axis(0, false) * -1.0 + 1.0).unsqueeze(1));
    }
    Ok(Posterior { log_z: log_z.into_iter().sum(), mean: Tensor::cat(&means, 1), variance: Tensor::cat(&variances, 1) })
}

/// A Matérn kernel of variance one at these distances.
pub(super) fn matern(order: usize, distances: &Tensor, lengthscale: &Tensor) -> Tensor {
    let s = distances * (((2 * order + 1) as f64).sqrt() * lengthscale.recip());
    let polynomial = match order {
        0 => Tensor::full(&[1, 1], 1.0, DType::F64),
        1 => &s + 1.0,
        2 => &s + 1.0 + s.square() / 3.0,
        3 => &s + 1.0 + s.square() * 0.4 + s.powi(3) / 15.0,
        _ => panic!("Matérn kernels up to 7/2"),
    };
    polynomial * (-s).exp()
}
