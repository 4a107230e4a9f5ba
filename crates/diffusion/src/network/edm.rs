//! The network DDPM++ as *Elucidating the Design Space of Diffusion-Based Generative Models* has it in PyTorch (`SongUNet` with its standard
//! encoder and decoder, in `EDMPrecond`), by its names of arrays. Everything about it but the wrapper and the standard deviation of the data is told by them.
//!
//! NCSN++ (Fourier features, residual encoder, longer filters), ADM (`DhariwalUNet`), networks with class labels and the wrapper of improved DDPM are
//! refused; a wrapper without arrays of its own, such as that of VP, cannot be told from EDM's, and its network is taken as one of EDM's. The layer of augmentation labels is passed over: a sample is drawn without any.

use super::diffusers::{MOST_WIDTH, unsupported};
use super::header::Header;
use super::{Network, sines};
use crate::parameterisation::Preconditioning;
use elbo_core::Result;
use elbo_nn::layer::{Conv2dConfig, GroupNorm, GroupNormConfig, Linear};
use elbo_nn::{Build, Layer, Pass};
use elbo_tensor::{Attention as How, Parameter, Parameters, Tensor, Window, nested, nested_mut};
use serde::{Deserialize, Serialize};

/// Half of the variance on each way around a block.
const SHARE: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// What the arrays of a file say of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdmConfig {
    /// Pixels a side of the pictures.
    pub resolution: usize,
    /// Channels of the pictures.
    pub channels: usize,
    /// Channels after the first convolution.
    pub base: usize,
    /// Channels at each size, from the largest; each size is half of the one before.
    pub widths: Vec<usize>,
    /// Sizes with attention.
    pub attention: Vec<bool>,
    /// Blocks at each size on the way down; on the way up there is one more.
    pub blocks: usize,
    /// Length of the vector of sines and cosines, and of what is made of it.
    pub embedding: [usize; 2],
    /// Standard deviation of the data, which no array tells.
    pub data_sd: f64,
}

/// Arrays that only other networks have, and what these are.
const OTHERS: &[(&str, &str)] = &[
    ("map_noise.freqs", "Fourier features of the level (NCSN++)"),
    ("_aux_residual.weight", "a residual encoder (NCSN++)"),
    ("_aux_skip.weight", "an encoder of skips"),
    ("_aux_up.resample_filter", "a decoder of skips"),
    ("map_label.weight", "class labels"),
    ("out_conv.weight", "the layers of ADM"),
];

impl EdmConfig {
    /// Whether the arrays of a file have the names of such a network, without a wrapper's in front.
    pub(super) fn is_named(header: &Header) -> bool {
        header.has("map_layer0.weight")
    }

    /// What the arrays say.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for another network of that family, or arrays that do not say it.
    pub(super) fn of(header: &Header) -> Result<Self> {
        let expected = "DDPM++ without class labels";
        for (end, what) in OTHERS {
            if header.names().any(|name| name.ends_with(end)) {
                return Err(unsupported("the names of EDM and", what, expected));
            }
        }
        if header.has("u") {
            return Err(unsupported("the names of EDM and", "the preconditioning of improved DDPM", expected));
        }
        // Means of two pixels; the filters of NCSN++ are four wide.
        let mut filters = header.names().filter(|name| is_filter(name));
        if let Some(name) = filters.find(|name| header.shape(name).is_none_or(|shape| shape != [1, 1, 2, 2])) {
            return Err(unsupported("the names of EDM and a longer filter", format!("`{name}`"), expected));
        }
        let axis = |name: &str, axis: usize| -> Result<usize> {
            let size = header.shape(name).and_then(|shape| shape.get(axis).copied());
            size.ok_or_else(|| unsupported("the names of EDM but without", format!("`{name}`"), expected))
        };
        let first = |name: &str| -> Option<usize> {
            name.strip_prefix("enc.")?.strip_suffix("_conv.weight")?.split('x').next()?.parse().ok()
        };
        let resolution = header.names().find_map(first);
        let resolution =
            resolution.ok_or_else(|| unsupported("the names of EDM but no", "`enc.RxR_conv`", expected))?;
        let at = |level: usize, rest: &str| {
            let side = resolution.checked_shr(level as u32).unwrap_or(0);
            format!("enc.{side}x{side}_{rest}")
        };
        // One more than the check allows: past the last halving all names are alike.
        let levels = (0..17).take_while(|k| header.has(&at(*k, "block0.conv0.weight"))).count();
        let widths = (0..levels).map(|k| axis(&at(k, "block0.conv0.weight"), 0)).collect::<Result<Vec<_>>>()?;
        let affine = axis(&at(0, "block0.affine.weight"), 0)?;
        if widths.first() != Some(&affine) {
            return Err(unsupported("the names of EDM and", "a scale beside the shift of the level (ADM)", expected));
        }
        Ok(Self {
            resolution,
            channels: axis(&at(0, "conv.weight"), 1)?,
            base: axis(&at(0, "conv.weight"), 0)?,
            attention: (0..levels).map(|k| header.has(&at(k, "block0.qkv.weight"))).collect(),
            blocks: (0..).take_while(|l| header.has(&at(0, &format!("block{l}.conv0.weight")))).count(),
            embedding: [axis("map_layer0.weight", 1)?, axis("map_layer0.weight", 0)?],
            data_sd: 0.5,
            widths,
        })
    }

