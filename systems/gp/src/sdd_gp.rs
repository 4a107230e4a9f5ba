#![doc = "[picture]: ../../../../docs/pictures/sdd-gp.svg"]
#![doc = include_str!("sdd-gp.md")]

mod claim;

use elbo_core::columns::ColumnKind;
use elbo_core::{
    Budget, Card, Claim, Columns, Config, Error, Features, Kind, ModelFile, Prediction, Regression, Result, Rng, Run,
    Stop, Summary, System, Table, Verb, drive, ensure, ensure_within, half_open,
};
use elbo_gp::exact::{ExactGp, ExactPosterior};
use elbo_gp::fit::{Search, search};
use elbo_gp::kernel::{Kernel, KernelConfig};
use elbo_gp::mean::MeanConfig;
use elbo_gp::priors::PriorsConfig;
use elbo_gp::sdd::{DualPosterior, Duals, Gradient, PriorDraws, Sdd};
use elbo_gp::settings;
use elbo_gp::table::{self, Process, TableModel};
use elbo_tensor::{Parameters, Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Regression by stochastic dual descent.
pub struct SddGp;

/// How the linear system is solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By Cholesky below 3,000 rows, where it is faster, else by descent.
    Auto,
    /// By stochastic dual descent.
    Sdd,
    /// By Cholesky.
    Exact,
}

/// Rows below which a factorisation is faster than descent.
const FEW_ROWS: usize = 3000;

/// Rows beyond which a factorisation is refused.
const MOST_EXACT_ROWS: usize = 20_000;

/// Share of the values of `f` that 95 % intervals cover, below which too few samples are warned of.
const LEAST_COVERAGE: f64 = 0.93;

/// Settings of `sdd-gp`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SddGpConfig {
    /// The kernel, as an expression: `matern32`, `rbf + matern12`; `tanimoto` for columns of counts.
    pub kernel: KernelConfig,
    /// The mean function: zero, constant, linear or polynomial.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub mean: MeanConfig,
    /// How the linear system is solved.
    pub method: Method,
    /// Noise variance at the start, as a share of the target's variance.
    pub noise: f64,
    /// Priors on hyperparameters: `dimension_scaled`, or a table such as `{lengthscale = "gamma(3, 6)", noise = "log_normal(-4, 1)"}`.
    pub priors: PriorsConfig,
    /// Rows on which hyperparameters are learned by the exact marginal likelihood.
    #[schemars(range(min = 10))]
    pub subset: usize,
    /// Random subsets whose hyperparameters are averaged.
    #[schemars(range(min = 1))]
    pub subsets: usize,
    /// Starting points of the search for hyperparameters on each subset.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// L-BFGS iterations a start, at most.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// Steps of the descent, at most, `T`.
    #[schemars(range(min = 100))]
    pub steps: usize,
    /// Rows a step, `B`.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Momentum, `ρ`, in [0, 1).
    pub momentum: f64,
    /// Factor on the length of a step; above 1 it may diverge.
    pub step_scale: f64,
    /// The descent ends when the relative residual of every right-hand side is estimated below this.
    pub tolerance: f64,
    /// Posterior samples, `S`, which the standard deviations come from.
    #[schemars(range(min = 2))]
    pub samples: usize,
    /// Random frequencies of the prior draws.
    #[schemars(range(min = 10))]
    pub frequencies: usize,
}

impl Default for SddGpConfig {
    fn default() -> Self {
        Self {
            kernel: "matern32".parse().expect("a kernel's name"),
            mean: MeanConfig::Constant,
            method: Method::Auto,
            noise: 0.1,
            priors: PriorsConfig::default(),
            subset: 2000,
            subsets: 1,
            starts: 1,
            iterations: 100,
            steps: 10_000,
            batch: 512,
            momentum: 0.9,
            step_scale: 1.0,
            tolerance: 0.01,
            samples: 64,
            frequencies: 2000,
        }
    }
}

