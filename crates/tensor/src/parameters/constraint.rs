//! Where natural values may lie, and the way from and to unconstrained ones.

use crate::dtype::DType;
use crate::tensor::Tensor;

/// Where a natural value may lie, and how it comes from an unconstrained one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Constraint {
    /// Any real number; stored as it is.
    Real,
    /// Above zero; stored as its logarithm.
    Positive,
    /// Above a bound; stored as the logarithm of the distance.
    Above(f64),
    /// Between two bounds; stored as the logit of the position between them.
    Interval(f64, f64),
}

impl Constraint {
    /// Natural values of unconstrained ones, differentiable.
    pub fn natural(&self, free: &Tensor) -> Tensor {
        match *self {
            Self::Real => free.clone(),
            Self::Positive => free.exp(),
            Self::Above(low) => free.exp() + low,
            Self::Interval(low, high) => free.sigmoid().affine(high - low, low),
        }
    }

    /// The unconstrained value of a natural one, which must be allowed.
    pub fn free(&self, natural: f64) -> f64 {
        match *self {
            Self::Real => natural,
            Self::Positive => natural.ln(),
            Self::Above(low) => (natural - low).ln(),
            Self::Interval(low, high) => ((natural - low) / (high - natural)).ln(),
        }
    }

    /// Whether a natural value is allowed and representable.
    pub fn allows(&self, natural: f64) -> bool {
        natural.is_finite() && self.free(natural).is_finite()
    }

    /// Whether the natural value of an unconstrained one is finite in this precision.
    pub(super) fn is_natural(&self, free: f64, dtype: DType) -> bool {
        match self {
            Self::Positive | Self::Above(_) if dtype == DType::F32 => (free as f32).exp().is_finite(),
            Self::Positive | Self::Above(_) => free.exp().is_finite(),
            Self::Real | Self::Interval(..) => free.is_finite(),
        }
    }

    /// The open interval of natural values.
    pub fn bounds(&self) -> (f64, f64) {
        match *self {
            Self::Real => (f64::NEG_INFINITY, f64::INFINITY),
            Self::Positive => (0.0, f64::INFINITY),
            Self::Above(low) => (low, f64::INFINITY),
            Self::Interval(low, high) => (low, high),
        }
    }

    /// log |d natural / d free| of each element, differentiable: what a density of the natural value gains when it is written in
    /// the unconstrained one.
    pub fn log_jacobian(&self, free: &Tensor) -> Tensor {
        match *self {
            Self::Real => free.zeros_like(),
            Self::Positive | Self::Above(_) => free.clone(),
            Self::Interval(low, high) => free.log_sigmoid() + (-free).log_sigmoid() + (high - low).ln(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameter;

    const CONSTRAINTS: [(Constraint, f64); 4] = [
        (Constraint::Real, -3.0),
        (Constraint::Positive, 0.3),
        (Constraint::Above(-1.0), 0.5),
        (Constraint::Interval(1.0, 4.0), 1.5),
    ];

    #[test]
    fn natural_of_free_is_the_identity_and_its_derivative_is_the_jacobian() {
        for (constraint, value) in CONSTRAINTS {
            let p = Parameter::scalar(value, constraint);
            assert!((p.value()[0] - value).abs() < 1e-14, "{constraint:?}");
            let slope = crate::grad(&p.get(), &[p.leaf()])[0].item();
            let jacobian = constraint.log_jacobian(p.leaf()).item().exp();
            assert!((slope - jacobian).abs() < 1e-13, "{constraint:?}: {slope} and {jacobian}");
        }
    }
}
