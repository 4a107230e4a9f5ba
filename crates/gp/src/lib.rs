//! Gaussian processes: kernels, means, likelihoods, priors, site rules, posteriors and bounds.
//!
//! | I want | look at |
//! |---|---|
//! | a covariance function | [`kernel`] |
//! | a mean function | [`mean`] |
//! | another noise than Gaussian | [`likelihood`] |
//! | regression, up to a few thousand rows | [`exact::ExactGp`] |
//! | the same with the coefficients of a trend integrated out (universal kriging) | [`exact::ExactGp::with_integrated_mean`] |
//! | regression, up to a million rows | [`sgpr::Sgpr`] |
//! | regression, many rows without inducing points | [`sdd`] |
//! | the posterior of FITC, and of power EP between it and `Sgpr` | [`sgpr::Sgpr::condition_with_power`] |
//! | several outputs at the same inputs | [`multi_output`] |
//! | inputs that are uncertain or unknown | [`latent`] |
//! | heavier tails than a Gaussian process | [`scale_mixture`] |
//! | any likelihood, minibatches | [`svgp::Svgp`] |
//! | any likelihood, sites: CVI, EP, Laplace, dense or sparse | [`sites::SiteGp`] |
//! | a stream of batches | [`dual::DualGp`] |
//! | a stream whose past is gone | [`memory::MemoryGp`] |
//! | samples that are functions | [`path`] |
//! | hyperparameters from several starts | [`fit::search`] |
//! | priors on hyperparameters | [`priors`] |
//! | hyperparameters of a site model | [`learn::Rounds`] |
//! | the true evidence, by sampling | [`importance::log_evidence`] |
//! | the jitter of a fit, and variances that were raised | [`jitter`] |
//! | to go from a table to tensors and back, and the frame of a system's model | [`table`] |
//! | the checks that settings of a name share | [`settings`] |

pub mod coreset;
pub mod dual;
pub mod evidence;
pub mod exact;
pub mod features;
pub mod fit;
pub mod importance;
pub mod inducing;
pub mod jitter;
pub mod kernel;
pub mod latent;
pub mod learn;
pub mod likelihood;
pub mod mean;
pub mod memory;
pub mod multi_output;
pub mod path;
pub mod prior;
pub mod priors;
pub mod scale_mixture;
pub mod sdd;
pub mod settings;
pub mod sgpr;
pub mod site;
pub mod sites;
pub mod supervised;
pub mod svgp;
pub mod table;
