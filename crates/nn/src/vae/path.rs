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

impl Gradient {
    /// Its name in settings.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::DoublyReparameterised => "doubly_reparameterised",
            Self::StickingTheLanding => "sticking_the_landing",
            Self::Held => "held",
        }
    }
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

    /// A path whose gradients are multiplied by these factors, which are known before: a part of what [`Path::factors`] gives. `factors: [K, B]`.
    pub(super) fn weighted(gradient: Gradient, factors: Tensor) -> Self {
        Self { gradient, weights: Arc::new(OnceLock::from(factors)) }
    }

    /// The density whose logarithm enters the bound: without a gradient in its parameters for the estimators that drop the score.
    pub fn density(&self, q: &Posterior) -> Posterior {
        if self.gradient == Gradient::Plain { q.clone() } else { q.detach() }
    }

    /// The same draws, with gradients that will be weighted. `z: [K, B, L]`.
    ///
    /// # Panics
    /// In the backward pass, where [`Path::finish`] was not called before.
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

    /// Fills in what the gradient of each draw is multiplied by, for a bound with these groups and this share of the evidence lower
    /// bound. `log_weights: [K, B]`.
    ///
    /// # Panics
    /// When it was called before.
    pub fn finish(&self, log_weights: &Tensor, groups: usize, beta: f64) {
        if self.gradient != Gradient::DoublyReparameterised {
            return;
        }
        let first = self.weights.set(Self::factors(log_weights, groups, beta));
        assert!(first.is_ok(), "a path serves one forward pass");
    }

    /// What the doubly reparameterised gradient of each draw is multiplied by, `[K, B]`, outside the graph.
    ///
    /// A draw's part of the bound's derivative is `b = (1 - beta) w / M + beta / K` with its weight `w` in its group, one of `M`. Without the
    /// score it is to be `(1 - beta) w² / M + beta / K`, which is `w b` where there is no share.
    pub(super) fn factors(log_weights: &Tensor, groups: usize, beta: f64) -> Tensor {
        let (draws, rest) = (log_weights.size(0), log_weights.size(1));
        let log_weights = log_weights.detach();
        let weights = if groups == 1 {
            log_weights.softmax(0)
        } else {
            log_weights.reshape(&[groups, draws / groups, rest]).softmax(1).reshape(&[draws, rest])
        };
        if beta > 0.0 {
            let (of_group, of_draw) = ((1.0 - beta) / groups as f64, beta / draws as f64);
            weights.square().affine(of_group, of_draw) / weights.affine(of_group, of_draw)
        } else {
            weights
        }
    }
}
