//! Normal approximations along the way to a mode: a posterior in as many gradients as it takes to find one.

use super::ensure_dim;
use super::vi::{Fit, judge};
use crate::family::{FullRank, Variational};
use crate::target::LogDensity;
use elbo_core::{Error, Result, Rng, Run, ensure_within};
use elbo_linalg::vector::{axpy, dot};
use elbo_linalg::{Ladder, cholesky_in_place};
use elbo_tensor::no_grad;
use elbo_tensor::optim::Lbfgs;
use std::collections::VecDeque;
use std::time::Instant;

/// Largest curvature along a step, in squared gradients, that enters the estimate of the covariance.
const CURVATURE: f64 = 1e12;

/// Settings of [`pathfinder`] and [`multipath`](super::multipath).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathfinderSettings {
    /// Climbs from different starts; the best approximation of all is kept, or all of them together.
    pub paths: usize,
    /// Steps of a climb.
    pub steps: usize,
    /// Steps that the covariance is estimated from.
    pub memory: usize,
    /// Draws by which the approximations along a path are compared.
    pub draws: usize,
    /// Draws by which the fit is judged and which it returns; of several climbs as many of each, rounded up.
    pub evaluated: usize,
}

impl Default for PathfinderSettings {
    fn default() -> Self {
        Self { paths: 4, steps: 1000, memory: 6, draws: 25, evaluated: 4000 }
    }
}

impl PathfinderSettings {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("paths", self.paths, 1..=10_000)?;
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure_within("memory", self.memory, 1..=1000)?;
        ensure_within("draws", self.draws, 2..=1_000_000)?;
        ensure_within("evaluated", self.evaluated, 100..=10_000_000)
    }
}

/// Climbs to modes by L-BFGS, takes at each step the normal that the curvature seen so far suggests, and keeps the one with the largest
/// evidence lower bound, judged by fresh draws.
///
/// Climbs start within 2 of `start` in each free unknown. A factor of `D` by `D` is made at each step, so this is for some hundreds of
/// unknowns. Good as a first look and as a start for sampling; k-hat says whether it is good as an answer.
///
/// # Errors
/// [`Error::Setting`] for settings out of range, and a start of another length; [`Error::Numerical`] when no climb finds a point where the target exists.
///
/// # Source
/// Zhang, Carpenter, Gelman and Vehtari (2022). The best of the paths is kept; draws of all of them together, by their weights, are
/// [`multipath`](super::multipath)'s.
///
/// ```
/// use elbo_core::Run;
/// use elbo_infer::{Explicit, fit::{PathfinderSettings, pathfinder}};
/// let normal = Explicit::new(1, |z: &[f64], gradient: &mut [f64]| {
///     gradient[0] = -(z[0] - 3.0) / 4.0;
///     -0.5 * (z[0] - 3.0).powi(2) / 4.0
/// });
/// let fit = pathfinder(&normal, &[0.0], &PathfinderSettings::default(), &mut Run::new(1))?;
/// assert!((fit.draws.iter().sum::<f64>() / fit.draws.len() as f64 - 3.0).abs() < 0.2);
/// # Ok::<(), elbo_core::Error>(())
/// ```
pub fn pathfinder(target: &dyn LogDensity, start: &[f64], settings: &PathfinderSettings, run: &mut Run) -> Result<Fit> {
    settings.check()?;
    ensure_dim("start", start.len(), target)?;
    let started = Instant::now();
    let (mut best, mut gradients, mut steps, mut cut) = (None::<(f64, FullRank)>, 0, 0, 0);
    let base = run.rng.fork();
    for path in 0..settings.paths {
        let climbed = climb(target, start, settings, &mut base.split(path as u64), run)?;
        if let Some(found) = climbed.normal
            && best.as_ref().is_none_or(|b| found.0 > b.0)
        {
            best = Some(found);
        }
        gradients += climbed.gradients;
        steps += climbed.steps;
        cut += usize::from(climbed.is_cut);
    }
    let Some((_, family)) = best else { return Err(nothing(run)) };
    let mut fit = judge(target, Box::new(family), settings.evaluated, run);
    if cut > 0 {
        run.mark_stopped_early();
        let warning = format!("pathfinder: {cut} of {} climbs were stopped before their end", settings.paths);
        run.warn(&warning);
        fit.warnings.push(warning);
    }
    if !fit.psis.is_reliable() {
        let warning = format!("pathfinder: {}", fit.psis.verdict());
        run.warn(&warning);
        fit.warnings.push(warning);
    }
    (fit.steps, fit.gradients, fit.seconds) = (steps, gradients, started.elapsed().as_secs_f64());
    Ok(fit)
}

