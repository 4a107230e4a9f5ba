//! Regression with very many rows: stochastic dual descent on the linear system behind the posterior.
//!
//! | I want | use |
//! |---|---|
//! | to solve `(K + σ² I) A = B` without the matrix | [`Sdd`], a step of the driver on [`Duals`] |
//! | right-hand sides that turn solutions into posterior samples | [`PriorDraws`] |
//! | predictions from the solutions | [`DualPosterior`] |
//! | a sample as a function with a gradient | [`DualPosterior::sample_path`] |
//! | to go on where rows were added | [`Duals::from`] |
//!
//! The last two are Thompson sampling: draw a path, look where it is highest ([`SamplePath::maximise`](crate::path::SamplePath::maximise)), observe
//! there, append the row to inputs and right-hand sides, and solve again from the solution with a zero for the new row.

mod draws;
mod posterior;
mod solver;

pub use draws::PriorDraws;
pub use posterior::DualPosterior;
pub use solver::{Duals, Gradient, Sdd, SddState, largest_eigenvalue};
