//! Training on minibatches, as a step of the one driver.

use super::{Batch, ObjectiveConfig, Vae};
use crate::layer::{Layer, Pass};
use elbo_core::step::{Batches, Snapshot};
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Step, Stop, drive, ensure, ensure_within};
use elbo_tensor::optim::{Adam, AdamState, Rule, Schedule, descend};
use elbo_tensor::{DType, Parameter, Parameters, Tensor, grad, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of grey values before a likelihood of black and white sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Binarise {
    /// They stay grey.
    #[default]
    None,
    /// Black with their value as probability, once.
    Static,
    /// The same, anew at every use in training; once for evaluation.
    Dynamic,
    /// Black from one half on.
    Threshold,
}

impl Binarise {
    /// The values that stay the same all along: those of evaluation. Missing ones, which are NaN, stay so.
    pub fn once(self, values: &[f32], rng: &mut Rng) -> Vec<f32> {
        match self {
            Self::None => values.to_vec(),
            Self::Static | Self::Dynamic => draw(values, rng),
            Self::Threshold => binarised(values, |_, v| v >= 0.5),
        }
    }

    /// Refuses values that are no shares of black, missing ones among them.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] with one such value.
    pub fn check_values(self, values: &[f32]) -> Result<()> {
        match values.iter().find(|v| self != Self::None && !(0.0..=1.0).contains(*v)) {
            None => Ok(()),
            Some(v) => Err(Error::data(
                format!("a value is {v}; `binarise` needs values in [0, 1]"),
                "scale the data to [0, 1] and set likelihood=bernoulli, or set binarise=none",
            )),
        }
    }
}

fn draw(values: &[f32], rng: &mut Rng) -> Vec<f32> {
    let uniforms = rng.uniforms(values.len());
    binarised(values, |i, v| uniforms[i] < f64::from(v))
}

fn binarised(values: &[f32], is_black: impl Fn(usize, f32) -> bool) -> Vec<f32> {
    let one = |(i, v): (usize, &f32)| if v.is_nan() { *v } else { f32::from(u8::from(is_black(i, *v))) };
    values.iter().enumerate().map(one).collect()
}

/// How the rate falls in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Not at all.
    #[default]
    None,
    /// Along half a cosine to a hundredth.
    Cosine,
    /// In eight stairs, the i-th 3^i times as long as the first and 10^(-i/7) times as high: to a tenth.
    Stairs,
}

impl Decay {
    /// What the rate is multiplied by.
    pub(super) fn at(self, step: usize, steps: usize) -> f64 {
        let share = step as f64 / steps.max(1) as f64;
        match self {
            Self::None => 1.0,
            Self::Cosine => 0.01 + 0.495 * (1.0 + (std::f64::consts::PI * share.min(1.0)).cos()),
            Self::Stairs => {
                // Before stair i lie (3^i - 1) / 2 of 3280 parts.
                let stair = (0..8).rev().find(|i| share * 3280.0 >= f64::from((3i32.pow(*i) - 1) / 2)).unwrap_or(0);
                10f64.powf(-f64::from(stair) / 7.0)
            }
        }
    }
}

/// Settings of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Passes over the data.
    pub epochs: usize,
    /// Data points a step.
    pub batch: usize,
    /// Adam's rate at the start.
    pub rate: f64,
    /// How the rate falls.
    pub decay: Decay,
    /// Added to the root of Adam's second moment.
    pub epsilon: f64,
    /// Precision of a normal prior over the decoder's weights; zero for none, which a posterior over them does not allow.
    pub weight_precision: f64,
    /// Largest norm of a gradient; longer ones are shortened.
    pub clip: Option<f64>,
    /// What becomes of grey values.
    pub binarise: Binarise,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 50,
            batch: 100,
            rate: 1e-3,
            decay: Decay::None,
            epsilon: 1e-8,
            weight_precision: 0.0,
            clip: None,
            binarise: Binarise::None,
        }
    }
}

