//! Codes without an encoder: steps down the gradient of the decoder's own loss from the origin.

use super::config::VaeConfig;
use super::likelihood_config::{LikelihoodConfig, Noise};
use super::prior::PriorConfig;
use super::{ROWS_AT_ONCE, Vae};
use crate::layer::Pass;
use crate::network::{DecoderConfig, EncoderConfig};
use elbo_core::{Error, Result, ensure, ensure_within};
use elbo_tensor::{Tensor, grad, grad_graph, is_recording, no_grad, with_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Codes of this size and smaller are at the origin still.
const LEAST_CODE: f64 = 1e-8;

/// Settings of codes that are found from the origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OriginConfig {
    /// Steps.
    pub steps: usize,
    /// Length of a step, in that of the gradient.
    pub scale: f64,
}

impl Default for OriginConfig {
    fn default() -> Self {
        Self { steps: 1, scale: 1.0 }
    }
}

impl OriginConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("encoder.steps", self.steps, 1..=1000)?;
        ensure("encoder.scale", self.scale, self.scale > 0.0 && self.scale.is_finite(), "above 0")
    }
}

impl VaeConfig {
    /// Refuses a model whose loss has no gradient in a data point's own code, or none that can be differentiated again.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(super) fn check_origin(&self) -> Result<()> {
        let EncoderConfig::GradientOrigin(config) = &self.encoder else { return Ok(()) };
        config.check()?;
        let with = |what: &str| format!("{what} with codes from the origin");
        let (family, likelihood) = (self.family, &self.likelihood);
        let expected = "a Gaussian family or dirac, whose codes are free numbers";
        ensure("family", with(family.name()), family.is_vector(), expected)?;
        let is_shared = matches!(likelihood, LikelihoodConfig::Gaussian { noise: Noise::Optimal });
        let is_smooth = !matches!(likelihood, LikelihoodConfig::Similarity { .. });
        let expected = "another; codes are derivatives of it, of each data point's own, and are differentiated again";
        ensure("likelihood", with(likelihood.name()), is_smooth && !is_shared, expected)?;
        let is_recurrent = matches!(self.decoder, DecoderConfig::Gru(_));
        ensure("decoder", with("gru"), !is_recurrent, "one that makes all elements from the code")?;
        let has_inputs = matches!(self.prior, PriorConfig::Vamp { .. });
        ensure("prior", with("vamp"), !has_inputs, "another; pseudo-inputs are for encoders that are networks")?;
        ensure("topk", with("some"), self.topk.is_none(), "none; at the origin no number is larger than another")?;
        let is_seen = self.condition.is_some_and(|c| c.encoder);
        ensure("condition.encoder", with("true"), !is_seen, "false; codes follow from what the decoder sees")
    }
}

impl Vae {
    /// Codes of data points `x: [B, width]`, `[B, L]`: z_0 = 0 and z_{j+1} = z_j + a ∇ log p(x | z_j), each data point's own gradient. While gradients are
    /// recorded, codes follow the decoder's parameters through it. Batch norm uses its running statistics, so that data points do not depend on each other.
    ///
    /// # Source
    /// Bond-Taylor and Willcocks (2021). Deviation: the loss is summed over elements and never averaged over the batch.
    pub(super) fn descended(&self, x: &Tensor, config: &OriginConfig) -> Tensor {
        let follows = is_recording();
        with_grad(|| {
            let mut z = Tensor::zeros(&[x.size(0), self.latent()], self.dtype()).variable();
            for _ in 0..config.steps {
                let output = self.decode(&z.unsqueeze(0), x, &mut Pass::evaluation());
                let worth = self.log_likelihood(&output, x).sum();
                z = if follows {
                    &z + grad_graph(&worth, &[&z]).remove(0) * config.scale
                } else {
                    (&z + grad(&worth, &[&z]).remove(0) * config.scale).detach().variable()
                };
            }
            if follows { z } else { z.detach() }
        })
    }

    /// Refuses a decoder whose loss has no slope at the origin, so that all codes stay there. `values: [N, width]`.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(super) fn check_slope(&self, values: &[f32]) -> Result<()> {
        let EncoderConfig::GradientOrigin(config) = &self.config.encoder else { return Ok(()) };
        let some = values.len().min(ROWS_AT_ONCE / 16 * self.width());
        let codes = no_grad(|| self.descended(&self.tensor(&values[..some]), config));
        let found = format!("{}, with which codes are not finite", config.scale);
        ensure("encoder.scale", found, codes.is_finite(), "smaller, or with fewer `encoder.steps`")?;
        if codes.abs().max().item() >= LEAST_CODE {
            return Ok(());
        }
        Err(Error::Setting {
            setting: "decoder".into(),
            found: "without a slope at the origin, so that all codes stay there".into(),
            expected: "one whose activation has a slope at zero, such as elu, silu or tanh".into(),
        })
    }
}
