//! Covariance functions.
//!
//! # Which kernel should I use?
//!
//! | the function | kernel | in an expression |
//! |---|---|---|
//! | smooth, unknown in detail: start here | [`Stationary::matern52`] | `matern52` |
//! | very smooth, noise-free physics | [`Stationary::rbf`] | `rbf` |
//! | rough, or with kinks | [`Stationary::matern32`], [`Stationary::matern12`] | `matern32`, `matern12` |
//! | varies on several scales at once | [`Stationary::rational_quadratic`] | `rational_quadratic` |
//! | repeats with a period | [`Periodic`] | `periodic(period = 12)` |
//! | repeats, but drifts | a product | `periodic * matern32` |
//! | has a trend | a sum with [`Linear`] or [`Polynomial`] | `rbf + linear` |
//! | has unknown frequencies; forecasts of series | [`SpectralMixture`] | `spectral_mixture(components = 4)` |
//! | behaves like a wide network | [`ArcCosine`], [`Nngp`] | `arc_cosine`, `nngp(depth = 3)` |
//! | depends on categories | [`Exchangeable`]; [`Hamming`] for many columns; [`Index`] for few levels with much data | `exchangeable(site)` |
//! | acts on count vectors | [`Tanimoto`] | `tanimoto` |
//! | changes its nature somewhere | [`Changepoint`] | a table |
//! | is simple after a map of the inputs | [`Warped`], also with a network as the map | in code |
//!
//! After inputs are scaled to unit variance and the target too, lengthscales start at the square root of the number of dimensions and
//! variances at one. [`KernelConfig`] is the kernel as written in a configuration; [`KernelConfig::build_for`] makes it, and
//! [`KernelConfig::start_for`] makes it for a search, with lengthscales from median distances between the rows.
//!
//! # How do I add one?
//!
//! Put a struct with its [`elbo_tensor::Parameter`]s into a file of its own, name them for [`elbo_tensor::Parameters`], implement
//! [`Kernel`] (`gram`, `diag`, `summary`, `clone_box`; the others only where they hold; a covariance that is computed pair by pair is a
//! `Pairwise` of `pairwise.rs`, which makes one fused operation of it), add a variant to [`KernelConfig`] with its name in
//! `config/parse.rs`, and one line to `every_kernel` in `tests/it/kernels.rs`. The tests there then check symmetry, positive
//! semi-definiteness, the diagonal, all gradients and the random frequencies.

mod categorical;
mod changepoint;
mod compose;
mod config;
mod derivative;
mod expectation;
mod linear;
mod network;
mod pairwise;
mod parameter;
mod periodic;
mod radial;
mod spectral;
mod spectral_mixture;
mod stationary;
mod tanimoto;

use elbo_core::{Result, Rng};
use elbo_tensor::fused::Radial;
use elbo_tensor::{Parameters, Tensor};

pub use categorical::{Exchangeable, Hamming, Index};
pub use changepoint::Changepoint;
pub use compose::{Active, Product, Scaled, Sum, Warp, Warped};
pub use config::{
    ActiveConfig, ArcCosineConfig, ChangepointConfig, ColumnRef, ExchangeableConfig, HammingConfig, IndexConfig,
    KernelConfig, LinearConfig, NngpConfig, PeriodicConfig, PolynomialConfig, RationalQuadraticConfig, ScaledConfig,
    SpectralMixtureConfig, StationaryConfig, TermsConfig, VarianceConfig,
};
pub use derivative::{derivative_gram, gradient_gradient_gram, value_gradient_gram};
pub use expectation::{Expectations, expectations, psi0, psi1, psi2};
pub use linear::{Constant, Linear, Polynomial, White};
pub use network::{Activation, ArcCosine, Nngp};
pub use periodic::Periodic;
pub use radial::{Profile, squared_distances};
pub use spectral::{LevelTable, Spectral};
pub use spectral_mixture::{SpectralMixture, Spectrum};
pub use stationary::Stationary;
pub use tanimoto::Tanimoto;

/// A positive semi-definite covariance function.
///
/// Everything is in f64. Parameters are walked by [`Parameters`], under names such as `lengthscale` or `terms.0.variance`.
pub trait Kernel: Parameters + Send + Sync {
    /// Covariances between two sets of points. `x: [N, D]`, `z: [M, D]`, returns `[N, M]`, differentiable in all of them.
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor;

    /// Covariances of a set of points with itself, `[N, N]`. Noise belongs here and to `diag` only: it knows rows, not values.
    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        self.gram(x, x)
    }

    /// Variances at the points. `x: [N, D]`, returns `[N]`. Cheaper than the diagonal of `gram_symmetric`, and equal to it.
    fn diag(&self, x: &Tensor) -> Tensor;

    /// One line for people, with the present values.
    fn summary(&self) -> String;

    /// A copy with parameters of its own.
    fn clone_box(&self) -> Box<dyn Kernel>;

    /// The kernel as one stationary profile over all columns, where that is all it is: fused operations then need no `[N, N]` matrix of it.
    fn radial_form(&self) -> Option<RadialForm> {
        None
    }

    /// Whether it depends on differences of inputs only.
    fn is_stationary(&self) -> bool {
        false
    }

    /// How fast the function varies along each of `dims` dimensions: inverse lengthscales, zero for a dimension it does not
    /// use. `None` where the notion has no meaning.
    fn relevance(&self, _dims: usize) -> Option<Vec<f64>> {
        None
    }

    /// Random frequencies whose waves estimate the kernel over `dims` dimensions, exactly `count` of them. `None` for a kernel without
    /// a spectrum.
    fn spectral_sample(&self, _dims: usize, _count: usize, _rng: &mut Rng) -> Option<Spectral> {
        None
    }

    /// Refuses inputs for which the kernel means nothing; called once where data enter.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] with the row and column.
    fn check_inputs(&self, _x: &Tensor) -> Result<()> {
        Ok(())
    }
}

/// `k = v g(r)` with its parameters as tensors, differentiable; shapes as in [`fused::stationary_gram`](elbo_tensor::fused::stationary_gram).
pub struct RadialForm {
    /// The shape, `g`.
    pub radial: Radial,
    /// `l`, `[D]` or `[1]`.
    pub lengthscale: Tensor,
    /// `v`, `[]`.
    pub variance: Tensor,
    /// `α`, `[]`, of the rational quadratic.
    pub alpha: Option<Tensor>,
}

impl Clone for Box<dyn Kernel> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

impl std::fmt::Debug for dyn Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.summary())
    }
}
