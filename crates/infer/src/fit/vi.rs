//! Variational inference: ascend an objective by estimated gradients, stop when the iterates have settled, average, judge.

use super::ensure_dim;
use super::iterates::{Iterates, most};
use crate::diagnostics::{Psis, left_out, psis};
use crate::estimator::{Baseline, Estimator, RunningMean};
use crate::family::Variational;
use crate::objective::{Estimate, Objective};
use crate::target::LogDensity;
use elbo_core::step::Reason;
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Snapshot, Step, Stop, drive, ensure, ensure_within};
use elbo_tensor::optim::{AnyState, Optimiser, Rule, Schedule};
use elbo_tensor::{Parameters, Tensor, no_grad};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Steps before the first look at the iterates; the next looks come at twice the steps each time.
const FIRST_LOOK: usize = 200;
/// Longest gradient that an optimiser sees, in units of the approximation's standard deviations.
const CLIP: f64 = 1e3;
/// What the rate is multiplied by when iterates have settled at it.
const DECAY: f64 = 0.3;
/// Rates that are tried at most.
const STAGES: usize = 8;
/// Steps in a row without a usable gradient after which a fit gives up.
const FAILURES: usize = 100;
/// Rows of draws evaluated at once when a fit is judged.
const BLOCK: usize = 500;

/// Settings of a variational fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ViSettings {
    /// What is maximised.
    pub objective: Objective,
    /// How its gradient is estimated; without one, by the objective and the family.
    pub estimator: Option<Estimator>,
    /// Draws inside the objective, `K`.
    pub draws: usize,
    /// Repetitions that are averaged, `B`.
    pub repeats: usize,
    /// What turns gradients into steps.
    pub optimiser: Optimiser,
    /// The optimiser's rate at the start, in units of the approximation's standard deviations; of no meaning for one without a rate.
    pub rate: f64,
    /// Steps at most.
    pub steps: usize,
    /// Largest Monte Carlo error of the averaged parameters, in posterior standard deviations.
    pub tolerance: f64,
    /// Draws by which the fit is judged and which it returns.
    pub evaluated: usize,
}

impl Default for ViSettings {
    fn default() -> Self {
        Self {
            objective: Objective::ELBO,
            estimator: None,
            draws: 10,
            repeats: 1,
            optimiser: Optimiser::default(),
            rate: 0.05,
            steps: 20_000,
            tolerance: 0.03,
            evaluated: 4000,
        }
    }
}

impl ViSettings {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        self.objective.check()?;
        ensure_within("draws", self.draws, 1..=1_000_000)?;
        ensure_within("repeats", self.repeats, 1..=1000)?;
        self.optimiser.check()?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 10.0, "in (0, 10)")?;
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure("tolerance", self.tolerance, self.tolerance > 0.0, "positive")?;
        ensure_within("evaluated", self.evaluated, 100..=10_000_000)
    }
}

/// A fitted approximation and what is to be thought of it.
pub struct Fit {
    /// The approximation.
    pub family: Box<dyn Variational>,
    /// The evidence lower bound with its standard error, whatever was maximised.
    pub elbo: Estimate,
    /// Log evidence by importance weights; to be believed only where [`Psis::is_reliable`].
    pub log_evidence: Estimate,
    /// Smoothed importance weights of the draws, and the shape of their tail, k-hat.
    pub psis: Psis,
    /// Draws of the approximation, `[S, D]` row-major.
    pub draws: Vec<f64>,
    /// Their log weights, `[S]`.
    pub log_weights: Vec<f64>,
    /// Steps taken.
    pub steps: usize,
    /// Whether the iterates settled; `None` for a family without units, which runs all its steps.
    pub is_converged: Option<bool>,
    /// Split R-hat of the iterates at the last look, which all but one in twenty parameters do not exceed; `None` where nobody looked.
    pub r_hat: Option<f64>,
    /// The run's seed: the same one, build and settings give the same bits.
    pub seed: u64,
    /// Gradients of the target that were evaluated.
    pub gradients: u64,
    /// Seconds.
    pub seconds: f64,
    /// What a reader has to know.
    pub warnings: Vec<String>,
}

