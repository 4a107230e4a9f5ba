//! Chains driven by gradients from minibatches, without a Metropolis correction.

use super::chain::Record;
use super::draws::Draws;
use super::integrate::Point;
use super::nuts::Move;
use super::walk::{Walker, Way, check_starts, mean, walk};
use crate::score::Score;
use elbo_core::step::Batches;
use elbo_core::{Config, Error, ModelFile, Result, Rng, Run, Snapshot, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a gradient becomes a move.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Rule {
    /// Langevin dynamics (SGLD): $\theta \mathrel{+}= \tfrac{\epsilon}{2} s + \mathcal{N}(0, \epsilon)$ with the score $s$.
    Langevin,
    /// Langevin dynamics in the metric $G = 1 / (\delta + \sqrt V)$, $V$ a running mean of squared scores (pSGLD).
    Preconditioned {
        /// Weight of the past in the running mean.
        decay: f64,
        /// $\delta$, which bounds the metric where the score vanishes.
        floor: f64,
        /// Whether to add $\tfrac{\epsilon}{2}\Gamma$, $\Gamma_i = \sum_j \partial G_{ij} / \partial \theta_j$: two more scores
        /// a step. Without it the stationary distribution is another one.
        is_corrected: bool,
    },
    /// Langevin dynamics of second order (SGHMC), each unknown's step scaled during the burn-in by its squared scores:
    /// $v \leftarrow (1 - a) v + \eta s + \mathcal{N}(0, 2 \eta (a - \hat b))$, $\theta \mathrel{+}= v$,
    /// $\eta = \epsilon^2 / \sqrt{\hat V}$.
    Hamiltonian {
        /// $a$, in (0, 1): the share of the velocity lost at each step.
        friction: f64,
        /// Variance of the score's own noise, so that $\hat b = \eta\,\mathrm{noise} / 2$; zero when it is not known.
        noise: f64,
    },
}

/// Settings of sampling with stochastic gradients. The draws are biased by the step, and nothing corrects it: halve it and compare.
///
/// # Source
/// Welling and Teh (2011); Li et al. (2016), with the correction they leave out; Chen, Fox and Guestrin (2014) and Springenberg et
/// al. (2016).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stochastic {
    /// Independent chains.
    #[schemars(range(min = 1))]
    pub chains: usize,
    /// Steps thrown away at the start of each chain.
    pub burnin: usize,
    /// Draws kept of each chain.
    #[schemars(range(min = 1))]
    pub draws: usize,
    /// Steps from one kept draw to the next.
    #[schemars(range(min = 1))]
    pub thin: usize,
    /// Rows of data behind each gradient, where the score has rows.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// The step, $\epsilon$.
    pub step: f64,
    /// How a gradient becomes a move.
    pub rule: Rule,
}

impl Default for Stochastic {
    fn default() -> Self {
        Self::sgld()
    }
}

impl Stochastic {
    /// Langevin dynamics at step 0.01.
    pub fn sgld() -> Self {
        Self { chains: 4, burnin: 1000, draws: 1000, thin: 10, batch: 100, step: 1e-2, rule: Rule::Langevin }
    }

    /// Langevin dynamics in the metric of the running squared scores, corrected.
    pub fn psgld() -> Self {
        Self { rule: Rule::Preconditioned { decay: 0.99, floor: 1e-5, is_corrected: true }, ..Self::sgld() }
    }

    /// Second-order dynamics with friction 0.05 and a scale-adapted burn-in.
    pub fn sghmc() -> Self {
        Self { step: 0.1, rule: Rule::Hamiltonian { friction: 0.05, noise: 0.0 }, ..Self::sgld() }
    }
}

