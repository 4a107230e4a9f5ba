//! Settings of models with a code for each data point, and the networks and likelihood that they mean for given data.

use crate::activation::Activation;
use crate::fidelity::FeatureKind;
use crate::init::Init;
use crate::layer::{MOST_WIDTH, check_widths};
use crate::network::{ConvConfig, DecoderConfig, EncoderConfig, MlpConfig, Start};
use crate::vae::{
    Binarise, CodeDensityConfig, Decay, DecoderWeights, Family, LEAST_LOG_VARIANCE, LikelihoodConfig, Noise,
    PriorConfig, TrainingConfig, VaeConfig, check_log_variances, check_topk, flow_of,
};
use elbo_core::samples::Form;
use elbo_core::{Result, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings that all systems with a code for each data point share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LatentSettings {
    /// Dimensions of the code.
    #[schemars(range(min = 1))]
    pub latent: usize,
    /// Widths of the linear layers of the encoder; the decoder's are the same, backwards.
    pub hidden: Vec<usize>,
    /// Channels of convolutions before them, each of which halves the picture; none for linear layers alone.
    pub channels: Vec<usize>,
    /// The nonlinear function: relu, tanh, silu, gelu, ...
    pub activation: Activation,
    /// The encoder in full, in place of `hidden` and `channels`.
    pub encoder: Option<EncoderConfig>,
    /// The decoder in full, in place of `hidden` and `channels`.
    pub decoder: Option<DecoderConfig>,
    /// Family of the posterior: gauss_diag or gauss_full; sigma_points for a Gaussian without noise in training, dirac for points, without a spread;
    /// categorical for one of `latent` classes, vmf for points on a sphere, dirichlet for shares of a whole.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub family: Family,
    /// A flow that its draws go through, with parameters from the encoder for each data point: planar:8, iaf:2x32, realnvp:4x32, nice:4x32 or
    /// spline:4x8; without one, the posterior is Gaussian.
    pub flow: Option<String>,
    /// How many numbers of a code are kept, those of the largest size, with zeros for the others; without it, all.
    #[schemars(range(min = 1))]
    pub topk: Option<usize>,
    /// The prior of the code: standard, diagonal, mixture, class_conditional (with the column of classes as target), vamp, hierarchical or samples (with their points); for classes
    /// standard or shares, on a sphere standard or vamp, for shares standard, dirichlet or vamp.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub prior: PriorConfig,
    /// What is fitted to the codes of the training data afterwards, for `sample` to draw from in place of the prior: mixture, of normals with full
    /// covariances, or vae, a second autoencoder. Without it, the prior.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub density: Option<CodeDensityConfig>,
    /// The distribution of each element; without one, bernoulli for pictures, gaussian for tables.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub likelihood: Option<LikelihoodConfig>,
    /// What becomes of grey values: none, static, dynamic or threshold.
    pub binarise: Binarise,
    /// Whether an empty cell or NaN counts as missing: it drops out of the likelihood, and the encoder sees which elements are there.
    /// Without, it is refused.
    pub nan_is_missing: bool,
    /// How weights start.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub init: Init,
    /// Passes over the data.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Data points a step.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Adam's rate at the start.
    pub rate: f64,
    /// How the rate falls: none, cosine or stairs.
    pub decay: Decay,
    /// Precision of a normal prior over the decoder's weights; zero for none.
    pub weight_precision: f64,
    /// The decoder's weights: point, or posterior, with a normal distribution for each and the divergence from their prior in the bound.
    pub weights: DecoderWeights,
    /// Added to the root of Adam's second moment.
    pub epsilon: f64,
    /// Largest norm of a gradient; longer ones are shortened.
    pub clip: Option<f64>,
    /// Smallest log variance of a posterior.
    pub least_log_variance: f64,
    /// About the log variance of Gaussian posteriors when training begins.
    pub start_log_variance: f64,
    /// What samples are compared with the data by: pca-16, the leading principal components; or cnn-32, the features of a small network that learns to
    /// tell the classes of pictures (with the column of classes as target).
    pub features: FeatureKind,
}

impl Default for LatentSettings {
    fn default() -> Self {
        Self {
            latent: 20,
            hidden: vec![400],
            channels: vec![],
            activation: Activation::Relu,
            encoder: None,
            decoder: None,
            family: Family::GaussDiag,
            flow: None,
            topk: None,
            prior: PriorConfig::Standard,
            density: None,
            likelihood: None,
            binarise: Binarise::None,
            nan_is_missing: false,
            init: Init::Torch,
            epochs: 50,
            batch: 100,
            rate: 1e-3,
            decay: Decay::None,
            weight_precision: 0.0,
            weights: DecoderWeights::Point,
            epsilon: 1e-8,
            clip: None,
            least_log_variance: LEAST_LOG_VARIANCE,
            start_log_variance: 0.0,
            features: FeatureKind::Pca16,
        }
    }
}

impl LatentSettings {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] naming the field.
    pub fn check(&self) -> Result<()> {
        ensure_within("latent", self.latent, 1..=MOST_WIDTH)?;
        check_log_variances(self.least_log_variance, self.start_log_variance)?;
        check_widths("hidden", &self.hidden)?;
        check_widths("channels", &self.channels)?;
        self.prior.check()?;
        self.likelihood.iter().try_for_each(LikelihoodConfig::check)?;
        self.family.check(self.latent, &self.prior, self.flow.as_deref())?;
        flow_of(self.flow.as_deref(), self.latent, &self.prior)?;
        check_topk(self.topk, self.latent)?;
        self.density.iter().try_for_each(|density| density.check(self.family))?;
        self.weights.check_precision(self.weight_precision)?;
        self.training().check()
    }

    /// The settings of training.
    pub fn training(&self) -> TrainingConfig {
        TrainingConfig {
            epochs: self.epochs,
            batch: self.batch,
            rate: self.rate,
            decay: self.decay,
            weight_precision: self.weight_precision,
            clip: self.clip,
            binarise: self.binarise,
            epsilon: self.epsilon,
        }
    }

    /// The model for data points of this form.
    pub fn model(&self, form: &Form) -> VaeConfig {
        let likelihood = self.likelihood.clone().unwrap_or(match form.picture() {
            Some(_) => LikelihoodConfig::Bernoulli,
            None => LikelihoodConfig::Gaussian { noise: Noise::PerElement },
        });
        // What does not fit the shape is refused when the model is built.
        let likelihood = likelihood.fitted(&form.shape).unwrap_or(likelihood);
        let backwards: Vec<usize> = self.hidden.iter().rev().copied().collect();
        let conv = || ConvConfig {
            channels: self.channels.clone(),
            hidden: self.hidden.clone(),
            activation: self.activation,
            ..ConvConfig::default()
        };
        let is_conv = !self.channels.is_empty();
        let encoder = self.encoder.clone().unwrap_or_else(|| {
            if is_conv {
                EncoderConfig::Conv(conv())
            } else {
                EncoderConfig::Mlp(MlpConfig::new(&self.hidden, self.activation))
            }
        });
        let decoder = self.decoder.clone().unwrap_or_else(|| {
            if is_conv {
                DecoderConfig::Conv(conv())
            } else {
                DecoderConfig::Mlp(MlpConfig::new(&backwards, self.activation))
            }
        });
        VaeConfig {
            latent: self.latent,
            family: self.family,
            flow: self.flow.clone(),
            topk: self.topk,
            least_log_variance: self.least_log_variance,
            start_log_variance: self.start_log_variance,
            prior: self.prior.clone(),
            encoder,
            decoder,
            weights: self.weights,
            likelihood,
            start: Start { init: self.init, is_double: false },
            nan_is_missing: self.nan_is_missing,
            condition: None,
        }
    }
}
