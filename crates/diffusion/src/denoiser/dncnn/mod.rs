//! A denoiser that is a row of convolutions: DnCNN.
//!
//! | I want | use |
//! |---|---|
//! | one that was trained elsewhere | [`DnCnn::read`], [`DnCnn::from_safetensors`] |
//! | to train one on patches of pictures | [`DnCnnConfig`], [`DnCnnTraining`] |
//! | clean estimates of pictures of one size | [`DnCnn::on`] |
//! | a file that the program takes, and PyTorch | [`DnCnn::to_safetensors`] |

mod load;
mod train;

pub use train::{DnCnnTraining, DnCnnTrainingConfig};

use super::Denoiser;
use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result, ensure, ensure_within};
use elbo_nn::layer::{BatchNormConfig, Conv2dConfig, MOST_WIDTH, Sequential};
use elbo_nn::{Activation, Build, Init, Layer, Pass};
use elbo_tensor::{DType, Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Side of the filters.
const KERNEL: usize = 3;
/// Most convolutions in a row.
const MOST_DEPTH: usize = 256;

/// Settings of a [`DnCnn`]. Pixels are shares of the range from black (0) to white (1), and levels are of that unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DnCnnConfig {
    /// Channels of the pictures: 1 for grey ones, 3 for colours.
    pub channels: usize,
    /// Convolutions in a row, the first and the last counted.
    pub depth: usize,
    /// Channels between the convolutions.
    pub width: usize,
    /// Whether batch norm follows each convolution between the first and the last.
    pub has_batch_norm: bool,
    /// Added to the variance in batch norm.
    pub epsilon: f64,
    /// Lowest and highest noise level that the network is for. Two equal ones make a network of one level, others a blind one.
    pub levels: [f64; 2],
}

impl Default for DnCnnConfig {
    /// The published network of grey pictures at one level.
    fn default() -> Self {
        let level = 25.0 / 255.0;
        Self { channels: 1, depth: 17, width: 64, has_batch_norm: true, epsilon: 1e-4, levels: [level, level] }
    }
}

impl DnCnnConfig {
    /// Eight convolutions of 32 channels without batch norm: small enough to be trained on a processor.
    pub fn small(channels: usize, levels: [f64; 2]) -> Self {
        Self { channels, depth: 8, width: 32, has_batch_norm: false, levels, ..Self::default() }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] naming the field.
    pub fn check(&self) -> Result<()> {
        ensure_within("channels", self.channels, 1..=MOST_WIDTH)?;
        ensure_within("depth", self.depth, 2..=MOST_DEPTH)?;
        ensure_within("width", self.width, 1..=MOST_WIDTH)?;
        ensure("epsilon", self.epsilon, self.epsilon > 0.0 && self.epsilon.is_finite(), "above 0")?;
        check_levels("levels", self.levels)
    }

    /// The network; it starts by taking no noise off.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for settings out of range.
    pub fn build(&self, build: &mut Build<'_>) -> Result<DnCnn> {
        self.check()?;
        self.build_with(&vec![true; self.depth], build)
    }

    /// The same, where convolutions may lack their biases.
    fn build_with(&self, has_bias: &[bool], build: &mut Build<'_>) -> Result<DnCnn> {
        self.check()?;
        let (mut layers, last): (Vec<Box<dyn Layer>>, usize) = (vec![], self.depth - 1);
        let init = build.init;
        for (i, has_bias) in has_bias.iter().enumerate() {
            let from = if i == 0 { self.channels } else { self.width };
            let out = if i == last { self.channels } else { self.width };
            build.init = if i == last { Init::Zeros } else { Init::KaimingNormal };
            let config = Conv2dConfig { out, kernel: KERNEL, has_bias: *has_bias, ..Conv2dConfig::default() };
            layers.push(config.build(&[from, KERNEL, KERNEL], build)?.layer);
            if self.has_batch_norm && i > 0 && i < last {
                let norm = BatchNormConfig { epsilon: self.epsilon, ..BatchNormConfig::default() };
                layers.push(norm.build(&[out, KERNEL, KERNEL], build)?.layer);
            }
            if i < last {
                layers.push(Box::new(Activation::Relu));
            }
        }
        build.init = init;
        Ok(DnCnn { config: self.clone(), layers: Sequential { layers }, dtype: build.dtype })
    }

    /// Place of a convolution among the layers, as files count them too.
    fn place(&self, i: usize) -> usize {
        if self.has_batch_norm && i > 1 { 3 * i - 1 } else { 2 * i }
    }
}

fn check_levels(setting: &str, levels: [f64; 2]) -> Result<()> {
    let [low, high] = levels;
    let holds = low >= 0.0 && high > 0.0 && low <= high && high.is_finite();
    ensure(setting, format!("{levels:?}"), holds, "two levels from 0 on, the second above 0 and not below the first")
}

/// A row of convolutions that says the noise in a picture, of any height and width.
///
/// $$ \hat x_0 = x - f(x) $$
///
/// Between the convolutions stand max(x, 0) and, before it, perhaps batch norm. Its arrays have the names `model.0.weight`, ... of the
/// authors' collection in PyTorch.
///
/// # Source
/// Zhang, Zuo, Chen, Meng and Zhang (2017). Deviation: networks that are trained here start with a last convolution of zeros.
pub struct DnCnn {
    config: DnCnnConfig,
    layers: Sequential,
    dtype: DType,
}

