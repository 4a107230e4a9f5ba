//! Approximate inference: what turns a log density that can be evaluated into draws, bounds and a verdict on both.
//!
//! | I have | look at |
//! |---|---|
//! | a log density, as tensor operations or as a hand-written value and gradient | [`target`] |

pub mod target;

pub use target::{Explicit, LogDensity};
