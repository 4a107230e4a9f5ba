//! Approximate inference: what turns a log density that can be evaluated into draws, bounds and a verdict on both.
//!
//! | I have, or want | look at |
//! |---|---|
//! | a log density, as tensor operations over named unknowns or as a hand-written value and gradient | [`target`] |
//! | a linear, logistic, Poisson or softmax regression, also on a user's table | [`glm`] |
//! | bounds on the evidence, as functions of log weights | [`objective`] |

pub mod glm;
pub mod objective;
pub mod target;

pub use objective::{Estimate, Objective};
pub use target::{Explicit, LogDensity, Unknowns};
