//! Gaussian processes: laws, gradients, golden values.

mod features;
mod golden;
mod identities;
mod inducing;
mod integrated_mean;
mod jitter;
mod kernel_config;
mod kernels;
mod known_noise;
mod laplace;
mod latent;
mod learn;
mod likelihood;
mod means;
mod memory;
mod multi_output;
mod pairwise;
mod paths;
mod power;
mod priors;
mod problems;
mod svgp;
