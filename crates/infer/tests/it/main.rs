//! Integration tests of the inference crate.

mod calibration;
mod common;
mod divergences;
mod ensemble;
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
mod simulated;
mod smc;
mod stein;
mod stochastic;
mod support;
mod target;
mod unknowns;
