//! Laws of the crate.

mod counts;
mod files;
mod gltf;
mod gradients;
mod laws;
mod made;
mod priors;
mod standins;
mod surfels;
