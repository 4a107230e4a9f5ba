//! Settings that every fit has, and how the number of Gaussians changes.

use crate::project::Options;
use elbo_core::{Result, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes that a Gaussian takes while it is fitted: parameters, two moments and a gradient.
const BYTES_A_GAUSSIAN: usize = 59 * 4 * 4;

/// Where the first Gaussians come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// From the scene's points where it has any, else at random.
    Auto,
    /// From the scene's points.
    Points,
    /// At random in a cube.
    Random,
}

/// What draws the pictures of a fit and takes their derivatives.
#[cfg(feature = "cuda")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// All threads.
    #[default]
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
}

/// What is behind everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Background {
    /// Zero.
    Black,
    /// One.
    White,
}

impl Background {
    /// Red, green and blue.
    pub fn colour(self) -> [f32; 3] {
        match self {
            Self::Black => [0.0; 3],
            Self::White => [1.0; 3],
        }
    }
}

/// Settings that every fit of Gaussians has.
///
/// Lengths are in units of the scene's extent: 1.1 times the distance of the farthest camera from the middle of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// Steps, one picture each; the paper's are 30000.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Pictures are reduced until the longer side has this many pixels.
    #[schemars(range(min = 8))]
    pub size: usize,
    /// Degree of the spherical harmonics of the colour, 0 to 3.
    #[schemars(range(max = 3))]
    pub degree: usize,
    /// Weight of 1 - SSIM in the loss; the rest is the absolute error's.
    pub similarity: f64,
    /// What is behind everything: black or white.
    pub background: Background,
    /// Whether thin Gaussians lose opacity instead of growing to a pixel.
    pub antialias: bool,
    /// Where the first Gaussians come from: auto, points or random.
    pub start: Start,
    /// Gaussians that a random start has.
    #[schemars(range(min = 1))]
    pub points: usize,
    /// Half the side of the cube of a random start, as a share of the cameras' distance from what they look at.
    pub cube: f64,
    /// Of the pictures, every so many-th is kept back to judge by; zero keeps none.
    pub test_every: usize,
    /// A safetensors file with the weights of LPIPS (torchvision's AlexNet or VGG-16, and the heads), by which pictures kept back are judged
    /// too.
    pub lpips: Option<String>,
    /// Steps between two changes of the number of Gaussians.
    #[schemars(range(min = 1))]
    pub refine_every: usize,
    /// Rate of the means at the start, in a fit of 30000 steps; a shorter one moves as much faster, up to fifteen times.
    pub rate_mean: f64,
    /// Rate of the means at the end, in the same way.
    pub rate_mean_end: f64,
    /// Rate of the logarithms of the scales.
    pub rate_scale: f64,
    /// Rate of the quaternions.
    pub rate_rotation: f64,
    /// Rate of the logits of the opacities.
    pub rate_opacity: f64,
    /// Rate of the colours; what depends on the direction gets a twentieth.
    pub rate_colour: f64,
    /// What is nearer to a camera than this is not drawn.
    pub near: f64,
    /// What draws the pictures of the fit: cpu or cuda.
    #[cfg(feature = "cuda")]
    pub device: Device,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: 3000,
            size: 256,
            degree: 3,
            similarity: 0.2,
            background: Background::Black,
            antialias: false,
            start: Start::Auto,
            points: 5000,
            cube: 0.4,
            test_every: 8,
            lpips: None,
            refine_every: 50,
            rate_mean: 1.6e-4,
            rate_mean_end: 1.6e-6,
            rate_scale: 5e-3,
            rate_rotation: 1e-3,
            rate_opacity: 0.05,
            rate_colour: 2.5e-3,
            near: 0.01,
            #[cfg(feature = "cuda")]
            device: Device::Cpu,
        }
    }
}

impl Settings {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] naming the field.
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, v: f64| ensure(name, v, v > 0.0 && v.is_finite(), "a positive number");
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure_within("size", self.size, 8..=16_384)?;
        ensure_within("degree", self.degree, ..=3)?;
        ensure_within("similarity", self.similarity, 0.0..=1.0)?;
        ensure_within("points", self.points, 1..=10_000_000)?;
        ensure_within("test_every", self.test_every, 0..=1_000_000)?;
        ensure("test_every", self.test_every, self.test_every != 1, "0, or at least 2")?;
        ensure_within("refine_every", self.refine_every, 1..=1_000_000_000)?;
        positive("cube", self.cube)?;
        positive("rate_mean", self.rate_mean)?;
        positive("rate_mean_end", self.rate_mean_end)?;
        positive("rate_scale", self.rate_scale)?;
        positive("rate_rotation", self.rate_rotation)?;
        positive("rate_opacity", self.rate_opacity)?;
        positive("rate_colour", self.rate_colour)?;
        positive("near", self.near)
    }

    /// How pictures are made in the end.
    pub fn options(&self) -> Options<f32> {
        Options {
            background: self.background.colour(),
            degree: self.degree,
            near: self.near as f32,
            antialias: self.antialias,
            ..Options::default()
        }
    }
}

/// How the number of Gaussians changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strategy {
    /// Clone, split, delete, reset.
    Adaptive {
        /// Mean derivative in the centre from which on more Gaussians are wanted, in halves of the picture.
        threshold: f64,
        /// Whether absolute derivatives are added up.
        absolute: bool,
        /// Most Gaussians there may be.
        cap: usize,
    },
    /// Relocation and noise.
    Relocation {
        /// Most Gaussians there may be.
        cap: usize,
        /// Strength of the noise as a multiple of the means' rate.
        noise: f64,
        /// Weight of the mean opacity in the loss.
        opacity_weight: f64,
        /// Weight of the mean scale in the loss.
        scale_weight: f64,
    },
}

impl Strategy {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] naming the field.
    pub fn check(&self) -> Result<()> {
        let cap = self.cap();
        let needed = format!("{cap} ({} MB while it is fitted)", cap.saturating_mul(BYTES_A_GAUSSIAN) >> 20);
        ensure("cap", needed, (100..=20_000_000).contains(&cap), "in 100..=20000000")?;
        match *self {
            Self::Adaptive { threshold, .. } => {
                ensure("threshold", threshold, threshold > 0.0 && threshold.is_finite(), "a positive number")
            }
            Self::Relocation { noise, opacity_weight, scale_weight, .. } => {
                let weight = |name: &str, v: f64| ensure_within(name, v, 0.0..);
                weight("noise", noise)?;
                weight("opacity_weight", opacity_weight)?;
                weight("scale_weight", scale_weight)
            }
        }
    }

    pub(super) fn cap(&self) -> usize {
        match self {
            Self::Adaptive { cap, .. } | Self::Relocation { cap, .. } => *cap,
        }
    }

    /// Shares of all steps between which the number changes: the reference's 500 to 15 000, and 500 to 25 000, of 30 000.
    pub(super) fn period(&self, steps: usize) -> std::ops::RangeInclusive<usize> {
        let end = match self {
            Self::Adaptive { .. } => 0.5,
            Self::Relocation { .. } => 25.0 / 30.0,
        };
        ((steps as f64 / 60.0) as usize).max(1)..=(steps as f64 * end) as usize
    }

    /// Opacity and share of the neighbours' distance that the first Gaussians have.
    pub(super) fn start(&self) -> (f64, f64) {
        match self {
            Self::Adaptive { .. } => (0.1, 1.0),
            Self::Relocation { .. } => (0.5, 0.1),
        }
    }
}
