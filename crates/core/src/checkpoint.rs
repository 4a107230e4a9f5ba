//! What a checkpoint holds: how the stages before it ended, and how far its own has come.

use crate::error::Result;
use crate::file::ModelFile;
use crate::rng::Rng;
use crate::run::Run;
use crate::step::{Snapshot, Stop};

/// How far a stage has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub done: usize,
    pub objective: f64,
    pub converged: bool,
}

impl Place {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.objective.save(file, &format!("{prefix}.objective"));
        file.set(&format!("{prefix}.step"), &self.done);
        file.set(&format!("{prefix}.converged"), &self.converged);
    }

    fn of(file: &ModelFile, prefix: &str) -> Result<Self> {
        let mut objective = f64::NAN;
        objective.restore(file, &format!("{prefix}.objective"))?;
        let done = file.fact(&format!("{prefix}.step"))?;
        Ok(Self { done, objective, converged: file.fact(&format!("{prefix}.converged"))? })
    }
}

/// What names of the end of a stage begin with.
fn ended(stage: usize) -> String {
    format!("ended.{stage}")
}

/// Takes back where the run's checkpoint left this stage: in its midst, at its end where a later stage wrote the checkpoint, or not begun.
pub(crate) fn resumed<M: Snapshot, T: Snapshot>(
    model: &mut M,
    state: &mut T,
    stage: usize,
    stop: &Stop,
    run: &mut Run,
) -> Result<Place> {
    let start = Place { done: 0, objective: f64::NAN, converged: false };
    let Some(file) = run.take_checkpoint() else { return Ok(start) };
    let end = ended(stage);
    if file.fact::<usize>("checkpoint.stage")? == stage {
        model.restore(&file, "checkpoint.model")?;
        state.restore(&file, "checkpoint.state")?;
        run.rng = file.fact::<Rng>("checkpoint.rng")?;
        run.restore_metrics(&file, "checkpoint")?;
        let at = Place::of(&file, "checkpoint")?;
        run.note(format!("resumed at step {} of {}", at.done, stop.name));
        return Ok(at);
    }
    let mut at = start;
    if file.has(&format!("{end}.step")) {
        model.restore(&file, &format!("{end}.model"))?;
        run.rng = file.fact::<Rng>(&format!("{end}.rng"))?;
        if !run.is_part() {
            run.restore_metrics(&file, "ended")?;
        }
        at = Place::of(&file, &end)?;
    }
    run.keep_checkpoint(file);
    Ok(at)
}

/// Notes how a stage ended, for the checkpoints of the following ones.
pub(crate) fn keep_end<M: Snapshot>(model: &M, stage: usize, at: Place, run: &mut Run) {
    let Some(mut plan) = run.checkpoints.take() else { return };
    let end = ended(stage);
    model.save(&mut plan.header, &format!("{end}.model"));
    at.save(&mut plan.header, &end);
    plan.header.set(&format!("{end}.rng"), &run.rng);
    // The curves at the last end are all that a later checkpoint's need; those of a part are its own.
    if !run.is_part() {
        run.save_metrics(&mut plan.header, "ended");
    }
    run.checkpoints = Some(plan);
}

