#![doc = "[picture]: ../../../../docs/pictures/vbll.svg"]
#![doc = include_str!("vbll.md")]

mod claim;
mod predict;

use elbo_core::{
    Card, Claim, Columns, Config, Data, Encode, Error, Kind, Model, ModelFile, Predict, Result, Rng, Run, Summary,
    Supervised, System, Update, Verb, ensure, ensure_within,
};
use elbo_nn::bayes::head::{Bound, DiscriminativeHead, GenerativeHead, HeadConfig, NoiseConfig, RegressionHead};
use elbo_nn::bayes::{AnyHead, Covariance, Fit, LastLayer, Targets, TrainSettings};
use elbo_nn::layer::check_widths;
use elbo_nn::{Activation, table};
use elbo_tensor::{Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The noise's standard deviation at the start: that of the scaled target, and a mild one for logits and features.
const START_NOISE: f64 = 1.0;
const START_NOISE_OF_LOGITS: f64 = 0.4;
/// The standard deviation of weights before the last layer at the start, where they have one.
const START_SD: f64 = 0.01;
/// Where the root mean square of the features is near enough to one, and the functions of the prior to the data.
const USUAL_SIZES: RangeInclusive<f64> = 0.1..=10.0;

/// Variational Bayesian last layers.
pub struct Vbll;

/// How classes come from features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Classifier {
    /// Noisy logits.
    #[default]
    Discriminative,
    /// A Gaussian of the features for each class, which also tells unusual rows.
    Generative,
}

/// What the weights before the last layer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Numbers.
    #[default]
    Point,
    /// Independent normal distributions.
    MeanField,
}

/// Settings of `vbll`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VbllConfig {
    /// Widths of the layers before the last; none for a linear model of the inputs.
    pub hidden: Vec<usize>,
    /// The nonlinear function: relu, tanh, silu, gelu, ...
    pub activation: Activation,
    /// Covariance of the last layer's weights: dense, diagonal, low_rank, dense_precision, or point for none.
    pub covariance: Covariance,
    /// Common directions of a low-rank covariance.
    #[schemars(range(min = 1))]
    pub rank: usize,
    /// Head of a target of classes: discriminative or generative.
    pub classifier: Classifier,
    /// Bound of the discriminative head: jensen or tilted.
    pub bound: Bound,
    /// Noise of a numeric target: gaussian, student_t or heteroscedastic.
    pub noise: NoiseConfig,
    /// Variance of the prior of an output's weights together.
    pub prior_scale: f64,
    /// Degrees of freedom of the noise's inverse Wishart prior.
    pub wishart_dof: f64,
    /// Scale of that prior, in the unit of the scaled target.
    pub wishart_scale: f64,
    /// What the divergence is multiplied by; anything but 1 is tempered, not Bayes' rule.
    pub kl_weight: f64,
    /// Weights before the last layer: point, or mean_field for independent normal distributions, of which predictions take 20 draws.
    pub body: Body,
    /// Whether each step has the best posterior of the last layer inside its bound, from all rows; for numbers with Gaussian noise and a dense covariance.
    pub collapsed: bool,
    /// Minibatches.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Rows a step.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Adam's rate at the start; it falls to a hundredth along half a cosine.
    pub rate: f64,
    /// Decay of the weights before the last layer.
    pub weight_decay: f64,
    /// Largest norm of a gradient.
    pub clip: f64,
    /// Draws of the logits in a prediction of the discriminative head.
    #[schemars(range(min = 1))]
    pub draws: usize,
}

impl Default for VbllConfig {
    fn default() -> Self {
        Self {
            hidden: vec![64, 64],
            activation: Activation::Silu,
            covariance: Covariance::Dense,
            rank: 3,
            classifier: Classifier::Discriminative,
            bound: Bound::Jensen,
            noise: NoiseConfig::Gaussian,
            prior_scale: 1.0,
            wishart_dof: 1.0,
            wishart_scale: 0.01,
            kl_weight: 1.0,
            body: Body::Point,
            collapsed: false,
            steps: 3000,
            batch: 64,
            rate: 1e-3,
            weight_decay: 1.0,
            clip: 1.0,
            draws: 100,
        }
    }
}

