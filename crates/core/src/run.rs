//! One piece of work: seed, budget, progress, warnings, records, checkpoints.

use crate::data::Data;
use crate::error::Result;
use crate::figure::{Figure, Table};
use crate::file::ModelFile;
use crate::rng::Rng;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How much work a claim may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Seconds: it runs, is finite, and the effect's sign holds where that is cheap.
    Smoke,
    /// Minutes: the claim itself.
    Full,
}

/// What a run tells whoever watches.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A part of the work begins.
    Stage {
        /// Its name.
        name: &'a str,
        /// Steps at most.
        steps: usize,
    },
    /// A step was done.
    Step {
        /// Steps so far in this stage.
        step: usize,
        /// The objective, smaller or larger is better as its name says.
        objective: f64,
    },
    /// A stage ended.
    Done,
    /// Something the user should know.
    Warning(&'a str),
    /// Something that explains what is being done.
    Note(&'a str),
}

/// Where and how often to write checkpoints, and the facts they carry besides the state.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    /// The file; replaced as a whole each time.
    pub path: PathBuf,
    /// Least time between two.
    pub every: Duration,
    /// System, configuration, data digest: what a resume must agree with.
    pub header: ModelFile,
}

type Watcher = Box<dyn FnMut(Event<'_>) + Send>;

/// Handed to every `fit` and `claim`.
pub struct Run {
    /// The seed everything follows from.
    pub seed: u64,
    /// The run's stream of random numbers.
    pub rng: Rng,
    /// How much a claim may do.
    pub budget: Budget,
    /// Checkpoints to write, if any.
    pub checkpoints: Option<Checkpoints>,
    /// How many seeds a claim runs, where the user said so.
    pub seed_count: Option<u64>,
    started: Instant,
    deadline: Option<Instant>,
    cancel: Arc<AtomicBool>,
    watcher: Option<Watcher>,
    warnings: Vec<String>,
    metrics: Vec<(String, Vec<(f64, f64)>)>,
    figures: Vec<Figure>,
    tables: Vec<Table>,
    held_out: Option<Data>,
    resume: Option<ModelFile>,
    stage: usize,
    is_part: bool,
    stopped_early: bool,
    has_checkpoint: bool,
}

impl Run {
    /// A quiet run without limits.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: Rng::new(seed),
            budget: Budget::Full,
            checkpoints: None,
            seed_count: None,
            started: Instant::now(),
            deadline: None,
            cancel: Arc::default(),
            watcher: None,
            warnings: vec![],
            metrics: vec![],
            figures: vec![],
            tables: vec![],
            held_out: None,
            resume: None,
            stage: 0,
            is_part: false,
            stopped_early: false,
            has_checkpoint: false,
        }
    }

    /// Limits claims to this much work.
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Lets claims run this many seeds instead of their own number.
    pub fn with_seed_count(mut self, count: u64) -> Self {
        self.seed_count = Some(count);
        self
    }

    /// Stops iterative work after this time, with the best state so far.
    pub fn with_time(mut self, limit: Duration) -> Self {
        self.deadline = Some(self.started + limit);
        self
    }

    /// Stops iterative work when the flag is raised, with the best state so far.
    pub fn with_cancel(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancel = flag;
        self
    }

    /// Sends events to `watcher`.
    pub fn with_watcher(mut self, watcher: impl FnMut(Event<'_>) + Send + 'static) -> Self {
        self.watcher = Some(Box::new(watcher));
        self
    }

    /// Writes checkpoints.
    pub fn with_checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Continues from a checkpoint: the driver restores model and optimiser at the stage where it was written.
    pub fn resuming(mut self, checkpoint: ModelFile) -> Self {
        self.resume = Some(checkpoint);
        self
    }

    /// Shows the fit rows that are kept back: it may measure itself on them as it goes on, and learns nothing from them.
    pub fn with_held_out(mut self, data: Data) -> Self {
        self.held_out = Some(data);
        self
    }

    /// Rows that are kept back, for curves beside those of the training. Whoever measures on them draws from a stream of its own, so that the fit is the
    /// same with and without them. A [`Run::child`] and a [`Run::part`] have none.
    pub fn held_out(&self) -> Option<&Data> {
        self.held_out.as_ref()
    }

    /// A quiet run for a part of the work, with its own seed, under the same time limit and cancellation. A fit hands it to [`Run::join`]
    /// afterwards, or the user is not told when it was stopped.
    pub fn child(&self, seed: u64) -> Self {
        let mut child = Self::new(seed).with_budget(self.budget).with_cancel(self.cancel.clone());
        child.deadline = self.deadline;
        child.seed_count = self.seed_count;
        child
    }

    /// Takes over that a [`Run::child`] was stopped before its end, and what it warned of; nothing from one that ended by itself.
    pub fn join(&mut self, child: &Self) {
        if child.stopped_early {
            self.mark_stopped_early();
            child.warnings.iter().for_each(|text| self.warn(text));
        }
    }

    /// A quiet run for a part of the work that has its own seed and curves, as [`Run::child`], and whose checkpoints are those of this run: a fit that is stopped
    /// in it goes on in it. A fit hands it to [`Run::rejoin`] afterwards, whatever came of the part.
    pub fn part(&mut self, seed: u64) -> Self {
        let mut part = self.child(seed);
        part.is_part = true;
        part.stage = self.stage;
        part.resume = self.resume.take();
        // After a stop the checkpoint is that of the stop, which nothing may replace.
        part.checkpoints = if self.stopped_early { None } else { self.checkpoints.take() };
        part
    }

    /// Takes a [`Run::part`] back: what [`Run::join`] takes over, the checkpoints, and the count of stages.
    pub fn rejoin(&mut self, part: Self) {
        self.join(&part);
        self.stage = part.stage;
        self.resume = part.resume;
        self.has_checkpoint |= part.has_checkpoint;
        self.checkpoints = part.checkpoints.or_else(|| self.checkpoints.take());
    }

    /// The seeds of a claim: the run's seed and the following ones; one in a smoke budget, unless the user said how many.
    pub fn seeds(&self, full: u64) -> Vec<u64> {
        let count = self.seed_count.unwrap_or(if self.budget == Budget::Smoke { 1 } else { full });
        (0..count).map(|k| self.seed + k).collect()
    }

    /// `smoke` or `full`, by the budget.
    pub fn pick<T>(&self, smoke: T, full: T) -> T {
        if self.budget == Budget::Smoke { smoke } else { full }
    }

    /// Whether iterative work has to stop now: out of time, or cancelled.
    pub fn must_stop(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.deadline.is_some_and(|d| Instant::now() >= d)
    }

    /// Whether the user asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Whether some iterative part was stopped before it had finished.
    pub fn stopped_early(&self) -> bool {
        self.stopped_early
    }

    /// Says that a part of the work was stopped, or left out since the run has to stop. [`drive`](crate::drive) says so of itself.
    pub fn mark_stopped_early(&mut self) {
        self.stopped_early = true;
    }

    /// Whether a checkpoint was written, from which the work can go on.
    pub fn has_checkpoint(&self) -> bool {
        self.has_checkpoint
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Time left until the limit, if there is one.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// Tells the user something that may change what they do. Repeats are dropped.
    pub fn warn(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.warnings.contains(&text) {
            self.send(Event::Warning(&text));
            self.warnings.push(text);
        }
    }

    /// Warns of each of these settings that is not at its default, since it has no effect; `why` ends the sentence, as in "without
    /// conditional=true". A name that is no setting panics in builds with debug assertions, which tests are; others say nothing of it.
    pub fn warn_idle<S: Serialize + Default>(&mut self, settings: &S, names: &[&str], why: &str) {
        let value = |settings: &S| serde_json::to_value(settings).expect("settings are plain data");
        let (own, default) = (value(settings), value(&S::default()));
        for name in names {
            debug_assert!(own.get(name).is_some(), "`{name}` is no setting");
            if own[name] != default[name] {
                self.warn(format!("setting `{name}` has no effect {why}"));
            }
        }
    }

    /// Explains what is being done.
    pub fn note(&mut self, text: impl AsRef<str>) {
        self.send(Event::Note(text.as_ref()));
    }

    /// Warnings so far.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Records a number at a step: the learning curve.
    pub fn metric(&mut self, name: &str, step: f64, value: f64) {
        match self.metrics.iter_mut().find(|(n, _)| n == name) {
            Some((_, series)) => series.push((step, value)),
            None => self.metrics.push((name.into(), vec![(step, value)])),
        }
    }

    /// Recorded series, in order of first appearance.
    pub fn metrics(&self) -> &[(String, Vec<(f64, f64)>)] {
        &self.metrics
    }

    /// Stores the recorded series under names that start with `prefix`.
    pub(crate) fn save_metrics(&self, file: &mut ModelFile, prefix: &str) {
        let names: Vec<&str> = self.metrics.iter().map(|(name, _)| name.as_str()).collect();
        file.set(&format!("{prefix}.metrics"), &names);
        for (i, (_, series)) in self.metrics.iter().enumerate() {
            let flat: Vec<f64> = series.iter().flat_map(|(step, value)| [*step, *value]).collect();
            file.put(&format!("{prefix}.metrics.{i}"), &[series.len(), 2], &flat);
        }
    }

    /// Takes back what [`Run::save_metrics`] stored; values need not be finite.
    pub(crate) fn restore_metrics(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let names: Vec<String> = file.fact(&format!("{prefix}.metrics"))?;
        let series = |(i, name): (usize, String)| {
            let array = format!("{prefix}.metrics.{i}");
            file.rows(&array, &[2])?;
            Ok((name, file.get(&array)?.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()))
        };
        self.metrics = names.into_iter().enumerate().map(series).collect::<Result<_>>()?;
        Ok(())
    }

    /// Records a figure for the report or the claim's page.
    pub fn figure(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// Recorded figures.
    pub fn figures(&self) -> &[Figure] {
        &self.figures
    }

    /// Records a table for the report or the claim's page.
    pub fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Recorded tables.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    pub(crate) fn send(&mut self, event: Event<'_>) {
        if let Some(watcher) = &mut self.watcher {
            watcher(event);
        }
    }

    pub(crate) fn next_stage(&mut self) -> usize {
        self.stage += 1;
        self.stage
    }

    /// The checkpoint to continue from, which a stage before the one that wrote it gives back.
    pub(crate) fn take_checkpoint(&mut self) -> Option<ModelFile> {
        self.resume.take()
    }

    /// Keeps a checkpoint for the stage that it was written at.
    pub(crate) fn keep_checkpoint(&mut self, file: ModelFile) {
        self.resume = Some(file);
    }

    /// Whether this is a [`Run::part`], whose curves are not those of the work.
    pub(crate) fn is_part(&self) -> bool {
        self.is_part
    }

    pub(crate) fn mark_checkpoint(&mut self) {
        self.has_checkpoint = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Settings {
        told: bool,
        guidance: f64,
        jumps: usize,
    }

    impl Default for Settings {
        fn default() -> Self {
            Self { told: false, guidance: 1.0, jumps: 2 }
        }
    }

    #[test]
    fn settings_without_effect_are_named_where_they_were_changed() {
        let mut run = Run::new(0);
        run.warn_idle(&Settings { guidance: 3.0, ..Settings::default() }, &["guidance", "jumps"], "without told=true");
        assert_eq!(run.warnings(), ["setting `guidance` has no effect without told=true"]);
    }

    #[test]
    fn held_out_rows_are_those_of_the_whole_work() {
        let mut run = Run::new(0).with_held_out(Data::default());
        assert!(run.held_out().is_some());
        assert!(run.child(1).held_out().is_none() && run.part(1).held_out().is_none());
    }

    #[test]
    fn a_run_is_stopped_with_its_child_and_not_with_one_that_ended() {
        let mut run = Run::new(0);
        let mut child = run.child(1);
        child.warn("of its own");
        run.join(&child);
        assert!(!run.stopped_early() && run.warnings().is_empty());
        child.mark_stopped_early();
        run.join(&child);
        assert!(run.stopped_early());
        assert_eq!(run.warnings(), ["of its own"]);
    }
}
