//! The next points, as a function of the history: the same history, settings and seed give the same points.

use crate::acquisition::{
    About, Acquisition, Adjusted, Analytic, EntropySearch, Feasibility, KnowledgeGradient, LocalPenalty, MonteCarlo,
    MonteCarloOptions, OnlyFeasible, PathScore, PerCost, Schedule, Score, minima_within,
};
use crate::batch::Batch;
use crate::constraint::{Constraint, Polytope};
use crate::design::{self, Design};
use crate::failure::FailureModel;
use crate::history::{History, Outcome};
use crate::maximise::{Found, MaximiseConfig, Region, maximise_within};
use crate::space::Space;
use crate::surrogate::{Gp, Hyper, Path, SurrogateConfig};
use crate::trust::Trust;
use elbo_core::{Result, Rng, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random features of a drawn function.
const FEATURES: usize = 1024;
/// Most measured trials whose noise-free values are sampled together; those of smallest mean.
const BASELINE: usize = 64;
/// Points of the finite set of the knowledge gradient, besides the trials.
const KNOWLEDGE_SET: usize = 128;
/// Drawn minima of the entropy searches.
const MINIMA: usize = 10;
/// Most points that a user may have looked at.
const MOST_POINTS: usize = 1 << 20;
/// Variables beyond which the search keeps to a trust region.
const MANY_VARIABLES: usize = 15;

/// Which score chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AcquisitionKind {
    /// The logarithm of expected improvement; of several points together (qLogEI) where some are pending.
    #[default]
    LogEi,
    /// The same over the noise-free values of the trials (qLogNEI): for noisy experiments.
    LogNei,
    /// Expected improvement as it is.
    Ei,
    /// Probability of improvement.
    Pi,
    /// A lower confidence bound.
    Lcb,
    /// The minimum of a function drawn from the posterior.
    Thompson,
    /// The knowledge gradient on a finite set.
    KnowledgeGradient,
    /// Information about the smallest value.
    MaxValueEntropy,
    /// Information about the place of the minimum.
    PredictiveEntropy,
    /// Information about both.
    JointEntropy,
}

impl AcquisitionKind {
    /// Whether it is the score of a Student-t process too; the others take every distribution for a normal one.
    pub fn knows_student_t(self) -> bool {
        self.has_log_form() || matches!(self, Self::Lcb | Self::Thompson)
    }

    /// Whether the score, or its logarithm, is that of a positive worth, which can be divided by a cost.
    pub fn has_log_form(self) -> bool {
        matches!(self, Self::LogEi | Self::LogNei | Self::Ei | Self::Pi)
    }
}

/// How points are chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AskConfig {
    /// The score.
    pub acquisition: AcquisitionKind,
    /// How the width of the confidence bound grows.
    pub schedule: Schedule,
    /// Trials before the model takes over; `max(5, 2 D)` where `null`.
    pub initial: Option<usize>,
    /// How these are spread.
    pub design: Design,
    /// Samples of the Monte Carlo scores.
    pub samples: usize,
    /// What pending values, and those of the suggestions before, are taken for.
    pub batch: Batch,
    /// Power of the expected cost that improvement is divided by, where costs are known.
    pub cost_power: f64,
    /// Linear limits on the variables, which every suggestion keeps.
    pub constraints: Vec<Constraint>,
    /// How hard the best place is looked for.
    pub maximise: MaximiseConfig,
    /// Whether to keep to a trust region around the best trial; with more than 15 variables where `null`.
    pub trust_region: Option<bool>,
}

impl Default for AskConfig {
    fn default() -> Self {
        Self {
            acquisition: AcquisitionKind::LogEi,
            schedule: Schedule::Practical,
            initial: None,
            design: Design::Sobol,
            samples: 128,
            batch: Batch::default(),
            cost_power: 1.0,
            constraints: vec![],
            maximise: MaximiseConfig::default(),
            trust_region: None,
        }
    }
}

