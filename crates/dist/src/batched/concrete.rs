use super::noise::{batch_axes, joined, uniforms};
use super::support::{any_last, excluding};
use super::{Batched, Support};
use elbo_core::Rng;
use elbo_tensor::special::lgamma;
use elbo_tensor::{DType, Tensor};

/// Relaxed one-hot vectors: softmax((logits + Gumbel noise) / t) at temperature `t`, with their own density on the simplex.
///
/// $$ \log p(y) = \log \Gamma(K) + (K - 1) \log t + \sum_k [\log p_k - (t + 1) \log y_k] - K \log \sum_k p_k y_k^{-t} $$
///
/// # Source
/// Maddison, Mnih and Teh (2017); Jang, Gu and Poole (2017).
#[derive(Debug, Clone)]
pub struct Concrete {
    log_probs: Tensor,
    temperature: f64,
}

impl Concrete {
    /// From unnormalised log probabilities `[batch..., K]` and a positive temperature.
    pub fn new(logits: &Tensor, temperature: f64) -> Self {
        assert!(temperature > 0.0, "a temperature of {temperature}");
        Self { log_probs: logits.log_softmax(-1), temperature }
    }

    /// Logarithms of draws, reparameterised; finite where entries underflow. `[lead..., batch..., K]`.
    pub fn log_rsample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let u = uniforms(&joined(&[lead, self.log_probs.shape()]), self.dtype(), rng);
        let gumbel = -(-u.log()).log();
        ((&self.log_probs + gumbel) / self.temperature).log_softmax(-1)
    }

    /// The density of a draw at its logarithms, finite where entries underflow; `[lead..., batch...]`.
    pub fn log_prob_at_log(&self, log_y: &Tensor) -> Tensor {
        let (k, t) = (self.log_probs.size(-1) as f64, self.temperature);
        let each = (&self.log_probs - log_y * (t + 1.0)).sum_axis(-1, false);
        let mixed = (&self.log_probs - log_y * t).log_sum_exp(-1, false);
        each - mixed * k + (lgamma(k) + (k - 1.0) * t.ln())
    }

    /// One-hot draws with the gradient of the relaxed ones: **biased**, and without a density. `[lead..., batch..., K]`.
    pub fn straight_through(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let soft = self.log_rsample(lead, rng).exp();
        let hard = soft.detach().argmax(-1, false).one_hot(soft.size(-1), soft.dtype());
        &soft + (hard - soft.detach())
    }
}

impl Batched for Concrete {
    fn batch_shape(&self) -> Vec<usize> {
        batch_axes(&self.log_probs, 1)
    }
    fn event_shape(&self) -> Vec<usize> {
        vec![self.log_probs.size(-1)]
    }
    fn dtype(&self) -> DType {
        self.log_probs.dtype()
    }
    /// Minus infinity where an entry is zero, also by underflow: [`Concrete::log_prob_at_log`] tells such points apart.
    fn log_prob(&self, y: &Tensor) -> Tensor {
        let is_outside = y.le_scalar(0.0).or(&y.gt_scalar(1.0));
        let log = y.masked_fill(&is_outside, 1.0).log();
        excluding(&any_last(&is_outside), &self.log_prob_at_log(&log))
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(self.log_rsample(lead, rng).exp())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Simplex)
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { log_probs: self.log_probs.detach(), temperature: self.temperature })
    }
}
