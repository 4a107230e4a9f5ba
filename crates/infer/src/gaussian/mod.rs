//! The best Gaussian approximation by closed updates of its mean and covariance.
//!
//! The target is $\exp(-V)$; the objective is the divergence to it up to a constant,
//! $F(m, S) = \mathbb E_{N(m, S)} V - \tfrac12 \log|S|$.
//!
//! | update | entropy | use it |
//! |---|---|---|
//! | [`Rule::ForwardBackward`] | implicit, closed | the default: safe for every covariance, rates known |
//! | [`Rule::BuresWasserstein`] | explicit | as a baseline; blows up from small covariances |
//! | [`Rule::Natural`] | natural gradient of the precision, with the term that keeps it positive definite | few steps where the Hessian is good |
//! | [`Rule::LocationScale`] | implicit in the diagonal of the triangular factor | many unknowns: safe, without eigenvalues |
//! | [`Rule::Diagonal`] | implicit, closed, one unknown at a time | very many unknowns, whose correlations do not matter |
//!
//! The entropy step of the last one serves location-scale families of any shape: [`proximal_entropy_step`].
//!
//! An update needs $\mathbb E \nabla V$ and $\mathbb E \nabla^2 V$ under the current Gaussian: see [`Expectation`]. [`GaussianSteps`] makes
//! an update a step of the driver, with the step length halved when the objective rises; with a [`Minibatch`] each step takes some rows of the data, and
//! with a rank the Hessian is a few directions and a constant, [`low_rank_hessian`].

mod expectation;
mod law;
mod steps;
mod updates;

pub use expectation::{Energy, Expectation};
pub use law::{Gaussian, bures_wasserstein};
pub(crate) use law::{product, spectral};
pub use steps::{GaussianFit, GaussianSteps, Minibatch, largest_curvature};
pub use updates::{
    Rule, bures_wasserstein_step, diagonal_step, forward_backward_step, location_scale_step, low_rank_hessian,
    natural_step, newton_step, proximal_entropy_step,
};