impl TrainingConfig {
    /// Adam at one of so many steps.
    pub(super) fn adam(&self, step: usize, steps: usize) -> Adam {
        Adam {
            rate: Schedule::from(self.rate * self.decay.at(step, steps)),
            epsilon: self.epsilon,
            clip: self.clip,
            ..Adam::default()
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("epochs", self.epochs, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=1_000_000_000)?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")?;
        ensure("epsilon", self.epsilon, self.epsilon > 0.0, "above 0")?;
        ensure_within("weight_precision", self.weight_precision, 0.0..)?;
        ensure("clip", self.clip.unwrap_or(1.0), self.clip.is_none_or(|c| c > 0.0), "above 0")
    }
}

/// The curve of the objective, a minibatch at a time.
pub const LOSS_OF_BATCH: &str = "loss of a minibatch (nats a data point)";
/// Curves of data points that are watched, which training does not learn from: in the sign and the unit of the loss.
pub const WATCHED_ELBO: &str = "minus the elbo of held-out rows";
/// The same of the importance-weighted bound, where training is by one.
pub const WATCHED_IWAE: &str = "minus the iwae bound of held-out rows";
/// The same of the reconstruction, for models without a bound.
pub const WATCHED_RECONSTRUCTION: &str = "minus the reconstruction of held-out rows";
/// Most points of such a curve, but for the last.
const MOST_WATCHED: usize = 1000;

/// Data points that are no part of training, on which it is measured as it goes on.
struct Watched {
    values: Vec<f32>,
    /// The same noise every time: a curve then moves with the model alone, and a training that is resumed goes on with it.
    rng: Rng,
}

/// Adam on the objective, one minibatch a step; with discriminators, first a step of their own.
pub struct Training {
    values: Vec<f32>,
    rows: usize,
    /// The class of each data point, where it is known; empty where none is.
    labels: Vec<Option<usize>>,
    /// Attributes of the data points, `[N, A]`; empty where there are none.
    attributes: Vec<f64>,
    objective: ObjectiveConfig,
    config: TrainingConfig,
    steps: usize,
    watched: Option<Watched>,
}

/// Codes of past batches, the oldest first.
struct PastCodes {
    /// `[M, L]`, row-major.
    codes: Vec<f64>,
    /// How many are kept, and their dimensions.
    most: usize,
    latent: usize,
}

impl PastCodes {
    /// `[M, L]`; `None` as long as there are none.
    fn tensor(&self, dtype: DType) -> Option<Tensor> {
        let shape = [self.codes.len() / self.latent, self.latent];
        (!self.codes.is_empty()).then(|| Tensor::from_vec(self.codes.clone(), &shape).cast(dtype))
    }

    /// Takes the codes `z: [..., L]` in, and drops the oldest beyond those that are kept.
    fn push(&mut self, z: &Tensor) {
        if self.most > 0 {
            self.codes.extend(z.detach().to_f64().to_vec());
            self.codes.drain(..self.codes.len().saturating_sub(self.most * self.latent));
        }
    }
}

/// What training remembers between steps.
pub struct TrainingState {
    batches: Batches,
    adam: AdamState,
    adversary: AdamState,
    critic: AdamState,
    student: AdamState,
    controls: Vec<f64>,
    past: PastCodes,
    step: usize,
}

impl Snapshot for TrainingState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.batches.save(file, &format!("{prefix}.batches"));
        self.adam.save(file, &format!("{prefix}.adam"));
        self.adversary.save(file, &format!("{prefix}.adversary"));
        self.critic.save(file, &format!("{prefix}.critic"));
        self.student.save(file, &format!("{prefix}.student"));
        self.controls.save(file, &format!("{prefix}.controls"));
        if self.past.most > 0 {
            self.past.codes.save(file, &format!("{prefix}.past"));
        }
        self.step.save(file, &format!("{prefix}.step"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.batches.restore(file, &format!("{prefix}.batches"))?;
        self.adam.restore(file, &format!("{prefix}.adam"))?;
        self.adversary.restore(file, &format!("{prefix}.adversary"))?;
        self.critic.restore(file, &format!("{prefix}.critic"))?;
        self.student.restore(file, &format!("{prefix}.student"))?;
        self.controls.restore(file, &format!("{prefix}.controls"))?;
        if self.past.most > 0 {
            self.past.codes.restore(file, &format!("{prefix}.past"))?;
        }
        self.step.restore(file, &format!("{prefix}.step"))
    }
}

/// All parameters but those of discriminators.
struct Model<'a>(&'a mut Vae);

impl Parameters for Model<'_> {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.0.visit_model(f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.0.visit_model_mut(f);
    }
}

