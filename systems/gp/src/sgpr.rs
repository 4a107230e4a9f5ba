#![doc = "[picture]: ../../../../docs/pictures/sgpr.svg"]
#![doc = include_str!("sgpr.md")]

use elbo_core::{Card, Claim, Config, Error, Kind, ModelFile, Regression, Result, Run, System, Verb, ensure_within};
use elbo_gp::exact::ExactGp;
use elbo_gp::fit::{Search, search};
use elbo_gp::inducing::InducingPoints;
use elbo_gp::jitter;
use elbo_gp::kernel::KernelConfig;
use elbo_gp::mean::{MeanConfig, Zero};
use elbo_gp::priors::PriorsConfig;
use elbo_gp::settings;
use elbo_gp::sgpr::{BLOCKED, Bounds, Sgpr, SgprPosterior};
use elbo_gp::table::{self, TableModel};
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sparse regression by the collapsed bound.
pub struct SgprSystem;

/// Settings of `sgpr`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SgprConfig {
    /// The kernel, as an expression: `matern52`, `rbf + linear`.
    pub kernel: KernelConfig,
    /// The mean function: zero, constant, linear or polynomial.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub mean: MeanConfig,
    /// Number of inducing points, `M`.
    #[schemars(range(min = 1))]
    pub inducing: usize,
    /// Whether the inducing points move with the hyperparameters.
    pub move_inducing: bool,
    /// What is maximised and how rows are seen, from the collapsed bound at 0 to FITC at 1; between them is power expectation propagation.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub power: f64,
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
}

impl Default for SgprConfig {
    fn default() -> Self {
        Self {
            kernel: KernelConfig::default(),
            mean: MeanConfig::Constant,
            inducing: 200,
            move_inducing: true,
            power: 0.0,
            noise: 0.1,
            noise_column: None,
            priors: PriorsConfig::default(),
            starts: 1,
            iterations: 100,
        }
    }
}

impl Config for SgprConfig {
    fn check(&self) -> Result<()> {
        settings::process(&self.kernel, &self.mean)?;
        settings::points("inducing", self.inducing)?;
        ensure_within("power", self.power, 0.0..=1.0)?;
        settings::noise(self.noise)?;
        self.priors.check()?;
        settings::starts(self.starts)?;
        settings::counts(&[("iterations", self.iterations)])
    }
}

/// The exact log likelihood's bounds and their distance a row, with a warning where they lie far apart.
fn bracket(gp: &Sgpr, rows: usize, run: &mut Run) -> Result<Vec<(String, f64)>> {
    let bounds = gp.bounds()?;
    let gap = (bounds.upper - bounds.lower) / rows as f64;
    if gap > 0.1 {
        run.warn(format!(
            "the exact log likelihood is only known to lie between {:.1} and {:.1}: {gap:.2} nats a row are open; \
             raise `inducing` (now {})",
            bounds.lower,
            bounds.upper,
            gp.inducing().count()
        ));
    }
    Ok(vec![("lower_bound".into(), bounds.lower), ("upper_bound".into(), bounds.upper), ("gap_per_row".into(), gap)])
}

