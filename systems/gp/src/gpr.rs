#![doc = "[picture]: ../../../../docs/pictures/gpr.svg"]
#![doc = include_str!("gpr.md")]

use elbo_core::{
    Budget, Card, Claim, Columns, Config, Error, Features, Kind, Model, ModelFile, Predict, Prediction, Regression,
    Result, Rng, Run, Snapshot, Summary, System, Table, Validation, Verb, ensure,
};
use elbo_data::{MakeOptions, make_from};
use elbo_dist::{Distribution, NormalScaleMixture, scores};
use elbo_gp::exact::{ExactGp, ExactPosterior, ensure_determined};
use elbo_gp::fit::{Found, Search, search};
use elbo_gp::jitter;
use elbo_gp::kernel::KernelConfig;
use elbo_gp::mean::{Mean, MeanConfig};
use elbo_gp::priors::PriorsConfig;
use elbo_gp::settings;
use elbo_gp::table::{self, Process, TableModel};
use elbo_tensor::{Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Exact Gaussian process regression.
pub struct Gpr;

/// How the errors of predictions are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Errors {
    /// As the process has it: normal, with its own standard deviation.
    Normal,
    /// A mixture of normal distributions around the process's mean, multiples of its standard deviation wide: the likeliest for the
    /// leave-one-out residuals. The hyperparameters have seen these rows.
    LeaveOneOut,
    /// The same for residuals of five folds, each predicted with hyperparameters learned without it.
    CrossValidation,
}

/// What becomes of the coefficients of the mean function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Coefficients {
    /// They are learned with the hyperparameters, and predictions take them for known.
    Optimised,
    /// They are integrated out under a flat prior (universal kriging): hyperparameters maximise the restricted likelihood, and predictions hold what
    /// the rows leave open of the coefficients.
    Integrated,
}

/// What becomes of rows that are copies of others, in the target too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Copies {
    /// They are rows as others are, unless the likeliest noise with them is none: then the fit is done again with each counted once.
    Auto,
    /// They are rows as others are.
    Keep,
    /// Each counts once.
    Once,
}

/// Parts that the rows are split into, each predicted from the others.
const FOLDS: usize = 5;
/// L-BFGS iterations a fold, at most; they start near the end.
const FOLD_ITERATIONS: usize = 50;

fn pick(y: &[f64], rows: &[usize]) -> Vec<f64> {
    rows.iter().map(|i| y[*i]).collect()
}

/// The rows of a fit.
struct Rows {
    x: Features,
    /// Scaled.
    y: Vec<f64>,
    /// Known noise variances of the scaled target, where a column gives them.
    known: Option<Vec<f64>>,
}

impl Rows {
    fn take(&self, rows: &[usize]) -> Self {
        let known = self.known.as_ref().map(|known| pick(known, rows));
        Self { x: self.x.take_rows(rows), y: pick(&self.y, rows), known }
    }
}

/// A split of rows into parts.
struct Folds {
    /// A permutation of the rows.
    order: Vec<usize>,
}

impl Folds {
    /// The rows of each part, and the others.
    fn each(&self) -> impl Iterator<Item = (Vec<usize>, Vec<usize>)> + '_ {
        let count = self.order.len();
        (0..FOLDS.min(count)).map(move |fold| (0..count).partition::<Vec<usize>, _>(|i| self.order[*i] % FOLDS == fold))
    }
}

fn standardised(y: &[f64], mean: &[f64], variance: &[f64]) -> Vec<f64> {
    (0..y.len()).map(|i| (y[i] - mean[i]) / variance[i].sqrt()).collect()
}

/// The mean function's parameter.
const COEFFICIENTS: &str = "mean.coefficients";

/// Noise below this share of the target's variance interpolates the rows.
const NOISELESS: f64 = 1e-3;

/// Settings of `gpr`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GprConfig {
    /// The kernel, as an expression: `matern52`, `rbf + periodic(period = 12)`, `matern32 * linear`.
    pub kernel: KernelConfig,
    /// The mean function: zero, constant, linear or polynomial.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub mean: MeanConfig,
    /// The coefficients of the mean function: `optimised`, or `integrated` out under a flat prior.
    pub coefficients: Coefficients,
    /// Noise variance at the start, as a share of the target's variance.
    pub noise: f64,
    /// A column of standard deviations in the target's unit, the known noise of each row, besides the learned noise; it is no input then.
    pub noise_column: Option<String>,
    /// Priors on hyperparameters: `dimension_scaled`, or a table such as `{lengthscale = "gamma(3, 6)", noise = "log_normal(-4, 1)"}`.
    pub priors: PriorsConfig,
    /// Starting points of the search for hyperparameters; the best end is kept.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// L-BFGS iterations a start, at most.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// The errors of predictions: `cross_validation` and `leave_one_out` fit their width and tails to residuals of rows left out, `normal` keeps the process's own.
    pub errors: Errors,
    /// Rows that are equal to others in every input and in the target: `auto`, `keep` or `once`.
    pub copies: Copies,
    /// Rows beyond which the fit is refused, since time grows with N³ and memory with N².
    pub most_rows: usize,
}

