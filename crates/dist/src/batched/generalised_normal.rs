use super::fisher::matrix;
use super::noise::{broadcast, uniforms};
use super::{Batched, Kl, Support, log_gamma_draws};
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
    fn support(&self) -> Option<Support> {
        Some(Support::Real)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        let (scale, exponent, inverse) = (&self.scale, &self.exponent, self.exponent.recip());
        let zero = scale.zeros_like();
        // The mean square of the slope at the mean; up to an exponent of one half it has no integral there.
        let height = ((2.0 - &inverse).lgamma() - inverse.lgamma()).exp() * (exponent / scale).square();
        let location = exponent.gt_scalar(0.5).where_(&height, &height.full_like(f64::INFINITY));
        // The power w = |(x - m) / scale|^exponent is a gamma variable of shape 1 / exponent; these are moments of w log w.
        let first = (&inverse + 1.0).digamma();
        let second = (&inverse + 2.0).polygamma(1) + (&inverse + 2.0).digamma().square();
        let across = -(&first + 1.0) / (scale * exponent);
        let shape = (&inverse * (&inverse + 1.0) * second - (&inverse * first).square()) * inverse.square();
        Some(matrix([
            [location, zero.clone(), zero.clone()],
            [zero.clone(), exponent / scale.square(), across.clone()],
            [zero, across, shape],
        ]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.mean.detach(), self.scale.detach(), self.exponent.detach()))
    }
}

impl Kl for GeneralisedNormal {
    /// NaN between different means, where no closed form exists.
    fn kl(&self, p: &Self) -> Tensor {
        let (inverse, power) = (self.exponent.recip(), &p.exponent);
        let gammas = ((power + 1.0) * &inverse).lgamma() - inverse.lgamma();
        let log_moment = power * (self.scale.log() - p.scale.log()) + gammas;
        let divergence = self.log_height() - p.log_height() + log_moment.exp() - inverse;
        self.mean.eq(&p.mean).where_(&divergence, &divergence.full_like(f64::NAN))
    }
}
