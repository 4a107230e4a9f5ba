//! Paths of hidden states: particle filters, and particle Gibbs with ancestor sampling.

use super::transition::Transition;
use elbo_core::{Error, Result, Rng, ensure, ensure_within};
use std::ops::Range;

/// Hidden states, one after the other, each seen through data. All densities in nats.
pub trait StateSpace: Sync {
    /// Numbers in a state, `L`.
    fn dim(&self) -> usize;

    /// Number of states, `T`.
    fn times(&self) -> usize;

    /// Draws the first state `[L]`.
    fn first(&self, state: &mut [f64], rng: &mut Rng);

    /// Draws the state at `time`, from one on, given the one before.
    fn next(&self, time: usize, before: &[f64], state: &mut [f64], rng: &mut Rng);

    /// Log density of [`StateSpace::next`].
    fn log_next(&self, time: usize, before: &[f64], state: &[f64]) -> f64;

    /// Log density of the data at `time`, from zero on, given the state; zero where there are none.
    fn log_observed(&self, time: usize, state: &[f64]) -> f64;
}

impl<M: StateSpace + ?Sized> StateSpace for &M {
    fn dim(&self) -> usize {
        (**self).dim()
    }
    fn times(&self) -> usize {
        (**self).times()
    }
    fn first(&self, state: &mut [f64], rng: &mut Rng) {
        (**self).first(state, rng);
    }
    fn next(&self, time: usize, before: &[f64], state: &mut [f64], rng: &mut Rng) {
        (**self).next(time, before, state, rng);
    }
    fn log_next(&self, time: usize, before: &[f64], state: &[f64]) -> f64 {
        (**self).log_next(time, before, state)
    }
    fn log_observed(&self, time: usize, state: &[f64]) -> f64 {
        (**self).log_observed(time, state)
    }
}

/// Sums of weights up to each particle, for drawing one of them.
struct Lots(Vec<f64>);

impl Lots {
    /// From log weights, and the logarithm of their mean.
    fn new(log_weights: &[f64], time: usize) -> Result<(Self, f64)> {
        // A particle without a density has no weight.
        let largest = log_weights.iter().copied().filter(|l| !l.is_nan()).fold(f64::NEG_INFINITY, f64::max);
        if !largest.is_finite() {
            return Err(Error::numerical(
                format!("none of {} particles has a density at time {time}", log_weights.len()),
                "take more particles, or a model under which the data are possible",
            ));
        }
        let mut total = 0.0;
        let sums: Vec<f64> = log_weights
            .iter()
            .map(|l| {
                total += if l.is_nan() { 0.0 } else { (l - largest).exp() };
                total
            })
            .collect();
        Ok((Self(sums), largest + (total / log_weights.len() as f64).ln()))
    }

    fn draw(&self, rng: &mut Rng) -> usize {
        let at = rng.uniform() * self.0[self.0.len() - 1];
        // Rounding may leave the last sum at the mark.
        self.0.partition_point(|sum| *sum <= at).min(self.0.len() - 1)
    }
}

/// A path drawn by particles, and the log of their estimate of the density of the data. The last particle is `kept`, where there is one.
fn pass(model: &dyn StateSpace, kept: Option<&[f64]>, particles: usize, rng: &mut Rng) -> Result<(Vec<f64>, f64)> {
    let (l, times) = (model.dim(), model.times());
    let free = particles - usize::from(kept.is_some());
    let row = |i: usize| i * l..(i + 1) * l;
    let mut states = vec![0.0; times * particles * l];
    let mut ancestors = vec![0; times * particles];
    let mut log_weights = vec![0.0; particles];
    let mut log_evidence = 0.0;
    for t in 0..times {
        let (past, rest) = states.split_at_mut(t * particles * l);
        let now = &mut rest[..particles * l];
        if t == 0 {
            (0..free).for_each(|i| model.first(&mut now[row(i)], rng));
        } else {
            let before = &past[(t - 1) * particles * l..];
            let (lots, _) = Lots::new(&log_weights, t - 1)?;
            let parents = &mut ancestors[t * particles..(t + 1) * particles];
            for i in 0..free {
                parents[i] = lots.draw(rng);
                model.next(t, &before[row(parents[i])], &mut now[row(i)], rng);
            }
            if let Some(kept) = kept {
                // The kept state takes a parent anew, in proportion to how well each leads to it.
                let state = &kept[row(t)];
                let leads = |i: usize| log_weights[i] + model.log_next(t, &before[row(i)], state);
                let joint: Vec<f64> = (0..particles).map(leads).collect();
                parents[free] = Lots::new(&joint, t)?.0.draw(rng);
            }
        }
        if let Some(kept) = kept {
            now[row(free)].copy_from_slice(&kept[row(t)]);
        }
        log_weights = (0..particles).map(|i| model.log_observed(t, &now[row(i)])).collect();
        log_evidence += Lots::new(&log_weights, t)?.1;
    }
    let mut path = vec![0.0; times * l];
    let mut at = Lots::new(&log_weights, times - 1)?.0.draw(rng);
    for t in (0..times).rev() {
        path[row(t)].copy_from_slice(&states[row(t * particles + at)]);
        at = ancestors[t * particles + at];
    }
    Ok((path, log_evidence))
}

