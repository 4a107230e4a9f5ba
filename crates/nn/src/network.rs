//! Encoders and decoders of vectors, pictures and sequences, as settings.

use crate::activation::Activation;
use crate::init::Init;
use crate::layer::{
    BatchNormConfig, Build, Conv2dConfig, ConvTranspose2dConfig, DropoutConfig, Embedding, EmbeddingConfig,
    GroupNormConfig, Gru, GruConfig, Layer, LayerConfig, Linear, LinearConfig, Output, Pass, ReshapeConfig, Sequential,
    check_widths, refuse,
};
use crate::operator::{Operator, OperatorConfig};
pub use crate::vae::OriginConfig;
use elbo_core::{Error, Result, ensure_within};
use elbo_tensor::{DType, Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A network from a data point to numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EncoderConfig {
    /// Linear layers with a nonlinear function between them, for vectors and small pictures.
    Mlp(MlpConfig),
    /// Convolutions, each with a stride of two, for pictures.
    Conv(ConvConfig),
    /// A gated recurrent unit, for sequences.
    Gru(SequenceConfig),
    /// Any layers; a linear one follows.
    Layers {
        /// First to last.
        layers: Vec<LayerConfig>,
    },
    /// No network but numbers of its own for each data point that is trained on. Which are a data point's says the last of the numbers that the
    /// encoder sees, its place counted from 0, which is a condition.
    Table {
        /// Number of data points.
        rows: usize,
    },
    /// No network but steps down the gradient of the decoder's loss from the origin, whose end is the code; a linear layer makes more numbers of it
    /// where a posterior has a spread.
    GradientOrigin(OriginConfig),
    /// A network of functions, whose numbers do not depend on how finely they were sampled.
    Operator(OperatorConfig),
}

/// A network from a code to the parameters of a likelihood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DecoderConfig {
    /// Linear layers with a nonlinear function between them.
    Mlp(MlpConfig),
    /// The encoder of the same settings, backwards.
    Conv(ConvConfig),
    /// A gated recurrent unit that starts from the code and sees the element before the one it predicts.
    Gru(SequenceConfig),
    /// Any layers; a linear one follows.
    Layers {
        /// First to last.
        layers: Vec<LayerConfig>,
    },
}

/// Settings of linear layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MlpConfig {
    /// Widths of the layers between input and output; none for a linear network.
    pub hidden: Vec<usize>,
    /// The nonlinear function.
    pub activation: Activation,
    /// Share of the input that is left out in training.
    pub dropout: f64,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self { hidden: vec![400], activation: Activation::Relu, dropout: 0.0 }
    }
}

impl MlpConfig {
    /// Layers of these widths.
    pub fn new(hidden: &[usize], activation: Activation) -> Self {
        Self { hidden: hidden.into(), activation, dropout: 0.0 }
    }

    fn layers(&self, out: usize) -> Vec<LayerConfig> {
        let mut layers = vec![];
        // A share out of range is refused by the layer.
        if self.dropout != 0.0 {
            layers.push(LayerConfig::Dropout(DropoutConfig { share: self.dropout }));
        }
        for width in &self.hidden {
            layers.push(LayerConfig::Linear(LinearConfig::new(*width)));
            layers.push(self.activation.into());
        }
        layers.push(LayerConfig::Linear(LinearConfig::new(out)));
        layers
    }
}

/// What is done to the channels after a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Nothing.
    #[default]
    None,
    /// Normalised over the batch.
    Batch,
    /// Normalised over all channels of a picture.
    Group,
}

/// Settings of convolutions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConvConfig {
    /// Channels after each convolution, each of which halves the picture.
    pub channels: Vec<usize>,
    /// Side of the filters.
    pub kernel: usize,
    /// Widths of linear layers between the convolutions and the code.
    pub hidden: Vec<usize>,
    /// The nonlinear function.
    pub activation: Activation,
    /// What is done to the channels after a convolution.
    pub norm: Norm,
}

impl Default for ConvConfig {
    fn default() -> Self {
        Self { channels: vec![32, 64], kernel: 3, hidden: vec![], activation: Activation::Relu, norm: Norm::None }
    }
}

impl ConvConfig {
    fn convolution(&self, out: usize) -> Conv2dConfig {
        Conv2dConfig { out, kernel: self.kernel, stride: 2, padding: (self.kernel - 1) / 2, ..Conv2dConfig::default() }
    }

    fn norm(&self, layers: &mut Vec<LayerConfig>) {
        match self.norm {
            Norm::None => {}
            Norm::Batch => layers.push(LayerConfig::BatchNorm(BatchNormConfig::default())),
            Norm::Group => layers.push(LayerConfig::GroupNorm(GroupNormConfig::default())),
        }
    }

