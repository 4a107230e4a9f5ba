//! Where densities end, and what they are there. A point that a logarithm or a product could not bear is replaced by a harmless one first, so that
//! slopes are numbers.

use elbo_tensor::{DType, Tensor};

/// `value` inside the support, minus infinity outside.
pub fn excluding(outside: &Tensor, value: &Tensor) -> Tensor {
    value.masked_fill(outside, f64::NEG_INFINITY)
}

/// The log density at an end of the support, where it is `height + (exponent - 1) log 0`: with an exponent of one the second term is absent.
pub fn at_end(exponent: &Tensor, height: &Tensor) -> Tensor {
    let falling = height.masked_fill(&exponent.gt_scalar(1.0), f64::NEG_INFINITY);
    falling.masked_fill(&exponent.lt_scalar(1.0), f64::INFINITY)
}

/// Where numbers are negative or infinite.
pub fn is_off_half_line(x: &Tensor) -> Tensor {
    x.lt_scalar(0.0).or(&x.eq_scalar(f64::INFINITY))
}

/// The same, and where they are zero.
pub fn is_off_open_half_line(x: &Tensor) -> Tensor {
    x.le_scalar(0.0).or(&x.eq_scalar(f64::INFINITY))
}

/// Where numbers are no counts.
pub fn is_no_count(x: &Tensor) -> Tensor {
    is_off_half_line(x).or(&x.gt(&x.floor()))
}

/// Whether a mask is true anywhere along its last axis.
pub fn any_last(mask: &Tensor) -> Tensor {
    mask.cast(DType::F32).max_axis(-1, false).gt_scalar(0.0)
}