impl Config for VbllConfig {
    fn check(&self) -> Result<()> {
        check_widths("hidden", &self.hidden)?;
        ensure_within("draws", self.draws, 1..=100_000)?;
        self.head(1, 1, START_NOISE).check()?;
        self.training().check()?;
        if self.body == Body::MeanField {
            ensure("hidden", "[]", !self.hidden.is_empty(), "a width at least with body=mean_field")?;
            let is_gaussian = self.noise == NoiseConfig::Gaussian;
            ensure("noise", serde_json::json!(self.noise), is_gaussian, "gaussian with body=mean_field")?;
            ensure("collapsed", self.collapsed, !self.collapsed, "false with body=mean_field")?;
        }
        if self.collapsed {
            let is_dense = self.covariance == Covariance::Dense;
            ensure("covariance", serde_json::json!(self.covariance), is_dense, "dense with collapsed=true")?;
            let is_gaussian = self.noise == NoiseConfig::Gaussian;
            ensure("noise", serde_json::json!(self.noise), is_gaussian, "gaussian with collapsed=true")?;
            ensure("kl_weight", self.kl_weight, self.kl_weight == 1.0, "1 with collapsed=true")?;
        }
        Ok(())
    }
}

/// What the target is, as far as building the network goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Number,
    Classes(usize),
}

impl Target {
    fn of(columns: &Columns) -> Self {
        match columns.classes().len() {
            0 => Self::Number,
            count => Self::Classes(count),
        }
    }
}

impl VbllConfig {
    fn head(&self, outputs: usize, features: usize, noise_sd: f64) -> HeadConfig {
        HeadConfig {
            outputs,
            features,
            covariance: self.covariance,
            rank: self.rank,
            prior_scale: self.prior_scale,
            wishart_dof: self.wishart_dof,
            wishart_scale: self.wishart_scale,
            noise_sd,
        }
    }

    fn training(&self) -> TrainSettings {
        TrainSettings {
            steps: self.steps,
            batch: self.batch,
            rate: self.rate,
            weight_decay: self.weight_decay,
            clip: self.clip,
            kl_weight: self.kl_weight,
        }
    }

    /// Warns of settings that do not apply.
    fn warn_idle(&self, target: Target, run: &mut Run) {
        if self.covariance != Covariance::LowRank {
            run.warn_idle(self, &["rank"], "without covariance=low_rank");
        }
        if self.collapsed {
            run.warn_idle(self, &["batch"], "with collapsed=true");
        }
        if self.body == Body::MeanField {
            run.warn_idle(self, &["weight_decay"], "with body=mean_field, whose weights have a prior");
        }
        match (target, self.classifier) {
            (Target::Number, _) => run.warn_idle(self, &["classifier", "bound", "draws"], "on a numeric target"),
            (_, Classifier::Discriminative) => run.warn_idle(self, &["noise"], "on a target of classes"),
            (_, Classifier::Generative) => {
                run.warn_idle(self, &["noise"], "on a target of classes");
                run.warn_idle(self, &["bound", "draws"], "with classifier=generative");
            }
        }
    }

    /// Warns where the features at these inputs are not of the size that the prior of the last layer's weights assumes: of variance `s / H` each, they make
    /// functions of variance `s |φ|² / H`. A scale of the prior that makes up for it is no reason to warn, and class means have no weights.
    fn warn_of_features(&self, network: &LastLayer, x: &Tensor, run: &mut Run) {
        let (share, unit) = match &network.head {
            AnyHead::Regression(_) => (1.0, "times that of the target"),
            AnyHead::Discriminative(_) => (2.0, "in logits"),
            AnyHead::Generative(_) => return,
        };
        let size = network.encode(x).square().mean().item().sqrt();
        let spread = (share * self.prior_scale).sqrt() * size;
        let is_usual = USUAL_SIZES.contains(&size) || USUAL_SIZES.contains(&spread);
        if self.covariance == Covariance::Point || is_usual {
            return;
        }
        run.warn(format!(
            "the features have a root mean square of {size:.2e} where the prior of the last layer assumes about 1, so that functions of the prior have a \
             standard deviation of {spread:.2e} {unit}; set prior_scale={:.1e}, or change `rate`, `weight_decay` or `activation`",
            1.0 / (share * size * size)
        ));
    }

    fn is_generative(&self, target: Target) -> bool {
        target != Target::Number && self.classifier == Classifier::Generative
    }

