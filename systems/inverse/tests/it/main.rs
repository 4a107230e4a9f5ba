//! Claims and laws of the systems.

mod claims;
mod denoiser;
mod models;
