//! The Fisher divergence: how far the gradients of two log densities are apart.

use crate::family::{Drawn, Variational};
use crate::target::LogDensity;
use elbo_core::{Error, Result, ensure};
use elbo_tensor::{Tensor, grad, grad_graph, with_grad};

/// The Fisher divergence of an approximation from a target, a scalar that is differentiable in the approximation's parameters:
///
/// $$ F(q \,\|\, p) = \mathbb E_{q(z)} \|\nabla_z \log q(z) - \nabla_z \log p(x, z)\|^2 $$
///
/// a mean over reparameterised draws, in squared nats over the square of the unknowns' unit. No constant of the target enters; it is zero where
/// the two are equal, and blind to the weights of modes that lie far apart. Descend it with [`descend`](elbo_tensor::optim::descend); between
/// two Gaussians it is closed, [`Gaussian::fisher_divergence`](crate::gaussian::Gaussian::fisher_divergence).
///
/// Its gradient takes one Hessian of the target a draw. Under [`no_grad`](elbo_tensor::no_grad) the value alone is computed, from gradients.
///
/// # Shapes
/// `noise: [S, E]`, standard normal, with `E` from [`Variational::noise`] and `S` a multiple of [`Variational::strata`].
///
/// # Errors
/// [`Error::Setting`] for noise of another shape, a family of another dimension or without a closed density, and, where a gradient is wanted,
/// a target without Hessian; a recoverable [`Error::Numerical`] where a gradient is not finite at a draw.
///
/// # Source
/// Hyvärinen (2005); as an objective of variational inference, Yang, Martin and Bondell (2019), and Cai et al. (2024).
pub fn fisher_divergence(target: &dyn LogDensity, family: &dyn Variational, noise: &Tensor) -> Result<Tensor> {
    let (d, width, strata) = (target.dim(), family.noise(), family.strata());
    ensure("family", format!("of {} unknowns", family.dim()), family.dim() == d, format!("of {d}, as the target"))?;
    let shape = noise.shape();
    let fits = shape.len() == 2 && shape[0] > 0 && shape[0].is_multiple_of(strata) && shape[1] == width;
    ensure("noise", format!("of shape {shape:?}"), fits, format!("[S, {width}] with S a multiple of {strata}"))?;
    let Drawn { z, weights, .. } = family.draw(noise);
    let difference = own_score(family, &z)? - target_score(target, &z)?;
    if !difference.is_finite() {
        return Err(Error::recoverable(
            "the gradient of a log density is not finite at a draw of the approximation",
            "start nearer to where it exists, or map constrained unknowns to the whole space",
        ));
    }
    let squares = difference.square().sum_axis(-1, false);
    Ok(weights.map_or_else(|| squares.clone(), |w| w * &squares).mean())
}

/// $\nabla_z \log q$ at `z: [S, D]`; in the graph where `z` is.
fn own_score(family: &dyn Variational, z: &Tensor) -> Result<Tensor> {
    let log_prob = |z: &Tensor| {
        family.log_prob(z).ok_or_else(|| Error::Setting {
            setting: "family".into(),
            found: format!("a {}", family.title()),
            expected: "a family with a closed density at any point".into(),
        })
    };
    if z.is_tracked() {
        return Ok(grad_graph(&log_prob(z)?.sum(), &[z]).remove(0));
    }
    with_grad(|| {
        let point = z.detach().variable();
        Ok(grad(&log_prob(&point)?.sum(), &[&point]).remove(0))
    })
}

/// $\nabla_z \log p$ at `z: [S, D]`; in the graph, by Hessians, where `z` is.
fn target_score(target: &dyn LogDensity, z: &Tensor) -> Result<Tensor> {
    let (rows, d) = (z.size(0), z.size(1));
    let points = z.to_vec();
    let score = Tensor::from_vec(target.values_and_gradients(&points).1, &[rows, d]);
    if !z.is_tracked() {
        return Ok(score);
    }
    let mut hessians = Vec::with_capacity(rows * d * d);
    for point in points.chunks_exact(d) {
        hessians.extend(target.hessian(point).ok_or_else(|| Error::Setting {
            setting: "target".into(),
            found: "a log density without Hessian".into(),
            expected: "one with a Hessian, for the gradient of the Fisher divergence".into(),
        })?);
    }
    let hessians = Tensor::from_vec(hessians, &[rows, d, d]);
    // Hessians are symmetric: the pullback of row g is g H.
    Ok(Tensor::custom("target score", vec![z.clone()], score, move |g, _| {
        vec![Some(g.unsqueeze(1).matmul(&hessians).squeeze(1))]
    }))
}