impl Config for SddGpConfig {
    fn check(&self) -> Result<()> {
        settings::process(&self.kernel, &self.mean)?;
        settings::noise(self.noise)?;
        self.priors.check()?;
        ensure_within("subset", self.subset, 10..=10_000)?;
        ensure_within("subsets", self.subsets, 1..=100)?;
        settings::starts(self.starts)?;
        settings::counts(&[("iterations", self.iterations), ("batch", self.batch)])?;
        ensure_within("steps", self.steps, 100..=1_000_000_000)?;
        ensure_within("momentum", self.momentum, 0.0..1.0)?;
        ensure_within("step_scale", self.step_scale, half_open(0.0, 10.0))?;
        ensure("tolerance", self.tolerance, self.tolerance > 0.0 && self.tolerance < 1.0, "in (0, 1)")?;
        ensure_within("samples", self.samples, 2..=1000)?;
        ensure_within("frequencies", self.frequencies, 10..=100_000)
    }
}

impl SddGpConfig {
    fn build(&self, x: &Features, y: &[f64]) -> Result<ExactGp> {
        let kernel = self.kernel.start_for(x)?;
        let mean = self.mean.build(&x.levels)?;
        let mut gp = ExactGp::new(kernel, mean, self.noise, table::tensor(x), Tensor::from_slice(y, &[y.len()]));
        self.priors.apply(&mut gp, x.dims)?;
        Ok(gp)
    }

    /// Inputs as the kernel wants them: standardised, or in their own unit where it compares counts.
    fn inputs(&self, mut x: Features, mut columns: Columns) -> Result<(Features, Columns)> {
        let kernel = self.kernel.build_for(&x)?;
        if kernel.check_inputs(&table::tensor(&x)).is_err() {
            for (d, column) in columns.inputs.iter_mut().enumerate() {
                if let ColumnKind::Number { centre, scale, .. } = &mut column.kind {
                    // Nine digits, so that a count of zero does not come back as a negative rounding error.
                    let own = |v: f64| ((v * *scale + *centre) * 1e9).round() / 1e9;
                    x.values.iter_mut().skip(d).step_by(x.dims).for_each(|v| *v = own(*v));
                    (*centre, *scale) = (0.0, 1.0);
                }
            }
            kernel.check_inputs(&table::tensor(&x))?;
        }
        Ok((x, columns))
    }

    fn is_exact(&self, rows: usize, run: &mut Run) -> Result<bool> {
        match self.method {
            Method::Exact if rows > MOST_EXACT_ROWS => Err(Error::data(
                format!("the table has {rows} rows; a factorisation is limited to {MOST_EXACT_ROWS}"),
                "use --set method=sdd",
            )),
            Method::Exact => Ok(true),
            Method::Auto if rows < FEW_ROWS => {
                run.note(format!("{rows} rows: a Cholesky factorisation is faster than descent, so it is used"));
                Ok(true)
            }
            Method::Sdd if rows < FEW_ROWS => {
                run.warn(format!(
                    "below {FEW_ROWS} rows a Cholesky factorisation is faster; --set method=auto uses it"
                ));
                Ok(false)
            }
            Method::Auto | Method::Sdd => Ok(false),
        }
    }

    /// Learns hyperparameters on random subsets and gives `gp` the averages of the unconstrained values.
    fn learn(&self, gp: &mut ExactGp, x: &Features, y: &[f64], run: &mut Run) -> Result<(f64, Table)> {
        let options = Search { starts: self.starts, iterations: self.iterations };
        if x.rows <= self.subset {
            let found = search(gp, options, run)?;
            return Ok((found.evidence(), found.table()));
        }
        let mut sum = vec![0.0; gp.pack().len()];
        let (mut evidence, mut first) = (0.0, None);
        for _ in 0..self.subsets {
            let rows = run.rng.choose(x.rows, self.subset);
            let targets: Vec<f64> = rows.iter().map(|i| y[*i]).collect();
            let mut small = self.build(&x.take_rows(&rows), &targets)?;
            let found = search(&mut small, options, run)?;
            sum.iter_mut().zip(small.pack()).for_each(|(s, v)| *s += v / self.subsets as f64);
            evidence += found.evidence() / self.subsets as f64;
            first.get_or_insert(found.table());
        }
        gp.unpack(&sum);
        Ok((evidence, first.expect("there is at least one subset")))
    }

