//! Settings of the whole model, and the model that they build.

use super::Vae;
use super::condition::ConditionConfig;
use super::critic::patches;
use super::decoder_weights::{DecoderWeights, WeightPosterior};
use super::family::{Family, LEAST_LOG_VARIANCE, check_log_variances};
use super::flowed::flow_of;
use super::likelihood_config::LikelihoodConfig;
use super::matching::Fields;
use super::objective::ObjectiveConfig;
use super::prior::PriorConfig;
use super::topk::check_topk;
use crate::activation::Activation;
use crate::layer::{Build, MOST_WIDTH};
use crate::network::{Decoder, DecoderConfig, Encoder, EncoderConfig, MlpConfig, Start, mlp};
use elbo_core::{Result, Rng, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A model with latent variables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaeConfig {
    /// Dimensions of the code.
    pub latent: usize,
    /// Family of q(z | x).
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub family: Family,
    /// A flow that draws of the family go through, as a text such as `iaf:2x32`; see [`elbo_dist::flow::FlowSpec`]. The encoder gives each data
    /// point its parameters or the context of its networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// Smallest log variance of q(z | x).
    pub least_log_variance: f64,
    /// What is added to the log variance of q(z | x) that the encoder gives, so that posteriors are about as wide as that when training begins.
    #[serde(default)]
    pub start_log_variance: f64,
    /// p(z).
    pub prior: PriorConfig,
    /// The network of q(z | x).
    pub encoder: EncoderConfig,
    /// The network of p(x | z).
    pub decoder: DecoderConfig,
    /// Whether the decoder's weights are numbers or have a posterior.
    #[serde(default, skip_serializing_if = "DecoderWeights::is_point")]
    pub weights: DecoderWeights,
    /// The distribution of each element.
    pub likelihood: LikelihoodConfig,
    /// How weights start, and their precision.
    pub start: Start,
    /// How many numbers of a code are kept, those of the largest size, with zeros for the others; without it, all. Densities stay those of the
    /// numbers before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topk: Option<usize>,
    /// Whether elements may be missing, which are NaN: they drop out of p(x | z), and q(z | x) sees zeros for them and which they are.
    #[serde(default)]
    pub nan_is_missing: bool,
    /// Numbers of a data point that are given and not modelled, behind its elements; without it, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<ConditionConfig>,
}

impl VaeConfig {
    /// A diagonal Gaussian posterior over `latent` dimensions, a standard prior, one hidden layer each way, and black or white elements:
    /// a start for struct updates.
    pub fn new(latent: usize) -> Self {
        Self {
            latent,
            family: Family::GaussDiag,
            flow: None,
            least_log_variance: LEAST_LOG_VARIANCE,
            start_log_variance: 0.0,
            prior: PriorConfig::Standard,
            encoder: EncoderConfig::Mlp(MlpConfig::default()),
            decoder: DecoderConfig::Mlp(MlpConfig::default()),
            weights: DecoderWeights::Point,
            likelihood: LikelihoodConfig::Bernoulli,
            start: Start::default(),
            topk: None,
            nan_is_missing: false,
            condition: None,
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("latent", self.latent, 1..=MOST_WIDTH)?;
        check_topk(self.topk, self.latent)?;
        check_log_variances(self.least_log_variance, self.start_log_variance)?;
        self.prior.check()?;
        self.family.check(self.latent, &self.prior, self.flow.as_deref())?;
        self.likelihood.check()?;
        flow_of(self.flow.as_deref(), self.latent, &self.prior)?;
        self.weights.check(&self.decoder)?;
        self.condition.iter().try_for_each(|condition| condition.check(&self.encoder))?;
        self.check_table()?;
        self.check_origin()?;
        for (network, levels) in [("encoder", self.encoder.levels()), ("decoder", self.decoder.levels())] {
            ensure(
                &format!("{network}.levels"),
                levels,
                levels == 0 || self.likelihood.levels().is_some_and(|needed| needed <= levels),
                "at least the levels of the likelihood, which is `categorical` for such networks",
            )?;
        }
        let is_sequence =
            matches!(self.encoder, EncoderConfig::Gru(_)) || matches!(self.decoder, DecoderConfig::Gru(_));
        let can_lack = !is_sequence && self.encoder.levels() == 0 && self.likelihood.is_elementwise();
        ensure(
            "nan_is_missing",
            format!("true with the likelihood `{}`", self.likelihood.name()),
            !self.nan_is_missing || can_lack,
            "false for recurrent networks, layers that look up levels, and elements that depend on each other: a multinomial's and those of a \
             library, which share a total, the channels of a pixel, and pictures that are compared by similarity",
        )
    }

    /// Whether the model has bounds on its likelihood: posteriors have a density, and what the decoder makes is a distribution and no loss.
    pub fn has_bounds(&self) -> bool {
        self.family.has_bounds() && self.likelihood.is_density()
    }

    /// The model of data points of this shape, with starting weights. `objective` says whether there is a discriminator.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when a network does not fit the shape, or a term does not fit the family, a flow or a posterior over weights.
    pub fn build(&self, shape: &[usize], objective: &ObjectiveConfig, rng: &mut Rng) -> Result<Vae> {
        self.check()?;
        self.family.check_objective(self.latent, objective)?;
        objective.check_for_model(self)?;
        let flow = flow_of(self.flow.as_deref(), self.latent, &self.prior)?;
        if let Some(spec) = flow {
            objective.check_for_flow(&spec)?;
        }
        if self.weights == DecoderWeights::Posterior {
            objective.check_for_weights()?;
        }
        let fitted = self.likelihood.fitted(shape)?;
        if fitted != self.likelihood {
            return Self { likelihood: fitted, ..self.clone() }.build(shape, objective, rng);
        }
        let mut build = Build { rng, dtype: self.start.dtype(), init: self.start.init };
        let size: usize = shape.iter().product();
        let width = self.family.width(self.latent) + flow.map_or(0, |spec| spec.context(self.latent));
        let (mut seen, places) = self.seen(shape)?;
        if let EncoderConfig::GradientOrigin(_) = self.encoder {
            seen = vec![self.latent];
        }
        let encoder = match &self.encoder {
            EncoderConfig::Operator(config) => {
                Encoder::of_functions(config, shape, self.nan_is_missing, width, &mut build)?
            }
            network => network.build(&seen, width, &mut build)?,
        };
        let blocks = self.likelihood.blocks();
        let decoded = self.latent + self.condition_of_decoder();
        let decoder: Box<dyn Decoder> = match self.weights {
            DecoderWeights::Point => self.decoder.build(decoded, shape, blocks, &mut build)?,
            DecoderWeights::Posterior => {
                let noise = objective.weight_noise();
                Box::new(WeightPosterior::new(&self.decoder, decoded, blocks * size, noise, &mut build)?)
            }
        };
        // Pseudo-inputs are rows, with a condition where there is one.
        let row = size + self.condition.map_or(0, |c| c.numbers);
        let prior = self.prior.build(self.family, self.latent, row, &mut build)?;
        let adversary = objective.adversary().map(|config| mlp(self.latent, 1, &config, &mut build)).transpose()?;
        let likelihood = self.likelihood.build(size, build.dtype);
        let flow = flow.map(|spec| spec.amortised(self.latent, build.rng)).transpose()?;
        let classifier = objective
            .classifier()
            .map(|(classes, hidden)| mlp(self.latent, classes, &MlpConfig::new(hidden, Activation::Relu), &mut build))
            .transpose()?;
        let critic = objective.critic().map(|(channels, _)| patches(channels, shape, &mut build)).transpose()?;
        let fields = objective.fields().map(|hidden| Fields::build(hidden, self.latent, &mut build)).transpose()?;
        Ok(Vae {
            config: self.clone(),
            size,
            places,
            encoder,
            flow,
            decoder,
            prior,
            likelihood,
            classifier,
            adversary,
            critic,
            fields,
        })
    }
}
