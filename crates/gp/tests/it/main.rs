//! Gaussian processes: laws, gradients, golden values.

mod features;
mod golden;
mod identities;
mod inducing;
mod kernel_config;
mod kernels;
mod latent;
mod likelihood;
mod means;
mod memory;
mod multi_output;
mod paths;
mod power;
mod priors;
mod problems;
