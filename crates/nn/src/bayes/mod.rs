//! Posteriors over weights.
//!
//! | I want | use |
//! |---|---|
//! | a distribution over the last layer alone, in closed form, trained with the features | [`head`], [`LastLayer`] |
//! | Gaussians over weight vectors: one variance a weight, low rank, dense | [`Gaussians`] |
//! | a linear layer or convolution with one variance a weight | [`MeanFieldLinear`], [`MeanFieldConv2d`] |
//! | a recurrent unit or attention with one variance a weight | [`MeanFieldGru`], [`MeanFieldAttention`] |
//! | a linear layer whose weights vary together, by a Kronecker product | [`KroneckerLinear`], [`MatrixNormal`] |
//! | to make a trained network uncertain afterwards | [`Laplace`] |
//! | the spread of the weights that gradient descent visits | [`Swag`] |
//! | variances from an optimiser at the price of Adam | [`Newton`] |
//! | several networks | [`EnsembleConfig`], [`ensemble`] |
//! | what targets are given a network's numbers, here and for all rows below: a loss and a predictive distribution | [`ObservationConfig`], [`Observation`] |
//! | means and variances of outputs without sampling | [`propagation`] |
//! | how much the divergence from the prior counts, and when | [`Tempering`] |
//! | draws of a network that keeps its dropout, or whose weights have distributions | [`DrawsConfig`] |
//! | priors of weights, and how far their functions spread | [`prior`] |
//! | which weights matter, and a penalty of moving them | [`Fisher`], [`VariationalFisherConfig`], [`Anchor`] |
//!
//! A network whose layers must be read, not only applied, is a [`Stack`].

mod body;
mod draws;
pub mod ensemble;
mod expected;
mod fisher;
mod gaussians;
pub mod head;
mod kfac;
mod laplace;
mod last_layer;
mod matrix_normal;
mod mean_field;
mod mean_field_attention;
mod mean_field_conv;
mod mean_field_gru;
mod newton;
mod observation;
pub mod prior;
pub mod propagation;
mod stack;
mod swag;
mod tempering;
mod variational_fisher;

pub use draws::{Draws, DrawsConfig};
pub use ensemble::{Ensemble, EnsembleConfig, Member};
pub use fisher::{Anchor, Fisher, FisherTargets, squares_of_layers};
pub use gaussians::{Covariance, Gaussians};
pub use head::Head;
pub use kfac::Sharing;
pub use laplace::{Curvature, EvidenceSearch, Laplace, LaplaceConfig, Plan, Scope};
pub use last_layer::{AnyHead, Fit, FitState, LastLayer, Targets, TrainSettings};
pub use matrix_normal::{KroneckerLinear, MatrixNormal};
pub use mean_field::{MeanFieldLinear, Noise};
pub use mean_field_attention::{MeanFieldAttention, MeanFieldAttentionConfig};
pub use mean_field_conv::{MeanFieldConv2d, MeanFieldConv2dConfig};
pub use mean_field_gru::{MeanFieldGru, MeanFieldGruConfig};
pub use newton::{Curvatures, Estimate, Newton, NewtonConfig, NewtonStep};
pub use observation::{Observation, ObservationConfig};
pub use stack::{Pooled, Pooling, Stack, Trace, Traced};
pub use swag::{Averaged, Swag, SwagStep, sample_of_several};
pub use tempering::Tempering;
pub use variational_fisher::{VariationalFisher, VariationalFisherConfig};
