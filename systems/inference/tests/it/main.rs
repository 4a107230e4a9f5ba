//! Claims and laws of the systems.

mod claims;
mod coin_sampling;
mod fb_gvi;
mod kept;
mod latent;
mod paths;
