//! Every system there is, gathered from the families' lists.

use elbo_core::{AnySystem, Error, Result};

/// All systems, baselines included, family by family.
pub fn systems() -> Vec<&'static dyn AnySystem> {
    [
        elbo_systems_gp::SYSTEMS,
        elbo_systems_inference::SYSTEMS,
        elbo_systems_vae::SYSTEMS,
        elbo_systems_bayesnn::SYSTEMS,
        elbo_systems_temporal::SYSTEMS,
        elbo_systems_inverse::SYSTEMS,
        elbo_systems_codec::SYSTEMS,
        elbo_systems_splat::SYSTEMS,
        elbo_systems_decision::SYSTEMS,
        elbo_systems_stats::SYSTEMS,
    ]
    .concat()
}

/// The system of this id.
///
/// # Errors
/// [`Error::Unknown`] with the nearest id.
pub fn find(id: &str) -> Result<&'static dyn AnySystem> {
    let all = systems();
    all.iter()
        .copied()
        .find(|s| s.card().id == id)
        .ok_or_else(|| Error::unknown("system", id, all.iter().map(|s| s.card().id)))
}

/// The families that have systems, in order.
pub fn families() -> Vec<&'static str> {
    let mut names: Vec<&str> = systems().iter().map(|s| s.card().family).collect();
    names.dedup();
    names
}