    fn descend(&self, gp: &ExactGp, y: &[f64], summary: &mut Summary, run: &mut Run) -> Result<DualPosterior> {
        let (x, noise) = (gp.inputs(), gp.noise());
        let n = y.len();
        refuse_white_noise(gp.kernel(), x)?;
        let coverage = DualPosterior::coverage_of(self.samples);
        if coverage < LEAST_COVERAGE {
            run.warn(format!(
                "standard deviations come from {} samples: where the noise is small, 95 % intervals cover {:.0} % at best; raise `samples`",
                self.samples,
                100.0 * coverage
            ));
        }
        let mut rng = run.rng.fork();
        let draws = PriorDraws::draw(gp.kernel(), x, self.samples, self.frequencies, &mut rng)?;
        if !draws.is_spectral() {
            run.warn(
                "this kernel has no random frequencies, so the samples' prior is carried by 1000 rows: standard \
                 deviations are right, correlations between rows approximate",
            );
        }
        let residual = no_grad(|| Tensor::from_slice(y, &[n]) - gp.mean().value(x)).unsqueeze(1);
        let targets = Tensor::cat(&[residual, draws.targets(gp.kernel(), x, noise, &mut rng)], 1);
        let sdd = Sdd {
            kernel: gp.kernel(),
            x,
            noise,
            targets: &targets,
            batch: self.batch,
            steps: self.steps,
            momentum: self.momentum,
            scale: self.step_scale,
            tolerance: self.tolerance,
            gradient: Gradient::Dual,
        };
        self.warn_about_condition(&sdd, &mut rng, run);
        let mut duals = Duals::zero(n, 1 + self.samples);
        let stop = Stop::after(self.steps, "dual descent", "relative residual");
        let outcome = drive(&sdd, &mut duals, &stop, run)?;
        let weights = duals.solution();
        let reached = sdd.relative_residuals(&weights, &mut rng);
        let worst = reached[1..].iter().fold(0.0f64, |a, r| a.max(*r));
        if reached[0] > self.tolerance {
            run.warn(format!(
                "the relative residual of the mean is {:.1e} after {} steps, above the tolerance {:.0e}; \
                 raise `steps` (now {}), or allow more noise",
                reached[0], outcome.steps, self.tolerance, self.steps
            ));
        }
        summary.metrics.extend([
            ("relative_residual".into(), reached[0]),
            ("relative_residual_samples".into(), worst),
            ("steps".into(), outcome.steps as f64),
            ("epochs".into(), (outcome.steps * self.batch.min(n)) as f64 / n as f64),
        ]);
        let (kernel, mean) = (gp.kernel().clone_box(), gp.mean().clone_box());
        Ok(DualPosterior::new(kernel, mean, noise, x.clone(), weights, draws))
    }

    /// Says what little noise costs: the slowest direction shrinks by `β σ² / (1 - ρ)` a step.
    fn warn_about_condition(&self, sdd: &Sdd<'_>, rng: &mut Rng, run: &mut Run) {
        let variance = no_grad(|| sdd.kernel.diag(sdd.x).max().item());
        if sdd.noise < 1e-4 * variance {
            let n = sdd.x.shape()[0];
            let steps = (1.0 - self.momentum) * (1.0 / self.tolerance).ln() / (sdd.step_size(rng) * sdd.noise);
            run.warn(format!(
                "the noise variance is {:.1e} of the signal's, a condition number of about {:.0e}: the slowest direction \
                 needs about {:.0e} epochs",
                sdd.noise / variance,
                n as f64 * variance / sdd.noise,
                steps * self.batch.min(n) as f64 / n as f64
            ));
        }
    }
}

/// The descent knows one noise; a second one hidden in the kernel would be lost.
fn refuse_white_noise(kernel: &dyn Kernel, x: &Tensor) -> Result<()> {
    let row = x.narrow(0, 0, 1);
    let (whole, smooth) = no_grad(|| (kernel.diag(&row).item(), kernel.gram(&row, &row).item()));
    if whole > smooth * (1.0 + 1e-9) {
        return Err(Error::data(
            format!("the kernel {} holds white noise", kernel.summary()),
            "leave `white` out of the kernel: the noise variance is learned beside it",
        ));
    }
    Ok(())
}

/// Either solution.
enum Solved {
    Exact(ExactPosterior),
    Dual(DualPosterior),
}