impl System for SgprSystem {
    const CARD: Card = Card {
        id: "sgpr",
        title: "Sparse Gaussian process regression",
        family: "gp",
        kind: Kind::Baseline,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Reproduce],
        source: "Titsias (2009)",
        about: include_str!("sgpr.md"),
        validates_itself: false,
    };
    type Config = SgprConfig;
    type Input = Regression;
    type Model = SgprModel;

    fn fit(&self, config: &SgprConfig, mut input: Regression, run: &mut Run) -> Result<SgprModel> {
        input.notes.iter().for_each(|note| run.warn(note));
        let known = config.noise_column.as_ref().map(|name| table::take_noise_column(&mut input, name)).transpose()?;
        let n = input.x.rows;
        let y = Tensor::from_slice(&input.y, &[n]);
        let kernel = config.kernel.start_for(&input.x)?;
        let mean = config.mean.build(&input.x.levels)?;
        let z = InducingPoints::start(kernel.as_ref(), &input.x, config.inducing, run)?;
        if config.power > 0.0 && z.size(0) * n >= BLOCKED {
            return Err(Error::data(
                format!(
                    "with `power` above 0 all covariances of {n} rows with {} inducing points are held at once",
                    z.size(0)
                ),
                "use --set power=0, which makes them in blocks, or fewer `inducing`",
            ));
        }
        let mut gp = Sgpr::new(kernel, mean, config.noise, z, table::tensor(&input.x), y).with_held_jitter();
        gp = gp.with_power(config.power);
        if let Some(known) = &known {
            gp = gp.with_known_noise(known);
        }
        // Coordinates of categories are levels: moving them would mean nothing.
        if !config.move_inducing || !input.x.is_numeric() {
            gp = gp.with_fixed_inducing();
        }
        config.priors.apply(&mut gp, input.x.dims)?;
        let found = search(&mut gp, Search { starts: config.starts, iterations: config.iterations }, run)?;
        table::warn_about_noise(gp.noise() + table::middle_noise(known.as_deref().unwrap_or_default()), run);
        let is_bound = config.power == 0.0;
        let posterior = if is_bound { gp.condition()? } else { gp.condition_with_power(config.power)? };
        let mut summary = table::summarise(gp.kernel(), &gp, &input.x.names);
        // The bounds are of the rows as they are: hyperparameters found for another evidence make them as loose as can be, which says nothing.
        if is_bound {
            summary.metrics = bracket(&gp, n, run)?;
        }
        jitter::report(&mut summary, gp.jitter(), run);
        summary.text = format!(
            "A sparse Gaussian process with kernel {} on {n} rows, carried by {} inducing points.",
            gp.kernel().summary(),
            gp.inducing().count()
        );
        if let (Some(name), Some(known)) = (&config.noise_column, &known) {
            summary.text += &table::describe_noise(name, known, input.columns.target_scaling().1);
        }
        let name = if is_bound {
            "lower bound of the log marginal likelihood"
        } else {
            "power EP's estimate of the log marginal likelihood"
        };
        table::add_objective(&mut summary, name, &found, &config.priors);
        Ok(SgprModel::new(config, input.columns, posterior, summary))
    }

    fn load(&self, file: &ModelFile) -> Result<SgprModel> {
        SgprModel::load(file, |config, columns| {
            let like = table::features_like(columns);
            let (kernel, mean) = (config.kernel.build_for(&like)?, config.mean.build(&like.levels)?);
            SgprPosterior::load(kernel, mean, like.dims, file, "posterior")
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let rows = run.pick(150, 600);
        let points = [10, 40, 120];
        let (mut brackets, mut rises, mut ratio, mut subset_ratio) = (f64::INFINITY, f64::INFINITY, 0.0, 0.0);
        for seed in &seeds {
            let mut child = run.child(*seed);
            let (x, f) = wave(2 * rows, &mut child);
            let y = f.into_iter().map(|f| f + 0.2 * child.rng.normal()).collect();
            let (train, test) = ((0..rows).collect::<Vec<_>>(), (rows..2 * rows).collect::<Vec<_>>());
            let rows_of = |t: &Tensor, rows: &[usize]| t.index_select(0, &Tensor::indices(rows));
            let targets = Tensor::from_vec(y, &[2 * rows]);
            let exact = |rows: &[usize], child: &mut Run| -> Result<ExactGp> {
                let kernel = KernelConfig::default().build_for(&elbo_core::Features::numeric(2, vec![0.0, 0.0]))?;
                let mut gp = ExactGp::new(kernel, Box::new(Zero), 0.1, rows_of(&x, rows), rows_of(&targets, rows));
                search(&mut gp, Search { starts: 1, iterations: 60 }, child)?;
                Ok(gp)
            };
            let full = exact(&train, &mut child)?;
            let subset = exact(&train[..points[1]], &mut child)?;
            let truth = full.log_marginal()?.item();
            let rmse = |(mean, _): (Vec<f64>, Vec<f64>)| {
                let observed = rows_of(&targets, &test).to_vec();
                (mean.iter().zip(&observed).map(|(m, y)| (m - y).powi(2)).sum::<f64>() / observed.len() as f64).sqrt()
            };
            let test_x = rows_of(&x, &test);
            let exact_rmse = rmse(full.condition()?.marginals(&test_x)?);
            subset_ratio += rmse(subset.condition()?.marginals(&test_x)?) / exact_rmse;
            // At the exact process's hyperparameters the bounds must bracket its likelihood, and rise with M.
            let mut previous = f64::NEG_INFINITY;
            for m in points {
                let z = rows_of(&x, &train[..m.min(rows)]);
                let mut gp = Sgpr::new(
                    full.kernel().clone_box(),
                    full.mean().clone_box(),
                    full.noise(),
                    z,
                    rows_of(&x, &train),
                    rows_of(&targets, &train),
                );
                let Bounds { lower, upper } = gp.bounds()?;
                brackets = brackets.min(truth - lower).min(upper - truth);
                rises = rises.min(lower - previous);
                previous = lower;
                if m == points[1] {
                    search(&mut gp, Search { starts: 1, iterations: run.pick(20, 80) }, &mut child)?;
                    ratio += rmse(gp.condition()?.marginals(&test_x)?) / exact_rmse;
                }
            }
        }
        let count = seeds.len() as f64;
        let mut claim = Claim::new(seeds);
        claim.at_least("least distance of both bounds from the exact log likelihood (nats)", brackets, None, -1e-6);
        claim.at_least("least rise of the lower bound with more points (nats)", rises, None, 0.0);
        claim.at_most("RMSE with 40 points over the exact process's", ratio / count, Some(subset_ratio / count), 1.1);
        Ok(claim)
    }
}

/// A smooth function of two uniform inputs. Returns inputs `[N, 2]` and values.
fn wave(rows: usize, run: &mut Run) -> (Tensor, Vec<f64>) {
    let x = run.rng.uniforms(rows * 2).into_iter().map(|u| 4.0 * u - 2.0).collect::<Vec<_>>();
    let f = x.chunks_exact(2).map(|x| (2.0 * x[0]).sin() + (1.5 * x[1]).cos() * x[0] * 0.5).collect();
    (Tensor::from_vec(x, &[rows, 2]), f)
}

/// A fitted sparse process.
pub type SgprModel = TableModel<SgprConfig, SgprPosterior>;
