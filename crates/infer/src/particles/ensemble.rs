//! Ensemble Kalman methods: a forward model that is only run, never differentiated, seen through Gaussian noise.

use crate::rows::{mean_of, rows_of};
use elbo_core::{Config, Error, ModelFile, Progress, Result, Run, Snapshot, Step, Stop, drive, ensure, ensure_within};
use elbo_dist::MultivariateNormal;
use elbo_linalg::vector::{axpy, dot, norm};
use elbo_linalg::{Diagonal, MatMut, MatRef, Side, Triangle, gemm, trsm};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest step in units of the size of the coupling: an explicit step is stable up to two.
const STABLE: f64 = 0.5;

/// Largest deviation of an output, in standard deviations of its noise, at which an ensemble has become one point.
const COLLAPSED: f64 = 1e-9;

/// What an ensemble is moved to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kalman {
    /// Ensemble Kalman inversion (EKI): to the least squares within the span of the start; the prior is not looked at.
    Inversion,
    /// The ensemble Kalman sampler (EKS): to draws of the posterior, too close together by about `(D + 1) / N` of their covariance.
    Sampler,
    /// Affine-invariant Langevin dynamics (ALDI): the same with the drift that makes a finite ensemble exact; more than `D + 1` particles.
    #[default]
    Aldi,
}

/// Settings of ensemble Kalman methods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnsembleKalman {
    /// What the ensemble is moved to.
    pub method: Kalman,
    /// Steps, each one run of the forward model for every particle.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Time of one step of the samplers, whose covariance is too wide by about half of it; shortened while the ensemble is far away. Of no
    /// meaning for the inversion, whose steps are as long as is stable.
    pub step: f64,
    /// Steps of the samplers before ensembles are kept.
    pub warmup: usize,
    /// Steps from one kept ensemble to the next.
    #[schemars(range(min = 1))]
    pub thin: usize,
}

impl Default for EnsembleKalman {
    fn default() -> Self {
        Self { method: Kalman::default(), steps: 2000, step: 0.02, warmup: 500, thin: 50 }
    }
}

impl Config for EnsembleKalman {
    fn check(&self) -> Result<()> {
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure("step", self.step, self.step > 0.0 && self.step < 0.5, "in (0, 0.5)")?;
        ensure_within("warmup", self.warmup, 0..=1_000_000_000)?;
        ensure_within("thin", self.thin, 1..=1_000_000_000)
    }
}

/// Unknowns of a forward model that was seen through Gaussian noise: $y = G(\theta) + \eta$, $\eta \sim N(0, \Gamma)$, $\theta \sim N(m_0, P_0)$.
#[derive(Clone, Copy)]
pub struct InverseProblem<'a> {
    /// The forward model `G`, from unknowns `[D]` to outputs `[P]`.
    pub forward: &'a (dyn Fn(&[f64]) -> Vec<f64> + Sync),
    /// The data `[P]` as a mean, with the covariance of their noise.
    pub data: &'a MultivariateNormal,
    /// The prior of the unknowns, `[D]`.
    pub prior: &'a MultivariateNormal,
}

impl InverseProblem<'_> {
    /// Runs the forward model for every particle; outputs `[N, P]`.
    fn outputs(&self, points: &[f64]) -> Result<Vec<f64>> {
        let (d, p) = (self.prior.dimension(), self.data.dimension());
        let runs: Vec<Vec<f64>> = points.par_chunks_exact(d).map(|theta| (self.forward)(theta)).collect();
        if let Some(run) = runs.iter().find(|run| run.len() != p) {
            let found = format!("of {} outputs", run.len());
            ensure("forward", found, false, format!("of {p} outputs, one for each of the data"))?;
        }
        let outputs = runs.concat();
        match outputs.iter().position(|x| !x.is_finite()) {
            None => Ok(outputs),
            Some(i) => Err(Error::numerical(
                format!("output {} of the forward model is {} for particle {}", i % p + 1, outputs[i], i / p + 1),
                "start where the model is finite, or map constrained unknowns to the whole space",
            )),
        }
    }
}

