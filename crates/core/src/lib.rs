//! The seam every system of `elbo` passes. This crate knows no mathematics and no paper's name.
//!
//! | module | what it holds |
//! |---|---|
//! | [`error`] | one error type: what, where, found, expected, remedy |
//! | [`allowed`] | what a setting may be: a range of numbers, names, or a condition in words |
//! | [`rng`] | counter-based random numbers: same seed, same bits, for any thread count |
//! | [`data`] | named plain arrays, as read from a file |
//! | [`samples`] | data points of one shape: pictures, rows |
//! | [`inputs`] | the typed inputs that systems ask for |
//! | [`columns`] | how raw columns become the numbers a model sees, and back |
//! | [`magnitude`] | arithmetic at the ends of the floating-point range |
//! | [`run`] | one piece of work: seed, budget, progress, warnings, records, checkpoints |
//! | [`step`] | updates of a model, and the one driver of every iterative fit |
//! | [`schema`] | what the schema of the settings says about one of them |
//! | [`system`], [`model`] | what an author writes; what a user gets |
//! | [`named`] | settings that may be given by their name alone |
//! | [`predict`] | predictive distributions of a numeric target or of classes |
//! | [`generative`] | what models of data points offer: samples, reconstructions, codes, bounds |
//! | [`chains`] | draws of a sampler, chain by chain |
//! | [`picture`] | what models of pictures and scenes offer: restored, compressed, rendered |
//! | [`suggest`] | what models of an experiment offer: where to measure next |
//! | [`claim`] | a paper's effect as numbers with thresholds that can fail |
//! | [`mod@file`] | the model file |
//! | [`read`] | the bytes of a file, up to a limit |
//! | [`cost`] | what work costs: time, memory, energy |
//! | [`recycle`] | large buffers used again |
//! | [`figure`] | figures and tables as plain data; `elbo-report` draws them |
//!
//! To add a system, implement [`System`] and put one line into its family's list.

pub mod allowed;
pub mod chains;
mod checkpoint;
pub mod claim;
pub mod columns;
pub mod cost;
pub mod data;
pub mod error;
pub mod figure;
pub mod file;
pub mod generative;
pub mod inputs;
pub mod magnitude;
pub mod model;
pub mod named;
pub mod picture;
pub mod predict;
pub mod read;
pub mod recycle;
pub mod rng;
pub mod run;
pub mod samples;
pub mod schema;
pub mod step;
pub mod suggest;
pub mod system;

pub use allowed::{Allowed, ensure, ensure_within, half_open};
pub use chains::Chains;
pub use claim::{Check, Claim, Direction};
pub use columns::{Column, Columns, Features};
pub use cost::{Cost, Meter};
pub use data::{Array, Data, Task, Values};
pub use error::{Error, Result};
pub use figure::{Figure, Mark, Table, picture_grid};
pub use file::ModelFile;
pub use generative::{
    Decode, Encode, Evaluate, IMPORTANCE_DRAWS, ImportanceBound, LikelihoodBounds, PointBounds, Reconstruct, Sample,
};
pub use inputs::{Classification, DataKind, FromData, Points, Regression, Supervised};
pub use model::{Model, Summary, Update, Validation};
pub use picture::{Compress, Render, Restore, Views};
pub use predict::{Marginals, Predict, Prediction};
pub use rng::Rng;
pub use run::{Budget, Event, Run};
pub use samples::{Incomplete, Samples};
pub use step::{Outcome, Progress, Snapshot, Step, Stop, drive};
pub use suggest::Suggest;
pub use system::{AnySystem, Card, Config, Kind, System, Verb};