impl Training {
    /// Training on rows `values: [N, size]`, with conditions behind the elements where the model has some. Values that are binarised once are so here, from `rng`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for settings out of range or terms that do not fit together, [`elbo_core::Error::Data`]
    /// without data points.
    pub fn new(
        values: &[f32],
        size: usize,
        objective: &ObjectiveConfig,
        config: &TrainingConfig,
        rng: &mut Rng,
    ) -> Result<Self> {
        config.check()?;
        let rows = values.len() / size;
        if rows == 0 {
            return Err(Error::data("there are no data points to train on", "give at least one"));
        }
        let batch = config.batch.min(rows);
        objective.check(batch)?;
        let values = match config.binarise {
            Binarise::Dynamic => values.to_vec(),
            once => once.once(values, rng),
        };
        let steps = config.epochs * (rows / batch);
        let (labels, attributes) = (vec![], vec![]);
        let (objective, config) = (objective.clone(), config.clone());
        Ok(Self { values, rows, labels, attributes, objective, config, steps, watched: None })
    }

    /// The same with the class of each data point, where it is known, `[N]`: for a prior of classes and for a cross-entropy.
    ///
    /// # Errors
    /// [`Error::Data`] for another number of classes than of data points, and where none is known.
    pub fn with_labels(mut self, labels: &[Option<usize>]) -> Result<Self> {
        if labels.len() != self.rows || labels.iter().all(Option::is_none) {
            let known = labels.iter().flatten().count();
            return Err(Error::data(
                format!("{known} classes of {} are known for {} data points", labels.len(), self.rows),
                "give a class or none for each data point, and a class for one at least",
            ));
        }
        self.labels = labels.to_vec();
        Ok(self)
    }

    /// The same with attributes of the data points, `[N, A]` row-major, which dimensions of the code are to follow.
    ///
    /// # Errors
    /// [`Error::Data`] for numbers that are not finite, and for a number of them that is no multiple of the data points'.
    pub fn with_attributes(mut self, attributes: &[f64]) -> Result<Self> {
        let unfit = attributes.iter().filter(|v| !v.is_finite()).count();
        if unfit > 0 || !attributes.len().is_multiple_of(self.rows) {
            let (count, rows) = (attributes.len(), self.rows);
            return Err(Error::data(
                format!("{count} attributes are given for {rows} data points, {unfit} of them not finite"),
                "give as many finite numbers for each data point",
            ));
        }
        self.attributes = attributes.to_vec();
        Ok(self)
    }

    /// The same with data points `values: [N, width]` that it does not learn from, in the form the likelihood takes: their bound is recorded as the training goes on, after
    /// every epoch, or every few of a long training, under [`WATCHED_ELBO`], [`WATCHED_IWAE`] and [`WATCHED_RECONSTRUCTION`]. `rng` is for their draws alone, so that the
    /// training is the same with and without them. It takes a pass over them without derivatives.
    ///
    /// # Errors
    /// [`Error::Data`] for values that are no rows of those of training.
    pub fn watching(mut self, values: &[f32], rng: Rng) -> Result<Self> {
        let width = self.values.len() / self.rows;
        if values.is_empty() || !values.len().is_multiple_of(width) {
            return Err(Error::data(
                format!("{} values to watch are no rows of {width}, as those of training are", values.len()),
                "give at least one data point of the same shape",
            ));
        }
        self.watched = Some(Watched { values: values.to_vec(), rng });
        Ok(self)
    }

    /// Steps of an epoch: the batches that a pass over the data has.
    pub fn steps_per_epoch(&self) -> usize {
        self.rows / self.batch()
    }

    /// Steps of the whole training.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Data points a step.
    pub fn batch(&self) -> usize {
        self.config.batch.min(self.rows)
    }

    /// Trains a model to the end.
    ///
    /// # Errors
    /// Those of the objective, and [`elbo_core::Error::Numerical`] when it is not finite.
    pub fn run(&self, vae: &mut Vae, run: &mut Run) -> Result<()> {
        drive(self, vae, &Stop::after(self.steps, "training", LOSS_OF_BATCH), run)?;
        Ok(())
    }

    fn adam(&self, step: usize) -> Adam {
        self.config.adam(step, self.steps)
    }

    /// Records the bound of the data points that are watched, after `step` steps.
    fn watch(&self, vae: &Vae, step: usize, run: &mut Run) {
        let Some(Watched { values, rng }) = &self.watched else { return };
        let (epoch, epochs) = (step / self.steps_per_epoch(), self.config.epochs);
        let is_due = epoch.is_multiple_of(epochs.div_ceil(MOST_WATCHED)) || epoch == epochs;
        if !step.is_multiple_of(self.steps_per_epoch()) || !is_due {
            return;
        }
        let draws = if vae.config().family.has_bounds() { self.objective.draws } else { 1 };
        let found = vae.mean_bounds(values, draws, &mut rng.clone());
        if !vae.config().has_bounds() {
            run.metric(WATCHED_RECONSTRUCTION, step as f64, -found.reconstruction);
            return;
        }
        run.metric(WATCHED_ELBO, step as f64, -found.elbo);
        if self.objective.is_importance_weighted() {
            run.metric(WATCHED_IWAE, step as f64, -found.iwae);
        }
    }

