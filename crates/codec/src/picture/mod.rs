//! Photographs of any size: a transform, a hyperprior, and the file.
//!
//! | part | file |
//! |---|---|
//! | pictures as they come in | `photo` |
//! | pixels to latents and back | `transform`, `lapped`, `strided` |
//! | the second latent, which says how wide and where each latent is | `hyper` |
//! | rate and distortion in training, one minibatch a step | `train`, `distortion` |
//! | all that encoder and decoder must agree on, as integers | `frozen` |
//! | what latents that were coded say of the next ones | `context` |
//! | channels of zeros that a file leaves out | `zeros` |
//! | pictures to files and back, and how long it takes | `codec`, `stream`, `stages` |
//! | settings, fitting, the model and its verbs | `model` |

mod codec;
mod context;
mod distortion;
mod frozen;
mod hyper;
mod lapped;
mod model;
mod photo;
mod stages;
mod stream;
mod strided;
mod train;
mod transform;
mod zeros;

pub use codec::{Coding, PictureCodec, RatePoint};
pub use context::Context;
pub use distortion::Distortion;
pub use frozen::Frozen;
pub use hyper::{Entropy, Hyper};
pub use model::{PictureModel, PictureSettings};
pub use photo::{Photo, Photographs};
pub use stages::Stages;
pub use train::{Part, Trainee, Training, TrainingState};
pub use transform::{LATENT_STEP, Transform, TransformKind};

/// What an error of one squared step of 255 costs in bits a pixel, from the lowest quality to the highest.
pub const LAMBDAS: [f64; 8] = [0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483, 0.0932, 0.1800];

/// Bits of precision of the tables of latents.
pub(crate) const TABLE_BITS: u32 = 16;
