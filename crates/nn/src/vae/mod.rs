//! Variational autoencoders: one model over six axes.
//!
//! | axis | values |
//! |---|---|
//! | family of the posterior | [`Family`], a flow behind it: [`VaeConfig::flow`], and how many numbers of a code are kept: [`VaeConfig::topk`] |
//! | prior | [`PriorConfig`], also one given by samples; after training, a density of the codes: [`CodeDensityConfig`] |
//! | objective | [`ObjectiveConfig`]: terms with weights over time; what they know of data points besides elements is in a [`Batch`] |
//! | family and prior along inputs such as times, for sequences | [`gp`] |
//! | encoder, decoder | [`EncoderConfig`], [`DecoderConfig`](crate::network::DecoderConfig); of functions, [`operator`](crate::operator); what both are given besides, [`condition`]; codes from the decoder's gradient at the origin, [`EncoderConfig::GradientOrigin`]; an encoder that is a regression on chains, [`Term::StochasticInverse`]; several coupled encoders and decoders, [`arms`]; posteriors of their own for data points, [`Vae::refined`]; the decoder's weights [`DecoderWeights`] |
//! | likelihood | [`LikelihoodConfig`] |
//! | data | rows of numbers with the shape of a data point, NaN where one is missing; [`Binarise`] |
//!
//! A [`Vae`] is built from a [`VaeConfig`]; [`Training`] fits it; [`Vae::evaluate`] measures it, and [`Vae::annealed`] one data point more sharply. To add a prior, implement [`Prior`];
//! to add a term, add a variant of [`Term`], say in `objective.rs` what it does not fit and in `terms.rs` what it is; to add a family, write its posterior in a file such as `sphere.rs` and add it to
//! [`Family`]. Every sum is in nats a data point, nothing is averaged over elements or dimensions.

pub mod arms;
mod chunks;
mod classes;
mod code_density;
pub mod condition;
mod config;
mod critic;
mod decoder_weights;
pub mod divergence;
mod draws;
mod evaluate;
mod family;
mod fits;
mod flowed;
mod free;
pub mod gp;
mod impute;
mod inverse;
mod joint;
mod likelihood;
mod likelihood_config;
pub mod matching;
mod mixture;
mod objective;
mod origin;
mod path;
mod pixel_mixture;
mod posterior;
mod prior;
mod reference;
mod regulariser;
mod shares;
mod sigma_points;
mod similarity;
mod sphere;
mod supervised;
mod terms;
mod topk;
mod train;
mod weight;

pub use classes::{Classes, ClassesConfig};
pub use code_density::{CodeDensity, CodeDensityConfig};
pub use condition::ConditionConfig;
pub use config::VaeConfig;
pub use critic::AdversarialLoss;
pub use decoder_weights::{DecoderWeights, WeightMeasures};
pub use draws::{Batch, Draws};
pub use evaluate::{Evaluation, EvaluationConfig, MeanBounds};
pub(crate) use family::check_log_variances;
pub use family::{Family, LEAST_LOG_VARIANCE};
pub use flowed::Flowed;
pub(crate) use flowed::flow_of;
pub use free::Refinement;
pub use gp::{GpForm, GpPosterior, GpPrior};
pub use impute::Imputation;
pub use joint::Joint;
pub use likelihood::Likelihood;
pub use likelihood_config::{LikelihoodConfig, Noise};
pub use matching::Field;
pub use mixture::{Responsibilities, Spread};
pub use objective::{Classifier, Estimate, ObjectiveConfig, Term, Weighted};
pub use origin::OriginConfig;
pub use path::{Gradient, Path};
pub use posterior::Posterior;
pub use prior::{Prior, PriorConfig, PriorPass};
pub use shares::Shares;
pub use sigma_points::SigmaPointsConfig;
pub use similarity::Scales;
pub use sphere::{Sphere, SphereConfig};
pub use terms::Losses;
pub(crate) use topk::check_topk;
pub use train::{
    Binarise, Decay, LOSS_OF_BATCH, Training, TrainingConfig, WATCHED_ELBO, WATCHED_IWAE, WATCHED_RECONSTRUCTION,
};
pub use weight::Weight;

