use super::noise::{broadcast, uniforms};
use super::{Batched, log_gamma_draws};
use elbo_core::Rng;
use elbo_tensor::{DType, Tensor};
use std::f64::consts::LN_2;

/// Generalised normal distributions, of densities proportional to $e^{-|(x - m)/\alpha|^\beta}$: Laplace for an exponent of 1, normal for 2.
///
/// Draws are differentiable in all three parameters, through the gamma variable $|(x - m)/\alpha|^\beta$.
#[derive(Debug, Clone)]
pub struct GeneralisedNormal {
    mean: Tensor,
    scale: Tensor,
    exponent: Tensor,
}

impl GeneralisedNormal {
    /// From means, positive scales and positive exponents, which broadcast.
    pub fn new(mean: Tensor, scale: Tensor, exponent: Tensor) -> Self {
        let [mean, scale, exponent] = broadcast([mean, scale, exponent]);
        Self { mean, scale, exponent }
    }

    /// $\log(\beta / 2\alpha) - \log \Gamma(1/\beta)$.
    fn log_height(&self) -> Tensor {
        self.exponent.log() - self.scale.log() - self.exponent.recip().lgamma() - LN_2
    }
}

impl Batched for GeneralisedNormal {
    fn batch_shape(&self) -> Vec<usize> {
        self.mean.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.mean.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let size = ((x - &self.mean) / &self.scale).abs();
        // Zero to any power is zero, with derivatives that are numbers.
        let is_centre = size.eq_scalar(0.0);
        self.log_height() - size.masked_fill(&is_centre, 1.0).pow(&self.exponent).masked_fill(&is_centre, 0.0)
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let log_power = log_gamma_draws(&self.exponent.recip(), lead, rng);
        let sign = (uniforms(log_power.shape(), self.dtype(), rng) - 0.5).sign();
        Some(&self.mean + sign * (log_power / &self.exponent).exp() * &self.scale)
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(self.exponent.recip() - self.log_height())
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.mean.clone())
    }
    fn variance(&self) -> Option<Tensor> {
        let inverse = self.exponent.recip();
        Some(((&inverse * 3.0).lgamma() - inverse.lgamma()).exp() * self.scale.square())
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.mean.detach(), self.scale.detach(), self.exponent.detach()))
    }
}
