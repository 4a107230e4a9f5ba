//! An update as a step of the driver.

use super::expectation::{Energy, Expectation};
use super::law::{Gaussian, product};
use super::updates::{Rule, low_rank_hessian};
use crate::target::{LogDensity, Parted};
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Snapshot, Step, ensure_within};
use elbo_linalg::{MatRef, syevd};

/// Growth of the total variance, relative to the start or one, beyond which the posterior is taken for improper.
const IMPROPER: f64 = 1e12;
/// Rises of the objective after which the step is halved.
const RISES: usize = 3;
/// The series of the gradient's norm.
const GRADIENT_NORM: &str = "gradient norm";
/// A relative rise that is no more than rounding.
const ROUNDING: f64 = 1e-11;

/// The Gaussian under way, and the mean of the iterates of a random run.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianFit {
    /// The current Gaussian.
    pub current: Gaussian,
    average: Option<Gaussian>,
    averaged: usize,
}

impl GaussianFit {
    /// Starts at a Gaussian.
    pub fn new(start: Gaussian) -> Self {
        Self { current: start, average: None, averaged: 0 }
    }

    /// The answer: the average of iterates where the run is random and has averaged any, else the current Gaussian.
    pub fn answer(&self) -> &Gaussian {
        self.average.as_ref().unwrap_or(&self.current)
    }

    /// Takes the current iterate into the average of means and of covariances.
    fn absorb(&mut self) {
        self.averaged += 1;
        let share = 1.0 / self.averaged as f64;
        let average = self.average.get_or_insert_with(|| self.current.clone());
        let towards = |a: &mut [f64], b: &[f64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += share * (b - *a));
        towards(&mut average.mean, &self.current.mean);
        towards(&mut average.covariance, &self.current.covariance);
    }
}

impl Snapshot for GaussianFit {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.current.save(file, &format!("{prefix}.current"));
        file.set(&format!("{prefix}.averaged"), &self.averaged);
        if let Some(average) = &self.average {
            average.save(file, &format!("{prefix}.average"));
        }
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.current.restore(file, &format!("{prefix}.current"))?;
        self.averaged = file.fact(&format!("{prefix}.averaged"))?;
        self.average = None;
        if self.averaged > 0 {
            let mut average = self.current.clone();
            average.restore(file, &format!("{prefix}.average"))?;
            self.average = Some(average);
        }
        Ok(())
    }
}

/// Rows of the data that a step is taken from, drawn anew for each step and without replacement in it.
#[derive(Clone, Copy)]
pub struct Minibatch<'a> {
    /// The target of [`GaussianSteps`], whose rows may be taken in parts.
    pub target: &'a dyn Parted,
    /// Rows a step; all where there are no more.
    pub rows: usize,
}

/// Repeats an update of a Gaussian; the objective reported is `F`, to be lowered.
///
/// A second series, `gradient norm`, is that of the gradient in the Wasserstein metric, $(\|g\|^2 + \mathrm{tr}((H - S^{-1}) S (H - S^{-1})))^{1/2}$, from the
/// second step on wherever the objective is looked at. It is by the expectations of the step, so that of a random run it falls to their noise, not to zero.
///
/// The step is halved, with a warning, when `F` has risen three times (a random run: in a row, and lies a nat per unknown above its
/// best), and the best Gaussian so far is taken up again; or when an update fails.
///
/// A run is random where expectations are by draws, or rows by a [`Minibatch`]. With one the objective, which takes all rows, is looked at once for as
/// many steps as take all rows, and stands still between.
pub struct GaussianSteps<'a> {
    /// The log density.
    pub target: &'a dyn LogDensity,
    /// The update.
    pub rule: Rule,
    /// How expectations are taken.
    pub expectation: Expectation,
    /// Step length at the start.
    pub eta: f64,
    /// Rows of each step; all without one.
    pub batch: Option<Minibatch<'a>>,
    /// Eigenvalues of the Hessian that are kept, as [`low_rank_hessian`] does; all without a number.
    pub rank: Option<usize>,
    /// Draws, the same at each step, by which a random run's objective is watched; of no meaning for a deterministic one.
    pub watched: usize,
    /// Iterates from this step on are averaged in a random run.
    pub average_from: usize,
    /// A deterministic run has converged below this squared norm of the gradient.
    pub tolerance: f64,
}

impl<'a> GaussianSteps<'a> {
    /// Forward-backward steps with one draw each, watched by 64 draws and averaged from the middle of `steps`.
    pub fn stochastic(target: &'a dyn LogDensity, eta: f64, steps: usize) -> Self {
        Self {
            target,
            rule: Rule::ForwardBackward,
            expectation: Expectation::Draws { count: 1 },
            eta,
            batch: None,
            rank: None,
            watched: 64,
            average_from: steps / 2,
            tolerance: 0.0,
        }
    }

