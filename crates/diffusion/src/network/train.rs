//! Training on minibatches, as a step of the one driver.

use super::{Network, NetworkDenoiser};
use crate::parameterisation::{Preconditioning, Weighting};
use crate::schedule::NoiseLaw;
use elbo_core::step::{Batches, Snapshot};
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Step, Stop, drive, ensure};
use elbo_nn::weights;
use elbo_tensor::optim::{Adam, AdamState, Rule, Schedule, descend};
use elbo_tensor::{DType, Tensor, grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Steps, each on one batch.
    pub iterations: usize,
    /// Data points a step.
    pub batch: usize,
    /// Adam's rate at the start; it falls to a hundredth along half a cosine.
    pub rate: f64,
    /// Share of the old average in the new one, of the weights that are kept in the end.
    pub average: f64,
    /// What the network says.
    pub preconditioning: Preconditioning,
    /// What an error at a level weighs.
    pub weighting: Weighting,
    /// Where levels come from.
    pub noise: NoiseLaw,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            iterations: 4000,
            batch: 64,
            rate: 2e-3,
            average: 0.999,
            preconditioning: Preconditioning::Noise,
            weighting: Weighting::Simple,
            noise: NoiseLaw::default(),
        }
    }
}

impl TrainingConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure("iterations", self.iterations, self.iterations >= 1, "at least 1")?;
        ensure("batch", self.batch, self.batch >= 1, "at least 1")?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")?;
        ensure("average", self.average, (0.0..1.0).contains(&self.average), "in [0, 1)")?;
        self.preconditioning.check()?;
        self.weighting.check()?;
        self.noise.check()
    }
}

/// A network in training, and the average of its weights.
pub struct Trainee {
    network: Box<dyn Network>,
    average: Box<dyn Network>,
}

impl Trainee {
    /// Two networks of the same settings; the second becomes the first's average.
    pub fn new(network: Box<dyn Network>, mut average: Box<dyn Network>) -> Self {
        blend(average.as_mut(), network.as_ref(), 0.0);
        Self { network, average }
    }

    /// The averaged network as a denoiser.
    pub fn finish(self, config: &TrainingConfig, dims: usize) -> NetworkDenoiser {
        NetworkDenoiser::new(self.average, config.preconditioning, dims)
    }
}

/// average ← keep · average + (1 - keep) · network.
fn blend(average: &mut dyn Network, network: &dyn Network, keep: f64) {
    let leaves = network.leaves();
    let mut next = leaves.iter();
    average.visit_mut(&mut |_, p| {
        let new = next.next().expect("both networks have the same parameters").as_f64().into_owned();
        if keep == 0.0 {
            return p.set_free(&new);
        }
        let mixed: Vec<f64> = p.leaf().as_f64().iter().zip(&new).map(|(a, n)| keep * a + (1.0 - keep) * n).collect();
        p.set_free(&mixed);
    });
}

impl Snapshot for Trainee {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        weights::write_to(self.network.as_ref(), file, &format!("{prefix}.network"));
        weights::write_to(self.average.as_ref(), file, &format!("{prefix}.average"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        weights::read_from(self.network.as_mut(), file, &format!("{prefix}.network"))?;
        weights::read_from(self.average.as_mut(), file, &format!("{prefix}.average"))
    }
}

/// Adam on the weighted error of clean estimates, one minibatch a step.
pub struct Training<'a> {
    points: &'a [f32],
    dims: usize,
    config: TrainingConfig,
}

/// What training remembers between steps.
pub struct TrainingState {
    batches: Batches,
    adam: AdamState,
    step: usize,
}

impl Snapshot for TrainingState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.batches.save(file, &format!("{prefix}.batches"));
        self.adam.save(file, &format!("{prefix}.adam"));
        self.step.save(file, &format!("{prefix}.step"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.batches.restore(file, &format!("{prefix}.batches"))?;
        self.adam.restore(file, &format!("{prefix}.adam"))?;
        self.step.restore(file, &format!("{prefix}.step"))
    }
}

impl<'a> Training<'a> {
    /// Training on points `[N, D]` of about unit scale.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range, [`Error::Data`] without points.
    pub fn new(points: &'a [f32], dims: usize, config: &TrainingConfig) -> Result<Self> {
        config.check()?;
        if points.len() < dims {
            return Err(Error::data("there are no data points to train on", "give at least two"));
        }
        Ok(Self { points, dims, config: config.clone() })
    }