    /// How the network is wrapped.
    pub fn preconditioning(&self) -> Preconditioning {
        Preconditioning::Edm { data_sd: self.data_sd }
    }

    fn check(&self, shape: [usize; 3]) -> Result<()> {
        let levels = self.widths.len();
        let is_width = |c: &usize| (4..=MOST_WIDTH).contains(c);
        let [waves, embedding] = self.embedding;
        let holds = (1..=16).contains(&levels)
            && self.attention.len() == levels
            && (1..=64).contains(&self.blocks)
            && self.widths.iter().chain([&self.base, &waves, &embedding]).all(is_width)
            && waves.is_multiple_of(2);
        if !holds {
            let found = format!("{:?}, {} blocks each, embedding {:?}", self.widths, self.blocks, self.embedding);
            return Err(unsupported("widths", found, "1 to 16 widths of 4 channels or more, 1 to 64 blocks each"));
        }
        self.preconditioning().check()?;
        let own = [self.channels, self.resolution, self.resolution];
        if shape != own {
            let found = format!("{own:?} for pictures {shape:?}");
            return Err(unsupported("pictures", found, "pictures [C, H, W] of its own size"));
        }
        if !self.resolution.is_multiple_of(1 << (levels - 1)) {
            let found = format!("{} for pictures of {} pixels a side", levels - 1, self.resolution);
            return Err(unsupported("halvings", found, "a side that can be halved so often"));
        }
        Ok(())
    }
}

/// Whether an array is the fixed filter of a change of size.
fn is_filter(name: &str) -> bool {
    name.ends_with(".resample_filter")
}

/// Whether an array of a file has no parameter here, and changes nothing.
pub(super) fn is_beside(name: &str) -> bool {
    is_filter(name) || name == "map_augment.weight"
}

/// A U-shaped network with the layers and the names of EDM's DDPM++.
pub struct EdmUNet {
    config: EdmConfig,
    map_layer0: Linear,
    map_layer1: Linear,
    enc: Stack,
    dec: Stack,
}

elbo_tensor::parameters!(EdmUNet { map_layer0, map_layer1, enc, dec });

/// Parts in a row, by names.
struct Stack(Vec<(String, Part)>);

enum Part {
    Convolution(Box<dyn Layer>),
    Block(Box<Block>),
    /// A block that also sees the features of the same size on the way down.
    Joining(Box<Block>),
    Norm(Box<GroupNorm>),
}

impl Parameters for Stack {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        for (name, part) in &self.0 {
            match part {
                Part::Convolution(layer) => nested(name, layer, f),
                Part::Block(block) | Part::Joining(block) => nested(name, block, f),
                Part::Norm(norm) => nested(name, &**norm, f),
            }
        }
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        for (name, part) in &mut self.0 {
            match part {
                Part::Convolution(layer) => nested_mut(name, layer, f),
                Part::Block(block) | Part::Joining(block) => nested_mut(name, block, f),
                Part::Norm(norm) => nested_mut(name, &mut **norm, f),
            }
        }
    }
}

/// What a block does to the size of a picture.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Same,
    Half,
    Double,
}

impl Size {
    fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::Same => x.clone(),
            Self::Half => x.avg_pool2d(&Window::square(2)),
            Self::Double => x.resize_nearest([2 * x.size(2), 2 * x.size(3)]),
        }
    }
}

struct Block {
    size: Size,
    norm0: GroupNorm,
    conv0: Box<dyn Layer>,
    affine: Linear,
    norm1: GroupNorm,
    conv1: Box<dyn Layer>,
    skip: Option<Box<dyn Layer>>,
    attend: Option<Attend>,
}