impl AskConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("samples", self.samples, 2..=65_536)?;
        ensure_within("cost_power", self.cost_power, 0.0..=10.0)?;
        let holds = self.batch != Batch::Penalise || self.acquisition.has_log_form();
        ensure("batch", "penalise", holds, "another one, or acquisition = log_ei, log_nei, ei or pi")?;
        let initial = self.initial.unwrap_or(1);
        ensure_within("initial", initial, 1..=MOST_POINTS)?;
        for constraint in &self.constraints {
            let expected = "weights that are not all zero, and at_least or at_most, finite numbers, the first not above the second";
            ensure("constraints", format!("{constraint:?}"), constraint.is_sound(), expected)?;
        }
        let MaximiseConfig { raw, starts, steps, enumerate, seconds } = &self.maximise;
        if let Some(seconds) = *seconds {
            ensure("maximise.seconds", seconds, seconds > 0.0 && seconds.is_finite(), "a positive number, or none")?;
        }
        let is_possible =
            (1..=MOST_POINTS).contains(raw) && (1..=MOST_POINTS).contains(starts) && (1..=MOST_POINTS).contains(steps);
        let holds = is_possible && *enumerate <= MOST_POINTS as u64;
        let expected = "counts from 1 to 1048576";
        ensure("maximise", format!("{:?}", self.maximise), holds, expected)
    }

    /// Checks that points can be chosen so by a Student-t process.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check_student_t(&self) -> Result<()> {
        let holds = self.acquisition.knows_student_t() && self.batch != Batch::Penalise;
        let expected = "gp, or acquisition = log_ei, log_nei, ei, pi, lcb or thompson and a batch other than penalise";
        ensure("surrogate", "student_t", holds, expected)
    }
}

/// What is believed after the history.
#[derive(Debug, Clone, Default)]
pub struct Surrogates {
    /// The function; absent with fewer than two measured trials.
    pub objective: Option<Gp>,
    /// The slack of each limit with two or more known values.
    pub limits: Vec<Gp>,
    /// Failures, once there are some.
    pub failures: Option<FailureModel>,
    /// Logarithms of costs, once two are known.
    pub cost: Option<Gp>,
}

impl Surrogates {
    /// Fits all of them. `last` is the objective's previous fit, one more start of the search.
    ///
    /// # Errors
    /// As [`Gp::fit`].
    pub fn fit(
        space: &Space,
        history: &History,
        config: &SurrogateConfig,
        last: Option<&Hyper>,
        rng: &mut Rng,
    ) -> Result<Self> {
        let groups = space.groups();
        let (points, values) = history.measured();
        let objective = match values.len() {
            0 | 1 => None,
            _ => {
                let errors = history.measured_errors();
                Some(Gp::fit_with_errors(&points.concat(), &values, &errors, &groups, config, last, rng)?)
            }
        };
        // Limits keep the default: the mean function is a choice about the objective.
        let plain = SurrogateConfig {
            noise: config.noise,
            starts: config.starts,
            iterations: config.iterations,
            ..Default::default()
        };
        let mut limits = vec![];
        for (x, y) in history.known_slacks() {
            limits.push(Gp::fit(&x, &y, &groups, &plain, None, rng)?);
        }
        let (x, costs) = history.known_costs();
        let cost = if costs.len() < 2 { None } else { Some(Gp::fit(&x, &costs, &groups, &plain, None, rng)?) };
        Ok(Self { objective, limits, failures: Self::failures(space, history)?, cost })
    }

    /// The model of failures of a history that has some.
    pub(crate) fn failures(space: &Space, history: &History) -> Result<Option<FailureModel>> {
        let decided: Vec<usize> = (0..history.len()).filter(|i| history.outcomes[*i] != Outcome::Pending).collect();
        let ok: Vec<bool> = decided.iter().map(|i| history.outcomes[*i] != Outcome::Failed).collect();
        if ok.iter().all(|o| *o) {
            return Ok(None);
        }
        let x: Vec<f64> = decided.iter().flat_map(|i| history.points[*i].iter().copied()).collect();
        FailureModel::learn(&x, &ok, &space.groups()).map(Some)
    }

