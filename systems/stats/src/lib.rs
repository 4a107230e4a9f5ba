//! Statistical theory made executable, one file each.

pub mod kde_mode;
pub mod lsnm;

use elbo_core::AnySystem;

/// The systems of this family, as `elbo list` shows them.
pub static SYSTEMS: &[&dyn AnySystem] = &[&kde_mode::KdeMode, &lsnm::Lsnm];
