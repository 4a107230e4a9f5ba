#![doc = "[picture]: ../../../../docs/pictures/iwae.svg"]
#![doc = include_str!("iwae.md")]

mod claim;

use elbo_core::{Card, Claim, Config, Incomplete, Kind, ModelFile, Result, Run, System, Verb, ensure_within};
use elbo_nn::Activation;
use elbo_nn::model::{LatentModel, LatentSettings};
use elbo_nn::vae::{Binarise, Decay, Gradient, ObjectiveConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Importance weighted autoencoders.
pub struct Iwae;

/// Settings of `iwae`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IwaeConfig {
    /// The model and its training.
    #[serde(flatten)]
    pub common: LatentSettings,
    /// Draws inside the logarithm, `K`; one is the evidence lower bound.
    #[schemars(range(min = 1))]
    pub draws: usize,
    /// Groups of these draws, each with a logarithm of its own, whose bounds are averaged (MIWAE). A divisor of draws.
    #[schemars(range(min = 1))]
    pub groups: usize,
    /// Share of the evidence lower bound beside the importance-weighted one (CIWAE), from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub beta: f64,
    /// The estimator of the encoder's gradient: doubly_reparameterised, plain (the paper's), or sticking_the_landing.
    pub gradient: Gradient,
    /// Draws among which a code is resampled by its weight; zero gives the encoder's own.
    pub resample: usize,
}

impl Default for IwaeConfig {
    fn default() -> Self {
        let common = LatentSettings {
            latent: 50,
            hidden: vec![200, 200],
            activation: Activation::Tanh,
            binarise: Binarise::Dynamic,
            batch: 20,
            decay: Decay::Stairs,
            epsilon: 1e-4,
            ..LatentSettings::default()
        };
        Self { common, draws: 5, groups: 1, beta: 0.0, gradient: Gradient::DoublyReparameterised, resample: 50 }
    }
}

impl Config for IwaeConfig {
    fn check(&self) -> Result<()> {
        self.common.check()?;
        ensure_within("draws", self.draws, 1..=100_000)?;
        ensure_within("resample", self.resample, 0..=100_000)?;
        self.objective().check(self.common.batch)
    }
}

impl IwaeConfig {
    /// The importance-weighted bound.
    fn objective(&self) -> ObjectiveConfig {
        ObjectiveConfig::grouped(self.draws, self.groups, self.beta, self.gradient)
    }
}

impl System for Iwae {
    const CARD: Card = Card {
        id: "iwae",
        title: "Importance Weighted Autoencoders",
        family: "inference",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Evaluate, Verb::Sample, Verb::Reconstruct, Verb::Encode, Verb::Reproduce],
        source: "Burda, Grosse and Salakhutdinov (2016)",
        about: include_str!("iwae.md"),
        validates_itself: false,
    };
    type Config = IwaeConfig;
    type Input = Incomplete;
    type Model = LatentModel;

    fn fit(&self, config: &IwaeConfig, input: Incomplete, run: &mut Run) -> Result<LatentModel> {
        LatentModel::fit(&config.common, &config.objective(), config.resample, config, input.0, run)
    }

    fn load(&self, file: &ModelFile) -> Result<LatentModel> {
        LatentModel::load(file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        claim::claim(run)
    }
}