/// What one climb gave.
pub(super) struct Climbed {
    /// Its best normal, with the bound; `None` where it passed none at whose draws the density exists.
    pub(super) normal: Option<(f64, FullRank)>,
    /// Gradients of the target.
    pub(super) gradients: u64,
    /// Steps taken.
    pub(super) steps: usize,
    /// The run had to stop before the climb had ended.
    pub(super) is_cut: bool,
}

/// One climb from a point near `centre`. One that begins where the density does not exist finds nothing.
pub(super) fn climb(
    target: &dyn LogDensity,
    centre: &[f64],
    settings: &PathfinderSettings,
    rng: &mut Rng,
    run: &Run,
) -> Result<Climbed> {
    let mut climb = Climb { target, settings, gradients: 0, steps: 0, is_cut: false };
    let normal = match climb.run(centre, rng, run) {
        Ok(normal) => normal,
        Err(error) if error.is_recoverable() => None,
        Err(error) => return Err(error),
    };
    Ok(Climbed { normal, gradients: climb.gradients, steps: climb.steps, is_cut: climb.is_cut })
}

/// Why no climb found a normal: it was stopped, or the density is to blame.
pub(super) fn nothing(run: &Run) -> Error {
    if run.must_stop() {
        return Error::Stopped;
    }
    Error::numerical(
        "no normal along any climb has all its draws where the log density is finite",
        "start where the density exists, or map constrained unknowns to the whole space",
    )
}

struct Climb<'a> {
    target: &'a dyn LogDensity,
    settings: &'a PathfinderSettings,
    gradients: u64,
    steps: usize,
    /// The run had to stop before the climb had ended.
    is_cut: bool,
}

impl Climb<'_> {
    /// The best normal of one climb, with its bound.
    fn run(&mut self, centre: &[f64], rng: &mut Rng, run: &Run) -> Result<Option<(f64, FullRank)>> {
        let (target, d) = (self.target, centre.len());
        let mut descent = |z: &[f64]| -> Result<(f64, Vec<f64>)> {
            let mut slope = vec![0.0; d];
            let value = target.value_and_gradient(z, &mut slope);
            slope.iter_mut().for_each(|g| *g = -*g);
            Ok((-value, slope))
        };
        let lbfgs = Lbfgs { memory: self.settings.memory, ..Lbfgs::default() };
        let mut z: Vec<f64> = centre.iter().map(|c| c + rng.range(-2.0, 2.0)).collect();
        let mut state = lbfgs.start(&mut z, &mut descent)?;
        let mut curvature = Curvature::new(&z, self.settings.memory);
        let mut best = None::<(f64, FullRank)>;
        while self.steps < self.settings.steps {
            if run.must_stop() {
                self.is_cut = true;
                break;
            }
            let before = state.gradient.clone();
            let is_done = lbfgs.iterate(&mut z, &mut state, &mut descent)?.converged;
            self.steps += 1;
            curvature.push(&z, &before, &state.gradient);
            if let Some(family) = curvature.normal(&z, &state.gradient) {
                let bound = self.bound(&family, rng);
                if bound.is_finite() && best.as_ref().is_none_or(|b| bound > b.0) {
                    best = Some((bound, family));
                }
            }
            if is_done {
                break;
            }
        }
        self.gradients += state.evaluations as u64;
        Ok(best)
    }

    /// The evidence lower bound from a few draws; not finite where one of them has no density.
    fn bound(&self, family: &FullRank, rng: &mut Rng) -> f64 {
        let (z, log_q) = family.sample(self.settings.draws, rng);
        (no_grad(|| self.target.log_prob(&z)) - log_q).mean().item()
    }
}

/// The covariance that steps and changes of the slope suggest.
struct Curvature {
    memory: usize,
    /// Variances before the remembered steps correct them, `[D]`.
    diagonal: Vec<f64>,
    /// Steps, and changes of the slope of the negative log density.
    pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
    /// Where the last step ended.
    at: Vec<f64>,
}

