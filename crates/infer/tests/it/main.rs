//! Integration tests of the inference crate.

mod target;
