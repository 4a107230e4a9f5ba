//! Claims in their smoke budget, and laws of the systems.

mod claims;
mod laws;
