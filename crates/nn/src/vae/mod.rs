//! Variational autoencoders: one model over six axes.
//!
//! | axis | values |
//! |---|---|
//! | family of the posterior | [`Family`], and a flow behind it: [`VaeConfig::flow`] |
//! | prior | [`PriorConfig`] |
//! | objective | [`ObjectiveConfig`]: terms with weights over time |
//! | encoder, decoder | [`EncoderConfig`], [`DecoderConfig`]; the decoder's weights [`DecoderWeights`] |
//! | likelihood | [`LikelihoodConfig`] |
//! | data | rows of numbers with the shape of a data point, NaN where one is missing; [`Binarise`] |
//!
//! A [`Vae`] is built from a [`VaeConfig`]; [`Training`] fits it; [`Vae::evaluate`] measures it, and [`Vae::annealed`] one data point more sharply. To add a prior, implement [`Prior`];
//! to add a term, add a variant of [`Term`]; to add a family, write its posterior in a file such as `sphere.rs` and add it to
//! [`Family`]. Every sum is in nats a data point, nothing is averaged over elements or dimensions.

mod classes;
mod decoder_weights;
pub mod divergence;
mod evaluate;
mod family;
mod flowed;
mod impute;
mod joint;
mod likelihood;
mod objective;
mod path;
mod posterior;
mod prior;
mod regulariser;
mod shares;
mod sphere;
mod train;
mod weight;

pub use classes::{Classes, ClassesConfig};
pub use decoder_weights::{DecoderWeights, WeightMeasures};
pub use evaluate::{Evaluation, EvaluationConfig};
pub(crate) use family::check_log_variances;
pub use family::{Family, LEAST_LOG_VARIANCE};
pub use flowed::Flowed;
pub(crate) use flowed::flow_of;
pub use impute::Imputation;
pub use joint::Joint;
pub use likelihood::{Likelihood, LikelihoodConfig, Noise};
pub use objective::{Estimate, Losses, ObjectiveConfig, Term, Weighted};
pub use path::{Gradient, Path};
pub use posterior::Posterior;
pub use prior::{Prior, PriorConfig, PriorPass};
pub use shares::Shares;
pub use sphere::{Sphere, SphereConfig};
pub use train::{Binarise, Decay, Training, TrainingConfig};
pub use weight::Weight;

use self::decoder_weights::WeightPosterior;
use crate::layer::{Build, MOST_WIDTH, Pass, Sequential};
use crate::network::{Decoder, DecoderConfig, Encoder, EncoderConfig, MlpConfig, Start, mlp};
use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result, Rng, ensure, ensure_within};
use elbo_dist::flow::Amortised;
use elbo_tensor::{DType, Parameter, Parameters, Tensor, nested, nested_mut, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Decoder rows that are held at once outside training.
const ROWS_AT_ONCE: usize = 4096;

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
    /// Whether elements may be missing, which are NaN: they drop out of p(x | z), and q(z | x) sees zeros for them and which they are.
    #[serde(default)]
    pub nan_is_missing: bool,
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
            nan_is_missing: false,
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("latent", self.latent, 1..=MOST_WIDTH)?;
        check_log_variances(self.least_log_variance, self.start_log_variance)?;
        self.prior.check()?;
        self.family.check(self.latent, &self.prior, self.flow.as_deref())?;
        self.likelihood.check()?;
        flow_of(self.flow.as_deref(), self.latent, &self.prior)?;
        self.weights.check(&self.decoder)?;
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
            "false for recurrent networks, layers that look up levels, and a multinomial, whose elements share a total",
        )
    }

    /// The shape that the encoder sees of data points of this shape.
    fn seen(&self, shape: &[usize]) -> Vec<usize> {
        let mut seen = shape.to_vec();
        if self.nan_is_missing {
            // Which elements are there stands after the elements, as more numbers or more channels.
            seen[0] *= 2;
        }
        seen
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
        let mut build = Build { rng, dtype: self.start.dtype(), init: self.start.init };
        let size: usize = shape.iter().product();
        let width = self.family.width(self.latent) + flow.map_or(0, |spec| spec.context(self.latent));
        let encoder = self.encoder.build(&self.seen(shape), width, &mut build)?;
        let blocks = self.likelihood.blocks();
        let decoder: Box<dyn Decoder> = match self.weights {
            DecoderWeights::Point => self.decoder.build(self.latent, shape, blocks, &mut build)?,
            DecoderWeights::Posterior => {
                let noise = objective.weight_noise();
                Box::new(WeightPosterior::new(&self.decoder, self.latent, blocks * size, noise, &mut build)?)
            }
        };
        let prior = self.prior.build(self.family, self.latent, size, &mut build)?;
        let adversary = objective.adversary().map(|config| mlp(self.latent, 1, &config, &mut build)).transpose()?;
        let likelihood = self.likelihood.build(size, build.dtype);
        let flow = flow.map(|spec| spec.amortised(self.latent, build.rng)).transpose()?;
        Ok(Vae { config: self.clone(), size, encoder, flow, decoder, prior, likelihood, adversary })
    }
}

