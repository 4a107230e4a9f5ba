//! A convolution with a normal distribution for each weight.

use super::Noise;
use super::mean_field::{LEAST_VARIANCE, kl_of_normals, signs};
use crate::init::normal;
use crate::layer::{Build, Conv2dConfig, Layer, Pass};
use elbo_core::{Error, Result, ensure};
use elbo_tensor::{Constraint, Convolution, Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of [`MeanFieldConv2d`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MeanFieldConv2dConfig {
    /// The convolution.
    pub convolution: Conv2dConfig,
    /// Standard deviation of each weight at the start.
    pub sd: f64,
    /// How the randomness reaches the outputs.
    pub noise: Noise,
}

impl Default for MeanFieldConv2dConfig {
    fn default() -> Self {
        Self { convolution: Conv2dConfig::default(), sd: 1e-3, noise: Noise::Flipout }
    }
}

/// Filters `W ~ N(M, S²)`, element by element, and biases likewise. Passes draw as those of a [`super::MeanFieldLinear`].
///
/// [`Noise::Local`] draws every pixel of the output by itself, with the variance that the filters give it. A filter is used at many places, so
/// pixels of one picture really vary together, which is dropped: training is less noisy and its gradient no longer that of drawn
/// filters. [`Noise::Flipout`], the default, keeps it.
pub struct MeanFieldConv2d {
    /// Means of the filters, `[O, C / groups, kernel, kernel]`.
    pub mean: Parameter,
    /// Their standard deviations.
    pub sd: Parameter,
    /// Means of the biases, `[O]`.
    pub bias_mean: Parameter,
    /// Their standard deviations.
    pub bias_sd: Parameter,
    how: Convolution,
    noise: Noise,
}

elbo_tensor::parameters!(MeanFieldConv2d { "mean": mean, "sd": sd, "bias_mean": bias_mean, "bias_sd": bias_sd });

impl MeanFieldConv2dConfig {
    /// The layer for pictures `[C, H, W]`, and the shape of what it returns.
    ///
    /// # Errors
    /// [`Error::Setting`] for a deviation that is not positive, a convolution without biases, and as [`Conv2dConfig::build`].
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<(MeanFieldConv2d, Vec<usize>)> {
        ensure("sd", self.sd, self.sd > 0.0 && self.sd.is_finite(), "above 0")?;
        let conv = &self.convolution;
        if !conv.has_bias {
            return Err(Error::Setting {
                setting: "has_bias".into(),
                found: "false".into(),
                expected: "true, since biases have a distribution too".into(),
            });
        }
        // Checks everything, and starts filters and biases as the plain layer does.
        let built = conv.build(shape, build)?;
        let mut start = vec![];
        built.layer.visit(&mut |_, p| start.push(p.get().detach()));
        let spread = |mean: &Tensor| Parameter::from_tensor(&mean.full_like(self.sd), Constraint::Positive);
        let how = Convolution::default().strided(conv.stride).padded(conv.padding).grouped(conv.groups);
        let layer = MeanFieldConv2d {
            sd: spread(&start[0]),
            bias_sd: spread(&start[1]),
            mean: Parameter::real(&start[0]),
            bias_mean: Parameter::real(&start[1]),
            how,
            noise: self.noise,
        };
        Ok((layer, built.shape))
    }
}

impl MeanFieldConv2d {
    /// KL of filters and biases to independent normals of mean zero and this standard deviation, in nats.
    pub fn kl(&self, prior_sd: f64) -> Tensor {
        let of = |mean: &Parameter, sd: &Parameter| kl_of_normals(&mean.get(), &sd.get(), prior_sd).sum();
        of(&self.mean, &self.sd) + of(&self.bias_mean, &self.bias_sd)
    }
}

impl Layer for MeanFieldConv2d {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let (mean, sd) = (self.mean.get(), self.sd.get());
        let (bias, bias_sd) = (self.bias_mean.get(), self.bias_sd.get());
        let centre = x.conv2d(&mean, Some(&bias), &self.how);
        let noise = if pass.is_of_function() { Noise::Weights } else { self.noise };
        let Some(rng) = pass.rng() else { return centre };
        let mut normals = |shape: &[usize]| normal(shape, 1.0, rng, x.dtype());
        let (rows, channels, out) = (x.size(0), x.size(1), bias.len());
        match noise {
            Noise::Local => {
                let variance = x.square().conv2d(&sd.square(), Some(&bias_sd.square()), &self.how) + LEAST_VARIANCE;
                let drawn = normals(centre.shape());
                centre + variance.sqrt() * drawn
            }
            Noise::Weights => {
                let (filters, shift) = (&sd * normals(sd.shape()), &bias_sd * normals(&[out]));
                centre + x.conv2d(&filters, Some(&shift), &self.how)
            }
            Noise::Flipout => {
                let drawn = &sd * normals(sd.shape());
                let (inner, outer) = (signs(&normals(&[rows, channels, 1, 1])), signs(&normals(&[rows, out, 1, 1])));
                // A bias is used once a row and channel, so that each row draws its own.
                let shift = (&bias_sd * normals(&[rows, out])).reshape(&[rows, out, 1, 1]);
                centre + (x * inner).conv2d(&drawn, None, &self.how) * outer + shift
            }
        }
    }
}
