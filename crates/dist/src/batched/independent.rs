use super::noise::{joined, sum_last};
use super::{Batched, Kl, Support};
use elbo_core::Rng;
use elbo_tensor::{DType, Tensor};

/// Independent distributions seen as one: their last batch axes become event axes.
#[derive(Debug, Clone)]
pub struct Independent<D> {
    base: D,
    axes: usize,
}

impl<D: Batched> Independent<D> {
    /// The last `axes` batch axes of `base` become axes of one point.
    pub fn new(base: D, axes: usize) -> Self {
        assert!(axes <= base.batch_shape().len(), "{axes} of the batch axes {:?}", base.batch_shape());
        Self { base, axes }
    }

    /// The elementwise distributions.
    pub fn base(&self) -> &D {
        &self.base
    }

    /// How many batch axes became event axes.
    pub fn axes(&self) -> usize {
        self.axes
    }

    fn split(&self) -> (Vec<usize>, Vec<usize>) {
        let mut batch = self.base.batch_shape();
        let event = batch.split_off(batch.len() - self.axes);
        (batch, event)
    }
}

impl<D: Batched> Batched for Independent<D> {
    fn batch_shape(&self) -> Vec<usize> {
        self.split().0
    }
    fn event_shape(&self) -> Vec<usize> {
        joined(&[&self.split().1, &self.base.event_shape()])
    }
    fn dtype(&self) -> DType {
        self.base.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        sum_last(&self.base.log_prob(x), self.axes)
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        self.base.sample(lead, rng)
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        self.base.rsample(lead, rng)
    }
    fn entropy(&self) -> Option<Tensor> {
        self.base.entropy().map(|h| sum_last(&h, self.axes))
    }
    fn mean(&self) -> Option<Tensor> {
        self.base.mean()
    }
    fn variance(&self) -> Option<Tensor> {
        self.base.variance()
    }
    fn support(&self) -> Option<Support> {
        self.base.support()
    }
    fn fisher_information(&self) -> Option<Tensor> {
        self.base.fisher_information()
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Independent { base: self.base.detached(), axes: self.axes })
    }
}

impl<D: Kl> Kl for Independent<D> {
    fn kl(&self, p: &Self) -> Tensor {
        assert_eq!(self.axes, p.axes, "both distributions have the same event axes");
        sum_last(&self.base.kl(&p.base), self.axes)
    }
}