/// A variational autoencoder.
pub struct Vae {
    config: VaeConfig,
    size: usize,
    encoder: Encoder,
    flow: Option<Amortised>,
    decoder: Box<dyn Decoder>,
    prior: Box<dyn Prior>,
    likelihood: Likelihood,
    adversary: Option<Sequential>,
}

impl Parameters for Vae {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.visit_model(f);
        nested("adversary", &self.adversary, f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.visit_model_mut(f);
        nested_mut("adversary", &mut self.adversary, f);
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

/// Codes drawn for a batch, and what they are worth.
pub struct Draws {
    /// Posteriors of the batch.
    pub q: Posterior,
    /// Codes, `[K, B, L]`.
    pub z: Tensor,
    /// The points of these codes, in which densities are written, `[K, B, L]`: logarithms of shares, else the codes.
    pub points: Tensor,
    /// Weights of the codes in expectations under q, `[K, B]`, where these are sums over all classes; else all codes count alike.
    pub weights: Option<Tensor>,
    /// log q(z | x) along the draw, `[K, B]`, nats, f64, where q is behind a flow. Other densities are functions of the points.
    pub log_q: Option<Tensor>,
    /// log p(x | z), `[K, B]`, nats.
    pub log_likelihood: Tensor,
    /// log p(z), `[K, B]`, nats.
    pub log_prior: Tensor,
}

impl Draws {
    /// log p(x, z) - log q(z | x) of each draw, `[K, B]`, f64.
    fn log_weights(&self) -> Tensor {
        let log_q = self.log_q.clone().unwrap_or_else(|| self.q.to_f64().log_prob(&self.points.to_f64()));
        self.log_likelihood.to_f64() + self.log_prior.to_f64() - log_q
    }

    /// log q(z | x) of each draw in the draws' precision, `[K, B]`: under `density` of the posterior, or along the draw of a flow.
    fn log_density(&self, density: impl FnOnce(&Posterior) -> Posterior) -> Tensor {
        match &self.log_q {
            Some(log_q) => log_q.cast(self.z.dtype()),
            None => density(&self.q).log_prob(&self.points),
        }
    }

    /// The expectation of `values: [K, B]` under q, averaged over the batch, a scalar.
    fn expectation(&self, values: &Tensor) -> Tensor {
        match &self.weights {
            Some(weights) => (values * weights).sum_axis(0, false).mean(),
            None => values.mean(),
        }
    }
}

/// [`Draws`] before they are weighed.
struct Drawn {
    q: Posterior,
    points: Tensor,
    weights: Option<Tensor>,
    log_q: Option<Tensor>,
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
    }

    fn visit_model_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("encoder", &mut self.encoder, f);
        nested_mut("flow", &mut self.flow, f);
        nested_mut("decoder", &mut self.decoder, f);
        nested_mut("prior", &mut self.prior, f);
        nested_mut("likelihood", &mut self.likelihood, f);
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

    pub(crate) fn adversary(&self) -> Option<&Sequential> {
        self.adversary.as_ref()
    }

    /// The precision of the networks.
    pub fn dtype(&self) -> DType {
        self.config.start.dtype()
    }

    /// Data points as the networks take them. `values: [N, D]`, row-major.
    pub fn tensor(&self, values: &[f32]) -> Tensor {
        let rows = values.len() / self.size;
        Tensor::from_f32(values.to_vec(), &[rows, self.size]).cast(self.dtype())
    }

    /// q(z | x). `x: [B, D]`, with NaN for what is missing.
    pub fn posterior(&self, x: &Tensor, pass: &mut Pass<'_>) -> Posterior {
        let config = &self.config;
        let masked = config.nan_is_missing.then(|| with_mask(x));
        let raw = self.encoder.forward(masked.as_ref().unwrap_or(x), pass);
        let raw = config.family.shifted(&raw, config.latent, config.start_log_variance);
        let base = config.family.posterior(&raw, config.latent, config.least_log_variance);
        let Some(flow) = &self.flow else { return base };
        let context = raw.narrow(-1, config.family.width(config.latent), flow.context());
        Posterior::Flow(Box::new(Flowed::new(base, context, flow.clone())))
    }

    /// log p(x | z) from the decoder's `output: [K, B, P D]`, `[K, B]`.
    fn log_likelihood(&self, output: &Tensor, x: &Tensor) -> Tensor {
        if self.config.nan_is_missing {
            self.likelihood.log_prob_of_observed(output, x)
        } else {
            self.likelihood.log_prob(output, x)
        }
    }

    fn pseudo(&self, pass: &mut Pass<'_>) -> Option<Posterior> {
        self.prior.pseudo_inputs().map(|u| self.posterior(&u, pass))
    }

    /// Decoder outputs of codes `z: [K, B, L]` of the data points `x: [B, D]`, `[K, B, P D]`.
    fn decode(&self, z: &Tensor, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let (draws, batch) = (z.size(0), z.size(1));
        let flat = z.reshape(&[draws * batch, self.latent()]);
        let seen = self
            .decoder
            .is_autoregressive()
            .then(|| x.unsqueeze(0).broadcast_to(&[draws, batch, self.size]).reshape(&[draws * batch, self.size]));
        let output = self.decoder.forward(&flat, seen.as_ref(), pass);
        let width = output.size(-1);
        output.reshape(&[draws, batch, width])
    }

    /// Draws `draws` codes for each data point `x: [B, D]` and weighs them.
    pub fn draw(&self, x: &Tensor, draws: usize, path: &Path, rng: &mut Rng, pass: &mut Pass<'_>) -> Draws {
        let q = self.posterior(x, pass);
        let noise = q.noise(draws, rng);
        self.draw_at(q, x, &noise, path, rng, pass)
    }

    /// Draws as [`Vae::draw`], or for classes what takes their place in the training step `step`, so that all follow the encoder's parameters.
    fn training_draws(
        &self,
        x: &Tensor,
        (draws, step): (usize, usize),
        path: &Path,
        rng: &mut Rng,
        pass: &mut Pass<'_>,
    ) -> Draws {
        let q = self.posterior(x, pass);
        if let (Posterior::Classes(classes), Family::Categorical(config)) = (&q, self.config.family) {
            let (z, weights) = classes.training_codes(config, draws, step, rng);
            return self.weigh(Drawn { q, points: z, weights, log_q: None }, x, path, rng, pass);
        }
        let noise = q.noise(draws, rng);
        self.draw_at(q, x, &noise, path, rng, pass)
    }

    /// The codes at this noise, which is as [`Posterior::noise`] gives it, of the posteriors `q` of `x: [B, D]`, weighed. `rng` is for a
    /// prior with latent variables of its own.
    pub fn draw_at(
        &self,
        q: Posterior,
        x: &Tensor,
        noise: &Tensor,
        path: &Path,
        rng: &mut Rng,
        pass: &mut Pass<'_>,
    ) -> Draws {
        let (points, log_q) = q.draw(noise);
        let points = path.attach(&points);
        self.weigh(Drawn { q, points, weights: None, log_q }, x, path, rng, pass)
    }

    fn weigh(&self, drawn: Drawn, x: &Tensor, path: &Path, rng: &mut Rng, pass: &mut Pass<'_>) -> Draws {
        let Drawn { q, points, weights, log_q } = drawn;
        let z = q.code(&points);
        let log_likelihood = self.log_likelihood(&self.decode(&z, x, pass), x);
        let pseudo = self.pseudo(pass);
        let log_prior = self.prior.log_prob(&points, &mut PriorPass { pseudo: pseudo.as_ref(), rng, path });
        Draws { q, z, points, weights, log_q, log_likelihood, log_prior }
    }

    /// Draws of the prior, `[count, L]`, outside the graph.
    pub fn sample_prior(&self, count: usize, rng: &mut Rng) -> Tensor {
        let draw = || {
            let pseudo = self.pseudo(&mut Pass::evaluation());
            self.prior.sample(count, pseudo.as_ref(), rng).cast(self.dtype())
        };
        no_grad(draw)
    }

    /// What the decoder makes of codes. `z: [N, L]`; returns `[N, D]`: means, or draws of the likelihood where `is_noisy`. Elements
    /// that depend on earlier ones are drawn one after the other.
    pub fn generate(&self, z: &Tensor, is_noisy: bool, rng: &mut Rng) -> Tensor {
        no_grad(|| {
            let blocks: Vec<Tensor> = (0..z.size(0))
                .step_by(ROWS_AT_ONCE)
                .map(|start| {
                    let part = z.narrow(0, start, ROWS_AT_ONCE.min(z.size(0) - start));
                    self.generate_block(&part, is_noisy, rng)
                })
                .collect();
            Tensor::cat(&blocks, 0)
        })
    }

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

    /// Posteriors of many data points, in double precision, outside the graph. `values: [N, D]`.
    pub fn encode(&self, values: &[f32]) -> Posterior {
        let encode = || {
            let blocks: Vec<Posterior> = values
                .chunks(ROWS_AT_ONCE * self.size)
                .map(|block| self.posterior(&self.tensor(block), &mut Pass::evaluation()).to_f64())
                .collect();
            Posterior::concatenate(&blocks)
        };
        no_grad(encode)
    }
}
