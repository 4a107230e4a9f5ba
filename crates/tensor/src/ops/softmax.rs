//! Sums of exponentials that neither overflow nor vanish.

use super::binary_fn;
use crate::dtype::with_real;
use crate::kernels::zip;
use crate::tensor::Tensor;

binary_fn!(LogAddExp: Real, |x, y| {
    let (high, low) = if x >= y { (x, y) } else { (y, x) };
    // Equal infinities have no difference.
    let gap = if high == low { T::ZERO } else { low - high };
    high + gap.exp().ln_1p_unit()
});

impl Tensor {
    /// log sum exp over an axis; `-inf` for a slice of `-inf`.
    pub fn log_sum_exp(&self, axis: isize, keep: bool) -> Tensor {
        assert!(self.size(axis) > 0, "`log_sum_exp` over an empty axis");
        let highest = self.detach().max_axis(axis, true);
        // A slice of -inf alone is shifted by zero, to stay -inf.
        let shift = highest.masked_fill(&highest.eq_scalar(f64::NEG_INFINITY), 0.0);
        let result = (self - &shift).exp().sum_axis(axis, true).log() + shift;
        if keep { result } else { result.squeeze(axis) }
    }

    /// Logarithm of the softmax over an axis.
    pub fn log_softmax(&self, axis: isize) -> Tensor {
        self - self.log_sum_exp(axis, true)
    }

    /// exp(x) normalised over an axis.
    pub fn softmax(&self, axis: isize) -> Tensor {
        let highest = self.detach().max_axis(axis, true);
        let e = (self - highest).exp();
        let total = e.sum_axis(axis, true);
        e / total
    }

    /// log(e^a + e^b), elementwise.
    pub fn logaddexp(&self, other: &Tensor) -> Tensor {
        let value = with_real!("logaddexp", self.dtype(), T => zip::<T, T, _>("logaddexp", self, other, LogAddExp));
        let (a, b) = (self.clone(), other.clone());
        value.record("logaddexp", [self, other], move |g| {
            [
                g.when(0, || (g.grad * (&a - &b).sigmoid()).sum_to(a.shape())),
                g.when(1, || (g.grad * (&b - &a).sigmoid()).sum_to(b.shape())),
            ]
        })
    }
}
