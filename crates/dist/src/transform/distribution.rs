use super::Bijector;
use crate::batched::{Batched, Support, sum_last};
use elbo_core::Rng;
use elbo_tensor::{DType, Tensor, no_grad};
use std::sync::Arc;

/// A distribution pushed through a bijection: the law of `y = f(x)` for `x` of the base.
#[derive(Debug, Clone)]
pub struct Transformed {
    base: Arc<dyn Batched>,
    map: Arc<dyn Bijector>,
}

impl Transformed {
    /// The event axes of `base` must be at least those of a point of the map.
    pub fn new(base: Arc<dyn Batched>, map: Arc<dyn Bijector>) -> Self {
        let found = base.event_shape().len();
        assert!(found >= map.ranks().0, "events of {found} axes for a map of {:?}", map.ranks());
        Self { base, map }
    }

    /// Draws with their log densities, without a call of the inverse; both reparameterised. `None` when the base's draws are not.
    pub fn rsample_with_log_prob(&self, lead: &[usize], rng: &mut Rng) -> Option<(Tensor, Tensor)> {
        let x = self.base.rsample(lead, rng)?;
        let (y, log_det) = self.map.forward(&x);
        let log_prob = self.base.log_prob(&x);
        let log_det = sum_last(&log_det, log_det.rank() - log_prob.rank());
        Some((y, log_prob - log_det))
    }
}

impl Batched for Transformed {
    fn batch_shape(&self) -> Vec<usize> {
        self.base.batch_shape()
    }
    fn event_shape(&self) -> Vec<usize> {
        self.map.image_shape(&self.base.event_shape())
    }
    fn dtype(&self) -> DType {
        self.base.dtype()
    }
    /// NaN where the map has no closed inverse; see [`Transformed::rsample_with_log_prob`] for the density of own draws.
    fn log_prob(&self, y: &Tensor) -> Tensor {
        let Some((x, log_det)) = self.map.inverse(y) else {
            let batch = y.rank() - self.event_shape().len();
            return Tensor::full(&y.shape()[..batch], f64::NAN, y.dtype());
        };
        let log_prob = self.base.log_prob(&x);
        let log_det = sum_last(&log_det, log_det.rank() - log_prob.rank());
        log_prob + log_det
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        no_grad(|| self.map.forward(&self.base.sample(lead, rng)).0)
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(self.map.forward(&self.base.rsample(lead, rng)?).0)
    }
    fn support(&self) -> Option<Support> {
        None
    }
    /// Only the base loses its gradients: the map's own parameters stay in the graph.
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { base: Arc::from(self.base.detached()), map: self.map.clone() })
    }
}
