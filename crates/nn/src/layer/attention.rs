//! Attention over a sequence, and the block around it.

use super::linear::Linear;
use super::norm::LayerNorm;
use super::size::check_widths;
use super::{Build, Built, DropoutConfig, Layer, Pass, refuse};
use crate::activation::Activation;
use crate::init::Init;
use elbo_core::Result;
use elbo_tensor::{Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of [`Attention`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionConfig {
    /// Number of heads; must divide the length of a vector.
    pub heads: usize,
    /// Whether a position sees only itself and earlier ones.
    pub is_causal: bool,
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self { heads: 4, is_causal: false }
    }
}

/// Multi-head self-attention over data points `[T, E]`.
///
/// # Source
/// Vaswani et al. (2017); weights as PyTorch's `MultiheadAttention` has them.
pub struct Attention {
    in_weight: Parameter,
    in_bias: Parameter,
    out: Linear,
    heads: usize,
    is_causal: bool,
}

elbo_tensor::parameters!(Attention { "in_proj_weight": in_weight, "in_proj_bias": in_bias, "out_proj": out });

impl AttentionConfig {
    /// The layer for data points `[T, E]`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when the heads do not divide `E`.
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        Built::new(Attention::new(self.width(shape)?, self, build), shape)
    }

    /// `E`, which the heads must divide.
    fn width(&self, shape: &[usize]) -> Result<usize> {
        match *shape {
            [_, width] if self.heads > 0 && width.is_multiple_of(self.heads) => Ok(width),
            _ => refuse("attention", shape, format!("[T, E] with E divided by {} heads", self.heads)),
        }
    }
}

impl Attention {
    /// For vectors of this length.
    pub fn new(width: usize, config: &AttentionConfig, build: &mut Build<'_>) -> Self {
        let init = if build.init == Init::Torch { Init::XavierUniform } else { build.init };
        let in_weight = Parameter::real(&init.weight(&[3 * width, width], build.rng, build.dtype));
        let in_bias = build.full(3 * width, 0.0);
        let mut out = Linear::new(width, width, true, build);
        out.bias = Some(build.full(width, 0.0));
        Self { in_weight, in_bias, out, heads: config.heads, is_causal: config.is_causal }
    }
}

impl Layer for Attention {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let projected = x.linear(&self.in_weight.get(), Some(&self.in_bias.get()));
        self.out.forward(&attend(&projected, self.heads, self.is_causal), pass)
    }
}

/// What each position takes from all, from queries, keys and values side by side, `[B, T, 3E]`; returns `[B, T, E]`.
pub(crate) fn attend(projected: &Tensor, heads: usize, is_causal: bool) -> Tensor {
    let (batch, steps, width) = (projected.size(0), projected.size(1), projected.size(2) / 3);
    // [B, heads, T, depth] each.
    let part = |i: usize| {
        let part = projected.narrow(-1, i * width, width).reshape(&[batch, steps, heads, width / heads]);
        part.transpose(1, 2).contiguous()
    };
    let (query, key, value) = (part(0), part(1), part(2));
    let how = if is_causal { elbo_tensor::Attention::causal() } else { elbo_tensor::Attention::default() };
    let mixed = query.attention(&key, &value, &how).transpose(1, 2).contiguous();
    mixed.reshape(&[batch, steps, width])
}

/// Settings of [`Transformer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransformerConfig {
    /// The attention inside.
    pub attention: AttentionConfig,
    /// Width of the network after the attention.
    pub hidden: usize,
    /// Its nonlinear function.
    pub activation: Activation,
    /// Share of the units that are left out in training.
    pub dropout: f64,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self { attention: AttentionConfig::default(), hidden: 256, activation: Activation::Gelu, dropout: 0.0 }
    }
}

/// Attention and a network, each after a norm and around a shortcut: x + A(norm x), then x + F(norm x).
///
/// Weights as PyTorch's `TransformerEncoderLayer` has them with `norm_first`.
pub struct Transformer {
    attention: Attention,
    linear1: Linear,
    linear2: Linear,
    norm1: LayerNorm,
    norm2: LayerNorm,
    dropout: Box<dyn Layer>,
    activation: Activation,
}

elbo_tensor::parameters!(Transformer {
    "self_attn": attention,
    "linear1": linear1,
    "linear2": linear2,
    "norm1": norm1,
    "norm2": norm2,
});

impl TransformerConfig {
    /// The layer for data points `[T, E]`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when the heads do not divide `E`, or a setting is out of range.
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        let width = self.attention.width(shape)?;
        check_widths("hidden", &[self.hidden])?;
        let dropout = DropoutConfig { share: self.dropout }.build(shape)?.layer;
        let layer = Transformer {
            attention: Attention::new(width, &self.attention, build),
            linear1: Linear::new(width, self.hidden, true, build),
            linear2: Linear::new(self.hidden, width, true, build),
            norm1: LayerNorm::new(&[width], 1e-5, build),
            norm2: LayerNorm::new(&[width], 1e-5, build),
            dropout,
            activation: self.activation,
        };
        Built::new(layer, shape)
    }
}

impl Layer for Transformer {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let seen = self.attention.forward(&self.norm1.forward(x, pass), pass);
        let x = x + self.dropout.forward(&seen, pass);
        let hidden = self.activation.apply(&self.linear1.forward(&self.norm2.forward(&x, pass), pass));
        let hidden = self.dropout.forward(&hidden, pass);
        let thought = self.linear2.forward(&hidden, pass);
        x + self.dropout.forward(&thought, pass)
    }
}
