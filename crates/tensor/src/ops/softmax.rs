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
    /// log sum exp over an axis; `-inf` with slopes of zero for a slice of `-inf`.
    pub fn log_sum_exp(&self, axis: isize, keep: bool) -> Tensor {
        assert!(self.size(axis) > 0, "`log_sum_exp` over an empty axis");
        let highest = self.detach().max_axis(axis, true);
        // A slice of -inf alone is shifted by zero, and the logarithm never sees its sum, at which the slope is infinite.
        let is_empty = highest.eq_scalar(f64::NEG_INFINITY);
        let shift = highest.masked_fill(&is_empty, 0.0);
        let total = (self - &shift).exp().sum_axis(axis, true).masked_fill(&is_empty, 1.0);
        let result = (total.log() + shift).masked_fill(&is_empty, f64::NEG_INFINITY);
        if keep { result } else { result.squeeze(axis) }
    }

    /// Logarithm of the softmax over an axis; NaN for a slice of `-inf`, which has no softmax.
    pub fn log_softmax(&self, axis: isize) -> Tensor {
        self - self.log_sum_exp(axis, true)
    }

    /// exp(x) normalised over an axis; NaN for a slice of `-inf`.
    pub fn softmax(&self, axis: isize) -> Tensor {
        let highest = self.detach().max_axis(axis, true);
        let e = (self - highest).exp();
        let total = e.sum_axis(axis, true);
        e / total
    }

    /// log(e^a + e^b), elementwise; `-inf` with slopes of zero where both are.
    pub fn logaddexp(&self, other: &Tensor) -> Tensor {
        let value = with_real!("logaddexp", self.dtype(), T => zip::<T, T, _>("logaddexp", self, other, LogAddExp));
        let (a, b, total) = (self.clone(), other.clone(), value.clone());
        value.record("logaddexp", [self, other], move |g| {
            // Two of -inf have no difference, and no share.
            let is_empty = total.eq_scalar(f64::NEG_INFINITY);
            let share = |own: &Tensor, rest: &Tensor| (own - rest).masked_fill(&is_empty, f64::NEG_INFINITY).sigmoid();
            [
                g.when(0, || (g.grad * share(&a, &b)).sum_to(a.shape())),
                g.when(1, || (g.grad * share(&b, &a)).sum_to(b.shape())),
            ]
        })
    }
}
