//! The developer tools on this workspace.

mod layers;
mod peers;
mod site;
mod supply;
mod trust;
