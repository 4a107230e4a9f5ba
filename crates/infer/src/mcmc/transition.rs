//! Transitions: moves that leave a distribution as it is, alone or one after the other, and the chains that they make.

use super::chain::Record;
use super::draws::Draws;
use super::integrate::Point;
use super::nuts::Move;
use elbo_core::{
    Config, Error, ModelFile, Progress, Result, Rng, Run, Snapshot, Step, Stop, drive, ensure, ensure_within,
};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A random move of a state that leaves a distribution as it is. What it does may depend on the state alone, not on earlier moves.
///
/// A closure of the state and a generator is one: a draw of some entries from their distribution given the others, which leaves the joint
/// distribution as it is.
pub trait Transition: Sync {
    /// Moves the state `[D]`; returns how often a density was evaluated.
    ///
    /// # Errors
    /// [`Error::Numerical`] where the distribution does not exist at the state, [`Error::Setting`] where the state has
    /// another length.
    fn advance(&self, state: &mut [f64], rng: &mut Rng) -> Result<u64>;

    /// The log density of a state in nats, up to a constant; NaN where it is not known.
    fn log_density(&self, _: &[f64]) -> f64 {
        f64::NAN
    }
}

impl<F: Fn(&mut [f64], &mut Rng) + Sync> Transition for F {
    fn advance(&self, state: &mut [f64], rng: &mut Rng) -> Result<u64> {
        self(state, rng);
        Ok(0)
    }
}

/// Gibbs sampling: one transition after the other, in order. Draws from conditional distributions and other transitions may be mixed, as
/// [`Slice`](super::Slice) for a block without a closed conditional and [`ParticleGibbs`](super::ParticleGibbs) for a path.
///
/// ```
/// use elbo_core::{Rng, Run};
/// use elbo_infer::mcmc::{Chains, Gibbs, sample_by};
/// // A normal of two unknowns with unit variances and correlation 0.6: each given the other is N(0.6 other, 0.64).
/// let gibbs = Gibbs::new()
///     .then(|z: &mut [f64], rng: &mut Rng| z[0] = 0.6 * z[1] + 0.8 * rng.normal())
///     .then(|z: &mut [f64], rng: &mut Rng| z[1] = 0.6 * z[0] + 0.8 * rng.normal());
/// let draws = sample_by(&gibbs, &Chains::default(), &[vec![0.0, 0.0]], &mut Run::new(1))?;
/// let product = draws.rows().map(|z| z[0] * z[1]).sum::<f64>() / draws.len() as f64;
/// assert!((product - 0.6).abs() < 0.1);
/// # Ok::<(), elbo_core::Error>(())
/// ```
///
/// # Source
/// Geman and Geman (1984).
#[derive(Default)]
pub struct Gibbs<'a> {
    moves: Vec<Box<dyn Transition + 'a>>,
}

impl<'a> Gibbs<'a> {
    /// No move yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a move at the end of the sweep.
    pub fn then(mut self, next: impl Transition + 'a) -> Self {
        self.moves.push(Box::new(next));
        self
    }
}

impl Transition for Gibbs<'_> {
    fn advance(&self, state: &mut [f64], rng: &mut Rng) -> Result<u64> {
        self.moves.iter().try_fold(0, |total, next| Ok(total + next.advance(state, rng)?))
    }
}

/// Settings of chains made by a [`Transition`]. Nothing is adapted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Chains {
    /// Independent chains.
    #[schemars(range(min = 1))]
    pub chains: usize,
    /// Transitions thrown away at the start of each chain.
    pub warmup: usize,
    /// Draws kept of each chain.
    #[schemars(range(min = 1))]
    pub draws: usize,
    /// Transitions from one kept draw to the next.
    #[schemars(range(min = 1))]
    pub thin: usize,
}

impl Default for Chains {
    fn default() -> Self {
        Self { chains: 4, warmup: 500, draws: 1000, thin: 1 }
    }
}

impl Config for Chains {
    fn check(&self) -> Result<()> {
        ensure_within("chains", self.chains, 1..=1000)?;
        ensure_within("warmup", self.warmup, 0..=1_000_000_000)?;
        ensure_within("draws", self.draws, 1..=1_000_000)?;
        ensure_within("thin", self.thin, 1..=1_000_000)
    }
}

/// One chain: where it stands and what it has recorded.
struct Walker {
    state: Vec<f64>,
    rng: Rng,
    iteration: usize,
    /// Evaluations since the last kept draw.
    evaluations: u64,
    record: Record,
}

