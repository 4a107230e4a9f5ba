//! Integration tests of the inference crate.

mod calibration;
mod common;
mod ensemble;
mod estimator;
mod evidence;
mod family;
mod fit;
mod gaussian;
mod gibbs;
mod glm;
mod golden;
mod mcmc;
mod objective;
mod particles;
mod smc;
mod stein;
mod stochastic;
mod support;
mod target;
mod unknowns;