    fn gather(&self, rows: &[usize], vae: &Vae, rng: &mut Rng) -> Tensor {
        let size = vae.width();
        let mut values = Vec::with_capacity(rows.len() * size);
        rows.iter().for_each(|r| values.extend_from_slice(&self.values[r * size..(r + 1) * size]));
        if self.config.binarise == Binarise::Dynamic {
            values = draw(&values, rng);
        }
        vae.tensor(&values)
    }

    /// Classes of these data points.
    fn labels_of(&self, rows: &[usize]) -> Vec<Option<usize>> {
        if self.labels.is_empty() { vec![] } else { rows.iter().map(|r| self.labels[*r]).collect() }
    }

    /// Attributes of these data points, `[B, A]`.
    fn attributes_of(&self, rows: &[usize]) -> Option<Tensor> {
        let count = self.attributes.len() / self.rows;
        let values = rows.iter().flat_map(|r| &self.attributes[r * count..(r + 1) * count]).copied().collect();
        (count > 0).then(|| Tensor::from_vec(values, &[rows.len(), count]))
    }

    /// One step of the discriminator: logistic regression of codes against draws of the prior.
    fn train_adversary(&self, vae: &mut Vae, x: &Tensor, state: &mut TrainingState, rng: &mut Rng) -> Result<()> {
        let q = vae.posterior(x, &mut Pass::evaluation()).detach();
        let points = q.rsample(&q.noise(1, rng));
        let (codes, prior) = (vae.kept(&q.code(&points)).select(0, 0), vae.sample_prior(x.size(0), rng));
        let adversary = vae.adversary.as_mut().expect("an adversarial term has a discriminator");
        let pass = &mut Pass::evaluation();
        let (of_codes, of_prior) = (adversary.forward(&codes, pass), adversary.forward(&prior, pass));
        let loss = (-of_codes).softplus().mean() + of_prior.softplus().mean();
        update(adversary, &loss, &self.adam(state.step), &mut state.adversary)
    }

    /// One step of the discriminator of patches, which sees data points and the decoder's means for a code drawn for each.
    fn train_critic(&self, vae: &mut Vae, x: &Tensor, state: &mut TrainingState, rng: &mut Rng) -> Result<()> {
        let (_, how) = self.objective.critic().expect("a discriminator of patches has a term");
        let made = no_grad(|| {
            let q = vae.posterior(x, &mut Pass::evaluation());
            let z = vae.kept(&q.code(&q.rsample(&q.noise(1, rng))));
            vae.likelihood().mean(&vae.decode(&z, x, &mut Pass::evaluation())).select(0, 0)
        });
        let loss = how.of_critic(&vae.patch_scores(&vae.elements(x)), &vae.patch_scores(&made));
        let critic = vae.critic.as_mut().expect("a patch adversary has a discriminator");
        update(critic, &loss, &self.adam(state.step), &mut state.critic)
    }
}

/// Moves parameters down the gradient of a loss.
pub(super) fn update(
    parameters: &mut impl Parameters,
    loss: &Tensor,
    adam: &Adam,
    state: &mut AdamState,
) -> Result<()> {
    let leaves = parameters.leaves();
    let gradients = grad(loss, &leaves.iter().collect::<Vec<_>>());
    // While the leaves are held, an update in place would have to copy them.
    drop(leaves);
    if !loss.is_finite() || !gradients.iter().all(Tensor::is_finite) {
        return Err(Error::numerical(
            format!("the loss is {} after {} steps, or its gradient is not finite", loss.item(), state.steps),
            "lower `rate`, or set a norm at which gradients are shortened with `clip`",
        ));
    }
    descend(adam, parameters, &gradients, state);
    Ok(())
}

impl Step<Vae> for Training {
    type State = TrainingState;

