//! Networks, and models with latent variables that are trained with them.
//!
//! | I want | look at |
//! |---|---|
//! | a layer, or several in a row | [`layer`] |
//! | an encoder or decoder of vectors, pictures or sequences | [`network`] |
//! | a network of functions, whatever they were sampled at | [`operator`] |
//! | a variational autoencoder: family, prior, likelihood, objective, training, measures | [`vae`] |
//! | the model behind the systems `aevb`, `iwae`, `infovae`, with its verbs | [`model`] |
//! | a posterior over weights: last layer, mean field, Kronecker, Laplace, SWAG, variational Newton, dropout, ensembles | [`bayes`] |
//! | energies, forces and covariances of atoms, which turn as the atoms do | [`equivariant`] |
//! | rows of a table as numbers | [`table`] |
//! | what a linear classifier reads off codes | [`probe`] |
//! | inputs that are moved so that a loss grows | [`attack`] |
//! | how far samples are from data: Fréchet and kernel distances of named features | [`fidelity`], [`frechet`], [`kernel_distance`], [`classifier_features`] |
//! | how far apart pictures look, by weights from a file or by those of a small network | [`perceptual::Lpips`], [`perceptual::Percep`] |
//! | starting weights, nonlinear functions by name | [`init`], [`activation`] |
//! | numbers that training keeps above a bound | [`bound`] |
//! | weights from or for PyTorch | [`weights`] |
//!
//! A network is a value built from a configuration, and its parameters are named and laid out as PyTorch's are. Numbers are single
//! precision unless a [`layer::Build`] asks for double.

pub mod activation;
pub mod attack;
pub mod bayes;
pub mod bound;
pub mod classifier_features;
pub mod equivariant;
pub mod fidelity;
pub mod frechet;
pub mod init;
pub mod kernel_distance;
pub mod layer;
pub mod model;
pub mod network;
pub mod operator;
pub mod perceptual;
pub mod probe;
pub mod table;
pub mod vae;
pub mod weights;

pub use activation::Activation;
pub use init::Init;
pub use layer::{Build, Built, Layer, LayerConfig, Pass, Sequential};
pub use model::{LatentModel, LatentSettings};
