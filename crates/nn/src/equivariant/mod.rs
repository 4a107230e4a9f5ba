//! Networks of atoms whose features turn with space: messages of degree up to two, energies, forces, covariances.
//!
//! | part | here |
//! |---|---|
//! | how numbers turn | [`Irrep`], [`SYMMETRIC`] |
//! | how two kinds of numbers give a third | [`coupling`], [`harmonics`] |
//! | who is near whom, in boxes that repeat too | [`neighbours`], [`Structure`], [`Graph`] |
//! | what distance does to a message | [`RadialConfig`] |
//! | one round of messages | [`Interaction`] |
//! | energies and forces | [`EquivariantConfig`], [`EquivariantNetwork`] |
//! | covariances that turn with the forces | [`exponential`], [`log_density`] |
//!
//! Degree 0 is a number, 1 a vector `[x, y, z]`, 2 a symmetric matrix without trace by its coefficients in [`SYMMETRIC`]. A feature is a block of
//! channels, `[N, C, 2 l + 1]`, for each representation. Forces are slopes of the energy by the graph, and can be differentiated again.

mod coupling;
mod covariance;
mod graph;
mod interaction;
mod irrep;
mod neighbours;
mod network;
mod radial;

pub use coupling::{coupling, harmonics};
pub use covariance::{exponential, log_density};
pub use graph::{Graph, Structure};
pub use interaction::{Features, Interaction, Pairs};
pub use irrep::{Irrep, Matrix3, SYMMETRIC};
pub use neighbours::{Cell, Edge, neighbours};
pub use network::{Atoms, EquivariantConfig, EquivariantNetwork, Potential};
pub use radial::{Radial, RadialConfig};
