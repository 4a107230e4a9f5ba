//! Elliptical slice sampling.

use super::chain::Record;
use super::draws::Draws;
use super::integrate::Point;
use super::nuts::Move;
use elbo_core::{Config, Error, ModelFile, Progress, Result, Rng, Run, Snapshot, Step, Stop, drive, ensure_within};
use elbo_dist::MultivariateNormal;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of elliptical slice sampling. Nothing is adapted.
///
/// # Source
/// Murray, Adams and MacKay (2010).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EllipticalSlice {
    /// Independent chains.
    #[schemars(range(min = 1))]
    pub chains: usize,
    /// Transitions thrown away at the start of each chain.
    pub warmup: usize,
    /// Draws kept of each chain.
    #[schemars(range(min = 1))]
    pub draws: usize,
}

impl Default for EllipticalSlice {
    fn default() -> Self {
        Self { chains: 4, warmup: 500, draws: 1000 }
    }
}

impl Config for EllipticalSlice {
    fn check(&self) -> Result<()> {
        ensure_within("chains", self.chains, 1..=1000)?;
        ensure_within("draws", self.draws, 1..=1_000_000)
    }
}

#[derive(Debug)]
struct Slicer {
    point: Vec<f64>,
    log_likelihood: f64,
    rng: Rng,
    iteration: usize,
    record: Record,
}

impl Slicer {
    fn advance(
        &mut self,
        settings: &EllipticalSlice,
        likelihood: &(dyn Fn(&[f64]) -> f64 + Sync),
        prior: &MultivariateNormal,
    ) {
        let mean = prior.mean();
        let noise = prior.sample(&mut self.rng);
        let level = self.log_likelihood - self.rng.exponential();
        let mut angle = self.rng.range(0.0, std::f64::consts::TAU);
        let (mut low, mut high) = (angle - std::f64::consts::TAU, angle);
        let mut proposal = vec![0.0; self.point.len()];
        let mut evaluations = 0;
        // The bracket shrinks to the present state, which is on the slice, so this ends.
        loop {
            let (sin, cos) = angle.sin_cos();
            for (i, p) in proposal.iter_mut().enumerate() {
                *p = mean[i] + (self.point[i] - mean[i]) * cos + (noise[i] - mean[i]) * sin;
            }
            let value = likelihood(&proposal);
            evaluations += 1;
            if value > level {
                self.log_likelihood = value;
                break;
            }
            if angle < 0.0 {
                low = angle;
            } else {
                high = angle;
            }
            angle = self.rng.range(low, high);
        }
        self.point = proposal;
        self.iteration += 1;
        if self.iteration > settings.warmup {
            let log_density = self.log_likelihood + prior.log_prob(&self.point);
            let point = Point { position: self.point.clone(), gradient: vec![], log_density };
            self.record.push(&point, &Move { accept: 1.0, steps: evaluations, energy: f64::NAN, ..Move::default() });
        }
    }
}

struct Slicers(Vec<Slicer>);

impl Snapshot for Slicers {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        for (i, chain) in self.0.iter().enumerate() {
            file.set(&format!("{prefix}.{i}"), &(&chain.point, chain.log_likelihood, &chain.rng, chain.iteration));
            for (name, values) in chain.record.fields() {
                file.put(&format!("{prefix}.{i}.{name}"), &[values.len()], values);
            }
        }
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        for (i, chain) in self.0.iter_mut().enumerate() {
            (chain.point, chain.log_likelihood, chain.rng, chain.iteration) = file.fact(&format!("{prefix}.{i}"))?;
            for (name, values) in chain.record.fields_mut() {
                *values = file.get(&format!("{prefix}.{i}.{name}"))?;
            }
        }
        Ok(())
    }
}

struct Slices<'a> {
    likelihood: &'a (dyn Fn(&[f64]) -> f64 + Sync),
    prior: &'a MultivariateNormal,
    settings: &'a EllipticalSlice,
    block: usize,
}

impl Step<Slicers> for Slices<'_> {
    type State = ();

    fn init(&self, _: &mut Slicers, _: &mut Run) -> Result<()> {
        Ok(())
    }

    fn step(&self, chains: &mut Slicers, (): &mut (), _: &mut Run) -> Result<Progress> {
        let total = self.settings.warmup + self.settings.draws;
        chains.0.par_iter_mut().with_max_len(1).for_each(|chain| {
            for _ in 0..self.block.min(total - chain.iteration) {
                chain.advance(self.settings, self.likelihood, self.prior);
            }
        });
        let objective = chains.0.iter().map(|c| c.log_likelihood).sum::<f64>() / chains.0.len() as f64;
        Ok(Progress { objective, converged: chains.0[0].iteration == total })
    }
}

/// Draws from a Gaussian prior times a likelihood, of which only values are needed.
///
/// `log_likelihood` takes a point `[D]` and returns nats. Chains start at draws of the prior. [`Draws::gradients`] counts
/// evaluations of the likelihood.
///
/// # Errors
/// [`Error::Setting`] when a setting is out of range, [`Error::Numerical`] when the likelihood is not finite at 100 draws of the
/// prior, [`Error::Stopped`] when the run was stopped before the first draw.
pub fn elliptical_slice(
    log_likelihood: &(dyn Fn(&[f64]) -> f64 + Sync),
    prior: &MultivariateNormal,
    settings: &EllipticalSlice,
    run: &mut Run,
) -> Result<Draws> {
    settings.check()?;
    let base = run.rng.fork();
    let start = |i: usize| {
        let mut rng = base.split(i as u64);
        for _ in 0..100 {
            let point = prior.sample(&mut rng);
            let value = log_likelihood(&point);
            if value.is_finite() {
                return Ok(Slicer { point, log_likelihood: value, rng, iteration: 0, record: Record::default() });
            }
        }
        Err(Error::numerical(
            "the log likelihood is not finite at 100 draws of the prior",
            "use a prior that agrees better with the data",
        ))
    };
    let mut chains = Slicers((0..settings.chains).map(start).collect::<Result<_>>()?);
    let total = settings.warmup + settings.draws;
    let block = total.div_ceil(100);
    let step = Slices { likelihood: log_likelihood, prior, settings, block };
    drive(&step, &mut chains, &Stop::after(total.div_ceil(block), "sampling", "log likelihood"), run)?;
    let draws = Draws::from_records(chains.0.into_iter().map(|c| c.record).collect(), prior.mean().len());
    if draws.draws() == 0 {
        return Err(Error::Stopped);
    }
    draws.warnings().into_iter().for_each(|text| run.warn(text));
    Ok(draws)
}
