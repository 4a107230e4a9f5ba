//! Denoisers that are told more: a class, or anything with a log likelihood.
//!
//! Each of these is a denoiser again, so every sampler takes it. A guided denoiser is not the denoiser of a law: its samples have
//! neither p(x) p(y | x)^w nor any other density that is easily named (tested on a Gaussian).

use crate::denoiser::{Denoiser, pullback};
use crate::operator::Operator;
use elbo_tensor::{Tensor, grad, no_grad};

/// Classifier-free guidance: ε = ε_u + w (ε_c - ε_u), which is the same for the clean estimate.
///
/// `w = 1` is the conditional denoiser, `w = 0` the unconditional one; papers that write (1 + w) mean `w - 1` of here.
pub struct ClassifierFree<U, C> {
    /// The denoiser that knows no class.
    pub unconditional: U,
    /// The denoiser that does.
    pub conditional: C,
    /// `w`.
    pub weight: f64,
}

impl<U: Denoiser, C: Denoiser> Denoiser for ClassifierFree<U, C> {
    fn dims(&self) -> usize {
        self.unconditional.dims()
    }

    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        let free = self.unconditional.denoise(x, sigma);
        let told = self.conditional.denoise(x, sigma);
        &free + (told - &free) * self.weight
    }
}

/// Classifier guidance: the score gains w ∇ log p(y | x), so the clean estimate gains σ² w times it.
pub struct Classifier<D, F> {
    /// The denoiser.
    pub denoiser: D,
    /// log p(y | x) of each noisy row at a level, `[N]`, differentiable.
    pub log_prob: F,
    /// `w`; one is Bayes' rule.
    pub weight: f64,
}

impl<D: Denoiser, F: Fn(&Tensor, f64) -> Tensor + Send + Sync> Denoiser for Classifier<D, F> {
    fn dims(&self) -> usize {
        self.denoiser.dims()
    }

    /// Differentiable in the denoiser's part only.
    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        let at = x.detach().variable();
        let slope = grad(&(self.log_prob)(&at, sigma).sum(), &[&at]).remove(0);
        self.denoiser.denoise(x, sigma) + slope * (self.weight * sigma * sigma)
    }
}

/// Clean estimates x̂₀ `[N, D]`, ‖y - A x̂₀‖ of each row, and the gradient of that norm with respect to the noisy points: what
/// reconstruction guidance (DPS) subtracts. The measurements are one a row.
pub fn reconstruction(
    denoiser: &dyn Denoiser,
    x: &Tensor,
    sigma: f64,
    measured: &[(&dyn Operator, &[f64])],
) -> (Tensor, Vec<f64>, Tensor) {
    let d = x.size(1);
    let mut norms = vec![];
    let (clean, gradient) = pullback(denoiser, x, sigma, |clean| {
        let values = no_grad(|| clean.to_vec());
        let mut cotangent = vec![];
        for (row, (operator, y)) in values.chunks_exact(d).zip(measured) {
            let residual: Vec<f64> = operator.apply(row).iter().zip(*y).map(|(a, b)| a - b).collect();
            let norm = residual.iter().map(|r| r * r).sum::<f64>().sqrt();
            let unit: Vec<f64> = residual.iter().map(|r| if norm > 0.0 { r / norm } else { 0.0 }).collect();
            cotangent.extend(operator.pullback(row, &unit));
            norms.push(norm);
        }
        Tensor::from_vec(cotangent, clean.shape())
    });
    (clean, norms, gradient)
}
