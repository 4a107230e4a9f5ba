//! Laplace's method as a site rule: Newton's step to the mode.

use super::{Marginal, PRECISION_FLOOR, Place, SiteRule};
use crate::likelihood::Likelihood;

/// Sites from the curvature of the log likelihood at the current mean: precision `-g2`, shift `g1 + precision * f`.
///
/// The fixed point's mean is the mode of the joint density. Where the likelihood is not log-concave the precision is held at
/// [`PRECISION_FLOOR`], with the shift that keeps the gradient.
///
/// # Source
/// Rasmussen and Williams (2006), algorithm 3.1. A step that lowers the log joint density is halved, in the sites.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Laplace {
    /// Share of the Newton step in (0, 1].
    pub damping: f64,
}

/// Rounding of the log joint density, relative to the size of its terms.
const ROUNDING: f64 = 1e-12;

/// `Σ log p(y | f) - ½ fᵀ K⁻¹ f` at the posterior's mean, and the size of its terms. The mean at these sites obeys
/// `K⁻¹ f = shift - precision f`, so no covariance is needed.
fn log_joint(likelihood: &dyn Likelihood, y: &[f64], at: Place<'_>) -> (f64, f64) {
    let (mut value, mut size) = (0.0, 1.0);
    for (n, (y, marginal)) in y.iter().zip(at.marginals).enumerate() {
        let f = marginal.mean - marginal.offset;
        let log_prob = likelihood.row(n).log_prob(*y, marginal.mean);
        let (linear, quadratic) = (at.sites.shift[n] * f, at.sites.precision[n] * f * f);
        value += log_prob - 0.5 * (linear - quadratic);
        size += log_prob.abs() + linear.abs() + quadratic.abs();
    }
    (value, size)
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

    fn overshoots(&self, likelihood: &dyn Likelihood, y: &[f64], from: Place<'_>, to: Place<'_>) -> bool {
        let (before, size) = log_joint(likelihood, y, from);
        let (after, _) = log_joint(likelihood, y, to);
        after.is_nan() || after < before - ROUNDING * size
    }
}
