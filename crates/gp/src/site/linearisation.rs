//! Posterior linearisation: the likelihood's mean as the straight line that fits it best under the posterior.

use super::{Marginal, SiteRule};
use crate::likelihood::Likelihood;
use elbo_dist::Rule;

/// Sites of the Gaussian observation `y = a f + b + e` with the likelihood's first two moments under the current marginal `N(m, v)`:
///
/// $$ a = \frac{\operatorname{Cov}(f, \mathrm E[y \mid f])}{v}, \qquad \omega = \operatorname{Var}(y) - a^2 v, $$
///
/// precision `a² / ω`, shift `a (y - E[y] + a m) / ω`. It asks for moments of `y` only, never for derivatives of its density. A datum whose
/// moments do not exist keeps its site. Exact for Gaussian noise in one step.
///
/// # Source
/// García-Fernández, Tronarp and Särkkä (2019), iterated posterior linearisation. Moments by Gauss-Hermite quadrature with 20 nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PosteriorLinearisation {
    /// Share of the new site in (0, 1].
    pub damping: f64,
}

impl SiteRule for PosteriorLinearisation {
    fn propose(&self, likelihood: &dyn Likelihood, y: f64, at: Marginal, _: (f64, f64)) -> Option<(f64, f64)> {
        let observed = likelihood.predict(at.mean, at.variance);
        let covariance = Rule::hermite20()
            .expect(at.mean, at.variance, |f| (f - at.mean) * (likelihood.predict(f, 0.0).mean - observed.mean));
        let slope = covariance / at.variance;
        let noise = observed.variance - slope * covariance;
        let shift = slope * (y - observed.mean + slope * (at.mean - at.offset)) / noise;
        let precision = slope * slope / noise;
        (noise > 0.0 && noise.is_finite() && shift.is_finite() && precision.is_finite()).then_some((shift, precision))
    }

    fn damping(&self) -> f64 {
        self.damping
    }

    fn name(&self) -> &'static str {
        "linearisation"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::likelihood::{Gaussian, OneLatent, Poisson, StudentTDensity};

    /// A marginal of a process whose mean function has the value `offset`.
    fn marginal(mean: f64, variance: f64, offset: f64) -> Marginal {
        Marginal { mean, variance, site_variance: variance, offset }
    }

    #[test]
    fn the_line_of_counts_is_the_one_in_closed_form() {
        let (m, v, y) = (0.3f64, 0.4f64, 2.0);
        let (shift, precision) = PosteriorLinearisation { damping: 1.0 }
            .propose(&Poisson::new(1.0), y, marginal(m, v, 0.1), (0.0, 0.0))
            .unwrap();
        // The rate is lognormal, and its covariance with f is v times its mean.
        let rate = (m + 0.5 * v).exp();
        let noise = rate + rate * rate * (v.exp_m1() - v);
        assert!((precision - rate * rate / noise).abs() < 1e-9, "{precision}");
        assert!((shift - rate * (y - rate + rate * (m - 0.1)) / noise).abs() < 1e-9, "{shift}");
    }

    #[test]
    fn gaussian_noise_is_its_own_line_and_noise_without_variance_leaves_the_site() {
        let rule = PosteriorLinearisation { damping: 1.0 };
        let (shift, precision) = rule.propose(&Gaussian::new(0.25), 1.5, marginal(-0.7, 2.0, 0.5), (0.0, 0.0)).unwrap();
        assert!((precision - 4.0).abs() < 1e-10 && (shift - 4.0).abs() < 1e-10, "{shift} {precision}");
        let heavy = OneLatent::constant(StudentTDensity { dof: 1.5, scale: 0.3 });
        assert_eq!(rule.propose(&heavy, 1.5, marginal(0.0, 1.0, 0.0), (0.0, 0.0)), None);
    }
}
