//! Published variational autoencoders, one file each.
//!
//! A system is a composition of the parts in `elbo-nn`: its objective, and what it changes of the model; see CONTRIBUTING.md for how to
//! add one.

pub mod infovae;
mod misinference;

use elbo_core::AnySystem;

/// The family's systems, in the order of the catalogue.
pub static SYSTEMS: &[&dyn AnySystem] = &[&infovae::InfoVae];
