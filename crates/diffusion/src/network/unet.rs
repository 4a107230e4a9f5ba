//! A small U-shaped network of pictures.

use super::{Network, NetworkConfig, Told};
use elbo_core::{Error, Result};
use elbo_nn::layer::{Conv2dConfig, GroupNorm, GroupNormConfig, Linear};
use elbo_nn::{Build, Init, Layer, Pass};
use elbo_tensor::{Tensor, Window};

/// Residual blocks at falling sizes and back, with the fine features joined on the way up.
///
/// # Source
/// Ho, Jain and Abbeel (2020), without attention and with one block a level.
pub struct UNet {
    shape: [usize; 3],
    told: Told,
    embed1: Linear,
    embed2: Linear,
    first: Box<dyn Layer>,
    down: Vec<Block>,
    middle: Block,
    up: Vec<Block>,
    norm: GroupNorm,
    last: Box<dyn Layer>,
}

elbo_tensor::parameters!(UNet {
    "embed1": embed1,
    "embed2": embed2,
    "first": first,
    "down": down,
    "middle": middle,
    "up": up,
    "norm": norm,
    "last": last,
    "classes": told,
});

/// x + f(x), where f is norm, convolution, the level, norm, convolution.
struct Block {
    norm1: GroupNorm,
    conv1: Box<dyn Layer>,
    level: Linear,
    norm2: GroupNorm,
    conv2: Box<dyn Layer>,
    skip: Option<Box<dyn Layer>>,
}

elbo_tensor::parameters!(Block {
    "norm1": norm1,
    "conv1": conv1,
    "level": level,
    "norm2": norm2,
    "conv2": conv2,
    "skip": skip,
});

/// Most groups of a norm, of at least two channels each.
fn norm(channels: usize, build: &Build<'_>) -> GroupNorm {
    let groups = (1..=8).rev().find(|g| channels.is_multiple_of(*g) && channels >= 2 * g).unwrap_or(1);
    GroupNorm::new(channels, &GroupNormConfig { groups, ..GroupNormConfig::default() }, build)
}

fn convolution(from: [usize; 3], out: usize, kernel: usize, build: &mut Build<'_>) -> Result<Box<dyn Layer>> {
    let config = Conv2dConfig { out, kernel, padding: kernel / 2, ..Conv2dConfig::default() };
    Ok(config.build(&from, build)?.layer)
}

/// The same, starting at zero, so that a block starts as the identity.
fn silent(from: [usize; 3], out: usize, build: &mut Build<'_>) -> Result<Box<dyn Layer>> {
    let init = std::mem::replace(&mut build.init, Init::Zeros);
    let layer = convolution(from, out, 3, build);
    build.init = init;
    layer
}

impl Block {
    fn new([channels, h, w]: [usize; 3], out: usize, width: usize, build: &mut Build<'_>) -> Result<Self> {
        Ok(Self {
            norm1: norm(channels, build),
            conv1: convolution([channels, h, w], out, 3, build)?,
            level: Linear::new(width, out, true, build),
            norm2: norm(out, build),
            conv2: silent([out, h, w], out, build)?,
            skip: if channels == out { None } else { Some(convolution([channels, h, w], out, 1, build)?) },
        })
    }

    fn forward(&self, x: &Tensor, level: &Tensor) -> Tensor {
        let pass = &mut Pass::evaluation();
        let hidden = self.conv1.forward(&self.norm1.forward(x, pass).silu(), pass);
        let shift = self.level.forward(level, pass);
        let hidden = &hidden + shift.reshape(&[x.size(0), hidden.size(1), 1, 1]);
        let hidden = self.conv2.forward(&self.norm2.forward(&hidden, pass).silu(), pass);
        match &self.skip {
            Some(skip) => skip.forward(x, pass) + hidden,
            None => x + hidden,
        }
    }
}

impl UNet {
    /// For pictures `[C, H, W]`.
    ///
    /// # Errors
    /// [`Error::Setting`] for pictures that are too small to be halved so often.
    pub fn new(shape: [usize; 3], config: &NetworkConfig, build: &mut Build<'_>) -> Result<Self> {
        let [channels, mut h, mut w] = shape;
        let halvings = config.widths.len() - 1;
        if h.min(w) >> halvings == 0 {
            return Err(Error::Setting {
                setting: "widths".into(),
                found: format!("{:?}, which halves pictures of {h} x {w} pixels {halvings} times", config.widths),
                expected: "fewer widths, so that one pixel is left".into(),
            });
        }
        let wide = 2 * config.embedding;
        let embed1 = Linear::new(config.embedding, wide, true, build);
        let embed2 = Linear::new(wide, wide, true, build);
        let first = convolution(shape, config.widths[0], 3, build)?;
        let mut width = config.widths[0];
        let (mut down, mut sizes) = (vec![], vec![]);
        for (i, next) in config.widths.iter().enumerate() {
            if i > 0 {
                (h, w) = (h / 2, w / 2);
            }
            down.push(Block::new([width, h, w], *next, wide, build)?);
            sizes.push([h, w]);
            width = *next;
        }
        let middle = Block::new([width, h, w], width, wide, build)?;
        let mut up = vec![];
        for (next, [h, w]) in config.widths.iter().zip(&sizes).rev() {
            up.push(Block::new([width + next, *h, *w], *next, wide, build)?);
            width = *next;
        }
        let norm = norm(width, build);
        let last = silent([width, shape[1], shape[2]], channels, build)?;
        let told = Told::new(config, build);
        Ok(Self { shape, told, embed1, embed2, first, down, middle, up, norm, last })
    }
}

impl Network for UNet {
    fn forward(&self, x: &Tensor, level: &[f64], classes: &[usize]) -> Tensor {
        let pass = &mut Pass::evaluation();
        let [c, h, w] = self.shape;
        let batch = x.size(0);
        let level = self.embed1.forward(&self.told.forward(level, classes), pass).silu();
        let level = self.embed2.forward(&level, pass).silu();
        let mut hidden = self.first.forward(&x.reshape(&[batch, c, h, w]), pass);
        let mut fine = vec![];
        for (i, block) in self.down.iter().enumerate() {
            if i > 0 {
                hidden = hidden.avg_pool2d(&Window::square(2));
            }
            hidden = block.forward(&hidden, &level);
            fine.push(hidden.clone());
        }
        hidden = self.middle.forward(&hidden, &level);
        for (block, fine) in self.up.iter().zip(fine.into_iter().rev()) {
            let size = [fine.size(2), fine.size(3)];
            if [hidden.size(2), hidden.size(3)] != size {
                hidden = hidden.resize_nearest(size);
            }
            hidden = block.forward(&Tensor::cat(&[hidden, fine], 1), &level);
        }
        self.last.forward(&self.norm.forward(&hidden, pass).silu(), pass).reshape(&[batch, c * h * w])
    }
}
