//! Site rules: how each likelihood term becomes a Gaussian site `exp(shift * f - precision * f^2 / 2)`.
//!
//! A rule is one of two axes that are composed as values; the other is the [`LatentPrior`](crate::prior::LatentPrior), which turns
//! sites into a posterior. A third value, the [`Evidence`](crate::evidence::Evidence), says which estimate of the log marginal
//! likelihood the hyperparameters climb.
//!
//! | rule | its fixed point | when to use it |
//! |---|---|---|
//! | [`Cvi`] | the best Gaussian in the sense of the ELBO | the default: a bound, steady for every likelihood |
//! | [`PowerEp`] | matches moments of tilted distributions | sharper evidence for classification; `alpha` 1 is EP |
//! | [`Laplace`] | the mode and its curvature | fast, log-concave likelihoods with many counts |
//! | [`PosteriorLinearisation`] | the first two moments of `y`, along a straight line | likelihoods whose moments are easier than their density |
//!
//! To add a rule, implement [`SiteRule::update`] for one datum's marginals and list it in [`SiteRuleConfig`].

mod cvi;
mod ep;
mod laplace;
mod linearisation;

pub use cvi::Cvi;
pub use ep::PowerEp;
pub use laplace::Laplace;
pub use linearisation::PosteriorLinearisation;

use crate::likelihood::Likelihood;
use elbo_core::{ModelFile, Result, Snapshot, ensure_within, half_open};
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Smallest site precision. A likelihood that is not log-concave would ask for less; such sites are counted in [`Update::floored`].
pub const PRECISION_FLOOR: f64 = 1e-8;

/// Gaussian sites, one a datum: `exp(shift * f - precision * f^2 / 2)`, in the coordinates of the zero-mean process.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sites {
    /// Linear natural parameter, `[N]`.
    pub shift: Vec<f64>,
    /// Quadratic natural parameter, `[N]`, at least [`PRECISION_FLOOR`] once set.
    pub precision: Vec<f64>,
}

impl Sites {
    /// Sites that say nothing.
    pub fn flat(rows: usize) -> Self {
        Self { shift: vec![0.0; rows], precision: vec![PRECISION_FLOOR; rows] }
    }

    /// Exact sites of Gaussian noise: `targets: [N]`, `noise: [N]` variances.
    pub fn gaussian(targets: &[f64], noise: &[f64]) -> Self {
        Self {
            shift: targets.iter().zip(noise).map(|(y, s)| y / s).collect(),
            precision: noise.iter().map(|s| 1.0 / s).collect(),
        }
    }

    /// Number of sites.
    pub fn len(&self) -> usize {
        self.shift.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.shift.is_empty()
    }

    /// Goes half of the way to other sites of the same number.
    pub fn halve_towards(&mut self, others: &Self) {
        let midpoints = |mine: &mut [f64], others: &[f64]| {
            mine.iter_mut().zip(others).for_each(|(a, b)| *a = 0.5 * (*a + b));
        };
        midpoints(&mut self.shift, &others.shift);
        midpoints(&mut self.precision, &others.precision);
    }

    /// As constants in a graph: `(shift, precision)`, both `[N]`.
    pub fn tensors(&self) -> (Tensor, Tensor) {
        (Tensor::from_slice(&self.shift, &[self.len()]), Tensor::from_slice(&self.precision, &[self.len()]))
    }
}

impl Snapshot for Sites {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.put(&format!("{prefix}.shift"), &[self.len()], &self.shift);
        file.put(&format!("{prefix}.precision"), &[self.len()], &self.precision);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let rows = [self.len()];
        self.shift = file.get_as(&format!("{prefix}.shift"), &rows)?;
        self.precision = file.get_as(&format!("{prefix}.precision"), &rows)?;
        Ok(())
    }
}

/// What a rule sees of the posterior at one datum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marginal {
    /// Mean of `f`, the mean function included.
    pub mean: f64,
    /// Variance of `f`.
    pub variance: f64,
    /// Variance of the scalar that the site acts on: `variance` for a dense prior, the part explained by the inducing
    /// variables for a sparse one.
    pub site_variance: f64,
    /// The mean function's value: sites live in the coordinates of `f - offset`.
    pub offset: f64,
}