/// Rows minus the mean of a normal, in units of its factor: $L^{-1} (x - m)$ for each row. `rows: [N, D]`.
fn whitened(normal: &MultivariateNormal, mut rows: Vec<f64>) -> Vec<f64> {
    let d = normal.dimension();
    let count = rows.len() / d;
    rows.chunks_exact_mut(d).for_each(|row| axpy(-1.0, normal.mean(), row));
    let factor = MatRef::row_major(normal.chol(), d, d);
    let columns = MatMut::row_major(&mut rows, count, d).transpose();
    trsm(Side::Left, Triangle::Lower, Diagonal::Stored, factor, columns);
    rows
}

/// Rows minus their mean, `[N, D]`.
fn centred(rows: &[f64], dim: usize) -> Vec<f64> {
    let mean = mean_of(rows, dim);
    let mut out = rows.to_vec();
    out.chunks_exact_mut(dim).for_each(|row| axpy(-1.0, &mean, row));
    out
}

/// An ensemble of particles, and those that samplers kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    /// The last particles, row-major `[N, D]`.
    pub points: Vec<f64>,
    /// Number of unknowns, `D`.
    pub dim: usize,
    /// Kept ensembles one after the other, row-major `[K N, D]`; none of the inversion.
    pub draws: Vec<f64>,
    /// Time that has gone by.
    pub time: f64,
    /// Runs of the forward model.
    pub evaluations: u64,
}

rows_of!(Ensemble, points);

impl Snapshot for Ensemble {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.points.save(file, &format!("{prefix}.points"));
        self.draws.save(file, &format!("{prefix}.draws"));
        file.put(&format!("{prefix}.time"), &[1], &[self.time]);
        file.set(prefix, &(self.dim, self.evaluations));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        let (numbers, dim) = (self.points.len(), self.dim);
        self.points.restore(file, &format!("{prefix}.points"))?;
        self.draws.restore(file, &format!("{prefix}.draws"))?;
        self.time.restore(file, &format!("{prefix}.time"))?;
        (self.dim, self.evaluations) = file.fact(prefix)?;
        if self.points.len() == numbers && self.dim == dim {
            return Ok(());
        }
        Err(Error::misfit(format!("an ensemble of {} numbers where there are {numbers}", self.points.len())))
    }
}

struct Update<'a> {
    problem: &'a InverseProblem<'a>,
    settings: &'a EnsembleKalman,
}

impl Update<'_> {
    fn is_sampler(&self) -> bool {
        self.settings.method != Kalman::Inversion
    }

    /// Whitened residuals of every particle, `[N, W]`: of the data, and for samplers of the prior's mean. Half their squares is the potential, for the
    /// inversion the misfit alone. The second number is the mean misfit.
    fn residuals(&self, points: &[f64]) -> Result<(Vec<f64>, f64)> {
        let (d, p) = (self.problem.prior.dimension(), self.problem.data.dimension());
        let misfits = whitened(self.problem.data, self.problem.outputs(points)?);
        let misfit = 0.5 * dot(&misfits, &misfits) / (points.len() / d) as f64;
        if !self.is_sampler() {
            return Ok((misfits, misfit));
        }
        let from_prior = whitened(self.problem.prior, points.to_vec());
        let both = misfits.chunks_exact(p).zip(from_prior.chunks_exact(d));
        Ok((both.flat_map(|(misfit, prior)| misfit.iter().chain(prior)).copied().collect(), misfit))
    }

    /// How each particle moves along the deviations of all from their mean, `[N, N]`, and the time that takes; `None` where nothing moves.
    fn mixture(&self, residuals: &[f64], count: usize, run: &mut Run) -> Result<Option<(Vec<f64>, f64)>> {
        let (n, width) = (count as f64, residuals.len() / count);
        let deviations = centred(residuals, width);
        let mut mixture = vec![0.0; count * count];
        let all = MatRef::row_major(residuals, count, width);
        let others = MatRef::row_major(&deviations, count, width).transpose();
        gemm(MatMut::row_major(&mut mixture, count, count), 1.0 / n, all, others, 0.0);
        let size = norm(&mixture);
        if !size.is_finite() {
            return Err(Error::numerical(
                "the residuals of the ensemble are too large to be multiplied",
                "start nearer to the data, or look for noise that is far too small",
            ));
        }
        // What is left of the deviations would be rounding, along which steps of any length could go.
        if !self.is_sampler() && deviations.iter().all(|v| v.abs() < COLLAPSED) {
            return Ok(None);
        }
        let longest = STABLE / size;
        let time = if self.is_sampler() { longest.min(self.settings.step) } else { longest };
        mixture.iter_mut().for_each(|c| *c *= -time);
        if self.is_sampler() {
            axpy((2.0 * time / n).sqrt(), &run.rng.normals(count * count), &mut mixture);
        }
        if self.settings.method == Kalman::Aldi {
            let outwards = time * (self.problem.prior.dimension() + 1) as f64 / n;
            (0..count).for_each(|i| mixture[i * count + i] += outwards);
        }
        Ok(Some((mixture, time)))
    }
}

