use super::fisher::matrix;
use super::noise::{broadcast, draw_each, joined, map_pairs};
use super::support::{at_end, excluding, is_off_half_line, is_off_open_half_line};
use super::{Batched, Kl, Support};
use elbo_core::Rng;
use elbo_tensor::special::gamma_log_quantile_slope;
use elbo_tensor::{DType, Tensor};

/// The logarithm of a gamma variable of rate one: `G(a)` is `G(a + 1) U^(1/a)`, which does not underflow as a logarithm.
pub(crate) fn log_gamma_draw(shape: f64, rng: &mut Rng) -> f64 {
    if shape > 0.0 && shape.is_finite() { rng.gamma(shape + 1.0).ln() - rng.exponential() / shape } else { f64::NAN }
}

/// Logarithms of gamma variables of rate one, differentiable in their shapes by implicit reparameterisation.
///
/// $$ \frac{\partial \log z}{\partial a} = -\frac{\partial P(a, z)/\partial a}{z\, p(z; a)} $$
///
/// The logarithm neither underflows nor loses digits for tiny shapes. First derivatives only.
///
/// # Shapes
/// `shape: [batch...]`, returns `[lead..., batch...]`.
///
/// # Source
/// Figurnov, Mohamed and Mnih (2018).
pub fn log_gamma_draws(shape: &Tensor, lead: &[usize], rng: &mut Rng) -> Tensor {
    log_gamma_at(shape, &log_gamma_noise(shape, lead, rng))
}

/// The values of [`log_gamma_draws`], outside the graph. `[lead..., batch...]`, f64.
pub(crate) fn log_gamma_noise(shape: &Tensor, lead: &[usize], rng: &mut Rng) -> Tensor {
    let wide = joined(&[lead, shape.shape()]);
    let shapes = shape.detach().broadcast_to(&wide).to_vec();
    Tensor::from_vec(draw_each(&shapes, rng, log_gamma_draw), &wide)
}

/// Values that were drawn for these shapes, as functions of the shapes. `draws: [lead..., batch...]`, f64.
pub(crate) fn log_gamma_at(shape: &Tensor, draws: &Tensor) -> Tensor {
    let (dtype, size) = (shape.dtype(), draws.shape().to_vec());
    let wide = shape.broadcast_to(&size);
    let (shapes, values) = (wide.to_vec(), draws.to_vec());
    Tensor::custom("log-gamma-draws", vec![wide], draws.cast(dtype), move |g, _| {
        let slope = map_pairs(&shapes, &values, gamma_log_quantile_slope);
        vec![Some(g * Tensor::from_vec(slope, &size).cast(dtype))]
    })
}

/// Gamma distributions with shape and rate.
#[derive(Debug, Clone)]
pub struct Gamma {
    shape: Tensor,
    rate: Tensor,
}

impl Gamma {
    /// From shapes and rates, which broadcast.
    pub fn new(shape: Tensor, rate: Tensor) -> Self {
        let [shape, rate] = broadcast([shape, rate]);
        Self { shape, rate }
    }

    /// Shapes, `[batch...]`.
    pub fn shape(&self) -> &Tensor {
        &self.shape
    }

    /// Rates, `[batch...]`.
    pub fn rate(&self) -> &Tensor {
        &self.rate
    }

    /// Logarithms of draws, reparameterised; accurate where the draws underflow. `[lead..., batch...]`.
    pub fn log_rsample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        log_gamma_draws(&self.shape, lead, rng) - self.rate.log()
    }

    /// The log density of `z` at `log z`: finite where `z` underflows. `[lead..., batch...]`, in nats.
    pub fn log_prob_at_log(&self, log_z: &Tensor) -> Tensor {
        &self.shape * self.rate.log() + (&self.shape - 1.0) * log_z - &self.rate * log_z.exp() - self.shape.lgamma()
    }

    /// $\mathbb{E} \log z = \psi(a) - \log b$, `[batch...]`.
    pub fn mean_log(&self) -> Tensor {
        self.shape.digamma() - self.rate.log()
    }
}

