#![doc = include_str!("bayesian-gpr.md")]

use elbo_core::{
    Array, Budget, Card, Claim, Columns, Config, Data, Error, Features, FromData, Kind, ModelFile, Predict, Prediction,
    Regression, Result, Rng, Run, Snapshot, Summary, System, Table, Verb, ensure, ensure_within,
};
use elbo_dist::{GaussianMixtures, Prior, scores};
use elbo_gp::exact::ExactGp;
use elbo_gp::fit::{Loss, Search, search};
use elbo_gp::kernel::KernelConfig;
use elbo_gp::mean::Zero;
use elbo_gp::settings;
use elbo_gp::table::{self, Process, TableModel};
use elbo_infer::LogDensity;
use elbo_infer::diagnostics::chains::summarise;
use elbo_infer::fit::{Method, MethodSettings, ViSettings, infer};
use elbo_infer::mcmc::{Hamiltonian, Start, Trajectory, sample};
use elbo_infer::target::ParametersDensity;
use elbo_tensor::{Constraint, Parameters, Tensor};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Fully Bayesian Gaussian process regression.
pub struct BayesianGpr;

/// How the posterior of the hyperparameters is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Infer {
    /// Sampling by the no-U-turn sampler.
    Nuts,
    /// A normal with independent coordinates.
    ViMf,
    /// A normal with any covariance.
    ViFull,
    /// The likeliest values alone.
    Ml2,
}

/// Settings of `bayesian-gpr`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BayesianGprConfig {
    /// `nuts`, `vi-full`, `vi-mf`, or `ml2` for the likeliest hyperparameters.
    pub infer: Infer,
    /// Prior of each lengthscale, for inputs of unit variance; log-normal with median √D and log deviation 1 without one.
    pub lengthscale: Option<Prior>,
    /// Prior of the process variance, for a target of unit variance.
    pub variance: Prior,
    /// Prior of the noise variance, for a target of unit variance.
    pub noise: Prior,
    /// Noise variance to hold, as a share of the target's variance, instead of inferring it.
    pub noise_held: Option<f64>,
    /// Chains of the sampler.
    #[schemars(range(min = 1))]
    pub chains: usize,
    /// Transitions of each chain that only adapt.
    pub warmup: usize,
    /// Draws kept of each chain.
    #[schemars(range(min = 4))]
    pub draws: usize,
    /// Steps of a variational fit, at most.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Draws that predictions are mixed from.
    #[schemars(range(min = 1))]
    pub mixed: usize,
    /// Starting points of the search for the likeliest values.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// L-BFGS iterations a start, at most.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// Rows beyond which the fit is refused, since every gradient takes time with N³.
    pub most_rows: usize,
}

impl Default for BayesianGprConfig {
    fn default() -> Self {
        Self {
            infer: Infer::Nuts,
            lengthscale: None,
            variance: Prior::LogNormal { mu: 0.0, sigma: 1.0 },
            noise: Prior::LogNormal { mu: -2.0, sigma: 1.5 },
            noise_held: None,
            chains: 4,
            warmup: 300,
            draws: 500,
            steps: 3000,
            mixed: 100,
            starts: 5,
            iterations: 200,
            most_rows: 1000,
        }
    }
}

impl Config for BayesianGprConfig {
    fn check(&self) -> Result<()> {
        self.lengthscale.iter().chain([&self.variance, &self.noise]).try_for_each(Prior::check)?;
        for (name, prior) in
            [("lengthscale", self.lengthscale), ("variance", Some(self.variance)), ("noise", Some(self.noise))]
        {
            let is_real = matches!(prior, Some(Prior::Normal { .. } | Prior::Beta { .. }));
            ensure(name, "a prior of any number or of shares", !is_real, "a prior of positive numbers")?;
        }
        if let Some(noise) = self.noise_held {
            ensure("noise_held", noise, noise >= 2e-6 && noise.is_finite(), "at least 2e-6")?;
        }
        settings::counts(&[("steps", self.steps), ("mixed", self.mixed), ("iterations", self.iterations)])?;
        ensure_within("chains", self.chains, 1..=1000)?;
        ensure_within("warmup", self.warmup, 0..=1_000_000)?;
        ensure_within("draws", self.draws, 4..=1_000_000)?;
        settings::starts(self.starts)
    }
}

