//! A Bayesian network with one hidden layer for numeric targets: its posterior as a target, and the tabular model made of its draws.
//!
//! Small networks by general methods: particles, Langevin chains, Hamiltonian sampling. Networks that are trained live in `elbo-nn`.

mod density;
mod posterior;

pub use density::Network;
pub use posterior::NetworkPosterior;
