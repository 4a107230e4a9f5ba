//! Published systems of approximate inference, one file each.
//!
//! A system is a composition of the parts in `elbo-infer` and `elbo-nn`; see CONTRIBUTING.md for how to add one.

pub mod aevb;
pub mod coin_sampling;
pub mod fb_gvi;
pub mod flow_vi;
pub mod iwae;
pub mod rsvi;

use elbo_core::AnySystem;

/// The family's systems, in the order of the catalogue.
pub static SYSTEMS: &[&dyn AnySystem] =
    &[&fb_gvi::FbGvi, &flow_vi::FlowVi, &rsvi::Rsvi, &aevb::Aevb, &iwae::Iwae, &coin_sampling::CoinSampling];
