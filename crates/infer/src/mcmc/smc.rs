//! Sequential Monte Carlo: particles that are weighted, chosen and moved while the density turns from an approximation into the target.

use super::evidence::{Ends, Points};
use super::resample::systematic;
use crate::diagnostics::effective_size;
use crate::family::Variational;
use crate::objective::Estimate;
use crate::rows::rows_of;
use crate::target::LogDensity;
use elbo_core::{Config, Error, ModelFile, Progress, Result, Run, Snapshot, Step, Stop, drive, ensure, ensure_within};
use elbo_tensor::special::log_sum_exp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Halvings of the interval in which the next temperature lies: enough for every scale of an f64.
const BISECTIONS: usize = 200;
/// Relative error of the effective size at which the search for the next temperature ends.
const TOLERANCE: f64 = 1e-6;
/// How fast the length of transitions follows their acceptance.
const LEARNING: f64 = 0.5;
/// Accepted share of transitions below which particles hardly move.
const STUCK: f64 = 0.1;
/// Lineages below which the error of the evidence is not known.
const LINEAGES: f64 = 10.0;

/// Settings of a sequential Monte Carlo sampler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Smc {
    /// Particles, `N`.
    #[schemars(range(min = 2))]
    pub particles: usize,
    /// Share of the particles that the weights of one rise of the temperature are worth.
    pub share: f64,
    /// Hamiltonian transitions of every particle at each temperature.
    #[schemars(range(min = 1))]
    pub moves: usize,
    /// Leapfrog steps of a transition; one is a Langevin step.
    #[schemars(range(min = 1))]
    pub leapfrogs: usize,
    /// Wanted share of accepted transitions, which tunes their length.
    pub accept: f64,
    /// Temperatures at most.
    #[schemars(range(min = 1))]
    pub steps: usize,
}

impl Default for Smc {
    fn default() -> Self {
        Self { particles: 1000, share: 0.5, moves: 5, leapfrogs: 5, accept: 0.7, steps: 1000 }
    }
}

impl Config for Smc {
    fn check(&self) -> Result<()> {
        ensure_within("particles", self.particles, 2..=10_000_000)?;
        ensure("share", self.share, self.share > 0.0 && self.share < 1.0, "in (0, 1)")?;
        ensure_within("moves", self.moves, 1..=10_000)?;
        ensure_within("leapfrogs", self.leapfrogs, 1..=10_000)?;
        ensure("accept", self.accept, self.accept > 0.0 && self.accept < 1.0, "in (0, 1)")?;
        ensure_within("steps", self.steps, 1..=1_000_000)
    }
}

/// What a sequential Monte Carlo sampler found.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Particles of equal weight, row-major `[N, D]`.
    pub draws: Vec<f64>,
    /// Number of unknowns, `D`.
    pub dim: usize,
    /// The log evidence in nats, with its error from the particles' lineages.
    pub log_evidence: Estimate,
    /// The exponents of the target, inverse temperatures: from zero, increasing, to one where the sampler was not stopped before.
    pub temperatures: Vec<f64>,
    /// How many equal weights those of each rise of the temperature were worth.
    pub effective: Vec<f64>,
    /// Share of accepted transitions after each rise.
    pub accepted: Vec<f64>,
    /// How many particles of the start the weighted particles of the last rise descend from, in effect.
    pub lineages: f64,
    /// Gradients of the target.
    pub gradients: u64,
}

rows_of!(Population, draws);

impl Population {
    /// The exponent that was reached.
    pub fn temperature(&self) -> f64 {
        self.temperatures.last().copied().unwrap_or(0.0)
    }

    /// What speaks against these particles.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = vec![];
        if self.temperature() < 1.0 {
            warnings.push(format!(
                "the particles and the evidence are of the bridge at the exponent {:.3e}: allow more temperatures, or \
                 time",
                self.temperature()
            ));
        }
        let least = self.accepted.iter().copied().fold(f64::INFINITY, f64::min);
        if least < STUCK {
            warnings.push(format!(
                "at some temperature only {:.0} % of the transitions were accepted: take more moves or leapfrog steps",
                100.0 * least
            ));
        }
        if self.lineages < LINEAGES {
            warnings.push(format!(
                "the particles descend from {:.1} of the start, in effect: the error of the evidence is not known; \
                 take more particles, or a start nearer to the target",
                self.lineages
            ));
        }
        warnings
    }
}