impl Walker {
    fn advance(&mut self, transition: &dyn Transition, settings: &Chains) -> Result<()> {
        self.evaluations += transition.advance(&mut self.state, &mut self.rng)?;
        self.iteration += 1;
        if self.iteration <= settings.warmup {
            self.evaluations = 0;
        } else if (self.iteration - settings.warmup).is_multiple_of(settings.thin) {
            let log_density = transition.log_density(&self.state);
            let point = Point { position: self.state.clone(), gradient: vec![], log_density };
            let steps = std::mem::take(&mut self.evaluations);
            self.record.push(&point, &Move { accept: 1.0, steps, energy: f64::NAN, ..Move::default() });
        }
        Ok(())
    }
}

struct Walkers(Vec<Walker>);

impl Snapshot for Walkers {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        for (i, chain) in self.0.iter().enumerate() {
            chain.state.save(file, &format!("{prefix}.{i}.state"));
            file.set(&format!("{prefix}.{i}"), &(&chain.rng, chain.iteration, chain.evaluations));
            for (name, values) in chain.record.fields() {
                file.put(&format!("{prefix}.{i}.{name}"), &[values.len()], values);
            }
        }
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        for (i, chain) in self.0.iter_mut().enumerate() {
            chain.state.restore(file, &format!("{prefix}.{i}.state"))?;
            (chain.rng, chain.iteration, chain.evaluations) = file.fact(&format!("{prefix}.{i}"))?;
            for (name, values) in chain.record.fields_mut() {
                *values = file.get(&format!("{prefix}.{i}.{name}"))?;
            }
        }
        Ok(())
    }
}

struct Walks<'a> {
    transition: &'a dyn Transition,
    settings: &'a Chains,
    total: usize,
    block: usize,
}

impl Step<Walkers> for Walks<'_> {
    type State = ();

    fn init(&self, _: &mut Walkers, _: &mut Run) -> Result<()> {
        Ok(())
    }

    fn step(&self, walkers: &mut Walkers, (): &mut (), _: &mut Run) -> Result<Progress> {
        walkers.0.par_iter_mut().with_max_len(1).try_for_each(|walker| {
            let steps = self.block.min(self.total - walker.iteration);
            (0..steps).try_for_each(|_| walker.advance(self.transition, self.settings))
        })?;
        let sum: f64 = walkers.0.iter().map(|w| self.transition.log_density(&w.state)).sum();
        let objective = sum / walkers.0.len() as f64;
        Ok(Progress { objective, converged: walkers.0[0].iteration == self.total })
    }
}

/// Draws by repeating a transition, chains starting at these points `[D]`, one after the other.
///
/// [`Draws::gradients`] counts evaluations of densities, as far as the transition does; [`Draws::log_density`] is NaN where the transition does
/// not know it.
///
/// # Errors
/// [`Error::Setting`] when a setting is out of range or starts differ in length, those of the transition, and
/// [`Error::Stopped`] when the run was stopped before the first kept draw.
pub fn sample_by(transition: &dyn Transition, settings: &Chains, start: &[Vec<f64>], run: &mut Run) -> Result<Draws> {
    settings.check()?;
    let lengths: Vec<usize> = start.iter().map(Vec::len).collect();
    let dim = lengths.first().copied().unwrap_or(0);
    let are_alike = dim > 0 && lengths.iter().all(|length| *length == dim);
    ensure("start", format!("of lengths {lengths:?}"), are_alike, "one point or more, of the same positive length")?;
    let base = run.rng.fork();
    let walker = |i: usize| Walker {
        state: start[i % start.len()].clone(),
        rng: base.split(i as u64),
        iteration: 0,
        evaluations: 0,
        record: Record::default(),
    };
    let mut walkers = Walkers((0..settings.chains).map(walker).collect());
    let total = settings.warmup + settings.draws * settings.thin;
    let block = total.div_ceil(100);
    let step = Walks { transition, settings, total, block };
    drive(&step, &mut walkers, &Stop::after(total.div_ceil(block), "sampling", "log density"), run)?;
    let draws = Draws::from_records(walkers.0.into_iter().map(|w| w.record).collect(), dim);
    if draws.draws() == 0 {
        return Err(Error::Stopped);
    }
    draws.warnings().into_iter().for_each(|text| run.warn(text));
    Ok(draws)
}
