//! Claims and laws of the systems.

mod claims;
mod coin_sampling;
mod latent;
mod paths;
