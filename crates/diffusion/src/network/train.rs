//! Training on minibatches, as a step of the one driver.

use super::{Network, NetworkDenoiser};
use crate::parameterisation::{Preconditioning, Weighting};
use crate::schedule::NoiseLaw;
use elbo_core::step::{Batches, Snapshot};
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Step, Stop, drive, ensure, ensure_within};
use elbo_tensor::optim::{Adam, AdamState, Rule, Schedule, descend};
use elbo_tensor::{Parameters, Tensor, grad};
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
    /// Share of the points whose class is withheld, where there are classes, so that the network learns to do without.
    pub withheld: f64,
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
            withheld: 0.1,
        }
    }
}

impl TrainingConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("iterations", self.iterations, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=1_000_000)?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")?;
        ensure_within("average", self.average, 0.0..1.0)?;
        ensure_within("withheld", self.withheld, 0.0..=1.0)?;
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

    /// One step of Adam down a loss, at the rate of this step, and of the average.
    pub(crate) fn descend(
        &mut self,
        loss: &Tensor,
        rate: f64,
        average: f64,
        state: &mut TrainingState,
    ) -> Result<Progress> {
        let leaves = self.network.leaves();
        let gradients = grad(loss, &leaves.iter().collect::<Vec<_>>());
        // While the leaves are held, an update in place would have to copy them.
        drop(leaves);
        if !loss.is_finite() || !gradients.iter().all(Tensor::is_finite) {
            return Err(Error::numerical(
                format!("the loss is {} after {} steps, or its gradient is not finite", loss.item(), state.step),
                "lower `rate`, or scale the data to about unit variance",
            ));
        }
        let adam = Adam { clip: Some(1.0), ..Adam::with_rate(rate) };
        descend(&adam, &mut self.network, &gradients, &mut state.adam);
        // Young averages forget the random start sooner.
        let keep = average.min((1.0 + state.step as f64) / (10.0 + state.step as f64));
        blend(self.average.as_mut(), self.network.as_ref(), keep);
        state.step += 1;
        Ok(Progress { objective: loss.item(), converged: false })
    }

    /// The network in training, and the average.
    pub(crate) fn networks(&self) -> (&dyn Network, &dyn Network) {
        (self.network.as_ref(), self.average.as_ref())
    }

    /// The averaged network.
    pub(crate) fn into_average(self) -> Box<dyn Network> {
        self.average
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
        self.network.write_to(file, &format!("{prefix}.network"));
        self.average.write_to(file, &format!("{prefix}.average"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.network.read_from(file, &format!("{prefix}.network"))?;
        self.average.read_from(file, &format!("{prefix}.average"))
    }
}

/// Adam on the weighted error of clean estimates, one minibatch a step.
pub struct Training<'a> {
    points: &'a [f32],
    dims: usize,
    classes: &'a [usize],
    config: TrainingConfig,
}

/// What training remembers between steps.
pub struct TrainingState {
    batches: Batches,
    adam: AdamState,
    step: usize,
}

impl TrainingState {
    pub(crate) fn new(trainee: &Trainee, rows: usize, batch: usize) -> Self {
        Self {
            batches: Batches::new(rows, batch),
            adam: Adam::default().start_parts(&trainee.network.parts()),
            step: 0,
        }
    }

    /// Rows of the next batch.
    pub(crate) fn next(&mut self, rng: &mut Rng) -> Vec<usize> {
        self.batches.next(rng).to_vec()
    }

    /// Adam's rate at this step: it falls to a hundredth along half a cosine.
    pub(crate) fn rate(&self, start: f64, steps: usize) -> f64 {
        Schedule::Cosine { start, end: 0.01 * start, steps }.at(self.step)
    }
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
        Ok(Self { points, dims, classes: &[], config: config.clone() })
    }

    /// The same with the class of each point, for a network that knows classes.
    pub fn with_classes(self, classes: &'a [usize]) -> Self {
        assert_eq!(classes.len() * self.dims, self.points.len(), "one class a point");
        Self { classes, ..self }
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
    fn loss(&self, network: &dyn Network, x: &[f32], classes: &[usize], levels: &[f64], rng: &mut Rng) -> Tensor {
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
        let output = network.forward(&Tensor::from_f32(input, &shape), &scaled, classes);
        let errors = (output - Tensor::from_f32(target, &shape)).square().mean_axis(1, true);
        (errors * Tensor::from_f32(weights, &[rows, 1])).mean()
    }

    /// The loss of some points, at levels spread over the law, without a step; classes are not told. `points: [N, D]`.
    pub fn evaluate(&self, network: &dyn Network, points: &[f32], rng: &mut Rng) -> f64 {
        let levels = self.config.noise.draw(points.len() / self.dims, rng);
        elbo_tensor::no_grad(|| self.loss(network, points, &[], &levels, rng).item())
    }
}

impl Step<Trainee> for Training<'_> {
    type State = TrainingState;

    fn init(&self, trainee: &mut Trainee, _: &mut Run) -> Result<TrainingState> {
        Ok(TrainingState::new(trainee, self.points.len() / self.dims, self.config.batch))
    }

    fn step(&self, trainee: &mut Trainee, state: &mut TrainingState, run: &mut Run) -> Result<Progress> {
        let d = self.dims;
        let rows = state.next(&mut run.rng);
        let x: Vec<f32> = rows.iter().flat_map(|r| &self.points[r * d..(r + 1) * d]).copied().collect();
        let mut classes = vec![];
        if !self.classes.is_empty() {
            let withheld = self.config.withheld;
            let told = |r: &usize| if run.rng.uniform() < withheld { 0 } else { self.classes[*r] + 1 };
            classes = rows.iter().map(told).collect();
        }
        let levels = self.config.noise.draw(rows.len(), &mut run.rng);
        let loss = self.loss(trainee.network.as_ref(), &x, &classes, &levels, &mut run.rng);
        let rate = state.rate(self.config.rate, self.config.iterations);
        trainee.descend(&loss, rate, self.config.average, state)
    }
}