/// What an update of all sites did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Update {
    /// Largest change of a site's parameters, relative to one plus their size.
    pub change: f64,
    /// Sites left as they were because their cavity was not positive.
    pub skipped: usize,
    /// Sites whose precision was raised to [`PRECISION_FLOOR`].
    pub floored: usize,
    /// Times that [`SiteGp::infer`](crate::sites::SiteGp::infer) halved the step of all sites; `change` is that of the whole step.
    pub halvings: usize,
}

/// Sites and the marginals of the posterior at them, one of each a datum.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The sites.
    pub sites: &'a Sites,
    /// The posterior's marginals at these sites.
    pub marginals: &'a [Marginal],
}

/// How likelihood terms become sites.
pub trait SiteRule: std::fmt::Debug + Send + Sync {
    /// The new site of one datum, `(shift, precision)`, before damping; `None` leaves the site as it is.
    fn propose(&self, likelihood: &dyn Likelihood, y: f64, at: Marginal, site: (f64, f64)) -> Option<(f64, f64)>;

    /// Share of the new site in each update, in (0, 1].
    fn damping(&self) -> f64;

    /// The rule's name.
    fn name(&self) -> &'static str;

    /// Whether the step from one place to another went too far, so that half of it is to be tried; never for a rule that does not say.
    fn overshoots(&self, _likelihood: &dyn Likelihood, _y: &[f64], _from: Place<'_>, _to: Place<'_>) -> bool {
        false
    }

    /// One parallel sweep over all sites. `y` and `marginals` have one entry a datum.
    fn update(&self, likelihood: &dyn Likelihood, y: &[f64], marginals: &[Marginal], sites: &mut Sites) -> Update {
        use rayon::prelude::*;
        // Proposals are independent; the report is combined in order.
        let proposals: Vec<Option<(f64, f64)>> = (0..y.len())
            .into_par_iter()
            .with_min_len(32)
            .map(|n| self.propose(likelihood.row(n), y[n], marginals[n], (sites.shift[n], sites.precision[n])))
            .collect();
        let rho = self.damping();
        let mut report = Update::default();
        for (n, proposal) in proposals.into_iter().enumerate() {
            let Some((shift, precision)) = proposal else {
                report.skipped += 1;
                continue;
            };
            let (mut shift, mut precision) =
                ((1.0 - rho) * sites.shift[n] + rho * shift, (1.0 - rho) * sites.precision[n] + rho * precision);
            if precision < PRECISION_FLOOR {
                report.floored += 1;
                // Keep the location the site points at, as seen from the current mean.
                let centre = marginals[n].mean - marginals[n].offset;
                shift += (PRECISION_FLOOR - precision) * centre;
                precision = PRECISION_FLOOR;
            }
            let change = (shift - sites.shift[n]).abs() / (1.0 + shift.abs());
            report.change = report.change.max(change).max((precision - sites.precision[n]).abs() / (1.0 + precision));
            (sites.shift[n], sites.precision[n]) = (shift, precision);
        }
        report
    }
}

/// A rule by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum SiteRuleConfig {
    /// Conjugate-computation variational inference; `rho` is the length of the natural-gradient step.
    Cvi {
        /// Step length in (0, 1].
        rho: f64,
    },
    /// Power expectation propagation; `alpha` 1 is EP, towards 0 it becomes variational.
    PowerEp {
        /// Power in (0, 1].
        alpha: f64,
        /// Share of the new site in (0, 1].
        damping: f64,
    },
    /// Laplace's method: Newton steps to the mode.
    Laplace {
        /// Share of the Newton step in (0, 1].
        damping: f64,
    },
    /// Posterior linearisation: the likelihood's first two moments along a straight line.
    Linearisation {
        /// Share of the new site in (0, 1].
        damping: f64,
    },
}

impl SiteRuleConfig {
    /// The rule.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a number out of range.
    pub fn build(&self) -> Result<Box<dyn SiteRule>> {
        let unit = |name, value: f64| ensure_within(name, value, half_open(0.0, 1.0));
        Ok(match *self {
            Self::Cvi { rho } => {
                unit("rho", rho)?;
                Box::new(Cvi { rho })
            }
            Self::PowerEp { alpha, damping } => {
                unit("alpha", alpha)?;
                unit("damping", damping)?;
                Box::new(PowerEp { alpha, damping })
            }
            Self::Laplace { damping } => {
                unit("damping", damping)?;
                Box::new(Laplace { damping })
            }
            Self::Linearisation { damping } => {
                unit("damping", damping)?;
                Box::new(PosteriorLinearisation { damping })
            }
        })
    }
}
