//! The evidence by annealed importance sampling: draws of an approximation walk over a bridge of densities to the target, and draws of the target
//! walk back.

use crate::diagnostics::effective_size;
use crate::family::Variational;
use crate::objective::Estimate;
use crate::target::LogDensity;
use elbo_core::{Error, Result, Rng, ensure, ensure_within};
use elbo_tensor::{Tensor, grad, with_grad};

/// Chains by which the lengths of transitions are tuned, and transitions before the first length is taken.
const PILOTS: usize = 32;
const FIRST: usize = 20;
/// Shortest length of a transition as a share of the tuned one: trajectories of one length may come back to where they began.
const SHORTEST: f64 = 0.4;

/// Settings of [`log_evidence`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bridge {
    /// Chains, each of which ends with one weight.
    pub chains: usize,
    /// Steps from the approximation to the target. One is importance sampling from the approximation.
    pub steps: usize,
    /// Leapfrog steps of the transition between two of them.
    pub leapfrogs: usize,
    /// Wanted share of accepted transitions, which tunes their length.
    pub accept: f64,
}

impl Default for Bridge {
    fn default() -> Self {
        Self { chains: 64, steps: 200, leapfrogs: 5, accept: 0.7 }
    }
}

impl Bridge {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("chains", self.chains, 2..=1_000_000)?;
        ensure_within("steps", self.steps, 1..=1_000_000)?;
        ensure_within("leapfrogs", self.leapfrogs, 1..=10_000)?;
        ensure("accept", self.accept, self.accept > 0.0 && self.accept < 1.0, "in (0, 1)")
    }

    /// The target's weight after `k` steps: short steps at both ends, where densities change most.
    fn weight(&self, k: usize) -> f64 {
        let s = k as f64 / self.steps as f64;
        s * s * (3.0 - 2.0 * s)
    }
}

/// What a bridge says of the evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The log evidence in nats: the logarithm of the mean weight, with its error by the delta method.
    pub log: Estimate,
    /// Log weight of each chain, in nats.
    pub log_weights: Vec<f64>,
    /// Share of the transitions that were accepted; NaN with one step, which has none.
    pub accepted: f64,
}

impl Evidence {
    /// How many equal weights these are worth: the estimate is to be trusted where this is not a small share of the chains.
    pub fn effective_draws(&self) -> f64 {
        effective_size(&self.log_weights)
    }
}

/// The log evidence $\log \int e^{\log p(z)} dz$ of a target, by annealed importance sampling from an approximation `q`.
///
/// $$ \log w = \sum_k (t_k - t_{k-1}) \, [\log p(z_{k-1}) - \log q(z_{k-1})], \qquad z_k \sim \text{a transition that keeps } q^{1 - t_k} p^{t_k} $$
///
/// The mean of `w` is the evidence for any number of steps and any transitions, so that its logarithm is below the log evidence on average; more steps
/// bring the weights together. Transitions are Hamiltonian, in units of the approximation's standard deviations; their lengths are tuned by chains that
/// give no weights. Costs `chains x steps x leapfrogs` gradients, and as many of the tuning with 32 chains.
///
/// # Errors
/// [`Error::Setting`] for settings out of range, and for approximations whose density is known at their own draws only, such as planar flows;
/// [`Error::Numerical`] when no draw of the approximation has a density under the target.
///
/// # Source
/// Neal (2001).
pub fn log_evidence(
    target: &dyn LogDensity,
    start: &dyn Variational,
    settings: &Bridge,
    rng: &mut Rng,
) -> Result<Evidence> {
    settings.check()?;
    let both = Ends::new(target, start)?;
    let tuned = both.tuned(settings, rng)?;
    both.forward(settings, &tuned, rng)
}

/// Bounds of the log evidence from both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Sandwich {
    /// From the approximation to the target: below the log evidence on average.
    pub lower: Evidence,
    /// From the target to the approximation: above the log evidence on average. Its log weights are of one over the evidence.
    pub upper: Evidence,
}