elbo_tensor::parameters!(DnCnn { "model": layers });

impl DnCnn {
    /// The settings.
    pub fn config(&self) -> &DnCnnConfig {
        &self.config
    }

    /// The noise in pictures `[B, C, H, W]` of the network's precision, black 0 and white 1; differentiable.
    pub fn noise(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        self.layers.forward(x, pass)
    }

    /// The same network with batch norm taken into the convolutions: its running statistics are numbers once training has ended.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when the statistics are not finite.
    pub fn folded(self) -> Result<Self> {
        if !self.config.has_batch_norm {
            return Ok(self);
        }
        let mut values = BTreeMap::new();
        self.layers.visit(&mut |name, p| {
            values.insert(name.to_owned(), p.value());
        });
        let config = DnCnnConfig { has_batch_norm: false, ..self.config.clone() };
        let mut rng = elbo_core::Rng::new(0);
        let mut folded = config.build(&mut Build { dtype: self.dtype, ..Build::new(&mut rng) })?;
        for i in 0..config.depth {
            let (place, next) = (self.config.place(i), self.config.place(i) + 1);
            let mut weight = values[&format!("{place}.weight")].clone();
            let outputs = if i + 1 == config.depth { config.channels } else { config.width };
            let mut bias = values.get(&format!("{place}.bias")).cloned().unwrap_or_else(|| vec![0.0; outputs]);
            // The mean stands only where a norm follows.
            if let Some(mean) = values.get(&format!("{next}.running_mean")) {
                let of = |part: &str| &values[&format!("{next}.{part}")];
                let (gain, shift, variance) = (of("weight"), of("bias"), of("running_var"));
                let size = weight.len() / outputs;
                for (c, filter) in weight.chunks_exact_mut(size).enumerate() {
                    let scale = gain[c] / (variance[c] + config.epsilon).sqrt();
                    filter.iter_mut().for_each(|w| *w *= scale);
                    bias[c] = (bias[c] - mean[c]) * scale + shift[c];
                }
            }
            folded.layers.assign(&format!("{}.weight", 2 * i), &weight)?;
            folded.layers.assign(&format!("{}.bias", 2 * i), &bias)?;
        }
        Ok(folded)
    }

    /// The denoiser of pictures `[C, H, W]` whose black and white are these values: `[0.0, 1.0]`, or `[-1.0, 1.0]` as in
    /// [`crate::model`]. A network of grey pictures takes each channel of others as a picture. The weights are held fixed.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for pictures without pixels or of other channels, and a white that is not above black.
    pub fn on(mut self, shape: [usize; 3], range: [f64; 2]) -> Result<DnCnnDenoiser> {
        let ([c, h, w], channels, [black, white]) = (shape, self.config.channels, range);
        let fits = c.min(h).min(w) > 0 && (channels == c || channels == 1);
        let expected = format!("pictures [{channels}, H, W], as the network was made for");
        ensure("denoiser", format!("given pictures {shape:?}"), fits, expected)?;
        let holds = white > black && black.is_finite() && white.is_finite();
        ensure("range", format!("{range:?}"), holds, "black, and a white above it")?;
        self.set_all_frozen(true);
        Ok(DnCnnDenoiser { network: self, shape, range })
    }
}

impl Snapshot for DnCnn {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

/// A [`DnCnn`] on pictures of one size.
///
/// The network does not see the level. Outside of the levels that it is for, the picture's contrast is changed so that its noise has the
/// nearest of them, and the noise that the network says is changed back: with s the nearest level over σ and m the grey in the middle,
/// x̂₀ = x - f(m + s(x - m))/s.
///
/// # Source
/// Xu, Liu, Sun, Wohlberg and Kamilov (2020), *Boosting the performance of plug-and-play priors via denoiser scaling*. Deviation: contrast
/// is changed about the middle grey.
pub struct DnCnnDenoiser {
    network: DnCnn,
    shape: [usize; 3],
    range: [f64; 2],
}

impl DnCnnDenoiser {
    /// The network.
    pub fn network(&self) -> &DnCnn {
        &self.network
    }

    /// Lowest and highest level at which the contrast is left as it is, in the unit of the pictures.
    pub fn levels(&self) -> [f64; 2] {
        let [black, white] = self.range;
        self.network.config.levels.map(|level| level * (white - black))
    }
}

impl Denoiser for DnCnnDenoiser {
    fn dims(&self) -> usize {
        self.shape.iter().product()
    }

    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        let ([c, h, w], [black, white]) = (self.shape, self.range);
        let (rows, channels, [low, high]) = (x.size(0), self.network.config.channels, self.levels());
        let contrast = sigma.clamp(low, high) / sigma;
        // Shares of the range, with black at 0.
        let (scale, middle) = (contrast / (white - black), 0.5 * (black + white));
        let seen = ((x - middle) * scale + 0.5).cast(self.network.dtype);
        let pictures = seen.reshape(&[rows * c / channels, channels, h, w]);
        let noise = self.network.noise(&pictures, &mut Pass::evaluation()).to_f64();
        x - noise.reshape(&[rows, c * h * w]) / scale
    }
}
