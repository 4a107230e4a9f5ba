//! Posteriors over the decoder's weights.

use super::path::{Gradient, Path};
use super::{ROWS_AT_ONCE, Vae};
use crate::activation::Activation;
use crate::bayes::{MeanFieldLinear, Noise};
use crate::layer::{Build, Layer, Pass, check_weight};
use crate::network::{Decoder, DecoderConfig, MlpConfig};
use elbo_core::{Error, Result, Rng, ensure};
use elbo_tensor::{Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Standard deviation of each weight at the start.
const START_SD: f64 = 0.01;

/// What the decoder's weights are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecoderWeights {
    /// Numbers; with a precision of their prior above zero, the mode under it.
    #[default]
    Point,
    /// A normal distribution for each weight and bias, whose divergence from the prior is part of the bound. For decoders of linear layers.
    Posterior,
}

impl DecoderWeights {
    /// Whether weights are numbers.
    pub fn is_point(&self) -> bool {
        *self == Self::Point
    }

    /// Refuses decoders whose weights have no posterior.
    pub(super) fn check(self, decoder: &DecoderConfig) -> Result<()> {
        if self == Self::Posterior {
            linear_layers(decoder)?;
        }
        Ok(())
    }

    /// Refuses a posterior without a prior.
    pub(crate) fn check_precision(self, weight_precision: f64) -> Result<()> {
        ensure(
            "weight_precision",
            weight_precision,
            self == Self::Point || weight_precision > 0.0,
            "above 0 with a posterior over the decoder's weights; 1 makes their prior standard normal",
        )
    }
}

fn linear_layers(decoder: &DecoderConfig) -> Result<&MlpConfig> {
    let refuse = |found: &str| {
        Err(Error::Setting {
            setting: "weights".into(),
            found: format!("posterior with {found}"),
            expected: "`point`, or a decoder of linear layers (`mlp`) without dropout".into(),
        })
    };
    match decoder {
        DecoderConfig::Mlp(config) if config.dropout == 0.0 => Ok(config),
        DecoderConfig::Mlp(_) => refuse("dropout in the decoder"),
        DecoderConfig::Conv(_) => refuse("a decoder of convolutions"),
        DecoderConfig::Gru(_) => refuse("a recurrent decoder"),
        DecoderConfig::Layers { .. } => refuse("a decoder layer by layer"),
    }
}

/// Linear layers with a normal distribution for each weight. A pass of training draws, one of evaluation uses the means.
pub(super) struct WeightPosterior {
    layers: Vec<MeanFieldLinear>,
    activation: Activation,
}

elbo_tensor::parameters!(WeightPosterior { "": layers });

impl WeightPosterior {
    /// The layers from `latent` to `out` numbers.
    ///
    /// # Errors
    /// [`Error::Setting`] for other decoders than linear layers, widths of zero, and weights that would not fit into memory.
    pub(super) fn new(
        decoder: &DecoderConfig,
        latent: usize,
        out: usize,
        noise: Noise,
        build: &mut Build<'_>,
    ) -> Result<Self> {
        let config = linear_layers(decoder)?;
        let widths = [&[latent], config.hidden.as_slice(), &[out]].concat();
        widths.windows(2).try_for_each(|pair| check_weight("hidden", pair))?;
        let layer = |pair: &[usize]| MeanFieldLinear::new(pair[0], pair[1], START_SD, noise, build);
        Ok(Self { layers: widths.windows(2).map(layer).collect(), activation: config.activation })
    }
}

impl Decoder for WeightPosterior {
    fn forward(&self, z: &Tensor, _: Option<&Tensor>, pass: &mut Pass<'_>) -> Tensor {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(z.clone(), |x, (i, layer)| {
            let y = layer.forward(&x, pass);
            if i < last { self.activation.apply(&y) } else { y }
        })
    }

    fn widest(&self) -> usize {
        self.layers.iter().map(|layer| layer.mean.shape()[0]).max().unwrap_or(0)
    }

    fn weight_kl(&self, prior_sd: f64) -> Option<Tensor> {
        Some(self.layers.iter().map(|layer| layer.kl(prior_sd)).sum())
    }
}

/// What a posterior over the decoder's weights costs and gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WeightMeasures {
    /// KL(q(θ) || p(θ)) of all weights, nats.
    pub kl: f64,
    /// The bound over codes and weights, nats a data point.
    pub bound: f64,
}

impl Vae {
    /// Measures the posterior over the decoder's weights on some data points `values: [n, D]` of the `rows` that it was trained on, with `draws` draws of
    /// code and weights for each; `None` where the weights are numbers. `prior_sd` is the prior's standard deviation.
    ///
    /// $$ \frac 1N \log p(X) \ge \frac 1n \sum_i \mathbb E_{q(\theta) q(z \mid x_i)} \log \frac{p(x_i, z \mid \theta)}{q(z \mid x_i)}
    ///    - \frac 1N \mathrm{KL}[q(\theta) \,\|\, p(\theta)] $$
    ///
    /// # Panics
    /// Without data points, rows or draws.
    ///
    /// # Source
    /// Kingma and Welling (2014), appendix F.
    pub fn weight_measures(
        &self,
        values: &[f32],
        rows: usize,
        prior_sd: f64,
        draws: usize,
        rng: &mut Rng,
    ) -> Option<WeightMeasures> {
        assert!(!values.is_empty() && rows > 0 && draws > 0, "a measure needs data points and draws");
        let kl = self.decoder().weight_kl(prior_sd)?.item();
        let path = Path::new(Gradient::Plain);
        let mut total = 0.0;
        no_grad(|| {
            for block in values.chunks(ROWS_AT_ONCE * self.width()) {
                let x = self.tensor(block);
                let q = self.posterior(&x, &mut Pass::evaluation());
                for _ in 0..draws {
                    let noise = q.noise(1, rng);
                    let mut weights = rng.fork();
                    let pass = &mut Pass::training(&mut weights);
                    total += self.draw_at(q.clone(), &x, &noise, &path, rng, pass).log_weights().sum().item();
                }
            }
        });
        let each = total * self.width() as f64 / (values.len() * draws) as f64;
        Some(WeightMeasures { kl, bound: each - kl / rows as f64 })
    }
}
