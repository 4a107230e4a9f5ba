//! Published Bayesian networks, one file each.
//!
//! A system is a composition of the parts in `elbo_nn::bayes`; see CONTRIBUTING.md for how to add one.

pub mod vbll;

use elbo_core::AnySystem;

/// The family's systems, in the order of the catalogue.
pub static SYSTEMS: &[&dyn AnySystem] = &[&vbll::Vbll];
