//! Power expectation propagation.

use super::{Marginal, Place, SiteRule};
use crate::likelihood::Likelihood;

/// Sites that match the moments of the tilted distribution `cavity * p^alpha`.
///
/// The site acts on a scalar with variance `site_variance`; the rest of `f`'s variance is added to the cavity when the
/// likelihood is averaged, which is the sparse form and changes nothing for a dense prior.
///
/// # Source
/// Minka (2001, 2004); Bui, Yan and Turner (2017) for the sparse form. Updates are parallel and damped. A step after which more cavities
/// have no positive variance than before is halved; a site whose cavity has none all the same is left as it is, and counted.
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

impl PowerEp {
    /// Number of cavities without a positive variance.
    fn broken_cavities(&self, at: Place<'_>) -> usize {
        let sites = at.sites.shift.iter().zip(&at.sites.precision);
        at.marginals.iter().zip(sites).filter(|(m, (s, p))| cavity(self.alpha, **m, (**s, **p)).is_none()).count()
    }
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

    fn overshoots(&self, _: &dyn Likelihood, _: &[f64], from: Place<'_>, to: Place<'_>) -> bool {
        self.broken_cavities(to) > self.broken_cavities(from)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sites;
    use super::*;
    use crate::likelihood::BernoulliProbit;

    #[test]
    fn a_step_that_leaves_a_cavity_without_variance_overshoots() {
        let marginals = [Marginal { mean: 0.2, variance: 1.0, site_variance: 1.0, offset: 0.0 }; 2];
        let sites = |precision: f64| Sites { shift: vec![0.1; 2], precision: vec![0.5, precision] };
        let (good, bad) = (sites(0.5), sites(2.0));
        let place = |sites| Place { sites, marginals: &marginals };
        let overshoots = |alpha, from, to| {
            let rule = PowerEp { alpha, damping: 1.0 };
            rule.overshoots(&BernoulliProbit::new(), &[1.0, 1.0], place(from), place(to))
        };
        assert!(overshoots(1.0, &good, &bad));
        assert!(!overshoots(1.0, &bad, &good) && !overshoots(1.0, &bad, &bad) && !overshoots(0.4, &good, &bad));
    }
}
