//! Gaussian processes: kernels, means, likelihoods, priors, site rules, posteriors and bounds.
//!
//! | I want | look at |
//! |---|---|
//! | a covariance function | [`kernel`] |
//! | a mean function | [`mean`] |
//! | inducing points | [`inducing`] |
//! | a draw from the prior as a function | [`features`] |

pub mod features;
pub mod inducing;
pub mod kernel;
pub mod mean;
