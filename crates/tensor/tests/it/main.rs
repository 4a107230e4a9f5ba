//! Tests of the engine.

mod fused;
mod gradients;
mod nd;
mod networks;
mod optim;
mod special;
mod table;
mod table_tests;
