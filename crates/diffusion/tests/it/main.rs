//! Laws of the crate.

mod conversions;
mod denoisers;
mod guidance;
mod model;
mod operators;
mod restoration;
mod solvers;
mod training;
