//! Shares: beta and Dirichlet distributions, drawn from gamma variables in log space.

use super::fisher::matrix;
use super::noise::{batch_axes, broadcast};
use super::support::{any_last, at_end, excluding};
use super::{Batched, Kl, Support, log_gamma_at, log_gamma_draws, log_gamma_noise};
use elbo_core::Rng;
use elbo_tensor::{DType, Tensor};

/// Beta distributions.
#[derive(Debug, Clone)]
pub struct Beta {
    a: Tensor,
    b: Tensor,
}

impl Beta {
    /// From the exponents of `x` and `1 - x`, which broadcast.
    pub fn new(a: Tensor, b: Tensor) -> Self {
        let [a, b] = broadcast([a, b]);
        Self { a, b }
    }

    /// $\log B(a, b)$, `[batch...]`.
    fn log_beta(&self) -> Tensor {
        self.a.lgamma() + self.b.lgamma() - (&self.a + &self.b).lgamma()
    }

    /// Logits of draws, reparameterised; accurate where draws round to 0 or 1. `[lead..., batch...]`.
    pub fn logit_rsample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        log_gamma_draws(&self.a, lead, rng) - log_gamma_draws(&self.b, lead, rng)
    }
}

impl Batched for Beta {
    fn batch_shape(&self) -> Vec<usize> {
        self.a.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.a.dtype()
    }
    /// The slope in `x` is zero outside of the support and at zero and one, its ends.
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = x.lt_scalar(0.0).or(&x.gt_scalar(1.0));
        let (is_low, is_high) = (x.eq_scalar(0.0), x.eq_scalar(1.0));
        let x = x.masked_fill(&is_outside.or(&is_low).or(&is_high), 0.5);
        let height = -self.log_beta();
        let value = (&self.a - 1.0) * x.log() + (&self.b - 1.0) * (-x).log1p() + &height;
        let value = is_low.where_(&at_end(&self.a, &height), &value);
        excluding(&is_outside, &is_high.where_(&at_end(&self.b, &height), &value))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(self.logit_rsample(lead, rng).sigmoid())
    }
    fn entropy(&self) -> Option<Tensor> {
        let both = &self.a + &self.b;
        let parts = (&self.a - 1.0) * self.a.digamma() + (&self.b - 1.0) * self.b.digamma();
        Some(self.log_beta() - parts + (&both - 2.0) * both.digamma())
    }
    fn mean(&self) -> Option<Tensor> {
        Some(&self.a / (&self.a + &self.b))
    }
    fn variance(&self) -> Option<Tensor> {
        let both = &self.a + &self.b;
        Some(&self.a * &self.b / (both.square() * (both + 1.0)))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Unit)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        let (a, b, total) = (self.a.polygamma(1), self.b.polygamma(1), (&self.a + &self.b).polygamma(1));
        Some(matrix([[a - &total, -&total], [-&total, b - &total]]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { a: self.a.detach(), b: self.b.detach() })
    }
}

impl Kl for Beta {
    fn kl(&self, p: &Self) -> Tensor {
        let (a, b) = (&self.a - &p.a, &self.b - &p.b);
        p.log_beta() - self.log_beta() + &a * self.a.digamma() + &b * self.b.digamma()
            - (a + b) * (&self.a + &self.b).digamma()
    }
}

/// Dirichlet distributions on the simplex of `K` shares.
///
/// # Shapes
/// Concentration `[batch..., K]`, positive; a point is `[K]`.
#[derive(Debug, Clone)]
pub struct Dirichlet {
    concentration: Tensor,
}

impl Dirichlet {
    /// From the concentrations `[batch..., K]`.
    pub fn new(concentration: Tensor) -> Self {
        assert!(concentration.rank() >= 1, "concentrations [batch..., K]");
        Self { concentration }
    }

    /// Concentrations, `[batch..., K]`.
    pub fn concentration(&self) -> &Tensor {
        &self.concentration
    }

