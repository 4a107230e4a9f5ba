//! State-space Gaussian processes: kernels of time as Markov processes, so that everything costs linear time.
//!
//! | to | use |
//! |---|---|
//! | choose or write a kernel | [`kernel`], [`Kernel`] |
//! | fit and predict one series with Gaussian noise | [`MarkovGp`] on a [`Series`]; [`learn`] |
//! | fit many series of one kernel | [`batch`]; [`learn`] takes them too |
//! | read dates | [`clock`] |
//! | take any likelihood of one number | [`process::SiteProcess`]; with few states for many rows [`sparse::SparseProcess`] |
//! | fit latent functions to counts of many channels | [`counts`] |
//! | run the filter, smoother and gradient on your own model | [`Chain`], [`Evidence`], [`run`] |
//! | differentiate posterior moments by sites and hyperparameters, as a variational autoencoder does | [`vjp::pull_back`] |
//! | learn hyperparameters in the frequency domain | [`whittle`] |
//! | draw paths | [`sample`] |
//! | keep covariances positive in single precision | [`root`] |
//! | filter forward and backward independently | [`information`] |
//! | filter long regular series with a constant gain | [`mod@steady`] |
//! | read the state between steps | [`bridge`] |
//! | model fractional Brownian motion | [`fractional`] |
//! | use many cores on one long series | [`scan`] |
//! | look up full state covariances; read how it works | [`mod@reference`] |
//!
//! A [`Kernel`] becomes a [`StateSpace`], and on a [`Grid`] of times a [`Chain`] of plain arrays. [`run`] is the one fused operation: a pass
//! forward and a pass back give evidence, smoothed moments and the gradient by every number of the chain, which
//! [`StateSpace::pull_back`] turns into the gradient by the kernel's parameters.
//!
//! [`batch`] takes padded arrays `[B, T]` with lengths and missing values. Everything else takes one series: sites, draws, scans and square roots of many
//! are a parallel map over them, each with its own [`Grid`].

pub mod batch;
pub mod bridge;
pub mod clock;
pub mod counts;
pub mod evidence;
pub mod fourier;
pub mod fractional;
pub mod information;
pub mod kernel;
pub mod learn;
pub mod model;
pub mod pass;
pub mod process;
pub mod reference;
pub mod root;
pub mod sample;
pub mod scalar;
pub mod scan;
pub mod series;
pub mod small;
pub mod sparse;
pub mod steady;
pub mod vjp;
pub mod whittle;

pub use evidence::Evidence;
pub use kernel::{Form, Kernel, Parameter};
pub use model::{Chain, ChainGradient, Grid, StateSpace};
pub use pass::{Pass, Wants, run};
pub use series::{Curve, MarkovGp, Series};
