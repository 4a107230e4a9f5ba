//! Integration tests of the inference crate.

mod common;
mod estimator;
mod family;
mod gaussian;
mod glm;
mod objective;
mod target;
mod unknowns;
