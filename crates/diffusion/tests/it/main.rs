//! Laws of the crate.

mod conversions;
mod denoisers;
mod dncnn;
mod files;
mod flow_maps;
mod foreign;
mod guidance;
mod measured;
mod model;
mod operators;
mod plain;
mod restoration;
mod solvers;
mod training;
