//! Units left out at random.

use super::{Built, Layer, Pass};
use elbo_core::{Result, ensure_within};
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of [`Dropout`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DropoutConfig {
    /// Share of the units that are left out in training, and in draws of predictions.
    pub share: f64,
}

impl Default for DropoutConfig {
    fn default() -> Self {
        Self { share: 0.5 }
    }
}

/// Sets units to zero at random in training and enlarges the others, so that the mean stays.
///
/// A pass that draws does the same; where it draws a function, one mask serves the whole first axis.
pub struct Dropout {
    share: f64,
}

elbo_tensor::parameters!(Dropout {});

impl DropoutConfig {
    /// The layer.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a share outside [0, 1).
    pub fn build(&self, shape: &[usize]) -> Result<Built> {
        ensure_within("share", self.share, 0.0..1.0)?;
        Built::new(Dropout { share: self.share }, shape)
    }
}

impl Layer for Dropout {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let mut shape = x.shape().to_vec();
        if let Some(rows) = shape.first_mut().filter(|_| pass.is_of_function()) {
            *rows = 1;
        }
        match pass.rng() {
            Some(rng) if self.share > 0.0 => {
                let uniform = rng.uniforms(shape.iter().product());
                x.dropout(&Tensor::from_vec(uniform, &shape), self.share)
            }
            _ => x.clone(),
        }
    }
}
