#![doc = "[picture]: ../../../../docs/pictures/gpr.svg"]
#![doc = include_str!("gpr.md")]

use elbo_core::{
    Budget, Card, Claim, Columns, Config, Data, Features, Kind, Model, ModelFile, Predict, Prediction, Regression,
    Result, Rng, Run, System, Table, Validation, Verb,
};
use elbo_dist::{Normals, scores};
use elbo_gp::exact::{ExactGp, ExactPosterior};
use elbo_gp::fit::{Search, search};
use elbo_gp::kernel::KernelConfig;
use elbo_gp::mean::MeanConfig;
use elbo_gp::priors::PriorsConfig;
use elbo_gp::settings;
use elbo_gp::table::{self, Process, TableModel};
use elbo_tensor::{Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Exact Gaussian process regression.
pub struct Gpr;

/// Settings of `gpr`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GprConfig {
    /// The kernel, as an expression: `matern52`, `rbf + periodic(period = 12)`, `matern32 * linear`.
    pub kernel: KernelConfig,
    /// The mean function: zero, constant, linear or polynomial.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub mean: MeanConfig,
    /// Noise variance at the start, as a share of the target's variance.
    pub noise: f64,
    /// Priors on hyperparameters: `dimension_scaled`, or a table such as `{lengthscale = "gamma(3, 6)", noise = "log_normal(-4, 1)"}`.
    pub priors: PriorsConfig,
    /// Starting points of the search for hyperparameters; the best end is kept.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// L-BFGS iterations a start, at most.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// Rows beyond which the fit is refused, since time grows with N³ and memory with N².
    pub most_rows: usize,
}

impl Default for GprConfig {
    fn default() -> Self {
        Self {
            kernel: KernelConfig::default(),
            mean: MeanConfig::Constant,
            noise: 0.1,
            priors: PriorsConfig::default(),
            starts: 5,
            iterations: 200,
            most_rows: 10_000,
        }
    }
}

impl Config for GprConfig {
    fn check(&self) -> Result<()> {
        settings::process(&self.kernel, &self.mean)?;
        settings::noise(self.noise)?;
        self.priors.check()?;
        settings::starts(self.starts)?;
        settings::counts(&[("iterations", self.iterations)])
    }
}

impl GprConfig {
    fn build(&self, x: &Features, y: &[f64]) -> Result<ExactGp> {
        let kernel = self.kernel.start_for(x)?;
        let mean = self.mean.build(&x.levels)?;
        let mut gp = ExactGp::new(kernel, mean, self.noise, table::tensor(x), Tensor::from_slice(y, &[y.len()]));
        self.priors.apply(&mut gp, x.dims)?;
        Ok(gp)
    }
}

