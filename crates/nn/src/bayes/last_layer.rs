//! Features and a Bayesian last layer, trained together.

use super::body::Body;
use super::head::{DiscriminativeHead, GenerativeHead, Head, RegressionHead};
use crate::activation::Activation;
use crate::layer::{Build, LayerConfig, LinearConfig, Pass, Sequential};
use elbo_core::step::{Batches, Snapshot};
use elbo_core::{Error, ModelFile, Progress, Result, Run, Step, Stop, drive, ensure, ensure_within};
use elbo_tensor::optim::{Adam, AdamState, Rule, Schedule, descend};
use elbo_tensor::{DType, Parameter, Parameters, Tensor, grad, nested, nested_mut, no_grad};

/// Draws of the weights before the last layer that a bound of all rows is averaged over, where these have distributions, and their seed.
const BOUND_DRAWS: (usize, u64) = (32, 0);
/// Where the rate ends, relative to its start.
const LAST_RATE: f64 = 0.01;

/// A head for any target.
pub enum AnyHead {
    /// Numbers.
    Regression(RegressionHead),
    /// Classes from noisy logits.
    Discriminative(DiscriminativeHead),
    /// Classes from a Gaussian of the features for each.
    Generative(GenerativeHead),
}

impl AnyHead {
    fn inner(&self) -> &dyn Head {
        match self {
            Self::Regression(head) => head,
            Self::Discriminative(head) => head,
            Self::Generative(head) => head,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn Head {
        match self {
            Self::Regression(head) => head,
            Self::Discriminative(head) => head,
            Self::Generative(head) => head,
        }
    }

    /// Whether the features get a constant, so that outputs have an offset. Class means need none.
    fn has_constant(&self) -> bool {
        !matches!(self, Self::Generative(_))
    }
}

impl Parameters for AnyHead {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.inner().visit(f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.inner_mut().visit_mut(f);
    }
}

/// A network whose last layer has a posterior in closed form; the weights before it are numbers, or have independent normal distributions of their own.
pub struct LastLayer {
    body: Body,
    /// The last layer.
    pub head: AnyHead,
}

impl Parameters for LastLayer {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("body", &self.body, f);
        nested("head", &self.head, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("body", &mut self.body, f);
        nested_mut("head", &mut self.head, f);
    }
}

impl Snapshot for LastLayer {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

impl LastLayer {
    /// Linear layers of these widths, each with the nonlinear function after it, from `input` numbers; then the head that `head` builds for
    /// the width of the features. Without widths the features are the inputs themselves. Numbers are double precision.
    ///
    /// # Errors
    /// Those of the layers and of the head; [`Error::Setting`] for a head of the other kind than announced.
    pub fn new(
        input: usize,
        hidden: &[usize],
        activation: Activation,
        is_generative: bool,
        head: impl FnOnce(usize, &mut elbo_core::Rng) -> Result<AnyHead>,
        rng: &mut elbo_core::Rng,
    ) -> Result<Self> {
        let layers: Vec<LayerConfig> = hidden
            .iter()
            .flat_map(|width| [LayerConfig::Linear(LinearConfig::new(*width)), activation.into()])
            .collect();
        let mut build = Build::new(rng);
        build.dtype = DType::F64;
        let (body, shape) = Sequential::build(&layers, &[input], &mut build)?;
        Self::assemble(Body::Point(body), shape[0], is_generative, head, rng)
    }

    /// The same with independent normal distributions of the weights before the last layer, which start with the standard deviation `sd`: the last layer
    /// is integrated over by its bound for every draw of them. Their prior has mean zero and, in each layer, the variance of one over its inputs.
    ///
    /// # Errors
    /// As [`LastLayer::new`]; [`Error::Setting`] without widths.
    pub fn mean_field(
        input: usize,
        hidden: &[usize],
        (activation, sd): (Activation, f64),
        is_generative: bool,
        head: impl FnOnce(usize, &mut elbo_core::Rng) -> Result<AnyHead>,
        rng: &mut elbo_core::Rng,
    ) -> Result<Self> {
        let mut build = Build::new(rng);
        build.dtype = DType::F64;
        let body = Body::mean_field(input, hidden, activation, sd, &mut build)?;
        Self::assemble(body, hidden[hidden.len() - 1], is_generative, head, rng)
    }

    fn assemble(
        body: Body,
        width: usize,
        is_generative: bool,
        head: impl FnOnce(usize, &mut elbo_core::Rng) -> Result<AnyHead>,
        rng: &mut elbo_core::Rng,
    ) -> Result<Self> {
        let head = head(width + usize::from(!is_generative), rng)?;
        ensure("is_generative", is_generative, head.has_constant() != is_generative, "as the head is")?;
        Ok(Self { body, head })
    }

    /// Whether the weights before the last layer have distributions.
    pub fn is_mean_field(&self) -> bool {
        matches!(self.body, Body::MeanField { .. })
    }

    /// What the last layer sees, `[B, H]`; the last number is the constant, if there is one. `x: [B, D]`. Weights that have distributions are at
    /// their means.
    pub fn features(&self, x: &Tensor) -> Tensor {
        self.features_in(x, &mut Pass::evaluation())
    }

    /// [`LastLayer::features`] with the weights before the last layer drawn as the pass says, where they have distributions.
    pub fn features_in(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let features = self.body.forward(x, pass);
        if self.head.has_constant() {
            let constant = Tensor::ones(&[x.size(0), 1], features.dtype());
            return Tensor::cat(&[features, constant], -1);
        }
        features
    }

    /// [`LastLayer::features`] outside the graph.
    pub fn encode(&self, x: &Tensor) -> Tensor {
        no_grad(|| self.features(x))
    }

    /// Mean of the bounds of these rows, and what all rows pay together, in nats.
    ///
    /// # Errors
    /// Those of the head.
    pub fn terms(&self, x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor)> {
        self.terms_in(x, y, &mut Pass::evaluation())
    }

    /// [`LastLayer::terms`] with the weights before the last layer drawn as the pass says, where they have distributions; their divergence from the
    /// prior is then among what all rows pay.
    ///
    /// # Errors
    /// Those of the head.
    pub fn terms_in(&self, x: &Tensor, y: &Tensor, pass: &mut Pass<'_>) -> Result<(Tensor, Tensor)> {
        let head = self.head.inner();
        let fit = head.bound(&self.features_in(x, pass), y)?.mean();
        let cost = head.cost()?;
        Ok((fit, self.body.kl().map_or(cost.clone(), |kl| cost + kl)))
    }
}

impl LastLayer {
    /// The bound of these rows as all there are, with the best posterior of the last layer inside it, in nats: see
    /// [`RegressionHead::collapsed_bound`].
    ///
    /// # Errors
    /// Those of the head; [`Error::Data`] for a head of classes, whose best posterior has no closed form.
    pub fn collapsed(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        self.collapsible()?.collapsed_bound(&self.features(x), y)
    }

    /// Gives the last layer its best posterior at the present features and noise, from these rows as all there are.
    ///
    /// # Errors
    /// As [`LastLayer::collapsed`].
    pub fn settle(&mut self, x: &Tensor, y: &Tensor) -> Result<()> {
        let best = self.collapsible()?.optimal(&self.encode(x), y)?;
        self.head = AnyHead::Regression(best);
        Ok(())
    }

    fn collapsible(&self) -> Result<&RegressionHead> {
        if self.is_mean_field() {
            return Err(Error::data(
                "the features are random, so no last layer is best for all of them",
                "fit with collapsed=false, or with body=point",
            ));
        }
        match &self.head {
            AnyHead::Regression(head) => Ok(head),
            _ => Err(Error::data(
                "the target is of classes, for which the best last layer has no closed form",
                "fit with collapsed=false",
            )),
        }
    }
}

/// Targets of rows.
#[derive(Debug, Clone)]
pub enum Targets {
    /// Numbers, `[N, K]`.
    Numbers(Tensor),
    /// Class indices, `[N]`.
    Classes(Vec<usize>),
}

impl Targets {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers(y) => y.size(0),
            Self::Classes(y) => y.len(),
        }
    }

    /// These rows as a head takes them.
    pub fn take(&self, rows: &[usize]) -> Tensor {
        match self {
            Self::Numbers(y) => y.index_select(0, &Tensor::indices(rows)),
            Self::Classes(y) => Tensor::indices(&rows.iter().map(|r| y[*r]).collect::<Vec<_>>()),
        }
    }
}

/// Settings of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainSettings {
    /// Minibatches.
    pub steps: usize,
    /// Rows a step.
    pub batch: usize,
    /// Adam's rate at the start; it falls to a hundredth along half a cosine.
    pub rate: f64,
    /// Decoupled decay of the features' weights; the head has its prior instead.
    pub weight_decay: f64,
    /// Largest norm of a gradient.
    pub clip: f64,
    /// What the divergence is multiplied by; one is Bayes' rule.
    pub kl_weight: f64,
}

