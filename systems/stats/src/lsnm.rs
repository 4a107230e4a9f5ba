#![doc = "[picture]: ../../../../docs/pictures/lsnm.svg"]
#![doc = include_str!("lsnm.md")]

mod decide;
mod fit;
mod hsic;
mod network;
mod pairs;
mod spline;

pub use decide::{Decide, Direction, Finding, Rule, standardise};
pub use fit::{Estimator, Fitted, Form, Law, fit};
pub use hsic::Centred;
pub use pairs::{Pair, Pairs};
pub use spline::{Design, Splines};

use elbo_core::{
    Card, Claim, Config, Figure, Kind, Mark, Model, ModelFile, Result, Rng, Run, Summary, System, Table, Verb, ensure,
};
use elbo_data::{MakeOptions, make, stored_table};
use elbo_tensor::special::ndtr;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Weight of half the squared norm of the splines' weights.
    pub ridge: f64,
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
            ridge: 1e-6,
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
        ensure("decide", self.decide, self.decide >= 0.0 && self.decide.is_finite(), "a number of at least 0")?;
        ensure("level", self.level, self.level > 0.0 && self.level < 1.0, "in (0, 1)")?;
        ensure("knots", self.knots, (2..=200).contains(&self.knots), "in 2..=200")?;
        ensure("degree", self.degree, (1..=7).contains(&self.degree), "in 1..=7")?;
        ensure("ridge", self.ridge, self.ridge > 0.0 && self.ridge.is_finite(), "a positive number")?;
        ensure("hidden", self.hidden, (1..=10_000).contains(&self.hidden), "in 1..=10000")?;
        ensure("steps", self.steps, self.steps >= 1, "at least 1")?;
        ensure("resamples", self.resamples, self.resamples != 1, "zero, or at least 2")?;
        if self.resamples == 0 && self.rule == Rule::Independence {
            ensure("resamples", self.resamples, false, "at least 2 for rule=independence")?;
        }
        ensure("permutations", self.permutations, self.permutations >= 19, "at least 19")?;
        ensure("rows", self.rows, self.rows >= 50, "at least 50")?;
        ensure("test_rows", self.test_rows, (50..=5000).contains(&self.test_rows), "in 50..=5000")
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

/// What is said about a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The first variable causes the second.
    Forward,
    /// The second variable causes the first.
    Backward,
    /// The directions differ by less than their uncertainty.
    Undecided,
    /// Residuals depend on the supposed cause in both directions: no such model describes the pair.
    NoModel,
}

/// A pair's verdict with its uncertainty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The pair's name, empty when there is only one.
    pub name: String,
    /// Rows of the pair.
    pub rows: usize,
    /// The verdict.
    pub verdict: Verdict,
    /// How much better the first direction is: nats a row, or dependence. Negative for the second.
    pub score: f64,
    /// Standard error of `score`.
    pub error: f64,
    /// Share of half-samples with the same sign.
    pub agreement: f64,
    /// p-values of the residual test, first to second and second to first.
    pub p_values: [f64; 2],
    /// Dependence of residuals on the supposed cause, in the same order.
    pub hsic: [f64; 2],
    /// Weight in scores.
    pub weight: f64,
    /// The known answer.
    pub truth: Option<bool>,
}

impl Judged {
    /// The score in standard errors; zero where nothing tells the directions apart.
    pub fn z(&self) -> f64 {
        if self.error > 0.0 { self.score / self.error } else { 0.0 }
    }

    fn new(pair: &Pair, found: &Finding, config: &LsnmConfig) -> Self {
        let p_values = found.directions.each_ref().map(|d| d.p_value);
        let mut judged = Self {
            name: pair.name.clone(),
            rows: pair.a.len(),
            verdict: Verdict::NoModel,
            score: found.score,
            error: found.error,
            agreement: found.agreement,
            p_values,
            hsic: found.directions.each_ref().map(|d| d.hsic),
            weight: pair.weight,
            truth: pair.truth,
        };
        if p_values.iter().any(|p| *p > config.level) {
            judged.verdict = match judged.z() {
                z if z.abs() < config.decide || z == 0.0 => Verdict::Undecided,
                z if z > 0.0 => Verdict::Forward,
                _ => Verdict::Backward,
            };
        }
        judged
    }