impl BayesianGprConfig {
    /// Warns of settings that do not apply.
    fn warn_idle(&self, run: &mut Run) {
        match self.infer {
            Infer::Nuts => run.warn_idle(self, &["steps", "starts"], "with infer=nuts"),
            Infer::ViMf | Infer::ViFull => {
                run.warn_idle(self, &["chains", "warmup", "draws", "starts"], "with a variational fit");
            }
            Infer::Ml2 => run.warn_idle(self, &["chains", "warmup", "draws", "steps", "mixed"], "with infer=ml2"),
        }
        if self.noise_held.is_some() {
            run.warn_idle(self, &["noise"], "where `noise_held` is given");
        }
    }

    /// The process with its priors.
    fn build(&self, x: &Features, y: &[f64]) -> Result<ExactGp> {
        let kernel = "rbf".parse::<KernelConfig>()?.build_for(x)?;
        let start = self.noise_held.unwrap_or(0.1);
        let mut gp = ExactGp::new(kernel, Box::new(Zero), start, table::tensor(x), Tensor::from_slice(y, &[y.len()]));
        gp.visit_mut(&mut |name, parameter| {
            let prior = self.prior_of(name, parameter.constraint(), x.dims);
            parameter.set_prior(prior.map(|p| Arc::new(p) as Arc<dyn elbo_tensor::Prior>));
        });
        gp.noise_mut().set_frozen(self.noise_held.is_some());
        Ok(gp)
    }

    /// The prior of a parameter. A number between bounds has none: it is uniform there, which its Jacobian makes proper.
    fn prior_of(&self, name: &str, constraint: Constraint, dims: usize) -> Option<Prior> {
        let lengthscale = || Prior::LogNormal { mu: 0.5 * (dims as f64).ln(), sigma: 1.0 };
        match constraint {
            Constraint::Interval(..) | Constraint::Real => None,
            _ if name == "noise" => Some(self.noise),
            _ if name.ends_with("lengthscale") => Some(self.lengthscale.unwrap_or_else(lengthscale)),
            _ => Some(self.variance),
        }
    }

    fn sampler(&self) -> Hamiltonian {
        Hamiltonian {
            chains: self.chains,
            warmup: self.warmup,
            draws: self.draws,
            trajectory: Trajectory::NoUTurn { max_depth: 8 },
            ..Hamiltonian::nuts()
        }
    }
}

/// The process with the Jacobian of the logarithms in its loss. With the priors, which the search adds of its own, the least is the most
/// probable point of the logarithms.
struct OfLogarithms(ExactGp);

impl Parameters for OfLogarithms {
    fn visit(&self, visit: &mut dyn FnMut(&str, &elbo_tensor::Parameter)) {
        self.0.visit(visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut elbo_tensor::Parameter)) {
        self.0.visit_mut(visit);
    }
}

impl Snapshot for OfLogarithms {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.0.save(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.0.restore(file, prefix)
    }
}

impl Loss for OfLogarithms {
    fn loss(&self) -> Result<Tensor> {
        Ok(-(self.0.log_marginal()? + self.0.log_jacobian()))
    }
}

/// What inference found, in the form that the model keeps.
struct Posterior {
    /// Free numbers, one draw a row.
    draws: Vec<Vec<f64>>,
    summary: Summary,
    tables: Vec<Table>,
}