impl TrainSettings {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=1_000_000_000)?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")?;
        ensure_within("weight_decay", self.weight_decay, 0.0..)?;
        ensure("clip", self.clip, self.clip > 0.0, "above 0")?;
        ensure("kl_weight", self.kl_weight, self.kl_weight > 0.0 && self.kl_weight.is_finite(), "above 0")
    }
}

/// Training on minibatches: Adam on `-mean(bound) + kl_weight cost / N`, with decay on the features alone.
pub struct Fit {
    x: Tensor,
    y: Targets,
    settings: TrainSettings,
    is_collapsed: bool,
}

/// What training remembers between steps.
pub struct FitState {
    batches: Batches,
    body: AdamState,
    head: AdamState,
}

impl Snapshot for FitState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.batches.save(file, &format!("{prefix}.batches"));
        self.body.save(file, &format!("{prefix}.body"));
        self.head.save(file, &format!("{prefix}.head"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.batches.restore(file, &format!("{prefix}.batches"))?;
        self.body.restore(file, &format!("{prefix}.body"))?;
        self.head.restore(file, &format!("{prefix}.head"))
    }
}

impl Fit {
    /// Training on rows `x: [N, D]`.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range; [`Error::Data`] for another number of targets than rows.
    pub fn new(x: Tensor, y: Targets, settings: TrainSettings) -> Result<Self> {
        settings.check()?;
        if x.size(0) != y.rows() {
            let text = format!("there are {} rows and {} targets", x.size(0), y.rows());
            return Err(Error::data(text, "give one target a row"));
        }
        Ok(Self { x, y, settings, is_collapsed: false })
    }

