use super::fisher::diagonal;
use super::noise::{draw_each, joined};
use super::support::{excluding, is_no_count};
use super::{Batched, Bernoulli, Kl, Support};
use elbo_core::Rng;
use elbo_tensor::special::log1p_exp;
use elbo_tensor::{DType, Tensor};

/// Numbers of failures before the first success, whose log odds are `logits`.
#[derive(Debug, Clone)]
pub struct Geometric {
    trial: Bernoulli,
}

impl Geometric {
    /// From log odds of success.
    pub fn new(logits: Tensor) -> Self {
        Self { trial: Bernoulli::new(logits) }
    }
}

impl Batched for Geometric {
    fn batch_shape(&self) -> Vec<usize> {
        self.trial.batch_shape()
    }
    fn dtype(&self) -> DType {
        self.trial.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let logits = self.trial.logits();
        let is_outside = is_no_count(x);
        let x = x.masked_fill(&is_outside, 0.0);
        excluding(&is_outside, &(logits.log_sigmoid() - x * logits.softplus()))
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let shape = joined(&[lead, &self.batch_shape()]);
        let logits = self.trial.logits().detach().broadcast_to(&shape).to_vec();
        // An exponential variable in units of the log failure probability, rounded down.
        let draws = draw_each(&logits, rng, |l, rng| (rng.exponential() / log1p_exp(l)).floor());
        Tensor::from_vec(draws, &shape).cast(self.dtype())
    }
    /// After one failure the number of further ones has the same law.
    fn sample_positive(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(self.sample(lead, rng) + 1.0)
    }
    fn entropy(&self) -> Option<Tensor> {
        self.trial.entropy().map(|h| h / self.trial.logits().sigmoid())
    }
    fn mean(&self) -> Option<Tensor> {
        Some((-self.trial.logits()).exp())
    }
    fn variance(&self) -> Option<Tensor> {
        let mean = (-self.trial.logits()).exp();
        Some(mean.square() + mean)
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Counts)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        Some(diagonal([(-self.trial.logits()).sigmoid()]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self::new(self.trial.logits().detach()))
    }
}

impl Kl for Geometric {
    fn kl(&self, p: &Self) -> Tensor {
        self.trial.kl(&p.trial) / self.trial.logits().sigmoid()
    }
}
