//! Power expectation propagation.

use super::{Marginal, SiteRule};
use crate::likelihood::Likelihood;

/// Sites that match the moments of the tilted distribution `cavity * p^alpha`.
///
/// The site acts on a scalar with variance `site_variance`; the rest of `f`'s variance is added to the cavity when the
/// likelihood is averaged, which is the sparse form and changes nothing for a dense prior.
///
/// # Source
/// Minka (2001, 2004); Bui, Yan and Turner (2017) for the sparse form. Updates are parallel and damped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerEp {
    /// Power in (0, 1]; 1 is EP.
    pub alpha: f64,
    /// Share of the new site in (0, 1].
    pub damping: f64,
}

/// The cavity of a site at power `alpha`: `(mean, variance)` of the scalar it acts on, in the site's coordinates.
/// `None` when its variance is not positive.
pub(crate) fn cavity(alpha: f64, at: Marginal, (shift, precision): (f64, f64)) -> Option<(f64, f64)> {
    let cavity_precision = 1.0 / at.site_variance - alpha * precision;
    let cavity_shift = (at.mean - at.offset) / at.site_variance - alpha * shift;
    (cavity_precision > 0.0 && cavity_precision.is_finite())
        .then(|| (cavity_shift / cavity_precision, 1.0 / cavity_precision))
}

impl SiteRule for PowerEp {
    fn propose(&self, likelihood: &dyn Likelihood, y: f64, at: Marginal, site: (f64, f64)) -> Option<(f64, f64)> {
        let (mean, variance) = cavity(self.alpha, at, site)?;
        let rest = at.variance - at.site_variance;
        let tilted = likelihood.log_tilted(y, mean + at.offset, variance + rest, self.alpha);
        // Moments of the tilted distribution of the scalar: its variance is v + v^2 d2.
        let ratio = 1.0 + variance * tilted.d2;
        let proposal = ((tilted.d1 - mean * tilted.d2) / ratio / self.alpha, -tilted.d2 / ratio / self.alpha);
        (ratio > 0.0 && proposal.0.is_finite() && proposal.1.is_finite()).then_some(proposal)
    }

    fn damping(&self) -> f64 {
        self.damping
    }

    fn name(&self) -> &'static str {
        "ep"
    }
}
