//! Networks that see a noisy point and its level, their training, and the denoiser they make.
//!
//! | I want | use |
//! |---|---|
//! | pictures `[C, H, W]` | [`NetworkConfig`] with `widths`: a U-shaped network ([`unet`]) |
//! | rows of numbers | the same with `hidden`: fully connected layers ([`mlp`]) |
//! | to train one | [`Training`] |
//! | clean estimates from one | [`NetworkDenoiser`] |

pub mod mlp;
pub mod train;
pub mod unet;

pub use train::{Trainee, Training, TrainingConfig};

use crate::denoiser::Denoiser;
use crate::parameterisation::Preconditioning;
use elbo_core::{Result, ensure};
use elbo_nn::Build;
use elbo_tensor::{Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Implements [`Parameters`] by named members.
macro_rules! parameters {
    ($layer:ty { $($name:literal: $field:ident),* $(,)? }) => {
        impl elbo_tensor::Parameters for $layer {
            fn visit(&self, f: &mut dyn FnMut(&str, &elbo_tensor::Parameter)) {
                $(elbo_tensor::nested($name, &self.$field, f);)*
            }
            fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut elbo_tensor::Parameter)) {
                $(elbo_tensor::nested_mut($name, &mut self.$field, f);)*
            }
        }
    };
}
pub(crate) use parameters;

/// A function of noisy points and their levels.
pub trait Network: Parameters + Send + Sync {
    /// `x: [B, D]` in single precision, and ln(σ)/4 of each row; returns `[B, D]`.
    fn forward(&self, x: &Tensor, level: &[f64]) -> Tensor;
}

/// Settings of a network; pictures get the U-shaped one, rows of numbers fully connected layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// Channels at each level of the U, from the finest; each level after the first halves the picture.
    pub widths: Vec<usize>,
    /// Widths of the fully connected layers for rows of numbers.
    pub hidden: Vec<usize>,
    /// Length of the vector that stands for the noise level.
    pub embedding: usize,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { widths: vec![16, 32], hidden: vec![128, 128], embedding: 32 }
    }
}

impl NetworkConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let positive = |v: &[usize]| !v.is_empty() && v.iter().all(|n| *n > 0);
        ensure("widths", format!("{:?}", self.widths), positive(&self.widths), "at least one width, each above 0")?;
        ensure("hidden", format!("{:?}", self.hidden), positive(&self.hidden), "at least one width, each above 0")?;
        let even = self.embedding >= 2 && self.embedding.is_multiple_of(2);
        ensure("embedding", self.embedding, even, "an even number of at least 2")
    }

    /// The network for points of this shape.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for pictures that are too small to be halved so often.
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Box<dyn Network>> {
        self.check()?;
        Ok(match *shape {
            [c, h, w] => Box::new(unet::UNet::new([c, h, w], self, build)?),
            _ => Box::new(mlp::Mlp::new(shape.iter().product(), self, build)?),
        })
    }
}

/// Sines and cosines of ln(σ)/4 at frequencies from 1 to 16, `[B, embedding]`, in single precision.
pub(crate) fn embed(level: &[f64], embedding: usize) -> Tensor {
    let half = embedding / 2;
    let frequency = |k: usize| 16f64.powf(k as f64 / (half.max(2) - 1) as f64);
    let row = |v: &f64| {
        let v = *v;
        (0..embedding).map(move |k| {
            let angle = v * frequency(k % half);
            (if k < half { angle.sin() } else { angle.cos() }) as f32
        })
    };
    Tensor::from_f32(level.iter().flat_map(row).collect(), &[level.len(), embedding])
}

/// A network as a denoiser. Its weights are held fixed, so that a graph holds what depends on the noisy point only.
pub struct NetworkDenoiser {
    network: Box<dyn Network>,
    preconditioning: Preconditioning,
    dims: usize,
}

impl NetworkDenoiser {
    /// A network of points of `dims` numbers, and how it is wrapped.
    pub fn new(mut network: Box<dyn Network>, preconditioning: Preconditioning, dims: usize) -> Self {
        network.set_all_frozen(true);
        Self { network, preconditioning, dims }
    }

    /// The network.
    pub fn network(&self) -> &dyn Network {
        self.network.as_ref()
    }
}

impl Denoiser for NetworkDenoiser {
    fn dims(&self) -> usize {
        self.dims
    }

    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        let how = self.preconditioning.at(sigma);
        let level = vec![0.25 * sigma.ln(); x.size(0)];
        let output = self.network.forward(&(x * how.input).to_f32(), &level).to_f64();
        x * how.skip + output * how.out
    }
}
