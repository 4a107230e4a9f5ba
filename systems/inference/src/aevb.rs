#![doc = "[picture]: ../../../../docs/pictures/aevb.svg"]
#![doc = include_str!("aevb.md")]

mod claim;

use elbo_core::{Card, Claim, Config, Incomplete, Kind, ModelFile, Result, Run, System, Verb, ensure_within};
use elbo_nn::model::{LatentModel, LatentSettings};
use elbo_nn::vae::{Estimate, ObjectiveConfig, Term, Weighted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Auto-encoding variational Bayes.
pub struct Aevb;

/// Settings of `aevb`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AevbConfig {
    /// The model and its training.
    #[serde(flatten)]
    pub common: LatentSettings,
    /// How the divergence is estimated: closed (the paper's estimator B), sampled (its estimator A), or sticking_the_landing.
    pub divergence: Estimate,
    /// Draws of the code for each data point, `L`.
    #[schemars(range(min = 1))]
    pub draws: usize,
}

impl Default for AevbConfig {
    fn default() -> Self {
        let common = LatentSettings { weight_precision: 1.0, ..LatentSettings::default() };
        Self { common, divergence: Estimate::Closed, draws: 1 }
    }
}

impl Config for AevbConfig {
    fn check(&self) -> Result<()> {
        self.common.check()?;
        ensure_within("draws", self.draws, 1..=100_000)
    }
}

impl AevbConfig {
    /// The evidence lower bound.
    fn objective(&self) -> ObjectiveConfig {
        let kl = Term::Kl { estimate: self.divergence };
        ObjectiveConfig { draws: self.draws, terms: vec![Weighted::from(Term::Reconstruction), Weighted::from(kl)] }
    }
}

impl System for Aevb {
    const CARD: Card = Card {
        id: "aevb",
        title: "Auto-Encoding Variational Bayes",
        family: "inference",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Evaluate, Verb::Sample, Verb::Reconstruct, Verb::Encode, Verb::Reproduce],
        source: "Kingma and Welling (2014)",
        about: include_str!("aevb.md"),
        validates_itself: false,
    };
    type Config = AevbConfig;
    type Input = Incomplete;
    type Model = LatentModel;

    fn fit(&self, config: &AevbConfig, input: Incomplete, run: &mut Run) -> Result<LatentModel> {
        LatentModel::fit(&config.common, &config.objective(), 0, config, input.0, run)
    }

    fn load(&self, file: &ModelFile) -> Result<LatentModel> {
        LatentModel::load(file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        claim::claim(run)
    }
}
