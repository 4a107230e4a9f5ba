//! Gaussian processes whose overall scale is unknown: `s ~ p(s)`, `f | s ~ GP(0, s k)`.
//!
//! | I want | use |
//! |---|---|
//! | a prior over the scale | [`ScalePrior`] |
//! | regression: evidence, posterior, predictions | [`ScaleMixtureGp`] |
//! | classes, with inducing points | [`ScaleMixtureClassifier`] |

mod classifier;
mod process;
mod scale;

pub use classifier::{ClassBatch, ScaleMixtureClassifier};
pub use process::{ScaleMixtureGp, ScaleMixturePosterior};
pub use scale::{ScalePrior, ScaleWeights, inverse_gamma_kl, inverse_gamma_quantiles};
