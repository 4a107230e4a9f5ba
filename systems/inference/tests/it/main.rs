//! Claims of the systems.

mod claims;
