//! Log densities whose data may be taken in parts.

use super::LogDensity;

/// A log density of a prior and rows of data, each of which adds its log likelihood.
pub trait Parted: LogDensity {
    /// Rows of data, `N`.
    fn rows(&self) -> usize;

    /// The log density estimated from these rows: the prior once, their likelihood scaled by all rows over those taken. Over random rows its
    /// value, gradient and Hessian are unbiased.
    fn part(&self, rows: &[usize]) -> Box<dyn LogDensity + '_>;
}