use self::matching::Fields;
use self::topk::keep_largest;
use crate::layer::{Pass, Sequential};
use crate::network::{Decoder, Encoder, EncoderConfig};
use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result, Rng};
use elbo_dist::flow::Amortised;
use elbo_tensor::{DType, Parameter, Parameters, Tensor, nested, nested_mut, no_grad};

/// Decoder rows that are held at once outside training.
const ROWS_AT_ONCE: usize = 4096;

/// A variational autoencoder.
pub struct Vae {
    config: VaeConfig,
    size: usize,
    /// How often the encoder sees each number of a condition.
    places: usize,
    encoder: Encoder,
    flow: Option<Amortised>,
    decoder: Box<dyn Decoder>,
    prior: Box<dyn Prior>,
    likelihood: Likelihood,
    /// Classes from codes, where a cross-entropy trains it.
    classifier: Option<Sequential>,
    /// Tells codes from draws of the prior, and data points from what the decoder makes; each has a step of its own in training.
    adversary: Option<Sequential>,
    critic: Option<Sequential>,
    /// Velocity fields of the prior's draws and of the codes, where networks match them.
    fields: Option<Fields>,
}

impl Parameters for Vae {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.visit_model(f);
        nested("adversary", &self.adversary, f);
        nested("critic", &self.critic, f);
        nested("fields", &self.fields, f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.visit_model_mut(f);
        nested_mut("adversary", &mut self.adversary, f);
        nested_mut("critic", &mut self.critic, f);
        nested_mut("fields", &mut self.fields, f);
    }
}

impl Snapshot for Vae {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

/// Elements with zero for those that are missing, then 1 for those that are there and 0 for the others. `x: [B, D]`; returns `[B, 2 D]`.
fn with_mask(x: &Tensor) -> Tensor {
    let missing = x.ne(x);
    Tensor::cat(&[x.masked_fill(&missing, 0.0), missing.not().cast(x.dtype())], -1)
}

impl Vae {
    fn visit_model(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("encoder", &self.encoder, f);
        nested("flow", &self.flow, f);
        nested("decoder", &self.decoder, f);
        nested("prior", &self.prior, f);
        nested("likelihood", &self.likelihood, f);
        nested("classifier", &self.classifier, f);
    }

    fn visit_model_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("encoder", &mut self.encoder, f);
        nested_mut("flow", &mut self.flow, f);
        nested_mut("decoder", &mut self.decoder, f);
        nested_mut("prior", &mut self.prior, f);
        nested_mut("likelihood", &mut self.likelihood, f);
        nested_mut("classifier", &mut self.classifier, f);
    }

    /// Its settings.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// Dimensions of the code, `L`.
    pub fn latent(&self) -> usize {
        self.config.latent
    }

    /// Elements of a data point, `D`.
    pub fn size(&self) -> usize {
        self.size
    }

    /// p(z).
    pub fn prior(&self) -> &dyn Prior {
        self.prior.as_ref()
    }

    /// p(x | z).
    pub fn likelihood(&self) -> &Likelihood {
        &self.likelihood
    }

    /// The network of p(x | z).
    pub fn decoder(&self) -> &dyn Decoder {
        self.decoder.as_ref()
    }

    /// The precision of the networks.
    pub fn dtype(&self) -> DType {
        self.config.start.dtype()
    }

    /// Data points as the networks take them. `values: [N, width]`, row-major; see [`Vae::width`].
    pub fn tensor(&self, values: &[f32]) -> Tensor {
        let (rows, width) = (values.len() / self.width(), self.width());
        Tensor::from_f32(values.to_vec(), &[rows, width]).cast(self.dtype())
    }

    /// The encoder's numbers for data points `x: [B, width]`.
    fn encoded(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let seen = if let EncoderConfig::GradientOrigin(config) = &self.config.encoder {
            self.descended(x, config)
        } else {
            let elements = self.elements(x);
            let seen = if self.config.nan_is_missing { with_mask(&elements) } else { elements };
            self.with_condition(seen, x)
        };
        let raw = self.encoder.forward(&seen, pass);
        self.config.family.shifted(&raw, self.config.latent, self.config.start_log_variance)
    }

    /// q(z | x), or q(z | x, c) where the encoder sees a condition. `x: [B, width]`, with NaN for elements that are missing.
    pub fn posterior(&self, x: &Tensor, pass: &mut Pass<'_>) -> Posterior {
        self.posterior_of(&self.encoded(x, pass))
    }

