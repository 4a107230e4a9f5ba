//! Covariances with derivatives of the process.
//!
//! With `k = v g(r)`, `h = -g'/r`, `w = -h'/r` and `Δ = x - x'`: `cov(f(x), ∂_d f(x')) = v h Δ_d / l_d²` and
//! `cov(∂_d f(x), ∂_e f(x')) = v [h δ_de / l_d² - w Δ_d Δ_e / (l_d² l_e²)]`.

use elbo_core::{Error, Result};
use elbo_tensor::{Parameter, Tensor};

use super::radial::{Profile, differences, squared_distances};
use super::stationary::Stationary;

/// Scaled differences `Δ_d / l_d²` for each dimension, the profile's `v h` and, when asked, `v w`.
struct Pieces {
    ratios: Vec<Tensor>,
    slope: Tensor,
    curvature: Option<Tensor>,
    inverse_squares: Tensor,
}

fn pieces(kernel: &Stationary, x: &Tensor, z: &Tensor, second: bool) -> Result<Pieces> {
    if kernel.profile() == Profile::Matern12 {
        return Err(Error::data(
            "the Matern-1/2 process has no derivatives, so it cannot use derivative observations",
            "choose matern32, matern52 or rbf",
        ));
    }
    let dims = x.size(1);
    let lengthscale = kernel.lengthscale.get().broadcast_to(&[dims]);
    let inverse_squares = lengthscale.square().recip();
    let s = squared_distances(&(x / &lengthscale), &(z / &lengthscale));
    let alpha = kernel.alpha.as_ref().map(Parameter::get);
    let variance = kernel.variance.get();
    let slope = kernel.profile().slope(&s, alpha.as_ref()) * &variance;
    let curvature = second.then(|| kernel.profile().curvature(&s, alpha.as_ref()) * &variance);
    let ratios = (0..dims).map(|d| differences(x, z, d) * inverse_squares.narrow(0, d, 1)).collect();
    Ok(Pieces { ratios, slope, curvature, inverse_squares })
}

/// `cov(f(x_n), ∂f(z_m)/∂z_d)`, `[N, M, D]`, differentiable in the kernel's parameters and the points.
///
/// # Errors
/// [`Error::Data`] for the Matern-1/2, which has no derivative.
pub fn value_gradient_gram(kernel: &Stationary, x: &Tensor, z: &Tensor) -> Result<Tensor> {
    let p = pieces(kernel, x, z, false)?;
    let columns: Vec<Tensor> = p.ratios.iter().map(|r| r * &p.slope).collect();
    Ok(Tensor::stack(&columns, 2))
}

/// `cov(∂f(x_n)/∂x_d, ∂f(z_m)/∂z_e)`, `[N, D, M, D]`, differentiable in the kernel's parameters and the points.
///
/// # Errors
/// [`Error::Data`] for the Matern-1/2, which has no derivative.
pub fn gradient_gradient_gram(kernel: &Stationary, x: &Tensor, z: &Tensor) -> Result<Tensor> {
    let p = pieces(kernel, x, z, true)?;
    let curvature = p.curvature.expect("asked for");
    let dims = p.ratios.len();
    let entry = |d: usize, e: usize| {
        let bend = -(&p.ratios[d] * &p.ratios[e] * &curvature);
        if d == e { bend + &p.slope * p.inverse_squares.narrow(0, d, 1) } else { bend }
    };
    let rows: Vec<Tensor> =
        (0..dims).map(|d| Tensor::stack(&(0..dims).map(|e| entry(d, e)).collect::<Vec<_>>(), 2)).collect();
    Ok(Tensor::stack(&rows, 1))
}

/// Covariances of values and gradients at `x` with values and gradients at `z`: `[N (1 + D), M (1 + D)]`. All values come first, then
/// the gradients point by point.
///
/// # Errors
/// [`Error::Data`] for the Matern-1/2, which has no derivative.
pub fn derivative_gram(kernel: &Stationary, x: &Tensor, z: &Tensor) -> Result<Tensor> {
    let (n, m, dims) = (x.size(0), z.size(0), x.size(1));
    let values = kernel.composed(x, z);
    let right = value_gradient_gram(kernel, x, z)?.reshape(&[n, m * dims]);
    let left = value_gradient_gram(kernel, z, x)?.reshape(&[m, n * dims]).t();
    let both = gradient_gradient_gram(kernel, x, z)?.reshape(&[n * dims, m * dims]);
    Ok(Tensor::cat(&[Tensor::cat(&[values, right], 1), Tensor::cat(&[left, both], 1)], 0))
}
