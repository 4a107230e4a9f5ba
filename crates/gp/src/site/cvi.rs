//! Conjugate-computation variational inference: a natural-gradient step on the ELBO, written in sites.

use super::{Marginal, SiteRule};
use crate::likelihood::Likelihood;

/// Sites from the derivatives of the expected log likelihood at the current marginals:
/// precision `-2 d/dv`, shift `d/dm + precision * m`.
///
/// # Source
/// Khan and Lin (2017); Adam, Chang, Khan and Solin (2021) for the sparse case. `rho` = 1 is exact for Gaussian noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cvi {
    /// Step length in (0, 1].
    pub rho: f64,
}

impl SiteRule for Cvi {
    fn propose(&self, likelihood: &dyn Likelihood, y: f64, at: Marginal, _: (f64, f64)) -> Option<(f64, f64)> {
        let expected = likelihood.expected(y, at.mean, at.variance);
        let precision = -2.0 * expected.dv;
        Some((expected.dm + precision * (at.mean - at.offset), precision))
    }

    fn damping(&self) -> f64 {
        self.rho
    }

    fn name(&self) -> &'static str {
        "cvi"
    }
}
