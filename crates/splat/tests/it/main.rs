//! Laws of the crate.

mod files;
mod gltf;
mod gradients;
mod laws;
mod made;
mod priors;
mod standins;
mod surfels;
