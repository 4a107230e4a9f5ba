//! Features brought to mean zero and variance one.

use super::{Build, Built, Layer, Pass, refuse};
use elbo_core::{Result, ensure_within};
use elbo_tensor::{Parameter, Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;

/// Settings of [`LayerNorm`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LayerNormConfig {
    /// Number of trailing axes over which mean and variance are taken.
    pub axes: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl Default for LayerNormConfig {
    fn default() -> Self {
        Self { axes: 1, epsilon: 1e-5 }
    }
}

/// Mean zero and variance one over the trailing axes of each data point, then a scale and a shift of each element.
pub struct LayerNorm {
    /// The normalised axes' shape.
    pub weight: Parameter,
    /// The same shape.
    pub bias: Parameter,
    epsilon: f64,
}

elbo_tensor::parameters!(LayerNorm { "weight": weight, "bias": bias });

impl LayerNormConfig {
    /// The layer for data points of this shape.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when there are fewer axes.
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        if self.axes == 0 || self.axes > shape.len() {
            return refuse("layer_norm", shape, format!("`axes` from 1 to {}, not {}", shape.len(), self.axes));
        }
        Built::new(LayerNorm::new(&shape[shape.len() - self.axes..], self.epsilon, build), shape)
    }
}

impl LayerNorm {
    /// Over trailing axes of this shape.
    pub fn new(shape: &[usize], epsilon: f64, build: &Build<'_>) -> Self {
        let full = |value| Parameter::real(&Tensor::full(shape, value, build.dtype));
        Self { weight: full(1.0), bias: full(0.0), epsilon }
    }
}

impl Layer for LayerNorm {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        x.layer_norm(&self.weight.get(), Some(&self.bias.get()), self.epsilon)
    }
}

/// Settings of [`GroupNorm`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroupNormConfig {
    /// Groups of channels; must divide their number.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl Default for GroupNormConfig {
    fn default() -> Self {
        Self { groups: 1, epsilon: 1e-5 }
    }
}

/// Mean zero and variance one over each group of channels of each data point, then a scale and a shift of each channel.
pub struct GroupNorm {
    /// `[C]`.
    pub weight: Parameter,
    /// `[C]`.
    pub bias: Parameter,
    groups: usize,
    epsilon: f64,
}

elbo_tensor::parameters!(GroupNorm { "weight": weight, "bias": bias });

impl GroupNormConfig {
    /// The layer for data points `[C, ...]`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when the groups do not divide the channels.
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        match shape.first() {
            Some(&channels) if self.groups > 0 && channels.is_multiple_of(self.groups) => {
                Built::new(GroupNorm::new(channels, self, build), shape)
            }
            _ => refuse("group_norm", shape, format!("channels that {} groups divide", self.groups)),
        }
    }
}

impl GroupNorm {
    /// For this many channels.
    pub fn new(channels: usize, config: &GroupNormConfig, build: &Build<'_>) -> Self {
        let (groups, epsilon) = (config.groups, config.epsilon);
        Self { weight: build.full(channels, 1.0), bias: build.full(channels, 0.0), groups, epsilon }
    }
}

impl Layer for GroupNorm {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        x.group_norm(self.groups, Some(&self.weight.get()), Some(&self.bias.get()), self.epsilon)
    }
}

/// `[C]` as `[C, 1, ...]`, to be broadcast over a batch of this rank.
fn per_channel(values: &Tensor, rank: usize) -> Tensor {
    let mut shape = vec![1; rank - 1];
    shape[0] = values.len();
    values.reshape(&shape)
}

/// Settings of [`BatchNorm`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchNormConfig {
    /// Share of a batch's statistics in the running ones.
    pub momentum: f64,
    /// Added to the variance.
    pub epsilon: f64,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self { momentum: 0.1, epsilon: 1e-5 }
    }
}

/// Mean zero and variance one of each channel over a batch, then a scale and a shift of each channel.
///
/// In training the batch's own statistics are used, and the running ones, which are frozen parameters, move towards them; in
/// evaluation the running ones are used.
pub struct BatchNorm {
    /// `[C]`.
    pub weight: Parameter,
    /// `[C]`.
    pub bias: Parameter,
    // A forward pass has `&self`, and the statistics are its side effect. The lock is held for a moment only.
    running: Mutex<Running>,
    momentum: f64,
    epsilon: f64,
}

struct Running {
    mean: Parameter,
    variance: Parameter,
}

const POISONED: &str = "no code that holds the running statistics panics";

impl Parameters for BatchNorm {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        f("weight", &self.weight);
        f("bias", &self.bias);
        let running = self.running.lock().expect(POISONED);
        f("running_mean", &running.mean);
        f("running_var", &running.variance);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f("weight", &mut self.weight);
        f("bias", &mut self.bias);
        let running = self.running.get_mut().expect(POISONED);
        f("running_mean", &mut running.mean);
        f("running_var", &mut running.variance);
    }
}

impl BatchNormConfig {
    /// The layer for data points `[C, ...]`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for data points without axes, or a momentum outside [0, 1].
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        let Some(&channels) = shape.first() else { return refuse("batch_norm", shape, "at least one axis") };
        ensure_within("momentum", self.momentum, 0.0..=1.0)?;
        Built::new(BatchNorm::new(channels, self, build), shape)
    }
}

impl BatchNorm {
    /// For this many channels.
    pub fn new(channels: usize, config: &BatchNormConfig, build: &Build<'_>) -> Self {
        let running =
            Running { mean: build.full(channels, 0.0).frozen(), variance: build.full(channels, 1.0).frozen() };
        Self {
            weight: build.full(channels, 1.0),
            bias: build.full(channels, 0.0),
            running: Mutex::new(running),
            momentum: config.momentum,
            epsilon: config.epsilon,
        }
    }
}

impl Layer for BatchNorm {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let mut running = self.running.lock().expect(POISONED);
        let (scale, shift) = (self.weight.get(), self.bias.get());
        if pass.is_training() {
            let (normal, mean, variance) = x.batch_norm(Some(&scale), Some(&shift), self.epsilon);
            let count = (x.len() / x.size(1)) as f64;
            let share = pass.share().unwrap_or(self.momentum);
            move_towards(&mut running.mean, &mean, share);
            // The running variance is the unbiased one, as PyTorch's is.
            move_towards(&mut running.variance, &(variance * (count / (count - 1.0).max(1.0))), share);
            return normal;
        }
        // One multiplication and one addition for each pixel.
        let scale = scale / (running.variance.get() + self.epsilon).sqrt();
        let shift = shift - running.mean.get() * &scale;
        x * per_channel(&scale, x.rank()) + per_channel(&shift, x.rank())
    }
}

fn move_towards(running: &mut Parameter, new: &Tensor, share: f64) {
    let old = running.leaf().as_f64().into_owned();
    let moved: Vec<f64> = old.iter().zip(new.as_f64().iter()).map(|(o, n)| o + share * (n - o)).collect();
    running.set_free(&moved);
}
