#![doc = include_str!("sgpr.md")]

use elbo_core::{
    Card, Claim, Columns, Config, Data, Kind, Model, ModelFile, Predict, Prediction, Regression, Result, Run, Summary,
    System, Verb, ensure,
};
use elbo_gp::exact::ExactGp;
use elbo_gp::fit::{Search, search};
use elbo_gp::kernel::KernelConfig;
use elbo_gp::mean::{MeanConfig, Zero};
use elbo_gp::sgpr::{Bounds, Sgpr, SgprPosterior};
use elbo_gp::table;
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
    /// Noise variance at the start, as a share of the target's variance.
    pub noise: f64,
    /// L-BFGS iterations, at most.
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
            noise: 0.1,
            iterations: 100,
        }
    }
}

impl Config for SgprConfig {
    fn check(&self) -> Result<()> {
        self.kernel.check()?;
        self.mean.check()?;
        ensure("inducing", self.inducing, (1..=5000).contains(&self.inducing), "in 1..=5000")?;
        ensure("noise", self.noise, self.noise > 1e-6 && self.noise.is_finite(), "above 1e-6")?;
        ensure("iterations", self.iterations, self.iterations >= 1, "at least 1")
    }
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

    fn fit(&self, config: &SgprConfig, input: Regression, run: &mut Run) -> Result<SgprModel> {
        input.notes.iter().for_each(|note| run.warn(note));
        let z = table::inducing_inputs(&input.x, config.inducing, &mut run.rng);
        let n = input.x.rows;
        let y = Tensor::from_slice(&input.y, &[n]);
        let kernel = config.kernel.build_for(&input.x)?;
        let mean = config.mean.build(&input.x.levels)?;
        let mut gp = Sgpr::new(kernel, mean, config.noise, z, table::tensor(&input.x), y);
        // Coordinates of categories are levels: moving them would mean nothing.
        if !config.move_inducing || !input.x.is_numeric() {
            gp = gp.with_fixed_inducing();
        }
        let found = search(&mut gp, Search { starts: 1, iterations: config.iterations }, run)?;
        table::warn_about_noise(gp.noise(), run);
        let bounds = gp.bounds()?;
        let gap = (bounds.upper - bounds.lower) / n as f64;
        if gap > 0.1 {
            run.warn(format!(
                "the exact log likelihood is only known to lie between {:.1} and {:.1}: {gap:.2} nats a row are open; \
                 raise `inducing` (now {})",
                bounds.lower,
                bounds.upper,
                gp.inducing().shape()[0]
            ));
        }
        let posterior = gp.condition()?;
        let mut summary = table::summarise(gp.kernel(), &gp, &input.x.names);
        summary.objective = Some(("lower bound of the log marginal likelihood".into(), -found.loss));
        summary.metrics = vec![
            ("lower_bound".into(), bounds.lower),
            ("upper_bound".into(), bounds.upper),
            ("gap_per_row".into(), gap),
        ];
        summary.text = format!(
            "A sparse Gaussian process with kernel {} on {n} rows, carried by {} inducing points.",
            gp.kernel().summary(),
            gp.inducing().shape()[0]
        );
        Ok(SgprModel { config: config.clone(), columns: input.columns, posterior, summary })
    }

    fn load(&self, file: &ModelFile) -> Result<SgprModel> {
        let config: SgprConfig = file.fact("config")?;
        let columns: Columns = file.fact("columns")?;
        let like = table::features_like(&columns);
        let posterior =
            SgprPosterior::load(config.kernel.build_for(&like)?, config.mean.build(&like.levels)?, file, "posterior")?;
        Ok(SgprModel { config, columns, posterior, summary: file.fact("summary")? })
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
pub struct SgprModel {
    config: SgprConfig,
    columns: Columns,
    posterior: SgprPosterior,
    summary: Summary,
}

impl Model for SgprModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("columns", &self.columns);
        self.posterior.save(file, "posterior");
        file.set("summary", &self.summary);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn as_predict(&self) -> Option<&dyn Predict> {
        Some(self)
    }
}

impl Predict for SgprModel {
    fn predict(&self, data: &Data, run: &mut Run) -> Result<Prediction> {
        let x = table::encode(&self.columns, data, run)?;
        let (mean, mut variance) = self.posterior.marginals(&x)?;
        variance.iter_mut().for_each(|v| *v += self.posterior.noise());
        Ok(table::normal_prediction(mean, &variance, &self.columns))
    }

    fn sample_paths(&self, data: &Data, count: usize, run: &mut Run) -> Result<Option<Vec<f64>>> {
        let x = table::encode(&self.columns, data, run)?;
        let (mean, covariance) = self.posterior.joint(&x);
        let (shift, scale) = self.columns.target_scaling();
        let paths = elbo_gp::path::joint_samples(&mean, &covariance, count, &mut run.rng)?;
        Ok(Some(paths.into_iter().map(|v| shift + scale * v).collect()))
    }
}