impl Curvature {
    fn new(start: &[f64], memory: usize) -> Self {
        Self { memory, diagonal: vec![1.0; start.len()], pairs: VecDeque::new(), at: start.to_vec() }
    }

    /// Learns from the step to `z`, with the slopes before and after it.
    fn push(&mut self, z: &[f64], before: &[f64], after: &[f64]) {
        let from = std::mem::replace(&mut self.at, z.to_vec());
        let step: Vec<f64> = z.iter().zip(&from).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = after.iter().zip(before).map(|(a, b)| a - b).collect();
        let along = dot(&step, &change);
        // A step along which the density is not concave, or hardly curved, says nothing of a covariance.
        if !(along > 0.0 && dot(&change, &change) / along < CURVATURE) {
            return;
        }
        let a: f64 = change.iter().zip(&self.diagonal).map(|(y, v)| y * y * v).sum();
        let c: f64 = step.iter().zip(&self.diagonal).map(|(s, v)| s * s / v).sum();
        for ((v, s), y) in self.diagonal.iter_mut().zip(&step).zip(&change) {
            *v = 1.0 / (a / (along * *v) + y * y / along - a * s * s / (along * c * *v * *v));
        }
        if self.pairs.len() == self.memory {
            self.pairs.pop_front();
        }
        self.pairs.push_back((step, change));
    }

    /// The covariance, `[D, D]`: the inverse Hessian of BFGS from the diagonal by the remembered steps.
    fn covariance(&self) -> Vec<f64> {
        let d = self.diagonal.len();
        let mut h = vec![0.0; d * d];
        (0..d).for_each(|i| h[i * d + i] = self.diagonal[i]);
        for (step, change) in &self.pairs {
            let along = dot(step, change);
            let pulled: Vec<f64> = h.chunks_exact(d).map(|row| dot(row, change)).collect();
            let scale = (1.0 + dot(&pulled, change) / along) / along;
            for (i, row) in h.chunks_exact_mut(d).enumerate() {
                axpy(scale * step[i] - pulled[i] / along, step, row);
                axpy(-step[i] / along, &pulled, row);
            }
        }
        h
    }

    /// The normal at the mode that the slope at `z` and the covariance point to; `None` before the first step, or where rounding has made
    /// the covariance indefinite.
    fn normal(&self, z: &[f64], slope: &[f64]) -> Option<FullRank> {
        if self.pairs.is_empty() {
            return None;
        }
        let d = z.len();
        let mut covariance = self.covariance();
        let mean: Vec<f64> = z.iter().zip(covariance.chunks_exact(d)).map(|(z, row)| z - dot(row, slope)).collect();
        cholesky_in_place(&mut covariance, d, Ladder::Fixed(0.0), true).ok()?;
        Some(FullRank::from_chol(&mean, &covariance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_covariance_maps_the_last_change_to_the_last_step_and_is_symmetric() {
        // The slope of a quadratic, along four steps.
        let precision = [4.0, 1.0, 0.5, 1.0, 3.0, -0.2, 0.5, -0.2, 2.0];
        let slope = |z: &[f64]| -> Vec<f64> { precision.chunks_exact(3).map(|row| dot(row, z)).collect() };
        let path = [[1.0, 2.0, -1.0], [0.4, 1.1, 0.3], [0.3, -0.2, 0.5], [0.1, 0.1, -0.4], [0.0, 0.2, 0.1]];
        let mut curvature = Curvature::new(&path[0], 2);
        let mut before = slope(&path[0]);
        for z in &path[1..] {
            let after = slope(z);
            curvature.push(z, &before, &after);
            before = after;
        }
        let h = curvature.covariance();
        let (step, change) = curvature.pairs.back().unwrap();
        for i in 0..3 {
            assert!((dot(&h[3 * i..3 * i + 3], change) - step[i]).abs() < 1e-12);
            (0..3).for_each(|j| assert!((h[3 * i + j] - h[3 * j + i]).abs() < 1e-12));
        }
        assert_eq!(curvature.pairs.len(), 2);
        // On a quadratic every diagonal entry stays positive.
        assert!(curvature.diagonal.iter().all(|v| *v > 0.0));
    }
}