impl Config for Stochastic {
    fn check(&self) -> Result<()> {
        ensure_within("chains", self.chains, 1..=1000)?;
        ensure_within("draws", self.draws, 1..=1_000_000)?;
        ensure_within("thin", self.thin, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=1_000_000_000)?;
        ensure("step", self.step, self.step > 0.0 && self.step.is_finite(), "positive")?;
        match self.rule {
            Rule::Langevin => Ok(()),
            Rule::Preconditioned { decay, floor, .. } => {
                ensure_within("rule.decay", decay, 0.0..1.0)?;
                ensure("rule.floor", floor, floor > 0.0, "positive")
            }
            Rule::Hamiltonian { friction, noise } => {
                ensure("rule.friction", friction, friction > 0.0 && friction < 1.0, "in (0, 1)")?;
                ensure_within("rule.noise", noise, 0.0..)
            }
        }
    }
}

#[derive(Debug)]
struct Noisy {
    z: Vec<f64>,
    score: Vec<f64>,
    /// The rule's own arrays: squared scores; or velocity, window, mean score, squared scores.
    memory: Vec<Vec<f64>>,
    batches: Option<Batches>,
    rng: Rng,
    iteration: usize,
    record: Record,
}

impl Noisy {
    fn new(settings: &Stochastic, score: &dyn Score, z: Vec<f64>, rng: Rng) -> Self {
        let dim = score.dim();
        let memory = match settings.rule {
            Rule::Langevin => vec![],
            Rule::Preconditioned { .. } => vec![vec![0.0; dim]],
            Rule::Hamiltonian { .. } => vec![vec![0.0; dim], vec![1.0; dim], vec![0.0; dim], vec![1.0; dim]],
        };
        let batches = (score.rows() > 0).then(|| Batches::new(score.rows(), settings.batch));
        Self { z, score: vec![0.0; dim], memory, batches, rng, iteration: 0, record: Record::default() }
    }

    fn advance(&mut self, settings: &Stochastic, score: &dyn Score) -> Result<()> {
        let rows = self.batches.as_mut().map(|b| b.next(&mut self.rng).to_vec()).unwrap_or_default();
        score.score(&self.z, &rows, &mut self.score);
        let epsilon = settings.step;
        match settings.rule {
            Rule::Langevin => {
                for (z, s) in self.z.iter_mut().zip(&self.score) {
                    *z += 0.5 * epsilon * s + epsilon.sqrt() * self.rng.normal();
                }
            }
            Rule::Preconditioned { decay, floor, is_corrected } => {
                let curvature = is_corrected.then(|| diagonal_curvature(score, &self.z, &rows, &mut self.rng));
                let square = &mut self.memory[0];
                if self.iteration == 0 {
                    square.iter_mut().zip(&self.score).for_each(|(v, s)| *v = s * s);
                }
                for i in 0..self.z.len() {
                    let s = self.score[i];
                    square[i] = decay * square[i] + (1.0 - decay) * s * s;
                    let root = square[i].sqrt();
                    let metric = 1.0 / (floor + root);
                    // dG/dtheta = -G^2 / (2 sqrt V) dV/dtheta, dV/dtheta = 2 (1 - decay) s ds/dtheta.
                    let gamma = match &curvature {
                        Some(c) if root > 0.0 => -metric * metric * (1.0 - decay) * s * c[i] / root,
                        _ => 0.0,
                    };
                    self.z[i] += 0.5 * epsilon * (metric * s + gamma) + (epsilon * metric).sqrt() * self.rng.normal();
                }
            }
            Rule::Hamiltonian { friction, noise } => {
                let is_adapting = self.iteration < settings.burnin;
                let [velocity, window, mean, square] = &mut self.memory[..] else {
                    unreachable!("this rule has four arrays")
                };
                for i in 0..self.z.len() {
                    let s = self.score[i];
                    if is_adapting {
                        // One more than the window, so that no single score becomes the whole memory.
                        let rate = 1.0 / (window[i] + 1.0);
                        window[i] += 1.0 - window[i] * mean[i] * mean[i] / square[i];
                        mean[i] += rate * (s - mean[i]);
                        square[i] += rate * (s * s - square[i]);
                    }
                    let eta = epsilon * epsilon / square[i].sqrt();
                    let injected = friction - 0.5 * eta * noise;
                    if injected <= 0.0 {
                        return Err(Error::numerical(
                            format!(
                                "the gradient's noise {noise} is more than friction {friction} damps at step {epsilon}"
                            ),
                            "take a smaller `step`, or more `rule.friction`",
                        ));
                    }
                    velocity[i] += eta * s - friction * velocity[i] + (2.0 * eta * injected).sqrt() * self.rng.normal();
                    self.z[i] += velocity[i];
                }
            }
        }
        if !self.z.iter().all(|z| z.is_finite()) {
            return Err(Error::numerical(
                format!("a chain left the finite numbers after {} steps", self.iteration + 1),
                "take a smaller `step`",
            ));
        }
        self.iteration += 1;
        if self.iteration > settings.burnin && (self.iteration - settings.burnin).is_multiple_of(settings.thin) {
            let point = Point { position: self.z.clone(), gradient: vec![], log_density: f64::NAN };
            let per_step = if matches!(settings.rule, Rule::Preconditioned { is_corrected: true, .. }) { 3 } else { 1 };
            let steps = per_step * settings.thin as u64;
            self.record.push(&point, &Move { accept: 1.0, steps, energy: f64::NAN, ..Move::default() });
        }
        Ok(())
    }
}