impl Step<Ensemble> for Update<'_> {
    /// Steps done.
    type State = usize;

    fn init(&self, _: &mut Ensemble, _: &mut Run) -> Result<usize> {
        Ok(0)
    }

    fn step(&self, ensemble: &mut Ensemble, done: &mut usize, run: &mut Run) -> Result<Progress> {
        let (count, d) = (ensemble.len(), ensemble.dim);
        let (residuals, misfit) = self.residuals(&ensemble.points)?;
        *done += 1;
        ensemble.evaluations += count as u64;
        let Some((mixture, time)) = self.mixture(&residuals, count, run)? else {
            return Ok(Progress { objective: misfit, converged: true });
        };
        let deviations = centred(&ensemble.points, d);
        let before = ensemble.points.clone();
        let mixture = MatRef::row_major(&mixture, count, count);
        let deviations = MatRef::row_major(&deviations, count, d);
        gemm(MatMut::row_major(&mut ensemble.points, count, d), 1.0, mixture, deviations, 1.0);
        ensemble.time += time;
        if ensemble.points.iter().any(|x| !x.is_finite()) {
            return Err(Error::numerical(
                format!("a particle left the finite numbers at step {done}"),
                "take a shorter `step`, or start nearer to the posterior",
            ));
        }
        let EnsembleKalman { warmup, thin, .. } = *self.settings;
        if self.is_sampler() && *done > warmup && (*done - warmup).is_multiple_of(thin) {
            ensemble.draws.extend_from_slice(&ensemble.points);
        }
        Ok(Progress { objective: misfit, converged: !self.is_sampler() && ensemble.points == before })
    }
}

/// Refuses ensembles that cannot move as the method says.
fn check_start(problem: &InverseProblem<'_>, settings: &EnsembleKalman, start: &[Vec<f64>]) -> Result<()> {
    let d = problem.prior.dimension();
    ensure_within("data", problem.data.dimension(), 1..)?;
    ensure_within("prior", d, 1..)?;
    let lengths: Vec<usize> = start.iter().map(Vec::len).collect();
    let are_alike = lengths.iter().all(|length| *length == d);
    ensure("start", format!("of lengths {lengths:?}"), are_alike, format!("points of {d} numbers each, as the prior"))?;
    let least = if settings.method == Kalman::Aldi { d + 2 } else { 2 };
    ensure("start", format!("{} points", start.len()), start.len() >= least, format!("{least} points or more"))?;
    let is_finite = start.iter().flatten().all(|x| x.is_finite());
    ensure("start", "infinite or not a number somewhere", is_finite, "points of finite numbers")?;
    let differ = start.iter().any(|point| *point != start[0]);
    ensure("start", "one point many times", differ, "points that differ, such as draws of the prior")
}

