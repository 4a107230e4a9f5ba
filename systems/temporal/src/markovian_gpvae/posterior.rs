//! The posterior of independent latent functions given an encoder's sites, as one operation of the graph.

use elbo_core::Result;
use elbo_core::recycle::{self, Kept};
use elbo_markov::evidence::Evidence;
use elbo_markov::kernel::Kernel;
use elbo_markov::model::{Chain, Grid, StateSpace};
use elbo_markov::pass::{Pass, Wants, run};
use elbo_markov::vjp;
use elbo_tensor::{DType, Tensor};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Matérn priors of the latent functions, each with a kernel of its own.
#[derive(Clone)]
pub struct Priors {
    /// Smoothness ν = order + 1/2 of each, `[L]`.
    pub orders: Vec<usize>,
    /// Lengthscales, `[L]`.
    pub lengthscale: Tensor,
    /// Variances, `[L]`.
    pub variance: Tensor,
}

impl Priors {
    /// Priors of variance one; `lengthscale: [L]`.
    pub fn standard(orders: &[usize], lengthscale: &Tensor) -> Self {
        let variance = Tensor::from_vec(vec![1.0; orders.len()], &[orders.len()]);
        Self { orders: orders.to_vec(), lengthscale: lengthscale.clone(), variance }
    }

    /// Latent functions, `L`.
    pub fn latents(&self) -> usize {
        self.orders.len()
    }

    /// The kernels as they are now, `[L]`.
    pub fn kernels(&self) -> Vec<Kernel> {
        let (variances, lengths) = self.numbers();
        let numbers = variances.into_iter().zip(lengths);
        self.orders
            .iter()
            .zip(numbers)
            .map(|(order, (variance, length))| Kernel::matern(*order, variance, length))
            .collect()
    }

    /// Variances and lengthscales as plain numbers.
    fn numbers(&self) -> (Vec<f64>, Vec<f64>) {
        let (variances, lengths) = (self.variance.to_vec(), self.lengthscale.to_vec());
        let is_whole = variances.len() == self.latents() && lengths.len() == self.latents();
        assert!(is_whole, "one variance and one lengthscale for each latent function");
        (variances, lengths)
    }
}

/// What the sites leave of the latent functions at the sites' times, differentiable in sites and the kernels' parameters.
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
    functions(&Kernel::matern(order, 1.0, lengthscale), 1)
}

/// So many independent functions of time with this kernel.
pub(super) fn functions(kernel: &Kernel, count: usize) -> Result<StateSpace> {
    StateSpace::of_latents(&vec![kernel.clone(); count], 0.0)
}

/// The posterior by filter and smoother: linear in the number of frames.
///
/// `grids` holds the times of each sequence, `mean`, `variance: [F, L]` the sites of all sequences one after the other.
///
/// With `j = ỹ/Ṽ` and `J = 1/Ṽ` the marginals are derivatives of one function, the log partition `A(j, J, θ)`: `∂A/∂j = m`, `∂A/∂J = -(m² + S)/2`. So slopes of a
/// loss by `m` and `S` are a direction in `(j, J)`, and what the backward pass wants is the derivative of `∇A` along it: the same filter and smoother
/// once more, with dual numbers.
///
/// # Errors
/// For lengthscales that are no positive numbers, and where the log partition is not finite.
pub fn markov_posterior(priors: &Priors, grids: &[Arc<Grid>], mean: &Tensor, variance: &Tensor) -> Result<Posterior> {
    let (frames, latents) = (mean.size(0), mean.size(1));
    let precision = variance.recip();
    let shift = mean * &precision;
    let single = |x: &Tensor| x.reshape(&[frames * latents, 1]);
    let packed = partition(priors, grids, &single(&shift), &single(&precision))?;
    let mut found = Posterior::unpack(&packed, frames, latents);
    let normaliser = (mean * &shift + variance.log() + std::f64::consts::TAU.ln()).sum();
    found.log_z = found.log_z - normaliser * 0.5;
    Ok(found)
}

/// The rows of one latent in the frames of a range, of `[F L, width]`.
fn gather(values: &[f64], width: usize, latents: usize, l: usize, frames: &Range<usize>) -> Kept<f64> {
    let mut rows = Kept::new(frames.len() * width);
    for (row, f) in rows.chunks_exact_mut(width).zip(frames.clone()) {
        row.copy_from_slice(&values[(f * latents + l) * width..][..width]);
    }
    rows
}