    /// The same with the best posterior of the last layer inside the bound at every step, [`LastLayer::collapsed`]: each step takes all rows, and
    /// features and noise alone are learned; [`Fit::run`] gives the last layer that posterior in the end. For numbers with Gaussian noise.
    ///
    /// # Errors
    /// [`Error::Setting`] for a divergence that is not weighed by one, of which there is no such form.
    pub fn collapsed(self) -> Result<Self> {
        ensure("kl_weight", self.settings.kl_weight, self.settings.kl_weight == 1.0, "1 with collapsed=true")?;
        Ok(Self { is_collapsed: true, ..self })
    }

    /// Trains a model to the end.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the loss or its gradient is not finite, and those of the head.
    pub fn run(&self, model: &mut LastLayer, run: &mut Run) -> Result<()> {
        let objective =
            if self.is_collapsed { "negative bound (nats a row)" } else { "loss of a minibatch (nats a row)" };
        drive(self, model, &Stop::after(self.settings.steps, "training", objective), run)?;
        if self.is_collapsed {
            model.settle(&self.x, &self.every())?;
        }
        Ok(())
    }

    /// All targets as a head takes them.
    fn every(&self) -> Tensor {
        self.y.take(&(0..self.y.rows()).collect::<Vec<_>>())
    }

    /// What a step lowers: of the next rows, or of all.
    fn loss(&self, model: &LastLayer, state: &mut FitState, run: &mut Run) -> Result<Tensor> {
        let n = self.y.rows() as f64;
        if self.is_collapsed {
            return Ok(model.collapsed(&self.x, &self.every())? * (-1.0 / n));
        }
        let rows = state.batches.next(&mut run.rng).to_vec();
        let x = self.x.index_select(0, &Tensor::indices(&rows));
        let (fit, cost) = model.terms_in(&x, &self.y.take(&rows), &mut Pass::training(&mut run.rng))?;
        Ok(cost * (self.settings.kl_weight / n) - fit)
    }

