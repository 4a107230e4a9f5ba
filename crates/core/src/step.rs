//! Updates of a model, and the one driver of every iterative fit.

use crate::checkpoint::{Place, keep_end, resumed, write_checkpoint};
use crate::error::{Error, Result};
use crate::file::ModelFile;
use crate::rng::Rng;
use crate::run::{Event, Run};
use std::time::Instant;

/// State that a checkpoint holds, to the bit.
pub trait Snapshot {
    /// Writes everything that decides how the work goes on, under names that start with `prefix`.
    fn save(&self, file: &mut ModelFile, prefix: &str);

    /// Takes back what [`Snapshot::save`] wrote.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing.
    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()>;
}

impl Snapshot for () {
    fn save(&self, _: &mut ModelFile, _: &str) {}

    fn restore(&mut self, _: &ModelFile, _: &str) -> Result<()> {
        Ok(())
    }
}

impl Snapshot for Vec<f64> {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.put(prefix, &[self.len()], self);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        *self = file.get(prefix)?;
        Ok(())
    }
}

impl Snapshot for f64 {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.put(prefix, &[1], &[*self]);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        *self = *file.get(prefix)?.first().ok_or_else(|| Error::model_file("an empty number", "start again"))?;
        Ok(())
    }
}

impl Snapshot for usize {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.set(prefix, self);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        *self = file.fact(prefix)?;
        Ok(())
    }
}

impl<A: Snapshot, B: Snapshot> Snapshot for (A, B) {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.0.save(file, &format!("{prefix}.0"));
        self.1.save(file, &format!("{prefix}.1"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.0.restore(file, &format!("{prefix}.0"))?;
        self.1.restore(file, &format!("{prefix}.1"))
    }
}

/// What one update found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The objective after the step, in the unit that [`Stop::objective`] names.
    pub objective: f64,
    /// Whether more steps would change nothing.
    pub converged: bool,
}

/// One update of a model. The model goes in and out; the step keeps only its own memory, in `State`.
pub trait Step<M> {
    /// Memory between steps: moments, curvature pairs, the order of minibatches.
    type State: Snapshot;

    /// Memory at the start.
    ///
    /// # Errors
    /// When the model cannot be evaluated at its start.
    fn init(&self, model: &mut M, run: &mut Run) -> Result<Self::State>;

    /// One update.
    ///
    /// # Errors
    /// When the arithmetic fails in a way that no shorter step mends.
    fn step(&self, model: &mut M, state: &mut Self::State, run: &mut Run) -> Result<Progress>;

    /// This update, then another; counts as one.
    fn then<B: Step<M>>(self, next: B) -> Then<Self, B>
    where
        Self: Sized,
    {
        Then { first: self, next }
    }

    /// This update `count` times; counts as one.
    fn times(self, count: usize) -> Times<Self>
    where
        Self: Sized,
    {
        Times { step: self, count }
    }

    /// This update only at every `period`-th step.
    fn every(self, period: usize) -> Every<Self>
    where
        Self: Sized,
    {
        Every { step: self, period }
    }
}

/// Two updates in a row. See [`Step::then`].
#[derive(Debug, Clone)]
pub struct Then<A, B> {
    first: A,
    next: B,
}

impl<M, A: Step<M>, B: Step<M>> Step<M> for Then<A, B> {
    type State = (A::State, B::State);

    fn init(&self, model: &mut M, run: &mut Run) -> Result<Self::State> {
        Ok((self.first.init(model, run)?, self.next.init(model, run)?))
    }

    fn step(&self, model: &mut M, state: &mut Self::State, run: &mut Run) -> Result<Progress> {
        let first = self.first.step(model, &mut state.0, run)?;
        let next = self.next.step(model, &mut state.1, run)?;
        Ok(Progress { objective: next.objective, converged: first.converged && next.converged })
    }
}

/// An update repeated. See [`Step::times`].
#[derive(Debug, Clone)]
pub struct Times<A> {
    step: A,
    count: usize,
}

impl<M, A: Step<M>> Step<M> for Times<A> {
    type State = A::State;

    fn init(&self, model: &mut M, run: &mut Run) -> Result<Self::State> {
        self.step.init(model, run)
    }

    fn step(&self, model: &mut M, state: &mut Self::State, run: &mut Run) -> Result<Progress> {
        let mut progress = Progress { objective: f64::NAN, converged: false };
        for _ in 0..self.count {
            progress = self.step.step(model, state, run)?;
            if progress.converged {
                break;
            }
        }
        Ok(progress)
    }
}