impl Default for GprConfig {
    fn default() -> Self {
        Self {
            kernel: KernelConfig::default(),
            mean: MeanConfig::Constant,
            coefficients: Coefficients::Optimised,
            noise: 0.1,
            noise_column: None,
            priors: PriorsConfig::default(),
            starts: 5,
            iterations: 200,
            errors: Errors::CrossValidation,
            copies: Copies::Auto,
            most_rows: 10_000,
        }
    }
}

impl Config for GprConfig {
    fn check(&self) -> Result<()> {
        settings::process(&self.kernel, &self.mean)?;
        settings::noise(self.noise)?;
        self.priors.check()?;
        if self.coefficients == Coefficients::Integrated {
            ensure(
                "coefficients",
                "integrated beside mean=zero, which has none",
                self.mean != MeanConfig::Zero,
                "a mean that is constant, linear or polynomial, or coefficients=optimised",
            )?;
            ensure(
                "coefficients",
                "integrated beside a prior on them",
                !self.priors.covers(COEFFICIENTS),
                "no prior on them, since theirs is flat then, or coefficients=optimised",
            )?;
        }
        settings::starts(self.starts)?;
        settings::counts(&[("iterations", self.iterations)])
    }
}

impl GprConfig {
    fn build(&self, Rows { x, y, known }: &Rows) -> Result<ExactGp> {
        let kernel = self.kernel.start_for(x)?;
        let mean = self.mean.build(&x.levels)?;
        let y = Tensor::from_slice(y, &[y.len()]);
        let mut gp = ExactGp::new(kernel, mean, self.noise, table::tensor(x), y).with_held_jitter();
        if self.coefficients == Coefficients::Integrated {
            // Here with the names of the terms.
            self.ensure_determined(x)?;
            gp = gp.with_integrated_mean()?;
        }
        if let Some(known) = known {
            gp = gp.with_known_noise(known);
        }
        self.priors.apply(&mut gp, x.dims)?;
        Ok(gp)
    }

    /// Refuses rows that leave coefficients undetermined which are to be integrated out, naming the term.
    fn ensure_determined(&self, x: &Features) -> Result<()> {
        if self.coefficients == Coefficients::Optimised {
            return Ok(());
        }
        match self.mean.basis(&x.levels)? {
            Some(basis) => {
                ensure_determined(&basis.matrix(&table::tensor(x)), |j| format!("`{}`", basis.term(j, &x.names)))
            }
            None => Ok(()),
        }
    }

    /// The known noise variances that a model file holds, where the settings name a column of them.
    fn stored_known(&self, file: &ModelFile, rows: usize) -> Result<Option<Vec<f64>>> {
        if self.noise_column.is_none() {
            return Ok(None);
        }
        let known = file.get_as("known_noise", &[rows])?;
        match known.iter().find(|variance| !variance.is_finite() || **variance < 0.0) {
            Some(variance) => Err(Error::misfit(format!("a known noise variance of {variance}"))),
            None => Ok(Some(known)),
        }
    }

    /// The process at its likeliest hyperparameters, and the rows that it stands on.
    fn learn(&self, rows: Rows, run: &mut Run) -> Result<(Rows, ExactGp, Found)> {
        // Beside known noise the learned one may well be none.
        let keeps = self.copies == Copies::Keep || (self.copies == Copies::Auto && rows.known.is_some());
        let singles = if keeps { vec![] } else { table::without_copies(&rows.x, &rows.y, rows.known.as_deref()) };
        let copies = if keeps { 0 } else { rows.x.rows - singles.len() };
        if self.copies == Copies::Once && copies > 0 {
            return self.search(rows.take(&singles), run);
        }
        let first = self.search(rows, run)?;
        if copies == 0 || first.1.noise() >= NOISELESS {
            return Ok(first);
        }
        let once = first.0.take(&singles);
        if let Err(error) = self.ensure_determined(&once.x) {
            run.warn(format!(
                "{copies} rows are copies of others, target and all, and with them the likeliest noise is none; they are kept, since without them the \
                 mean function is not determined ({error}): intervals may be too narrow"
            ));
            return Ok(first);
        }
        match self.search(once, run) {
            // Out of time: the first answer is what there is.
            Err(Error::Stopped) => {
                run.mark_stopped_early();
                run.warn(format!(
                    "stopped before the fit with each of {copies} copied rows counted once: with the copies the likeliest noise is none, \
                     and intervals may be too narrow"
                ));
                Ok(first)
            }
            second => {
                run.warn(format!(
                    "{copies} rows are copies of others, target and all, and with them the likeliest noise is none: each counts once; \
                     `copies=keep` keeps them"
                ));
                second
            }
        }
    }

