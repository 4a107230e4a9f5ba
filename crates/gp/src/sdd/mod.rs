//! Regression with very many rows: stochastic dual descent on the linear system behind the posterior.
//!
//! | I want | use |
//! |---|---|
//! | to solve `(K + σ² I) A = B` without the matrix | [`Sdd`], a step of the driver on [`Duals`] |
//! | right-hand sides that turn solutions into posterior samples | [`PriorDraws`] |
//! | predictions from the solutions | [`DualPosterior`] |

mod draws;
mod posterior;
mod solver;

pub use draws::PriorDraws;
pub use posterior::DualPosterior;
pub use solver::{Duals, Gradient, Sdd, SddState, largest_eigenvalue};
