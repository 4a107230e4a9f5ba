//! Convolutions over images, down and up.

use super::size::{MOST_WIDTH, check_weight};
use super::{Build, Built, Layer, Pass, refuse};
use elbo_core::{Result, ensure, ensure_within};
use elbo_tensor::{Convolution, Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of [`Conv2d`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Conv2dConfig {
    /// Channels afterwards.
    pub out: usize,
    /// Side of the filters.
    pub kernel: usize,
    /// Pixels between neighbouring outputs.
    pub stride: usize,
    /// Zeros on every side.
    pub padding: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Whether a constant is added to each channel.
    pub has_bias: bool,
}

impl Default for Conv2dConfig {
    fn default() -> Self {
        Self { out: 1, kernel: 3, stride: 1, padding: 1, groups: 1, has_bias: true }
    }
}

/// Convolution of images `[C, H, W]`.
pub struct Conv2d {
    /// `[out, C / groups, kernel, kernel]`.
    pub weight: Parameter,
    /// `[out]`.
    pub bias: Option<Parameter>,
    how: Convolution,
}

elbo_tensor::parameters!(Conv2d { "weight": weight, "bias": bias });

impl Conv2dConfig {
    /// The layer for images of this shape.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when the data points are not images, the filters do not fit, or the groups do not divide the
    /// channels.
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        check(self.out, self.kernel, self.stride, self.groups)?;
        let how = Convolution::default().strided(self.stride).padded(self.padding).grouped(self.groups);
        let &[channels, height, width] = shape else { return refuse("conv2d", shape, "images [C, H, W]") };
        check_groups("conv2d", shape, channels, self.out, self.groups)?;
        let Some([h, w]) = how.output([height, width], [self.kernel; 2]) else {
            return refuse("conv2d", shape, format!("images at least as large as a filter of {}", self.kernel));
        };
        let fan_in = channels / self.groups * self.kernel * self.kernel;
        let sizes = [self.out, channels / self.groups, self.kernel, self.kernel];
        check_weight("out", &sizes)?;
        let weight = build.weight(&sizes);
        let bias = self.has_bias.then(|| build.bias(self.out, fan_in));
        Built::new(Conv2d { weight, bias, how }, &[self.out, h, w])
    }
}

impl Layer for Conv2d {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        x.conv2d(&self.weight.get(), self.bias.as_ref().map(Parameter::get).as_ref(), &self.how)
    }
}

/// Settings of [`ConvTranspose2d`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConvTranspose2dConfig {
    /// Channels afterwards.
    pub out: usize,
    /// Side of the filters.
    pub kernel: usize,
    /// How many times larger the image becomes.
    pub stride: usize,
    /// Pixels taken away on every side.
    pub padding: usize,
    /// Rows and columns added at the end, each below `stride`.
    pub output_padding: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Whether a constant is added to each channel.
    pub has_bias: bool,
}

impl Default for ConvTranspose2dConfig {
    fn default() -> Self {
        Self { out: 1, kernel: 4, stride: 2, padding: 1, output_padding: [0, 0], groups: 1, has_bias: true }
    }
}

/// Transposed convolution of images `[C, H, W]`, which enlarges them.
pub struct ConvTranspose2d {
    /// `[C, out / groups, kernel, kernel]`.
    pub weight: Parameter,
    /// `[out]`.
    pub bias: Option<Parameter>,
    how: Convolution,
}

elbo_tensor::parameters!(ConvTranspose2d { "weight": weight, "bias": bias });

impl ConvTranspose2dConfig {
    /// The layer for images of this shape.
    ///
    /// # Errors
    /// As [`Conv2dConfig::build`].
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        check(self.out, self.kernel, self.stride, self.groups)?;
        let least = self.output_padding.iter().all(|p| *p < self.stride);
        ensure("output_padding", format!("{:?}", self.output_padding), least, "below `stride`")?;
        let mut how = Convolution::default().strided(self.stride).padded(self.padding).grouped(self.groups);
        how.output_padding = self.output_padding;
        let &[channels, height, width] = shape else { return refuse("conv_transpose2d", shape, "images [C, H, W]") };
        check_groups("conv_transpose2d", shape, channels, self.out, self.groups)?;
        let Some([h, w]) = how.transposed_output([height, width], [self.kernel; 2]) else {
            return refuse("conv_transpose2d", shape, "images that the padding does not take away");
        };
        // As PyTorch counts it, from the second axis of the weight.
        let fan_in = self.out / self.groups * self.kernel * self.kernel;
        let sizes = [channels, self.out / self.groups, self.kernel, self.kernel];
        check_weight("out", &sizes)?;
        let weight = build.weight(&sizes);
        let bias = self.has_bias.then(|| build.bias(self.out, fan_in));
        Built::new(ConvTranspose2d { weight, bias, how }, &[self.out, h, w])
    }
}

impl Layer for ConvTranspose2d {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        x.conv_transpose2d(&self.weight.get(), self.bias.as_ref().map(Parameter::get).as_ref(), &self.how)
    }
}

fn check(out: usize, kernel: usize, stride: usize, groups: usize) -> Result<()> {
    for (name, size) in [("out", out), ("kernel", kernel), ("stride", stride), ("groups", groups)] {
        ensure_within(name, size, 1..=MOST_WIDTH)?;
    }
    Ok(())
}

fn check_groups(layer: &str, shape: &[usize], channels: usize, out: usize, groups: usize) -> Result<()> {
    if channels.is_multiple_of(groups) && out.is_multiple_of(groups) {
        return Ok(());
    }
    refuse(layer, shape, format!("{channels} channels and {out} outputs that {groups} groups divide"))
}