    fn search(&self, rows: Rows, run: &mut Run) -> Result<(Rows, ExactGp, Found)> {
        let mut gp = self.build(&rows)?;
        let found = search(&mut gp, Search { starts: self.starts, iterations: self.iterations }, run)?;
        Ok((rows, gp, found))
    }

    fn errors_of(
        &self,
        rows: &Rows,
        gp: &ExactGp,
        posterior: &ExactPosterior,
        run: &mut Run,
    ) -> Result<Option<NormalScaleMixture>> {
        let residuals = match self.errors {
            Errors::Normal => return Ok(None),
            Errors::LeaveOneOut => None,
            Errors::CrossValidation => {
                let folds = Folds { order: run.rng.permutation(rows.x.rows) };
                let unsound = folds.each().find_map(|(_, rest)| self.ensure_determined(&rows.x.take_rows(&rest)).err());
                match unsound {
                    Some(error) => {
                        run.warn(format!(
                            "without one of {FOLDS} folds the mean function is not determined ({error}): the errors are those of \
                             `errors=leave_one_out`"
                        ));
                        None
                    }
                    None => {
                        let residuals = self.residuals_of(&folds, rows, gp, run)?;
                        if residuals.is_none() {
                            run.mark_stopped_early();
                            run.warn(
                                "stopped before every fold was predicted: the errors are those of `errors=leave_one_out`",
                            );
                        }
                        residuals
                    }
                }
            }
        };
        let residuals = residuals.unwrap_or_else(|| {
            let loo = posterior.leave_one_out();
            standardised(&rows.y, &loo.mean, &loo.variance)
        });
        Ok(Some(NormalScaleMixture::of_residuals(&residuals)))
    }

    /// Residuals of every row in standard deviations, predicted from the other folds, whose hyperparameters start at those of all rows;
    /// `None` when the run stops before the last.
    fn residuals_of(&self, folds: &Folds, rows: &Rows, gp: &ExactGp, run: &mut Run) -> Result<Option<Vec<f64>>> {
        let start = gp.pack();
        let mut residuals = vec![];
        for (held, rest) in folds.each() {
            let mut part = self.build(&rows.take(&rest))?;
            part.unpack(&start);
            let options = Search { starts: 1, iterations: self.iterations.min(FOLD_ITERATIONS) };
            // Curves and warnings of a fold are not those of the model.
            let mut own = run.part(run.seed);
            let found = search(&mut part, options, &mut own);
            run.rejoin(own);
            match found {
                Err(Error::Stopped) => return Ok(None),
                found => found?,
            };
            if run.stopped_early() {
                return Ok(None);
            }
            let posterior = part.condition()?;
            let held = rows.take(&held);
            let (mean, mut variance) = posterior.marginals(&table::tensor(&held.x))?;
            variance.iter_mut().for_each(|v| *v += posterior.noise());
            variance.iter_mut().zip(held.known.iter().flatten()).for_each(|(v, known)| *v += known);
            residuals.extend(standardised(&held.y, &mean, &variance));
        }
        Ok(Some(residuals))
    }
}

