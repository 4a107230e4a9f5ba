//! Gradient estimators: how an objective's gradient in the approximation's parameters is estimated from draws.
//!
//! | estimator | unbiased | gradient of the target | use it |
//! |---|---|---|---|
//! | [`Estimator::StickingTheLanding`] | for the ELBO | yes | the default: no variance where the approximation is exact |
//! | [`Estimator::DoublyReparameterised`] | for every power objective of a finite order | yes | importance-weighted bounds: its signal grows with `K` |
//! | [`Estimator::Reparameterised`] | for every power objective | yes | families whose density is known at their own draws only; infinite orders |
//! | [`Estimator::ClosedEntropy`] | for the ELBO | yes | far from the optimum |
//! | [`Estimator::Score`] | yes, with any [`Baseline`]: constant, running, leave-one-out | no | targets without gradient, or with jumps |
//! | the same with a [`LearnedBaseline`] | yes | no | amortised models, where the signal's level depends on the data point |
//! | the same over a graph of [`Dependencies`] | yes | no | many sites, each in a few terms of the objective |
//! | [`SiteEstimator`] | yes | by the site | one distribution, discrete or not, by the rule of [`SiteEstimator::default_for`] |
//! | [`enumerate`] with [`expectation`] | exact | no | a few discrete sites that meet in one term |
//! | [`measure_valued`] | yes | no | one Gaussian number, count, event or class at a time |
//! | [`GammaGradient`] | yes | yes, but for the score | positive unknowns with gamma posteriors; implicit by default |
//!
//! An estimator is a *surrogate*: a tensor whose gradient is the estimate, and which is ascended. [`report`] measures variance and signal
//! of any of them; [`choose`] measures all that a family allows and names the cheapest, by variance times cost.
//!
//! The default is paths where draws are reparameterised (held parameters where the density is known: [`Estimator::default_for`]), else enumeration of
//! at most 64 states, else the score with a leave-one-out baseline ([`SiteEstimator::default_for`]).

mod baseline;
mod choice;
mod discrete;
mod gamma;
mod graph;
mod report;
mod site;
mod surrogate;

pub use baseline::{Baseline, LearnedBaseline, RunningMean};
pub use choice::{Candidate, Choice, choose};
pub use discrete::{ENUMERATION_CAP, enumerate, expectation, measure_valued};
pub use gamma::{GammaDraws, GammaGradient, leave_one_out};
pub use graph::Dependencies;
pub use report::{GradientReport, report};
pub use site::{ENUMERATED_STATES, SiteEstimator};
pub use surrogate::{Surrogate, along_paths};

use crate::family::Variational;
use crate::objective::Objective;
use elbo_core::{Error, Result, ensure_within};
use serde::{Deserialize, Serialize};

/// How a gradient is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Estimator {
    /// Differentiates log weights through the draws and through the density.
    Reparameterised,
    /// Differentiates the target through the draws, and the entropy in closed form.
    ClosedEntropy,
    /// Through the draws only: the density's own parameters are held fixed.
    StickingTheLanding,
    /// Through the draws only, with the weights that make it unbiased for any finite order. The largest log weight jumps from draw to draw, so that its
    /// weights have no slope and there is no such form.
    DoublyReparameterised,
    /// The score function, with draws held fixed.
    Score {
        /// What is subtracted.
        baseline: Baseline,
    },
}

impl Estimator {
    /// The default for an objective and a family of continuous unknowns. For a discrete site see [`SiteEstimator::default_for`].
    pub fn default_for(objective: &Objective, has_density: bool) -> Self {
        match objective {
            Objective::VarGrad => Self::Score { baseline: Baseline::LeaveOneOut },
            Objective::Power { order } if order.is_infinite() => Self::Reparameterised,
            Objective::ForwardKl | Objective::Power { .. } if has_density => Self::DoublyReparameterised,
            _ => Self::Reparameterised,
        }
    }

    /// The estimator of one step, given the objective at earlier steps: a running baseline becomes the constant that their mean is; all others stay.
    pub fn given(&self, past: &RunningMean) -> Self {
        match self {
            Self::Score { baseline: Baseline::Running { .. } } => {
                Self::Score { baseline: Baseline::Constant { value: past.value() } }
            }
            other => *other,
        }
    }

    /// Whether the mean of the estimate is the gradient of the expected objective.
    pub fn is_unbiased(&self, objective: &Objective) -> bool {
        match (self, objective) {
            (_, Objective::ForwardKl | Objective::Thermodynamic { .. }) => false,
            (Self::StickingTheLanding, Objective::Power { order }) => *order == 0.0,
            (Self::DoublyReparameterised, Objective::Power { order }) => order.is_finite(),
            _ => true,
        }
    }

    /// Whether the target's gradient is needed.
    pub fn needs_gradient(&self) -> bool {
        !matches!(self, Self::Score { .. })
    }

    /// Evaluations of the target a draw; gradients count as three.
    pub fn evaluations(&self) -> usize {
        if self.needs_gradient() { 3 } else { 1 }
    }

    /// Refuses combinations that have no meaning.
    ///
    /// # Errors
    /// [`Error::Setting`] with an estimator that would do.
    pub fn check(&self, objective: &Objective, family: &dyn Variational, draws: usize) -> Result<()> {
        objective.check()?;
        let refuse = |found: String, expected: &str| {
            Err(Error::Setting { setting: "estimator".into(), found, expected: expected.into() })
        };
        if let Self::Score { baseline: Baseline::Running { decay } } = self {
            ensure_within("decay", *decay, 0.0..1.0)?;
        }
        let is_elbo = *objective == Objective::ELBO;
        let is_power = matches!(objective, Objective::Power { .. });
        match self {
            Self::ClosedEntropy if !is_elbo || family.entropy().is_none() => {
                refuse("closed-entropy".into(), "the ELBO of a family with a closed entropy; use reparameterised")
            }
            Self::StickingTheLanding if !is_power => {
                refuse("sticking-the-landing".into(), "an objective of the power family; use doubly-reparameterised")
            }
            Self::DoublyReparameterised if !is_power && *objective != Objective::ForwardKl => {
                refuse("doubly-reparameterised".into(), "a power objective or forward-kl; use reparameterised")
            }
            Self::DoublyReparameterised if matches!(objective, Objective::Power { order } if order.is_infinite()) => {
                refuse("doubly-reparameterised".into(), "a power objective of a finite order; use reparameterised")
            }
            Self::Score { baseline: Baseline::LeaveOneOut } if draws < 2 => {
                refuse("leave-one-out with one draw".into(), "at least two draws")
            }
            Self::Score { .. } if *objective != Objective::VarGrad && !is_power => {
                refuse("score".into(), "a power objective or var-grad")
            }
            _ if family.strata() > 1 && !is_elbo => {
                refuse(format!("{objective:?} for a {}", family.title()), "the ELBO for mixtures")
            }
            _ if family.strata() > 1 && matches!(self, Self::Score { .. }) => {
                refuse("score for a mixture".into(), "an estimator through the draws")
            }
            _ => Ok(()),
        }
    }
}