elbo_tensor::parameters!(Block {
    "norm0": norm0,
    "conv0": conv0,
    "affine": affine,
    "norm1": norm1,
    "conv1": conv1,
    "skip": skip,
    "": attend,
});

/// Attention of one head, whose queries, keys and values lie beside each other channel by channel.
struct Attend {
    norm2: GroupNorm,
    qkv: Box<dyn Layer>,
    proj: Box<dyn Layer>,
}

elbo_tensor::parameters!(Attend { norm2, qkv, proj });

/// What the parts are made with.
struct Maker<'a, 'b> {
    build: &'a mut Build<'b>,
    embedding: usize,
}

impl Maker<'_, '_> {
    /// Filters of `kernel` pixels a side on pictures of any size.
    fn convolution(&mut self, from: usize, out: usize, kernel: usize) -> Result<Box<dyn Layer>> {
        let config = Conv2dConfig { out, kernel, padding: kernel / 2, ..Conv2dConfig::default() };
        Ok(config.build(&[from, kernel, kernel], self.build)?.layer)
    }

    /// Groups of at least four channels, 32 of them at most.
    fn norm(&self, channels: usize) -> Result<GroupNorm> {
        let groups = (channels / 4).min(32);
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(unsupported("a norm of", format!("{channels} channels"), "channels that 32 groups divide"));
        }
        Ok(GroupNorm::new(channels, &GroupNormConfig { groups, epsilon: 1e-6 }, self.build))
    }

    fn block(&mut self, from: usize, out: usize, size: Size, attends: bool) -> Result<Box<Block>> {
        Ok(Box::new(Block {
            size,
            norm0: self.norm(from)?,
            conv0: self.convolution(from, out, 3)?,
            affine: Linear::new(self.embedding, out, true, self.build),
            norm1: self.norm(out)?,
            conv1: self.convolution(out, out, 3)?,
            skip: if from == out && size == Size::Same { None } else { Some(self.convolution(from, out, 1)?) },
            attend: if attends { Some(self.attend(out)?) } else { None },
        }))
    }

    fn attend(&mut self, channels: usize) -> Result<Attend> {
        let norm2 = self.norm(channels)?;
        let qkv = self.convolution(channels, 3 * channels, 1)?;
        Ok(Attend { norm2, qkv, proj: self.convolution(channels, channels, 1)? })
    }

    /// The way down, and the channels of what is remembered of it.
    fn down(&mut self, config: &EdmConfig) -> Result<(Stack, Vec<usize>)> {
        let mut width = config.base;
        let first = self.convolution(config.channels, width, 3)?;
        let mut parts = vec![(named(config, 0, "conv"), Part::Convolution(first))];
        let mut kept = vec![width];
        for (level, out) in config.widths.iter().enumerate() {
            if level > 0 {
                parts.push((named(config, level, "down"), Part::Block(self.block(width, width, Size::Half, false)?)));
                kept.push(width);
            }
            for l in 0..config.blocks {
                let block = self.block(width, *out, Size::Same, config.attention[level])?;
                parts.push((named(config, level, &format!("block{l}")), Part::Block(block)));
                width = *out;
                kept.push(width);
            }
        }
        Ok((Stack(parts), kept))
    }

    /// The way up.
    fn up(&mut self, config: &EdmConfig, mut kept: Vec<usize>) -> Result<Stack> {
        let deepest = config.widths.len() - 1;
        let mut width = config.widths[deepest];
        let mut parts = vec![];
        for (level, out) in config.widths.iter().enumerate().rev() {
            if level == deepest {
                parts.push((named(config, level, "in0"), Part::Block(self.block(width, width, Size::Same, true)?)));
                parts.push((named(config, level, "in1"), Part::Block(self.block(width, width, Size::Same, false)?)));
            } else {
                parts.push((named(config, level, "up"), Part::Block(self.block(width, width, Size::Double, false)?)));
            }
            for l in 0..=config.blocks {
                let fine = kept.pop().expect("as many blocks up as features down");
                let attends = config.attention[level] && l == config.blocks;
                let block = self.block(width + fine, *out, Size::Same, attends)?;
                parts.push((named(config, level, &format!("block{l}")), Part::Joining(block)));
                width = *out;
            }
        }
        parts.push((named(config, 0, "aux_norm"), Part::Norm(Box::new(self.norm(width)?))));
        let last = self.convolution(width, config.channels, 3)?;
        parts.push((named(config, 0, "aux_conv"), Part::Convolution(last)));
        Ok(Stack(parts))
    }
}