/// Writes how things stand, where the run writes checkpoints.
pub(crate) fn write_checkpoint<M: Snapshot, T: Snapshot>(
    model: &M,
    state: &T,
    stage: usize,
    at: Place,
    run: &mut Run,
) -> Result<()> {
    let Some(plan) = &run.checkpoints else { return Ok(()) };
    let mut file = plan.header.clone();
    model.save(&mut file, "checkpoint.model");
    state.save(&mut file, "checkpoint.state");
    at.save(&mut file, "checkpoint");
    file.set("checkpoint.rng", &run.rng);
    file.set("checkpoint.stage", &stage);
    run.save_metrics(&mut file, "checkpoint");
    file.write(&plan.path)?;
    run.mark_checkpoint();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::run::Checkpoints;
    use crate::step::{Progress, Step, drive};
    use std::cell::Cell;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// A walk whose path depends on every bit of the random stream. It counts its steps, and raises the flag at one of them.
    #[derive(Default)]
    struct Walk {
        taken: Cell<usize>,
        until: usize,
        flag: Arc<AtomicBool>,
    }

    impl Step<Vec<f64>> for Walk {
        type State = f64;

        fn init(&self, _: &mut Vec<f64>, _: &mut Run) -> Result<f64> {
            Ok(1.0)
        }

        fn step(&self, x: &mut Vec<f64>, momentum: &mut f64, run: &mut Run) -> Result<Progress> {
            *momentum = 0.9 * *momentum + run.rng.normal();
            x[0] += *momentum;
            self.taken.set(self.taken.get() + 1);
            if self.taken.get() == self.until {
                self.flag.store(true, Ordering::Relaxed);
            }
            Ok(Progress { objective: x[0], converged: false })
        }
    }

    /// Three stages of ten steps, the second one a part.
    fn work(walk: &Walk, run: &mut Run) -> Result<Vec<u64>> {
        let mut x = [vec![1.0], vec![2.0], vec![3.0]];
        drive(walk, &mut x[0], &Stop::after(10, "first", "x"), run)?;
        let shift = run.rng.normal();
        let mut part = run.part(7);
        let second = drive(walk, &mut x[1], &Stop::after(10, "second", "x"), &mut part);
        run.rejoin(part);
        second?;
        x[2][0] += x[0][0] + x[1][0] + shift;
        drive(walk, &mut x[2], &Stop::after(10, "third", "x"), run)?;
        Ok(x.iter().map(|x| x[0].to_bits()).collect())
    }

    /// Does the work until this step of its own, from a checkpoint if there is one; the checkpoint is written at the stop alone.
    fn stopped(until: usize, path: &Path, seed: u64) {
        let walk = Walk { until, ..Walk::default() };
        let every = Duration::from_secs(3600);
        let plan = Checkpoints { path: path.to_owned(), every, header: ModelFile::new("test") };
        let mut run = Run::new(seed).with_cancel(walk.flag.clone()).with_checkpoints(plan);
        if path.exists() {
            run = run.resuming(ModelFile::read(path).unwrap());
        }
        let end = work(&walk, &mut run);
        assert!(matches!(end, Err(Error::Stopped)) || run.stopped_early(), "{end:?}");
        assert!(run.has_checkpoint() && walk.taken.get() == until);
    }

    /// Asserts that the work goes on from the checkpoint to the same bits, in as many steps as are left.
    #[track_caller]
    fn assert_same_end(path: &Path, left: usize) {
        let (mut whole, walk) = (Run::new(4), Walk::default());
        let expected = work(&walk, &mut whole).unwrap();
        assert_eq!(walk.taken.get(), 30);
        let (mut run, walk) = (Run::new(99).resuming(ModelFile::read(path).unwrap()), Walk::default());
        assert_eq!(work(&walk, &mut run).unwrap(), expected);
        assert_eq!((walk.taken.get(), run.metrics()), (left, whole.metrics()));
    }

    #[test]
    fn work_that_is_stopped_in_any_stage_or_between_two_goes_on_from_the_stop() {
        for until in 1..30 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("checkpoint");
            stopped(until, &path, 4);
            assert_same_end(&path, 30 - until);
        }
    }

    #[test]
    fn work_that_was_resumed_can_be_stopped_again() {
        for (first, second) in [(3, 4), (3, 12), (12, 3), (12, 8), (12, 10), (22, 5)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("checkpoint");
            stopped(first, &path, 4);
            stopped(second, &path, 5);
            assert_same_end(&path, 30 - first - second);
        }
    }

    #[test]
    fn a_stop_before_the_first_step_of_all_leaves_no_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let plan = Checkpoints { path: path.clone(), every: Duration::ZERO, header: ModelFile::new("test") };
        let mut run = Run::new(4).with_time(Duration::ZERO).with_checkpoints(plan);
        assert!(matches!(work(&Walk::default(), &mut run), Err(Error::Stopped)));
        assert!(!run.has_checkpoint() && !path.exists());
    }
}