    /// The same with expectations that are not random.
    pub fn deterministic(target: &'a dyn LogDensity, expectation: Expectation, eta: f64) -> Self {
        Self { expectation, tolerance: 1e-16, ..Self::stochastic(target, eta, usize::MAX) }
    }

    fn is_random(&self) -> bool {
        !self.expectation.is_deterministic() || self.batch.is_some()
    }

    /// Steps from one look at the objective to the next.
    fn steps_a_look(&self) -> usize {
        self.batch.map_or(1, |batch| batch.target.rows().div_ceil(batch.rows.max(1)).max(1))
    }

    /// The expectations of a step, from its rows, with the Hessian that the step takes.
    fn energy(&self, q: &Gaussian, rng: &mut Rng) -> Result<Energy> {
        let mut energy = match self.batch {
            None => self.expectation.energy(self.target, q, rng)?,
            Some(batch) => {
                ensure_within("batch", batch.rows, 1..)?;
                let all = batch.target.rows();
                let rows = rng.choose(all, batch.rows.min(all));
                self.expectation.energy(batch.target.part(&rows).as_ref(), q, rng)?
            }
        };
        if let Some(rank) = self.rank {
            let hessian = low_rank_hessian(&energy.hessian, q.dim(), rank)?;
            // The objective of a potential with this curvature, which is what the steps lower.
            let change = hessian.iter().zip(&energy.hessian).zip(&q.covariance).map(|((new, old), s)| (new - old) * s);
            energy.value += 0.5 * change.sum::<f64>();
            energy.hessian = hessian;
        }
        Ok(energy)
    }

    /// The objective `F` at a Gaussian: by the deterministic rule, or by the watched draws.
    fn objective(&self, q: &Gaussian, energy: &Energy, noise: &[f64]) -> Result<f64> {
        let value = if self.is_random() {
            let (values, _) = self.target.values_and_gradients(&q.at(noise)?);
            -values.iter().sum::<f64>() / values.len() as f64
        } else {
            energy.value
        };
        Ok(value - 0.5 * q.log_det()?)
    }
}

/// Memory between steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    eta: f64,
    last: f64,
    best: f64,
    rises: usize,
    steps: usize,
    start: f64,
    noise: Vec<f64>,
    /// Where the objective was best.
    best_at: Gaussian,
}

impl Snapshot for Watch {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.put(&format!("{prefix}.numbers"), &[4], &[self.eta, self.last, self.best, self.start]);
        file.set(&format!("{prefix}.counts"), &(self.rises, self.steps));
        self.noise.save(file, &format!("{prefix}.noise"));
        self.best_at.save(file, &format!("{prefix}.best"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let numbers = file.get(&format!("{prefix}.numbers"))?;
        let [eta, last, best, start] = numbers[..] else {
            return Err(Error::model_file("the checkpoint of Gaussian steps is damaged", "start again"));
        };
        (self.eta, self.last, self.best, self.start) = (eta, last, best, start);
        (self.rises, self.steps) = file.fact(&format!("{prefix}.counts"))?;
        self.noise.restore(file, &format!("{prefix}.noise"))?;
        self.best_at.restore(file, &format!("{prefix}.best"))
    }
}

fn trace(q: &Gaussian) -> f64 {
    let d = q.dim();
    (0..d).map(|i| q.covariance[i * d + i]).sum()
}

impl Step<GaussianFit> for GaussianSteps<'_> {
    type State = Watch;

    fn init(&self, model: &mut GaussianFit, run: &mut Run) -> Result<Watch> {
        let watched = if self.is_random() { self.watched.max(1) } else { 0 };
        Ok(Watch {
            eta: self.eta,
            last: f64::INFINITY,
            best: f64::INFINITY,
            rises: 0,
            steps: 0,
            start: trace(&model.current).max(1.0),
            noise: run.rng.normals(watched * model.current.dim()),
            best_at: model.current.clone(),
        })
    }

