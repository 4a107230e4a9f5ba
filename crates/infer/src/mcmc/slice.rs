//! Elliptical slice sampling.

use super::chain::Record;
use super::draws::Draws;
use super::integrate::Point;
use super::nuts::Move;
use super::walk::{Walker, Way, mean, walk};
use elbo_core::{Config, Error, ModelFile, Result, Rng, Run, Snapshot, ensure_within};
use elbo_dist::MultivariateNormal;
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

impl Snapshot for Slicer {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.set(prefix, &(&self.point, self.log_likelihood, &self.rng, self.iteration));
        self.record.save(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        (self.point, self.log_likelihood, self.rng, self.iteration) = file.fact(prefix)?;
        self.record.restore(file, prefix)
    }
}

impl Walker for Slicer {
    fn iteration(&self) -> usize {
        self.iteration
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
    let chains = (0..settings.chains).map(start).collect::<Result<_>>()?;
    let way = Way::new(settings.warmup + settings.draws, "log likelihood");
    let advance = |chain: &mut Slicer| {
        chain.advance(settings, log_likelihood, prior);
        Ok(())
    };
    let objective = |chains: &[Slicer]| mean(chains, |chain| chain.log_likelihood);
    let records = |chains: Vec<Slicer>| chains.into_iter().map(|chain| chain.record).collect();
    walk(chains, way, advance, objective, |chains| Draws::from_records(records(chains), prior.mean().len()), run)
}
