//! A vector for every level of a category.

use super::size::check_weight;
use super::{Build, Built, Layer, Pass, refuse};
use crate::init::{Init, normal};
use elbo_core::Result;
use elbo_tensor::{DType, Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of [`Embedding`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// Number of levels.
    pub levels: usize,
    /// Length of a vector.
    pub out: usize,
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self { levels: 2, out: 16 }
    }
}

/// Looks up a vector for every number, which must be whole and below the number of levels.
pub struct Embedding {
    /// `[levels, out]`.
    pub weight: Parameter,
}

elbo_tensor::parameters!(Embedding { "weight": weight });

impl EmbeddingConfig {
    /// The layer for data points `[T]`; returns `[T, out]`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for data points that are not sequences, or empty sizes.
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        check_weight("levels", &[self.levels, self.out])?;
        let &[steps] = shape else { return refuse("embedding", shape, "[T], one level a position") };
        Built::new(Embedding::new(self.levels, self.out, build), &[steps, self.out])
    }
}

impl Embedding {
    /// `levels` vectors of length `out`.
    pub fn new(levels: usize, out: usize, build: &mut Build<'_>) -> Self {
        let shape = [levels, out];
        let weight = match build.init {
            Init::Torch => normal(&shape, 1.0, build.rng, build.dtype),
            init => init.weight(&shape, build.rng, build.dtype),
        };
        Self { weight: Parameter::real(&weight) }
    }
}

impl Layer for Embedding {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        self.weight.get().embedding(&x.detach().cast(DType::I64))
    }
}
