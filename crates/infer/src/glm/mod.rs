//! Bayesian generalised linear models: log densities with hand-written derivatives, and the one tabular model that every method of
//! inference returns.
//!
//! | I want | use |
//! |---|---|
//! | the posterior of a regression's weights, as a target | [`Glm`] |
//! | a design matrix and a target from a user's table | [`GlmTable`] |
//! | to predict from posterior draws, whatever method made them | [`GlmPosterior`] |
//!
//! A system on tables is then: [`GlmTable::read`], its own method on the [`Glm`], [`GlmPosterior::new`] on the draws.

mod density;
mod frame;
mod kept;
mod part;
mod posterior;
mod table;

pub use density::{Glm, GlmLikelihood};
pub(crate) use frame::Frame;
pub use posterior::GlmPosterior;
pub use table::{GlmKind, GlmSettings, GlmTable};