/// Puts what is known of integrated coefficients into a summary, where the process has those that they started from.
fn describe_integrated(mean: &dyn Mean, summary: &mut Summary) {
    summary.text += &format!(" Its mean function, {}, has them integrated out.", mean.summary());
    mean.visit(&mut |_, coefficients| {
        for entry in summary.parameters.iter_mut().filter(|entry| entry.0 == COEFFICIENTS) {
            let shown: Vec<String> = coefficients.value().iter().map(|v| format!("{v:.4}")).collect();
            entry.1 = shown.join(", ");
            entry.2 = "integrated out; means given the rows".into();
        }
    });
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

    fn fit(&self, config: &GprConfig, mut input: Regression, run: &mut Run) -> Result<GprModel> {
        input.notes.iter().for_each(|note| run.warn(note));
        settings::rows_at_most(input.x.rows, config.most_rows, "exact regression", "`sgpr`, `svgp` or `sdd-gp`")?;
        let known = config.noise_column.as_ref().map(|name| table::take_noise_column(&mut input, name)).transpose()?;
        let (rows, gp, found) = config.learn(Rows { x: input.x, y: input.y, known }, run)?;
        table::warn_about_noise(gp.noise() + table::middle_noise(rows.known.as_deref().unwrap_or_default()), run);
        let posterior = gp.condition()?;
        let mut summary = table::summarise(gp.kernel(), &gp, &rows.x.names);
        summary.text = format!("A Gaussian process with kernel {} on {} rows.", gp.kernel().summary(), rows.x.rows);
        if posterior.has_integrated_mean() {
            describe_integrated(posterior.mean(), &mut summary);
        }
        if let (Some(name), Some(known)) = (&config.noise_column, &rows.known) {
            summary.text += &table::describe_noise(name, known, input.columns.target_scaling().1);
        }
        jitter::report(&mut summary, posterior.jitter(), run);
        let objective = match config.coefficients {
            Coefficients::Optimised => "log marginal likelihood",
            Coefficients::Integrated => "restricted log likelihood",
        };
        table::add_objective(&mut summary, objective, &found, &config.priors);
        let errors = config.errors_of(&rows, &gp, &posterior, run)?;
        if let Some(errors) = &errors {
            summary.text += &format!(
                " Half of the errors of rows left out lie within {:.2} of its standard deviations and 95 % within {:.2}; of normal ones, within 0.67 and 1.96.",
                errors.quantile(0.75),
                errors.quantile(0.975)
            );
        }
        let Rows { x: features, known, .. } = rows;
        let process = Exact { features, known, gp, posterior, errors, starts: found.table() };
        Ok(GprModel::new(config, input.columns, process, summary))
    }

    fn load(&self, file: &ModelFile) -> Result<GprModel> {
        GprModel::load(file, |config, columns| {
            let features = table::load_features(file, columns)?;
            let y = file.get_as("y", &[features.rows])?;
            let rows = Rows { known: config.stored_known(file, features.rows)?, x: features, y };
            let mut gp = config.build(&rows)?;
            gp.restore(file, "parameters")?;
            let posterior = gp.condition()?;
            // Files of earlier versions hold normal errors.
            let errors = if file.has("errors") { file.fact("errors")? } else { None };
            Ok(Exact { features: rows.x, known: rows.known, gp, posterior, errors, starts: file.fact("starts")? })
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let rows = run.pick(80, 300);
        let (mut gain, mut coverage, mut self_check, mut count) = (0.0, 0.0, 0.0, 0.0);
        for seed in &seeds {
            let mut child = run.child(*seed);
            let size = MakeOptions { rows: Some(2 * rows), dims: Some(8), noise: None };
            let data = make_from("friedman1", &mut child.rng, &size)?;
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

/// A fitted exact process.
pub type GprModel = TableModel<GprConfig, Exact>;

/// The process, its posterior, and how the search went.
pub struct Exact {
    features: Features,
    known: Option<Vec<f64>>,
    gp: ExactGp,
    posterior: ExactPosterior,
    /// In standard deviations; `None` for a standard normal.
    errors: Option<NormalScaleMixture>,
    starts: Table,
}

impl Exact {
    /// Means and variances, noise included, of the scaled target.
    fn spread(&self, (mean, variance): (Vec<f64>, Vec<f64>), noise: f64, columns: &Columns) -> Prediction {
        match &self.errors {
            Some(errors) => table::mixture_prediction((mean, variance), noise, errors, columns),
            None => table::normal_prediction((mean, variance), noise, columns),
        }
    }
}

impl Process for Exact {
    fn save(&self, file: &mut ModelFile) {
        table::save_features(file, &self.features);
        let y = self.posterior.targets().to_vec();
        file.put("y", &[y.len()], &y);
        if let Some(known) = &self.known {
            file.put("known_noise", &[known.len()], known);
        }
        self.gp.save(file, "parameters");
        file.set("errors", &self.errors);
        file.set("starts", &self.starts);
    }

    fn predict(&self, x: &Tensor, columns: &Columns) -> Result<Prediction> {
        Ok(self.spread(self.posterior.marginals(x)?, self.posterior.noise(), columns))
    }

    fn clamped(&self) -> usize {
        self.posterior.take_clamped()
    }

    fn sample_paths(&self, x: &Tensor, count: usize, rng: &mut Rng) -> Result<Option<Vec<f64>>> {
        elbo_gp::path::joint_paths(x, count, rng, |x| Ok(self.posterior.joint(x))).map(Some)
    }

    fn validation(&self, columns: &Columns) -> Option<Validation> {
        let (shift, scale) = columns.target_scaling();
        let loo = self.posterior.leave_one_out();
        Some(Validation {
            method: "leave-one-out",
            observed: self.posterior.targets().to_vec().iter().map(|y| shift + scale * y).collect(),
            prediction: self.spread((loo.mean, loo.variance), 0.0, columns),
        })
    }

    fn tables(&self, _: &Columns) -> Vec<Table> {
        vec![self.starts.clone()]
    }
}
