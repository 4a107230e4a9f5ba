//! Terms of regularised autoencoders: how far a posterior is from N(0, I) in Wasserstein's sense, and how steep the decoder is around a code.

use super::{Posterior, Vae};
use crate::layer::Pass;
use elbo_core::{Result, Rng};
use elbo_tensor::{Tensor, vjp};

/// Squared 2-Wasserstein distances of Gaussian posteriors, or of points, from N(0, I), `[B]`.
///
/// $$ \|\mu\|^2 + \|\Sigma^{1/2} - I\|_F^2 = \|\mu\|^2 + \mathrm{tr}\,\Sigma + L - 2\,\mathrm{tr}\,\Sigma^{1/2} $$
///
/// The trace of $\Sigma^{1/2}$ is the sum of the singular values of any factor of $\Sigma$.
///
/// # Errors
/// [`elbo_core::Error::Numerical`] for factors that are not finite.
///
/// # Source
/// Janjoš, Rosenbaum, Dolgov and Zöllner (2023), with the square root itself in place of the triangular factor, whose distance from I is larger.
pub(super) fn wasserstein(q: &Posterior) -> Result<Tensor> {
    let spread = match q {
        Posterior::Diagonal { log_variance, .. } => ((log_variance * 0.5).exp() - 1.0).square().sum_axis(-1, false),
        Posterior::Full { factor, .. } => {
            let (_, singular, _) = factor.svd()?;
            (singular - 1.0).square().sum_axis(-1, false)
        }
        // A point has the covariance zero.
        Posterior::Point(mean) => Tensor::full(&[mean.size(0)], mean.size(1) as f64, mean.dtype()),
        _ => unreachable!("a model refuses this term for other posteriors"),
    };
    Ok(q.mean().square().sum_axis(-1, false) + spread)
}

impl Vae {
    /// An unbiased estimate of E ||J(μ) S||_F² for decoder means with Jacobian J at posterior means μ of `x: [B, width]`, and posterior covariances S S': a scalar,
    /// from one column of S for each data point, drawn from `rng`.
    ///
    /// The product J v is the derivative of c'J v in c, so that one pass backwards and one more through it serve all elements, and gradients of
    /// the whole follow.
    pub(super) fn steepness(&self, q: &Posterior, x: &Tensor, rng: &mut Rng) -> Tensor {
        let latent = q.dims();
        let columns: Vec<usize> = (0..q.rows()).map(|_| rng.below(latent)).collect();
        let chosen = Tensor::indices(&columns).one_hot(latent, q.dtype());
        let column = match q {
            Posterior::Diagonal { log_variance, .. } => (log_variance * 0.5).exp() * chosen,
            Posterior::Full { factor, .. } => factor.matmul(&chosen.unsqueeze(-1)).squeeze(-1),
            _ => unreachable!("a model refuses this term for other posteriors"),
        };
        let mean = q.mean();
        let codes = self.given(&self.kept(mean), x);
        let output = self.likelihood().mean(&self.decoder().forward(&codes, None, &mut Pass::evaluation()));
        let cotangent = output.zeros_like().variable();
        let pulled = vjp(&output, &[mean], &cotangent, true).remove(0);
        let pushed = vjp(&pulled, &[&cotangent], &column, true).remove(0);
        pushed.square().sum_axis(-1, false).mean() * latent as f64
    }
}
