//! Clean estimates of noisy points.
//!
//! | I want | use |
//! |---|---|
//! | the exact estimate under a Gaussian law, or a mixture of Gaussians | [`GaussianMixture`] |
//! | the exact estimate under the law of the points of a data set | [`Empirical`] |
//! | a network that has been trained | [`crate::network::NetworkDenoiser`] |
//! | a row of convolutions that says the noise: DnCNN, trained here or elsewhere | [`dncnn`] |
//! | no training: pictures of few edges, or that repeat themselves | [`TotalVariation`], [`NonLocalMeans`] |
//! | any function | a closure, through [`from_fn`] |
//!
//! Those without training are for programs of your own: no system here has them as a prior, and [`crate::restore`] takes them as any other. A
//! DnCNN can stand in for the prior of a model ([`crate::model::RestoreSettings`]).
//!
//! To add one, implement [`Denoiser`]. Where it is made of tensor operations, its derivatives are there already.

pub mod dncnn;
mod empirical;
mod mixture;
mod plain;

pub use dncnn::{DnCnn, DnCnnConfig, DnCnnDenoiser, DnCnnTraining, DnCnnTrainingConfig};
pub use empirical::Empirical;
pub use mixture::GaussianMixture;
pub use plain::{NonLocalMeans, TotalVariation};

use elbo_tensor::{Tensor, jvp, vjp};

/// The mean of the clean point given the noisy one: E[x₀ | x₀ + σε = x].
pub trait Denoiser: Send + Sync {
    /// Numbers of a point, `D`.
    fn dims(&self) -> usize;

    /// `x: [N, D]` in double precision at one level `sigma > 0`; returns the clean estimates `[N, D]`, differentiable in `x`. Rows do
    /// not influence each other.
    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor;
}

impl<D: Denoiser + ?Sized> Denoiser for Box<D> {
    fn dims(&self) -> usize {
        (**self).dims()
    }

    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        (**self).denoise(x, sigma)
    }
}

impl<D: Denoiser + ?Sized> Denoiser for &D {
    fn dims(&self) -> usize {
        (**self).dims()
    }

    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        (**self).denoise(x, sigma)
    }
}

/// The score ∇ log p_σ(x) = (x̂₀ - x)/σ² of a denoiser. `x: [N, D]`.
pub fn score(denoiser: &dyn Denoiser, x: &Tensor, sigma: f64) -> Tensor {
    (denoiser.denoise(x, sigma) - x) / (sigma * sigma)
}

/// The noise (x - x̂₀)/σ that a denoiser sees. `x: [N, D]`.
pub fn noise(denoiser: &dyn Denoiser, x: &Tensor, sigma: f64) -> Tensor {
    (x - denoiser.denoise(x, sigma)) / sigma
}

/// Clean estimates outside any graph.
pub fn estimate(denoiser: &dyn Denoiser, x: &Tensor, sigma: f64) -> Tensor {
    // Recording stays on: a guided denoiser takes a derivative of its own.
    denoiser.denoise(&x.detach(), sigma).detach()
}

/// Clean estimates, and vᵀ ∂x̂₀/∂x for each row. `x, cotangent: [N, D]`.
pub fn pullback(
    denoiser: &dyn Denoiser,
    x: &Tensor,
    sigma: f64,
    cotangent: impl FnOnce(&Tensor) -> Tensor,
) -> (Tensor, Tensor) {
    let x = x.detach().variable();
    let clean = denoiser.denoise(&x, sigma);
    let gradient = vjp(&clean, &[&x], &cotangent(&clean.detach()), false).remove(0);
    (clean.detach(), gradient)
}

/// ∂x̂₀/∂x v for each row. `x, tangent: [N, D]`.
pub fn push_forward(denoiser: &dyn Denoiser, x: &Tensor, sigma: f64, tangent: &Tensor) -> Tensor {
    let x = x.detach().variable();
    jvp(&denoiser.denoise(&x, sigma), &[&x], &[tangent])
}

/// A function as a denoiser.
pub struct Function<F> {
    dims: usize,
    f: F,
}

/// A denoiser of points of `dims` numbers from a function of `x: [N, D]` and σ.
pub fn from_fn<F: Fn(&Tensor, f64) -> Tensor + Send + Sync>(dims: usize, f: F) -> Function<F> {
    Function { dims, f }
}

impl<F: Fn(&Tensor, f64) -> Tensor + Send + Sync> Denoiser for Function<F> {
    fn dims(&self) -> usize {
        self.dims
    }

    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        (self.f)(x, sigma)
    }
}