impl Sandwich {
    /// How far the bounds are apart in nats, with the error of that.
    pub fn gap(&self) -> Estimate {
        let (lower, upper) = (self.lower.log, self.upper.log);
        Estimate { value: upper.value - lower.value, error: lower.error.hypot(upper.error) }
    }
}

/// The log evidence between two bounds: [`log_evidence`] from below, and from above the same walk backwards, from exact draws of the target to the
/// approximation, whose mean weight is one over the evidence.
///
/// `exact` holds draws of the target `[n, D]`, row-major; chains start at them in turn. Where the data were simulated from the model, the unknowns that
/// they were simulated from are one exact draw, and the bound is above on average over such data. Draws of a sampler are exact as far as it has
/// converged. The errors are those of the weights given the draws: with fewer draws than chains they leave out how far the draws themselves differ.
///
/// Costs twice what [`log_evidence`] does, less the tuning, which both walks share.
///
/// # Errors
/// As [`log_evidence`], [`Error::Setting`] for exact draws of another length, and [`Error::Numerical`] when one of them
/// has no density under the target or the approximation.
///
/// # Source
/// Grosse, Ghahramani and Adams (2015), bidirectional Monte Carlo.
pub fn evidence_sandwich(
    target: &dyn LogDensity,
    start: &dyn Variational,
    exact: &[f64],
    settings: &Bridge,
    rng: &mut Rng,
) -> Result<Sandwich> {
    settings.check()?;
    let both = Ends::new(target, start)?;
    let found = format!("{} numbers for {} unknowns", exact.len(), target.dim());
    let is_whole = !exact.is_empty() && exact.len().is_multiple_of(target.dim());
    ensure("exact", found, is_whole, "one draw or more, each with one number an unknown")?;
    let tuned = both.tuned(settings, rng)?;
    let lower = both.forward(settings, &tuned, rng)?;
    let upper = both.backward(exact, settings, &tuned, rng)?;
    Ok(Sandwich { lower, upper })
}

/// Values `[S]` and gradients `[S, D]` of a log density at the points of all chains.
#[derive(Debug, Clone)]
pub(super) struct Slope {
    pub values: Vec<f64>,
    gradients: Vec<f64>,
}

/// Where all chains stand, `[S, D]`, and both ends of the bridge there.
#[derive(Debug, Clone)]
pub(super) struct Points {
    pub z: Vec<f64>,
    pub target: Slope,
    pub start: Slope,
}

impl Points {
    /// The log density of the bridge at one chain's point.
    fn value(&self, chain: usize, weight: f64) -> f64 {
        weight * self.target.values[chain] + (1.0 - weight) * self.start.values[chain]
    }

    /// Pushes the momenta along the bridge's gradient for half of a step of these lengths, one for each unknown of each chain.
    fn push(&self, momentum: &mut [f64], weight: f64, lengths: &[f64]) {
        let gradients = self.target.gradients.iter().zip(&self.start.gradients);
        for ((p, length), (target, start)) in momentum.iter_mut().zip(lengths).zip(gradients) {
            *p += 0.5 * length * (weight * target + (1.0 - weight) * start);
        }
    }

    /// The points of these chains, in this order; a chain may come more than once.
    pub fn chosen(&self, chains: &[usize], dim: usize) -> Self {
        let rows = |all: &[f64]| -> Vec<f64> {
            chains.iter().flat_map(|chain| &all[chain * dim..(chain + 1) * dim]).copied().collect()
        };
        let slope = |slope: &Slope| Slope {
            values: chains.iter().map(|chain| slope.values[*chain]).collect(),
            gradients: rows(&slope.gradients),
        };
        Self { z: rows(&self.z), target: slope(&self.target), start: slope(&self.start) }
    }