    fn feasibility(&self) -> Feasibility<'_> {
        Feasibility { limits: self.limits.iter().collect(), failures: self.failures.as_ref() }
    }
}

/// Where a suggestion comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Spread over the space, since too little is known.
    Design,
    /// The model's choice.
    Model,
    /// The model's choice by the limits alone, since no trial keeps them yet.
    Limits,
}

/// A point to try next. Values are those that are minimised.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// Encoded.
    pub point: Vec<f64>,
    /// Where it comes from.
    pub source: Source,
    /// Expected value there, and its standard deviation without noise; NaN without a model.
    pub mean: f64,
    /// See `mean`.
    pub sd: f64,
    /// Probability that the value there is better than the best so far; NaN without a model or a feasible trial.
    pub improvement: f64,
    /// Probability of keeping the limits and not failing.
    pub feasible: f64,
    /// The score; NaN of a design point.
    pub score: f64,
    /// Expected cost of a trial there; NaN where too few costs are known.
    pub cost: f64,
}

/// The next `count` points.
///
/// While there are fewer trials than the initial design has, or fewer than two values, points that fill the space. Then one after the other the best place
/// of the score, with the earlier ones pending.
///
/// # Errors
/// [`elbo_core::Error::Data`] when a discrete space has no room for so many points, or no place that keeps the constraints is found; as [`Polytope::new`],
/// and [`AskConfig::check_student_t`] where the objective is such a process.
pub fn ask(
    space: &Space,
    history: &History,
    surrogates: &Surrogates,
    config: &AskConfig,
    count: usize,
    rng: &mut Rng,
) -> Result<Vec<Suggestion>> {
    if surrogates.objective.as_ref().is_some_and(|gp| gp.freedom().is_some()) {
        config.check_student_t()?;
    }
    let initial = config.initial.unwrap_or_else(|| design::default_size(space.dims()));
    let trust = config.trust_region.unwrap_or(space.dims() > MANY_VARIABLES);
    let trust = trust.then(|| Trust::read(history, space.dims(), initial));
    // A new search in another region begins with a design too.
    let begun = history.len() - trust.map_or(0, |t| t.since);
    let missing = match surrogates.objective {
        None => count,
        Some(_) => initial.saturating_sub(begun).min(count),
    };
    let taken: Vec<&[f64]> = history.points.iter().map(Vec::as_slice).collect();
    let limits = Polytope::new(space, &config.constraints)?;
    let mut chosen: Vec<(Vec<f64>, Source, f64)> =
        design::fill_within(space, &limits, config.design, missing, &taken, rng)
            .into_iter()
            .map(|point| (point, Source::Design, f64::NAN))
            .collect();
    if chosen.len() < missing && surrogates.objective.is_none() {
        let left = space.points().map_or_else(String::new, |p| format!(" of {p} points"));
        return Err(elbo_core::Error::data(
            format!(
                "the space{left} has no room for {count} more trials{} besides the {} in the history",
                if limits.is_whole() { "" } else { " that keep the constraints" },
                history.len()
            ),
            "widen the space, or ask for fewer points",
        ));
    }
    while chosen.len() < count {
        let gp = surrogates.objective.as_ref().expect("without a model all points are the design's");
        let region = trust.map_or_else(|| Region::whole(space.width()), |t| t.region(space, history, gp));
        let region = Region { limits: limits.clone(), ..region };
        let (found, source) = choose(space, history, (gp, &region), surrogates, config, &chosen, rng)?;
        chosen.push((found.point, source, found.score));
    }
    let describe = |(point, source, score)| described(history, surrogates, point, source, score);
    Ok(chosen.into_iter().map(describe).collect())
}

