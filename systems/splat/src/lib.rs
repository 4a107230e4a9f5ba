//! Published Gaussian-splatting systems, one file each.
//!
//! | id | what it fits |
//! |---|---|
//! | `gs-mcmc` | a scene with an exact number of Gaussians that move as a Markov chain |
//! | `gaussian-splatting` | the baseline: as many as adaptive density control finds |

pub mod gaussian_splatting;
pub mod gs_mcmc;

use elbo_core::AnySystem;

/// The family's systems, in the order of the catalogue.
pub static SYSTEMS: &[&dyn AnySystem] = &[&gs_mcmc::GsMcmc, &gaussian_splatting::GaussianSplatting];
