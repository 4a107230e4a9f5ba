//! The posterior of the family between SGPR and FITC, which the bound [`Sgpr::power_bound`] belongs to.

use crate::exact::{checked_variances, in_blocks, with_mean};
use crate::kernel::Kernel;
use crate::mean::Mean;
use crate::sgpr::Sgpr;
use elbo_core::{Result, ensure_within};
use elbo_tensor::{Tensor, no_grad};

/// Rows whose covariances with the inducing points are held at once.
const BLOCK: usize = 2048;

/// The posterior of power expectation propagation with power `alpha` and Gaussian noise, at its fixed point.
///
/// Each row is seen through the inducing variables with the noise `σ² + α (k_nn - q_nn)`, where `q_nn` is what they
/// explain of its variance:
/// `alpha` 0 is the posterior of [`Sgpr::condition`], 1 that of FITC.
///
/// $$ q(u) = N(u;\ K_{uf} \bar K^{-1} y,\ K_{uu} - K_{uf} \bar K^{-1} K_{fu}), \qquad \bar K = Q + \alpha\,\mathrm{diag}(K - Q) + \sigma^2 I $$
///
/// # Source
/// Bui, Yan and Turner (2017); for FITC, Snelson and Ghahramani (2006).
pub struct PowerPosterior {
    kernel: Box<dyn Kernel>,
    mean: Box<dyn Mean>,
    noise: f64,
    z: Tensor,
    kuu_chol: Tensor,
    b_chol: Tensor,
    centre: Tensor,
}

impl PowerPosterior {
    /// From the hyperparameters and inducing points of a model, given the rows `x: [N, D]`, `y: [N]`. Costs `N M²`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a power outside `0..=1`; [`elbo_core::Error::Numerical`] when a covariance is
    /// not positive definite within the jitter policy, or a variance is negative beyond rounding.
    pub fn new(model: &Sgpr, x: &Tensor, y: &Tensor, alpha: f64) -> Result<Self> {
        ensure_within("alpha", alpha, 0.0..=1.0)?;
        assert_eq!(x.size(0), y.len(), "one target a row");
        no_grad(|| {
            let (kernel, z, noise) = (model.kernel(), model.inducing().detach(), model.noise());
            let kuu_chol = kernel.gram_symmetric(&z).cholesky()?;
            let m = z.size(0);
            let (mut inner, mut projected) = (Tensor::eye(m, z.dtype()), Tensor::zeros(&[m, 1], z.dtype()));
            for start in (0..y.len()).step_by(BLOCK) {
                let length = BLOCK.min(y.len() - start);
                let (x, y) = (x.narrow(0, start, length), y.narrow(0, start, length));
                let residual = if model.mean().is_zero() { y } else { y - model.mean().value(&x) };
                let a = kuu_chol.solve_lower(&kernel.gram(&z, &x));
                let prior = kernel.diag(&x);
                let missing = (&prior - a.square().sum_axis(0, false)).to_vec();
                let missing = Tensor::from_vec(checked_variances(missing, &prior.to_vec())?, &[length]);
                let weighted = &a / (missing * alpha + noise).unsqueeze(0);
                inner = inner + weighted.matmul(&a.t());
                projected = projected + weighted.matmul(&residual.unsqueeze(1));
            }
            let b_chol = inner.cholesky()?;
            let centre = b_chol.solve_lower(&projected);
            let (kernel, mean) = (kernel.clone_box(), model.mean().clone_box());
            Ok(Self { kernel, mean, noise, z, kuu_chol, b_chol, centre })
        })
    }

    /// `L⁻¹ K_u*`, `L_B⁻¹` of it, and the mean, `[N*]`.
    fn projections(&self, x: &Tensor) -> (Tensor, Tensor, Tensor) {
        let a = self.kuu_chol.solve_lower(&self.kernel.gram(&self.z, x));
        let half = self.b_chol.solve_lower(&a);
        let mean = with_mean(self.mean.as_ref(), x, half.t().matmul(&self.centre).reshape(&[x.size(0)]));
        (a, half, mean)
    }

    /// Means and variances of `f` (noise not included) at `x: [N*, D]`, both `[N*]`.
    ///
    /// # Errors
    /// When a variance is negative beyond rounding.
    pub fn marginals(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        in_blocks(x, |x| {
            let (a, half, mean) = self.projections(x);
            let prior = self.kernel.diag(x);
            let variance = &prior - a.square().sum_axis(0, false) + half.square().sum_axis(0, false);
            Ok((mean.to_vec(), checked_variances(variance.to_vec(), &prior.to_vec())?))
        })
    }

    /// Mean `[N*]` and covariance `[N*, N*]` of `f` at `x: [N*, D]`.
    pub fn joint(&self, x: &Tensor) -> (Tensor, Tensor) {
        no_grad(|| {
            let (a, half, mean) = self.projections(x);
            (mean, self.kernel.gram_symmetric(x) - a.t().matmul(&a) + half.t().matmul(&half))
        })
    }

    /// The noise variance.
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// The inducing inputs, `[M, D]`.
    pub fn inducing(&self) -> &Tensor {
        &self.z
    }
}
