//! Layers: a configuration builds a value with parameters named and laid out as PyTorch's are.
//!
//! | I want | configuration |
//! |---|---|
//! | a linear map of the last axis | [`LinearConfig`] |
//! | a nonlinear function | [`Activation`] |
//! | convolutions, up and down | [`Conv2dConfig`], [`ConvTranspose2dConfig`], [`PoolConfig`], [`UpsampleConfig`] |
//! | normalised features | [`LayerNormConfig`], [`GroupNormConfig`], [`BatchNormConfig`], [`GdnConfig`] |
//! | sequences | [`EmbeddingConfig`], [`GruConfig`], [`AttentionConfig`], [`TransformerConfig`] |
//! | less overfitting | [`DropoutConfig`] |
//! | several layers in a row, or around a shortcut | [`Sequential`], [`Residual`] |
//!
//! A configuration knows no input size: [`LayerConfig::build`] gets the shape of one data point, without the batch, and returns the
//! shape that comes out, so sizes are checked before any work. To add a layer, write the pair and one line in [`LayerConfig`].

mod attention;
mod conv;
mod dropout;
mod embedding;
mod gdn;
mod gru;
mod linear;
mod norm;
mod pool;
mod sequential;
mod shape;
mod size;

pub(crate) use attention::attend;
pub use attention::{Attention, AttentionConfig, Transformer, TransformerConfig};
pub use conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
pub use dropout::{Dropout, DropoutConfig};
pub use embedding::{Embedding, EmbeddingConfig};
pub use gdn::{Gdn, GdnConfig};
pub use gru::{Gru, GruConfig, Output};
pub(crate) use gru::{by_time, next_state};
pub use linear::{Linear, LinearConfig};
pub use norm::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig};
pub use pool::{Pool, PoolConfig, PoolKind, Upsample, UpsampleConfig};
pub use sequential::{Residual, Sequential};
pub use shape::Reshape;
pub(crate) use size::check_weight;
pub use size::{MOST_WIDTH, check_widths};

use crate::activation::Activation;
use crate::init::Init;
use elbo_core::{Allowed, Error, Result, Rng};
use elbo_tensor::{DType, Parameter, Parameters, Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A differentiable map of a batch.
pub trait Layer: Parameters + Send + Sync {
    /// `x: [B, ...]` with one data point a row, in the layer's precision.
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor;
}

/// What a forward pass is for: training, with random numbers; evaluation, without; or one draw of what the network may be.
///
/// | pass | layers with random numbers | batch norm |
/// |---|---|---|
/// | [`Pass::training`] | draw for each row | uses the batch, moves its running statistics |
/// | [`Pass::evaluation`] | use their means | uses its running statistics |
/// | [`Pass::drawing`] | draw for each row | uses its running statistics |
/// | [`Pass::drawing_function`] | draw once for all rows | uses its running statistics |
/// | [`Pass::counting`] | draw for each row | uses the batch, averages its statistics with those of earlier batches |
pub struct Pass<'a> {
    rng: Option<&'a mut Rng>,
    purpose: Purpose,
    /// Share of a batch's statistics in the running ones, in place of the layer's own.
    share: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Training,
    Evaluation,
    Rows,
    Function,
}

impl<'a> Pass<'a> {
    /// A pass of training: dropout drops, batch norm uses the batch and moves its running statistics.
    pub fn training(rng: &'a mut Rng) -> Self {
        Self { rng: Some(rng), purpose: Purpose::Training, share: None }
    }

    /// A pass without randomness: batch norm uses its running statistics.
    pub fn evaluation() -> Pass<'static> {
        Pass { rng: None, purpose: Purpose::Evaluation, share: None }
    }

    /// A pass that draws as training does and leaves the network as it is: one draw of each row's prediction.
    pub fn drawing(rng: &'a mut Rng) -> Self {
        Self { rng: Some(rng), purpose: Purpose::Rows, share: None }
    }

    /// The same with one draw for all rows, which then are values of one function.
    pub fn drawing_function(rng: &'a mut Rng) -> Self {
        Self { rng: Some(rng), purpose: Purpose::Function, share: None }
    }

    /// A pass over the `batch`-th batch, counted from one, that makes the running statistics the mean of those of all batches so far:
    /// for weights that were averaged or drawn, whose statistics nobody has seen.
    pub fn counting(rng: &'a mut Rng, batch: usize) -> Self {
        Self { rng: Some(rng), purpose: Purpose::Training, share: Some(1.0 / batch.max(1) as f64) }
    }

    /// Whether this is a pass of training.
    pub fn is_training(&self) -> bool {
        self.purpose == Purpose::Training
    }

    /// Share of a batch's statistics in the running ones, where the layer's own is not meant.
    pub fn share(&self) -> Option<f64> {
        self.share
    }

    /// Whether all rows share one draw of what is random.
    pub fn is_of_function(&self) -> bool {
        self.purpose == Purpose::Function
    }

    /// The random numbers of a pass that draws.
    pub fn rng(&mut self) -> Option<&mut Rng> {
        self.rng.as_deref_mut()
    }
}

/// Sets the running statistics of all batch norms to the means over these batches, with the network's present weights.
pub fn refresh_statistics(network: &dyn Layer, batches: &[Tensor], rng: &mut Rng) {
    for (i, batch) in batches.iter().enumerate() {
        no_grad(|| network.forward(batch, &mut Pass::counting(rng, i + 1)));
    }
}

