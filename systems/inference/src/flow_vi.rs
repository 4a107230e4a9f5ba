#![doc = include_str!("flow-vi.md")]

mod amortised;
mod energies;

use elbo_core::{Card, Claim, Config, Kind, ModelFile, Result, Run, Summary, Supervised, System, Verb, ensure_within};
use elbo_dist::flow::FlowSpec;
use elbo_infer::family::{FlowFamily, MeanField};
use elbo_infer::fit::{AnnealedSettings, Fit, ViSettings, annealed, vi};
use elbo_infer::glm::{GlmKind, GlmPosterior, GlmSettings, GlmTable};
use elbo_infer::target::LogDensity;
use elbo_tensor::Parameters;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Steps of the mean-field start for each step of the flow, at most.
const START_STEPS: usize = 10;

/// Variational inference with normalizing flows.
pub struct FlowVi;

/// Settings of `flow-vi`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FlowViConfig {
    /// The flow: `planar:32`, `radial:8`, `sylvester:4x2`, `householder:4`, `nice:4x32`, `realnvp:4x32`, `iaf:4x32`, `spline:4x8`, `continuous:8x32`.
    pub flow: String,
    /// Steps.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Draws a step.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Adam's rate; it falls linearly to zero in the second half.
    pub rate: f64,
    /// Share of the steps in which the posterior's weight rises from 0.01 to 1; zero keeps it at 1.
    pub annealing: f64,
    /// Posterior draws kept for predictions.
    #[schemars(range(min = 100))]
    pub draws: usize,
    /// The likelihood: gaussian, bernoulli, poisson or categorical; without one, by the target.
    pub likelihood: Option<GlmKind>,
    /// Prior standard deviation of the weights, for inputs of unit variance.
    pub weight_sd: f64,
    /// Prior standard deviation of the intercept.
    pub intercept_sd: f64,
}

impl Default for FlowViConfig {
    fn default() -> Self {
        let GlmSettings { weight_sd, intercept_sd, .. } = GlmSettings::default();
        Self {
            flow: "planar:16".into(),
            steps: 2000,
            batch: 64,
            rate: 5e-3,
            annealing: 0.5,
            draws: 2000,
            likelihood: None,
            weight_sd,
            intercept_sd,
        }
    }
}

impl Config for FlowViConfig {
    fn check(&self) -> Result<()> {
        self.flow.parse::<FlowSpec>()?;
        ensure_within("draws", self.draws, 100..=1_000_000)?;
        self.training().check()?;
        self.model().check()
    }
}

impl FlowViConfig {
    fn training(&self) -> AnnealedSettings {
        let &Self { steps, batch, rate, annealing, draws, .. } = self;
        AnnealedSettings { steps, batch, rate, annealing, evaluated: draws, ..AnnealedSettings::default() }
    }

    fn model(&self) -> GlmSettings {
        let &Self { likelihood, weight_sd, intercept_sd, .. } = self;
        GlmSettings { likelihood, weight_sd, intercept_sd }
    }

    /// A mean-field fit gives the flow its base, so that the layers only have to bend.
    fn infer(&self, target: &dyn LogDensity, run: &mut Run) -> Result<Fit> {
        let d = target.dim();
        let start = MeanField::new(&vec![0.0; d], &vec![1.0; d]);
        // The start need not have settled: steps of its own for each step of the flow, up to the usual number.
        let usual = ViSettings::default();
        let settings = ViSettings { steps: usual.steps.min(START_STEPS * self.steps), ..usual };
        let mut own = run.part(run.seed);
        let first = vi(target, Box::new(start), &settings, &mut own);
        run.rejoin(own);
        let first = first?;
        let packed = first.family.pack();
        let sd: Vec<f64> = packed[d..].iter().map(|s| s.exp()).collect();
        let family = FlowFamily::new(self.flow.parse()?, &packed[..d], &sd, &mut run.rng)?;
        let mut fit = annealed(target, Box::new(family), &self.training(), run)?;
        fit.gradients += first.gradients;
        Ok(fit)
    }
}

impl System for FlowVi {
    const CARD: Card = Card {
        id: "flow-vi",
        title: "Variational Inference with Normalizing Flows",
        family: "inference",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Sample, Verb::Reproduce],
        source: "Rezende and Mohamed (2015), ICML",
        about: include_str!("flow-vi.md"),
        validates_itself: false,
    };
    type Config = FlowViConfig;
    type Input = Supervised;
    type Model = GlmPosterior;

    fn fit(&self, config: &FlowViConfig, input: Supervised, run: &mut Run) -> Result<GlmPosterior> {
        let (table, glm, notes) = GlmTable::read(input, &config.model())?;
        notes.iter().for_each(|note| run.warn(note));
        let fit = config.infer(&glm, run)?;
        let summary = Summary {
            objective: Some(("elbo".into(), fit.elbo.value)),
            metrics: vec![
                ("elbo_error".into(), fit.elbo.error),
                ("log_evidence".into(), fit.log_evidence.value),
                ("k_hat".into(), fit.psis.k),
            ],
            text: format!(
                "A Bayesian {} regression on {} rows, its posterior a {}. {}.",
                serde_json::to_value(table.kind()).expect("a plain name").as_str().unwrap_or_default(),
                glm.rows(),
                fit.family.title(),
                fit.psis.verdict()
            ),
            ..Summary::default()
        };
        GlmPosterior::new(config, table, fit.draws, summary).with_flow(config.flow.parse()?, fit.family.into())
    }

    fn load(&self, file: &ModelFile) -> Result<GlmPosterior> {
        GlmPosterior::load(file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let mut claim = Claim::new(run.seeds(3));
        energies::check(&mut claim, run)?;
        amortised::check(&mut claim, run)?;
        Ok(claim)
    }
}
