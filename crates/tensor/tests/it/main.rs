//! Tests of the engine.

mod nd;
mod special;
mod table;
mod table_tests;