impl BayesianGprConfig {
    fn posterior(&self, input: &Regression, run: &mut Run) -> Result<Posterior> {
        let mut gp = self.build(&input.x, &input.y)?;
        if self.infer == Infer::Ml2 {
            // With priors the search would find the most probable values in place of the likeliest.
            gp.visit_mut(&mut |_, parameter| parameter.set_prior(None));
            let found = search(&mut gp, Search { starts: self.starts, iterations: self.iterations }, run)?;
            let mut summary = table::summarise(gp.kernel(), &gp, &input.x.names);
            summary.objective = Some(("log marginal likelihood".into(), found.evidence()));
            summary.text = format!("A Gaussian process at its likeliest hyperparameters, on {} rows.", input.x.rows);
            return Ok(Posterior { draws: vec![gp.pack()], summary, tables: vec![found.table()] });
        }
        let base = run.rng.fork();
        let mut of_logarithms = OfLogarithms(gp);
        let found = search(&mut of_logarithms, Search { starts: 1, iterations: self.iterations }, run)?;
        let mode = of_logarithms.pack();
        let (config, x, y) = (self.clone(), input.x.clone(), input.y.clone());
        let make = move || config.build(&x, &y).expect("the same settings were built before");
        let density = ParametersDensity::new(make, |gp: &ExactGp| gp.log_marginal());
        let mut summary = Summary::default();
        summary.metrics.push(("log posterior at its mode".into(), -found.loss));
        let (draws, posterior) = if self.infer == Infer::Nuts {
            // The first chain starts at the mode, the others at draws of the prior.
            let start = (0..self.chains)
                .map(|i| if i == 0 { mode.clone() } else { self.prior_draw(&density, &mut base.split(i as u64)) });
            let found = sample(&density, &self.sampler(), &Start::At(start.collect()), run)?;
            let worst = found.summaries();
            let largest = worst.iter().map(|s| s.r_hat).fold(f64::NEG_INFINITY, f64::max);
            let least = worst.iter().map(|s| s.ess_bulk.min(s.ess_tail)).fold(f64::INFINITY, f64::min);
            let numbers = [
                ("largest R-hat", largest),
                ("least effective draws", least),
                ("divergences", found.divergences() as f64),
            ];
            // A chain that never moved has no R-hat; the warning says so.
            summary.metrics.extend(numbers.into_iter().filter(|(_, v)| v.is_finite()).map(|(n, v)| (n.into(), v)));
            summary.text = format!(
                "A Gaussian process with its hyperparameters integrated over by {} draws of {} chains, on {} rows.",
                found.len(),
                found.chains(),
                input.x.rows
            );
            (found.thinned(self.mixed), found.natural(&density).table())
        } else {
            let method = if self.infer == Infer::ViFull { Method::FullRank } else { Method::MeanField };
            let vi = ViSettings { draws: 8, rate: 0.02, steps: self.steps, ..ViSettings::default() };
            let settings = MethodSettings { vi, start: Some(mode), ..MethodSettings::default() };
            let found = infer(&density, method, &settings, run)?;
            if let Some(elbo) = &found.elbo {
                summary.objective = Some(("evidence lower bound".into(), elbo.value));
            }
            if let Some(psis) = &found.psis {
                if psis.k.is_finite() {
                    summary.metrics.push(("Pareto k".into(), psis.k));
                }
                if !psis.is_reliable() {
                    run.warn(format!("{}; use infer=nuts", psis.verdict()));
                }
            }
            summary.text = format!(
                "A Gaussian process with its hyperparameters integrated over by {method}, on {} rows.",
                input.x.rows
            );
            let d = density.dim();
            let count = found.draws.len() / d;
            let mixed = self.mixed.min(count);
            let row = |k: usize| found.draws[k * count / mixed * d..][..d].to_vec();
            ((0..mixed).map(row).collect(), without_chains(&found.labels, &found.natural))
        };
        let relevance = relevance(&draws, &density, &input.x);
        summary.relevance = relevance.inverse_median;
        for row in &posterior.rows {
            summary.parameters.push((row[0].clone(), format!("{} ± {}", row[1], row[2]), "posterior mean ± sd".into()));
        }
        Ok(Posterior { draws, summary, tables: vec![posterior, relevance.table] })
    }

