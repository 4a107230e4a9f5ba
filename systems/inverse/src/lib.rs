//! Published diffusion and inverse-problem systems, one file each.

pub mod ddpm;
pub mod red_diff;

use elbo_core::AnySystem;

/// The family's systems: the baseline, then those of the catalogue in its order.
pub static SYSTEMS: &[&dyn AnySystem] = &[&ddpm::Ddpm, &red_diff::RedDiff];