/// An update at every k-th step. See [`Step::every`].
#[derive(Debug, Clone)]
pub struct Every<A> {
    step: A,
    period: usize,
}

impl<M, A: Step<M>> Step<M> for Every<A> {
    type State = (A::State, (usize, f64));

    fn init(&self, model: &mut M, run: &mut Run) -> Result<Self::State> {
        Ok((self.step.init(model, run)?, (0, f64::NAN)))
    }

    fn step(&self, model: &mut M, state: &mut Self::State, run: &mut Run) -> Result<Progress> {
        let (inner, (count, objective)) = state;
        *count += 1;
        if !count.is_multiple_of(self.period) {
            return Ok(Progress { objective: *objective, converged: true });
        }
        let progress = self.step.step(model, inner, run)?;
        *objective = progress.objective;
        Ok(progress)
    }
}

/// When the driver ends, and what its steps are called.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// What is going on, for the progress line.
    pub name: String,
    /// The objective's name, for the learning curve: "negative log likelihood", "elbo".
    pub objective: String,
    /// Steps at most.
    pub steps: usize,
}

impl Stop {
    /// At most this many steps of the stage `name`, whose objective is called `objective`.
    pub fn after(steps: usize, name: &str, objective: &str) -> Self {
        Self { name: name.into(), objective: objective.into(), steps }
    }
}

/// Why the driver ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The step said so.
    Converged,
    /// All steps were done.
    Steps,
    /// The time was over.
    Time,
    /// The user asked to stop.
    Cancelled,
}

/// How an iterative fit ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Steps done, those before a resume included.
    pub steps: usize,
    /// The last objective.
    pub objective: f64,
    /// Why it ended.
    pub reason: Reason,
}

/// Repeats a step until it converges, the steps or the time are used up, or the user stops it.
///
/// Records the objective, reports progress, writes checkpoints and continues from one: a resumed run ends with the same bits
/// as an uninterrupted one with the same seed, since model, memory, random numbers and recorded series are restored. A checkpoint of a later stage holds how the
/// earlier ones ended, and these are not done again.
///
/// # Errors
/// Those of the step, and of writing a checkpoint; [`Error::Stopped`] when the run had to stop before the first step.
pub fn drive<M: Snapshot, S: Step<M>>(step: &S, model: &mut M, stop: &Stop, run: &mut Run) -> Result<Outcome> {
    let stage = run.next_stage();
    let mut state = step.init(model, run)?;
    let mut at = resumed(model, &mut state, stage, stop, run)?;
    run.send(Event::Stage { name: &stop.name, steps: stop.steps });
    let mut written = Instant::now();
    let mut reason = Reason::Steps;
    while at.done < stop.steps {
        if at.converged {
            reason = Reason::Converged;
            break;
        }
        if run.must_stop() {
            reason = if run.is_cancelled() { Reason::Cancelled } else { Reason::Time };
            break;
        }
        let progress = step.step(model, &mut state, run)?;
        at = Place { done: at.done + 1, objective: progress.objective, converged: progress.converged };
        run.metric(&stop.objective, at.done as f64, at.objective);
        run.send(Event::Step { step: at.done, objective: at.objective });
        if run.checkpoints.as_ref().is_some_and(|c| written.elapsed() >= c.every) {
            write_checkpoint(model, &state, stage, at, run)?;
            written = Instant::now();
        }
    }
    run.send(Event::Done);
    if matches!(reason, Reason::Time | Reason::Cancelled) {
        // Before the first step of a later stage the end of the earlier ones is worth a checkpoint, unless the run was stopped before, when the checkpoint is that of the stop.
        if at.done > 0 || (stage > 1 && !run.stopped_early()) {
            write_checkpoint(model, &state, stage, at, run)?;
        }
        if at.done == 0 {
            return Err(Error::Stopped);
        }
        run.mark_stopped_early();
        let why = if reason == Reason::Time { "the time budget was used up" } else { "stopped by the user" };
        run.warn(format!(
            "{}: {why} after {} of at most {} steps; the result is the state then",
            stop.name, at.done, stop.steps
        ));
    } else {
        keep_end(model, stage, at, run);
    }
    Ok(Outcome { steps: at.done, objective: at.objective, reason })
}

/// Minibatches without replacement: every row once an epoch, in an order drawn anew each time.
#[derive(Debug, Clone, PartialEq)]
pub struct Batches {
    order: Vec<usize>,
    at: usize,
    size: usize,
}

