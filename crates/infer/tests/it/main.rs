//! Integration tests of the inference crate.

mod common;
mod glm;
mod objective;
mod target;
mod unknowns;