/// `A`, and means and covariances of each latent's `R` independent functions given sites of all of them together, `[1 + F L R + F L R R]`; `shift: [F L, R]`,
/// `precision: [F L, R R]`.
pub(super) fn partition(priors: &Priors, grids: &[Arc<Grid>], shift: &Tensor, precision: &Tensor) -> Result<Tensor> {
    let (latents, one) = (priors.latents(), shift.size(1));
    let full = one * one;
    let count = shift.len();
    let (variances, lengths) = priors.numbers();
    let spaces = priors.kernels().iter().map(|kernel| functions(kernel, one)).collect::<Result<Vec<_>>>()?;
    let (j, big_j) = (Kept::copy_of(&shift.as_f64()), Kept::copy_of(&precision.as_f64()));
    let mut starts = vec![0];
    grids.iter().for_each(|g| starts.push(starts[starts.len() - 1] + g.len()));
    assert_eq!(starts[grids.len()] * latents, shift.size(0), "one site for each time of each sequence");
    let tasks: Vec<(usize, usize)> = (0..latents).flat_map(|l| (0..grids.len()).map(move |s| (l, s))).collect();
    let solve = |(l, s): &(usize, usize)| -> Result<(Chain<f64>, Pass<f64>)> {
        let chain = spaces[*l].chain(&grids[*s]);
        let own = starts[*s]..starts[*s + 1];
        let (shift, precision) = (gather(&j, one, latents, *l, &own), gather(&big_j, full, latents, *l, &own));
        let sites = Evidence::Sites { shift: &shift, precision: &precision };
        let found = run(&chain, sites, Wants::Moments, None)?;
        Ok((chain, found))
    };
    let solved: Vec<(Chain<f64>, Pass<f64>)> = tasks.par_iter().map(solve).collect::<Result<_>>()?;
    let mut packed = recycle::buffer(1 + count + count * one);
    packed[0] = 0.0;
    for ((l, s), (_, found)) in tasks.iter().zip(&solved) {
        packed[0] += found.log_z;
        for (k, (mean, covariance)) in found.mean.chunks_exact(one).zip(found.covariance.chunks_exact(full)).enumerate()
        {
            let row = (starts[*s] + k) * latents + l;
            packed[1 + row * one..][..one].copy_from_slice(mean);
            packed[1 + count + row * full..][..full].copy_from_slice(covariance);
        }
    }
    let solved: Vec<(Chain<f64>, Kept<f64>)> = solved.into_iter().map(|(chain, found)| (chain, found.mean)).collect();
    let value = Tensor::from_vec(packed, &[1 + count + count * one]);
    let grids = grids.to_vec();
    let inputs = vec![shift.clone(), precision.clone(), priors.variance.clone(), priors.lengthscale.clone()];
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|input| input.shape().to_vec()).collect();
    Ok(Tensor::custom("markov posterior", inputs, value, move |gradient, _| {
        let gradient = gradient.as_f64();
        let pull = |task: &(usize, usize), (chain, mean): &(Chain<f64>, Kept<f64>)| {
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
            // Every function has the latent's variance and lengthscale, in this order.
            let by_logs = spaces[*l].pull_back(&grids[*s], &back.chain);
            let along = |first: usize| by_logs.iter().skip(first).step_by(2).sum::<f64>();
            (back.shift, back.precision, along(0) / variances[*l], along(1) / lengths[*l])
        };
        let pulled: Vec<_> = tasks.par_iter().zip(&solved).map(|(task, found)| pull(task, found)).collect();
        let (mut to_shift, mut to_precision) = (recycle::buffer(count), recycle::buffer(count * one));
        let (mut to_variance, mut to_length) = (vec![0.0; latents], vec![0.0; latents]);
        for ((l, s), (shift, precision, variance, length)) in tasks.iter().zip(pulled) {
            to_variance[*l] += variance;
            to_length[*l] += length;
            for (k, (a, b)) in shift.chunks_exact(one).zip(precision.chunks_exact(full)).enumerate() {
                let row = (starts[*s] + k) * latents + l;
                to_shift[row * one..][..one].copy_from_slice(a);
                to_precision[row * full..][..full].copy_from_slice(b);
            }
        }
        let values = [to_shift, to_precision, to_variance, to_length];
        values.into_iter().zip(&shapes).map(|(values, shape)| Some(Tensor::from_vec(values, shape))).collect()
    }))
}

/// Marginals of one latent function at the times of a chain, given sites `shift`, `precision: [T]`, zero where there is none: means and variances.
///
/// # Errors
/// Where the log partition is not finite.
pub fn smoothed(chain: &Chain<f64>, shift: &[f64], precision: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    let found = run(chain, Evidence::Sites { shift, precision }, Wants::Moments, None)?;
    Ok((found.mean.into_vec(), found.covariance.into_vec()))
}

/// The same for one sequence by dense algebra, composed of tensor operations: cubic in the number of frames. It is what the linear form must equal,
/// and the competitor without Markov structure.
///
/// # Errors
/// When the covariance cannot be factored.
pub fn dense_posterior(priors: &Priors, times: &[f64], mean: &Tensor, variance: &Tensor) -> Result<Posterior> {
    let (frames, latents) = (mean.size(0), mean.size(1));
    let distances: Vec<f64> = times.iter().flat_map(|a| times.iter().map(move |b| (a - b).abs())).collect();
    let distances = Tensor::from_vec(distances, &[frames, frames]);
    let (mut log_z, mut means, mut variances) = (vec![], vec![], vec![]);
    for l in 0..latents {
        let own = priors.variance.select(0, l);
        let gram = matern(priors.orders[l], &distances, &priors.lengthscale.select(0, l)) * &own;
        let (y, v) = (mean.narrow(1, l, 1), variance.select(1, l));
        let factor = (&gram + v.diag()).cholesky()?;
        let whitened = factor.solve_lower(&y);
        log_z.push(
            (whitened.square().sum() + factor.cholesky_log_det() + frames as f64 * std::f64::consts::TAU.ln()) * -0.5,
        );
        means.push(gram.matmul(&factor.cholesky_solve(&y)));
        // diag(K - K C⁻¹ K): the squares of L⁻¹ K, column by column.
        let half = factor.solve_lower(&gram);
        variances.push((half.square().sum_axis(0, false) * -1.0 + own).unsqueeze(1));
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