impl Batches {
    /// Batches of `size` out of `rows`; `size` is limited to `rows`.
    pub fn new(rows: usize, size: usize) -> Self {
        assert!(rows > 0 && size > 0, "minibatches need rows and a positive size");
        Self { order: (0..rows).collect(), at: rows, size: size.min(rows) }
    }

    /// The next batch. A short remainder at the end of an epoch is joined to the next epoch's beginning by reshuffling.
    pub fn next(&mut self, rng: &mut Rng) -> &[usize] {
        if self.at + self.size > self.order.len() {
            rng.shuffle(&mut self.order);
            self.at = 0;
        }
        self.at += self.size;
        &self.order[self.at - self.size..self.at]
    }
}

impl Snapshot for Batches {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        let order: Vec<i64> = self.order.iter().map(|i| *i as i64).collect();
        file.put_i64(&format!("{prefix}.order"), &[order.len()], &order);
        file.set(&format!("{prefix}.at"), &(self.at, self.size));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.order = file.get_i64(&format!("{prefix}.order"))?.into_iter().map(|i| i as usize).collect();
        (self.at, self.size) = file.fact(&format!("{prefix}.at"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Checkpoints;
    use std::time::Duration;

    /// A noisy descent on x^2 whose path depends on every bit of the random stream.
    struct Noisy;

    impl Step<Vec<f64>> for Noisy {
        type State = (f64, Batches);

        fn init(&self, _: &mut Vec<f64>, _: &mut Run) -> Result<Self::State> {
            Ok((0.0, Batches::new(7, 3)))
        }

        fn step(&self, x: &mut Vec<f64>, (momentum, batches): &mut Self::State, run: &mut Run) -> Result<Progress> {
            let pull = batches.next(&mut run.rng).iter().sum::<usize>() as f64;
            *momentum = 0.9 * *momentum - 0.01 * (x[0] + pull) + 0.001 * run.rng.normal();
            x[0] += *momentum;
            Ok(Progress { objective: x[0] * x[0], converged: false })
        }
    }

    #[test]
    fn a_resumed_run_ends_with_the_same_bits() {
        let stop = |steps| Stop::after(steps, "descent", "square");
        let mut whole = vec![1.0];
        let mut uninterrupted = Run::new(4);
        drive(&Noisy, &mut whole, &stop(50), &mut uninterrupted).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let checkpoints = Checkpoints { path: path.clone(), every: Duration::ZERO, header: ModelFile::new("test") };
        let mut part = Run::new(4).with_checkpoints(checkpoints);
        drive(&Noisy, &mut vec![1.0], &stop(23), &mut part).unwrap();
        assert!(part.has_checkpoint() && !uninterrupted.has_checkpoint());
        let mut resumed = vec![99.0];
        let mut run = Run::new(12345).resuming(ModelFile::read(&path).unwrap());
        let outcome = drive(&Noisy, &mut resumed, &stop(50), &mut run).unwrap();
        assert_eq!(outcome.steps, 50);
        assert_eq!(resumed[0].to_bits(), whole[0].to_bits());
        assert_eq!(run.metrics(), uninterrupted.metrics());
        assert_eq!(run.metrics()[0].1.len(), 50);
    }

    #[test]
    fn a_raised_flag_stops_with_the_state_so_far() {
        let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let raised = flag.clone();
        let mut run = Run::new(0).with_cancel(flag).with_watcher(move |event| {
            if let Event::Step { step: 5, .. } = event {
                raised.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        });
        let outcome = drive(&Noisy, &mut vec![1.0], &Stop::after(50, "descent", "square"), &mut run).unwrap();
        assert_eq!((outcome.steps, outcome.reason), (5, Reason::Cancelled));
        assert!(run.stopped_early() && run.warnings().len() == 1);
    }

    #[test]
    fn combined_steps_count_as_one_and_every_waits() {
        struct Add(f64);
        impl Step<Vec<f64>> for Add {
            type State = ();
            fn init(&self, _: &mut Vec<f64>, _: &mut Run) -> Result<()> {
                Ok(())
            }
            fn step(&self, x: &mut Vec<f64>, (): &mut (), _: &mut Run) -> Result<Progress> {
                x[0] += self.0;
                Ok(Progress { objective: x[0], converged: false })
            }
        }
        let mut x = vec![0.0];
        let step = Add(1.0).times(3).then(Add(100.0).every(2));
        drive(&step, &mut x, &Stop::after(4, "sum", "x"), &mut Run::new(0)).unwrap();
        assert_eq!(x[0], 4.0 * 3.0 + 2.0 * 100.0);
    }
}
