//! Laplace's method as a site rule: Newton's step to the mode.

use super::{Marginal, PRECISION_FLOOR, SiteRule};
use crate::likelihood::Likelihood;

/// Sites from the curvature of the log likelihood at the current mean: precision `-g2`, shift `g1 + precision * f`.
///
/// The fixed point's mean is the mode of the joint density. Where the likelihood is not log-concave the precision is held at
/// [`PRECISION_FLOOR`], with the shift that keeps the gradient.
///
/// # Source
/// Rasmussen and Williams (2006), algorithm 3.1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Laplace {
    /// Share of the Newton step in (0, 1].
    pub damping: f64,
}

impl SiteRule for Laplace {
    fn propose(&self, likelihood: &dyn Likelihood, y: f64, at: Marginal, _: (f64, f64)) -> Option<(f64, f64)> {
        let precision = (-likelihood.g2(y, at.mean)).max(PRECISION_FLOOR);
        Some((likelihood.g1(y, at.mean) + precision * (at.mean - at.offset), precision))
    }

    fn damping(&self) -> f64 {
        self.damping
    }

    fn name(&self) -> &'static str {
        "laplace"
    }
}
