//! Where densities end, and what they are there. A point that a logarithm or a product could not bear is replaced by a harmless one first, so that
//! slopes are numbers.

use super::matrices::without_factor;
use elbo_tensor::{DType, Tensor};

/// Where the points of a batch of distributions lie.
#[derive(Debug, Clone)]
pub enum Support {
    /// Numbers, each by itself.
    Real,
    /// Numbers above zero; where a density has a value at zero, zero too.
    Positive,
    /// Numbers from these bounds on, which broadcast with the points.
    Above(Tensor),
    /// Numbers between zero and one.
    Unit,
    /// Numbers between these bounds, which broadcast with the points.
    Between(Tensor, Tensor),
    /// Angles in radians, modulo a turn.
    Circle,
    /// Shares along the last axis: not negative, with sum one.
    Simplex,
    /// Vectors of length one along the last axis.
    Sphere,
    /// Positive definite matrices in the last two axes.
    PositiveDefinite,
    /// Lower triangular matrices in the last two axes, with rows of length one and a positive diagonal.
    CorrelationCholesky,
    /// Counts: 0, 1, 2, ...
    Counts,
    /// Counts up to these, which broadcast with the points.
    CountsUpTo(Tensor),
    /// Counts along the last axis with this sum.
    CountsOfTotal(usize),
    /// Indices below this number.
    Classes(usize),
    /// This number of levels, evenly from -1 to 1.
    Levels(usize),
}

impl Support {
    /// Whether points are counts, indices or levels, of which each has a probability.
    pub fn is_discrete(&self) -> bool {
        matches!(self, Self::Counts | Self::CountsUpTo(_) | Self::CountsOfTotal(_) | Self::Classes(_) | Self::Levels(_))
    }

    /// Which points lie in the support, its ends included. A mask of one element a number, a vector or a matrix, as the variant says.
    ///
    /// Lengths and sums that have to be one may be off by rounding: by `1e-4` in single precision, by `1e-10` in double.
    pub fn contains(&self, x: &Tensor) -> Tensor {
        let slack = if x.dtype() == DType::F32 { 1e-4 } else { 1e-10 };
        let x = &x.detach().to_f64();
        let wide = |bound: &Tensor| bound.detach().to_f64();
        let is_one = |sum: &Tensor| (sum - 1.0).abs().le_scalar(slack);
        let is_finite = x.abs().lt_scalar(f64::INFINITY);
        let is_count = is_finite.and(&x.ge_scalar(0.0)).and(&x.eq(&x.floor()));
        match self {
            Self::Real | Self::Circle => is_finite,
            Self::Positive => is_finite.and(&x.ge_scalar(0.0)),
            Self::Above(low) => is_finite.and(&x.ge(&wide(low))),
            Self::Unit => x.ge_scalar(0.0).and(&x.le_scalar(1.0)),
            Self::Between(low, high) => x.ge(&wide(low)).and(&x.le(&wide(high))),
            Self::Simplex => every_last(&x.ge_scalar(0.0)).and(&is_one(&x.sum_axis(-1, false))),
            Self::Sphere => is_one(&x.square().sum_axis(-1, false)),
            Self::PositiveDefinite => without_factor(x).eq_scalar(0.0),
            Self::CorrelationCholesky => {
                let is_lower = every_last(&every_last(&x.triu(1).eq_scalar(0.0)));
                let is_unit = every_last(&is_one(&x.square().sum_axis(-1, false)));
                every_last(&x.diagonal().gt_scalar(0.0)).and(&is_lower).and(&is_unit)
            }
            Self::Counts => is_count,
            Self::CountsUpTo(top) => is_count.and(&x.le(&wide(top))),
            Self::CountsOfTotal(total) => every_last(&is_count).and(&x.sum_axis(-1, false).eq_scalar(*total as f64)),
            Self::Classes(classes) => is_count.and(&x.lt_scalar(*classes as f64)),
            Self::Levels(levels) => {
                let steps = (x + 1.0) * (0.5 * (*levels as f64 - 1.0));
                let is_level = (&steps - steps.round()).abs().le_scalar(slack * *levels as f64);
                is_level.and(&x.abs().le_scalar(1.0))
            }
        }
    }

    /// Whether it is the same for every element of a batch, whatever the batch.
    pub(super) fn is_common(&self) -> bool {
        match self {
            Self::Above(bound) | Self::CountsUpTo(bound) => bound.rank() == 0,
            Self::Between(low, high) => low.rank() == 0 && high.rank() == 0,
            _ => true,
        }
    }
}

/// Whether a mask is true everywhere along its last axis.
fn every_last(mask: &Tensor) -> Tensor {
    any_last(&mask.not()).not()
}

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
