//! The one call that moves particles.

use super::field::{Field, Ksdd, Svgd, Velocity};
use super::pace::{Pace, Purse};
use crate::diagnostics::left_out;
use crate::diagnostics::stein::{SteinKernel, ksd_squared_v};
use crate::rows::rows_of;
use crate::score::Score;
use elbo_core::step::Batches;
use elbo_core::{Config, Error, ModelFile, Progress, Result, Run, Snapshot, Step, Stop, drive, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of moving particles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Transport {
    /// Steps.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Rows of data behind each score, where the score has rows.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Where particles want to go.
    pub field: Field,
    /// How far they go.
    pub pace: Pace,
    /// Steps from one kernel Stein discrepancy of the record to the next; zero for none. Exact scores only.
    pub trace: usize,
}

impl Default for Transport {
    fn default() -> Self {
        Self { steps: 1000, batch: 100, field: Field::default(), pace: Pace::default(), trace: 50 }
    }
}

impl Config for Transport {
    fn check(&self) -> Result<()> {
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=1_000_000_000)?;
        self.pace.check()
    }
}

/// Points that stand for a density.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Particles {
    /// Row-major `[N, D]`.
    pub points: Vec<f64>,
    /// Number of unknowns, `D`.
    pub dim: usize,
    /// Kernel Stein discrepancy along the way: steps, and the root of the V-statistic with the default kernel.
    pub ksd: Vec<(f64, f64)>,
    /// The farthest that any coordinate went from its start.
    pub reach: f64,
    /// Moves left out because a particle's score was not finite.
    pub frozen: usize,
    purse: Purse,
}

impl Particles {
    /// Particles at these points, each `[D]`.
    ///
    /// # Panics
    /// Without points, and for points of different lengths or of none.
    pub fn at(points: &[Vec<f64>]) -> Self {
        let dim = points.first().map_or(0, Vec::len);
        assert!(dim > 0 && points.iter().all(|p| p.len() == dim), "points must have the same positive length");
        let points = points.concat();
        Self { purse: Purse::new(&points, dim), points, dim, ..Self::default() }
    }
}

rows_of!(Particles, points);

impl Snapshot for Particles {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.put(&format!("{prefix}.points"), &[self.len(), self.dim], &self.points);
        file.set(prefix, &(self.dim, &self.ksd, self.reach, self.frozen));
        self.purse.save(file, &format!("{prefix}.purse"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let (count, dim) = (self.len(), self.dim);
        self.points = file.get(&format!("{prefix}.points"))?;
        (self.dim, self.ksd, self.reach, self.frozen) = file.fact(prefix)?;
        if self.points.len() != count * dim || self.dim != dim {
            let found = format!("{} numbers of particles in {} unknowns", self.points.len(), self.dim);
            return Err(Error::misfit(format!("{found} where there are {count} particles in {dim}")));
        }
        self.purse.restore(file, &format!("{prefix}.purse"))?;
        if self.purse.is_of(count, dim) {
            return Ok(());
        }
        Err(Error::misfit(format!("a purse of other particles where there are {count} in {dim} unknowns")))
    }
}

struct Move<'a> {
    score: &'a dyn Score,
    field: &'a dyn Velocity,
    settings: &'a Transport,
}

impl Move<'_> {
    fn scores(&self, points: &[f64], rows: &[usize]) -> Vec<f64> {
        let mut scores = vec![0.0; points.len()];
        self.score.scores(points, rows, &mut scores);
        scores
    }
}