fn choose(
    space: &Space,
    history: &History,
    (gp, region): (&Gp, &Region),
    surrogates: &Surrogates,
    config: &AskConfig,
    chosen: &[(Vec<f64>, Source, f64)],
    rng: &mut Rng,
) -> Result<(Found, Source)> {
    let mut taken: Vec<&[f64]> = history.points.iter().map(Vec::as_slice).collect();
    taken.extend(chosen.iter().map(|(p, ..)| p.as_slice()));
    let mut pending = history.pending();
    pending.extend(chosen.iter().map(|(p, ..)| p.as_slice()));
    let feasibility = surrogates.feasibility();
    let good: Vec<&[f64]> = history.ranked().into_iter().map(|(row, _)| history.points[row].as_slice()).collect();
    let search = |score: &dyn Acquisition, rng: &mut Rng| {
        maximise_within(score, space, region, &config.maximise, (&good, &taken), rng)
    };
    if good.is_empty() {
        // Some trials are measured, and none keeps the limits.
        return Ok((search(&OnlyFeasible(feasibility), rng)?, Source::Limits));
    }
    let at = |rows: &[&[f64]]| rows.concat();
    let mut incumbent = gp.marginals(&at(&good)).0.into_iter().fold(f64::INFINITY, f64::min);
    let penalises = config.batch == Batch::Penalise && !pending.is_empty();
    let penalty = penalises.then(|| LocalPenalty::new(gp, space, &pending, incumbent, rng));
    let cost = surrogates.cost.as_ref().map(|gp| PerCost { gp, power: config.cost_power });
    let cost = cost.filter(|cost| config.acquisition.has_log_form() && cost.power > 0.0);
    let is_adjusted = penalty.is_some() || cost.is_some();
    let search =
        |score: &dyn Acquisition, rng: &mut Rng| search(&Adjusted { score, penalty: penalty.as_ref(), cost }, rng);
    // Trials that break a limit inform the process and are not taken for the best.
    let known = at(&[good.as_slice(), pending.as_slice()].concat());
    let least = |gp: &Gp| gp.marginals(&known).0.into_iter().fold(f64::INFINITY, f64::min);
    let pretending = config.batch.pretends() && !pending.is_empty();
    let pretended = pretending.then(|| config.batch.believed(gp, &pending));
    let gp = pretended.as_ref().unwrap_or(gp);
    if pretending {
        incumbent = incumbent.min(least(gp));
    }
    // Pending points that are sampled, and those whose noise-free values count among the trials' where all values are noisy.
    let unknown = if config.batch == Batch::Sampled { pending.clone() } else { vec![] };
    let baseline = if penalises { vec![] } else { pending.clone() };
    let options = MonteCarloOptions { count: 1, samples: config.samples, is_log: true };
    // Minima are looked for outside of a trust region too.
    let everywhere = Region { limits: region.limits.clone(), ..Region::whole(space.width()) };
    let dims = space.dims();
    let found = match config.acquisition {
        AcquisitionKind::LogEi if unknown.is_empty() => {
            search(&Analytic { gp, score: Score::LogEi, incumbent, feasibility }, rng)?
        }
        AcquisitionKind::LogEi => {
            let score = MonteCarlo::new(gp, options, incumbent, &at(&unknown), feasibility, rng)?;
            search(&score, rng)?
        }
        AcquisitionKind::LogNei => {
            let means = gp.marginals(&at(&good)).0;
            let mut order: Vec<usize> = (0..good.len()).collect();
            order.sort_by(|a, b| means[*a].total_cmp(&means[*b]));
            let mut fixed: Vec<&[f64]> = order.into_iter().take(BASELINE).map(|i| good[i]).collect();
            fixed.extend(&baseline);
            let score = MonteCarlo::new(gp, options, f64::INFINITY, &at(&fixed), feasibility, rng)?;
            search(&score, rng)?
        }
        AcquisitionKind::Thompson => {
            let score = PathScore(Path::draw(gp, FEATURES, rng));
            search(&Penalised { score, feasibility }, rng)?
        }
        kind => {
            // Pending values are believed to be their means where nothing else was asked for.
            let believed = Batch::Believer.believed(gp, &unknown);
            let incumbent = if unknown.is_empty() { incumbent } else { incumbent.min(least(&believed)) };
            let is_certain = feasibility.is_certain() && !is_adjusted;
            let simple = |score| Analytic { gp: &believed, score, incumbent, feasibility: feasibility.clone() };
            match kind {
                AcquisitionKind::Ei => search(&simple(if is_certain { Score::Ei } else { Score::LogEi }), rng)?,
                AcquisitionKind::Pi => {
                    let margin = 0.01;
                    search(&simple(if is_certain { Score::Pi { margin } } else { Score::LogPi { margin } }), rng)?
                }
                AcquisitionKind::Lcb => {
                    let beta = config.schedule.beta(dims, believed.len());
                    search(&simple(Score::Lcb { beta }), rng)?
                }
                AcquisitionKind::MaxValueEntropy
                | AcquisitionKind::PredictiveEntropy
                | AcquisitionKind::JointEntropy => {
                    let about = match kind {
                        AcquisitionKind::MaxValueEntropy => About::Value,
                        AcquisitionKind::PredictiveEntropy => About::Place,
                        _ => About::Both,
                    };
                    let minima =
                        minima_within(&believed, space, &everywhere, &config.maximise, (MINIMA, FEATURES), rng)?;
                    search(&EntropySearch::new(&believed, about, minima, feasibility.clone())?, rng)?
                }
                _ => {
                    let cube = Design::Sobol.points(KNOWLEDGE_SET, dims, rng);
                    let kept = cube.iter().filter_map(|u| everywhere.keeping(space, space.from_cube(u)));
                    let mut set: Vec<f64> = kept.flatten().collect();
                    set.extend(at(&good[..good.len().min(KNOWLEDGE_SET)]));
                    search(
                        &Penalised { score: KnowledgeGradient::new(&believed, &set), feasibility: feasibility.clone() },
                        rng,
                    )?
                }
            }
        }
    };
    Ok((found, Source::Model))
}