/// Moves an ensemble to the solution of an inverse problem, or to draws of its posterior, by runs of the forward model alone.
///
/// $$ \theta_k' = \theta_k - \Delta t\, [C_{\theta G} \Gamma^{-1} (G(\theta_k) - y) + C P_0^{-1} (\theta_k - m_0)]
///    + \Delta t\, \tfrac{D + 1}{N} (\theta_k - \bar\theta) + \sqrt{2 \Delta t / N}\, (\Theta - \bar\theta)\, \xi_k $$
///
/// $C$ is the ensemble's covariance and $C_{\theta G}$ that with its outputs, both over `N`; $\xi_k$ are `N` standard normals. [`Kalman::Inversion`] has the
/// first term alone, [`Kalman::Sampler`] all but the one with `D + 1`, [`Kalman::Aldi`] all. Every move is a combination of the ensemble's deviations
/// from its mean, so that particles never leave their span, and an affine map of the unknowns, with forward model and prior, maps the results.
///
/// Where the forward model is linear, ALDI has the posterior for any `N > D + 1`, and EKS for many particles, but for the length of the step; the
/// inversion ends in the least squares within the span, which fit the noise where data are few; it is done when all outputs agree to a thousand-millionth of their noise. A curved model is replaced by the line that the ensemble sees, so
/// that the answer is an approximation of the posterior with an error that no more particles or steps remove. The time of a step is `step`, but at most
/// half over the size of the coupling $D_{kj} = \langle G_j - \bar G, G_k - y \rangle_\Gamma / N$; of the inversion that alone.
///
/// # Shapes
/// `start`: `N` points `[D]`, such as draws of the prior. Costs `N` runs a step, in parallel, and $N^2 (P + D)$ operations.
///
/// # Errors
/// [`Error::Setting`] for settings out of range, starts of another dimension, too few or all the same, and a forward model with another number of outputs than there are
/// data; [`Error::Numerical`] where an output is not finite or a particle leaves the finite numbers; [`Error::Stopped`] when the run was stopped before the first step.
///
/// # Source
/// Iglesias, Law and Stuart (2013) and Schillings and Stuart (2017) for EKI; Garbuno-Inigo, Hoffmann, Li and Stuart (2020) for EKS; Garbuno-Inigo,
/// Nüsken and Reich (2020) for ALDI; Kovachki and Stuart (2019) for steps by the size of the coupling. Deviations: the prior's pull is explicit, as the data's is;
/// the inversion does not perturb the data; the samplers' step is constant where that is stable, since a step that follows the ensemble would shift what it samples.
///
/// ```
/// use elbo_core::{Rng, Run};
/// use elbo_dist::MultivariateNormal;
/// use elbo_infer::particles::{EnsembleKalman, InverseProblem, ensemble_kalman};
/// // One unknown with a standard normal prior, of which 2 was seen with noise of variance 1: the posterior is N(1, 1/2).
/// let normal = |mean: f64| MultivariateNormal::new(vec![mean], vec![1.0]);
/// let (data, prior) = (normal(2.0), normal(0.0));
/// let problem = InverseProblem { forward: &|theta| theta.to_vec(), data: &data, prior: &prior };
/// let mut rng = Rng::new(1);
/// let start: Vec<Vec<f64>> = (0..50).map(|_| prior.sample(&mut rng)).collect();
/// let found = ensemble_kalman(&problem, &EnsembleKalman::default(), &start, &mut Run::new(1))?;
/// let mean = found.draws.iter().sum::<f64>() / found.draws.len() as f64;
/// assert!((mean - 1.0).abs() < 0.1);
/// # Ok::<(), elbo_core::Error>(())
/// ```
pub fn ensemble_kalman(
    problem: &InverseProblem<'_>,
    settings: &EnsembleKalman,
    start: &[Vec<f64>],
    run: &mut Run,
) -> Result<Ensemble> {
    settings.check()?;
    check_start(problem, settings, start)?;
    let dim = problem.prior.dimension();
    let mut ensemble = Ensemble { points: start.concat(), dim, draws: vec![], time: 0.0, evaluations: 0 };
    let stop = Stop::after(settings.steps, "ensemble Kalman", "mean misfit");
    drive(&Update { problem, settings }, &mut ensemble, &stop, run)?;
    let is_sampler = settings.method != Kalman::Inversion;
    if is_sampler && ensemble.draws.is_empty() {
        run.warn("no ensemble was kept, but for the last one in `points`: take more steps than `warmup` and `thin`");
    }
    if is_sampler && start.len() <= dim {
        run.warn(format!("{} particles stay in their span, which does not fill {dim} unknowns", start.len()));
    }
    Ok(ensemble)
}
