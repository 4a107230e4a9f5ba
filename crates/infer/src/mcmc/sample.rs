//! Hamiltonian sampling: the settings, and the one call.

use super::adapt::Windows;
use super::chain::Chain;
use super::draws::Draws;
use super::integrate::Point;
use super::metric::Metric;
use super::walk::{Way, check_starts, mean, walk};
use crate::target::LogDensity;
use elbo_core::{Allowed, Config, Error, Result, Rng, Run, ensure, ensure_within};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a transition goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Trajectory {
    /// Until it would turn back (NUTS).
    NoUTurn {
        /// Doublings at most: 2^depth - 1 gradients.
        max_depth: u32,
    },
    /// A number of leapfrog steps drawn anew each time, accepted or refused as a whole.
    Jittered {
        /// Steps at least.
        least: usize,
        /// Steps at most.
        most: usize,
    },
    /// One step: the Metropolis-adjusted Langevin algorithm.
    Langevin,
}

/// Settings of Hamiltonian sampling: several chains, each with a warm-up that learns step size and metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hamiltonian {
    /// Independent chains; fewer than two leave convergence unchecked.
    #[schemars(range(min = 1))]
    pub chains: usize,
    /// Transitions of each chain that only adapt; 75 first, windows that double, 50 last.
    pub warmup: usize,
    /// Draws kept of each chain.
    #[schemars(range(min = 1))]
    pub draws: usize,
    /// How far a transition goes.
    pub trajectory: Trajectory,
    /// How the target's shape is learnt.
    pub metric: Metric,
    /// Acceptance statistic that the step size is adapted to.
    pub target_accept: f64,
}

impl Default for Hamiltonian {
    fn default() -> Self {
        Self::nuts()
    }
}

impl Hamiltonian {
    /// The no-U-turn sampler: 4 chains of 1000 + 1000, diagonal metric, acceptance 0.8, depth at most 10.
    pub fn nuts() -> Self {
        Self {
            chains: 4,
            warmup: 1000,
            draws: 1000,
            trajectory: Trajectory::NoUTurn { max_depth: 10 },
            metric: Metric::Diagonal,
            target_accept: 0.8,
        }
    }

    /// Plain Hamiltonian Monte Carlo with 5 to 15 leapfrog steps.
    pub fn hmc() -> Self {
        Self { trajectory: Trajectory::Jittered { least: 5, most: 15 }, ..Self::nuts() }
    }

    /// The Metropolis-adjusted Langevin algorithm, at its own best acceptance 0.574 (Roberts and Rosenthal 1998).
    pub fn mala() -> Self {
        Self { trajectory: Trajectory::Langevin, target_accept: 0.574, ..Self::nuts() }
    }
}

impl Config for Hamiltonian {
    fn check(&self) -> Result<()> {
        ensure_within("chains", self.chains, 1..=1000)?;
        ensure_within("draws", self.draws, 1..=1_000_000)?;
        ensure("target_accept", self.target_accept, self.target_accept > 0.0 && self.target_accept < 1.0, "in (0, 1)")?;
        match self.trajectory {
            Trajectory::NoUTurn { max_depth } => ensure_within("trajectory.max_depth", max_depth, 1..=20),
            Trajectory::Jittered { least, most } => ensure(
                "trajectory.least",
                least,
                least >= 1 && least <= most,
                Allowed::within(1..=most).told("from 1 to `most`"),
            ),
            Trajectory::Langevin => Ok(()),
        }
    }
}

/// Where chains start.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// Uniform on a box of this half-width around zero, drawn again while the density does not exist there.
    Uniform(f64),
    /// At given points `[D]`, one chain after the other, from the first again when there are more chains.
    At(Vec<Vec<f64>>),
}

impl Default for Start {
    /// Uniform on (-2, 2).
    fn default() -> Self {
        Self::Uniform(2.0)
    }
}

impl Start {
    fn check(&self, dim: usize) -> Result<()> {
        match self {
            Self::At(points) => check_starts(points, dim),
            _ => Ok(()),
        }
    }

    fn point(&self, target: &dyn LogDensity, chain: usize, rng: &mut Rng) -> Result<Point> {
        match self {
            Self::At(points) => {
                let position = points[chain % points.len()].clone();
                let point = Point::new(target, position);
                if point.is_usable() {
                    return Ok(point);
                }
                Err(Error::numerical(
                    format!("the log density or its gradient is not finite where chain {chain} starts"),
                    "start where the density exists",
                ))
            }
            Self::Uniform(radius) => {
                const TRIES: usize = 100;
                for _ in 0..TRIES {
                    let position = (0..target.dim()).map(|_| rng.range(-radius, *radius)).collect();
                    let point = Point::new(target, position);
                    if point.is_usable() {
                        return Ok(point);
                    }
                }
                Err(Error::numerical(
                    format!("the log density is not finite at {TRIES} random points within {radius} of zero"),
                    "give starting points where the density exists, or map constrained unknowns to the whole space",
                ))
            }
        }
    }
}

/// Draws from a log density by Hamiltonian dynamics.
///
/// What [`Draws::warnings`] finds is recorded in the run.
///
/// # Errors
/// [`Error::Setting`] when a setting is out of range or starts have another length, [`Error::Numerical`] when no chain can start,
/// [`Error::Stopped`] when the run was stopped before the first draw after the warm-up.
///
/// ```
/// use elbo_core::Run;
/// use elbo_infer::{Explicit, mcmc::{Hamiltonian, Start, sample}};
/// let normal = Explicit::new(1, |z: &[f64], gradient: &mut [f64]| {
///     gradient[0] = -(z[0] - 3.0) / 4.0;
///     -(z[0] - 3.0).powi(2) / 8.0
/// });
/// let draws = sample(&normal, &Hamiltonian::nuts(), &Start::default(), &mut Run::new(1))?;
/// assert!((draws.mean()[0] - 3.0).abs() < 0.2);
/// # Ok::<(), elbo_core::Error>(())
/// ```
pub fn sample(target: &dyn LogDensity, settings: &Hamiltonian, start: &Start, run: &mut Run) -> Result<Draws> {
    settings.check()?;
    start.check(target.dim())?;
    let base = run.rng.fork();
    let chains = (0..settings.chains)
        .into_par_iter()
        .map(|i| {
            let mut rng = base.split(i as u64);
            let point = start.point(target, i, &mut rng)?;
            Ok(Chain::new(settings, target, point, rng))
        })
        .collect::<Result<Vec<_>>>()?;
    let total = settings.warmup + settings.draws;
    // So few that a stop is soon obeyed, however long the run.
    let way = Way { total, block: total.div_ceil(100).min(20), objective: "log density" };
    let windows = Windows::new(settings.warmup);
    let advance = |chain: &mut Chain| {
        chain.advance(settings, &windows, target);
        Ok(())
    };
    let objective = |chains: &[Chain]| mean(chains, |chain| chain.state.point.log_density);
    walk(chains, way, advance, objective, |chains| Draws::from_chains(chains, target.dim()), run)
}
