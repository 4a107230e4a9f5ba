//! Coupled arms: several models of the same data, each of which sees it disturbed in its own way, and which are to agree on its classes.

use super::train::update;
use super::{Batch, Binarise, Family, ObjectiveConfig, Posterior, TrainingConfig, Vae, VaeConfig, Weight};
use elbo_core::step::{Batches, Snapshot};
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Step, Stop, drive, ensure, ensure_within};
use elbo_tensor::optim::{Adam, AdamState, Rule};
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Smallest log probability of a class, and smallest variance of a probability over a batch, that count.
const LEAST: f64 = 1e-6;

/// Settings of coupled arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ArmsConfig {
    /// Number of arms.
    pub arms: usize,
    /// Weight of the distance between the arms' classes.
    pub coupling: f64,
    /// Share of the elements that an arm does not see, drawn anew for each arm and step; they are zero for it.
    pub dropout: f64,
    /// Standard deviation of the noise on those that it sees.
    pub noise: f64,
}

impl Default for ArmsConfig {
    fn default() -> Self {
        Self { arms: 2, coupling: 1.0, dropout: 0.25, noise: 0.0 }
    }
}

impl ArmsConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("arms", self.arms, 2..=100)?;
        ensure_within("coupling", self.coupling, 0.0..)?;
        ensure("dropout", self.dropout, self.dropout >= 0.0 && self.dropout < 1.0, "in [0, 1)")?;
        ensure_within("noise", self.noise, 0.0..)
    }

    /// Arms of one configuration, each with weights of its own, for data points of this shape.
    ///
    /// # Errors
    /// [`Error::Setting`] for codes that are no classes, elements that may be missing, and what [`VaeConfig::build`] refuses.
    pub fn build(
        &self,
        model: &VaeConfig,
        shape: &[usize],
        objective: &ObjectiveConfig,
        rng: &mut Rng,
    ) -> Result<Arms> {
        self.check()?;
        let is_classes = matches!(model.family, Family::Categorical(_));
        ensure("family", model.family.name(), is_classes, "categorical for arms, which agree on classes")?;
        ensure("nan_is_missing", model.nan_is_missing, !model.nan_is_missing, "false for arms, which see zeros")?;
        let apart = objective.adversary().is_none() && objective.critic().is_none() && objective.fields().is_none();
        ensure("terms", "networks beside arms", apart, "terms without a network that is trained beside the model")?;
        let is_planned = objective.terms.iter().all(|term| !matches!(term.weight, Weight::Target { .. }));
        ensure("weight", "a target", is_planned, "weights that follow from the step alone, for arms")?;
        let arms = (0..self.arms).map(|_| model.build(shape, objective, rng)).collect::<Result<Vec<Vae>>>()?;
        Ok(Arms { arms, config: self.clone() })
    }
}

/// How far two arms are from agreeing on the classes of a batch, from log probabilities `a`, `b: [B, K]`, a scalar:
///
/// $$ \frac1B \sum_n \sum_k \left( \frac{\log a_{nk}}{\sqrt{\mathrm{Var}\, a_k}} - \frac{\log b_{nk}}{\sqrt{\mathrm{Var}\, b_k}} \right)^2 $$
///
/// with the variances of the probabilities over the batch, which are held.
///
/// # Source
/// Marghi, Gala, Baftizadeh and Sümbül (2021).
pub fn consensus_cost(a: &Tensor, b: &Tensor) -> Tensor {
    let scaled = |log_probs: &Tensor| {
        let variance = log_probs.detach().exp().variance_axis(0, true, 0);
        floored(log_probs) / variance.maximum(&variance.full_like(LEAST)).sqrt()
    };
    (scaled(a) - scaled(b)).square().sum_axis(-1, false).mean()
}

/// Log probabilities of at least that of [`LEAST`].
fn floored(log_probs: &Tensor) -> Tensor {
    log_probs.maximum(&log_probs.full_like(LEAST.ln()))
}

/// Coupled arms.
pub struct Arms {
    arms: Vec<Vae>,
    config: ArmsConfig,
}

impl Parameters for Arms {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.arms.iter().enumerate().for_each(|(i, arm)| nested(&format!("arm{i}"), arm, f));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.arms.iter_mut().enumerate().for_each(|(i, arm)| nested_mut(&format!("arm{i}"), arm, f));
    }
}

impl Snapshot for Arms {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

impl Arms {
    /// The arms.
    pub fn arms(&self) -> &[Vae] {
        &self.arms
    }

    /// Minimised in training, for a batch `x: [B, width]`, a scalar: the objective of each arm, all together times the number of others, then for each pair of
    /// arms minus the entropies of their classes, and the distance between them times its weight.
    ///
    /// # Errors
    /// Those of [`Vae::losses`].
    pub fn loss(&self, x: &Tensor, objective: &ObjectiveConfig, step: usize, rng: &mut Rng) -> Result<Tensor> {
        let (mut own, mut classes) = (vec![], vec![]);
        for arm in &self.arms {
            let seen = self.disturbed(x, arm.size(), rng);
            let losses = arm.losses_of(Batch::from(x), (&seen, None), objective, step, rng)?;
            let weights: Vec<f64> = objective.terms.iter().map(|term| term.weight.at(step, 1.0)).collect();
            own.push(losses.total(&weights));
            classes.push(log_classes(&losses.draws.q));
        }
        let others = (self.arms.len() - 1) as f64;
        let mut loss = own.into_iter().sum::<Tensor>() * others;
        for (i, a) in classes.iter().enumerate() {
            // Each arm is in as many pairs as there are others.
            loss = loss + (a.exp() * floored(a)).sum_axis(-1, false).mean() * others;
            for b in &classes[i + 1..] {
                loss = loss + consensus_cost(a, b) * self.config.coupling;
            }
        }
        Ok(loss)
    }

