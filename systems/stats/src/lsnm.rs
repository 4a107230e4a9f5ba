#![doc = "[picture]: ../../../../docs/pictures/lsnm.svg"]
#![doc = include_str!("lsnm.md")]

mod claim;
mod decide;
mod fit;
mod hsic;
mod network;
mod pairs;
mod ridge;
mod show;
mod spline;
mod verdict;

pub use decide::{Decide, Direction, Finding, Rule, standardise};
pub use fit::{Estimator, Fitted, Form, Law, fit};
pub use hsic::Centred;
pub use pairs::{Pair, Pairs};
pub use ridge::{ByEvidence, RIDGES, Ridge};
pub use spline::{Design, Splines};
pub use verdict::{Judged, Verdict};

use elbo_core::{
    Allowed, Card, Claim, Config, Figure, Kind, Model, ModelFile, Result, Run, Summary, System, Table, Verb, ensure,
    ensure_within,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use show::{curves, directions_table, overview, pictures, verdicts_table, warn_about};
use verdict::summarise;

/// Cause and effect from two columns, by location-scale noise models.
pub struct Lsnm;

/// Settings of `lsnm`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LsnmConfig {
    /// The conditional law: splines (jointly concave), network, or a baseline: homoscedastic, two_step.
    pub estimator: Estimator,
    /// What decides: likelihood, or independence (of residuals and cause).
    pub rule: Rule,
    /// Standard errors by which the directions must differ; below, the verdict is `undecided`.
    pub decide: f64,
    /// Level of the residual test: a direction with a p-value up to it is rejected.
    pub level: f64,
    /// Knots of the splines.
    #[schemars(range(min = 2))]
    pub knots: usize,
    /// Degree of the splines.
    #[schemars(range(min = 1))]
    pub degree: usize,
    /// Prior precision of the splines' weights: the weight of half their squared norm beside the sum of log likelihoods. Or `evidence`: of 1e-6, 1e-5 ... 10 the one
    /// with the largest Laplace evidence, for each direction by itself.
    pub ridge: Ridge,
    /// Hidden units of the network.
    #[schemars(range(min = 1))]
    pub hidden: usize,
    /// Steps of the network's training.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Half-samples for the standard error; zero for the likelihood's spread over rows alone.
    pub resamples: usize,
    /// Orders tried for the p-value of the residual test.
    pub permutations: usize,
    /// Rows of a pair, at most, for the fits; more are drawn at random.
    pub rows: usize,
    /// Rows of a pair, at most, for the residual test.
    pub test_rows: usize,
}

impl Default for LsnmConfig {
    fn default() -> Self {
        Self {
            estimator: Estimator::Splines,
            rule: Rule::Likelihood,
            decide: 1.96,
            level: 0.05,
            knots: 12,
            degree: 3,
            ridge: Ridge::Value(1e-5),
            hidden: 100,
            steps: 5000,
            resamples: 40,
            permutations: 199,
            rows: 5000,
            test_rows: 500,
        }
    }
}

impl Config for LsnmConfig {
    fn check(&self) -> Result<()> {
        ensure_within("decide", self.decide, 0.0..)?;
        ensure("level", self.level, self.level > 0.0 && self.level < 1.0, "in (0, 1)")?;
        ensure_within("knots", self.knots, 2..=200)?;
        ensure_within("degree", self.degree, 1..=7)?;
        self.ridge.check(self.estimator)?;
        ensure_within("hidden", self.hidden, 1..=10_000)?;
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        let is_enough = self.resamples != 1 && self.resamples <= 1_000_000;
        ensure("resamples", self.resamples, is_enough, "zero, or in 2..=1000000")?;
        if self.resamples == 0 && self.rule == Rule::Independence {
            ensure("resamples", self.resamples, false, Allowed::within(2..).told("at least 2 for rule=independence"))?;
        }
        ensure_within("permutations", self.permutations, 19..=1_000_000)?;
        ensure_within("rows", self.rows, 50..=1_000_000)?;
        ensure_within("test_rows", self.test_rows, 50..=5000)
    }
}

impl LsnmConfig {
    fn decide(&self) -> Decide {
        Decide {
            estimator: self.estimator,
            form: Form {
                knots: self.knots,
                degree: self.degree,
                ridge: self.ridge,
                hidden: self.hidden,
                steps: self.steps,
            },
            rule: self.rule,
            resamples: self.resamples,
            permutations: self.permutations,
            rows: self.rows,
            test_rows: self.test_rows,
        }
    }
}

impl System for Lsnm {
    const CARD: Card = Card {
        id: "lsnm",
        title: "On the Identifiability and Estimation of Causal Location-Scale Noise Models",
        family: "stats",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Reproduce],
        source: "Immer, Schultheiss, Vogt, Schölkopf, Bühlmann and Marx (2023), ICML",
        about: include_str!("lsnm.md"),
        validates_itself: false,
    };
    type Config = LsnmConfig;
    type Input = Pairs;
    type Model = LsnmModel;

    fn fit(&self, config: &LsnmConfig, input: Pairs, run: &mut Run) -> Result<LsnmModel> {
        match config.estimator {
            Estimator::Network => run.warn_idle(config, &["knots", "degree", "ridge"], "with estimator=network"),
            _ => run.warn_idle(config, &["hidden", "steps"], "without estimator=network"),
        }
        let root = run.rng.fork();
        let decide = config.decide();
        let mut judged = vec![];
        let mut figures = vec![];
        let mut tables = vec![];
        let is_alone = input.pairs.len() == 1;
        for (i, pair) in input.pairs.iter().enumerate() {
            if run.must_stop() && i > 0 {
                run.mark_stopped_early();
                run.warn(format!("stopped after {i} of {} pairs", input.pairs.len()));
                break;
            }
            let found = decide.pair(&pair.a, &pair.b, &mut root.split(i as u64))?;
            warn_about(pair, &input.columns, &found, config, is_alone, run);
            judged.push(Judged::new(pair, &found, config));
            if is_alone {
                figures = pictures(&found, &input.columns);
                tables.push(curves(&found, &input.columns));
            }
        }
        if is_alone {
            tables.insert(0, directions_table(&judged[0], &input.columns));
        } else {
            figures.push(overview(&judged, config));
            tables.push(verdicts_table(&judged, &input.columns));
        }
        let summary = summarise(&judged, &input.columns);
        Ok(LsnmModel { config: config.clone(), columns: input.columns, judged, summary, figures, tables })
    }

    fn load(&self, file: &ModelFile) -> Result<LsnmModel> {
        Ok(LsnmModel {
            config: file.fact("config")?,
            columns: file.fact("columns")?,
            judged: file.fact("judged")?,
            summary: file.fact("summary")?,
            figures: file.fact("figures")?,
            tables: file.fact("tables")?,
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        claim::claim(run)
    }
}

/// Verdicts and how they were reached.
pub struct LsnmModel {
    config: LsnmConfig,
    columns: [String; 2],
    judged: Vec<Judged>,
    summary: Summary,
    figures: Vec<Figure>,
    tables: Vec<Table>,
}

impl LsnmModel {
    /// One for each pair.
    pub fn verdicts(&self) -> &[Judged] {
        &self.judged
    }
}

impl Model for LsnmModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("columns", &self.columns);
        file.set("judged", &self.judged);
        file.set("summary", &self.summary);
        file.set("figures", &self.figures);
        file.set("tables", &self.tables);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn figures(&self) -> Vec<Figure> {
        self.figures.clone()
    }

    fn tables(&self) -> Vec<Table> {
        self.tables.clone()
    }
}
