//! Integration tests of the inference crate.

mod calibration;
mod common;
mod ensemble;
mod divergences;
mod estimator;
mod evidence;
mod family;
mod fit;
mod gaussian;
mod gibbs;
mod glm;
mod golden;
mod hierarchical;
mod infinitesimal;
mod mcmc;
mod objective;
mod particles;
mod smc;
mod simulated;
mod stein;
mod stochastic;
mod support;
mod target;
mod unknowns;
