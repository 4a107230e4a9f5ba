//! Diffusion models and inverse problems: paths and schedules, denoisers, samplers, measurement operators, restoration.
//!
//! | I want | look at |
//! |---|---|
//! | how noise is mixed with data over time | [`path`] |
//! | noise, data, v, velocity or score, from one another | [`parameterisation`] |
//! | a list of noise levels | [`schedule`] |
//! | the clean estimate of a noisy point: exact ones and networks | [`denoiser`], [`network`] |
//! | points of a law that a denoiser knows, likelihoods | [`sampler`] |
//! | a denoiser that is told more: a class, a measurement | [`guidance`] |
//! | maps along the flow in one step | [`flow_map`] |
//! | moments of the clean point given the noisy one | [`tweedie`] |
//! | masks, blurs, small pictures, projections, with their adjoints | [`operator`] |
//! | a clean picture from a degraded one | [`restore`] |
//! | how far samples are from data | [`frechet`], [`kernel_distance`], both of `elbo_nn` |
//! | pictures to test with | [`phantom`] |
//! | the model behind the systems `ddpm` and `red-diff`, with its verbs | [`model`] |
//!
//! **One convention.** All Gaussian paths with the same noise-to-data ratios differ only by a scale, so that everything here but
//! [`path`] and [`parameterisation`] is in the scale of the data: a noisy point is x = x₀ + σε, a denoiser is `(x, sigma) -> x0`, and a
//! schedule is a list of falling σ. A path's point αx₀ + σε is divided by α to come here, and its level is σ/α.

pub mod denoiser;
pub mod flow_map;
pub mod guidance;
pub mod model;
pub mod network;
pub mod operator;
pub mod parameterisation;
pub mod path;
pub mod phantom;
pub mod restore;
pub mod sampler;
pub mod schedule;
pub mod tweedie;

pub use denoiser::Denoiser;
pub use elbo_nn::{frechet, kernel_distance};
pub use operator::Operator;
pub use parameterisation::Parameterisation;
pub use path::Path;
pub use sampler::{Sampled, Sampler};
pub use schedule::Schedule;
