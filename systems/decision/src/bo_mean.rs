#![doc = "[picture]: ../../../../docs/pictures/bo-mean.svg"]
#![doc = include_str!("bo-mean.md")]

use elbo_core::{Card, Claim, Config, Kind, ModelFile, Result, Run, System, Table, Verb};
use elbo_decide::acquisition::Schedule;
use elbo_decide::ask::{AcquisitionKind, AskConfig};
use elbo_decide::design::Design;
use elbo_decide::experiment::{Experiment, Trials};
use elbo_decide::functions::function;
use elbo_decide::maximise::MaximiseConfig;
use elbo_decide::regret::{holm, log10_regret, quartiles, wilcoxon};
use elbo_decide::settings::Settings;
use elbo_decide::surrogate::{MeanKind, SurrogateConfig};
use elbo_decide::trial_loop::Loop;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bayesian optimisation with a choice of the prior mean.
pub struct BoMean;

/// Settings of `bo-mean`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BoMeanConfig {
    /// The experiment, the surrogate and the score; the paper has `mean=worst` in five or more variables, and `acquisition=ei` or `lcb`.
    #[serde(flatten)]
    pub common: Settings,
}

impl Default for BoMeanConfig {
    fn default() -> Self {
        let common = Settings {
            mean: MeanKind::Worst,
            acquisition: AcquisitionKind::Ei,
            schedule: Schedule::Study,
            design: Design::LatinHypercube,
            noise: Some(1e-6),
            starts: 10,
            iterations: 100,
            maximise: MaximiseConfig { raw: 1000, starts: 10, ..MaximiseConfig::default() },
            ..Settings::default()
        };
        Self { common }
    }
}

impl BoMeanConfig {
    fn surrogate(&self) -> SurrogateConfig {
        SurrogateConfig { isotropic: true, learns_variance: true, priors: false, ..self.common.surrogate() }
    }
}

impl Config for BoMeanConfig {
    fn check(&self) -> Result<()> {
        self.common.check()?;
        self.common.ask().check()
    }
}

impl System for BoMean {
    const CARD: Card = Card {
        id: "bo-mean",
        title: "What do you Mean? The Role of the Mean Function in Bayesian Optimisation",
        family: "decision",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Suggest, Verb::Reproduce],
        source: "De Ath, Fieldsend and Everson, GECCO Companion 2020",
        about: include_str!("bo-mean.md"),
        validates_itself: true,
    };
    type Config = BoMeanConfig;
    type Input = Trials;
    type Model = Experiment;

    fn fit(&self, config: &BoMeanConfig, input: Trials, run: &mut Run) -> Result<Experiment> {
        if config.common.acquisition != AcquisitionKind::Lcb {
            run.warn_idle(config, &["schedule"], "without acquisition=lcb");
        }
        Experiment::fit(&input, &config.common, config.surrogate(), config.common.ask(), run)
    }

    fn load(&self, file: &ModelFile) -> Result<Experiment> {
        Experiment::load(file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(11);
        let mut claim = Claim::new(seeds.clone());
        let problems = run.pick(vec![("ackley", 5, 24)], vec![("ackley", 5, 100), ("hartmann-6", 6, 100)]);
        let kinds = [MeanKind::Worst, MeanKind::Arithmetic, MeanKind::Best];
        for (name, dims, trials) in problems {
            let regrets = compare_means(name, dims, trials, &kinds, &seeds, run)?;
            let median = |k: usize| quartiles(&regrets[k])[1];
            let paired = |k: usize| regrets[0].iter().zip(&regrets[k]).map(|(a, b)| a - b).collect::<Vec<f64>>();
            let p = holm(&[wilcoxon(&paired(1)), wilcoxon(&paired(2))]);
            let mut table = Table::new(
                &format!("means-{name}"),
                "Log10 regret by mean function: quartiles, and the p-value of a paired Wilcoxon test against `worst` after Holm's correction.",
                &["mean", "first quartile", "median", "third quartile", "p"],
            );
            for (k, kind) in kinds.iter().enumerate() {
                let q = quartiles(&regrets[k]).map(|v| format!("{v:.3}"));
                let p = if k == 0 { "".into() } else { format!("{:.3}", p[k - 1]) };
                table.push(vec![format!("{kind:?}").to_lowercase(), q[0].clone(), q[1].clone(), q[2].clone(), p]);
            }
            run.table(table);
            // A single short run shows the sign on average only: the smoke budget is a guard, and its page says so.
            let slack = run.pick(0.3, 0.0);
            claim.at_most(
                &format!("{name} in {dims} variables, {trials} trials: median log10 regret, worst less arithmetic"),
                median(0) - median(1),
                Some(0.0),
                slack,
            );
            if name == "ackley" {
                let most = run.pick(0.3, 0.6f64.log10());
                claim.at_most(
                    &format!("{name}: median log10 regret, worst less best"),
                    median(0) - median(2),
                    Some(0.0),
                    most,
                );
            }
        }
        Ok(claim)
    }
}

/// Log10 regrets after `trials` trials, `[means][seeds]`, from paired starts: the same first points for every mean of a seed.
///
/// # Errors
/// When a surrogate cannot be fitted.
pub fn compare_means(
    name: &str,
    dims: usize,
    trials: usize,
    kinds: &[MeanKind],
    seeds: &[u64],
    run: &mut Run,
) -> Result<Vec<Vec<f64>>> {
    let problem = function(name, dims).expect("a known function");
    let mut regrets = vec![vec![]; kinds.len()];
    for seed in seeds {
        let start = Design::LatinHypercube.points(2 * dims, dims, &mut run.child(*seed).rng);
        for (k, kind) in kinds.iter().enumerate() {
            // Fewer starts than the paper's, for time; the last fit is one of them.
            let mut config = BoMeanConfig::default();
            config.common.mean = *kind;
            config.common.starts = 2;
            config.common.maximise.raw = run.pick(100, 500);
            config.common.maximise.starts = run.pick(3, 5);
            let ask = AskConfig { initial: Some(start.len()), ..config.common.ask() };
            let looped = Loop { surrogate: config.surrogate(), ask, trials };
            let done = looped.run(&problem, Some(&start), &mut run.child(*seed))?;
            regrets[k].push(log10_regret(done.best() - problem.optimum));
        }
    }
    Ok(regrets)
}
