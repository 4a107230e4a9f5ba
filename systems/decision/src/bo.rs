#![doc = "[picture]: ../../../../docs/pictures/bo.svg"]
#![doc = include_str!("bo.md")]

use elbo_core::{Card, Claim, Config, Kind, ModelFile, Result, Run, System, Verb};
use elbo_decide::ask::{AcquisitionKind, AskConfig};
use elbo_decide::design::Design;
use elbo_decide::experiment::{Experiment, Trials};
use elbo_decide::functions::function;
use elbo_decide::regret::{log10_regret, quartiles};
use elbo_decide::settings::Settings;
use elbo_decide::trial_loop::Loop;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bayesian optimisation.
pub struct Bo;

/// Settings of `bo`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BoConfig {
    /// The experiment, the surrogate and the score.
    #[serde(flatten)]
    pub common: Settings,
    /// Samples of the scores of several points.
    pub samples: usize,
}

impl Default for BoConfig {
    fn default() -> Self {
        Self { common: Settings::default(), samples: AskConfig::default().samples }
    }
}

impl BoConfig {
    fn ask(&self) -> AskConfig {
        AskConfig { samples: self.samples, ..self.common.ask() }
    }
}

impl Config for BoConfig {
    fn check(&self) -> Result<()> {
        self.common.check()?;
        self.ask().check()
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
        if config.common.acquisition != AcquisitionKind::Lcb {
            run.warn_idle(config, &["schedule"], "without acquisition=lcb");
        }
        Experiment::fit(&input, &config.common, config.common.surrogate(), config.ask(), run)
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
                let looped = Loop { surrogate: config.common.surrogate(), ask: config.ask(), trials };
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
