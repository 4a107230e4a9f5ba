//! Laws of the crate.

mod conversions;
mod denoisers;
mod flow_maps;
mod foreign;
mod guidance;
mod model;
mod operators;
mod plain;
mod restoration;
mod solvers;
mod training;
