//! Claims and laws of the systems.

mod claims;
mod cvhm;
mod markov_gp;
mod markovian_gpvae;
