//! Latent priors: what turns Gaussian sites into a posterior.
//!
//! | prior | cost | when to use it |
//! |---|---|---|
//! | [`DensePrior`] | N³ | up to a few thousand rows: exact given the sites |
//! | [`SparsePrior`] | N M² | beyond: `M` inducing points carry the posterior |
//!
//! Both return the same record, so every [`SiteRule`](crate::site::SiteRule) and every
//! [`Evidence`](crate::evidence::Evidence) works with both. To add a prior, implement [`LatentPrior::posterior`] as differentiable
//! tensor operations; the test `site_grid` then runs the whole grid over it.

mod dense;
mod sparse;

pub use dense::DensePrior;
pub use sparse::SparsePrior;

use crate::site::Sites;
use elbo_core::Result;
use elbo_tensor::{Parameters, Tensor};

/// The posterior of the zero-mean process given Gaussian sites, differentiable in hyperparameters and sites.
pub struct SitePosterior {
    /// Means of `f` at the data, `[N]`.
    pub mean: Tensor,
    /// Variances of `f` at the data, `[N]`.
    pub variance: Tensor,
    /// Variances of the scalars that the sites act on, `[N]`: `variance` for a dense prior, without the part that the inducing
    /// variables leave unexplained for a sparse one.
    pub site_variance: Tensor,
    /// `log of the integral of p(f) times the product of the sites`, in nats, a scalar.
    pub log_z: Tensor,
}

/// What turns sites into a posterior.
pub trait LatentPrior: Parameters + Send + Sync {
    /// Number of data rows, `N`.
    fn rows(&self) -> usize;

    /// The posterior at the data. `shift: [N]`, `precision: [N]`, positive.
    ///
    /// # Errors
    /// When a covariance is not positive definite within the jitter policy.
    fn posterior(&self, shift: &Tensor, precision: &Tensor) -> Result<SitePosterior>;

    /// The posterior as a function of new inputs, with the sites held.
    ///
    /// # Errors
    /// As [`LatentPrior::posterior`].
    fn condition(&self, sites: &Sites) -> Result<Box<dyn LatentPosterior>>;

    /// The inputs at the data, `[N, D]`.
    fn inputs(&self) -> &Tensor;

    /// The kernel.
    fn kernel(&self) -> &dyn crate::kernel::Kernel;
}

/// A posterior process of `f`, the mean function not included.
pub trait LatentPosterior: Send + Sync {
    /// Means and variances at `x: [N*, D]`, both `[N*]`.
    fn marginals(&self, x: &Tensor) -> (Tensor, Tensor);

    /// Mean `[N*]` and covariance `[N*, N*]` at `x: [N*, D]`.
    fn joint(&self, x: &Tensor) -> (Tensor, Tensor);
}
