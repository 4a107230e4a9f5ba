//! Transitions: moves that leave a distribution as it is, alone or one after the other, and the chains that they make.

use super::chain::Record;
use super::draws::Draws;
use super::integrate::Point;
use super::nuts::Move;
use super::walk::{Walker, Way, mean, walk};
use elbo_core::{Config, ModelFile, Result, Rng, Run, Snapshot, ensure, ensure_within};
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
    /// [`elbo_core::Error::Numerical`] where the distribution does not exist at the state, [`elbo_core::Error::Setting`] where the state has
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
struct Moved {
    state: Vec<f64>,
    rng: Rng,
    iteration: usize,
    /// Evaluations since the last kept draw.
    evaluations: u64,
    record: Record,
}

impl Moved {
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

impl Snapshot for Moved {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.state.save(file, &format!("{prefix}.state"));
        file.set(prefix, &(&self.rng, self.iteration, self.evaluations));
        self.record.save(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.state.restore(file, &format!("{prefix}.state"))?;
        (self.rng, self.iteration, self.evaluations) = file.fact(prefix)?;
        self.record.restore(file, prefix)
    }
}

impl Walker for Moved {
    fn iteration(&self) -> usize {
        self.iteration
    }
}

/// Draws by repeating a transition, chains starting at these points `[D]`, one after the other.
///
/// [`Draws::gradients`] counts evaluations of densities, as far as the transition does; [`Draws::log_density`] is NaN where the transition does
/// not know it.
///
/// # Errors
/// [`elbo_core::Error::Setting`] when a setting is out of range or starts differ in length, those of the transition, and
/// [`elbo_core::Error::Stopped`] when the run was stopped before the first kept draw.
pub fn sample_by(transition: &dyn Transition, settings: &Chains, start: &[Vec<f64>], run: &mut Run) -> Result<Draws> {
    settings.check()?;
    let lengths: Vec<usize> = start.iter().map(Vec::len).collect();
    let dim = lengths.first().copied().unwrap_or(0);
    let are_alike = dim > 0 && lengths.iter().all(|length| *length == dim);
    ensure("start", format!("of lengths {lengths:?}"), are_alike, "one point or more, of the same positive length")?;
    let base = run.rng.fork();
    let walker = |i: usize| Moved {
        state: start[i % start.len()].clone(),
        rng: base.split(i as u64),
        iteration: 0,
        evaluations: 0,
        record: Record::default(),
    };
    let walkers = (0..settings.chains).map(walker).collect();
    let way = Way::new(settings.warmup + settings.draws * settings.thin, "log density");
    let advance = |walker: &mut Moved| walker.advance(transition, settings);
    let objective = |walkers: &[Moved]| mean(walkers, |walker| transition.log_density(&walker.state));
    let records = |walkers: Vec<Moved>| walkers.into_iter().map(|walker| walker.record).collect();
    walk(walkers, way, advance, objective, |walkers| Draws::from_records(records(walkers), dim), run)
}