/// The particles under way.
#[derive(Debug, Clone)]
struct Cloud {
    /// `[N, D]`.
    z: Vec<f64>,
    /// The particle of the start that each descends from.
    origins: Vec<usize>,
    log_length: f64,
    log_evidence: f64,
    /// Relative variance of the evidence.
    variance: f64,
    temperatures: Vec<f64>,
    effective: Vec<f64>,
    accepted: Vec<f64>,
}

impl Cloud {
    fn new(z: Vec<f64>, dim: usize) -> Self {
        Self {
            origins: (0..z.len() / dim).collect(),
            z,
            // Where transitions of so many scaled unknowns are accepted about as often as not.
            log_length: -0.25 * (dim as f64).ln(),
            log_evidence: 0.0,
            variance: 0.0,
            temperatures: vec![0.0],
            effective: vec![],
            accepted: vec![],
        }
    }

    fn temperature(&self) -> f64 {
        self.temperatures[self.temperatures.len() - 1]
    }

    /// Takes log weights into the evidence and its error; returns the weights with the sum one.
    fn weigh(&mut self, log_weights: &[f64]) -> Vec<f64> {
        let count = log_weights.len() as f64;
        let total = log_sum_exp(log_weights);
        let weights: Vec<f64> = log_weights.iter().map(|l| (l - total).exp()).collect();
        let mut families = vec![0.0; log_weights.len()];
        weights.iter().zip(&self.origins).for_each(|(w, origin)| families[*origin] += w);
        self.log_evidence += total - count.ln();
        self.variance = (families.iter().map(|s| s * s).sum::<f64>() - 1.0 / count).max(0.0);
        self.effective.push(effective_size(log_weights));
        weights
    }

    fn population(self, dim: usize, settings: &Smc) -> Population {
        let (particles, steps) = (settings.particles, self.effective.len());
        Population {
            log_evidence: Estimate { value: self.log_evidence, error: self.variance.sqrt() },
            lineages: (self.variance + 1.0 / particles as f64).recip(),
            gradients: (particles * steps) as u64 * (1 + settings.moves * settings.leapfrogs) as u64,
            draws: self.z,
            dim,
            temperatures: self.temperatures,
            effective: self.effective,
            accepted: self.accepted,
        }
    }
}

