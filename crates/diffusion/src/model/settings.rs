//! Settings of the prior that systems share.

use crate::network::{NetworkConfig, TrainingConfig};
use crate::parameterisation::{Preconditioning, Weighting};
use crate::sampler::Sampler;
use crate::schedule::{NoiseLaw, Schedule};
use elbo_core::{Result, Run, ensure, ensure_within};
use elbo_nn::fidelity::FeatureKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is learned of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriorKind {
    /// A network that is trained as a denoiser.
    Network,
    /// The data points themselves, and their exact denoiser.
    #[default]
    Empirical,
    /// Their mean and covariance, and the exact denoiser of that Gaussian.
    Gaussian,
}

/// What the network that draws in few evaluations is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StudentKind {
    /// A consistency model, distilled from the denoiser.
    #[default]
    Consistency,
    /// A mean velocity between two levels, learned from the data.
    MeanVelocity,
}

/// Settings of a network as a denoiser, its training, and the sampler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NetworkSettings {
    /// Channels at each level of the U-shaped network of pictures; each level after the first halves them.
    pub widths: Vec<usize>,
    /// Widths of the fully connected layers for rows of numbers.
    pub hidden: Vec<usize>,
    /// Length of the vector that stands for the noise level; even.
    pub embedding: usize,
    /// A U-Net that was trained elsewhere, which is taken as it is instead of training one: a folder of the library diffusers (`config.json` and
    /// weights as safetensors), or a safetensors file with the names of the DDPM paper's network or of EDM's DDPM++; the data then say what
    /// pictures look like.
    pub weights: Option<String>,
    /// Steps of training, each on one batch.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// Data points a step.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Adam's rate at the start; it falls to a hundredth along half a cosine.
    pub rate: f64,
    /// Share of the old average in the new one, of the weights that are kept in the end.
    pub average: f64,
    /// What the network says: noise (DDPM), data, v or edm.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub parameterisation: Preconditioning,
    /// What an error at a level weighs: simple, min_snr, edm or elbo.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub weighting: Weighting,
    /// Where the noise levels of training come from: time (of a path) or log_normal.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub noise_law: NoiseLaw,
    /// How samples are drawn: ancestral, ddim, dpm_solver_2m or heun.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub sampler: Sampler,
    /// Noise levels that a sample passes.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// How those levels are spread: ddpm, karras, log or time (of a path).
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub schedule: Schedule,
    /// Whether the network is told the class of a data point, from the column named by --target; samples then come with one.
    pub conditional: bool,
    /// Share of the training points whose class is withheld, so that the network does without it too.
    pub withheld: f64,
    /// How closely samples keep to their class: 1 as the data do, above 1 the more typical ones, at twice the cost; 0 not at all.
    pub guidance: f64,
    /// Further steps of training, in which a second network learns where the flow of the first one ends; zero for none. Samples are then
    /// drawn by it.
    pub distil: usize,
    /// How that second network learns: consistency, from the first one; or mean_velocity, from the data alone.
    pub student: StudentKind,
    /// Evaluations of that second network for a sample.
    #[schemars(range(min = 1))]
    pub jumps: usize,
    /// Samples that are compared with the data after the fit; zero for none.
    pub measured: usize,
    /// What they are compared by: pca-16, the leading principal components of the data; or cnn-32, the features of a small network that learns to tell
    /// the classes of pictures, from the column named by --target.
    pub features: FeatureKind,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        let network = NetworkConfig::default();
        Self {
            widths: network.widths,
            hidden: network.hidden,
            embedding: network.embedding,
            weights: None,
            iterations: 4000,
            batch: 32,
            rate: 2e-3,
            average: 0.999,
            parameterisation: Preconditioning::Noise,
            weighting: Weighting::Simple,
            noise_law: NoiseLaw::default(),
            sampler: Sampler::Ancestral,
            steps: 100,
            schedule: Schedule::Ddpm,
            conditional: false,
            withheld: 0.1,
            guidance: 1.0,
            distil: 0,
            student: StudentKind::Consistency,
            jumps: 2,
            measured: 256,
            features: FeatureKind::Pca16,
        }
    }
}

impl NetworkSettings {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] naming the field.
    pub fn check(&self) -> Result<()> {
        self.network(0).check()?;
        self.training().check()?;
        self.sampler.check()?;
        self.schedule.levels(self.steps)?;
        ensure_within("guidance", self.guidance, 0.0..)?;
        ensure_within("jumps", self.jumps, 1..=1000)?;
        let foreign = self.conditional && self.weights.is_some();
        ensure(
            "conditional",
            self.conditional,
            !foreign,
            "false where `weights` are given: such a network knows no classes",
        )?;
        let both = self.conditional && self.distil > 0;
        ensure("distil", self.distil, !both, "0 where conditional=true: the second network is not told classes")?;
        ensure_within("distil", self.distil, 0..=1_000_000_000)?;
        ensure_within("measured", self.measured, 0..=1_000_000)?;
        ensure("measured", self.measured, self.measured != 1, "0, or at least 2")
    }

    /// Warns of settings that do not apply to this prior of pictures or of rows.
    pub(super) fn warn_idle(&self, kind: PriorKind, is_picture: bool, run: &mut Run) {
        if self.measured == 0 {
            run.warn_idle(self, &["features"], "with measured=0");
        }
        let structure =
            ["widths", "hidden", "embedding", "parameterisation", "weighting", "noise_law", "average", "iterations"];
        if kind != PriorKind::Network {
            let why = "with a prior that is no network";
            run.warn_idle(self, &structure, why);
            let training = ["weights", "batch", "rate", "withheld", "guidance", "distil", "student", "jumps"];
            run.warn_idle(self, &training, why);
            return;
        }
        match &self.weights {
            Some(_) => {
                run.warn_idle(self, &structure[3..], "where `weights` are given");
                if self.distil == 0 {
                    run.warn_idle(
                        self,
                        &["widths", "hidden", "embedding", "batch", "rate"],
                        "where `weights` are given",
                    );
                }
            }
            None if is_picture => run.warn_idle(self, &["hidden"], "on pictures, whose network has `widths`"),
            None => run.warn_idle(self, &["widths"], "on rows of numbers, whose network has `hidden` layers"),
        }
        if !self.conditional {
            run.warn_idle(self, &["withheld", "guidance"], "without conditional=true");
        }
        if self.distil == 0 {
            run.warn_idle(self, &["student", "jumps"], "without `distil`");
        } else {
            run.warn_idle(self, &["sampler", "steps", "schedule"], "on samples, which the network of `distil` draws");
        }
    }

    /// The network, which can be told so many classes.
    pub fn network(&self, classes: usize) -> NetworkConfig {
        NetworkConfig { widths: self.widths.clone(), hidden: self.hidden.clone(), embedding: self.embedding, classes }
    }

    /// The training.
    pub fn training(&self) -> TrainingConfig {
        TrainingConfig {
            iterations: self.iterations,
            batch: self.batch,
            rate: self.rate,
            average: self.average,
            preconditioning: self.parameterisation,
            weighting: self.weighting,
            noise: self.noise_law.clone(),
            withheld: self.withheld,
        }
    }
}