    fn down(&self, out: usize) -> Vec<LayerConfig> {
        let mut layers = vec![];
        for channels in &self.channels {
            layers.push(LayerConfig::Conv2d(self.convolution(*channels)));
            self.norm(&mut layers);
            layers.push(self.activation.into());
        }
        layers.push(LayerConfig::Reshape(ReshapeConfig::default()));
        layers.extend(MlpConfig::new(&self.hidden, self.activation).layers(out));
        layers
    }

    /// Sizes of the picture from the data to the smallest.
    fn sizes(&self, shape: [usize; 3]) -> Result<Vec<[usize; 3]>> {
        ensure_within("kernel", self.kernel, 1..)?;
        let mut sizes = vec![shape];
        for channels in &self.channels {
            let [_, h, w] = sizes[sizes.len() - 1];
            let padded = [h, w].map(|n| n + 2 * ((self.kernel - 1) / 2));
            if padded.iter().any(|n| *n < self.kernel) {
                return refuse("conv", &shape, format!("larger pictures for {} halvings", self.channels.len()));
            }
            let [h, w] = padded.map(|n| (n - self.kernel) / 2 + 1);
            sizes.push([*channels, h, w]);
        }
        Ok(sizes)
    }

    fn up(&self, shape: [usize; 3], blocks: usize) -> Result<Vec<LayerConfig>> {
        let sizes = self.sizes(shape)?;
        let [c, h, w] = sizes[sizes.len() - 1];
        let hidden: Vec<usize> = self.hidden.iter().rev().copied().collect();
        let mut layers = MlpConfig::new(&hidden, self.activation).layers(c * h * w);
        layers.push(self.activation.into());
        layers.push(LayerConfig::Reshape(ReshapeConfig { shape: vec![c, h, w] }));
        for i in (0..self.channels.len()).rev() {
            let ([c, h, w], [_, small_h, small_w]) = (sizes[i], sizes[i + 1]);
            let padding = (self.kernel - 1) / 2;
            // What the strided convolution left over at the end is added again.
            let rest = |large: usize, small: usize| large + 2 * padding - self.kernel - 2 * (small - 1);
            layers.push(LayerConfig::ConvTranspose2d(ConvTranspose2dConfig {
                out: if i == 0 { blocks * c } else { c },
                kernel: self.kernel,
                padding,
                output_padding: [rest(h, small_h), rest(w, small_w)],
                ..ConvTranspose2dConfig::default()
            }));
            if i > 0 {
                self.norm(&mut layers);
                layers.push(self.activation.into());
            }
        }
        Ok(layers)
    }
}

/// Settings of a recurrent network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SequenceConfig {
    /// Size of the state.
    pub hidden: usize,
    /// Number of levels, where the elements are categories; zero for numbers.
    pub levels: usize,
    /// Length of the vector of a level.
    pub embedding: usize,
}

impl Default for SequenceConfig {
    fn default() -> Self {
        Self { hidden: 64, levels: 0, embedding: 16 }
    }
}

/// A network from data points, given as rows of numbers, to `width` numbers.
pub struct Encoder {
    shape: Vec<usize>,
    layers: Sequential,
    /// Whether it sees the last number alone.
    is_table: bool,
    /// The network of functions, in place of the layers.
    operator: Option<Operator>,
}

elbo_tensor::parameters!(Encoder { "": layers, "operator": operator });

impl Encoder {
    /// `x: [B, D]`, row-major data points; returns `[B, width]`.
    ///
    /// # Panics
    /// For a data point without a row in a table.
    pub fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        if let Some(operator) = &self.operator {
            return operator.forward(x, pass);
        }
        let x = if self.is_table { x.narrow(-1, x.size(-1) - 1, 1) } else { x.clone() };
        let shaped =
            if self.shape.len() == 1 { x.clone() } else { x.reshape(&[&[x.size(0)], &self.shape[..]].concat()) };
        Layer::forward(&self.layers, &shaped, pass)
    }
}

impl Encoder {
    /// The network of functions of this shape, with a mask behind them where `has_mask`, to `width` numbers.
    ///
    /// # Errors
    /// Those of [`OperatorConfig::build`].
    pub(crate) fn of_functions(
        config: &OperatorConfig,
        shape: &[usize],
        has_mask: bool,
        width: usize,
        build: &mut Build<'_>,
    ) -> Result<Self> {
        let operator = Some(config.build(shape, has_mask, width, build)?);
        Ok(Self { shape: shape.to_vec(), layers: Sequential::default(), is_table: false, operator })
    }
}