/// A part's name at a size: `16x16_block0`.
fn named(config: &EdmConfig, level: usize, part: &str) -> String {
    let side = config.resolution >> level;
    format!("{side}x{side}_{part}")
}

impl EdmUNet {
    /// The network for pictures `[C, H, W]`, with weights to be read.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for sizes that do not go together, or other pictures than its own.
    pub fn new(config: &EdmConfig, shape: [usize; 3], build: &mut Build<'_>) -> Result<Self> {
        config.check(shape)?;
        let [waves, embedding] = config.embedding;
        let map_layer0 = Linear::new(waves, embedding, true, build);
        let map_layer1 = Linear::new(embedding, embedding, true, build);
        let mut maker = Maker { build, embedding };
        let (enc, kept) = maker.down(config)?;
        let dec = maker.up(config, kept)?;
        Ok(Self { config: config.clone(), map_layer0, map_layer1, enc, dec })
    }

    /// Sines, then cosines, of ln(σ)/4 at frequencies that fall from 1 to 1e-4.
    fn waves(&self, level: &[f64]) -> Tensor {
        let half = self.config.embedding[0] / 2;
        sines(level, half, |k| 1e4f64.powf(-(k as f64) / (half as f64 - 1.0)))
    }
}

impl Block {
    fn forward(&self, x: &Tensor, level: &Tensor) -> Tensor {
        let pass = &mut Pass::evaluation();
        let hidden = self.conv0.forward(&self.size.apply(&self.norm0.forward(x, pass).silu()), pass);
        let shift = self.affine.forward(level, pass);
        let hidden = &hidden + shift.reshape(&[x.size(0), hidden.size(1), 1, 1]);
        let hidden = self.conv1.forward(&self.norm1.forward(&hidden, pass).silu(), pass);
        let around = match &self.skip {
            Some(skip) => skip.forward(&self.size.apply(x), pass),
            None => x.clone(),
        };
        let sum = (hidden + around) * SHARE;
        match &self.attend {
            Some(attend) => attend.forward(&sum),
            None => sum,
        }
    }
}

impl Attend {
    fn forward(&self, x: &Tensor) -> Tensor {
        let pass = &mut Pass::evaluation();
        let [batch, channels, h, w] = [0, 1, 2, 3].map(|d| x.size(d));
        let all = self.qkv.forward(&self.norm2.forward(x, pass), pass).reshape(&[batch, channels, 3, h * w]);
        let [query, key, value] = [0, 1, 2].map(|j| all.select(2, j).t().contiguous());
        let mixed = query.attention(&key, &value, &How::default()).t().contiguous();
        (self.proj.forward(&mixed.reshape(&[batch, channels, h, w]), pass) + x) * SHARE
    }
}

impl Network for EdmUNet {
    fn forward(&self, x: &Tensor, level: &[f64], _: &[usize]) -> Tensor {
        let pass = &mut Pass::evaluation();
        let EdmConfig { channels, resolution, .. } = self.config;
        let batch = x.size(0);
        let level = self.map_layer0.forward(&self.waves(level), pass).silu();
        let level = self.map_layer1.forward(&level, pass).silu();
        let mut hidden = x.reshape(&[batch, channels, resolution, resolution]);
        let mut fine = vec![];
        for (_, part) in &self.enc.0 {
            hidden = part.forward(hidden, &level, &mut vec![]);
            fine.push(hidden.clone());
        }
        for (_, part) in &self.dec.0 {
            hidden = part.forward(hidden, &level, &mut fine);
        }
        hidden.reshape(&[batch, channels * resolution * resolution])
    }
}

impl Part {
    /// `fine` are the features of the way down that are still to be joined.
    fn forward(&self, x: Tensor, level: &Tensor, fine: &mut Vec<Tensor>) -> Tensor {
        let pass = &mut Pass::evaluation();
        match self {
            Self::Convolution(layer) => layer.forward(&x, pass),
            Self::Block(block) => block.forward(&x, level),
            Self::Joining(block) => {
                let fine = fine.pop().expect("as many blocks up as features down");
                block.forward(&Tensor::cat(&[x, fine], 1), level)
            }
            Self::Norm(norm) => norm.forward(&x, pass).silu(),
        }
    }
}
