//! Settings that the systems of this family share.

use crate::acquisition::Schedule;
use crate::ask::{AcquisitionKind, AskConfig};
use crate::batch::Batch;
use crate::constraint::Constraint;
use crate::design::Design;
use crate::history::{Goal, Limit, SideColumns};
use crate::maximise::MaximiseConfig;
use crate::space::Space;
use crate::surrogate::{MeanKind, Output, SurrogateConfig, SurrogateKind};
use elbo_core::{Allowed, Result, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a user may say about an experiment besides its table: a part of a system's settings, by `serde(flatten)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// Whether to `minimise` or to `maximise` the target.
    pub goal: Goal,
    /// What may be varied, a list of variables; the ranges of the data where `null`.
    pub space: Option<Space>,
    /// Limits on other measured columns, such as `{column = "purity", at_least = 0.9}`.
    pub limits: Vec<Limit>,
    /// Linear limits on the variables themselves, such as `{weights = {acid = 1, base = 1}, at_most = 0.8}`; suggestions keep them.
    pub constraints: Vec<Constraint>,
    /// The score that chooses: `log_ei`, `log_nei` for noisy trials, `ei`, `pi`, `lcb`, `thompson`, `knowledge_gradient`,
    /// `max_value_entropy`, `predictive_entropy`, `joint_entropy`.
    pub acquisition: AcquisitionKind,
    /// lcb: how the width of the bound grows with the trials: `practical`, β = 0.2 D log(2t), or `study`, β = 2 log(D t² π² / 0.06).
    pub schedule: Schedule,
    /// What the unknown values of pending trials, and of the suggestions before, are taken for: `sampled`, `believer`, the best, mean or worst value
    /// measured (`liar_min`, `liar_mean`, `liar_max`), or `penalise`, by which the score falls around them.
    pub batch: Batch,
    /// A column with what each trial cost: what the score expects is divided by what a trial is expected to cost.
    pub cost: Option<String>,
    /// Power of the expected cost in that division: 1 for improvement a unit of cost, smaller as the budget runs out.
    pub cost_power: f64,
    /// What all trials together may cost, in the unit of `cost`: that power falls in proportion to what is left of it, to zero.
    pub cost_budget: Option<f64>,
    /// Trials before the model takes over; `max(5, 2 D)` where `null`, `max(5, 4 D)` with a `noise_column`.
    pub initial: Option<usize>,
    /// How these are spread.
    pub design: Design,
    /// What is believed about the target: `gp`, a Gaussian process, or `student_t`, one whose scale is unknown, which a value far from what was expected
    /// makes wider everywhere.
    pub surrogate: SurrogateKind,
    /// student_t: degrees of freedom before the trials, above 2; the fewer, the more the trials tell the scale.
    pub degrees: f64,
    /// The mean function of the surrogate: `learned`, the constant of largest likelihood, `worst`, `arithmetic`, `median`, `best`, `linear`,
    /// `quadratic`, `forest` or `rbf`.
    pub mean: MeanKind,
    /// What happens to values before they are standardised: nothing (`standardise`), `log`, `box_cox`, `yeo_johnson` or `rank_normal`.
    pub output: Output,
    /// Noise variance as a share of the target's variance; learned where `null`.
    pub noise: Option<f64>,
    /// A column with the standard deviation of each value's noise, in the target's unit; where cells are empty the noise is as `noise` says.
    pub noise_column: Option<String>,
    /// A column with a name for each trial; suggestions get new ones.
    pub id: Option<String>,
    /// Starting points of the search for hyperparameters.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// L-BFGS steps a start, at most.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// How hard the best place of the score is looked for.
    pub maximise: MaximiseConfig,
    /// Whether to keep to a trust region around the best trial; with more than 15 variables where `null`.
    pub trust_region: Option<bool>,
}

impl Default for Settings {
    fn default() -> Self {
        let (ask, surrogate) = (AskConfig::default(), SurrogateConfig::default());
        Self {
            goal: Goal::Minimise,
            space: None,
            limits: vec![],
            constraints: vec![],
            acquisition: ask.acquisition,
            schedule: ask.schedule,
            batch: ask.batch,
            cost: None,
            cost_power: ask.cost_power,
            cost_budget: None,
            initial: ask.initial,
            design: ask.design,
            surrogate: SurrogateKind::default(),
            degrees: 5.0,
            mean: surrogate.mean,
            output: surrogate.output,
            noise: surrogate.noise,
            noise_column: None,
            id: None,
            starts: surrogate.starts,
            iterations: surrogate.iterations,
            maximise: ask.maximise,
            trust_region: ask.trust_region,
        }
    }
}

impl Settings {
    /// Checks names and numbers, before work starts; those of [`Settings::ask`] have their own check.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        if let Some(space) = &self.space {
            space.check()?;
        }
        for limit in &self.limits {
            let bounds = [limit.at_least, limit.at_most];
            let is_some = bounds.iter().any(Option::is_some) && bounds.iter().flatten().all(|b| b.is_finite());
            let is_empty = limit.at_least.zip(limit.at_most).is_some_and(|(least, most)| least > most);
            let expected = "at_least or at_most, finite numbers, the first not above the second";
            ensure("limits", format!("{limit:?}"), is_some && !is_empty, expected)?;
        }
        if let Some(cost) = &self.cost {
            let expected = "none, or acquisition = log_ei, log_nei, ei or pi";
            ensure("cost", cost, self.acquisition.has_log_form(), expected)?;
        }
        if let Some(budget) = self.cost_budget {
            ensure("cost_budget", budget, budget > 0.0 && budget.is_finite(), "a positive number, or null")?;
        }
        if let Some(column) = &self.noise_column {
            ensure("noise_column", column, self.output == Output::Standardise, "none, or output = standardise")?;
            // The noise of a Student-t process has its unknown scale.
            ensure("noise_column", column, self.surrogate == SurrogateKind::Gp, "none, or surrogate = gp")?;
        }
        ensure("degrees", self.degrees, self.degrees > 2.0 && self.degrees <= 1e6, "above 2, and at most 1000000")?;
        if self.surrogate == SurrogateKind::StudentT {
            self.ask().check_student_t()?;
        }
        if let Some(noise) = self.noise {
            ensure(
                "noise",
                noise,
                (1e-9..=1.0).contains(&noise),
                Allowed::within(1e-9..=1.0).told("from 1e-9 to 1, or null to learn it"),
            )?;
        }
        ensure_within("starts", self.starts, 1..=1000)?;
        ensure_within("iterations", self.iterations, 1..=1_000_000_000)
    }

    /// How points are chosen.
    pub fn ask(&self) -> AskConfig {
        AskConfig {
            acquisition: self.acquisition,
            schedule: self.schedule,
            constraints: self.constraints.clone(),
            batch: self.batch,
            cost_power: self.cost_power,
            initial: self.initial,
            design: self.design,
            maximise: self.maximise.clone(),
            trust_region: self.trust_region,
            ..AskConfig::default()
        }
    }

    /// Further columns of the history.
    pub fn side_columns(&self) -> SideColumns {
        SideColumns { cost: self.cost.clone(), noise: self.noise_column.clone(), id: self.id.clone() }
    }

    /// How the surrogate is fitted.
    pub fn surrogate(&self) -> SurrogateConfig {
        SurrogateConfig {
            noise: self.noise,
            degrees: (self.surrogate == SurrogateKind::StudentT).then_some(self.degrees),
            mean: self.mean,
            output: self.output,
            starts: self.starts,
            iterations: self.iterations,
            ..SurrogateConfig::default()
        }
    }
}
