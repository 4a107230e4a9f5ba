//! Networks that see a noisy point and its level, their training, and the denoiser they make.
//!
//! | I want | use |
//! |---|---|
//! | pictures `[C, H, W]` | [`NetworkConfig`] with `widths`: a U-shaped network ([`unet`]) |
//! | rows of numbers | the same with `hidden`: fully connected layers ([`mlp`]) |
//! | one that was trained elsewhere: diffusers, the DDPM paper's, EDM | [`foreign::read`] |
//! | to train one | [`Training`] |
//! | clean estimates from one | [`NetworkDenoiser`], of a class [`OfClasses`] |

mod ddpm;
pub mod diffusers;
pub mod edm;
pub mod foreign;
pub(crate) mod header;
pub mod mlp;
mod names;
pub mod train;
pub mod unet;

pub use train::{Trainee, Training, TrainingConfig};

use crate::denoiser::Denoiser;
use crate::parameterisation::Preconditioning;
use elbo_core::{Allowed, Result, ensure};
use elbo_nn::layer::{Embedding, MOST_WIDTH, check_widths};
use elbo_nn::{Build, Layer, Pass};
use elbo_tensor::{Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A function of noisy points and their levels.
pub trait Network: Parameters + Send + Sync {
    /// `x: [B, D]` in single precision, ln(σ)/4 of each row, and the class of each row for a network that knows classes: 0 where it is
    /// not told, k + 1 for class k, and nothing where no row's is. Returns `[B, D]`.
    fn forward(&self, x: &Tensor, level: &[f64], classes: &[usize]) -> Tensor;
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
    /// Classes that the network can be told; zero for none.
    pub classes: usize,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { widths: vec![16, 32], hidden: vec![128, 128], embedding: 32, classes: 0 }
    }
}

impl NetworkConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        for (name, widths) in [("widths", &self.widths), ("hidden", &self.hidden)] {
            ensure(name, "empty", !widths.is_empty(), "at least one width")?;
            check_widths(name, widths)?;
        }
        let is_even = (2..=MOST_WIDTH).contains(&self.embedding) && self.embedding.is_multiple_of(2);
        ensure(
            "embedding",
            self.embedding,
            is_even,
            Allowed::within(2..=MOST_WIDTH).told(format!("an even number from 2 to {MOST_WIDTH}")),
        )
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

/// What a network is told beside the noisy points: their levels, and perhaps their classes.
pub(crate) struct Told {
    embedding: usize,
    /// A vector for each class, after one for points whose class is not told.
    classes: Option<Embedding>,
}

elbo_tensor::parameters!(Told { "": classes });

impl Told {
    pub(crate) fn new(config: &NetworkConfig, build: &mut Build<'_>) -> Self {
        let classes = (config.classes > 0).then(|| Embedding::new(config.classes + 1, config.embedding, build));
        Self { embedding: config.embedding, classes }
    }

    /// `[B, embedding]`.
    pub(crate) fn forward(&self, level: &[f64], classes: &[usize]) -> Tensor {
        let waves = embed(level, self.embedding);
        let Some(table) = &self.classes else { return waves };
        let ids = if classes.is_empty() { vec![0; level.len()] } else { classes.to_vec() };
        waves + table.forward(&Tensor::indices(&ids), &mut Pass::evaluation())
    }
}

/// Sines and cosines of ln(σ)/4 at frequencies from 1 to 16, `[B, embedding]`, in single precision.
fn embed(level: &[f64], embedding: usize) -> Tensor {
    let half = embedding / 2;
    sines(level, half, |k| 16f64.powf(k as f64 / (half.max(2) - 1) as f64))
}

/// Sines, then cosines, of one number a row at `half` frequencies, `[B, 2 half]`, in single precision.
fn sines(values: &[f64], half: usize, frequency: impl Fn(usize) -> f64) -> Tensor {
    let frequency = &frequency;
    let row = |v: &f64| {
        let v = *v;
        (0..2 * half).map(move |k| {
            let angle = v * frequency(k % half);
            (if k < half { angle.sin() } else { angle.cos() }) as f32
        })
    };
    Tensor::from_f32(values.iter().flat_map(row).collect(), &[values.len(), 2 * half])
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

    /// The denoiser of points whose classes are known, by rows in turn. The network was trained with classes.
    pub fn of_classes(&self, classes: &[usize]) -> OfClasses<'_> {
        OfClasses { denoiser: self, classes: classes.to_vec() }
    }

    fn estimate(&self, x: &Tensor, sigma: f64, classes: &[usize]) -> Tensor {
        let how = self.preconditioning.at(sigma);
        let level = vec![0.25 * sigma.ln(); x.size(0)];
        let output = self.network.forward(&(x * how.input).to_f32(), &level, classes).to_f64();
        x * how.skip + output * how.out
    }
}

impl Denoiser for NetworkDenoiser {
    fn dims(&self) -> usize {
        self.dims
    }

    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        self.estimate(x, sigma, &[])
    }
}

/// A network's denoiser that is told the classes of its points.
pub struct OfClasses<'a> {
    denoiser: &'a NetworkDenoiser,
    classes: Vec<usize>,
}

impl Denoiser for OfClasses<'_> {
    fn dims(&self) -> usize {
        self.denoiser.dims
    }

    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        let classes: Vec<usize> = self.classes.iter().cycle().take(x.size(0)).map(|k| k + 1).collect();
        self.denoiser.estimate(x, sigma, &classes)
    }
}
