//! Training of a DnCNN on patches of clean pictures.

use super::DnCnn;
use elbo_core::step::Batches;
use elbo_core::{Error, Outcome, Progress, Result, Run, Step, Stop, drive, ensure, ensure_within};
use elbo_nn::Pass;
use elbo_tensor::optim::{Adam, AdamState, Rule, Schedule, descend};
use elbo_tensor::{DType, Parameters, Tensor, grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of [`DnCnnTraining`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DnCnnTrainingConfig {
    /// Steps, each on one batch.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// Patches a step.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Adam's rate at the start; it falls to a hundredth along half a cosine.
    pub rate: f64,
}

impl Default for DnCnnTrainingConfig {
    fn default() -> Self {
        Self { iterations: 4000, batch: 16, rate: 1e-3 }
    }
}

impl DnCnnTrainingConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the field.
    pub fn check(&self) -> Result<()> {
        ensure_within("iterations", self.iterations, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=1_000_000)?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")
    }
}

/// Adam on the mean squared error of the noise in patches, at levels drawn uniformly from those that the network is for. Patches are
/// flipped and turned at random.
pub struct DnCnnTraining<'a> {
    patches: &'a [f32],
    shape: [usize; 3],
    config: DnCnnTrainingConfig,
}

impl<'a> DnCnnTraining<'a> {
    /// Training on clean patches `[N, C, H, W]`, row-major, black 0 and white 1; `shape` is that of one.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range, [`Error::Data`] for numbers that are no such patches or not in [0, 1].
    pub fn new(patches: &'a [f32], shape: [usize; 3], config: &DnCnnTrainingConfig) -> Result<Self> {
        config.check()?;
        let size: usize = shape.iter().product();
        if size == 0 || patches.is_empty() || !patches.len().is_multiple_of(size) {
            return Err(Error::data(
                format!("{} numbers are no patches of the shape {shape:?}", patches.len()),
                "give at least one patch [C, H, W]",
            ));
        }
        if let Some(pixel) = patches.iter().find(|v| !(0.0..=1.0).contains(*v)) {
            let found = format!("a patch has a pixel of {pixel}");
            return Err(Error::data(found, "give pixels from 0 for black to 1 for white"));
        }
        Ok(Self { patches, shape, config: config.clone() })
    }

    /// Trains to the end.
    ///
    /// # Errors
    /// [`Error::Data`] for a network of other channels, [`Error::Numerical`] when the loss is not finite, [`Error::Stopped`] when the run
    /// was before the first step.
    pub fn run(&self, network: &mut DnCnn, run: &mut Run) -> Result<Outcome> {
        let stop = Stop::after(self.config.iterations, "denoiser", "squared error of the noise");
        drive(self, network, &stop, run)
    }

    /// One noisy batch and its noise, `[B, C, H, W]` each.
    fn noisy(&self, rows: &[usize], levels: [f64; 2], dtype: DType, run: &mut Run) -> (Tensor, Tensor) {
        let [c, h, w] = self.shape;
        let size = c * h * w;
        let (mut seen, mut noise) = (Vec::with_capacity(rows.len() * size), Vec::with_capacity(rows.len() * size));
        for row in rows {
            let patch = &self.patches[row * size..(row + 1) * size];
            let level = run.rng.range(levels[0], levels[1]);
            let turn = Turn { height: h, width: w, which: run.rng.below(8) };
            for i in 0..size {
                let (plane, at) = (i / (h * w), i % (h * w));
                let drawn = level * run.rng.normal();
                seen.push(f64::from(patch[plane * h * w + turn.source(at)]) + drawn);
                noise.push(drawn);
            }
        }
        let shape = [rows.len(), c, h, w];
        (Tensor::from_vec(seen, &shape).cast(dtype), Tensor::from_vec(noise, &shape).cast(dtype))
    }
}

/// One of the eight symmetries of a square; patches that are none are only flipped.
struct Turn {
    height: usize,
    width: usize,
    which: usize,
}

impl Turn {
    /// Where a pixel of the turned patch comes from.
    fn source(&self, at: usize) -> usize {
        let (mut y, mut x) = (at / self.width, at % self.width);
        if self.which & 4 != 0 && self.height == self.width {
            (y, x) = (x, y);
        }
        if self.which & 1 != 0 {
            y = self.height - 1 - y;
        }
        if self.which & 2 != 0 {
            x = self.width - 1 - x;
        }
        y * self.width + x
    }
}

impl Step<DnCnn> for DnCnnTraining<'_> {
    /// The order of the patches; Adam's memory, and the steps done.
    type State = (Batches, (AdamState, usize));

    fn init(&self, network: &mut DnCnn, _: &mut Run) -> Result<Self::State> {
        let channels = network.config().channels;
        if channels != self.shape[0] {
            return Err(Error::data(
                format!("the patches have {} channels, the network {channels}", self.shape[0]),
                "give patches and a network of the same channels",
            ));
        }
        let rows = self.patches.len() / self.shape.iter().product::<usize>();
        Ok((Batches::new(rows, self.config.batch), (Adam::default().start_parts(&network.parts()), 0)))
    }

    fn step(&self, network: &mut DnCnn, state: &mut Self::State, run: &mut Run) -> Result<Progress> {
        let (batches, (memory, step)) = state;
        let rows = batches.next(&mut run.rng).to_vec();
        let (seen, noise) = self.noisy(&rows, network.config().levels, network.dtype, run);
        let found = network.noise(&seen, &mut Pass::training(&mut run.rng));
        let loss = (found - noise).square().mean();
        let leaves = network.leaves();
        let gradients = grad(&loss, &leaves.iter().collect::<Vec<_>>());
        // While the leaves are held, an update in place would have to copy them.
        drop(leaves);
        if !loss.is_finite() || !gradients.iter().all(Tensor::is_finite) {
            return Err(Error::numerical(
                format!("the loss is {} after {step} steps, or its gradient is not finite", loss.item()),
                "lower `rate`",
            ));
        }
        let Self { config: DnCnnTrainingConfig { iterations, rate, .. }, .. } = self;
        let rate = Schedule::Cosine { start: *rate, end: 0.01 * rate, steps: *iterations }.at(*step);
        descend(&Adam { clip: Some(1.0), ..Adam::with_rate(rate) }, network, &gradients, memory);
        *step += 1;
        Ok(Progress { objective: loss.item(), converged: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_takes_each_pixel_once_and_no_two_are_alike() {
        let of = |height: usize, width: usize, which: usize| -> Vec<usize> {
            let turn = Turn { height, width, which };
            (0..height * width).map(|at| turn.source(at)).collect()
        };
        let mut turns: Vec<Vec<usize>> = (0..8).map(|which| of(3, 3, which)).collect();
        for which in 0..8 {
            for mut turn in [of(3, 3, which), of(2, 5, which)] {
                turn.sort_unstable();
                assert!(turn.iter().copied().eq(0..turn.len()), "{which}: {turn:?}");
            }
        }
        turns.sort();
        turns.dedup();
        assert_eq!(turns.len(), 8);
    }
}
