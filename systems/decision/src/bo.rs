#![doc = include_str!("bo.md")]

use elbo_core::{Card, Claim, Config, Kind, ModelFile, Result, Run, System, Verb, ensure};
use elbo_decide::ask::{AcquisitionKind, AskConfig};
use elbo_decide::design::Design;
use elbo_decide::experiment::{Experiment, Question, Trials};
use elbo_decide::functions::function;
use elbo_decide::maximise::MaximiseConfig;
use elbo_decide::regret::{log10_regret, quartiles};
use elbo_decide::surrogate::{MeanKind, SurrogateConfig};
use elbo_decide::trial_loop::Loop;
use elbo_decide::{Goal, Limit, Space};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bayesian optimisation.
pub struct Bo;

/// Settings of `bo`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BoConfig {
    /// Whether to `minimise` or to `maximise` the target.
    pub goal: Goal,
    /// What may be varied, a list of variables; the ranges of the data where `null`.
    pub space: Option<Space>,
    /// Limits on other measured columns, such as `{column = "purity", at_least = 0.9}`.
    pub limits: Vec<Limit>,
    /// The score that chooses: `log_ei`, `log_nei` for noisy trials, `ei`, `pi`, `lcb`, `thompson`, `knowledge_gradient`.
    pub acquisition: AcquisitionKind,
    /// Trials before the model takes over; `max(5, 2 D)` where `null`.
    pub initial: Option<usize>,
    /// How these are spread.
    pub design: Design,
    /// The mean function of the surrogate; `learned` is the constant of largest likelihood.
    pub mean: MeanKind,
    /// Noise variance as a share of the target's variance; learned where `null`.
    pub noise: Option<f64>,
    /// Samples of the scores of several points.
    pub samples: usize,
    /// Starting points of the search for hyperparameters.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// L-BFGS steps a start, at most.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// How hard the best place of the score is looked for.
    pub maximise: MaximiseConfig,
}

impl Default for BoConfig {
    fn default() -> Self {
        let (ask, surrogate) = (AskConfig::default(), SurrogateConfig::default());
        Self {
            goal: Goal::Minimise,
            space: None,
            limits: vec![],
            acquisition: ask.acquisition,
            initial: None,
            design: ask.design,
            mean: surrogate.mean,
            noise: None,
            samples: ask.samples,
            starts: surrogate.starts,
            iterations: surrogate.iterations,
            maximise: ask.maximise,
        }
    }
}

impl BoConfig {
    fn question(&self) -> Question<'_> {
        Question { goal: self.goal, space: self.space.as_ref(), limits: &self.limits }
    }

    fn ask(&self) -> AskConfig {
        AskConfig {
            acquisition: self.acquisition,
            initial: self.initial,
            design: self.design,
            samples: self.samples,
            maximise: self.maximise.clone(),
            ..AskConfig::default()
        }
    }

    fn surrogate(&self) -> SurrogateConfig {
        SurrogateConfig {
            noise: self.noise,
            mean: self.mean,
            starts: self.starts,
            iterations: self.iterations,
            ..SurrogateConfig::default()
        }
    }
}

impl Config for BoConfig {
    fn check(&self) -> Result<()> {
        self.question().check()?;
        self.ask().check()?;
        if let Some(noise) = self.noise {
            ensure("noise", noise, (1e-9..=1.0).contains(&noise), "from 1e-9 to 1, or null to learn it")?;
        }
        ensure("starts", self.starts, self.starts >= 1, "at least 1")?;
        ensure("iterations", self.iterations, self.iterations >= 1, "at least 1")
    }
}

impl System for Bo {
    const CARD: Card = Card {
        id: "bo",
        title: "Bayesian optimisation",
        family: "decision",
        kind: Kind::Baseline,
        verbs: &[Verb::Fit, Verb::Suggest, Verb::Reproduce],
        source: "Jones, Schonlau and Welch (1998); Ament et al. (2023)",
        about: include_str!("bo.md"),
        validates_itself: true,
    };
    type Config = BoConfig;
    type Input = Trials;
    type Model = Experiment;

    fn fit(&self, config: &BoConfig, input: Trials, run: &mut Run) -> Result<Experiment> {
        Experiment::fit(&input, &config.question(), config.surrogate(), config.ask(), run)
    }

    fn load(&self, file: &ModelFile) -> Result<Experiment> {
        Experiment::load(file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(5);
        let mut claim = Claim::new(seeds.clone());
        let config = BoConfig::default();
        // Function, variables, all trials; the first ones are a design.
        let problems =
            run.pick(vec![("branin", 2, 24)], vec![("branin", 2, 30), ("hartmann-6", 6, 60), ("levy", 8, 80)]);
        for (name, dims, trials) in problems {
            let problem = function(name, dims).expect("a known function");
            let (mut model, mut random) = (vec![], vec![]);
            for seed in &seeds {
                let looped = Loop { surrogate: config.surrogate(), ask: config.ask(), trials };
                let done = looped.run(&problem, None, &mut run.child(*seed))?;
                model.push(log10_regret(done.best() - problem.optimum));
                let mut rng = run.child(seed + 1_000).rng;
                let best = Design::Sobol
                    .points(trials, dims, &mut rng)
                    .iter()
                    .map(|u| problem.at(u))
                    .fold(f64::INFINITY, f64::min);
                random.push(log10_regret(best - problem.optimum));
            }
            let (model, random) = (quartiles(&model)[1], quartiles(&random)[1]);
            // A tenth of the regret on the easy problem, half of it on the others; a single short run shows the sign.
            let least = if name == "branin" { run.pick(0.3, 1.0) } else { 0.3 };
            claim.at_least(
                &format!("{name} in {dims} variables, {trials} trials: decades of regret below a Sobol sequence of as many trials"),
                random - model,
                Some(0.0),
                least,
            );
        }
        Ok(claim)
    }
}