    fn words(&self, [a, b]: &[String; 2]) -> String {
        match self.verdict {
            Verdict::Forward => format!("{a} → {b}"),
            Verdict::Backward => format!("{b} → {a}"),
            Verdict::Undecided => "undecided".into(),
            Verdict::NoModel => "model does not hold".into(),
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
        input.notes.iter().for_each(|note| run.warn(note));
        let root = run.rng.fork();
        let decide = config.decide();
        let mut judged = vec![];
        let mut figures = vec![];
        let mut tables = vec![];
        let is_alone = input.pairs.len() == 1;
        for (i, pair) in input.pairs.iter().enumerate() {
            if run.must_stop() && i > 0 {
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
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        let (count, rows) = run.pick((16, 400), (50, 500));
        let shares = Shares::over("cause-effect", &seeds, count, rows)?;
        let [likelihood, independence] = shares.of(Estimator::Splines);
        let [equal_likelihood, equal_independence] = shares.of(Estimator::Homoscedastic);
        claim.at_least("right by likelihood", likelihood, Some(equal_likelihood), run.pick(0.8, 0.95));
        claim.at_least(
            "right by likelihood, gain over equal noise",
            likelihood - equal_likelihood,
            Some(0.0),
            run.pick(0.0, 0.1),
        );
        claim.at_least("right by independence", independence, Some(equal_independence), run.pick(0.6, 0.7));
        claim.at_most("right by independence with equal noise", equal_independence, None, run.pick(0.4, 0.3));
        let undecided = control(&seeds, run.pick(10, 50), rows)?;
        claim.at_least("linear Gaussian pairs that are left undecided", undecided, None, run.pick(0.7, 0.8));
        if run.budget == elbo_core::Budget::Full {
            let uniform = Shares::over("cause-effect-uniform", &seeds, count, rows)?;
            let [likelihood, independence] = uniform.of(Estimator::Splines);
            claim.at_least(
                "uniform noise: right by independence less right by likelihood",
                independence - likelihood,
                Some(0.0),
                -0.05,
            );
            run.table(shares.table("gaussian-noise", "Gaussian noise: share of the pairs whose direction is right."));
            run.table(uniform.table("uniform-noise", "Uniform noise: share of the pairs whose direction is right."));
            real_pairs(&mut claim, &seeds, run)?;
        }
        Ok(claim)
    }
}

/// Shares of pairs that are decided rightly, by estimator and rule.
struct Shares(Vec<(Estimator, [f64; 2])>);

impl Shares {
    /// Over `count` pairs of this recipe for each seed, each turned round by a coin; a score of zero counts as wrong.
    fn over(recipe: &str, seeds: &[u64], count: usize, rows: usize) -> Result<Self> {
        let mut shares = vec![];
        for estimator in [Estimator::Splines, Estimator::Homoscedastic, Estimator::TwoStep] {
            let decide = LsnmConfig { estimator, ..LsnmConfig::default() }.decide();
            let all: Vec<(u64, u64)> = seeds.iter().flat_map(|s| (0..count as u64).map(move |i| (*s, i))).collect();
            let right = |(seed, i): &(u64, u64)| -> Result<[f64; 2]> {
                let mut rng = Rng::new(*seed).split(*i);
                let [a, b] = made(recipe, *seed * 1000 + i, rows)?;
                let is_turned = rng.uniform() < 0.5;
                let (first, second) = if is_turned { (&b, &a) } else { (&a, &b) };
                let scores = decide.scores(first, second, &mut rng)?;
                Ok(scores.map(|s| f64::from(if is_turned { s < 0.0 } else { s > 0.0 })))
            };
            let found: Vec<[f64; 2]> = all.par_iter().map(right).collect::<Result<_>>()?;
            let mean = |rule: usize| found.iter().map(|f| f[rule]).sum::<f64>() / found.len() as f64;
            shares.push((estimator, [mean(0), mean(1)]));
        }
        Ok(Self(shares))
    }

    /// By likelihood, by independence.
    fn of(&self, estimator: Estimator) -> [f64; 2] {
        self.0.iter().find(|(e, _)| *e == estimator).expect("every estimator is run").1
    }

    fn table(&self, name: &str, caption: &str) -> Table {
        let mut table = Table::new(name, caption, &["estimator", "by likelihood", "by independence"]);
        for (estimator, shares) in &self.0 {
            let [a, b] = shares.map(|s| format!("{s:.3}"));
            table.push(vec![word(estimator), a, b]);
        }
        table
    }
}

/// The name of an option in settings.
fn word(option: &impl Serialize) -> String {
    serde_json::to_value(option).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A pair of a recipe: cause, effect.
fn made(recipe: &str, seed: u64, rows: usize) -> Result<[Vec<f64>; 2]> {
    let data = make(recipe, seed, &MakeOptions { rows: Some(rows), ..MakeOptions::default() })?;
    let column = |i: usize| data.arrays[i].1.to_f64().expect("recipes are numbers");
    Ok([column(0), column(1)])
}

/// Share of linear Gaussian pairs, which look the same from both sides, that stay undecided.
fn control(seeds: &[u64], count: usize, rows: usize) -> Result<f64> {
    let config = LsnmConfig { permutations: 19, ..LsnmConfig::default() };
    let decide = config.decide();
    let (mut undecided, mut all) = (0, 0);
    for seed in seeds {
        for i in 0..count as u64 {
            let [a, b] = made("cause-effect-linear", seed * 1000 + i, rows)?;
            let found = decide.pair(&a, &b, &mut Rng::new(*seed).split(i))?;
            undecided += usize::from((found.score / found.error).abs() < config.decide);
            all += 1;
        }
    }
    Ok(undecided as f64 / all as f64)
}

/// On the first 60 pairs of the Tübingen collection, turned round by coins.
fn real_pairs(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    const CHECK: &str = "Tübingen pairs 1 to 60: right by likelihood";
    let data = match stored_table("pairs", false) {
        Ok(data) => data,
        Err(absence) => {
            claim.skip(CHECK, &absence);
            return Ok(());
        }
    };
    let input = <Pairs as elbo_core::FromData>::from_data(&data)?;
    let mut table = Table::new(
        "tuebingen",
        "Tübingen pairs 1 to 60: share that is right when forced to answer, and among those decided at 1.96 standard errors.",
        &["estimator", "rule", "right", "decided", "right of those"],
    );
    for estimator in [Estimator::Splines, Estimator::Homoscedastic] {
        for rule in [Rule::Likelihood, Rule::Independence] {
            let config =
                LsnmConfig { estimator, rule, permutations: 19, resamples: 20, rows: 1000, ..LsnmConfig::default() };
            let decide = config.decide();
            let (mut right, mut decided, mut right_decided, mut all) = (0.0, 0.0, 0.0, 0.0);
            // The first seed alone: turning a pair round turns its verdict round, so that seeds differ in drawn rows only.
            for (i, pair) in input.pairs.iter().enumerate() {
                let mut rng = Rng::new(seeds[0]).split(i as u64);
                let is_turned = rng.uniform() < 0.5;
                let (a, b) = if is_turned { (&pair.b, &pair.a) } else { (&pair.a, &pair.b) };
                let found = decide.pair(a, b, &mut rng)?;
                let is_right = if is_turned { found.score < 0.0 } else { found.score > 0.0 };
                let is_decided = found.error > 0.0 && (found.score / found.error).abs() >= config.decide;
                right += f64::from(is_right);
                decided += f64::from(is_decided);
                right_decided += f64::from(is_right && is_decided);
                all += 1.0;
            }
            if estimator == Estimator::Splines && rule == Rule::Likelihood {
                claim.at_least(CHECK, right / all, Some(0.5), 0.6);
            }
            let share = |value: f64| format!("{value:.3}");
            let cells = [share(right / all), share(decided / all), share(right_decided / f64::max(decided, 1.0))];
            table.push([word(&estimator), word(&rule)].into_iter().chain(cells).collect());
        }
    }
    run.table(table);
    Ok(())
}

fn warn_about(pair: &Pair, columns: &[String; 2], found: &Finding, config: &LsnmConfig, is_alone: bool, run: &mut Run) {
    let of = if is_alone { String::new() } else { format!(" of pair `{}`", pair.name) };
    let n = pair.a.len();
    if n < 100 {
        run.warn(format!("{n} rows{of} are few: with less than 100 a direction is rarely found"));
    }
    if n > config.rows {
        run.note(format!("{} of {n} rows{of} are used; raise `rows` for more", config.rows));
    }
    for (name, values, used) in [(&columns[0], &pair.a, &found.used[0]), (&columns[1], &pair.b, &found.used[1])] {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        if sorted.len() * 2 < n {
            run.warn(format!(
                "`{name}`{of} has {} different values in {n} rows; the model is for continuous variables, and rounding can turn \
                 the verdict round",
                sorted.len()
            ));
        }
        let kurtosis = used.iter().map(|v| v.powi(4)).sum::<f64>() / used.len() as f64 - 3.0;
        if kurtosis > 10.0 {
            run.warn(format!(
                "`{name}`{of} has outliers (excess kurtosis {kurtosis:.0}); the likelihood is sensitive to them: look at the figure, or \
                 take logarithms"
            ));
        }
    }
    if found.directions.iter().all(|d| d.p_value <= config.level) {
        run.warn(format!(
            "residuals{of} depend on the supposed cause in both directions (p = {:.3}, {:.3}): the model does not hold, or something else acts on both",
            found.directions[0].p_value, found.directions[1].p_value
        ));
    }
}

fn summarise(judged: &[Judged], columns: &[String; 2]) -> Summary {
    let mut summary = Summary::default();
    if let [only] = judged {
        let z = only.z();
        let probability = ndtr(z);
        summary.objective = Some(("score".into(), only.score));
        summary.metrics = vec![
            ("score".into(), only.score),
            ("standard_error".into(), only.error),
            ("z".into(), z),
            ("probability_first_is_cause".into(), probability),
            ("agreement".into(), only.agreement),
            ("p_forward".into(), only.p_values[0]),
            ("p_backward".into(), only.p_values[1]),
            ("hsic_forward".into(), only.hsic[0]),
            ("hsic_backward".into(), only.hsic[1]),
        ];
        let [a, b] = columns;
        let leaning = if only.score >= 0.0 { format!("{a} → {b}") } else { format!("{b} → {a}") };
        let says = match only.verdict {
            Verdict::Forward | Verdict::Backward => {
                format!("{leaning}: better by {:.1} standard errors", z.abs())
            }
            Verdict::Undecided => {
                format!("Undecided: {leaning} is better by only {:.1} standard errors", z.abs())
            }
            Verdict::NoModel => format!(
                "The model does not hold in either direction (p = {:.3} and {:.3}), so no direction is given; {leaning} would be better by \
                 {:.1} standard errors",
                only.p_values[0],
                only.p_values[1],
                z.abs()
            ),
        };
        summary.text = format!("{says}. A common cause of both cannot be seen from two columns.");
        return summary;
    }
    let share = |verdict: Verdict| judged.iter().filter(|j| j.verdict == verdict).count();
    let [forward, backward, undecided, no_model] =
        [Verdict::Forward, Verdict::Backward, Verdict::Undecided, Verdict::NoModel].map(share);
    summary.metrics = vec![
        ("pairs".into(), judged.len() as f64),
        ("forward".into(), forward as f64),
        ("backward".into(), backward as f64),
        ("undecided".into(), undecided as f64),
        ("model_does_not_hold".into(), no_model as f64),
    ];
    let known: Vec<&Judged> = judged.iter().filter(|j| j.truth.is_some() && j.weight > 0.0).collect();
    if !known.is_empty() {
        let total: f64 = known.iter().map(|j| j.weight).sum();
        let is_right = |j: &&&Judged| j.score != 0.0 && j.truth == Some(j.score > 0.0);
        let right: f64 = known.iter().filter(is_right).map(|j| j.weight).sum();
        summary.metrics.push(("weighted_accuracy".into(), right / total));
        let decided: Vec<&Judged> =
            known.iter().copied().filter(|j| matches!(j.verdict, Verdict::Forward | Verdict::Backward)).collect();
        let weight: f64 = decided.iter().map(|j| j.weight).sum();
        if weight > 0.0 {
            let right: f64 = decided.iter().filter(is_right).map(|j| j.weight).sum();
            summary.metrics.push(("weighted_accuracy_decided".into(), right / weight));
        }
    }
    summary.text = format!(
        "{} pairs: {forward} {} → {}, {backward} the other way round, {undecided} undecided; for {no_model} the model does not hold.",
        judged.len(),
        columns[0],
        columns[1]
    );
    summary
}

/// Most points of a scatter plot.
const SHOWN: usize = 800;

/// Both directions: the sample with the fitted law, and the residuals over the supposed cause.
fn pictures(found: &Finding, columns: &[String; 2]) -> Vec<Figure> {
    let n = found.used[0].len();
    let every = n.div_ceil(SHOWN);
    let thin = |values: Vec<f64>| values.into_iter().step_by(every).collect::<Vec<f64>>();
    let points = |label: &str, x: Vec<f64>, y: Vec<f64>| Mark::Points {
        label: label.into(),
        x: thin(x),
        y: thin(y),
        lower: vec![],
        upper: vec![],
    };
    let mut figures = vec![];
    let mut residuals = vec![];
    for (i, direction) in found.directions.iter().enumerate() {
        let (cause, effect) = (i, 1 - i);
        let raw = |which: usize| {
            let (centre, scale) = found.scaling[which];
            found.used[which].iter().map(|v| centre + scale * v).collect::<Vec<f64>>()
        };
        let (centre, scale) = found.scaling[effect];
        let grid = grid(&found.used[cause]);
        let law: Vec<(f64, f64)> = grid.iter().map(|x| (direction.fitted.law)(*x)).collect();
        let at = |k: f64| law.iter().map(|(mean, sd)| centre + scale * (mean + k * sd)).collect::<Vec<f64>>();
        let x: Vec<f64> = grid.iter().map(|x| found.scaling[cause].0 + found.scaling[cause].1 * x).collect();
        let (from, to) = (&columns[cause], &columns[effect]);
        figures.push(Figure {
            name: ["forward", "backward"][i].into(),
            caption: format!(
                "{from} → {to}: the sample, f and f ± 2g. Mean log likelihood {:.4} nats a row; residuals and {from} independent: p = {:.3}.",
                direction.fitted.log_likelihood(),
                direction.p_value
            ),
            x_label: from.clone(),
            y_label: to.clone(),
            marks: vec![
                Mark::Band { label: "f ± 2g".into(), x: x.clone(), lower: at(-2.0), upper: at(2.0) },
                points("sample", raw(cause), raw(effect)),
                Mark::Line { label: "f".into(), x, y: at(0.0), dashed: false },
            ],
            ..Figure::default()
        });
        residuals.push(Figure {
            name: ["residuals-forward", "residuals-backward"][i].into(),
            caption: format!(
                "Residuals of {from} → {to} over {from}: in the causal direction their spread and form do not change along the axis."
            ),
            x_label: from.clone(),
            y_label: format!("({to} - f) / g"),
            marks: vec![points("residuals", raw(cause), direction.fitted.residuals.clone())],
            ..Figure::default()
        });
    }
    figures.into_iter().chain(residuals).collect()
}

fn grid(x: &[f64]) -> Vec<f64> {
    let low = x.iter().copied().fold(f64::INFINITY, f64::min);
    let high = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (0..=100).map(|i| low + (high - low) * f64::from(i) / 100.0).collect()
}

/// Every pair's score in standard errors.
fn overview(judged: &[Judged], config: &LsnmConfig) -> Figure {
    let mut order: Vec<&Judged> = judged.iter().collect();
    order.sort_by(|a, b| a.z().total_cmp(&b.z()));
    let last = order.len() as f64;
    let mut marks: Vec<Mark> = [-config.decide, config.decide]
        .into_iter()
        .map(|z| Mark::Line { label: String::new(), x: vec![1.0, last], y: vec![z, z], dashed: true })
        .collect();
    for (verdict, label) in [
        (Verdict::Forward, "first causes second"),
        (Verdict::Backward, "second causes first"),
        (Verdict::Undecided, "undecided"),
        (Verdict::NoModel, "model does not hold"),
    ] {
        let chosen: Vec<(f64, f64)> = order
            .iter()
            .enumerate()
            .filter(|(_, j)| j.verdict == verdict)
            .map(|(i, j)| (i as f64 + 1.0, j.z().clamp(-30.0, 30.0)))
            .collect();
        if !chosen.is_empty() {
            let (x, y) = chosen.into_iter().unzip();
            marks.push(Mark::Points { label: label.into(), x, y, lower: vec![], upper: vec![] });
        }
    }
    Figure {
        name: "pairs".into(),
        caption: "Scores of all pairs in standard errors, sorted and cut at 30; between the dashed lines a pair is undecided.".into(),
        x_label: "pair, by score".into(),
        y_label: "score / standard error".into(),
        marks,
        ..Figure::default()
    }
}

/// Scores are written with what the eye can compare.
fn short(value: f64) -> String {
    format!("{value:.5}")
}

fn directions_table(judged: &Judged, [a, b]: &[String; 2]) -> Table {
    let mut table = Table::new(
        "directions",
        "Both directions: dependence of the residuals on the supposed cause, and whether independence is rejected.",
        &["direction", "dependence (HSIC)", "p-value"],
    );
    for (name, i) in [(format!("{a} → {b}"), 0), (format!("{b} → {a}"), 1)] {
        table.push(vec![name, format!("{:.3e}", judged.hsic[i]), format!("{:.3}", judged.p_values[i])]);
    }
    table
}

fn verdicts_table(judged: &[Judged], columns: &[String; 2]) -> Table {
    let mut table = Table::new(
        "verdicts",
        "One row a pair; a positive score says that the first variable is the cause.",
        &["pair", "rows", "verdict", "score", "standard error", "z", "agreement", "p forward", "p backward"],
    );
    for j in judged {
        table.push(vec![
            j.name.clone(),
            j.rows.to_string(),
            j.words(columns),
            short(j.score),
            short(j.error),
            format!("{:.2}", j.z()),
            format!("{:.2}", j.agreement),
            format!("{:.3}", j.p_values[0]),
            format!("{:.3}", j.p_values[1]),
        ]);
    }
    table
}

/// `f` and `g` of both directions in the variables' own units.
fn curves(found: &Finding, columns: &[String; 2]) -> Table {
    let mut table = Table::new(
        "curves",
        "The fitted mean f and standard deviation g of the effect along the cause, both directions, in the variables' own units.",
        &["cause", "effect", "at", "f", "g"],
    );
    for (i, direction) in found.directions.iter().enumerate() {
        let (cause, effect) = (i, 1 - i);
        let (centre, scale) = found.scaling[effect];
        for x in grid(&found.used[cause]) {
            let (mean, sd) = (direction.fitted.law)(x);
            let at = found.scaling[cause].0 + found.scaling[cause].1 * x;
            let numbers = [at, centre + scale * mean, scale * sd].map(|v| format!("{v:.6}"));
            table.push([columns[cause].clone(), columns[effect].clone()].into_iter().chain(numbers).collect());
        }
    }
    table
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