    /// Free numbers drawn from the prior.
    fn prior_draw<N, F>(&self, density: &ParametersDensity<ExactGp, N, F>, rng: &mut Rng) -> Vec<f64>
    where
        N: Fn() -> ExactGp + Send + Sync,
        F: Fn(&ExactGp) -> Result<Tensor> + Send + Sync,
    {
        let mut gp = density.at(&vec![0.0; density.dim()]);
        let dims = gp.inputs().size(1);
        gp.visit_mut(&mut |name, parameter| {
            let constraint = parameter.constraint();
            let prior = self.prior_of(name, constraint, dims);
            let one = |rng: &mut Rng| match (prior, constraint) {
                // Far draws of the prior make covariances that cannot be factorised, and those of a very wide one are not finite.
                (Some(prior), _) => prior.quantile(rng.range(0.05, 0.95)).clamp(2e-6, 1e9),
                (None, Constraint::Interval(low, high)) => rng.range(low, high),
                (None, _) => 0.0,
            };
            let values: Vec<f64> = (0..parameter.len()).map(|_| one(rng)).collect();
            if !parameter.is_frozen() {
                parameter.set(&values).expect("draws of the prior are inside the constraint");
            }
        });
        gp.pack()
    }
}

/// The posterior's table where there are no chains to compare.
fn without_chains(labels: &[String], natural: &[f64]) -> Table {
    let mut table = Table::new(
        "posterior",
        "Approximate posterior of each hyperparameter, for inputs and target of unit variance.",
        &["unknown", "mean", "sd", "5%", "median", "95%"],
    );
    for (i, label) in labels.iter().enumerate() {
        let values: Vec<f64> = natural.iter().skip(i).step_by(labels.len()).copied().collect();
        let s = summarise(&values, 1);
        let numbers = [s.mean, s.sd, s.q5, s.median, s.q95].map(|v| format!("{v:.4}"));
        table.push([vec![label.clone()], numbers.to_vec()].concat());
    }
    table
}

struct Relevance {
    inverse_median: Vec<(String, f64)>,
    table: Table,
}

/// Lengthscales against the range of their inputs. Columns of categories have none.
fn relevance(draws: &[Vec<f64>], density: &dyn LogDensity, x: &Features) -> Relevance {
    let labels = density.labels();
    let natural = density.natural(&draws.concat());
    let scales: Vec<usize> = (0..labels.len()).filter(|i| labels[*i].contains("lengthscale")).collect();
    let numeric: Vec<usize> = (0..x.dims).filter(|d| x.levels[*d] == 0).collect();
    let mut out = Relevance {
        inverse_median: vec![],
        table: Table::new(
            "relevance",
            "Lengthscale of each input in its standard deviations, and the probability that it is above three times the input's \
             range: that the input does not matter.",
            &["input", "5%", "median", "95%", "irrelevant"],
        ),
    };
    for (label, d) in scales.iter().zip(&numeric) {
        let values: Vec<f64> = natural.iter().skip(*label).step_by(labels.len()).copied().collect();
        let column = (0..x.rows).map(|i| x.row(i)[*d]);
        let range = column.clone().fold(f64::NEG_INFINITY, f64::max) - column.fold(f64::INFINITY, f64::min);
        let far = values.iter().filter(|v| **v > 3.0 * range).count() as f64 / values.len() as f64;
        let s = summarise(&values, 1);
        out.inverse_median.push((x.names[*d].clone(), 1.0 / s.median));
        let cells = [s.q5, s.median, s.q95, far].map(|v| format!("{v:.3}"));
        out.table.push([vec![x.names[*d].clone()], cells.to_vec()].concat());
    }
    out
}