    /// The network for inputs of this width. `shares` are the classes' for a generative head, and empty otherwise.
    fn build(&self, input: usize, target: Target, shares: &[f64], rng: &mut Rng) -> Result<LastLayer> {
        let is_generative = self.is_generative(target);
        let head = |features: usize, rng: &mut Rng| {
            Ok(match target {
                Target::Number => {
                    AnyHead::Regression(RegressionHead::new(self.head(1, features, START_NOISE), self.noise, rng)?)
                }
                Target::Classes(count) => {
                    let config = self.head(count, features, START_NOISE_OF_LOGITS);
                    if is_generative {
                        AnyHead::Generative(GenerativeHead::new(config, shares, rng)?)
                    } else {
                        AnyHead::Discriminative(DiscriminativeHead::new(config, self.bound, rng)?)
                    }
                }
            })
        };
        if self.body == Body::MeanField {
            let start = (self.activation, START_SD);
            return LastLayer::mean_field(input, &self.hidden, start, is_generative, head, rng);
        }
        LastLayer::new(input, &self.hidden, self.activation, is_generative, head, rng)
    }

    /// A network trained on rows `x: [N, D]`, and its bound in nats a row.
    fn train(&self, x: Tensor, y: Targets, target: Target, run: &mut Run) -> Result<(LastLayer, f64)> {
        let shares = match (&y, target) {
            (Targets::Classes(y), Target::Classes(count)) => shares(y, count),
            _ => vec![],
        };
        let mut network = self.build(x.size(1), target, &shares, &mut run.rng.fork())?;
        let fit = Fit::new(x, y, self.training())?;
        let fit = if self.collapsed { fit.collapsed()? } else { fit };
        fit.run(&mut network, run)?;
        let bound = fit.bound(&network)?;
        Ok((network, bound))
    }
}

/// Shares of the classes, as if each had been seen once more.
fn shares(y: &[usize], count: usize) -> Vec<f64> {
    let total = (y.len() + count) as f64;
    (0..count).map(|c| (y.iter().filter(|t| **t == c).count() + 1) as f64 / total).collect()
}

impl System for Vbll {
    const CARD: Card = Card {
        id: "vbll",
        title: "Variational Bayesian Last Layers",
        family: "bayesnn",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Update, Verb::Encode, Verb::Reproduce],
        source: "Harrison, Willes and Snoek (2024)",
        about: include_str!("vbll.md"),
        validates_itself: false,
    };
    type Config = VbllConfig;
    type Input = Supervised;
    type Model = VbllModel;

    fn fit(&self, config: &VbllConfig, input: Supervised, run: &mut Run) -> Result<VbllModel> {
        if !(0.1..=10.0).contains(&config.kl_weight) {
            let way = if config.kl_weight < 1.0 { "surer" } else { "less sure" };
            run.warn(format!(
                "the divergence is weighed by {}: predictions will be {way} than the data allow; 1 is Bayes' rule",
                config.kl_weight
            ));
        }
        let (x, y, columns, notes) = match input {
            Supervised::Numbers(input) => {
                let y = Tensor::from_vec(input.y, &[input.x.rows, 1]);
                (input.x, Targets::Numbers(y), input.columns, input.notes)
            }
            Supervised::Classes(input) => (input.x, Targets::Classes(input.y), input.columns, input.notes),
        };
        notes.iter().for_each(|note| run.warn(note));
        config.warn_idle(Target::of(&columns), run);
        let rows = x.rows;
        let x = table::one_hot(&x);
        let (network, bound) = config.train(x.clone(), y, Target::of(&columns), run)?;
        config.warn_of_features(&network, &x, run);
        let mut model = VbllModel {
            covariance: config.covariance,
            config: config.clone(),
            columns,
            network,
            summary: Summary::default(),
        };
        model.summary = model.describe(rows, bound);
        Ok(model)
    }

    fn load(&self, file: &ModelFile) -> Result<VbllModel> {
        let config: VbllConfig = file.fact("config")?;
        let covariance: Covariance = file.fact("covariance")?;
        let columns: Columns = file.fact("columns")?;
        let target = Target::of(&columns);
        let uniform = match target {
            Target::Number => vec![],
            Target::Classes(count) => vec![1.0 / count as f64; count],
        };
        // After an update the covariance is dense, whatever it was fitted with.
        let built = VbllConfig { covariance, ..config.clone() };
        let mut network = built.build(table::width(&columns), target, &uniform, &mut Rng::new(0))?;
        network.read_from(file, "network")?;
        Ok(VbllModel { config, covariance, columns, network, summary: file.fact("summary")? })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        claim::claim(run)
    }
}

/// A network with a posterior over its last layer.
pub struct VbllModel {
    config: VbllConfig,
    covariance: Covariance,
    columns: Columns,
    network: LastLayer,
    summary: Summary,
}

