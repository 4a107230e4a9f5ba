//! Every registered system passes the same suite; the registry and the chooser agree.

mod chooser;
mod conformance;
mod examples;
mod linear;
mod own_model;
mod parts;