impl System for Gpr {
    const CARD: Card = Card {
        id: "gpr",
        title: "Gaussian process regression",
        family: "gp",
        kind: Kind::Baseline,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Reproduce],
        source: "Rasmussen and Williams (2006)",
        about: include_str!("gpr.md"),
        validates_itself: true,
    };
    type Config = GprConfig;
    type Input = Regression;
    type Model = GprModel;

    fn fit(&self, config: &GprConfig, input: Regression, run: &mut Run) -> Result<GprModel> {
        input.notes.iter().for_each(|note| run.warn(note));
        settings::rows_at_most(input.x.rows, config.most_rows, "exact regression", "`sgpr`, `svgp` or `sdd-gp`")?;
        let mut gp = config.build(&input.x, &input.y)?;
        let options = Search { starts: config.starts, iterations: config.iterations };
        let found = search(&mut gp, options, run)?;
        table::warn_about_noise(gp.noise(), run);
        let posterior = gp.condition()?;
        if posterior.jitter() > 1e-8 {
            run.warn(format!("the covariance needed a jitter of {:.0e} to factorise", posterior.jitter()));
        }
        let mut summary = table::summarise(gp.kernel(), &gp, &input.x.names);
        summary.text = format!("A Gaussian process with kernel {} on {} rows.", gp.kernel().summary(), input.x.rows);
        table::add_objective(&mut summary, "log marginal likelihood", &found, &config.priors);
        let process = Exact { features: input.x, gp, posterior, starts: found.table() };
        Ok(GprModel::new(config, input.columns, process, summary))
    }

    fn load(&self, file: &ModelFile) -> Result<GprModel> {
        GprModel::load(file, |config, columns| {
            let features = table::load_features(file, columns)?;
            let mut gp = config.build(&features, &file.get_as("y", &[features.rows])?)?;
            gp.read_from(file, "parameters")?;
            let posterior = gp.condition()?;
            Ok(Exact { features, gp, posterior, starts: file.fact("starts")? })
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let rows = run.pick(80, 300);
        let (mut gain, mut coverage, mut self_check, mut count) = (0.0, 0.0, 0.0, 0.0);
        for seed in &seeds {
            let mut child = run.child(*seed);
            let data = friedman(2 * rows, &mut child);
            let (train, test): (Vec<usize>, Vec<usize>) = (0..2 * rows).partition(|i| i % 2 == 0);
            let config = GprConfig { starts: run.pick(1, 5), ..GprConfig::default() };
            let input = |rows: &[usize]| elbo_core::FromData::from_data(&data.take_rows(rows));
            let learned = self.fit(&config, input(&train)?, &mut child)?;
            let unlearned = self.fit(&GprConfig { iterations: 1, starts: 1, ..config }, input(&train)?, &mut child)?;
            let observed = data.take_rows(&test).get("y")?.to_f64().expect("generated numbers");
            let score = |model: &GprModel, run: &mut Run| -> Result<_> {
                match model.predict(&data.take_rows(&test), run)? {
                    Prediction::Numbers(marginals) => scores::regression(marginals.as_ref(), &observed),
                    Prediction::Classes { .. } => unreachable!("a regression predicts numbers"),
                }
            };
            let (with, without) = (score(&learned, &mut child)?, score(&unlearned, &mut child)?);
            gain += without.nlpd - with.nlpd;
            coverage += with.coverage.p95;
            let Some(validation) = learned.validation() else { unreachable!("an exact process validates itself") };
            let Prediction::Numbers(marginals) = &validation.prediction else { unreachable!("numbers") };
            self_check += (scores::regression(marginals.as_ref(), &validation.observed)?.rmse / with.rmse).ln().abs();
            count += 1.0;
        }
        let mut claim = Claim::new(seeds);
        claim.at_least("gain in test log density from learned lengthscales (nats a row)", gain / count, Some(0.0), 0.1);
        // Two binomial standard errors of the covered share around 0.95; the few rows of a smoke run leave the likeliest values too sure.
        let error = match run.budget {
            Budget::Smoke => 0.1,
            Budget::Full => 2.0 * (0.95f64 * 0.05 / (count * rows as f64)).sqrt() + 0.01,
        };
        claim.at_most("distance of the 95 % coverage from 0.95", (coverage / count - 0.95).abs(), None, error);
        let slack = if run.budget == Budget::Smoke { 0.4 } else { 0.2 };
        claim.at_most("leave-one-out against held-out RMSE (log ratio)", self_check / count, None, slack);
        Ok(claim)
    }
}

/// Friedman's function of five of eight uniform inputs, with unit noise.
fn friedman(rows: usize, run: &mut Run) -> Data {
    use elbo_core::Array;
    let x: Vec<f64> = run.rng.uniforms(rows * 8);
    let y = (0..rows).map(|i| {
        let x = &x[i * 8..];
        10.0 * (std::f64::consts::PI * x[0] * x[1]).sin() + 20.0 * (x[2] - 0.5).powi(2) + 10.0 * x[3] + 5.0 * x[4]
    });
    let y: Vec<f64> = y.map(|f| f + run.rng.normal()).collect();
    let arrays = vec![("x".into(), Array::new(&[rows, 8], x)), ("y".into(), Array::new(&[rows], y))];
    Data { source: "Friedman's function".into(), arrays, target: Some("y".into()), ..Data::default() }
}

/// A fitted exact process.
pub type GprModel = TableModel<GprConfig, Exact>;

/// The process, its posterior, and how the search went.
pub struct Exact {
    features: Features,
    gp: ExactGp,
    posterior: ExactPosterior,
    starts: Table,
}

impl Process for Exact {
    fn save(&self, file: &mut ModelFile) {
        table::save_features(file, &self.features);
        let y = self.posterior.targets().to_vec();
        file.put("y", &[y.len()], &y);
        self.gp.write_to(file, "parameters");
        file.set("starts", &self.starts);
    }

    fn predict(&self, x: &Tensor, columns: &Columns) -> Result<Prediction> {
        Ok(table::normal_prediction(self.posterior.marginals(x)?, self.posterior.noise(), columns))
    }

    fn sample_paths(&self, x: &Tensor, count: usize, rng: &mut Rng) -> Result<Option<Vec<f64>>> {
        elbo_gp::path::joint_paths(x, count, rng, |x| Ok(self.posterior.joint(x))).map(Some)
    }

    fn validation(&self, columns: &Columns) -> Option<Validation> {
        let (shift, scale) = columns.target_scaling();
        let loo = self.posterior.leave_one_out();
        let sd = loo.variance.iter().map(|v| v.sqrt()).collect();
        Some(Validation {
            method: "leave-one-out",
            observed: self.posterior.targets().to_vec().iter().map(|y| shift + scale * y).collect(),
            prediction: Prediction::Numbers(Box::new(Normals { mean: loo.mean, sd }.unscaled(shift, scale))),
        })
    }

    fn tables(&self, _: &Columns) -> Vec<Table> {
        vec![self.starts.clone()]
    }
}
