//! The developer tools on this workspace.

mod layers;
mod trust;