impl EncoderConfig {
    /// Levels that it looks up a vector for; zero where elements are numbers.
    pub(crate) fn levels(&self) -> usize {
        let of = |layer: &LayerConfig| match layer {
            LayerConfig::Embedding(config) => Some(config.levels),
            _ => None,
        };
        match self {
            Self::Mlp(_) | Self::Conv(_) | Self::Table { .. } | Self::GradientOrigin(_) | Self::Operator(_) => 0,
            Self::Gru(config) => config.levels,
            Self::Layers { layers } => layers.iter().find_map(of).unwrap_or(0),
        }
    }

    /// The network from data points of this shape to `width` numbers.
    ///
    /// # Errors
    /// [`Error::Setting`] when the network cannot take such data points.
    pub fn build(&self, shape: &[usize], width: usize, build: &mut Build<'_>) -> Result<Encoder> {
        let count: usize = shape.iter().product();
        let (seen, layers) = match self {
            Self::Mlp(config) => (vec![count], config.layers(width)),
            Self::Conv(config) => {
                let shape = picture(shape)?;
                config.sizes(shape)?;
                (shape.to_vec(), config.down(width))
            }
            Self::Gru(config) => {
                let mut layers = vec![];
                let seen = if config.levels > 0 {
                    layers
                        .push(LayerConfig::Embedding(EmbeddingConfig { levels: config.levels, out: config.embedding }));
                    vec![count]
                } else {
                    sequence(shape)?.to_vec()
                };
                layers.push(LayerConfig::Gru(GruConfig { hidden: config.hidden, layers: 1, output: Output::Last }));
                layers.push(LayerConfig::Linear(LinearConfig::new(width)));
                (seen, layers)
            }
            Self::Layers { layers } => {
                let mut layers = layers.clone();
                layers.push(LayerConfig::Reshape(ReshapeConfig::default()));
                layers.push(LayerConfig::Linear(LinearConfig::new(width)));
                (shape.to_vec(), layers)
            }
            Self::Table { rows } => {
                let table = EmbeddingConfig { levels: *rows, out: width };
                (vec![1], vec![LayerConfig::Embedding(table), LayerConfig::Reshape(ReshapeConfig::default())])
            }
            Self::Operator(config) => return Encoder::of_functions(config, shape, false, width, build),
            // It sees codes, which are all that points need.
            Self::GradientOrigin(_) if count == width => (vec![count], vec![]),
            Self::GradientOrigin(_) => (vec![count], vec![LayerConfig::Linear(LinearConfig::new(width))]),
        };
        let (layers, _) = Sequential::build(&layers, &seen, build)?;
        Ok(Encoder { shape: seen, layers, is_table: matches!(self, Self::Table { .. }), operator: None })
    }
}

fn picture(shape: &[usize]) -> Result<[usize; 3]> {
    shape.try_into().map_err(|_| Error::Setting {
        setting: "conv".into(),
        found: format!("given data points of shape {shape:?}"),
        expected: "pictures [C, H, W]; for rows of numbers take `mlp`".into(),
    })
}

/// A sequence as `[T, D]`.
fn sequence(shape: &[usize]) -> Result<[usize; 2]> {
    match *shape {
        [t] => Ok([t, 1]),
        [t, d] => Ok([t, d]),
        // The rows of a picture, channels side by side.
        [1, h, w] => Ok([h, w]),
        _ => refuse("gru", shape, "sequences [T] or [T, D], or grey pictures as sequences of rows"),
    }
}

/// A network from codes to the parameters of a likelihood.
pub trait Decoder: Parameters + Send + Sync {
    /// `z: [N, L]`, and the data points `x: [N, D]` for a network that sees their earlier elements. Returns `[N, P D]`: `P` blocks of
    /// one number an element, in the order of the data point.
    fn forward(&self, z: &Tensor, x: Option<&Tensor>, pass: &mut Pass<'_>) -> Tensor;

    /// Whether an element's parameters depend on the elements before it, which are then drawn one after the other.
    fn is_autoregressive(&self) -> bool {
        false
    }

    /// Numbers of one code after the widest of its layers.
    fn widest(&self) -> usize;

    /// KL of the posterior over the weights from independent normals of mean zero and this standard deviation, nats; `None` where the weights are
    /// numbers.
    fn weight_kl(&self, prior_sd: f64) -> Option<Tensor> {
        let _ = prior_sd;
        None
    }
}

/// Layers from a code to the numbers of a data point.
struct Layered {
    layers: Sequential,
    widest: usize,
}

elbo_tensor::parameters!(Layered { "": layers });

impl Decoder for Layered {
    fn forward(&self, z: &Tensor, _: Option<&Tensor>, pass: &mut Pass<'_>) -> Tensor {
        let output = self.layers.forward(z, pass);
        if output.rank() == 2 { output } else { output.reshape(&[z.size(0), output.len() / z.size(0)]) }
    }

