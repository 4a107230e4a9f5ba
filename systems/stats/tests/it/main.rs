//! Claims and laws of the systems.

mod claims;
mod kde_mode;
mod lsnm;
