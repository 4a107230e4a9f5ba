//! Fitting a flexible family to a target of several modes: the target is flat at first.

use super::ensure_dim;
use super::vi::{Fit, judge};
use crate::diagnostics::left_out;
use crate::family::{Approximation, Variational};
use crate::target::LogDensity;
use elbo_core::{Error, Progress, Result, Run, Step, Stop, drive, ensure, ensure_within};
use elbo_tensor::optim::{AnyState, Optimiser, Rule, descend};
use elbo_tensor::{Parameters, Tensor, grad};
use std::cell::Cell;
use std::time::Instant;

/// Draws without a density that a fit tolerates, as a share of all.
const REJECTED: f64 = 0.01;
/// Draws after which that share is looked at.
const LOOK: usize = 10_000;
/// Longest gradient that the optimiser sees.
const CLIP: f64 = 1e3;

/// Settings of an annealed fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnnealedSettings {
    /// Steps.
    pub steps: usize,
    /// Draws a step.
    pub batch: usize,
    /// What turns gradients into steps.
    pub optimiser: Optimiser,
    /// Its rate, which falls linearly to zero in the second half; of no meaning for one without a rate.
    pub rate: f64,
    /// Share of the steps in which the target's weight rises from 0.01 to 1; zero for none.
    pub annealing: f64,
    /// Draws by which the fit is judged and which it returns.
    pub evaluated: usize,
}

impl Default for AnnealedSettings {
    fn default() -> Self {
        let optimiser = Optimiser::default();
        Self { steps: 4000, batch: 128, optimiser, rate: 5e-3, annealing: 0.5, evaluated: 4000 }
    }
}

impl AnnealedSettings {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=1_000_000)?;
        self.optimiser.check()?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")?;
        ensure_within("annealing", self.annealing, 0.0..=1.0)?;
        ensure_within("evaluated", self.evaluated, 100..=10_000_000)
    }

    /// The target's weight at a step.
    fn weight(&self, step: usize) -> f64 {
        let span = self.annealing * self.steps as f64;
        if span == 0.0 { 1.0 } else { (0.01 + step as f64 / span).min(1.0) }
    }

    fn rate_at(&self, step: usize) -> f64 {
        let half = 0.5 * self.steps as f64;
        self.rate * ((self.steps as f64 - step as f64) / half).min(1.0)
    }
}

struct Descent<'a> {
    target: &'a dyn LogDensity,
    settings: &'a AnnealedSettings,
    drawn: Cell<usize>,
    rejected: Cell<usize>,
}

impl Step<Approximation> for Descent<'_> {
    /// Steps done, and the optimiser's memory.
    type State = (usize, AnyState);

    fn init(&self, family: &mut Approximation, _: &mut Run) -> Result<Self::State> {
        Ok((0, self.settings.optimiser.rule(self.settings.rate, Some(CLIP)).start_parts(&family.0.parts())))
    }

    fn step(&self, family: &mut Approximation, (done, state): &mut Self::State, run: &mut Run) -> Result<Progress> {
        let width = family.0.noise();
        let mut noise = Tensor::from_vec(run.rng.normals(self.settings.batch * width), &[self.settings.batch, width]);
        let mut drawn = family.0.draw(&noise);
        let mut log_p = self.target.log_prob(&drawn.z);
        self.drawn.set(self.drawn.get() + self.settings.batch);
        if !log_p.is_finite() {
            // Draws where the target does not exist are left out, and counted.
            let usable: Vec<usize> =
                log_p.to_vec().iter().enumerate().filter(|(_, l)| l.is_finite()).map(|(i, _)| i).collect();
            self.rejected.set(self.rejected.get() + self.settings.batch - usable.len());
            let too_many = self.rejected.get() as f64 > REJECTED * self.drawn.get() as f64;
            if usable.is_empty() || (self.drawn.get() >= LOOK && too_many) {
                return Err(Error::numerical(
                    format!("the log density does not exist at {} of {} draws", self.rejected.get(), self.drawn.get()),
                    "map constrained unknowns to the whole space, or start where the density exists",
                ));
            }
            noise = noise.index_select(0, &Tensor::indices(&usable));
            drawn = family.0.draw(&noise);
            log_p = self.target.log_prob(&drawn.z);
        }
        let step = *done;
        let free_energy = (&drawn.log_prob - &log_p * self.settings.weight(step)).mean();
        let leaves = family.0.leaves();
        let gradients = grad(&free_energy, &leaves.iter().collect::<Vec<_>>());
        if gradients.iter().all(Tensor::is_finite) {
            let rule = self.settings.optimiser.rule(self.settings.rate_at(step), Some(CLIP));
            descend(&rule, &mut family.0, &gradients, state);
            *done += 1;
        } else {
            return Err(Error::numerical(
                format!("the gradient of the free energy is not finite at step {}", step + 1),
                "lower the rate, or standardise the unknowns",
            ));
        }
        Ok(Progress { objective: free_energy.item(), converged: false })
    }
}

/// Minimises the free energy $\mathbb{E}_q[\log q(z) - \beta_t \log p(z)]$, with $\beta_t$ rising to one, and judges the result by fresh draws.
///
/// A target of several modes is nearly flat at first, so that the approximation spreads over all of them before it has to settle.
///
/// # Errors
/// [`Error::Setting`] for settings out of range, and a family of another dimension; [`Error::Numerical`] where the target does not exist at more
/// than one draw in a hundred.
///
/// # Source
/// Rezende and Mohamed (2015), section 6.1. Deviations: the whole log density is annealed, over a share of the steps.
pub fn annealed(
    target: &dyn LogDensity,
    family: Box<dyn Variational>,
    settings: &AnnealedSettings,
    run: &mut Run,
) -> Result<Fit> {
    settings.check()?;
    ensure_dim("family", family.dim(), target)?;
    let started = Instant::now();
    let mut model = Approximation(family);
    let title = model.0.title();
    let stop = Stop::after(settings.steps, &format!("annealed variational inference, {title}"), "free energy (nats)");
    let descent = Descent { target, settings, drawn: Cell::new(0), rejected: Cell::new(0) };
    let outcome = drive(&descent, &mut model, &stop, run)?;
    let rejected = left_out(descent.rejected.get(), "draws", "they had no density");
    let mut warnings: Vec<String> = rejected.map(|warning| format!("{title}: {warning}")).into_iter().collect();
    let mut fit = judge(target, model.0, settings.evaluated, run);
    if !fit.psis.is_reliable() {
        warnings.push(format!("{title}: {}", fit.psis.verdict()));
    }
    warnings.iter().for_each(|w| run.warn(w));
    fit.steps = outcome.steps;
    fit.gradients = (outcome.steps * settings.batch) as u64;
    fit.warnings = warnings;
    fit.seconds = started.elapsed().as_secs_f64();
    Ok(fit)
}
