//! Published systems that decide what to measure, one file each.

pub mod bo;
pub mod bo_mean;

use elbo_core::AnySystem;

/// The family's systems, in the order of the catalogue after the baseline.
pub static SYSTEMS: &[&dyn AnySystem] = &[&bo::Bo, &bo_mean::BoMean];
