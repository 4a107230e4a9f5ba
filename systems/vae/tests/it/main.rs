//! Claims and laws of the systems.

mod infovae;
