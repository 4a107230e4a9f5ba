//! Approximate inference: what turns a log density that can be evaluated into draws, bounds and a verdict on both.
//!
//! | I have, or want | look at |
//! |---|---|
//! | a log density, as tensor operations over named unknowns or as a hand-written value and gradient | [`target`] |
//! | only its gradient, or an estimate of that from a part of the data | [`score`] |
//! | a linear, logistic, Poisson or softmax regression, also on a user's table | [`glm`] |
//! | a network with one hidden layer, small enough for general methods | [`network`] |
//! | bounds on the evidence, as functions of log weights | [`objective`] |
//! | a distribution to approximate it with | [`family`] |
//! | an estimate of an objective's gradient, and how noisy it is | [`estimator`] |
//! | to fit one, or to see several methods side by side | [`fit`] |
//! | the best Gaussian by closed updates of mean and covariance | [`gaussian`] |
//! | draws of a log density | [`mcmc`] |
//! | a few points that stand for it | [`particles`] |
//! | the unknowns of a forward model that has no derivatives | [`particles::ensemble_kalman`] |
//! | to know whether to believe draws, weights or points | [`diagnostics`] |

pub mod diagnostics;
pub mod estimator;
pub mod family;
pub mod fit;
pub mod gaussian;
pub mod glm;
pub mod mcmc;
pub mod network;
pub mod objective;
pub mod particles;
mod rows;
pub mod score;
pub mod target;

pub use estimator::Estimator;
pub use family::Variational;
pub use objective::{Estimate, Objective};
pub use score::{Batched, FullScore, Score};
pub use target::{Explicit, LogDensity, Unknowns};
