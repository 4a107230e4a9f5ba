//! Published Gaussian-process systems, one file each.

use elbo_core::AnySystem;

/// The systems of this family, baselines included, as `elbo list` shows them.
pub static SYSTEMS: &[&dyn AnySystem] = &[];
