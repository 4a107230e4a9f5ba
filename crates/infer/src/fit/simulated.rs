//! Forward divergence by simulation: the posterior of any data from draws of the joint distribution.

use crate::family::Conditional;
use crate::objective::Estimate;
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Snapshot, Step, Stop, drive, ensure, ensure_within};
use elbo_tensor::optim::{AnyState, Optimiser, Rule, Schedule, descend};
use elbo_tensor::{Parameters, Tensor, grad, no_grad};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Longest gradient that the optimiser sees.
const CLIP: f64 = 1e3;
/// Pairs evaluated at once when a fit is judged.
const BLOCK: usize = 4096;

/// Settings of a fit by simulation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatedSettings {
    /// Steps.
    pub steps: usize,
    /// New pairs a step.
    pub batch: usize,
    /// What turns gradients into steps.
    pub optimiser: Optimiser,
    /// Its rate at the start, which falls along half a cosine to a hundredth; of no meaning for one without a rate.
    pub rate: f64,
    /// New pairs by which the fit is judged.
    pub evaluated: usize,
}

impl Default for SimulatedSettings {
    fn default() -> Self {
        Self { steps: 3000, batch: 256, optimiser: Optimiser::default(), rate: 0.01, evaluated: 10_000 }
    }
}

impl SimulatedSettings {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=1_000_000)?;
        self.optimiser.check()?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")?;
        ensure_within("evaluated", self.evaluated, 100..=10_000_000)
    }
}

/// A posterior fitted by simulation.
pub struct Simulated {
    /// The posterior `q(z | x)` of any data `x`.
    pub family: Box<dyn Conditional>,
    /// Mean of `log q(z | x)` in nats over new pairs, with its standard error: at most minus the mean entropy of the exact posterior, and less
    /// by the mean divergence from that to `q`.
    pub log_prob: Estimate,
    /// Steps taken.
    pub steps: usize,
    /// Pairs that were simulated, those of the judgement included.
    pub simulations: u64,
    /// Seconds.
    pub seconds: f64,
}

/// The model of the driver: a checkpoint holds its parameters.
struct Amortised(Box<dyn Conditional>);

impl Snapshot for Amortised {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.0.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.0.read_from(file, prefix)
    }
}

struct Sleep<'a, F> {
    simulate: &'a F,
    settings: &'a SimulatedSettings,
}

/// Pairs as tensors, `[S, D]` and `[S, C]`; refuses other lengths and numbers that are not finite.
fn pairs<F>(simulate: &F, family: &dyn Conditional, count: usize, rng: &mut Rng) -> Result<(Tensor, Tensor)>
where
    F: Fn(usize, &mut Rng) -> (Vec<f64>, Vec<f64>),
{
    let (d, c) = (family.dim(), family.given());
    let (z, x) = simulate(count, rng);
    if z.len() != count * d || x.len() != count * c {
        return Err(Error::data(
            format!("the simulation of {count} pairs gave {} unknowns and {} data", z.len(), x.len()),
            format!("give {d} unknowns and {c} data a pair, row after row"),
        ));
    }
    if !z.iter().chain(&x).all(|v| v.is_finite()) {
        return Err(Error::data(
            "the simulation gave a number that is not finite",
            "leave such draws out, or map the data to where they are finite",
        ));
    }
    Ok((Tensor::from_vec(z, &[count, d]), Tensor::from_vec(x, &[count, c])))
}

impl<F: Fn(usize, &mut Rng) -> (Vec<f64>, Vec<f64>)> Step<Amortised> for Sleep<'_, F> {
    /// Steps done, and the optimiser's memory.
    type State = (usize, AnyState);

    fn init(&self, family: &mut Amortised, _: &mut Run) -> Result<Self::State> {
        Ok((0, self.settings.optimiser.rule(self.settings.rate, Some(CLIP)).start_parts(&family.0.parts())))
    }

    fn step(&self, family: &mut Amortised, (done, state): &mut Self::State, run: &mut Run) -> Result<Progress> {
        let SimulatedSettings { steps, batch, optimiser, rate, .. } = *self.settings;
        let (z, x) = pairs(self.simulate, &*family.0, batch, &mut run.rng)?;
        let loss = -family.0.log_prob(&z, &x).mean();
        let leaves = family.0.leaves();
        let gradients = grad(&loss, &leaves.iter().collect::<Vec<_>>());
        if !loss.is_finite() || !gradients.iter().all(Tensor::is_finite) {
            return Err(Error::numerical(
                format!("log q(z | x) or its gradient is not finite at step {}", *done + 1),
                "standardise unknowns and data, or lower the rate",
            ));
        }
        let rate = Schedule::Cosine { start: rate, end: 0.01 * rate, steps }.at(*done);
        descend(&optimiser.rule(rate, Some(CLIP)), &mut family.0, &gradients, state);
        *done += 1;
        Ok(Progress { objective: loss.item(), converged: false })
    }
}

/// Fits `q(z | x)` to the posterior of every `x` at once, by the forward divergence:
///
/// $$ \max_q\ \mathbb E_{p(z, x)} \log q(z \mid x)
///    = -\mathbb E_{p(x)} \left( \mathrm{KL}[p(z \mid x) \,\|\, q(z \mid x)] + H[p(z \mid x)] \right) $$
///
/// `simulate(S, rng)` draws `S` pairs of the joint distribution: unknowns `[S, D]` and data `[S, C]`, both row-major. The model need not have a
/// density, only the simulation; gradients are exact in expectation. The answer covers the posterior, and holds near the data that
/// the model makes: check that those observed are such. Unknowns and data should be of unit scale.
///
/// # Errors
/// [`Error::Setting`] for settings out of range, [`Error::Data`] for a simulation of other lengths or with numbers that are not finite,
/// [`Error::Numerical`] where the density or its gradient is not finite, and [`Error::Stopped`] when the run was stopped before the first step.
///
/// # Source
/// The sleep phase of Hinton, Dayan, Frey and Neal (1995); as posterior estimation, Papamakarios and Murray (2016).
pub fn simulated<F>(
    simulate: F,
    family: Box<dyn Conditional>,
    settings: &SimulatedSettings,
    run: &mut Run,
) -> Result<Simulated>
where
    F: Fn(usize, &mut Rng) -> (Vec<f64>, Vec<f64>),
{
    settings.check()?;
    let started = Instant::now();
    let mut model = Amortised(family);
    let stop = Stop::after(settings.steps, &format!("simulation, {}", model.0.title()), "-log q(z | x) (nats)");
    let sleep = Sleep { simulate: &simulate, settings };
    let outcome = drive(&sleep, &mut model, &stop, run)?;
    let mut scores = Vec::with_capacity(settings.evaluated);
    while scores.len() < settings.evaluated {
        let count = BLOCK.min(settings.evaluated - scores.len());
        let (z, x) = pairs(&simulate, &*model.0, count, &mut run.rng)?;
        scores.extend(no_grad(|| model.0.log_prob(&z, &x)).to_vec());
    }
    Ok(Simulated {
        family: model.0,
        log_prob: Estimate::mean(&scores),
        steps: outcome.steps,
        simulations: (outcome.steps * settings.batch + settings.evaluated) as u64,
        seconds: started.elapsed().as_secs_f64(),
    })
}
