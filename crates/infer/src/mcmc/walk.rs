//! Chains that walk side by side: in parallel, some steps at a time, with checkpoints and stops.

use super::draws::Draws;
use elbo_core::{Error, ModelFile, Progress, Result, Run, Snapshot, Step, Stop, drive, ensure};
use rayon::prelude::*;

/// One chain, with its own generator and what it has recorded.
pub(super) trait Walker: Snapshot + Send {
    /// Steps taken, those of the warm-up among them.
    fn iteration(&self) -> usize;
}

/// How far chains go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// Steps of each chain.
    pub total: usize,
    /// Steps after which chains wait for each other and a stop is obeyed.
    pub block: usize,
    /// What the progress shows.
    pub objective: &'static str,
}

impl Way {
    /// A hundred blocks.
    pub fn new(total: usize, objective: &'static str) -> Self {
        Self { total, block: total.div_ceil(100), objective }
    }
}

struct Party<W>(Vec<W>);

impl<W: Walker> Snapshot for Party<W> {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.0.iter().enumerate().for_each(|(i, walker)| walker.save(file, &format!("{prefix}.{i}")));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.0.iter_mut().enumerate().try_for_each(|(i, walker)| walker.restore(file, &format!("{prefix}.{i}")))
    }
}

struct Block<A, O> {
    way: Way,
    advance: A,
    objective: O,
}

impl<W: Walker, A: Fn(&mut W) -> Result<()> + Sync, O: Fn(&[W]) -> f64> Step<Party<W>> for Block<A, O> {
    type State = ();

    fn init(&self, _: &mut Party<W>, _: &mut Run) -> Result<()> {
        Ok(())
    }

    fn step(&self, party: &mut Party<W>, (): &mut (), _: &mut Run) -> Result<Progress> {
        let (Way { total, block, .. }, advance) = (self.way, &self.advance);
        party.0.par_iter_mut().with_max_len(1).try_for_each(|walker| {
            let steps = block.min(total - walker.iteration());
            (0..steps).try_for_each(|_| advance(walker))
        })?;
        Ok(Progress { objective: (self.objective)(&party.0), converged: party.0[0].iteration() == total })
    }
}

/// Checks that there are starts, each of `dim` numbers.
pub(super) fn check_starts(start: &[Vec<f64>], dim: usize) -> Result<()> {
    let lengths: Vec<usize> = start.iter().map(Vec::len).collect();
    let fits = !start.is_empty() && lengths.iter().all(|length| *length == dim);
    ensure("start", format!("of lengths {lengths:?}"), fits, format!("one point or more, of {dim} numbers each"))
}

/// Lets chains walk to the end, or to where the run is stopped, and hands on what `draws` makes of them, with its warnings.
///
/// # Errors
/// Those of `advance`, and [`Error::Stopped`] when there is no draw.
pub(super) fn walk<W: Walker>(
    walkers: Vec<W>,
    way: Way,
    advance: impl Fn(&mut W) -> Result<()> + Sync,
    objective: impl Fn(&[W]) -> f64,
    draws: impl FnOnce(Vec<W>) -> Draws,
    run: &mut Run,
) -> Result<Draws> {
    let mut party = Party(walkers);
    let stop = Stop::after(way.total.div_ceil(way.block), "sampling", way.objective);
    drive(&Block { way, advance, objective }, &mut party, &stop, run)?;
    let draws = draws(party.0);
    if draws.draws() == 0 {
        return Err(Error::Stopped);
    }
    draws.warnings().into_iter().for_each(|text| run.warn(text));
    Ok(draws)
}

/// The mean of a number of each chain.
pub(super) fn mean<W>(walkers: &[W], of: impl Fn(&W) -> f64) -> f64 {
    walkers.iter().map(of).sum::<f64>() / walkers.len() as f64
}
