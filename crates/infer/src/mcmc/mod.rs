//! Markov chains whose stationary distribution is the target.
//!
//! | I have | use |
//! |---|---|
//! | a smooth density with its gradient | [`Hamiltonian::nuts`] with [`sample`]: nothing to tune |
//! | the same, and trajectories of a known length | [`Hamiltonian::hmc`]; [`Hamiltonian::mala`] is its one-step case |
//! | correlated unknowns, up to some hundreds | `metric: Metric::Dense` |
//! | a short warm-up, or many unknowns | `metric: Metric::Gradient`, which learns scales from fewer draws |
//! | a Gaussian prior and a likelihood without gradient | [`EllipticalSlice`] |
//! | to know the evidence, and an approximation to start from | [`log_evidence`], by chains from the one to the other |
//! | data too many to touch at every step | [`Stochastic`] over a [`Score`](crate::Score) with [`sample_stochastic`]: biased by its step, which does not shrink by itself |
//!
//! Chains run in parallel; each has its own generator, so the draws are the same for any number of threads. All of them run in
//! [`elbo_core::drive`], but for [`log_evidence`]: budget, interruption and resuming to the same bits come with it.
//!
//! To add a way of moving, add a variant to [`Trajectory`], or to [`Rule`] for gradients from minibatches.

mod adapt;
mod chain;
mod draws;
mod evidence;
mod integrate;
mod metric;
mod nuts;
mod sample;
mod slice;
mod stochastic;

pub use draws::Draws;
pub use evidence::{Bridge, Evidence, log_evidence};
pub use metric::Metric;
pub use sample::{Hamiltonian, Start, Trajectory, sample};
pub use slice::{EllipticalSlice, elliptical_slice};
pub use stochastic::{Rule, Stochastic, sample_stochastic};
