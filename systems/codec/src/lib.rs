//! Published codecs, one file each.
//!
//! A system is a composition of the parts in `elbo-codec`; see CONTRIBUTING.md for how to add one.

pub mod ggm_codec;
pub mod hyperprior;

use elbo_core::AnySystem;

/// The family's systems, in the order of the catalogue.
pub static SYSTEMS: &[&dyn AnySystem] = &[&hyperprior::Hyperprior, &ggm_codec::GgmCodec];