impl Snapshot for Cloud {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.z.save(file, &format!("{prefix}.z"));
        file.set(&format!("{prefix}.origins"), &self.origins);
        file.put(&format!("{prefix}.numbers"), &[3], &[self.log_length, self.log_evidence, self.variance]);
        self.temperatures.save(file, &format!("{prefix}.temperatures"));
        self.effective.save(file, &format!("{prefix}.effective"));
        self.accepted.save(file, &format!("{prefix}.accepted"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let (numbers_before, count) = (self.z.len(), self.origins.len());
        self.z.restore(file, &format!("{prefix}.z"))?;
        self.origins = file.fact(&format!("{prefix}.origins"))?;
        let numbers = file.get_as(&format!("{prefix}.numbers"), &[3])?;
        (self.log_length, self.log_evidence, self.variance) = (numbers[0], numbers[1], numbers[2]);
        self.temperatures.restore(file, &format!("{prefix}.temperatures"))?;
        self.effective.restore(file, &format!("{prefix}.effective"))?;
        self.accepted.restore(file, &format!("{prefix}.accepted"))?;
        if self.z.len() != numbers_before || self.origins.len() != count {
            return Err(Error::misfit(format!("{} particles where there are {count}", self.origins.len())));
        }
        if self.temperatures.is_empty() || self.origins.iter().any(|origin| *origin >= count) {
            return Err(Error::misfit("particles that descend from none"));
        }
        Ok(())
    }
}

/// Standard deviations of the unknowns under weights with the sum one, `[D]`. `z: [N, D]`.
fn deviations(z: &[f64], weights: &[f64], dim: usize) -> Result<Vec<f64>> {
    let deviation = |i: usize| {
        let column = || z.iter().skip(i).step_by(dim).zip(weights);
        let mean: f64 = column().map(|(z, w)| w * z).sum();
        column().map(|(z, w)| w * (z - mean).powi(2)).sum::<f64>().sqrt()
    };
    let scale: Vec<f64> = (0..dim).map(deviation).collect();
    match scale.iter().position(|s| !s.is_finite() || *s <= 0.0) {
        None => Ok(scale),
        Some(i) => Err(Error::numerical(
            format!("the weighted particles have the standard deviation {} in unknown {}", scale[i], i + 1),
            "take more particles, or a start that is nearer to the target",
        )),
    }
}

/// How far the temperature may rise: all that is `left`, or to where the effective size of the weights has fallen to `asked`. That size never grows
/// with the rise, so that halving finds it.
fn rise(ratios: &[f64], asked: f64, left: f64) -> f64 {
    let size = |rise: f64| effective_size(&ratios.iter().map(|r| rise * r).collect::<Vec<_>>());
    if size(left) >= asked {
        return left;
    }
    let (mut low, mut high) = (0.0, left);
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (low + high);
        let found = size(middle);
        if (found - asked).abs() <= TOLERANCE * asked {
            return middle;
        }
        if found > asked {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

struct Rise<'a> {
    ends: Ends<'a>,
    settings: &'a Smc,
    dim: usize,
}

impl Rise<'_> {
    /// Log ratios of the target and the start, and the effective size that is asked for: a share of the particles that have a density.
    fn ratios(&self, points: &Points) -> Result<(Vec<f64>, f64)> {
        let values = points.target.values.iter().zip(&points.start.values);
        let ratios: Vec<f64> = values.map(|(target, start)| target - start).collect();
        if let Some(ratio) = ratios.iter().find(|r| r.is_nan() || **r == f64::INFINITY) {
            return Err(Error::numerical(
                format!("the log density of the target over that of the start is {ratio} at a particle"),
                "look for a density that is infinite, or a start that is zero at its own draws",
            ));
        }
        let usable = ratios.iter().filter(|r| r.is_finite()).count();
        if usable == 0 {
            return Err(Error::numerical(
                format!("none of {} particles has a density under the target", ratios.len()),
                "start from a distribution on the target's support, or take more particles",
            ));
        }
        Ok((ratios, self.settings.share * usable as f64))
    }

    /// The next temperature, and how far that is.
    fn next(&self, temperature: f64, ratios: &[f64], asked: f64) -> Result<(f64, f64)> {
        let left = 1.0 - temperature;
        let rise = rise(ratios, asked, left);
        let next = if rise < left { temperature + rise } else { 1.0 };
        if next > temperature {
            return Ok((next, rise));
        }
        Err(Error::numerical(
            format!("the weights of the particles are too uneven for any rise from the temperature {temperature:e}"),
            "start nearer to the target, or scale a log density that is many orders too large",
        ))
    }
}

impl Step<Cloud> for Rise<'_> {
    type State = ();

    fn init(&self, _: &mut Cloud, _: &mut Run) -> Result<()> {
        Ok(())
    }

    fn step(&self, cloud: &mut Cloud, (): &mut (), run: &mut Run) -> Result<Progress> {
        let settings = self.settings;
        // Densities are computed anew, so that a resumed run sees the same numbers.
        let mut points = self.ends.at(cloud.z.clone())?;
        let (ratios, asked) = self.ratios(&points)?;
        let (next, rise) = self.next(cloud.temperature(), &ratios, asked)?;
        let log_weights: Vec<f64> = ratios.iter().map(|r| rise * r).collect();
        let weights = cloud.weigh(&log_weights);
        let scale = deviations(&points.z, &weights, self.dim)?;
        let chosen = systematic(&weights, settings.particles, &mut run.rng)?;
        points = points.chosen(&chosen, self.dim);
        cloud.origins = chosen.iter().map(|i| cloud.origins[*i]).collect();
        let mut accepted = 0.0;
        for _ in 0..settings.moves {
            let length = cloud.log_length.exp();
            let share = self.ends.transition(&mut points, next, length, &scale, settings.leapfrogs, &mut run.rng)?;
            cloud.log_length += LEARNING * (share - settings.accept);
            accepted += share / settings.moves as f64;
        }
        cloud.z = points.z;
        cloud.temperatures.push(next);
        cloud.accepted.push(accepted);
        run.metric("log evidence so far (nats)", cloud.effective.len() as f64, cloud.log_evidence);
        Ok(Progress { objective: next, converged: next >= 1.0 })
    }
}

