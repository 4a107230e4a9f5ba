use super::fisher::diagonal;
use super::noise::{broadcast, joined, normals};
use super::{Batched, Independent, Kl, Support};
use elbo_core::Rng;
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{DType, Tensor};

/// Normal distributions of one number. With [`Batched::to_event`], Gaussian vectors with diagonal covariance.
#[derive(Debug, Clone)]
pub struct Normal {
    mean: Tensor,
    sd: Tensor,
}

impl Normal {
    /// From means and standard deviations, which broadcast.
    pub fn new(mean: Tensor, sd: Tensor) -> Self {
        let [mean, sd] = broadcast([mean, sd]);
        Self { mean, sd }
    }

    /// From means and logarithms of the variances, as networks give them.
    pub fn from_log_variance(mean: Tensor, log_variance: &Tensor) -> Self {
        Self::new(mean, (log_variance * 0.5).exp())
    }

    /// Standard normals, one an element of `shape`.
    pub fn standard(shape: &[usize], dtype: DType) -> Self {
        Self { mean: Tensor::zeros(shape, dtype), sd: Tensor::ones(shape, dtype) }
    }

    /// Standard deviations, `[batch...]`.
    pub fn sd(&self) -> &Tensor {
        &self.sd
    }

    /// Means, `[batch...]`.
    pub fn location(&self) -> &Tensor {
        &self.mean
    }

    /// The draws that standard normal noise `[lead..., batch...]` becomes.
    pub fn at(&self, noise: &Tensor) -> Tensor {
        &self.mean + noise * &self.sd
    }

    /// Divergence to the standard normal, `[batch...]`, in nats.
    pub fn kl_standard(&self) -> Tensor {
        (self.mean.square() + self.sd.square() - 1.0) * 0.5 - self.sd.log()
    }
}

impl Independent<Normal> {
    /// Divergence to the standard normal, `[batch...]`, in nats.
    pub fn kl_standard(&self) -> Tensor {
        super::noise::sum_last(&self.base().kl_standard(), self.axes())
    }

    /// The draws that standard normal noise `[lead..., batch..., event...]` becomes.
    pub fn at(&self, noise: &Tensor) -> Tensor {
        self.base().at(noise)
    }
}

impl Batched for Normal {
    fn batch_shape(&self) -> Vec<usize> {
        self.mean.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.mean.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        ((x - &self.mean) / &self.sd).square().affine(-0.5, -LOG_SQRT_TAU) - self.sd.log()
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(self.at(&normals(&joined(&[lead, self.mean.shape()]), self.dtype(), rng)))
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(self.sd.log() + (0.5 + LOG_SQRT_TAU))
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.mean.clone())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(self.sd.square())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Real)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        let precision = self.sd.square().recip();
        Some(diagonal([precision.clone(), precision * 2.0]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { mean: self.mean.detach(), sd: self.sd.detach() })
    }
}

impl Kl for Normal {
    fn kl(&self, p: &Self) -> Tensor {
        let ratio = &self.sd / &p.sd;
        let distance = (&self.mean - &p.mean) / &p.sd;
        (distance.square() + ratio.square() - 1.0) * 0.5 - ratio.log()
    }
}
