//! What a model is made of: the law of its data points, the network that draws from it in few evaluations, its classes.

use crate::denoiser::{Empirical, GaussianMixture};
use crate::flow_map::{Consistency, MeanVelocity};
use crate::network::NetworkDenoiser;
use crate::sampler::Sampled;
use elbo_core::samples::Labels;
use elbo_core::{ModelFile, Result, Rng};
use serde::{Deserialize, Serialize};

/// A law of data points, known through its denoiser.
pub(super) enum Law {
    Network(NetworkDenoiser),
    Empirical(Empirical),
    Gaussian(Gaussian),
}

/// A Gaussian, with the numbers it was made from, which its file keeps.
pub(super) struct Gaussian {
    pub(super) mean: Vec<f64>,
    pub(super) covariance: Vec<f64>,
    pub(super) law: GaussianMixture,
}

impl Gaussian {
    pub(super) fn new(mean: Vec<f64>, covariance: Vec<f64>) -> Result<Self> {
        let law = GaussianMixture::gaussian(&mean, &covariance)?;
        Ok(Self { mean, covariance, law })
    }
}

/// A network that draws in few evaluations.
pub(super) enum Student {
    Consistency(Consistency),
    MeanVelocity(MeanVelocity),
}

impl Student {
    pub(super) fn draw(&self, jumps: usize, count: usize, rng: &mut Rng) -> Result<Sampled> {
        match self {
            Self::Consistency(model) => model.draw(jumps, count, rng),
            Self::MeanVelocity(model) => model.draw(jumps, count, rng),
        }
    }

    pub(super) fn save(&self, file: &mut ModelFile) {
        let network = match self {
            Self::Consistency(model) => {
                file.set("boundary", model.boundary());
                file.set("high", &model.high());
                model.network()
            }
            Self::MeanVelocity(model) => {
                file.set("span", model.span());
                model.network()
            }
        };
        network.write_to(file, "student");
    }
}

/// Classes that the network can be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Classes {
    pub(super) names: Vec<String>,
    /// How often each is among the data.
    pub(super) shares: Vec<f64>,
}

impl Classes {
    pub(super) fn new(labels: &Labels) -> Self {
        let count = |k: usize| labels.codes.iter().filter(|c| **c == k).count() as f64;
        let shares = (0..labels.classes.len()).map(|k| count(k) / labels.codes.len() as f64).collect();
        Self { names: labels.classes.clone(), shares }
    }

    /// Whether a draw of one of them is possible.
    pub(super) fn is_sound(&self) -> bool {
        let total: f64 = self.shares.iter().sum();
        self.names.len() == self.shares.len() && self.shares.iter().all(|s| *s >= 0.0) && (total - 1.0).abs() < 1e-6
    }
}
