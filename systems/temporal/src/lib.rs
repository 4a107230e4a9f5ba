//! Published state-space systems, one file each.

pub mod cvhm;
pub mod markov_gp;
pub mod markovian_gpvae;
mod names;

use elbo_core::AnySystem;

/// The family's systems, in the order of the catalogue.
pub static SYSTEMS: &[&dyn AnySystem] = &[&markov_gp::MarkovGpSystem, &markovian_gpvae::MarkovianGpvae, &cvhm::Cvhm];