impl System for BayesianGpr {
    const CARD: Card = Card {
        id: "bayesian-gpr",
        title: "Approximate Inference for Fully Bayesian Gaussian Process Regression",
        family: "gp",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Reproduce],
        source: "Lalchand and Rasmussen (2020), AABI",
        about: include_str!("bayesian-gpr.md"),
        validates_itself: false,
    };
    type Config = BayesianGprConfig;
    type Input = Regression;
    type Model = BayesianGprModel;

    fn fit(&self, config: &BayesianGprConfig, input: Regression, run: &mut Run) -> Result<BayesianGprModel> {
        input.notes.iter().for_each(|note| run.warn(note));
        config.warn_idle(run);
        let instead = "`gpr`, whose likeliest values are well known with so many rows";
        settings::rows_at_most(input.x.rows, config.most_rows, "integrating over hyperparameters", instead)?;
        if input.x.rows < input.x.dims + 2 {
            run.warn(format!(
                "{} rows for {} inputs: the prior decides most of the answer",
                input.x.rows, input.x.dims
            ));
        }
        let Posterior { draws, summary, tables } = config.posterior(&input, run)?;
        let process = Integrated { config: config.clone(), features: input.x, y: input.y, draws, tables };
        Ok(BayesianGprModel::new(config, input.columns, process, summary))
    }

    fn load(&self, file: &ModelFile) -> Result<BayesianGprModel> {
        BayesianGprModel::load(file, |config, columns| {
            let features = table::load_features(file, columns)?;
            let y = file.get_as("y", &[features.rows])?;
            let width = config.build(&features, &y)?.pack().len();
            let count = file.rows("draws", &[width])?;
            let draws: Vec<f64> = file.get_as("draws", &[count, width])?;
            if draws.is_empty() {
                return Err(Error::misfit("there are no draws"));
            }
            Ok(Integrated {
                config: config.clone(),
                features,
                y,
                draws: draws.chunks_exact(width).map(<[f64]>::to_vec).collect(),
                tables: file.fact("tables")?,
            })
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let full = run.budget == Budget::Full;
        let seeds = run.seeds(12);
        // A smoke run looks at three sets of rows for its one seed, with shorter chains.
        let repeats = run.pick(3, 1);
        let base = if full {
            BayesianGprConfig::default()
        } else {
            BayesianGprConfig { chains: 2, warmup: 150, draws: 100, ..BayesianGprConfig::default() }
        };
        let methods: &[Infer] =
            if full { &[Infer::Ml2, Infer::Nuts, Infer::ViFull, Infer::ViMf] } else { &[Infer::Ml2, Infer::Nuts] };
        let mut scored: Vec<Vec<scores::RegressionScores>> = vec![vec![]; methods.len()];
        for seed in seeds.iter().flat_map(|s| (0..repeats).map(move |r| s + 1000 * r)) {
            let mut child = run.child(seed);
            let (train, test) = (friedman(20, &mut child), friedman(300, &mut child));
            let observed = test.get("y")?.to_f64().expect("generated numbers");
            for (infer, scored) in methods.iter().zip(&mut scored) {
                let config = BayesianGprConfig { infer: *infer, ..base.clone() };
                let model = self.fit(&config, Regression::from_data(&train)?, &mut run.child(seed))?;
                let Prediction::Numbers(marginals) = model.predict(&test, &mut child)? else { unreachable!("numbers") };
                scored.push(scores::regression(marginals.as_ref(), &observed)?);
            }
        }
        let count = scored[0].len() as f64;
        let mean = |of: fn(&scores::RegressionScores) -> f64, k: usize| scored[k].iter().map(of).sum::<f64>() / count;
        let nlpd = |k: usize| mean(|s| s.nlpd, k);
        let coverage = |k: usize| mean(|s| s.coverage.p95, k);
        let better = scored[0].iter().zip(&scored[1]).filter(|(a, b)| b.nlpd < a.nlpd).count() as f64 / count;
        let mut claim = Claim::new(seeds);
        let gain = nlpd(0) - nlpd(1);
        claim.at_least(
            "gain in test log density over the likeliest values (nats a row)",
            gain,
            Some(0.0),
            if full { 0.5 } else { 0.0 },
        );
        claim.at_least("95 % coverage, integrated", coverage(1), Some(coverage(0)), if full { 0.9 } else { 0.85 });
        if full {
            // Three data sets of a smoke run say nothing about a share.
            claim.at_least("share of data sets where integrating is better", better, None, 0.75);
            claim.at_most("95 % coverage, integrated, from above", coverage(1), Some(coverage(0)), 0.99);
            claim.at_most("95 % coverage of the likeliest values", coverage(0), None, 0.85);
            claim.at_most(
                "test RMSE over that of the likeliest values",
                mean(|s| s.rmse, 1) / mean(|s| s.rmse, 0),
                Some(1.0),
                1.0,
            );
            let share = (nlpd(0) - nlpd(2)) / gain;
            claim.at_least("share of the gain that full-rank variational inference has", share, None, 0.5);
            claim.at_least("gain of mean-field variational inference (nats a row)", nlpd(0) - nlpd(3), Some(0.0), 0.0);
        }
        Ok(claim)
    }
}

/// Friedman's function of five uniform inputs, with unit noise.
fn friedman(rows: usize, run: &mut Run) -> Data {
    let x: Vec<f64> = run.rng.uniforms(rows * 5);
    let f = |x: &[f64]| {
        10.0 * (std::f64::consts::PI * x[0] * x[1]).sin() + 20.0 * (x[2] - 0.5).powi(2) + 10.0 * x[3] + 5.0 * x[4]
    };
    let y: Vec<f64> = x.chunks_exact(5).map(|x| f(x) + run.rng.normal()).collect();
    let arrays = vec![("x".into(), Array::new(&[rows, 5], x)), ("y".into(), Array::new(&[rows], y))];
    Data { source: "Friedman's function".into(), arrays, target: Some("y".into()), ..Data::default() }
}

/// A process with draws of its hyperparameters.
pub type BayesianGprModel = TableModel<BayesianGprConfig, Integrated>;

/// The rows, and the hyperparameters that predictions are mixed from.
pub struct Integrated {
    /// What builds the process of a draw.
    config: BayesianGprConfig,
    features: Features,
    /// Standardised targets, `[N]`.
    y: Vec<f64>,
    /// Free numbers, one draw a row.
    draws: Vec<Vec<f64>>,
    tables: Vec<Table>,
}

impl Process for Integrated {
    fn save(&self, file: &mut ModelFile) {
        table::save_features(file, &self.features);
        file.put("y", &[self.y.len()], &self.y);
        file.put("draws", &[self.draws.len(), self.draws[0].len()], &self.draws.concat());
        file.set("tables", &self.tables);
    }

    /// Each draw's process is conditioned anew: a factor for every draw would take J·N² numbers of memory.
    fn predict(&self, x: &Tensor, columns: &Columns) -> Result<Prediction> {
        let (rows, count) = (x.size(0), self.draws.len());
        let parts = self
            .draws
            .par_iter()
            .map(|z| {
                let mut gp = self.config.build(&self.features, &self.y)?;
                gp.unpack(z);
                let posterior = gp.condition()?;
                let (mean, mut variance) = posterior.marginals(x)?;
                variance.iter_mut().for_each(|v| *v = (*v + posterior.noise()).sqrt());
                Ok((mean, variance))
            })
            .collect::<Result<Vec<_>>>()?;
        // From one list a draw to one list a row.
        let means = (0..rows).flat_map(|i| parts.iter().map(move |part| part.0[i])).collect();
        let sds = (0..rows).flat_map(|i| parts.iter().map(move |part| part.1[i])).collect();
        let (shift, scale) = columns.target_scaling();
        let mixtures = GaussianMixtures::new(count, vec![1.0 / count as f64; count], means, sds);
        Ok(Prediction::Numbers(Box::new(mixtures.unscaled(shift, scale))))
    }

    fn tables(&self, _: &Columns) -> Vec<Table> {
        self.tables.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ml2_maximises_the_likelihood_without_priors_and_the_mode_counts_them_once() {
        let input = Regression::from_data(&friedman(20, &mut Run::new(5))).unwrap();
        let config = BayesianGprConfig { infer: Infer::Ml2, starts: 1, iterations: 20, ..BayesianGprConfig::default() };
        let close = |value: f64, expected: f64| {
            assert!((value - expected).abs() < 1e-9 * expected.abs().max(1.0), "{value}, expected {expected}");
        };
        let found = config.posterior(&input, &mut Run::new(1)).unwrap();
        let mut gp = config.build(&input.x, &input.y).unwrap();
        gp.unpack(&found.draws[0]);
        close(found.summary.objective.unwrap().1, gp.log_marginal().unwrap().item());

        let mut model = OfLogarithms(config.build(&input.x, &input.y).unwrap());
        let found = search(&mut model, Search { starts: 1, iterations: 20 }, &mut Run::new(1)).unwrap();
        let density = model.0.log_marginal().unwrap() + model.0.log_prior() + model.0.log_jacobian();
        close(-found.loss, density.item());
    }
}