    fn widest(&self) -> usize {
        self.widest
    }
}

impl DecoderConfig {
    /// Levels that it looks up a vector for; zero where it sees no elements, or sees them as numbers.
    pub(crate) fn levels(&self) -> usize {
        if let Self::Gru(config) = self { config.levels } else { 0 }
    }

    /// The network from `latent` numbers to `blocks` numbers for each element of data points of this shape.
    ///
    /// # Errors
    /// [`Error::Setting`] when the network cannot make such data points.
    pub fn build(
        &self,
        latent: usize,
        shape: &[usize],
        blocks: usize,
        build: &mut Build<'_>,
    ) -> Result<Box<dyn Decoder>> {
        let count: usize = shape.iter().product();
        let layers = match self {
            Self::Mlp(config) => config.layers(blocks * count),
            Self::Conv(config) => config.up(picture(shape)?, blocks)?,
            Self::Layers { layers } if layers.iter().any(|l| matches!(l, LayerConfig::Embedding(_))) => {
                return refuse("embedding", &[latent], "levels of a category, which a code is not");
            }
            Self::Layers { layers } => {
                let end = [
                    LayerConfig::Reshape(ReshapeConfig::default()),
                    LayerConfig::Linear(LinearConfig::new(blocks * count)),
                ];
                [layers.as_slice(), &end].concat()
            }
            Self::Gru(config) => return Ok(Box::new(GruDecoder::new(latent, count, blocks, config, build)?)),
        };
        let (layers, _, widest) = Sequential::measured(&layers, &[latent], build)?;
        Ok(Box::new(Layered { layers, widest }))
    }
}

/// A recurrent decoder: the code is the first state, and each element is predicted from those before it.
pub struct GruDecoder {
    embedding: Option<Embedding>,
    start: Linear,
    gru: Gru,
    out: Linear,
    levels: usize,
    widest: usize,
}

elbo_tensor::parameters!(GruDecoder { "embedding": embedding, "start": start, "gru": gru, "out": out });

impl GruDecoder {
    fn new(latent: usize, steps: usize, blocks: usize, config: &SequenceConfig, build: &mut Build<'_>) -> Result<Self> {
        check_widths("hidden", &[config.hidden])?;
        ensure_within("steps", steps, 1..)?;
        if config.levels > 0 {
            check_widths("embedding", &[config.embedding, config.levels])?;
        }
        // One more level stands for the beginning.
        let embedding = (config.levels > 0).then(|| Embedding::new(config.levels + 1, config.embedding, build));
        let input = if config.levels > 0 { config.embedding } else { 1 };
        let gru = GruConfig { hidden: config.hidden, layers: 1, output: Output::All };
        Ok(Self {
            embedding,
            start: Linear::new(latent, config.hidden, true, build),
            gru: Gru::new(input, &gru, build),
            out: Linear::new(config.hidden, blocks, true, build),
            levels: config.levels,
            // A step has three gates.
            widest: steps * (3 * config.hidden).max(input).max(blocks),
        })
    }
}

impl Decoder for GruDecoder {
    fn forward(&self, z: &Tensor, x: Option<&Tensor>, pass: &mut Pass<'_>) -> Tensor {
        let x = x.expect("a recurrent decoder is given the elements before");
        let (rows, steps) = (x.size(0), x.size(1));
        let begin = Tensor::full(&[rows, 1], self.levels as f64, x.dtype());
        let before = Tensor::cat(&[begin, x.narrow(1, 0, steps - 1)], 1);
        let input = match &self.embedding {
            Some(embedding) => embedding.forward(&before, pass),
            None => before.unsqueeze(-1),
        };
        let start = self.start.forward(z, pass).tanh().unsqueeze(0);
        let (states, _) = self.gru.run(&input, Some(&start));
        // [N, T, P] becomes P blocks of T.
        let output = self.out.forward(&states, pass).t().contiguous();
        let width = output.len() / rows;
        output.reshape(&[rows, width])
    }

    fn is_autoregressive(&self) -> bool {
        true
    }

    fn widest(&self) -> usize {
        self.widest
    }
}

/// Fully connected layers from `input` to `out` numbers, for parts that are no encoder: discriminators, priors.
///
/// # Errors
/// [`Error::Setting`] for a width of zero.
pub fn mlp(input: usize, out: usize, config: &MlpConfig, build: &mut Build<'_>) -> Result<Sequential> {
    Ok(Sequential::build(&config.layers(out), &[input], build)?.0)
}

/// How weights start, and in which precision they are: the settings behind a [`Build`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Start {
    /// How weights start.
    pub init: Init,
    /// Whether numbers have double precision.
    pub is_double: bool,
}

impl Start {
    /// The precision.
    pub fn dtype(&self) -> DType {
        if self.is_double { DType::F64 } else { DType::F32 }
    }
}
