//! Layers with a normal distribution for each weight, through which moments are passed.

use super::{Uncertain, Unit};
use crate::bayes::{MeanFieldLinear, Noise};
use crate::layer::{Build, Layer, Pass, check_weight, check_widths};
use elbo_core::{ModelFile, Result, Snapshot, ensure};
use elbo_tensor::{Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Widest layer whose covariances are kept.
const MOST_COVARIANCES: usize = 256;

/// Settings of [`MomentNetwork`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MomentNetworkConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The nonlinear function between layers.
    pub unit: Unit,
    /// Standard deviation of each weight at the start, times the root of its layer's inputs.
    pub sd: f64,
    /// Standard deviation of the prior of each weight, times the root of its layer's inputs.
    pub prior_sd: f64,
    /// Whether covariances of a layer's units are kept, up to 256 of them, or variances alone.
    pub has_covariances: bool,
}

impl Default for MomentNetworkConfig {
    fn default() -> Self {
        Self { hidden: vec![50], unit: Unit::Relu, sd: 1e-2, prior_sd: 1.0, has_covariances: false }
    }
}

/// Linear layers with a normal distribution for each weight and a nonlinear function between them.
///
/// Its moments are [`MomentNetwork::propagate`]; as a [`Layer`] it is the network itself, whose weights a pass may draw.
pub struct MomentNetwork {
    layers: Vec<MeanFieldLinear>,
    unit: Unit,
    has_covariances: bool,
    /// Of each layer, times the root of its inputs.
    prior_sds: Vec<f64>,
}

elbo_tensor::parameters!(MomentNetwork { "layers": layers });

impl MomentNetworkConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        check_widths("hidden", &self.hidden)?;
        ensure("sd", self.sd, self.sd > 0.0 && self.sd.is_finite(), "above 0")?;
        ensure("prior_sd", self.prior_sd, self.prior_sd > 0.0 && self.prior_sd.is_finite(), "above 0")
    }

    /// The network from `input` to `out` numbers.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for settings out of range, and for covariances of more than 256 units.
    pub fn build(&self, input: usize, out: usize, build: &mut Build<'_>) -> Result<MomentNetwork> {
        self.check()?;
        let widths = [&[input], self.hidden.as_slice(), &[out]].concat();
        widths.windows(2).try_for_each(|pair| check_weight("hidden", pair))?;
        let widest = widths[1..].iter().copied().max().unwrap_or(0);
        let fits = !self.has_covariances || widest <= MOST_COVARIANCES;
        ensure("has_covariances", format!("true with {widest} units"), fits, "false, or at most 256 units a layer")?;
        let layer = |pair: &[usize]| {
            MeanFieldLinear::new(pair[0], pair[1], self.sd / (pair[0] as f64).sqrt(), Noise::Local, build)
        };
        let layers: Vec<MeanFieldLinear> = widths.windows(2).map(layer).collect();
        let prior_sds = vec![self.prior_sd; layers.len()];
        Ok(MomentNetwork { layers, unit: self.unit, has_covariances: self.has_covariances, prior_sds })
    }
}

impl MomentNetwork {
    /// Moments of the outputs from those of the inputs.
    pub fn propagate(&self, x: &Uncertain) -> Uncertain {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(x.clone(), |x, (l, layer)| {
            let sum = x.linear(&layer.mean.get(), &layer.sd.get().square());
            if l < last { sum.through(self.unit) } else { sum }
        })
    }

    /// Moments of the outputs for inputs that are known, `x: [B, D]`.
    pub fn moments(&self, x: &Tensor) -> Uncertain {
        self.propagate(&Uncertain::certain(x, self.has_covariances))
    }

    /// Standard deviations of each layer's prior, times the root of its inputs.
    pub fn prior_sds(&self) -> &[f64] {
        &self.prior_sds
    }

    /// KL of all weights to the prior, in nats.
    pub fn kl(&self) -> Tensor {
        self.layers.iter().zip(&self.prior_sds).map(|(layer, s)| layer.kl(s / fan_in(layer).sqrt())).sum()
    }

    /// Moves each layer's prior to where [`MomentNetwork::kl`] is least: empirical Bayes.
    pub fn refresh_prior(&mut self) {
        self.prior_sds = self.layers.iter().map(|layer| layer.best_prior_sd() * fan_in(layer).sqrt()).collect();
    }
}

/// Inputs of a layer, without the constant.
fn fan_in(layer: &MeanFieldLinear) -> f64 {
    (layer.mean.shape()[1] - 1) as f64
}

impl Layer for MomentNetwork {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(x.clone(), |x, (l, layer)| {
            let sum = layer.forward(&x, pass);
            if l < last { self.unit.apply(&sum) } else { sum }
        })
    }
}

impl Snapshot for MomentNetwork {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
        self.prior_sds.save(file, &format!("{prefix}.prior_sds"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)?;
        self.prior_sds.restore(file, &format!("{prefix}.prior_sds"))
    }
}