impl Fit {
    /// `count` draws resampled by the smoothed weights: nearer to the posterior where k-hat allows.
    pub fn resampled(&self, count: usize, rng: &mut Rng) -> Vec<f64> {
        let d = self.family.dim();
        let weights: Vec<f64> = self.psis.log_weights.iter().map(|l| l.exp()).collect();
        (0..count)
            .flat_map(|_| {
                let k = rng.weighted(&weights);
                self.draws[k * d..(k + 1) * d].iter().copied()
            })
            .collect()
    }
}

/// What the driver moves: the approximation and its path.
struct Path {
    family: Box<dyn Variational>,
    iterates: Iterates,
    /// The sum of all moves in units, which optimisers without a rate look at; zero for the others.
    moved: Vec<f64>,
    /// The objective at earlier steps, for a baseline that runs along.
    past: RunningMean,
    /// The average at the last rate, or at the last look.
    previous: Vec<f64>,
    /// Rates done.
    stage: usize,
    /// Steps at this rate.
    since: usize,
    /// When to look next.
    look: usize,
    skipped: usize,
    in_a_row: usize,
    settled: bool,
    /// Split R-hat of the iterates at the last look.
    r_hat: Option<f64>,
}

impl Snapshot for Path {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.family.write_to(file, &format!("{prefix}.family"));
        self.iterates.save(file, &format!("{prefix}.iterates"));
        self.moved.save(file, &format!("{prefix}.moved"));
        file.set(&format!("{prefix}.past"), &self.past);
        self.previous.save(file, &format!("{prefix}.previous"));
        let counts = (self.stage, self.since, self.look, self.skipped, self.in_a_row, self.settled);
        file.set(&format!("{prefix}.counts"), &counts);
        self.r_hat.unwrap_or(f64::NAN).save(file, &format!("{prefix}.r_hat"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.family.read_from(file, &format!("{prefix}.family"))?;
        self.iterates.restore(file, &format!("{prefix}.iterates"))?;
        self.moved.restore(file, &format!("{prefix}.moved"))?;
        self.past = file.fact(&format!("{prefix}.past"))?;
        self.previous.restore(file, &format!("{prefix}.previous"))?;
        (self.stage, self.since, self.look, self.skipped, self.in_a_row, self.settled) =
            file.fact(&format!("{prefix}.counts"))?;
        let mut r_hat = f64::NAN;
        r_hat.restore(file, &format!("{prefix}.r_hat"))?;
        self.r_hat = (!r_hat.is_nan()).then_some(r_hat);
        Ok(())
    }
}

struct Ascent<'a> {
    target: &'a dyn LogDensity,
    settings: &'a ViSettings,
    estimator: Estimator,
}

impl Ascent<'_> {
    /// The objective and the gradient to descend, or `None` where one of them is not finite.
    fn gradient(&self, family: &dyn Variational, past: &RunningMean, rng: &mut Rng) -> Result<Option<(f64, Vec<f64>)>> {
        let ViSettings { objective, draws, repeats, .. } = self.settings;
        let rows = (draws * repeats).next_multiple_of(family.strata());
        let noise = Tensor::from_vec(rng.normals(rows * family.noise()), &[rows, family.noise()]);
        let draws = if family.strata() > 1 { rows } else { *draws };
        let estimator = self.estimator.given(past);
        let surrogate = match estimator.surrogate(objective, self.target, family, &noise, draws) {
            Ok(surrogate) => surrogate,
            Err(error) if error.is_recoverable() => return Ok(None),
            Err(error) => return Err(error),
        };
        let sign = if objective.is_maximised() { -1.0 } else { 1.0 };
        let gradient: Vec<f64> = family.gradient(&surrogate.tensor).iter().map(|g| sign * g).collect();
        Ok(gradient.iter().all(|g| g.is_finite()).then_some((surrogate.value, gradient)))
    }

    /// The optimiser's memory at the start.
    fn memory(&self, length: usize) -> AnyState {
        self.settings.optimiser.rule(self.settings.rate, Some(CLIP)).start(length)
    }

    /// Looks at the path: whether to go on, with a smaller rate, or to stop at the average.
    fn look(&self, path: &mut Path, state: &mut AnyState) {
        let Some(units) = path.family.units() else { return };
        path.look *= 2;
        let look = path.iterates.look(&units, self.settings.tolerance);
        path.r_hat = look.r_hat.or(path.r_hat);
        if !look.has_settled {
            return;
        }
        let average = path.iterates.average().expect("a settled path is long enough");
        let shift = |previous: &[f64]| {
            most(average.iter().zip(previous).zip(&units).map(|((a, p), u)| (a - p).abs() / u).collect())
        };
        // At the first rate there is nothing to compare with: its bias is seen by the shift to the next.
        let agrees = !path.previous.is_empty() && shift(&path.previous) < 2.0 * self.settings.tolerance;
        if !self.settings.optimiser.has_rate() {
            // Its steps shorten by themselves, so that the same path goes on until two looks agree.
            path.settled = agrees;
            if agrees {
                path.family.unpack(&average);
            }
            path.previous = average;
            return;
        }
        path.family.unpack(&average);
        path.settled = path.stage + 1 >= STAGES || agrees;
        path.previous = average;
        path.iterates.clear();
        path.stage += 1;
        (path.since, path.look) = (0, FIRST_LOOK);
        *state = self.memory(path.previous.len());
    }

    /// The changes of the parameters in units, from a gradient in units.
    fn change(&self, rate: f64, gradient: &[f64], moved: &mut [f64], state: &mut AnyState) -> Vec<f64> {
        let optimiser = &self.settings.optimiser;
        let rule = optimiser.rule(rate, Some(CLIP));
        if optimiser.has_rate() {
            let mut change = vec![0.0; gradient.len()];
            rule.update(&mut change, gradient, state);
            return change;
        }
        let before = moved.to_vec();
        rule.update(moved, gradient, state);
        moved.iter().zip(before).map(|(after, before)| after - before).collect()
    }
}