    fn step(&self, model: &mut GaussianFit, watch: &mut Watch, run: &mut Run) -> Result<Progress> {
        let is_random = self.is_random();
        let mut energy = self.energy(&model.current, &mut run.rng)?;
        let is_looked_at = watch.steps.is_multiple_of(self.steps_a_look());
        let mut objective =
            if is_looked_at { self.objective(&model.current, &energy, &watch.noise)? } else { watch.last };
        watch.steps += 1;
        if objective > watch.last + ROUNDING * watch.last.abs().max(1.0) {
            watch.rises += 1;
        } else if is_random && is_looked_at {
            watch.rises = 0;
        }
        watch.last = objective;
        if objective < watch.best {
            watch.best = objective;
            watch.best_at.clone_from(&model.current);
        }
        let margin = if is_random { model.current.dim() as f64 } else { 0.0 };
        let halve = |watch: &mut Watch, run: &mut Run| {
            watch.eta *= 0.5;
            watch.rises = 0;
            run.warn("the step length was too long for this posterior and was halved");
        };
        if watch.rises >= RISES && objective > watch.best + margin {
            halve(watch, run);
            model.current.clone_from(&watch.best_at);
            energy = self.energy(&model.current, &mut run.rng)?;
            objective = watch.best;
            watch.last = objective;
        }
        let q = &model.current;
        if !is_random || is_looked_at {
            let squared = gradient_norm(q, &energy, self.rule == Rule::Diagonal)?;
            // The first series of a run is its objective, which the driver records after the first step.
            if watch.steps > 1 {
                run.metric(GRADIENT_NORM, watch.steps as f64, squared.max(0.0).sqrt());
            }
            if !is_random && squared < self.tolerance {
                return Ok(Progress { objective, converged: true });
            }
        }
        let mut eta = watch.eta;
        if !matches!(self.rule, Rule::Natural | Rule::Newton) {
            // Beyond the inverse curvature there are wrong fixed points, at which the objective does not even rise.
            let curvature = largest(&energy.hessian, q.dim())?;
            if eta * curvature > 1.0 + ROUNDING {
                eta = 1.0 / curvature;
                run.warn("the step length is above the inverse of the curvature; shorter steps are taken there");
            }
        }
        match self.rule.step(q, &energy.gradient, &energy.hessian, eta) {
            Ok(next) if next.mean.iter().chain(&next.covariance).all(|v| v.is_finite()) && next.chol().is_ok() => {
                model.current = next;
            }
            Err(error) if !error.is_recoverable() => return Err(error),
            _ => halve(watch, run),
        }
        // A covariance that grows while the objective rises is a step too long, not a fault of the posterior.
        if watch.rises == 0 && trace(&model.current) > IMPROPER * watch.start {
            return Err(Error::numerical(
                "the covariance grows without bound: the posterior is improper or not log-concave here",
                "give proper priors to every unknown, or start elsewhere",
            ));
        }
        if is_random && watch.steps > self.average_from {
            model.absorb();
        }
        Ok(Progress { objective, converged: false })
    }
}

/// Squared norm of the gradient in the Wasserstein metric, $\|g\|^2 + \mathrm{tr}((H - S^{-1}) S (H - S^{-1}))$; among independent unknowns with the
/// diagonals of both matrices.
fn gradient_norm(q: &Gaussian, energy: &Energy, is_diagonal: bool) -> Result<f64> {
    let d = q.dim();
    let precision = q.precision()?;
    let excess = |ij: usize| {
        let is_felt = !is_diagonal || ij / d == ij % d;
        if is_felt { energy.hessian[ij] - precision[ij] } else { 0.0 }
    };
    let excess: Vec<f64> = (0..d * d).map(excess).collect();
    let pushed = product(&excess, &q.covariance, d);
    let of_covariance: f64 = pushed.iter().zip(&excess).map(|(a, b)| a * b).sum();
    Ok(energy.gradient.iter().map(|g| g * g).sum::<f64>() + of_covariance)
}

/// The largest eigenvalue of $\nabla^2 V$ at a point: its inverse is a step length that a quadratic of that curvature allows. By
/// differences of the gradient where the target has no Hessian.
///
/// # Errors
/// [`Error::Numerical`] where the target does not exist there, or has no positive curvature.
pub fn largest_curvature(target: &dyn LogDensity, z: &[f64]) -> Result<f64> {
    let d = z.len();
    let hessian = target.hessian(z).unwrap_or_else(|| {
        let slope = |i: usize, delta: f64| {
            let mut at = z.to_vec();
            at[i] += delta;
            target.values_and_gradients(&at).1
        };
        let h = 1e-5;
        let mut rows: Vec<f64> = (0..d)
            .flat_map(|i| {
                slope(i, h).into_iter().zip(slope(i, -h)).map(|(a, b)| (a - b) / (2.0 * h)).collect::<Vec<_>>()
            })
            .collect();
        super::law::symmetrise(&mut rows, d);
        rows
    });
    let potential: Vec<f64> = hessian.iter().map(|h| -h).collect();
    let largest = largest(&potential, d)?;
    if largest > 0.0 {
        return Ok(largest);
    }
    Err(Error::numerical(
        "the posterior has no positive curvature at the start: it is improper or not log-concave here",
        "give proper priors to every unknown, or start elsewhere",
    ))
}

/// The largest eigenvalue of a symmetric matrix.
fn largest(a: &[f64], d: usize) -> Result<f64> {
    Ok(syevd(MatRef::row_major(a, d, d))?.values.last().copied().unwrap_or(f64::NAN))
}