    fn init(&self, vae: &mut Vae, _: &mut Run) -> Result<TrainingState> {
        vae.config().weights.check_precision(self.config.weight_precision)?;
        let changes_values = self.config.binarise != Binarise::None;
        vae.check_conditions(&self.values, self.values.len() / self.rows, changes_values)?;
        self.objective.check_labels(&vae.config().prior, &self.labels)?;
        let attributes = self.attributes.len() / self.rows;
        if self.objective.ranks_attributes() && !(1..=vae.latent()).contains(&attributes) {
            return Err(vae.refuse_attributes(attributes));
        }
        vae.check_slope(&self.values)?;
        // Too many draws are refused before any work, although a step would refuse them too.
        vae.draws_at_once(&self.objective, self.batch())?;
        let adam = self.adam(0);
        Ok(TrainingState {
            batches: Batches::new(self.rows, self.config.batch),
            adam: adam.start_parts(&Model(vae).parts()),
            adversary: adam.start_parts(&vae.adversary.as_ref().map_or(vec![], Parameters::parts)),
            critic: adam.start_parts(&vae.critic.as_ref().map_or(vec![], Parameters::parts)),
            student: adam.start_parts(&vae.fields.as_ref().map_or(vec![], |fields| fields.student().parts())),
            controls: vec![1.0; self.objective.terms.len()],
            past: PastCodes { codes: vec![], most: self.objective.buffer(), latent: vae.latent() },
            step: 0,
        })
    }

    fn step(&self, vae: &mut Vae, state: &mut TrainingState, run: &mut Run) -> Result<Progress> {
        if state.step == 0
            && let Some((_, steps, _)) = self.objective.matched()
        {
            // Not in `init`, which a fit that is resumed passes through again.
            vae.teach(steps, run)?;
        }
        let rows = state.batches.next(&mut run.rng).to_vec();
        let x = self.gather(&rows, vae, &mut run.rng);
        if vae.adversary.is_some() {
            let mut rng = run.rng.fork();
            self.train_adversary(vae, &x, state, &mut rng)?;
        }
        if vae.critic.is_some() {
            let mut rng = run.rng.fork();
            self.train_critic(vae, &x, state, &mut rng)?;
        }
        if let Some((_, _, updates)) = self.objective.matched() {
            let (mut rng, adam) = (run.rng.fork(), self.adam(state.step));
            for _ in 0..updates {
                vae.train_student(&x, &adam, &mut state.student, &mut rng)?;
            }
        }
        let (labels, attributes) = (self.labels_of(&rows), self.attributes_of(&rows));
        let batch = Batch { x: &x, labels: &labels, attributes: attributes.as_ref() };
        let past = state.past.tensor(vae.dtype());
        let losses = vae.losses_of(batch, (&x, past.as_ref()), &self.objective, state.step, &mut run.rng)?;
        let terms = self.objective.terms.iter();
        let weights: Vec<f64> = terms.zip(&state.controls).map(|(t, c)| t.weight.at(state.step, *c)).collect();
        let mut loss = losses.total(&weights);
        let precision = self.config.weight_precision;
        if precision > 0.0 {
            // The loss is that of one data point, which bears its share of what the weights cost.
            let rows = self.rows as f64;
            loss = loss
                + match vae.decoder.weight_kl(precision.powf(-0.5)) {
                    Some(kl) => kl * (1.0 / rows),
                    None => {
                        let squares: Tensor = vae.decoder.leaves().iter().map(|leaf| leaf.square().sum()).sum();
                        squares * (0.5 * precision / rows)
                    }
                };
        }
        update(&mut Model(vae), &loss, &self.adam(state.step), &mut state.adam)?;
        let values: Vec<f64> = losses.terms.iter().map(Tensor::item).collect();
        if state.step.is_multiple_of(self.steps.div_ceil(200)) && values.len() > 1 {
            for (term, value) in self.objective.terms.iter().zip(&values) {
                run.metric(term.term.name(), (state.step + 1) as f64, *value);
            }
        }
        for ((term, control), value) in self.objective.terms.iter().zip(&mut state.controls).zip(values) {
            *control = term.weight.control(*control, value);
        }
        state.past.push(&losses.draws.z);
        state.step += 1;
        self.watch(vae, state.step, run);
        Ok(Progress { objective: loss.item(), converged: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stairs_have_the_published_lengths_and_heights() {
        // 3280 passes: 1, 3, 9, ... of them at 10^(-i/7).
        let at = |pass: usize| Decay::Stairs.at(pass, 3280);
        assert_eq!(at(0), 1.0);
        for (stair, first) in [(1, 1), (2, 4), (3, 13), (7, 1093)] {
            let height = 10f64.powf(-f64::from(stair) / 7.0);
            assert!((at(first) - height).abs() < 1e-12 && at(first - 1) > height, "stair {stair}");
        }
        assert!((at(3279) - 0.1).abs() < 1e-12);
    }
}