/// A score plus the log probability of being feasible: of a score in log form a product, of a drawn value a penalty in its standard deviations.
struct Penalised<'a, A> {
    score: A,
    feasibility: Feasibility<'a>,
}

impl<A: Acquisition> Acquisition for Penalised<'_, A> {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let value = self.score.value_and_gradient(x, gradient);
        value + self.feasibility.add(x, gradient)
    }

    fn values(&self, xs: &[f64], width: usize) -> Vec<f64> {
        let mut values = self.score.values(xs, width);
        self.feasibility.add_many(xs, width, &mut values);
        values
    }
}

fn described(history: &History, surrogates: &Surrogates, point: Vec<f64>, source: Source, score: f64) -> Suggestion {
    let (mut mean, mut sd, mut improvement) = (f64::NAN, f64::NAN, f64::NAN);
    if let Some(gp) = &surrogates.objective {
        let joint = gp.joint(&point);
        mean = gp.natural(joint.mean[0]);
        sd = gp.natural_sd(joint.mean[0], joint.covariance[0]);
        if let Some((_, best)) = history.best() {
            improvement = gp.probability_below(joint.mean[0], joint.covariance[0], gp.standardised(best));
        }
    }
    let mut scratch = vec![0.0; point.len()];
    let feasible = surrogates.feasibility().add(&point, &mut scratch).exp();
    let cost = surrogates.cost.as_ref().map_or(f64::NAN, |gp| PerCost { gp, power: 1.0 }.expected(&point));
    Suggestion { point, source, mean, sd, improvement, feasible, score, cost }
}
