use super::noise::joined;
use super::support::excluding;
use super::{Batched, Categorical, Normal, Support};
use elbo_core::Rng;
use elbo_tensor::{DType, Tensor, no_grad};

/// A mixture $\sum_k w_k q_k$ over the last batch axis of its components.
///
/// Gradients of expectations go through [`Mixture::stratified`]: every component is drawn and weighted, so that no gradient passes through the
/// sampled index. Mixtures of normals of one number also have implicit draws, through their distribution function.
#[derive(Debug, Clone)]
pub struct Mixture<D> {
    weights: Categorical,
    components: D,
}

impl<D: Batched> Mixture<D> {
    /// From weights with batch `[batch...]` and `K` classes, and components with batch `[batch..., K]`.
    pub fn new(weights: Categorical, components: D) -> Self {
        let expected = joined(&[&weights.batch_shape(), &[weights.classes()]]);
        assert_eq!(
            components.batch_shape(),
            expected,
            "components have the batch of the weights and an axis of classes"
        );
        Self { weights, components }
    }

    /// The weights' distribution.
    pub fn weights(&self) -> &Categorical {
        &self.weights
    }

    /// The components' distributions.
    pub fn components(&self) -> &D {
        &self.components
    }

    /// One reparameterised draw of each component, `[lead..., batch..., K, event...]`, and the weights `[batch..., K]` to average over them:
    /// $\mathbb{E} f = \sum_k w_k \mathbb{E}_{q_k} f$. `None` when the components' draws are not reparameterised.
    pub fn stratified(&self, lead: &[usize], rng: &mut Rng) -> Option<(Tensor, Tensor)> {
        Some((self.components.rsample(lead, rng)?, self.weights.probs()))
    }

    /// The axis of the classes, from the back, in a draw of the components.
    fn class_axis(&self) -> isize {
        -1 - self.components.event_shape().len() as isize
    }
}

/// What mixtures of all components share.
impl<D: Batched> Mixture<D> {
    fn mixture_log_prob(&self, x: &Tensor) -> Tensor {
        let each = self.components.log_prob(&x.unsqueeze(self.class_axis()));
        let each = each + self.weights.log_probs();
        // Off the support of all components the logarithm of a sum of zeros has no slope.
        let is_outside = each.detach().max_axis(-1, false).eq_scalar(f64::NEG_INFINITY);
        excluding(&is_outside, &each.masked_fill(&is_outside.unsqueeze(-1), 0.0).log_sum_exp(-1, false))
    }

    fn mixture_sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let all = self.components.sample(lead, rng);
        let index = self.weights.sample(lead, rng);
        // The index with the event axes of a draw, so that whole points are taken.
        let event = self.components.event_shape();
        let column = joined(&[index.shape(), &[1], &vec![1; event.len()]]);
        let wide = joined(&[index.shape(), &[1], &event]);
        let axis = self.class_axis();
        all.gather(axis, &index.reshape(&column).broadcast_to(&wide).contiguous()).squeeze(axis)
    }

    fn mixture_moments(&self) -> Option<(Tensor, Tensor)> {
        let events = self.components.event_shape().len();
        let mut weights = self.weights.probs();
        (0..events).for_each(|_| weights = weights.unsqueeze(-1));
        let axis = self.class_axis();
        let (mean, variance) = (self.components.mean()?, self.components.variance()?);
        let total = (&weights * &mean).sum_axis(axis, true);
        let spread = (&weights * (variance + (mean - &total).square())).sum_axis(axis, false);
        Some((total.squeeze(axis), spread))
    }
}

macro_rules! mixture_batched {
    (($($generic:tt)*), $component:ty, |$self:ident, $lead:ident, $rng:ident| $rsample:expr) => {
        impl<$($generic)*> Batched for Mixture<$component> {
            fn batch_shape(&self) -> Vec<usize> {
                self.weights.batch_shape()
            }
            fn event_shape(&self) -> Vec<usize> {
                self.components.event_shape()
            }
            fn dtype(&self) -> DType {
                self.components.dtype()
            }
            fn log_prob(&self, x: &Tensor) -> Tensor {
                self.mixture_log_prob(x)
            }
            fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
                no_grad(|| self.mixture_sample(lead, rng))
            }
            fn rsample(&self, $lead: &[usize], $rng: &mut Rng) -> Option<Tensor> {
                let $self = self;
                $rsample
            }
            fn mean(&self) -> Option<Tensor> {
                self.mixture_moments().map(|m| m.0)
            }
            fn variance(&self) -> Option<Tensor> {
                self.mixture_moments().map(|m| m.1)
            }
            fn support(&self) -> Option<Support> {
                self.components.support().filter(Support::is_common)
            }
            fn detached(&self) -> Box<dyn Batched> {
                let weights = Categorical::new(&self.weights.log_probs().detach());
                Box::new(Mixture::<Box<dyn Batched>> { weights, components: self.components.detached() })
            }
        }
    };
}

mixture_batched!((), Box<dyn Batched>, |_this, _lead, _rng| None);
mixture_batched!((), super::Independent<Normal>, |_this, _lead, _rng| None);
mixture_batched!((), super::MultivariateNormal, |_this, _lead, _rng| None);
mixture_batched!((), Normal, |this, lead, rng| {
    // dz/dtheta = -(dF/dtheta) / p(z), as the slope of a term whose value is zero.
    let z = this.sample(lead, rng);
    let probability = |normal: &Normal, weights: &Tensor| {
        let standard = (z.unsqueeze(-1) - normal.location()) / normal.sd();
        (standard.ndtr() * weights).sum_axis(-1, false)
    };
    let moving = probability(&this.components, &this.weights.probs());
    let density = no_grad(|| this.mixture_log_prob(&z).exp());
    Some(&z - (&moving - moving.detach()) / density)
});
