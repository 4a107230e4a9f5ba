//! Nonlinear functions of one number, by name.

use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A nonlinear function of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x.
    Identity,
    /// max(x, 0).
    #[default]
    Relu,
    /// x above zero, 0.01 x below.
    LeakyRelu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// log(1 + e^x).
    Softplus,
    /// x above zero, e^x - 1 below.
    Elu,
    /// x Φ(x).
    Gelu,
    /// x / (1 + e^-x), also called swish.
    Silu,
}

impl Activation {
    /// Applies it to every element.
    pub fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::Identity => x.clone(),
            Self::Relu => x.relu(),
            Self::LeakyRelu => x.leaky_relu(0.01),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => x.sigmoid(),
            Self::Softplus => x.softplus(),
            Self::Elu => x.elu(1.0),
            Self::Gelu => x.gelu(),
            Self::Silu => x.silu(),
        }
    }
}
