//! Markov chains whose stationary distribution is the target.
//!
//! | I have | use |
//! |---|---|
//! | a smooth density with its gradient | [`Hamiltonian::nuts`] with [`sample`]: nothing to tune |
//! | the same, and trajectories of a known length | [`Hamiltonian::hmc`]; [`Hamiltonian::mala`] is its one-step case |
//! | correlated unknowns, up to some hundreds | `metric: Metric::Dense` |
//! | a short warm-up, or many unknowns | `metric: Metric::Gradient`, which learns scales from fewer draws |
//! | many unknowns, correlated along a few directions | `metric: Metric::LowRank` |
//! | a Gaussian prior and a likelihood without gradient | [`EllipticalSlice`] |
//! | a density without gradient, a few unknowns | [`Slice`] with [`sample_by`]: one unknown after the other |
//! | unknowns that are easy to draw given the others | [`Gibbs`] with [`sample_by`] |
//! | a path of hidden states | [`ParticleGibbs`], alone or in a [`Gibbs`] sweep; [`particle_filter`] for the evidence |
//! | to know the evidence, and an approximation to start from | [`log_evidence`], by chains from the one to the other |
//! | the same with a bound from above, for data simulated from the model | [`evidence_sandwich`] |
//! | several modes, and a start that covers them, such as the prior | [`smc`]: draws with the evidence, by particles that are chosen and moved |
//! | data too many to touch at every step | [`Stochastic`] over a [`Score`](crate::Score) with [`sample_stochastic`]: biased by its step, which does not shrink by itself |
//!
//! Chains run in parallel; each has its own generator, so the draws are the same for any number of threads. All of them run in
//! [`elbo_core::drive`], but for [`log_evidence`] and [`evidence_sandwich`]: budget, interruption and resuming to the same bits come with it.
//!
//! To add a way of moving, implement [`Transition`]; along gradients, add a variant to [`Trajectory`], or to [`Rule`] for gradients from minibatches.

mod adapt;
mod chain;
mod draws;
mod evidence;
mod integrate;
mod low_rank;
mod metric;
mod nuts;
mod particle_gibbs;
mod resample;
mod sample;
mod slice;
mod smc;
mod stochastic;
mod transition;
mod univariate;
mod walk;

pub use draws::Draws;
pub use evidence::{Bridge, Evidence, Sandwich, evidence_sandwich, log_evidence};
pub use metric::Metric;
pub use particle_gibbs::{ParticleGibbs, StateSpace, particle_filter};
pub use resample::systematic;
pub use sample::{Hamiltonian, Start, Trajectory, sample};
pub use slice::{EllipticalSlice, elliptical_slice};
pub use smc::{Population, Smc, smc};
pub use stochastic::{Rule, Stochastic, sample_stochastic};
pub use transition::{Chains, Gibbs, Transition, sample_by};
pub use univariate::{Slice, slice_number};
