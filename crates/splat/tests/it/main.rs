//! Laws of the crate.

mod files;
mod gradients;
mod laws;
mod made;
mod surfels;