impl VbllModel {
    fn describe(&self, rows: usize, bound: f64) -> Summary {
        let mut summary = Summary {
            objective: Some(("elbo".into(), bound * rows as f64)),
            metrics: vec![("elbo_per_row".into(), bound)],
            ..Summary::default()
        };
        let head = match &self.network.head {
            AnyHead::Regression(head) => {
                if let Some(sd) = head.noise_sd() {
                    let sd = sd[0] * self.columns.target_scaling().1;
                    summary.metrics.push(("noise_sd".into(), sd));
                    summary.parameters.push(("noise_sd".into(), format!("{sd:.4}"), "unit of the target".into()));
                }
                "for a number"
            }
            AnyHead::Discriminative(_) => "of noisy logits",
            AnyHead::Generative(_) => "of Gaussian features",
        };
        let covariance = serde_json::to_value(self.covariance).expect("a name is plain data");
        summary.text = format!(
            "A network with hidden layers {:?}{} on {rows} rows and a Bayesian last layer {head}; covariance {}{}{}.",
            self.config.hidden,
            if self.config.body == Body::MeanField { ", whose weights have distributions," } else { "" },
            covariance.as_str().unwrap_or_default(),
            if self.config.collapsed { ", collapsed in training" } else { "" },
            if self.config.kl_weight == 1.0 { "" } else { ", tempered" }
        );
        summary
    }
}

impl Model for VbllModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("covariance", &self.covariance);
        file.set("columns", &self.columns);
        self.network.write_to(file, "network");
        file.set("summary", &self.summary);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn as_predict(&self) -> Option<&dyn Predict> {
        Some(self)
    }

    fn as_encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }

    fn as_update(&self) -> Option<&dyn Update> {
        let is_closed = self.config.noise == NoiseConfig::Gaussian
            && self.covariance != Covariance::Point
            && self.config.body == Body::Point;
        let is_number = matches!(self.network.head, AnyHead::Regression(_));
        (is_number && is_closed).then_some(self as &dyn Update)
    }
}

impl Update for VbllModel {
    fn update(&self, data: &Data, run: &mut Run) -> Result<Box<dyn Model>> {
        let features = self.network.encode(&table::encode(&self.columns, data, run)?);
        let y = self.columns.encode_number_target(data)?;
        let rows = y.len();
        let mut file = ModelFile::new(Vbll::CARD.id);
        Model::save(self, &mut file)?;
        let mut model = System::load(&Vbll, &file)?;
        let AnyHead::Regression(head) = &model.network.head else {
            return Err(Error::data(
                "the target is of classes, which have no update in closed form",
                "fit again with all rows",
            ));
        };
        let head = head.condition(&features, &Tensor::from_vec(y, &[rows, 1]))?;
        model.network.head = AnyHead::Regression(head);
        model.covariance = Covariance::Dense;
        model.summary.text = format!("{} Updated with {rows} rows.", model.summary.text);
        Ok(Box::new(model))
    }

    fn judges_columns(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_warned_of_where_neither_they_nor_the_scale_of_the_prior_fit() {
        // Without hidden layers the features are the inputs and a constant.
        let config = VbllConfig { hidden: vec![], ..VbllConfig::default() };
        let warnings = |config: &VbllConfig, target: Target, x: &Tensor| {
            let network = config.build(x.size(1), target, &[0.5, 0.5], &mut Rng::new(1)).unwrap();
            let mut run = Run::new(2);
            config.warn_of_features(&network, x, &mut run);
            run.warnings().to_vec()
        };
        let usual = Tensor::from_vec(Rng::new(3).normals(150), &[50, 3]);
        // Root mean squares of √((3 · 900 + 1) / 4) = 26, and of √(1 / 301) = 0.058.
        let (large, small) = (&usual * 30.0, Tensor::zeros(&[50, 300], usual.dtype()));
        for target in [Target::Number, Target::Classes(2)] {
            assert!(warnings(&config, target, &usual).is_empty());
            for x in [&large, &small] {
                let found = warnings(&config, target, x);
                assert!(found.len() == 1 && found[0].contains("prior_scale="), "{found:?}");
                let scale = found[0].split("prior_scale=").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
                let mended = VbllConfig { prior_scale: scale.parse().unwrap(), ..config.clone() };
                assert!(warnings(&mended, target, x).is_empty(), "what the message says helps");
                let point = VbllConfig { covariance: Covariance::Point, ..config.clone() };
                assert!(warnings(&point, target, x).is_empty());
            }
            let wide = VbllConfig { prior_scale: 1000.0, ..config.clone() };
            assert!(warnings(&wide, target, &usual).is_empty(), "functions far beyond the data were asked for");
        }
        let generative = VbllConfig { classifier: Classifier::Generative, ..config };
        assert!(warnings(&generative, Target::Classes(2), &large).is_empty());
    }
}
