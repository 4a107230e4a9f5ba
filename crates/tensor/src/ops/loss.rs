//! Log probabilities from logits, stable for any logit.

use super::binary_fn;
use super::elementwise::logistic;
use crate::dtype::{DType, with_real};
use crate::kernels::{same_type, zip};
use crate::tape::is_recording;
use crate::tensor::Tensor;

// x l - log(1 + e^l).
binary_fn!(BernoulliLog: Real, |l, x| {
    let tail = (-l.abs()).exp().ln_1p_unit();
    let positive = if l > T::ZERO { l } else { T::ZERO };
    x * l - (positive + tail)
});
// The derivative in l.
binary_fn!(BernoulliSlope: Real, |l, x| x - logistic(l));

impl Tensor {
    /// Log probability of `targets` in [0, 1] under a Bernoulli with these logits: `x l - log(1 + e^l)`, elementwise. The negative of the
    /// binary cross entropy.
    ///
    /// # Shapes
    /// Both of one shape.
    pub fn bernoulli_log_prob(&self, targets: &Tensor) -> Tensor {
        same_type("bernoulli_log_prob", self, targets);
        assert_eq!(self.shape(), targets.shape(), "`bernoulli_log_prob` needs one target a logit");
        let name = "bernoulli_log_prob";
        let value = with_real!(name, self.dtype(), T => zip::<T, T, _>(name, self, targets, BernoulliLog));
        let (l, x) = (self.clone(), targets.clone());
        value.record(name, [self, targets], move |g| {
            let slope = || {
                if is_recording() {
                    return &x - l.sigmoid();
                }
                with_real!(name, l.dtype(), T => zip::<T, T, _>(name, &l, &x, BernoulliSlope))
            };
            [g.when(0, || slope() * g.grad), g.when(1, || g.grad * &l)]
        })
    }

    /// Log probability of class labels under the softmax of these logits: the negative of the cross entropy.
    ///
    /// # Shapes
    /// `self: [..., K]`, `labels: [...]` in `I64`; returns `[...]`.
    pub fn categorical_log_prob(&self, labels: &Tensor) -> Tensor {
        assert!(labels.dtype() == DType::I64, "`categorical_log_prob` needs i64 labels, found {}", labels.dtype());
        let fits = self.rank() == labels.rank() + 1 && self.shape()[..labels.rank()] == *labels.shape();
        assert!(fits, "`categorical_log_prob`: logits {:?} for labels {:?}", self.shape(), labels.shape());
        self.gather(-1, &labels.unsqueeze(-1)).squeeze(-1) - self.log_sum_exp(-1, false)
    }

    /// Mean negative [`Tensor::categorical_log_prob`], a scalar in nats.
    pub fn cross_entropy(&self, labels: &Tensor) -> Tensor {
        -self.categorical_log_prob(labels).mean()
    }
}
