//! Gaussian processes: laws, gradients, golden values.

mod features;
mod golden;
mod identities;
mod inducing;
mod kernel_config;
mod kernels;
mod likelihood;
mod means;
mod memory;
mod paths;
mod priors;
mod problems;
mod svgp;
