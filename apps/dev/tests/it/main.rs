//! The developer tools on this workspace.

mod layers;
mod peers;
mod results;
mod site;
mod supply;
mod trust;
