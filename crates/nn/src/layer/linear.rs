//! A linear map of the last axis.

use super::size::check_weight;
use super::{Build, Built, Layer, Pass, refuse};
use elbo_core::Result;
use elbo_tensor::{Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of [`Linear`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinearConfig {
    /// Size of the last axis afterwards.
    pub out: usize,
    /// Whether a constant is added.
    pub has_bias: bool,
}

impl Default for LinearConfig {
    fn default() -> Self {
        Self { out: 1, has_bias: true }
    }
}

/// xW' + b over the last axis.
pub struct Linear {
    /// `[out, in]`.
    pub weight: Parameter,
    /// `[out]`.
    pub bias: Option<Parameter>,
}

elbo_tensor::parameters!(Linear { "weight": weight, "bias": bias });

impl LinearConfig {
    /// A map onto `out` numbers.
    pub fn new(out: usize) -> Self {
        Self { out, ..Self::default() }
    }

    /// The layer for data points of this shape.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a data point without axes or no outputs.
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        let Some(&input) = shape.last().filter(|n| **n > 0) else {
            return refuse("linear", shape, "at least one axis");
        };
        check_weight("out", &[self.out, input])?;
        let mut after = shape.to_vec();
        after[shape.len() - 1] = self.out;
        Built::new(Linear::new(input, self.out, self.has_bias, build), &after)
    }
}

impl Linear {
    /// A map from `input` to `out` numbers.
    pub fn new(input: usize, out: usize, has_bias: bool, build: &mut Build<'_>) -> Self {
        let weight = build.weight(&[out, input]);
        let bias = has_bias.then(|| build.bias(out, input));
        Self { weight, bias }
    }
}

impl Layer for Linear {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        x.linear(&self.weight.get(), self.bias.as_ref().map(Parameter::get).as_ref())
    }
}