    /// Logarithms of draws, reparameterised; finite where shares underflow. `[lead..., batch..., K]`.
    pub fn log_rsample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        self.log_at(&self.noise(lead, rng))
    }

    /// What [`Dirichlet::log_at`] makes draws of, outside the graph: logarithms of gamma variables, drawn at these concentrations.
    /// `[lead..., batch..., K]`, f64.
    pub fn noise(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        log_gamma_noise(&self.concentration, lead, rng)
    }

    /// Logarithms of the draws at this noise, which is of these concentrations; differentiable in them. `[lead..., batch..., K]`.
    pub fn log_at(&self, noise: &Tensor) -> Tensor {
        log_gamma_at(&self.concentration, noise).log_softmax(-1)
    }

    /// The density of a point at its logarithms, with respect to the first `K - 1` shares; finite where shares underflow. `[lead..., batch...]`.
    pub fn log_prob_at_log(&self, log_x: &Tensor) -> Tensor {
        ((&self.concentration - 1.0) * log_x).sum_axis(-1, false) - self.log_normaliser()
    }

    /// $\mathbb{E} \log z_k = \psi(a_k) - \psi(a_0)$, `[batch..., K]`.
    pub fn mean_log(&self) -> Tensor {
        self.concentration.digamma() - self.total().digamma().unsqueeze(-1)
    }

    fn total(&self) -> Tensor {
        self.concentration.sum_axis(-1, false)
    }

    /// $\sum_k \log\Gamma(a_k) - \log\Gamma(a_0)$.
    fn log_normaliser(&self) -> Tensor {
        self.concentration.lgamma().sum_axis(-1, false) - self.total().lgamma()
    }
}

impl Batched for Dirichlet {
    fn batch_shape(&self) -> Vec<usize> {
        batch_axes(&self.concentration, 1)
    }
    fn event_shape(&self) -> Vec<usize> {
        vec![self.concentration.size(-1)]
    }
    fn dtype(&self) -> DType {
        self.concentration.dtype()
    }
    /// With respect to the first `K - 1` shares. Where shares are zero it is minus infinity for one of a concentration above one, and else
    /// infinite for one below; slopes in such shares are zero. The sum of the shares is not looked at.
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let a = &self.concentration;
        let (is_outside, is_zero) = (x.lt_scalar(0.0).or(&x.gt_scalar(1.0)), x.eq_scalar(0.0));
        let log = x.masked_fill(&is_outside.or(&is_zero), 1.0).log();
        let each = ((a - 1.0) * log).masked_fill(&is_zero.and(&a.lt_scalar(1.0)), f64::INFINITY);
        let is_outside = is_outside.or(&is_zero.and(&a.gt_scalar(1.0)));
        excluding(&any_last(&is_outside), &(each.sum_axis(-1, false) - self.log_normaliser()))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(log_gamma_at(&self.concentration, &self.noise(lead, rng)).softmax(-1))
    }
    fn entropy(&self) -> Option<Tensor> {
        let total = self.total();
        let k = self.concentration.size(-1) as f64;
        let parts = ((&self.concentration - 1.0) * self.concentration.digamma()).sum_axis(-1, false);
        Some(self.log_normaliser() + (&total - k) * total.digamma() - parts)
    }
    fn mean(&self) -> Option<Tensor> {
        Some(&self.concentration / self.total().unsqueeze(-1))
    }
    fn variance(&self) -> Option<Tensor> {
        let total = self.total().unsqueeze(-1);
        let mean = &self.concentration / &total;
        Some(&mean * (1.0 - &mean) / (total + 1.0))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Simplex)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        let total = self.total().polygamma(1).unsqueeze(-1).unsqueeze(-1);
        Some(self.concentration.polygamma(1).diag() - total)
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { concentration: self.concentration.detach() })
    }
}

impl Kl for Dirichlet {
    fn kl(&self, p: &Self) -> Tensor {
        let difference = &self.concentration - &p.concentration;
        p.log_normaliser() - self.log_normaliser() + (difference * self.mean_log()).sum_axis(-1, false)
    }
}