    /// The bound of all rows at the model, the divergence included, in nats a row; over 32 draws of the weights before the last layer, always the same,
    /// where they have distributions.
    ///
    /// # Errors
    /// Those of the head.
    pub fn bound(&self, model: &LastLayer) -> Result<f64> {
        let (count, seed) = if model.is_mean_field() { BOUND_DRAWS } else { (1, BOUND_DRAWS.1) };
        let mut rng = elbo_core::Rng::new(seed);
        let (mut total, every) = (0.0, self.every());
        for _ in 0..count {
            let (fit, cost) = no_grad(|| model.terms_in(&self.x, &every, &mut Pass::training(&mut rng)))?;
            total += fit.item() - self.settings.kl_weight * cost.item() / self.y.rows() as f64;
        }
        Ok(total / count as f64)
    }

    fn adam(&self, weight_decay: f64) -> Adam {
        let rate = self.settings.rate;
        let rate = Schedule::Cosine { start: rate, end: LAST_RATE * rate, steps: self.settings.steps };
        Adam { weight_decay, ..Adam::with_rate(rate) }
    }
}

impl Step<LastLayer> for Fit {
    type State = FitState;

    fn init(&self, model: &mut LastLayer, _: &mut Run) -> Result<FitState> {
        let adam = self.adam(0.0);
        Ok(FitState {
            batches: Batches::new(self.y.rows(), self.settings.batch),
            body: adam.start_parts(&model.body.parts()),
            head: adam.start_parts(&model.head.parts()),
        })
    }

    fn step(&self, model: &mut LastLayer, state: &mut FitState, run: &mut Run) -> Result<Progress> {
        let loss = self.loss(model, state, run)?;
        let leaves = model.leaves();
        let mut gradients = grad(&loss, &leaves.iter().collect::<Vec<_>>());
        // While the leaves are held, an update in place would have to copy them.
        drop(leaves);
        let norm = gradients.iter().map(|g| g.square().sum().item()).sum::<f64>().sqrt();
        if !loss.is_finite() || !norm.is_finite() {
            return Err(Error::numerical(
                format!("the loss is {} after {} steps, or its gradient is not finite", loss.item(), state.head.steps),
                "lower `rate`, or look for inputs far from all others",
            ));
        }
        // One norm for both parts, which Adam would clip apart.
        if norm > self.settings.clip {
            let shrink = self.settings.clip / norm;
            gradients.iter_mut().for_each(|g| *g = &*g * shrink);
        }
        let of_head = gradients.split_off(model.body.leaves().len());
        // Weights with distributions have their prior instead.
        let decay = if model.is_mean_field() { 0.0 } else { self.settings.weight_decay };
        descend(&self.adam(decay), &mut model.body, &gradients, &mut state.body);
        descend(&self.adam(0.0), &mut model.head, &of_head, &mut state.head);
        Ok(Progress { objective: loss.item(), converged: false })
    }
}