    /// Trains to the end.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the loss is not finite.
    pub fn run(&self, trainee: &mut Trainee, run: &mut Run) -> Result<()> {
        drive(
            self,
            trainee,
            &Stop::after(self.config.iterations, "training", "weighted error of the clean estimate"),
            run,
        )?;
        Ok(())
    }

    /// Mean over the rows `x: [B, D]` of w(σ)‖x̂₀ - x₀‖²/D at these levels, in the network's own unit.
    fn loss(&self, network: &dyn Network, x: &[f32], levels: &[f64], rng: &mut Rng) -> Tensor {
        let (d, how) = (self.dims, &self.config.preconditioning);
        let noise = rng.normals(x.len());
        let (mut input, mut target, mut weights) = (vec![0f32; x.len()], vec![0f32; x.len()], vec![]);
        for (b, sigma) in levels.iter().enumerate() {
            let wrapped = how.at(*sigma);
            for i in b * d..(b + 1) * d {
                let clean = f64::from(x[i]);
                let noisy = clean + sigma * noise[i];
                input[i] = (wrapped.input * noisy) as f32;
                // For ε the difference cancels at small levels, and the noise itself is known.
                target[i] = match how {
                    Preconditioning::Noise => noise[i] as f32,
                    _ => ((clean - wrapped.skip * noisy) / wrapped.out) as f32,
                };
            }
            weights.push((self.config.weighting.at(*sigma, how) * wrapped.out.powi(2)) as f32);
        }
        let rows = levels.len();
        let shape = [rows, d];
        let scaled: Vec<f64> = levels.iter().map(|s| 0.25 * s.ln()).collect();
        let output = network.forward(&Tensor::from_f32(input, &shape), &scaled);
        let errors = (output - Tensor::from_f32(target, &shape)).square().mean_axis(1, true);
        (errors * Tensor::from_f32(weights, &[rows, 1])).mean()
    }

    /// The loss of some points, at levels spread over the law, without a step. `points: [N, D]`.
    pub fn evaluate(&self, network: &dyn Network, points: &[f32], rng: &mut Rng) -> f64 {
        let levels = self.config.noise.draw(points.len() / self.dims, rng);
        elbo_tensor::no_grad(|| self.loss(network, points, &levels, rng).item())
    }
}

impl Step<Trainee> for Training<'_> {
    type State = TrainingState;

    fn init(&self, trainee: &mut Trainee, _: &mut Run) -> Result<TrainingState> {
        let parts: Vec<(usize, DType)> = trainee.network.leaves().iter().map(|l| (l.len(), l.dtype())).collect();
        let rows = self.points.len() / self.dims;
        Ok(TrainingState {
            batches: Batches::new(rows, self.config.batch),
            adam: Adam::default().start_parts(&parts),
            step: 0,
        })
    }

    fn step(&self, trainee: &mut Trainee, state: &mut TrainingState, run: &mut Run) -> Result<Progress> {
        let d = self.dims;
        let rows = state.batches.next(&mut run.rng);
        let x: Vec<f32> = rows.iter().flat_map(|r| &self.points[r * d..(r + 1) * d]).copied().collect();
        let levels = self.config.noise.draw(x.len() / d, &mut run.rng);
        let loss = self.loss(trainee.network.as_ref(), &x, &levels, &mut run.rng);
        let leaves = trainee.network.leaves();
        let gradients = grad(&loss, &leaves.iter().collect::<Vec<_>>());
        // While the leaves are held, an update in place would have to copy them.
        drop(leaves);
        if !loss.is_finite() || !gradients.iter().all(Tensor::is_finite) {
            return Err(Error::numerical(
                format!("the loss is {} after {} steps, or its gradient is not finite", loss.item(), state.step),
                "lower `rate`, or scale the data to about unit variance",
            ));
        }
        let rate = self.config.rate;
        let schedule = Schedule::Cosine { start: rate, end: 0.01 * rate, steps: self.config.iterations };
        let adam = Adam { clip: Some(1.0), ..Adam::with_rate(schedule.at(state.step)) };
        descend(&adam, &mut trainee.network, &gradients, &mut state.adam);
        // Young averages forget the random start sooner.
        let keep = self.config.average.min((1.0 + state.step as f64) / (10.0 + state.step as f64));
        blend(trainee.average.as_mut(), trainee.network.as_ref(), keep);
        state.step += 1;
        Ok(Progress { objective: loss.item(), converged: false })
    }
}