/// Draws of a target and its evidence by sequential Monte Carlo: particles of a start `q` are weighted, chosen by their weights, and moved, while the
/// density turns from `q` into the target `p`.
///
/// $$ \pi_\beta \propto q^{1 - \beta} p^\beta, \qquad \log \hat Z = \sum_k \log \frac1N \sum_i \Big[\frac{p(z_{k-1}^i)}{q(z_{k-1}^i)}\Big]^{\beta_k - \beta_{k-1}} $$
///
/// The next exponent is the one at which the weights' effective size $(\sum w)^2 / \sum w^2$ is the share that is asked for, found by bisection. Then
/// particles are chosen by [`systematic`] resampling, and moved by Hamiltonian transitions that keep $\pi_\beta$, those of
/// [`log_evidence`](super::log_evidence), in units of the particles' standard deviations. Their length follows the share that is accepted. A start that covers
/// all modes of the target, such as the prior, keeps them, with their masses as exact as the number of particles allows.
///
/// With exponents and lengths set beforehand the evidence, not its logarithm, is unbiased for any number of particles; here both follow the particles, which leaves
/// a bias of order `1/N`. Its logarithm is below the log evidence on average, by half its variance to first order. The error counts the particles that
/// descend from one of the start as one draw: it is that of importance sampling for a single rise, and with systematic resampling somewhat too large for several.
/// Costs `particles x temperatures x (1 + moves x leapfrogs)` gradients.
///
/// A run that is stopped, or is out of temperatures, returns the particles and the evidence of $\pi_\beta$ at the exponent it came to, and warns.
///
/// # Errors
/// [`Error::Setting`] for settings out of range, a start of another dimension, and one whose density is known at its own draws only;
/// [`Error::Numerical`] where no particle has a density under the target, a ratio of densities is infinite, or all weight is on particles that are equal in
/// an unknown; [`Error::Stopped`] when the run was stopped before the first rise.
///
/// # Source
/// Del Moral, Doucet and Jasra (2006), with the backward kernels of their section 3.3.2.3; Jasra, Stephens, Doucet and Tsagaris (2011) for the temperatures; Beskos, Jasra,
/// Kantas and Thiery (2016) for the bias; Chan and Lai (2013) and Lee and Whiteley (2018) for the error.
///
/// ```
/// use elbo_core::Run;
/// use elbo_infer::{Explicit, family::MeanField, mcmc::{Smc, smc}};
/// let normal = Explicit::new(1, |z: &[f64], gradient: &mut [f64]| {
///     gradient[0] = -(z[0] - 3.0) / 0.04;
///     -(z[0] - 3.0).powi(2) / 0.08
/// });
/// let found = smc(&normal, &MeanField::new(&[0.0], &[2.0]), &Smc::default(), &mut Run::new(1))?;
/// assert!((found.mean()[0] - 3.0).abs() < 0.05);
/// assert!((found.log_evidence.value - 0.5 * (0.04 * std::f64::consts::TAU).ln()).abs() < 5.0 * found.log_evidence.error);
/// # Ok::<(), elbo_core::Error>(())
/// ```
pub fn smc(target: &dyn LogDensity, start: &dyn Variational, settings: &Smc, run: &mut Run) -> Result<Population> {
    settings.check()?;
    let dim = target.dim();
    let ends = Ends::new(target, start)?;
    let first = start.sample(settings.particles, &mut run.rng).0.to_vec();
    let mut cloud = Cloud::new(first, dim);
    let stop = Stop::after(settings.steps, "sequential Monte Carlo", "temperature");
    drive(&Rise { ends, settings, dim }, &mut cloud, &stop, run)?;
    let population = cloud.population(dim, settings);
    population.warnings().into_iter().for_each(|text| run.warn(text));
    Ok(population)
}
