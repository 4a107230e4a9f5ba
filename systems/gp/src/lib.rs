//! Published Gaussian-process systems and the baselines beside them, one file each.
//!
//! A system is a composition of the parts in `elbo-gp`; see CONTRIBUTING.md for how to add one.

pub mod bayesian_gpr;
pub mod cvi_ep_hyper;
pub mod cvtgp;
pub mod gpr;
pub mod memory_dual_gp;
pub mod scale_mixture_nngp;
pub mod sdd_gp;
pub mod sgpr;
pub mod svgp;

use elbo_core::AnySystem;

/// The family's systems, in the order of the catalogue after the baselines.
pub static SYSTEMS: &[&dyn AnySystem] = &[
    &gpr::Gpr,
    &sgpr::SgprSystem,
    &svgp::SvgpSystem,
    &bayesian_gpr::BayesianGpr,
    &cvi_ep_hyper::CviEpHyper,
    &cvtgp::Cvtgp,
    &memory_dual_gp::MemoryDualGp,
    &sdd_gp::SddGp,
    &scale_mixture_nngp::ScaleMixtureNngp,
];
