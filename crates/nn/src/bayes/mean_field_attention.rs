//! Attention with a normal distribution for each weight.

use super::mean_field::check_repeated;
use super::{MeanFieldLinear, Noise};
use crate::layer::{AttentionConfig, Build, Layer, Pass, attend};
use elbo_core::Result;
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of [`MeanFieldAttention`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MeanFieldAttentionConfig {
    /// The attention.
    pub attention: AttentionConfig,
    /// Standard deviation of each weight at the start.
    pub sd: f64,
    /// How the randomness reaches the outputs: flipout or weights.
    pub noise: Noise,
}

impl Default for MeanFieldAttentionConfig {
    fn default() -> Self {
        Self { attention: AttentionConfig::default(), sd: 0.01, noise: Noise::Flipout }
    }
}

/// A [`crate::layer::Attention`] whose weights and biases are `N(μ, σ²)`, each by itself. Passes draw as those of a [`MeanFieldLinear`].
///
/// A row meets the same weights at all its positions, with [`Noise::Flipout`] by signs that are the same at all of them, so that its outputs have exactly
/// the distribution that drawn weights give them; only that of several rows together differs.
///
/// # Source
/// Wen et al. (2018).
pub struct MeanFieldAttention {
    /// Queries, keys and values, `[3E, E + 1]`; the last column is the bias.
    pub input: MeanFieldLinear,
    /// What is made of the heads together, `[E, E + 1]`.
    pub output: MeanFieldLinear,
    heads: usize,
    is_causal: bool,
}

elbo_tensor::parameters!(MeanFieldAttention { "in_proj": input, "out_proj": output });

impl MeanFieldAttentionConfig {
    /// The layer for data points `[T, E]`, and the shape of what it returns.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a deviation that is not positive, local noise, and as [`AttentionConfig::build`].
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<(MeanFieldAttention, Vec<usize>)> {
        check_repeated(self.sd, self.noise)?;
        // Checks everything, and starts weights as the plain layer does.
        let built = self.attention.build(shape, build)?;
        let mut start = vec![];
        built.layer.visit(&mut |_, p| start.push(p.get().detach()));
        let around = |weight: &Tensor, bias: &Tensor| MeanFieldLinear::around(weight, bias, self.sd, self.noise);
        let layer = MeanFieldAttention {
            input: around(&start[0], &start[1]),
            output: around(&start[2], &start[3]),
            heads: self.attention.heads,
            is_causal: self.attention.is_causal,
        };
        Ok((layer, built.shape))
    }
}

impl MeanFieldAttention {
    /// KL of all weights and biases to independent normals of mean zero and this standard deviation, in nats.
    pub fn kl(&self, prior_sd: f64) -> Tensor {
        self.input.kl(prior_sd) + self.output.kl(prior_sd)
    }
}

impl Layer for MeanFieldAttention {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let (input, output) = (self.input.held(x.size(0), 3, pass), self.output.held(x.size(0), 3, pass));
        output.apply(&attend(&input.apply(x), self.heads, self.is_causal))
    }
}