    /// Data points as one arm sees them: elements left out and blurred, conditions as they are.
    fn disturbed(&self, x: &Tensor, size: usize, rng: &mut Rng) -> Tensor {
        let (rows, width) = (x.size(0), x.size(1));
        let ArmsConfig { dropout, noise, .. } = self.config;
        let mut keep = Vec::with_capacity(rows * width);
        let mut blur = Vec::with_capacity(rows * width);
        for i in 0..rows * width {
            let is_element = i % width < size;
            let is_kept = !is_element || rng.uniform() >= dropout;
            keep.push(f64::from(u8::from(is_kept)));
            blur.push(if is_element && is_kept && noise > 0.0 { noise * rng.normal() } else { 0.0 });
        }
        let of = |values: Vec<f64>| Tensor::from_vec(values, &[rows, width]).cast(x.dtype());
        x * of(keep) + of(blur)
    }

    /// Probabilities of classes of many data points `values: [N, width]` by all arms together, `[N, K]`, f64, outside the graph: in proportion to the product
    /// of the arms' to the power of one over their number.
    pub fn class_probabilities(&self, values: &[f32]) -> Tensor {
        no_grad(|| {
            let all: Tensor = self.arms.iter().map(|arm| log_classes(&arm.encode(values))).sum();
            (all * (1.0 / self.arms.len() as f64)).softmax(-1)
        })
    }

    /// Share of the data points `values: [N, width]` that arm `a` gives each class to, which arm `b` gives each class to: `[K, K]`, rows that sum to one, or are
    /// zero for a class that arm `a` gives to none. The diagonal is the consensus on a class.
    ///
    /// # Panics
    /// For arms that there are not.
    pub fn consensus(&self, a: usize, b: usize, values: &[f32]) -> Tensor {
        let chosen = |arm: usize| -> Vec<usize> {
            let probabilities = no_grad(|| log_classes(&self.arms[arm].encode(values)));
            probabilities.argmax(-1, false).to_vec().iter().map(|k| *k as usize).collect()
        };
        let (a, b, classes) = (chosen(a), chosen(b), self.arms[0].latent());
        let mut counts = vec![0.0; classes * classes];
        a.iter().zip(&b).for_each(|(i, j)| counts[i * classes + j] += 1.0);
        for row in counts.chunks_mut(classes) {
            let total: f64 = row.iter().sum();
            row.iter_mut().for_each(|count| *count /= total.max(1.0));
        }
        Tensor::from_vec(counts, &[classes, classes])
    }

    /// Trains all arms together on rows `values: [N, width]`.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range, among them a precision of weights and binarisation, which arms do not know; [`Error::Data`] for values
    /// that are no rows; [`Error::Numerical`] when the objective is not finite.
    pub fn fit(
        &mut self,
        values: &[f32],
        objective: &ObjectiveConfig,
        config: &TrainingConfig,
        run: &mut Run,
    ) -> Result<()> {
        config.check()?;
        let width = self.arms[0].width();
        if values.is_empty() || !values.len().is_multiple_of(width) {
            let found = format!("{} values are no rows of {width}", values.len());
            let remedy = "give rows of the elements, then the numbers of the condition where there is one";
            return Err(Error::data(found, remedy));
        }
        objective.check(config.batch.min(values.len() / width))?;
        let is_plain = config.weight_precision == 0.0 && config.binarise == Binarise::None;
        ensure("training", "weight_precision or binarise", is_plain, "neither of the two for arms")?;
        let training = ArmsTraining { values, objective, config, width };
        drive(&training, self, &Stop::after(training.steps(), "arms", "loss of a minibatch (nats a data point)"), run)?;
        Ok(())
    }
}

/// Log probabilities of the classes of a batch, `[B, K]`.
fn log_classes(q: &Posterior) -> Tensor {
    let Posterior::Classes(classes) = q else { unreachable!("arms are of classes") };
    classes.logits().log_softmax(-1)
}

/// Adam on the loss of all arms, one minibatch a step.
struct ArmsTraining<'a> {
    values: &'a [f32],
    objective: &'a ObjectiveConfig,
    config: &'a TrainingConfig,
    width: usize,
}

/// What it remembers between steps.
struct ArmsState {
    batches: Batches,
    adam: AdamState,
    step: usize,
}

impl Snapshot for ArmsState {
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

impl ArmsTraining<'_> {
    fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    fn steps(&self) -> usize {
        self.config.epochs * (self.rows() / self.config.batch.min(self.rows()))
    }

    fn adam(&self, step: usize) -> Adam {
        self.config.adam(step, self.steps())
    }
}

impl Step<Arms> for ArmsTraining<'_> {
    type State = ArmsState;

    fn init(&self, arms: &mut Arms, _: &mut Run) -> Result<ArmsState> {
        for arm in &arms.arms {
            arm.check_conditions(self.values, self.width, false)?;
        }
        let adam = self.adam(0).start_parts(&arms.parts());
        Ok(ArmsState { batches: Batches::new(self.rows(), self.config.batch), adam, step: 0 })
    }

    fn step(&self, arms: &mut Arms, state: &mut ArmsState, run: &mut Run) -> Result<Progress> {
        let rows = state.batches.next(&mut run.rng).to_vec();
        let row = |r: &usize| &self.values[r * self.width..(r + 1) * self.width];
        let values: Vec<f32> = rows.iter().flat_map(row).copied().collect();
        let x = arms.arms[0].tensor(&values);
        let loss = arms.loss(&x, self.objective, state.step, &mut run.rng)?;
        update(arms, &loss, &self.adam(state.step), &mut state.adam)?;
        state.step += 1;
        Ok(Progress { objective: loss.item(), converged: false })
    }
}
