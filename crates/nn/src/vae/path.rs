//! How gradients flow through draws: the estimators of bounds with several draws.

use super::posterior::Posterior;
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// The estimator of a bound's gradient in the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gradient {
    /// The derivative of the bound as it stands. Its signal-to-noise ratio in the encoder falls as draws are added.
    Plain,
    /// Doubly reparameterised: each draw's path counts with its squared weight, and the score term, whose part the second weight
    /// takes, is dropped. Unbiased, and better with more draws.
    #[default]
    DoublyReparameterised,
    /// The posterior's own parameters are held inside its density. Unbiased for one draw, biased for several.
    StickingTheLanding,
    /// None: the draws are held, and only the model learns.
    Held,
}

/// How gradients flow through the draws of one forward pass.
///
/// The doubly reparameterised estimator multiplies the gradient that reaches each draw by the draw's normalised weight. The weights are
/// known only after the forward pass, so the draws are tied to a cell that is filled before the backward pass.
///
/// # Source
/// Roeder, Wu and Duvenaud (2017); Tucker, Lawson, Gu and Maddison (2019).
pub struct Path {
    gradient: Gradient,
    weights: Arc<OnceLock<Tensor>>,
}

impl Path {
    /// A path for this estimator.
    pub fn new(gradient: Gradient) -> Self {
        Self { gradient, weights: Arc::default() }
    }

    /// The density whose logarithm enters the bound: without a gradient in its parameters for the estimators that drop the score.
    pub fn density(&self, q: &Posterior) -> Posterior {
        if self.gradient == Gradient::Plain { q.clone() } else { q.detach() }
    }

    /// The same draws, with gradients that will be weighted. `z: [K, B, L]`.
    pub fn attach(&self, z: &Tensor) -> Tensor {
        match self.gradient {
            Gradient::DoublyReparameterised => {}
            Gradient::Held => return z.detach(),
            Gradient::Plain | Gradient::StickingTheLanding => return z.clone(),
        }
        let weights = self.weights.clone();
        Tensor::custom("path weights", vec![z.clone()], z.detach(), move |g, _| {
            let weights = weights.get().expect("the weights are known before the backward pass");
            vec![Some(g * weights.unsqueeze(-1))]
        })
    }

    /// Fills in the normalised weights of the draws. `log_weights: [K, B]`.
    pub fn finish(&self, log_weights: &Tensor) {
        if self.gradient == Gradient::DoublyReparameterised {
            let first = self.weights.set(log_weights.detach().softmax(0));
            assert!(first.is_ok(), "a path serves one forward pass");
        }
    }
}