/// A bootstrap particle filter: a path `[T, L]`, of about the posterior with many particles, and the logarithm of an unbiased estimate of the density
/// of all data.
///
/// # Errors
/// [`Error::Numerical`] when no particle has a density at some time, [`Error::Setting`] without a particle or a time.
///
/// # Source
/// Gordon, Salmond and Smith (1993); particles are chosen anew at every time, each by itself.
pub fn particle_filter(model: &dyn StateSpace, particles: usize, rng: &mut Rng) -> Result<(Vec<f64>, f64)> {
    ensure_within("particles", particles, 1..)?;
    ensure_within("times", model.times(), 1..)?;
    pass(model, None, particles, rng)
}

type Build<'a> = dyn Fn(&[f64]) -> Box<dyn StateSpace + 'a> + Sync + 'a;

/// Particle Gibbs with ancestor sampling: a transition of a path of hidden states that leaves its posterior as it is for any number of particles from
/// two on; more of them mix faster.
///
/// The path is a stretch of the state; the other unknowns may be the model's, and are moved by other parts of a [`Gibbs`](super::Gibbs) sweep.
///
/// # Source
/// Lindsten, Jordan and Schön (2014), with the model's own dynamics as proposals.
pub struct ParticleGibbs<'a> {
    model: Box<Build<'a>>,
    path: Range<usize>,
    particles: usize,
}

impl<'a> ParticleGibbs<'a> {
    /// `model` makes the model from the whole state; `path` is where its states `[T, L]` lie in it. Two particles at
    /// least: the kept path and one more.
    pub fn new<M: StateSpace + 'a>(
        model: impl Fn(&[f64]) -> M + Sync + 'a,
        path: Range<usize>,
        particles: usize,
    ) -> Self {
        let model = Box::new(move |state: &[f64]| Box::new(model(state)) as Box<dyn StateSpace + 'a>);
        Self { model, path, particles }
    }

    /// The model at a state, whose path has a place in it.
    fn model(&self, state: &[f64]) -> Result<Box<dyn StateSpace + 'a>> {
        ensure_within("particles", self.particles, 2..)?;
        let model = (self.model)(state);
        let (dim, times) = (model.dim(), model.times());
        let fits = dim * times > 0 && dim * times == self.path.len() && self.path.end <= state.len();
        let found = format!("{:?} of {} numbers, for {times} states of {dim}", self.path, state.len());
        ensure("path", found, fits, "a stretch of the state that is as long as all states of the model")?;
        Ok(model)
    }

    /// Puts a path of the particle filter into a state whose other unknowns are set: where a chain may start.
    ///
    /// # Errors
    /// As [`particle_filter`], and [`Error::Setting`] for a path that is not the model's, or fewer than two particles.
    pub fn start(&self, state: &mut [f64], rng: &mut Rng) -> Result<()> {
        let (path, _) = particle_filter(&*self.model(state)?, self.particles, rng)?;
        state[self.path.clone()].copy_from_slice(&path);
        Ok(())
    }
}

impl Transition for ParticleGibbs<'_> {
    fn advance(&self, state: &mut [f64], rng: &mut Rng) -> Result<u64> {
        let model = self.model(state)?;
        let (path, _) = pass(&*model, Some(&state[self.path.clone()]), self.particles, rng)?;
        state[self.path.clone()].copy_from_slice(&path);
        // Data and kept transitions, each of every particle and time.
        Ok(2 * (self.particles * model.times()) as u64)
    }
}
