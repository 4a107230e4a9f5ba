//! Developer tools of the `elbo` workspace, behind the program `elbo-dev`.
//!
//! | module | command | what it does |
//! |---|---|---|
//! | [`layers`] | `layers` | fails on a dependency that points sideways or up |
//! | [`peers`] | `peers gp` | times the Python peers and us on the same data, writes `docs/benchmarks.md` |

pub mod error;
pub mod layers;
pub mod markers;
pub mod peers;

pub use error::{DevError, Result};