impl Step<Path> for Ascent<'_> {
    type State = AnyState;

    fn init(&self, path: &mut Path, _: &mut Run) -> Result<AnyState> {
        Ok(self.memory(path.moved.len()))
    }

    fn step(&self, path: &mut Path, state: &mut AnyState, run: &mut Run) -> Result<Progress> {
        let Some((value, gradient)) = self.gradient(&*path.family, &path.past, &mut run.rng)? else {
            path.skipped += 1;
            path.in_a_row += 1;
            if path.in_a_row >= FAILURES {
                return Err(Error::numerical(
                    format!("the log density or its gradient was not finite at {FAILURES} steps in a row"),
                    "start where the density exists, lower the rate, or map constrained unknowns to the whole space",
                ));
            }
            return Ok(Progress { objective: f64::NAN, converged: false });
        };
        path.in_a_row = 0;
        path.since += 1;
        if let Estimator::Score { baseline: Baseline::Running { decay } } = self.estimator {
            path.past.observe(value, decay);
        }
        let units = path.family.units();
        let has_units = units.is_some();
        let rate = if has_units {
            self.settings.rate * DECAY.powi(path.stage as i32)
        } else {
            let steps = self.settings.steps;
            Schedule::Cosine { start: self.settings.rate, end: 0.01 * self.settings.rate, steps }.at(path.since)
        };
        // In units of its own standard deviation a posterior of any scale takes the same rate.
        let units = units.unwrap_or_else(|| vec![1.0; gradient.len()]);
        let scaled: Vec<f64> = gradient.iter().zip(&units).map(|(g, u)| g * u).collect();
        let change = self.change(rate, &scaled, &mut path.moved, state);
        let mut packed = path.family.pack();
        packed.iter_mut().zip(change.iter().zip(&units)).for_each(|(p, (c, u))| *p += c * u);
        path.family.unpack(&packed);
        if has_units {
            path.iterates.push(&packed);
            if path.since >= path.look {
                self.look(path, state);
            }
        }
        Ok(Progress { objective: value, converged: path.settled })
    }
}