    /// Takes over one chain from `other`.
    fn take(&mut self, other: &Self, chain: usize, dim: usize) {
        let row = chain * dim..(chain + 1) * dim;
        self.z[row.clone()].copy_from_slice(&other.z[row.clone()]);
        for (to, from) in [(&mut self.target, &other.target), (&mut self.start, &other.start)] {
            to.values[chain] = from.values[chain];
            to.gradients[row.clone()].copy_from_slice(&from.gradients[row.clone()]);
        }
    }
}

/// Units of the unknowns, and the length of the transition after each step but the last.
#[derive(Debug, Default)]
struct Tuned {
    scale: Vec<f64>,
    lengths: Vec<f64>,
}

/// The two ends of a bridge.
pub(super) struct Ends<'a> {
    target: &'a dyn LogDensity,
    start: &'a dyn Variational,
}

impl<'a> Ends<'a> {
    /// Both ends of one dimension.
    pub fn new(target: &'a dyn LogDensity, start: &'a dyn Variational) -> Result<Self> {
        let dims = format!("{} of {} unknowns", start.title(), start.dim());
        ensure("start", dims, start.dim() == target.dim(), "as many unknowns as the target has")?;
        Ok(Self { target, start })
    }

    /// Weights of walks from the approximation to the target.
    fn forward(&self, settings: &Bridge, tuned: &Tuned, rng: &mut Rng) -> Result<Evidence> {
        let points = self.at(self.start.sample(settings.chains, rng).0.to_vec())?;
        let (log_weights, accepted) = self.walk(points, settings, tuned, false, rng)?;
        if log_weights.iter().all(|w| *w == f64::NEG_INFINITY) {
            return Err(Error::numerical(
                "no draw of the approximation has a density under the target",
                "fit the approximation first, or start from one on the target's support",
            ));
        }
        Ok(Evidence { log: Estimate::log_mean(&log_weights), log_weights, accepted })
    }

    /// Weights of walks from exact draws of the target to the approximation: of one over the evidence.
    fn backward(&self, exact: &[f64], settings: &Bridge, tuned: &Tuned, rng: &mut Rng) -> Result<Evidence> {
        let d = self.target.dim();
        let rows = exact.len() / d;
        let draws = (0..settings.chains).flat_map(|chain| &exact[chain % rows * d..][..d]).copied().collect();
        let points = self.at(draws)?;
        if !points.target.values.iter().chain(&points.start.values).all(|v| v.is_finite()) {
            return Err(Error::numerical(
                "an exact draw has no density under the target or under the approximation",
                "give draws of the target itself, and an approximation that is positive everywhere",
            ));
        }
        let (log_weights, accepted) = self.walk(points, settings, tuned, true, rng)?;
        let inverse = Estimate::log_mean(&log_weights);
        Ok(Evidence { log: Estimate { value: -inverse.value, error: inverse.error }, log_weights, accepted })
    }

    /// Walks all chains over the bridge, from the approximation, or back from the target; returns their log weights and the share of accepted
    /// transitions, NaN where there are none.
    fn walk(
        &self,
        mut points: Points,
        settings: &Bridge,
        tuned: &Tuned,
        is_backward: bool,
        rng: &mut Rng,
    ) -> Result<(Vec<f64>, f64)> {
        let mut log_weights = vec![0.0; settings.chains];
        let mut accepted = 0.0;
        for step in 1..=settings.steps {
            // The k-th stretch of the bridge lies between the densities k - 1 and k. The walk back meets the same densities in the other order.
            let k = if is_backward { settings.steps + 1 - step } else { step };
            let rise = settings.weight(k) - settings.weight(k - 1);
            let signed = if is_backward { -rise } else { rise };
            let values = points.target.values.iter().zip(&points.start.values);
            log_weights.iter_mut().zip(values).for_each(|(w, (p, q))| *w += signed * (p - q));
            if step < settings.steps {
                let next = if is_backward { k - 1 } else { k };
                let (weight, length) = (settings.weight(next), tuned.lengths[next - 1]);
                accepted += self.transition(&mut points, weight, length, &tuned.scale, settings.leapfrogs, rng)?;
            }
        }
        Ok((log_weights, accepted / (settings.steps - 1) as f64))
    }

