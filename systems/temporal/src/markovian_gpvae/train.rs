//! Training on minibatches of sequences, for this model and for its rivals.

use super::network::{Gpvae, Observed};
use elbo_core::step::Snapshot;
use elbo_core::{Result, Rng, Run, Stop, drive};
use elbo_tensor::optim::{Adam, Rule, Schedule};
use elbo_tensor::{Parameters, Tensor};

/// How it is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Training {
    /// Steps of Adam.
    pub steps: usize,
    /// Sequences a step.
    pub batch: usize,
    /// Adam's rate; it falls along a cosine to a twentieth.
    pub rate: f64,
    /// Largest norm of a gradient.
    pub clip: f64,
}

/// A bound on sequences of this kind.
pub trait Bound: Parameters + Snapshot {
    /// The evidence lower bound of these sequences, summed, a scalar in nats, and the number of their frames.
    ///
    /// # Errors
    /// When the arithmetic fails.
    fn bound(&self, batch: &[&Observed], rng: &mut Rng) -> Result<(Tensor, usize)>;
}

impl Bound for Gpvae {
    fn bound(&self, batch: &[&Observed], rng: &mut Rng) -> Result<(Tensor, usize)> {
        self.elbo(batch, rng)
    }
}

impl Training {
    /// Maximises the bound a frame. `sequences` must not be empty, nor any of them.
    ///
    /// # Errors
    /// [`elbo_core::Error::Numerical`] when the bound or its gradient is not finite.
    pub fn run<M: Bound>(&self, model: &mut M, sequences: &[Observed], run: &mut Run) -> Result<()> {
        let objective = |model: &M, run: &mut Run| -> Result<Tensor> {
            let batch = self.batch.min(sequences.len());
            let chosen: Vec<&Observed> =
                run.rng.choose(sequences.len(), batch).into_iter().map(|i| &sequences[i]).collect();
            let (bound, frames) = model.bound(&chosen, &mut run.rng)?;
            Ok(bound * (-1.0 / frames as f64))
        };
        let rate = Schedule::Cosine { start: self.rate, end: 0.05 * self.rate, steps: self.steps };
        let step = Adam { clip: Some(self.clip), ..Adam::with_rate(rate) }.on(objective);
        drive(&step, model, &Stop::after(self.steps, "training", "negative bound (nats a frame)"), run)?;
        Ok(())
    }
}