/// Fits a family to a target: one call.
///
/// The optimiser runs at a constant rate until split R-hat of the iterates is below 1.05, or their drift below twice the tolerance, and the
/// Monte Carlo error of their average below the tolerance; the later half is averaged, and the rate lowered until the average no longer
/// moves. One without a rate runs until two such averages agree. A family whose parameters have no units (a flow) runs all its steps, with
/// the rate falling along half a cosine. The result is judged by fresh draws: ELBO, k-hat.
///
/// # Errors
/// [`Error::Setting`] for settings out of range and a family of another dimension, [`Error::Numerical`] where the target does not exist near the approximation, and
/// [`Error::Stopped`] when the run was stopped before the first step.
///
/// # Source
/// Stopping and averaging after Dhaka et al. (2020) and Welandawe et al. (2022); deviations: the rank-normalised R-hat, and a shift of
/// averages in posterior standard deviations in place of a divergence.
pub fn vi(target: &dyn LogDensity, family: Box<dyn Variational>, settings: &ViSettings, run: &mut Run) -> Result<Fit> {
    settings.check()?;
    ensure_dim("family", family.dim(), target)?;
    let started = Instant::now();
    let probe = Tensor::zeros(&[1, target.dim()], elbo_tensor::DType::F64);
    let has_density = no_grad(|| family.log_prob(&probe)).is_some();
    let estimator = settings.estimator.unwrap_or_else(|| Estimator::default_for(&settings.objective, has_density));
    estimator.check(&settings.objective, &*family, settings.draws)?;
    let width = family.pack().len();
    let mut path = Path {
        family,
        iterates: Iterates::new(width),
        moved: vec![0.0; width],
        past: RunningMean::default(),
        previous: vec![],
        stage: 0,
        since: 0,
        look: FIRST_LOOK,
        skipped: 0,
        in_a_row: 0,
        settled: false,
        r_hat: None,
    };
    let title = path.family.title();
    let stop = Stop::after(settings.steps, &format!("variational inference, {title}"), "objective (nats)");
    let outcome = drive(&Ascent { target, settings, estimator }, &mut path, &stop, run)?;
    let has_units = path.family.units().is_some();
    let mut warnings = vec![];
    if has_units && outcome.reason != Reason::Converged && !path.settled {
        if let Some(units) = path.family.units() {
            path.r_hat = path.iterates.look(&units, settings.tolerance).r_hat.or(path.r_hat);
        }
        if let Some(average) = path.iterates.average() {
            path.family.unpack(&average);
        }
        warnings.push(format!(
            "{title}: stopped after {} steps before the parameters had settled; allow more steps",
            outcome.steps
        ));
    }
    let skipped = left_out(path.skipped, "steps", "the log density was not finite there");
    warnings.extend(skipped.map(|warning| format!("{title}: {warning}")));
    let per_step = (settings.draws * settings.repeats).next_multiple_of(path.family.strata()) as u64;
    let gradients = if estimator.needs_gradient() { outcome.steps as u64 * per_step } else { 0 };
    let mut fit = judge(target, path.family, settings.evaluated, run);
    if !fit.psis.is_reliable() {
        warnings.push(format!("{title}: {}", fit.psis.verdict()));
    }
    warnings.iter().for_each(|w| run.warn(w));
    (fit.is_converged, fit.r_hat) = (has_units.then_some(path.settled), path.r_hat);
    (fit.steps, fit.gradients, fit.warnings) = (outcome.steps, gradients, warnings);
    fit.seconds = started.elapsed().as_secs_f64();
    Ok(fit)
}

/// Draws from an approximation and weighs them.
pub(super) fn judge(target: &dyn LogDensity, family: Box<dyn Variational>, count: usize, run: &mut Run) -> Fit {
    let (z, log_q) = family.sample(count, &mut run.rng);
    let log_q = log_q.to_vec();
    let mut log_weights = vec![];
    for start in (0..count).step_by(BLOCK) {
        let length = BLOCK.min(count - start);
        let log_p = no_grad(|| target.log_prob(&z.narrow(0, start, length)));
        log_weights.extend(log_p.to_vec().iter().zip(&log_q[start..]).map(|(p, q)| p - q));
    }
    // A draw where the target does not exist has no weight.
    log_weights.iter_mut().filter(|l| l.is_nan()).for_each(|l| *l = f64::NEG_INFINITY);
    Fit {
        family,
        elbo: Estimate::mean(&log_weights),
        log_evidence: Estimate::log_mean(&log_weights),
        psis: psis(&log_weights),
        draws: z.to_vec(),
        log_weights,
        steps: 0,
        is_converged: None,
        r_hat: None,
        seed: run.seed,
        gradients: 0,
        seconds: 0.0,
        warnings: vec![],
    }
}