/// What building a layer needs: random numbers, the precision, and how weights start unless a layer says otherwise.
pub struct Build<'a> {
    /// The source of starting weights.
    pub rng: &'a mut Rng,
    /// Precision of the parameters.
    pub dtype: DType,
    /// How weights start.
    pub init: Init,
}

impl<'a> Build<'a> {
    /// Single precision and PyTorch's starting weights.
    pub fn new(rng: &'a mut Rng) -> Self {
        Self { rng, dtype: DType::F32, init: Init::Torch }
    }

    /// A weight `[out, in, ...]`.
    pub(crate) fn weight(&mut self, shape: &[usize]) -> Parameter {
        Parameter::real(&self.init.weight(shape, self.rng, self.dtype))
    }

    /// A bias of `n` numbers.
    pub(crate) fn bias(&mut self, n: usize, fan_in: usize) -> Parameter {
        Parameter::real(&self.init.bias(n, fan_in, self.rng, self.dtype))
    }

    pub(crate) fn full(&self, n: usize, value: f64) -> Parameter {
        Parameter::real(&Tensor::full(&[n], value, self.dtype))
    }
}

/// A layer and the shape of what it returns, without the batch.
pub struct Built {
    /// The layer.
    pub layer: Box<dyn Layer>,
    /// The shape of one data point after it.
    pub shape: Vec<usize>,
    /// Numbers of one data point where they are most: after it, or after a layer within.
    pub widest: usize,
}

impl Built {
    pub(crate) fn new(layer: impl Layer + 'static, shape: &[usize]) -> Result<Self> {
        Ok(Self { layer: Box::new(layer), shape: shape.into(), widest: shape.iter().product() })
    }
}

/// A layer by its `"type"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LayerConfig {
    /// A linear map of the last axis.
    Linear(LinearConfig),
    /// A nonlinear function of every number.
    Activation(ActivationConfig),
    /// A convolution of images.
    #[serde(rename = "conv2d")]
    Conv2d(Conv2dConfig),
    /// A transposed convolution, which enlarges images.
    #[serde(rename = "conv_transpose2d")]
    ConvTranspose2d(ConvTranspose2dConfig),
    /// One pixel for each window of an image.
    Pool(PoolConfig),
    /// Larger images, without weights.
    Upsample(UpsampleConfig),
    /// Trailing axes brought to mean zero and variance one.
    LayerNorm(LayerNormConfig),
    /// Groups of channels brought to mean zero and variance one.
    GroupNorm(GroupNormConfig),
    /// Channels brought to mean zero and variance one over a batch.
    BatchNorm(BatchNormConfig),
    /// Channels divided by how large all of them are at their place.
    Gdn(GdnConfig),
    /// A vector for every level of a category.
    Embedding(EmbeddingConfig),
    /// A gated recurrent unit over a sequence.
    Gru(GruConfig),
    /// Self-attention over a sequence.
    Attention(AttentionConfig),
    /// Attention and a network, each around a shortcut.
    Transformer(TransformerConfig),
    /// Units left out at random in training.
    Dropout(DropoutConfig),
    /// A data point in another shape.
    Reshape(ReshapeConfig),
    /// Layers in a row.
    Sequential(SequentialConfig),
    /// Layers in a row, whose result is added to their input.
    Residual(SequentialConfig),
}

/// A nonlinear function as a layer.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActivationConfig {
    /// Its name.
    pub name: Activation,
}

/// A data point in another shape.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReshapeConfig {
    /// The new shape; empty flattens to one axis.
    pub shape: Vec<usize>,
}

/// Layers in a row.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SequentialConfig {
    /// The layers, first to last.
    pub layers: Vec<LayerConfig>,
}

impl LayerConfig {
    /// The layer for data points of this shape.
    ///
    /// # Errors
    /// [`Error::Setting`] when the layer cannot take such data points, or a setting is out of range.
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        match self {
            Self::Linear(config) => config.build(shape, build),
            Self::Activation(config) => Built::new(config.name, shape),
            Self::Conv2d(config) => config.build(shape, build),
            Self::ConvTranspose2d(config) => config.build(shape, build),
            Self::Pool(config) => config.build(shape),
            Self::Upsample(config) => config.build(shape),
            Self::LayerNorm(config) => config.build(shape, build),
            Self::GroupNorm(config) => config.build(shape, build),
            Self::BatchNorm(config) => config.build(shape, build),
            Self::Gdn(config) => config.build(shape, build),
            Self::Embedding(config) => config.build(shape, build),
            Self::Gru(config) => config.build(shape, build),
            Self::Attention(config) => config.build(shape, build),
            Self::Transformer(config) => config.build(shape, build),
            Self::Dropout(config) => config.build(shape),
            Self::Reshape(config) => Reshape::build(&config.shape, shape),
            Self::Sequential(config) => {
                let (sequential, shape, widest) = Sequential::measured(&config.layers, shape, build)?;
                Ok(Built { layer: Box::new(sequential), shape, widest })
            }
            Self::Residual(config) => Residual::build(&config.layers, shape, build),
        }
    }
}

impl From<Activation> for LayerConfig {
    fn from(name: Activation) -> Self {
        Self::Activation(ActivationConfig { name })
    }
}

impl Layer for Activation {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        self.apply(x)
    }
}

elbo_tensor::parameters!(Activation {});

/// Refuses data points that a layer cannot take.
pub(crate) fn refuse<T>(layer: &str, shape: &[usize], expected: impl Into<Allowed>) -> Result<T> {
    Err(Error::Setting {
        setting: layer.into(),
        found: format!("given data points of shape {shape:?}"),
        expected: expected.into(),
    })
}
