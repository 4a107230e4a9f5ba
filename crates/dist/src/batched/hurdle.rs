use super::by_quantile::log_complement;
use super::noise::uniforms;
use super::support::excluding;
use super::{Batched, Bernoulli, Kl, Support};
use elbo_core::Rng;
use elbo_tensor::{DType, Tensor};

/// Counts behind a hurdle: zero with log odds `gate`, else a draw of the base that is not zero.
///
/// $$ P(0) = \sigma(g), \qquad P(k) = \sigma(-g)\, \frac{b(k)}{1 - b(0)} \quad (k > 0) $$
#[derive(Debug, Clone)]
pub struct Hurdle<D> {
    gate: Tensor,
    base: D,
}

impl<D: Batched> Hurdle<D> {
    /// From the log odds of a zero, in the batch shape of the base.
    ///
    /// # Panics
    /// When the base has no [`Batched::sample_positive`]: it is no family of counts, or a mixture.
    pub fn new(gate: Tensor, base: D) -> Self {
        let has_positive = base.sample_positive(&[], &mut Rng::new(0)).is_some();
        assert!(has_positive, "a hurdle needs counts behind it, found {base:?}");
        let gate = gate.broadcast_to(&base.batch_shape());
        Self { gate, base }
    }

    /// $\log b(0)$, `[batch...]`.
    fn log_zero(&self) -> Tensor {
        self.base.log_prob(&Tensor::zeros(&self.base.batch_shape(), self.base.dtype()))
    }

    /// How much likelier a positive count is than under the base, as a logarithm.
    fn log_ratio(&self) -> Tensor {
        (-&self.gate).log_sigmoid() - log_complement(&self.log_zero())
    }
}

impl<D: Batched> Batched for Hurdle<D> {
    fn batch_shape(&self) -> Vec<usize> {
        self.base.batch_shape()
    }
    fn dtype(&self) -> DType {
        self.base.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let of_base = self.base.log_prob(x);
        let is_outside = of_base.detach().eq_scalar(f64::NEG_INFINITY);
        let drawn = excluding(&is_outside, &(of_base + self.log_ratio()));
        x.eq_scalar(0.0).where_(&self.gate.log_sigmoid(), &drawn)
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let x = self.base.sample_positive(lead, rng).expect("`new` looked whether the base has them");
        let u = uniforms(x.shape(), self.dtype(), rng);
        x.masked_fill(&u.lt(&self.gate.detach().sigmoid()), 0.0)
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.base.mean()? * self.log_ratio().exp())
    }
    fn variance(&self) -> Option<Tensor> {
        let (ratio, mean) = (self.log_ratio().exp(), self.base.mean()?);
        Some(&ratio * (self.base.variance()? + mean.square()) - (&ratio * mean).square())
    }
    fn sample_positive(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        self.base.sample_positive(lead, rng)
    }
    fn support(&self) -> Option<Support> {
        self.base.support()
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Hurdle { gate: self.gate.detach(), base: self.base.detached() })
    }
}

impl<D: Batched + Kl> Kl for Hurdle<D> {
    /// The divergence of the gates, and that of the positive counts as often as there are any. Digits are lost where nearly all draws of the base are
    /// zero.
    fn kl(&self, p: &Self) -> Tensor {
        let gates = Bernoulli::new(self.gate.clone()).kl(&Bernoulli::new(p.gate.clone()));
        let (zero, other) = (self.log_zero(), p.log_zero());
        let (positive, other_positive) = (log_complement(&zero), log_complement(&other));
        // The sum over positive counts is the base's divergence without its term at zero.
        let of_base = self.base.kl(&p.base) - zero.exp() * (&zero - &other);
        gates + (-&self.gate).sigmoid() * (of_base / positive.exp() + other_positive - positive)
    }
}
