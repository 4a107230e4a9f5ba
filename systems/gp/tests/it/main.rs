//! Claims and laws of the systems.

mod bayesian_gpr;
mod claims;
mod cvi_ep_hyper;
mod gpr;
mod integrated_mean;
mod laplace_evidence;
mod noise_column;
mod paths;
mod scale_mixture_nngp;
mod sdd_gp;
mod starts;
mod svgp;
