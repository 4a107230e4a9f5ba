//! A discriminator of patches, which tells data points from what a decoder makes of their codes.

use super::Vae;
use crate::activation::Activation;
use crate::layer::{Build, Conv2dConfig, Layer, LayerConfig, Pass, ReshapeConfig, Sequential};
use elbo_core::{Error, Result};
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The loss of a discriminator that scores data points high and what a model makes low, and what the model gets of it.
///
/// | loss | discriminator | model |
/// |---|---|---|
/// | hinge | max(0, 1 - s(x)) + max(0, 1 + s(x')) | -s(x') |
/// | least squares | (s(x) - 1)² + s(x')² | (s(x') - 1)² |
/// | logistic | log(1 + e^-s(x)) + log(1 + e^s(x')) | log(1 + e^-s(x')) |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdversarialLoss {
    /// No gain beyond scores of one and minus one.
    #[default]
    Hinge,
    /// Scores are to be one and zero.
    LeastSquares,
    /// Scores are log odds.
    Logistic,
}

impl AdversarialLoss {
    /// The discriminator's loss, a scalar, from scores of data points and of what the model made.
    pub fn of_critic(self, data: &Tensor, made: &Tensor) -> Tensor {
        match self {
            Self::Hinge => (1.0 - data).relu().mean() + (made + 1.0).relu().mean(),
            Self::LeastSquares => (data - 1.0).square().mean() + made.square().mean(),
            Self::Logistic => (-data).softplus().mean() + made.softplus().mean(),
        }
    }

    /// The model's loss of each score `[K, B, S]`, averaged over the patches, `[K, B]`.
    pub fn of_model(self, made: &Tensor) -> Tensor {
        let each = match self {
            Self::Hinge => -made,
            Self::LeastSquares => (made - 1.0).square(),
            Self::Logistic => (-made).softplus(),
        };
        each.mean_axis(-1, false)
    }
}

/// Convolutions that halve a picture, then one score for each place that is left: each is of a patch of the picture. For rows of pictures of this shape.
///
/// # Errors
/// [`Error::Setting`] for data points that are no pictures `[C, H, W]`, and for pictures too small for so many halvings.
///
/// # Source
/// Isola, Zhu, Zhou and Efros (2017). Deviation: no batch norm, so that scores of a picture do not depend on others.
pub(super) fn patches(channels: &[usize], shape: &[usize], build: &mut Build<'_>) -> Result<Sequential> {
    if shape.len() != 3 {
        return Err(Error::Setting {
            setting: "terms".into(),
            found: format!("patch adversary with data points of shape {shape:?}"),
            expected: "pictures [C, H, W]".into(),
        });
    }
    let mut layers = vec![LayerConfig::Reshape(ReshapeConfig { shape: shape.into() })];
    for out in channels {
        let halving = Conv2dConfig { out: *out, kernel: 4, stride: 2, padding: 1, ..Conv2dConfig::default() };
        layers.push(LayerConfig::Conv2d(halving));
        layers.push(Activation::LeakyRelu.into());
    }
    layers.push(LayerConfig::Conv2d(Conv2dConfig::default()));
    layers.push(LayerConfig::Reshape(ReshapeConfig::default()));
    Ok(Sequential::build(&layers, &[shape.iter().product()], build)?.0)
}

impl Vae {
    /// Scores of the patches of pictures, `[..., D]` to `[..., S]`.
    pub(super) fn patch_scores(&self, pictures: &Tensor) -> Tensor {
        let critic = self.critic.as_ref().expect("a patch adversary has a discriminator");
        let lead = &pictures.shape()[..pictures.rank() - 1];
        let rows: usize = lead.iter().product();
        let scores = critic.forward(&pictures.reshape(&[rows, self.size()]), &mut Pass::evaluation());
        let count = scores.size(-1);
        scores.reshape(&[lead, &[count]].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::DType;
    use std::f64::consts::LN_2;

    #[test]
    fn losses_without_an_opinion_are_known() {
        let zero = Tensor::zeros(&[2, 3, 4], DType::F64);
        for (loss, of_critic, of_model) in [
            (AdversarialLoss::Hinge, 2.0, 0.0),
            (AdversarialLoss::LeastSquares, 1.0, 1.0),
            (AdversarialLoss::Logistic, 2.0 * LN_2, LN_2),
        ] {
            assert!((loss.of_critic(&zero, &zero).item() - of_critic).abs() < 1e-12, "{loss:?}");
            let found = loss.of_model(&zero);
            assert_eq!(found.shape(), [2, 3]);
            assert!(found.to_vec().iter().all(|v| (v - of_model).abs() < 1e-12), "{loss:?}");
        }
    }

    #[test]
    fn a_sure_and_right_discriminator_loses_nothing_and_the_model_all_the_more() {
        let (high, low) = (Tensor::full(&[1, 1, 2], 40.0, DType::F64), Tensor::full(&[1, 1, 2], -40.0, DType::F64));
        for loss in [AdversarialLoss::Hinge, AdversarialLoss::Logistic] {
            assert!(loss.of_critic(&high, &low).item() < 1e-12, "{loss:?}");
            assert!((loss.of_model(&low).item() - 40.0).abs() < 1e-12, "{loss:?}");
        }
        let (one, zero) = (Tensor::ones(&[1, 1, 2], DType::F64), Tensor::zeros(&[1, 1, 2], DType::F64));
        assert_eq!(AdversarialLoss::LeastSquares.of_critic(&one, &zero).item(), 0.0);
        assert_eq!(AdversarialLoss::LeastSquares.of_model(&one).item(), 0.0);
    }
}