impl System for SddGp {
    const CARD: Card = Card {
        id: "sdd-gp",
        title: "Stochastic Gradient Descent for Gaussian Processes Done Right",
        family: "gp",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Reproduce],
        source: "Lin, Padhy, Antorán, Tripp, Terenin, Szepesvári, Hernández-Lobato and Janz (2024), ICLR",
        about: include_str!("sdd-gp.md"),
        validates_itself: false,
    };
    type Config = SddGpConfig;
    type Input = Regression;
    type Model = SddGpModel;

    fn fit(&self, config: &SddGpConfig, input: Regression, run: &mut Run) -> Result<SddGpModel> {
        input.notes.iter().for_each(|note| run.warn(note));
        let (x, columns) = config.inputs(input.x, input.columns)?;
        let is_exact = config.is_exact(x.rows, run)?;
        let mut gp = config.build(&x, &input.y)?;
        let (evidence, starts) = config.learn(&mut gp, &x, &input.y, run)?;
        table::warn_about_noise(gp.noise(), run);
        let mut summary = table::summarise(gp.kernel(), &gp, &x.names);
        let seen = x.rows.min(config.subset);
        summary.objective = Some((format!("log marginal likelihood of {seen} rows"), evidence));
        let solved = if is_exact {
            Solved::Exact(gp.condition()?)
        } else {
            Solved::Dual(config.descend(&gp, &input.y, &mut summary, run)?)
        };
        let how = if is_exact { "a Cholesky factorisation" } else { "stochastic dual descent" };
        let kernel = gp.kernel().summary();
        summary.text = format!("A Gaussian process with kernel {kernel} on {} rows, solved by {how}.", x.rows);
        let process = SddProcess { features: x, y: input.y, gp, solved, starts };
        Ok(SddGpModel::new(config, columns, process, summary))
    }

    fn load(&self, file: &ModelFile) -> Result<SddGpModel> {
        SddGpModel::load(file, |config, columns| {
            let features = table::load_features(file, columns)?;
            let y = file.get_as("y", &[features.rows])?;
            let mut gp = config.build(&features, &y)?;
            gp.read_from(file, "parameters")?;
            let solved = if file.fact("is_exact")? {
                Solved::Exact(gp.condition()?)
            } else {
                let (kernel, mean) = (config.kernel.build_for(&features)?, config.mean.build(&features.levels)?);
                Solved::Dual(DualPosterior::load(kernel, mean, features.dims, file, "posterior")?)
            };
            Ok(SddProcess { features, y, gp, solved, starts: file.fact("starts")? })
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        claim::ablations(&mut claim, &seeds, run)?;
        if run.budget == Budget::Full {
            claim::many_rows(&mut claim, &seeds, run)?;
        }
        Ok(claim)
    }
}

/// A fitted process.
pub type SddGpModel = TableModel<SddGpConfig, SddProcess>;

/// The rows, their process, and the solution of either kind.
pub struct SddProcess {
    features: Features,
    y: Vec<f64>,
    gp: ExactGp,
    solved: Solved,
    starts: Table,
}

impl Process for SddProcess {
    fn save(&self, file: &mut ModelFile) {
        table::save_features(file, &self.features);
        file.put("y", &[self.y.len()], &self.y);
        self.gp.write_to(file, "parameters");
        file.set("is_exact", &matches!(self.solved, Solved::Exact(_)));
        if let Solved::Dual(posterior) = &self.solved {
            posterior.save(file, "posterior");
        }
        file.set("starts", &self.starts);
    }

    fn predict(&self, x: &Tensor, columns: &Columns) -> Result<Prediction> {
        let marginals = match &self.solved {
            Solved::Exact(posterior) => posterior.marginals(x)?,
            Solved::Dual(posterior) => posterior.marginals(x)?,
        };
        Ok(table::normal_prediction(marginals, self.gp.noise(), columns))
    }

    fn sample_paths(&self, x: &Tensor, count: usize, rng: &mut Rng) -> Result<Option<Vec<f64>>> {
        let mut paths = match &self.solved {
            Solved::Exact(posterior) => elbo_gp::path::joint_paths(x, count, rng, |x| Ok(posterior.joint(x)))?,
            Solved::Dual(posterior) if count > posterior.samples() => {
                return Err(Error::data(
                    format!("{count} sample paths were asked for, but the model holds {}", posterior.samples()),
                    "fit again with --set samples=N",
                ));
            }
            Solved::Dual(posterior) => posterior.sample_paths(x),
        };
        paths.truncate(count * x.shape()[0]);
        Ok(Some(paths))
    }

    fn tables(&self, _: &Columns) -> Vec<Table> {
        vec![self.starts.clone()]
    }
}