    /// The posteriors of a batch from the encoder's numbers.
    fn posterior_of(&self, raw: &Tensor) -> Posterior {
        let config = &self.config;
        let base = config.family.posterior(raw, config.latent, config.least_log_variance);
        let Some(flow) = &self.flow else { return base };
        let context = raw.narrow(-1, config.family.width(config.latent), flow.context());
        Posterior::Flow(Box::new(Flowed::new(base, context, flow.clone())))
    }

    /// log p(x | z) from the decoder's `output: [K, B, P D]`, `[K, B]`.
    fn log_likelihood(&self, output: &Tensor, x: &Tensor) -> Tensor {
        let x = &self.elements(x);
        if self.config.nan_is_missing {
            self.likelihood.log_prob_of_observed(output, x)
        } else {
            self.likelihood.log_prob(output, x)
        }
    }

    fn pseudo(&self, pass: &mut Pass<'_>) -> Option<Posterior> {
        self.prior.pseudo_inputs().map(|u| self.posterior(&u, pass))
    }

    /// Decoder outputs of codes `z: [K, B, L]` of the data points `x: [B, width]`, `[K, B, P D]`.
    fn decode(&self, z: &Tensor, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let (draws, batch) = (z.size(0), z.size(1));
        let z = self.given(z, x);
        let flat = z.reshape(&[draws * batch, z.size(-1)]);
        let x = self.elements(x);
        let seen = self
            .decoder
            .is_autoregressive()
            .then(|| x.unsqueeze(0).broadcast_to(&[draws, batch, self.size]).reshape(&[draws * batch, self.size]));
        let output = self.decoder.forward(&flat, seen.as_ref(), pass);
        let width = output.size(-1);
        output.reshape(&[draws, batch, width])
    }

    /// Codes as the decoder takes them, `z: [..., L]`: where the settings say how many numbers are kept, with zeros for the others.
    pub fn kept(&self, z: &Tensor) -> Tensor {
        self.config.topk.map_or_else(|| z.clone(), |k| keep_largest(z, k))
    }

    /// Draws of the prior, `[count, L]`, outside the graph.
    pub fn sample_prior(&self, count: usize, rng: &mut Rng) -> Tensor {
        let draw = || {
            let pseudo = self.pseudo(&mut Pass::evaluation());
            self.kept(&self.prior.sample(count, pseudo.as_ref(), rng).cast(self.dtype()))
        };
        no_grad(draw)
    }

    /// Draws of one component of a prior that is a mixture, of one class where it is of classes: `[count, L]`, outside the graph. `None` for other
    /// priors, and for a component that there is not.
    pub fn sample_component(&self, component: usize, count: usize, rng: &mut Rng) -> Option<Tensor> {
        let drawn = no_grad(|| self.prior.sample_component(component, count, rng))?;
        Some(no_grad(|| self.kept(&drawn.cast(self.dtype()))))
    }

    /// What the decoder makes of codes. `z: [N, L]`; returns `[N, D]`: means, or draws of the likelihood where `is_noisy`. Elements
    /// that depend on earlier ones are drawn one after the other.
    ///
    /// # Panics
    /// For a model whose decoder sees a condition; see [`Vae::generate_given`].
    pub fn generate(&self, z: &Tensor, is_noisy: bool, rng: &mut Rng) -> Tensor {
        self.generate_by_blocks(z, None, is_noisy, rng)
    }

    /// The same for `z: [N, L]` as the decoder takes it.
    fn generate_block(&self, z: &Tensor, is_noisy: bool, rng: &mut Rng) -> Tensor {
        let pass = &mut Pass::evaluation();
        if !self.decoder.is_autoregressive() {
            let output = self.decoder.forward(z, None, pass);
            return if is_noisy { self.likelihood.sample(&output, rng) } else { self.likelihood.mean(&output) };
        }
        let rows = z.size(0);
        let mut x = Tensor::zeros(&[rows, self.size], self.dtype());
        for t in 0..self.size {
            let output = self.decoder.forward(z, Some(&x), pass);
            let drawn = if is_noisy { self.likelihood.sample(&output, rng) } else { self.likelihood.mean(&output) };
            x = Tensor::cat(&[x.narrow(1, 0, t), drawn.narrow(1, t, self.size - t)], 1);
        }
        x
    }
}