    /// Both ends at points `[S, D]`.
    pub fn at(&self, z: Vec<f64>) -> Result<Points> {
        let d = self.target.dim();
        let (mut values, gradients) = self.target.values_and_gradients(&z);
        // Where the density does not exist there is no weight.
        values.iter_mut().filter(|v| v.is_nan()).for_each(|v| *v = f64::NEG_INFINITY);
        let start = with_grad(|| {
            let points = Tensor::from_slice(&z, &[z.len() / d, d]).variable();
            let log_prob = self.start.log_prob(&points)?;
            let gradients = grad(&log_prob.sum(), &[&points]).remove(0).to_vec();
            Some(Slope { values: log_prob.to_vec(), gradients })
        });
        let start = start.ok_or_else(|| Error::Setting {
            setting: "start".into(),
            found: self.start.title(),
            expected: "a family whose density is known at any point, such as a Gaussian or a coupling flow".into(),
        })?;
        Ok(Points { z, target: Slope { values, gradients }, start })
    }

    /// One Hamiltonian transition of every chain, which keeps the bridge's density at this weight. Returns the share that was accepted.
    pub fn transition(
        &self,
        points: &mut Points,
        weight: f64,
        length: f64,
        scale: &[f64],
        leapfrogs: usize,
        rng: &mut Rng,
    ) -> Result<f64> {
        let (d, chains) = (scale.len(), points.z.len() / scale.len());
        let each: Vec<f64> = (0..chains).map(|_| length * rng.range(SHORTEST, 1.0)).collect();
        let lengths: Vec<f64> = each.iter().flat_map(|length| scale.iter().map(move |s| length * s)).collect();
        let before = rng.normals(points.z.len());
        let mut momentum = before.clone();
        let mut next = points.clone();
        for _ in 0..leapfrogs {
            next.push(&mut momentum, weight, &lengths);
            let moved = next.z.iter().zip(&momentum).zip(&lengths).map(|((z, p), length)| z + length * p);
            next = self.at(moved.collect())?;
            next.push(&mut momentum, weight, &lengths);
        }
        let kinetic = |momentum: &[f64]| 0.5 * momentum.iter().map(|p| p * p).sum::<f64>();
        let mut accepted = 0;
        for chain in 0..chains {
            let row = chain * d..(chain + 1) * d;
            let fall = kinetic(&before[row.clone()]) - kinetic(&momentum[row]);
            if rng.uniform().ln() < next.value(chain, weight) - points.value(chain, weight) + fall {
                points.take(&next, chain, d);
                accepted += 1;
            }
        }
        Ok(f64::from(accepted) / chains as f64)
    }

    /// Lengths at which about the wanted share of transitions is accepted, found by chains that are thrown away. One step has no transition.
    fn tuned(&self, settings: &Bridge, rng: &mut Rng) -> Result<Tuned> {
        if settings.steps == 1 {
            return Ok(Tuned::default());
        }
        let rng = &mut rng.fork();
        let (z, d) = (self.start.sample(PILOTS, rng).0, self.target.dim());
        let scale = z.variance_axis(0, false, 1).sqrt().to_vec();
        let mut points = self.at(z.to_vec())?;
        let (mut log_length, mut lengths) = ((d as f64).powf(-0.25).ln(), vec![]);
        for k in 1..settings.steps {
            let times = if k == 1 { FIRST } else { 1 };
            for _ in 0..times {
                let (weight, length) = (settings.weight(k), log_length.exp());
                let share = self.transition(&mut points, weight, length, &scale, settings.leapfrogs, rng)?;
                log_length += 0.5 * (share - settings.accept);
            }
            lengths.push(log_length.exp());
        }
        Ok(Tuned { scale, lengths })
    }
}