/// An unbiased estimate of the diagonal of the score's Jacobian, from one random direction of signs.
fn diagonal_curvature(score: &dyn Score, z: &[f64], rows: &[usize], rng: &mut Rng) -> Vec<f64> {
    // Central differences: the error is of order h^2 beside rounding of order 1e-16 / h.
    const H: f64 = 1e-5;
    let signs: Vec<f64> = z.iter().map(|_| if rng.uniform() < 0.5 { -1.0 } else { 1.0 }).collect();
    let at = |h: f64| {
        let shifted: Vec<f64> = z.iter().zip(&signs).map(|(z, v)| z + h * v).collect();
        let mut out = vec![0.0; z.len()];
        score.score(&shifted, rows, &mut out);
        out
    };
    let (plus, minus) = (at(H), at(-H));
    signs.iter().zip(plus.iter().zip(&minus)).map(|(v, (p, m))| v * (p - m) / (2.0 * H)).collect()
}

impl Snapshot for Noisy {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.set(prefix, &(&self.z, &self.memory, &self.rng, self.iteration));
        if let Some(batches) = &self.batches {
            batches.save(file, &format!("{prefix}.batches"));
        }
        self.record.save(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        (self.z, self.memory, self.rng, self.iteration) = file.fact(prefix)?;
        if let Some(batches) = &mut self.batches {
            batches.restore(file, &format!("{prefix}.batches"))?;
        }
        self.record.restore(file, prefix)
    }
}

impl Walker for Noisy {
    fn iteration(&self) -> usize {
        self.iteration
    }
}

/// Draws with stochastic gradients, chains starting at these points `[D]`, one after the other.
///
/// The draws carry no log density: [`Draws::log_density`] is NaN.
///
/// # Errors
/// [`Error::Setting`] when a setting is out of range or starts have another length, [`Error::Numerical`] when a chain leaves the finite numbers,
/// [`Error::Stopped`] when the run was stopped before the first kept draw.
pub fn sample_stochastic(score: &dyn Score, settings: &Stochastic, start: &[Vec<f64>], run: &mut Run) -> Result<Draws> {
    settings.check()?;
    check_starts(start, score.dim())?;
    let base = run.rng.fork();
    let walker = |i: usize| Noisy::new(settings, score, start[i % start.len()].clone(), base.split(i as u64));
    let walkers = (0..settings.chains).map(walker).collect();
    let way = Way::new(settings.burnin + settings.draws * settings.thin, "gradient norm");
    let advance = |walker: &mut Noisy| walker.advance(settings, score);
    let square = |walker: &Noisy| walker.score.iter().map(|s| s * s).sum::<f64>();
    let objective = |walkers: &[Noisy]| mean(walkers, square).sqrt();
    let records = |walkers: Vec<Noisy>| walkers.into_iter().map(|walker| walker.record).collect();
    walk(walkers, way, advance, objective, |walkers| Draws::from_records(records(walkers), score.dim()), run)
}
