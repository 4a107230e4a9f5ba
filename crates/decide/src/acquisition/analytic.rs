//! Scores of the mean and the variance at one point.

use super::normal::{density, h, log_density, log_h};
use super::student;
use super::{Acquisition, Feasibility};
use crate::surrogate::Gp;
use elbo_tensor::special::{inverse_mills, log_ndtr, ndtr};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How a confidence bound's width grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// `β = 0.2 D log(2t)`.
    #[default]
    Practical,
    /// `β = 2 log(D t² π² / 0.06)`, as in the published study of mean functions.
    Study,
}

impl Schedule {
    /// `β` of the `t`-th trial in `dims` variables.
    pub fn beta(self, dims: usize, t: usize) -> f64 {
        let (d, t) = (dims as f64, t.max(1) as f64);
        match self {
            Self::Practical => 0.2 * d * (2.0 * t).ln(),
            Self::Study => 2.0 * (d * t * t * PI * PI / 0.06).ln(),
        }
    }
}

/// A score of a normal or Student-t distribution, for minimising.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Score {
    /// Expected improvement on the incumbent.
    Ei,
    /// Its logarithm.
    LogEi,
    /// Probability of improving on the incumbent by more than `margin`.
    Pi {
        /// Standardised.
        margin: f64,
    },
    /// Its logarithm.
    LogPi {
        /// Standardised.
        margin: f64,
    },
    /// Minus the lower confidence bound, `-(μ - √β σ)`.
    Lcb {
        /// Squared width.
        beta: f64,
    },
}

impl Score {
    /// The score of `N(mean, variance)`, with its derivatives in both.
    ///
    /// ```
    /// use elbo_decide::acquisition::Score;
    /// let (value, by_mean, by_variance) = Score::Ei.of(0.0, 1.0, 0.0);
    /// assert!((value - 0.398_942_280_401).abs() < 1e-12 && by_mean == -0.5 && by_variance > 0.0);
    /// ```
    pub fn of(self, mean: f64, variance: f64, incumbent: f64) -> (f64, f64, f64) {
        let sd = variance.sqrt();
        let z = (incumbent - mean) / sd;
        let (value, by_mean, by_sd) = match self {
            Self::Ei => (sd * h(z), -ndtr(z), density(z)),
            Self::LogEi => {
                let log = log_h(z);
                let (cdf, pdf) = ((log_ndtr(z) - log).exp(), (log_density(z) - log).exp());
                (sd.ln() + log, -cdf / sd, pdf / sd)
            }
            Self::Pi { margin } => {
                let z = z - margin / sd;
                (ndtr(z), -density(z) / sd, -density(z) * z / sd)
            }
            Self::LogPi { margin } => {
                let z = z - margin / sd;
                let mills = inverse_mills(z);
                (log_ndtr(z), -mills / sd, -mills * z / sd)
            }
            Self::Lcb { beta } => (beta.sqrt() * sd - mean, -1.0, beta.sqrt()),
        };
        (value, by_mean, by_sd / (2.0 * sd))
    }

    /// The score of a Student-t distribution with this mean, variance and degrees of freedom, above 2; of a normal one where there are none.
    pub fn under(self, freedom: Option<f64>, mean: f64, variance: f64, incumbent: f64) -> (f64, f64, f64) {
        let Some(freedom) = freedom else { return self.of(mean, variance, incumbent) };
        let sd = variance.sqrt();
        // The distribution's own scale is smaller than its standard deviation.
        let share = ((freedom - 2.0) / freedom).sqrt();
        let scale = share * sd;
        let at = |margin: f64| {
            let z = (incumbent - margin - mean) / scale;
            (z, student::logs(z, freedom))
        };
        let (value, by_mean, by_scale) = match self {
            Self::Ei => {
                let logs = at(0.0).1;
                (scale * logs.h.exp(), -logs.cdf.exp(), logs.e.exp())
            }
            Self::LogEi => {
                let logs = at(0.0).1;
                (scale.ln() + logs.h, -(logs.cdf - logs.h).exp() / scale, (logs.e - logs.h).exp() / scale)
            }
            Self::Pi { margin } => {
                let (z, logs) = at(margin);
                let density = logs.density.exp();
                (logs.cdf.exp(), -density / scale, -density * z / scale)
            }
            Self::LogPi { margin } => {
                let (z, logs) = at(margin);
                let mills = (logs.density - logs.cdf).exp();
                (logs.cdf, -mills / scale, -mills * z / scale)
            }
            Self::Lcb { .. } => return self.of(mean, variance, incumbent),
        };
        (value, by_mean, by_scale * share / (2.0 * sd))
    }
}

/// A score under a surrogate.
pub struct Analytic<'a> {
    /// The surrogate.
    pub gp: &'a Gp,
    /// The score.
    pub score: Score,
    /// The value to improve on, standardised.
    pub incumbent: f64,
    /// Limits and failures: log probabilities that are added, which for a score in log form is what a product means, and for others a penalty.
    pub feasibility: Feasibility<'a>,
}

impl<'a> Analytic<'a> {
    /// A score without limits.
    pub fn new(gp: &'a Gp, score: Score, incumbent: f64) -> Self {
        Self { gp, score, incumbent, feasibility: Feasibility::default() }
    }
}

impl Acquisition for Analytic<'_> {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let joint = self.gp.joint(x);
        let (value, by_mean, by_variance) =
            self.score.under(self.gp.freedom(), joint.mean[0], joint.covariance[0], self.incumbent);
        gradient.fill(0.0);
        self.gp.pullback(&joint, &[by_mean], &[by_variance], None, gradient);
        value + self.feasibility.add(x, gradient)
    }

    fn values(&self, xs: &[f64], width: usize) -> Vec<f64> {
        let (mean, variance) = self.gp.marginals(xs);
        let score = |(m, v): (&f64, f64)| self.score.under(self.gp.freedom(), *m, v, self.incumbent).0;
        let mut values: Vec<f64> = mean.iter().zip(variance).map(score).collect();
        self.feasibility.add_many(xs, width, &mut values);
        values
    }
}
