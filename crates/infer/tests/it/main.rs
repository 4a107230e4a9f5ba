//! Integration tests of the inference crate.

mod calibration;
mod common;
mod estimator;
mod evidence;
mod family;
mod fit;
mod fit_file;
mod gaussian;
mod gibbs;
mod glm;
mod golden;
mod graph;
mod mcmc;
mod objective;
mod oracles;
mod particles;
mod sites;
mod stein;
mod stochastic;
mod support;
mod target;
mod unknowns;
