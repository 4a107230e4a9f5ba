//! The distribution of targets given a trained network's outputs.

use crate::init::normal;
use elbo_core::{Result, Rng, ensure};
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{Tensor, no_grad};

/// The distribution of targets given outputs, for numbers and classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Likelihood {
    /// Numbers with noise of this variance.
    Gaussian {
        /// The variance.
        variance: f64,
    },
    /// Classes from logits.
    Categorical,
}

impl Likelihood {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a variance that is not positive.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Gaussian { variance } => {
                ensure("variance", variance, *variance > 0.0 && variance.is_finite(), "a positive number")
            }
            Self::Categorical => Ok(()),
        }
    }

    /// Log probability of each row's target, `[N]`, in nats, differentiable. `output: [N, K]`; `y: [N, K]` of numbers or `[N]` of classes
    /// in `I64`.
    pub fn log_prob(&self, output: &Tensor, y: &Tensor) -> Tensor {
        match self {
            Self::Gaussian { variance } => {
                assert_eq!(output.shape(), y.shape(), "one target an output");
                let each = (y - output).square() * (-0.5 / variance) - (LOG_SQRT_TAU + 0.5 * variance.ln());
                each.sum_axis(-1, false)
            }
            Self::Categorical => output.categorical_log_prob(y),
        }
    }

    /// A target for each row, drawn from what the network says. `output: [N, K]`; returns `[N, K]` of numbers or `[N]` of classes.
    pub fn draw(&self, output: &Tensor, rng: &mut Rng) -> Tensor {
        no_grad(|| match self {
            Self::Gaussian { variance } => {
                let noise = normal(output.shape(), 1.0, rng, output.dtype());
                output.detach() + noise * variance.sqrt()
            }
            Self::Categorical => {
                let p = output.softmax(-1).to_vec();
                let drawn: Vec<usize> = p.chunks(output.size(-1)).map(|p| rng.weighted(p)).collect();
                Tensor::indices(&drawn)
            }
        })
    }

    /// Right sides R e_k with `R R' = Λ`, the curvature in the outputs, for every row; one tensor `[N, K]` for each k.
    pub(super) fn roots(&self, output: &Tensor) -> Vec<Tensor> {
        let k = output.size(1);
        match self {
            Self::Gaussian { variance } => units(output).iter().map(|unit| unit * (1.0 / variance.sqrt())).collect(),
            Self::Categorical => {
                // diag(p) - p p' = R R' with R = diag(√p) - p √p'.
                let p = output.softmax(-1);
                (0..k).zip(units(output)).map(|(j, unit)| (unit - &p) * p.narrow(1, j, 1).sqrt()).collect()
            }
        }
    }
}

/// The unit vectors of the outputs `[N, K]`, each for every row.
pub(super) fn units(output: &Tensor) -> Vec<Tensor> {
    let (rows, k) = (output.size(0), output.size(1));
    (0..k).map(|j| Tensor::indices(&vec![j; rows]).one_hot(k, output.dtype())).collect()
}
