#![doc = "[picture]: ../../../../docs/pictures/infovae.svg"]
#![doc = include_str!("infovae.md")]

mod claim;

use elbo_core::{
    Allowed, Card, Claim, Config, Incomplete, Kind, ModelFile, Result, Run, System, Verb, ensure, ensure_within,
};
use elbo_nn::model::{LatentModel, LatentSettings};
use elbo_nn::vae::divergence::Kernel;
use elbo_nn::vae::{Estimate, Field, ObjectiveConfig, Term, Weighted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Information-maximising variational autoencoders.
pub struct InfoVae;

/// How the codes of all data points together are compared with the prior.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Divergence {
    /// Maximum mean discrepancy.
    #[default]
    Mmd,
    /// Kernelised Stein discrepancy from a standard normal prior.
    Stein,
    /// A discriminator's estimate of the Kullback-Leibler divergence.
    Adversarial,
    /// The move of codes along the gradient of a divergence between noisy codes and noisy draws of the prior.
    Matching,
}

/// Settings of `infovae`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InfoVaeConfig {
    /// The model and its training.
    #[serde(flatten)]
    pub common: LatentSettings,
    /// How much information codes may hold: one less alpha is the weight of each data point's divergence. At most 1.
    pub alpha: f64,
    /// Weight of the aggregated divergence: alpha + lambda - 1.
    pub lambda: f64,
    /// The aggregated divergence: mmd, stein, adversarial or matching.
    pub divergence: Divergence,
    /// The kernel of mmd and stein: inverse_multiquadric, rbf, rbf_median, or original.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub kernel: Kernel,
    /// Codes of past steps that mmd compares with the prior beside those of the batch, for batches of few data points; zero for none.
    #[schemars(range(max = 4096))]
    pub buffer: usize,
    /// Weight of each posterior's squared Wasserstein distance from a standard normal prior, for Gaussian families.
    #[schemars(range(min = 0.0))]
    pub wasserstein: f64,
    /// Weight of the decoder's steepness: the squared length of what its derivative makes of each posterior's spread.
    #[schemars(range(min = 0.0))]
    pub jacobian: f64,
}

impl Default for InfoVaeConfig {
    fn default() -> Self {
        // Posteriors as wide as the prior meet it without telling anything, and there the gradient of the discrepancy is mere noise: the
        // decoder learns to do without codes before they mean something. Narrow ones are spread apart by the discrepancy instead.
        let common =
            LatentSettings { least_log_variance: -10.0, start_log_variance: -4.0, ..LatentSettings::default() };
        Self {
            common,
            alpha: 1.0,
            lambda: 1000.0,
            divergence: Divergence::Mmd,
            kernel: Kernel::InverseMultiquadric,
            buffer: 0,
            wasserstein: 0.0,
            jacobian: 0.0,
        }
    }
}

impl Config for InfoVaeConfig {
    fn check(&self) -> Result<()> {
        self.common.check()?;
        ensure(
            "alpha",
            self.alpha,
            self.alpha <= 1.0,
            Allowed::within(..=1.0).told("at most 1; above it the objective pays for divergence without limit"),
        )?;
        let weight = self.aggregated_weight();
        ensure(
            "lambda",
            self.lambda,
            weight >= 0.0 && weight.is_finite(),
            "at least 1 - alpha; below it the objective is unbounded",
        )?;
        ensure_within("buffer", self.buffer, 0..=4096)?;
        ensure_within("wasserstein", self.wasserstein, 0.0..)?;
        ensure_within("jacobian", self.jacobian, 0.0..)
    }
}

impl InfoVaeConfig {
    /// Weight of the aggregated divergence.
    fn aggregated_weight(&self) -> f64 {
        self.alpha + self.lambda - 1.0
    }

    /// Whether a kernel compares the codes of a batch with the prior.
    fn has_kernel(&self) -> bool {
        matches!(self.divergence, Divergence::Mmd | Divergence::Stein) && self.aggregated_weight() > 0.0
    }

    /// Reconstruction, each data point's divergence, the aggregated one, and the terms of regularised autoencoders.
    fn objective(&self) -> ObjectiveConfig {
        let kernel = self.kernel;
        let aggregated = match self.divergence {
            Divergence::Mmd => Term::Mmd { kernel, buffer: self.buffer },
            Divergence::Stein => Term::Stein { kernel },
            Divergence::Adversarial => Term::Adversarial { hidden: vec![128, 128] },
            Divergence::Matching => Term::DistributionMatching { field: Field::default() },
        };
        let kl = Weighted::new(1.0 - self.alpha, Term::Kl { estimate: Estimate::Closed });
        let aggregated = Weighted::new(self.aggregated_weight(), aggregated);
        let wasserstein = Weighted::new(self.wasserstein, Term::Wasserstein);
        let jacobian = Weighted::new(self.jacobian, Term::Jacobian);
        // Terms that cost nothing are not computed.
        let others = [kl, aggregated, wasserstein, jacobian].into_iter().filter(|t| t.weight.at(0, 1.0) > 0.0);
        ObjectiveConfig { draws: 1, terms: [Term::Reconstruction.into()].into_iter().chain(others).collect() }
    }
}

impl System for InfoVae {
    const CARD: Card = Card {
        id: "infovae",
        title: "InfoVAE: Information Maximizing Variational Autoencoders",
        family: "vae",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Evaluate, Verb::Sample, Verb::Reconstruct, Verb::Encode, Verb::Reproduce],
        source: "Zhao, Song and Ermon (2019)",
        about: include_str!("infovae.md"),
        validates_itself: false,
    };
    type Config = InfoVaeConfig;
    type Input = Incomplete;
    type Model = LatentModel;

    fn fit(&self, config: &InfoVaeConfig, input: Incomplete, run: &mut Run) -> Result<LatentModel> {
        let has_buffer = config.has_kernel() && config.divergence == Divergence::Mmd;
        if !has_buffer {
            run.warn_idle(config, &["buffer"], "without divergence=mmd and a weight for it");
        }
        let compared = config.common.batch.min(input.0.len()) + if has_buffer { config.buffer } else { 0 };
        if config.has_kernel() && compared < 32 {
            let remedy =
                if has_buffer { "raise `batch`, or keep codes of past steps with `buffer`" } else { "raise `batch`" };
            run.warn(format!("a discrepancy between fewer than 32 codes varies a lot; {remedy}"));
        }
        if config.has_kernel() && config.kernel == Kernel::Original && config.common.latent > 64 {
            run.warn("the original kernel is flat in more than 64 dimensions; set kernel=inverse_multiquadric");
        }
        LatentModel::fit(&config.common, &config.objective(), 0, config, input.0, run)
    }

    fn load(&self, file: &ModelFile) -> Result<LatentModel> {
        LatentModel::load(file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        claim::claim(run)
    }
}