impl Batched for Gamma {
    fn batch_shape(&self) -> Vec<usize> {
        self.shape.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.shape.dtype()
    }
    /// The slope in `x` is zero outside of the support and at zero, its end.
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let (is_outside, is_end) = (is_off_half_line(x), x.eq_scalar(0.0));
        let x = x.masked_fill(&is_outside.or(&is_end), 1.0);
        let height = &self.shape * self.rate.log() - self.shape.lgamma();
        let value = &height + (&self.shape - 1.0) * x.log() - &self.rate * x;
        excluding(&is_outside, &is_end.where_(&at_end(&self.shape, &height), &value))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(self.log_rsample(lead, rng).exp())
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(&self.shape - self.rate.log() + self.shape.lgamma() + (1.0 - &self.shape) * self.shape.digamma())
    }
    fn mean(&self) -> Option<Tensor> {
        Some(&self.shape / &self.rate)
    }
    fn variance(&self) -> Option<Tensor> {
        Some(&self.shape / self.rate.square())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Positive)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        let across = -self.rate.recip();
        let rate = &self.shape / self.rate.square();
        Some(matrix([[self.shape.polygamma(1), across.clone()], [across, rate]]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { shape: self.shape.detach(), rate: self.rate.detach() })
    }
}

impl Kl for Gamma {
    fn kl(&self, p: &Self) -> Tensor {
        (&self.shape - &p.shape) * self.shape.digamma() - self.shape.lgamma()
            + p.shape.lgamma()
            + &p.shape * (self.rate.log() - p.rate.log())
            + &self.shape * (&p.rate - &self.rate) / &self.rate
    }
}

/// Inverse gamma distributions: of the reciprocals of gamma variables with this shape, and with `scale` for rate.
#[derive(Debug, Clone)]
pub struct InverseGamma {
    reciprocal: Gamma,
}

impl InverseGamma {
    /// From shapes and scales, which broadcast.
    pub fn new(shape: Tensor, scale: Tensor) -> Self {
        Self { reciprocal: Gamma::new(shape, scale) }
    }
}

impl Batched for InverseGamma {
    fn batch_shape(&self) -> Vec<usize> {
        self.reciprocal.batch_shape()
    }
    fn dtype(&self) -> DType {
        self.reciprocal.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let Gamma { shape, rate } = &self.reciprocal;
        let is_outside = is_off_open_half_line(x);
        let x = x.masked_fill(&is_outside, 1.0);
        excluding(&is_outside, &(shape * rate.log() - (shape + 1.0) * x.log() - rate / x - shape.lgamma()))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some((-self.reciprocal.log_rsample(lead, rng)).exp())
    }
    fn entropy(&self) -> Option<Tensor> {
        let Gamma { shape, rate } = &self.reciprocal;
        Some(shape + rate.log() + shape.lgamma() - (shape + 1.0) * shape.digamma())
    }
    fn mean(&self) -> Option<Tensor> {
        let Gamma { shape, rate } = &self.reciprocal;
        let infinite = rate.full_like(f64::INFINITY);
        Some(shape.gt_scalar(1.0).where_(&(rate / (shape - 1.0)), &infinite))
    }
    fn variance(&self) -> Option<Tensor> {
        let Gamma { shape, rate } = &self.reciprocal;
        let finite = (rate / (shape - 1.0)).square() / (shape - 2.0);
        Some(shape.gt_scalar(2.0).where_(&finite, &rate.full_like(f64::INFINITY)))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Positive)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        self.reciprocal.fisher_information()
    }
    fn detached(&self) -> Box<dyn Batched> {
        let Gamma { shape, rate } = &self.reciprocal;
        Box::new(Self::new(shape.detach(), rate.detach()))
    }
}

impl Kl for InverseGamma {
    fn kl(&self, p: &Self) -> Tensor {
        self.reciprocal.kl(&p.reciprocal)
    }
}