impl Step<Particles> for Move<'_> {
    type State = (usize, Batches);

    fn init(&self, _: &mut Particles, _: &mut Run) -> Result<Self::State> {
        Ok((0, Batches::new(self.score.rows().max(1), self.settings.batch)))
    }

    fn step(&self, particles: &mut Particles, (count, batches): &mut Self::State, run: &mut Run) -> Result<Progress> {
        let dim = self.score.dim();
        let rows: &[usize] = if self.score.rows() > 0 { batches.next(&mut run.rng) } else { &[] };
        let mut scores = self.scores(&particles.points, rows);
        let frozen: Vec<bool> = scores.chunks_exact(dim).map(|s| s.iter().any(|v| !v.is_finite())).collect();
        // A particle without a score still repels the others, but pulls nowhere.
        scores.chunks_exact_mut(dim).zip(&frozen).filter(|(_, f)| **f).for_each(|(s, _)| s.fill(0.0));
        let mut velocity = vec![0.0; scores.len()];
        self.field.velocity(self.score, rows, &particles.points, &scores, &mut velocity);
        *count += 1;
        particles.frozen += frozen.iter().filter(|f| **f).count();
        if *count >= 100 && particles.frozen * 100 > *count * particles.len() {
            return Err(Error::numerical(
                format!("the score was not finite for {} of {} moves", particles.frozen, *count * particles.len()),
                "start where the density exists, or map constrained unknowns to the whole space",
            ));
        }
        let Particles { points, purse, .. } = particles;
        purse.advance(self.settings.pace, points, &velocity, &frozen)?;
        if points.iter().any(|x| !x.is_finite()) {
            return Err(Error::numerical(
                format!("a particle left the finite numbers at step {count}"),
                "use the pace `coin`, or a smaller rate",
            ));
        }
        particles.reach = particles.reach.max(particles.purse.reach(&particles.points));
        let trace = self.settings.trace;
        if trace > 0 && self.score.rows() == 0 && (*count).is_multiple_of(trace) {
            let scores = self.scores(&particles.points, &[]);
            let ksd = ksd_squared_v(&particles.points, &scores, dim, SteinKernel::default()).max(0.0).sqrt();
            particles.ksd.push((*count as f64, ksd));
            run.metric("kernel Stein discrepancy", *count as f64, ksd);
        }
        let speed = (velocity.iter().map(|v| v * v).sum::<f64>() / particles.len() as f64).sqrt();
        Ok(Progress { objective: speed, converged: false })
    }
}

/// Moves particles along a field of this crate.
///
/// # Errors
/// [`Error::Setting`] when a setting is out of range or particles have another length, [`Error::Numerical`] when
/// scores are not finite for more than one move in a hundred or a particle leaves the finite numbers.
///
/// ```
/// use elbo_core::Run;
/// use elbo_infer::{Explicit, FullScore, particles::{Particles, Transport, transport}};
/// let normal = Explicit::new(1, |z: &[f64], gradient: &mut [f64]| {
///     gradient[0] = -(z[0] - 3.0);
///     -0.5 * (z[0] - 3.0).powi(2)
/// });
/// let start = Particles::at(&[vec![-0.2], vec![0.1], vec![0.3]]);
/// let particles = transport(&FullScore(&normal), &Transport::default(), start, &mut Run::new(1))?;
/// assert!((particles.points.iter().sum::<f64>() / 3.0 - 3.0).abs() < 0.1);
/// # Ok::<(), elbo_core::Error>(())
/// ```
pub fn transport(score: &dyn Score, settings: &Transport, start: Particles, run: &mut Run) -> Result<Particles> {
    match settings.field {
        Field::Svgd { kernel } => {
            let particles = transport_by(score, &Svgd { kernel }, settings, start, run)?;
            if score.dim() > 50 {
                run.warn(format!(
                    "with {} unknowns, particles moved by a kernel lie closer together than the density is wide: do not read \
                     their spread as uncertainty",
                    score.dim()
                ));
            }
            Ok(particles)
        }
        Field::Ksdd { kernel } => transport_by(score, &Ksdd { kernel }, settings, start, run),
    }
}

/// Moves particles along any field; the one in `settings` is not looked at.
///
/// # Errors
/// As [`transport`].
pub fn transport_by(
    score: &dyn Score,
    field: &dyn Velocity,
    settings: &Transport,
    start: Particles,
    run: &mut Run,
) -> Result<Particles> {
    settings.check()?;
    let (found, dim) = (start.dim, score.dim());
    ensure("start", format!("of {found} coordinates"), found == dim, format!("of {dim} coordinates, one an unknown"))?;
    let mut particles = start;
    let step = Move { score, field, settings };
    drive(&step, &mut particles, &Stop::after(settings.steps, "particles", "mean speed"), run)?;
    if let Some(warning) = left_out(particles.frozen, "moves", "a particle's score was not finite") {
        run.warn(warning);
    }
    Ok(particles)
}
