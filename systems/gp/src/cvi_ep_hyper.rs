#![doc = "[picture]: ../../../../docs/pictures/cvi-ep-hyper.svg"]
#![doc = include_str!("cvi-ep-hyper.md")]

use elbo_core::{
    Array, Budget, Card, Claim, Columns, Config, Data, Error, Features, Kind, Model, ModelFile, Predict, Prediction,
    Result, Rng, Run, Stop, Summary, Supervised, System, Table, Values, Verb, drive, ensure_within,
};
use elbo_data::{Split, stored_table};
use elbo_dist::scores;
use elbo_gp::evidence::{Elbo, Energy, Evidence, LaplaceEvidence};
use elbo_gp::inducing::InducingPoints;
use elbo_gp::kernel::{KernelConfig, Profile, Stationary};
use elbo_gp::learn::{self, Rounds};
use elbo_gp::likelihood::{BernoulliProbit, LikelihoodConfig, MultiLikelihood, Single};
use elbo_gp::mean::{MeanConfig, Zero};
use elbo_gp::prior::{DensePrior, LatentPosterior, LatentPrior, SparsePrior};
use elbo_gp::settings;
use elbo_gp::site::{Cvi, Laplace, PowerEp, SiteRule};
use elbo_gp::sites::SiteGp;
use elbo_gp::{importance, jitter, table};
use elbo_tensor::{Parameters, Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Variational sites, hyperparameters on EP's evidence.
pub struct CviEpHyper;

/// Which sites and which evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Infer {
    /// Variational sites, EP's energy for the hyperparameters: the paper's method.
    Hybrid,
    /// Variational sites and bound.
    Vi,
    /// EP sites and energy.
    Ep,
    /// Laplace's method.
    Laplace,
}

impl Infer {
    fn rule(self, config: &CviEpHyperConfig) -> Box<dyn SiteRule> {
        match self {
            Self::Hybrid | Self::Vi => Box::new(Cvi { rho: config.rho }),
            Self::Ep => Box::new(PowerEp { alpha: config.alpha, damping: config.rho }),
            Self::Laplace => Box::new(Laplace { damping: 1.0 }),
        }
    }

    fn evidence(self, config: &CviEpHyperConfig) -> Box<dyn Evidence> {
        match self {
            Self::Hybrid | Self::Ep => Box::new(Energy { alpha: config.alpha }),
            Self::Vi => Box::new(Elbo),
            Self::Laplace => Box::new(LaplaceEvidence),
        }
    }
}

/// Settings of `cvi-ep-hyper`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CviEpHyperConfig {
    /// The kernel, as an expression: `matern52`, `rbf + linear`.
    pub kernel: KernelConfig,
    /// The mean function: zero, constant, linear or polynomial.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub mean: MeanConfig,
    /// The likelihood; without one, probit for two classes and Student-t for numbers.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub likelihood: Option<LikelihoodConfig>,
    /// How sites are found and which evidence the hyperparameters climb.
    pub infer: Infer,
    /// Share of the new site in a sweep, in (0, 1].
    pub rho: f64,
    /// Power of the EP energy, in (0, 1].
    pub alpha: f64,
    /// Rows beyond which the posterior is carried by inducing points.
    pub most_dense_rows: usize,
    /// Number of inducing points then.
    #[schemars(range(min = 1))]
    pub inducing: usize,
    /// Sweeps over the sites a round.
    #[schemars(range(min = 1))]
    pub sweeps: usize,
    /// L-BFGS iterations a round.
    #[schemars(range(min = 1))]
    pub moves: usize,
    /// Rounds, at most.
    #[schemars(range(min = 1))]
    pub rounds: usize,
}

impl Default for CviEpHyperConfig {
    fn default() -> Self {
        Self {
            kernel: KernelConfig::default(),
            mean: MeanConfig::Zero,
            likelihood: None,
            infer: Infer::Hybrid,
            rho: 0.5,
            alpha: 1.0,
            most_dense_rows: 1500,
            inducing: 300,
            sweeps: 20,
            moves: 5,
            rounds: 100,
        }
    }
}

impl Config for CviEpHyperConfig {
    fn check(&self) -> Result<()> {
        settings::process(&self.kernel, &self.mean)?;
        if let Some(likelihood) = &self.likelihood {
            likelihood.build()?;
        }
        settings::share("rho", self.rho)?;
        settings::share("alpha", self.alpha)?;
        settings::points("inducing", self.inducing)?;
        ensure_within("most_dense_rows", self.most_dense_rows, ..=20_000)?;
        settings::counts(&[("sweeps", self.sweeps), ("moves", self.moves), ("rounds", self.rounds)])
    }
}

/// The rows in the form that the likelihood wants.
struct Rows {
    x: Features,
    y: Vec<f64>,
    columns: Columns,
    likelihood: LikelihoodConfig,
    notes: Vec<String>,
}

impl CviEpHyperConfig {
    fn rows(&self, input: Supervised) -> Result<Rows> {
        match input {
            Supervised::Classes(input) => {
                if input.classes.len() != 2 {
                    return Err(Error::data(
                        format!("the target has {} classes; this system separates two", input.classes.len()),
                        "use `svgp` for more classes, or `--task regression` if the target is a quantity",
                    ));
                }
                let y = input.y.iter().map(|class| if *class == 1 { 1.0 } else { -1.0 }).collect();
                let likelihood = self.likelihood.clone().unwrap_or(LikelihoodConfig::BernoulliProbit);
                Ok(Rows { x: input.x, y, columns: input.columns, likelihood, notes: input.notes })
            }
            Supervised::Numbers(input) => {
                let likelihood = self.likelihood.clone().unwrap_or(LikelihoodConfig::StudentT { dof: 4.0, scale: 0.3 });
                let input = if likelihood.is_of_location_and_scale() { input } else { input.in_own_unit() };
                Ok(Rows { x: input.x, y: input.y, columns: input.columns, likelihood, notes: input.notes })
            }
        }
    }

    fn build(&self, rows: &Rows, run: &mut Run) -> Result<SiteGp> {
        let (kernel, x) = (self.kernel.build_for(&rows.x)?, table::tensor(&rows.x));
        let prior: Box<dyn LatentPrior> = if rows.x.rows <= self.most_dense_rows {
            Box::new(DensePrior::new(kernel, x))
        } else {
            let z = InducingPoints::start(kernel.as_ref(), &rows.x, self.inducing, run)?;
            Box::new(SparsePrior::new(kernel, z, x))
        };
        SiteGp::new(prior, self.mean.build(&rows.x.levels)?, rows.likelihood.build()?, rows.y.clone())
    }

    fn learn(&self, model: &mut SiteGp, run: &mut Run) -> Result<f64> {
        let (rule, evidence) = (self.infer.rule(self), self.infer.evidence(self));
        let rounds = Rounds {
            rule: rule.as_ref(),
            evidence: evidence.as_ref(),
            sweeps: self.sweeps,
            moves: self.moves,
            tolerance: 1e-2,
        };
        let stop = Stop::after(self.rounds, "rounds of sites and hyperparameters", evidence.name());
        Ok(drive(&rounds, model, &stop, run)?.objective)
    }
}

impl System for CviEpHyper {
    const CARD: Card = Card {
        id: "cvi-ep-hyper",
        title: "Improving Hyperparameter Learning under Approximate Inference in Gaussian Process Models",
        family: "gp",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Reproduce],
        source: "Li, John and Solin (2023), ICML",
        about: include_str!("cvi-ep-hyper.md"),
        validates_itself: false,
    };
    type Config = CviEpHyperConfig;
    type Input = Supervised;
    type Model = CviEpHyperModel;

    fn fit(&self, config: &CviEpHyperConfig, input: Supervised, run: &mut Run) -> Result<CviEpHyperModel> {
        let rows = config.rows(input)?;
        rows.notes.iter().for_each(|note| run.warn(note));
        if rows.x.rows <= config.most_dense_rows {
            run.warn_idle(config, &["inducing"], "on no more rows than `most_dense_rows`");
        }
        if matches!(config.infer, Infer::Laplace) {
            run.warn_idle(config, &["rho"], "with infer=laplace");
        }
        let mut model = config.build(&rows, run)?;
        let objective = config.learn(&mut model, run)?;
        let mut summary = table::summarise(model.prior.kernel(), &model, &rows.x.names);
        summary.objective = Some((config.infer.evidence(config).name().into(), objective));
        let value = |evidence: &dyn Evidence| no_grad(|| evidence.value(&model)).map(|v| v.item());
        let elbo = value(&Elbo)?;
        summary.metrics.push(("elbo".into(), elbo));
        match value(&Energy { alpha: config.alpha }) {
            Ok(energy) => {
                summary.metrics.push(("energy".into(), energy));
                summary.metrics.push(("gap".into(), energy - elbo));
            }
            Err(error) if error.is_recoverable() => {
                run.warn("the EP energy is not defined at these sites; only the bound is reported")
            }
            Err(error) => return Err(error),
        }
        summary.metrics.extend(learn::site_counts(&model, config.infer.rule(config).as_ref(), run)?);
        summary.text = format!(
            "A Gaussian process with kernel {} and likelihood {} on {} rows.",
            model.prior.kernel().summary(),
            model.likelihood().description(),
            rows.x.rows
        );
        CviEpHyperModel::new(config.clone(), rows, model, summary)
    }

    fn load(&self, file: &ModelFile) -> Result<CviEpHyperModel> {
        let config: CviEpHyperConfig = file.fact("config")?;
        let columns: Columns = file.fact("columns")?;
        let x = table::load_features(file, &columns)?;
        let y = file.get_as("y", &[x.rows])?;
        let rows = Rows { x, y, columns, likelihood: file.fact("likelihood")?, notes: vec![] };
        // Where the inducing points lie is restored with the parameters; the seed only fixes how many there are.
        let mut model = if file.has("inducing") {
            let z = table::stored_points(file, "z", rows.x.dims)?;
            let prior = Box::new(SparsePrior::new(config.kernel.build_for(&rows.x)?, z, table::tensor(&rows.x)));
            SiteGp::new(prior, config.mean.build(&rows.x.levels)?, rows.likelihood.build()?, rows.y.clone())?
        } else {
            config.build(&rows, &mut Run::new(0))?
        };
        elbo_core::Snapshot::restore(&mut model, file, "model")?;
        CviEpHyperModel::new(config, rows, model, file.fact("summary")?)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        grid_claim(&mut claim, &seeds, run)?;
        amplitude_claim(&mut claim, &seeds, run)?;
        if run.budget == Budget::Full {
            real_claim(&mut claim, &seeds, run)?;
        }
        Ok(claim)
    }
}

/// Size of the function whose classes are nearly separable.
const SEPARATED: f64 = 8.0;

/// The kernel on real sets.
const REAL_KERNEL: &str = "matern52(ard = false)";

/// Errors of the three evidences against importance sampling, over a grid of hyperparameters.
fn grid_claim(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let (lengths, variances) = match run.budget {
        Budget::Smoke => (vec![-1.0, 0.0, 1.0], vec![0.0, 3.0]),
        Budget::Full => (vec![-1.0, -0.5, 0.0, 0.5, 1.0], vec![0.0, 1.0, 2.0, 3.0]),
    };
    let draws = run.pick(4000, 20_000);
    let mut table = Table::new(
        "evidence",
        "Log evidence on a grid of hyperparameters: importance sampling with its standard error, then the estimates.",
        &["seed", "log l", "log v", "sampled", "s.e.", "hybrid", "ep", "elbo"],
    );
    let (mut nearer, mut cells, mut hybrid_error, mut elbo_error) = (0.0, 0.0, 0.0, 0.0);
    for seed in seeds {
        let mut rng = Rng::new(*seed);
        let (x, y) = waves(30, 2.0, &mut rng);
        for length in &lengths {
            for variance in &variances {
                let kernel = Stationary::new(Profile::Rbf, &[f64::exp(*length); 2]).with_variance(f64::exp(*variance));
                let prior = Box::new(DensePrior::new(Box::new(kernel), x.clone()));
                let mut model = SiteGp::new(prior, Box::new(Zero), Box::new(BernoulliProbit::new()), y.clone())?;
                model.infer(&PowerEp { alpha: 1.0, damping: 0.5 }, 400, 1e-8)?;
                let sampled = importance::log_evidence(&model, draws, &mut rng)?;
                let ep = no_grad(|| Energy { alpha: 1.0 }.value(&model))?.item();
                model.infer(&Cvi { rho: 0.5 }, 400, 1e-8)?;
                let hybrid = no_grad(|| Energy { alpha: 1.0 }.value(&model))?.item();
                let elbo = no_grad(|| Elbo.value(&model))?.item();
                let (a, b) = ((hybrid - sampled.value).abs(), (elbo - sampled.value).abs());
                nearer += f64::from(u8::from(a < b));
                cells += 1.0;
                hybrid_error += a;
                elbo_error += b;
                let numbers = [*length, *variance, sampled.value, sampled.error, hybrid, ep, elbo];
                table.push([vec![seed.to_string()], numbers.iter().map(|v| format!("{v:.3}")).collect()].concat());
            }
        }
    }
    run.table(table);
    let share = run.pick(0.8, 0.95);
    claim.at_least(
        "share of grid cells where the energy at variational sites beats the bound",
        nearer / cells,
        Some(0.5),
        share,
    );
    let (hybrid, elbo) = (hybrid_error / cells, elbo_error / cells);
    claim.at_most("mean error of the energy over that of the bound", hybrid / elbo, Some(1.0), 0.25);
    Ok(())
}

/// `f = size sin(2 x1) x2` seen through a probit. Returns inputs `[N, 2]` and classes -1 and 1.
fn waves(rows: usize, size: f64, rng: &mut Rng) -> (Tensor, Vec<f64>) {
    let x: Vec<f64> = (0..rows * 2).map(|_| rng.range(-2.0, 2.0)).collect();
    let f = x.chunks_exact(2).map(|x| size * (2.0 * x[0]).sin() * x[1]);
    let y = f.map(|f| if rng.normal() < f { 1.0 } else { -1.0 }).collect();
    (Tensor::from_vec(x, &[rows, 2]), y)
}

/// What hyperparameters learned on one evidence are worth.
struct Learned {
    /// Held-out log loss, nats a row.
    log_loss: f64,
    /// The kernel's amplitude.
    variance: f64,
}

/// Learns on some rows by one evidence, and scores the others.
fn learned(infer: Infer, kernel: &str, data: &Data, split: &Split, run: &mut Run) -> Result<Learned> {
    let config =
        CviEpHyperConfig { infer, kernel: kernel.parse()?, rounds: run.pick(10, 100), ..CviEpHyperConfig::default() };
    let (train, test) = split.apply(data);
    let model = CviEpHyper.fit(&config, elbo_core::FromData::from_data(&train)?, run)?;
    let Prediction::Classes { probabilities, .. } = model.predict(&test, run)? else {
        unreachable!("two classes are predicted as classes")
    };
    let truth = model.rows.columns.encode_class_target(&test)?;
    let log_loss = scores::classification(2, &probabilities, &truth)?.log_loss;
    let mut variance = f64::NAN;
    model.model.visit(&mut |name, p| {
        if name == "kernel.variance" {
            variance = p.value()[0];
        }
    });
    Ok(Learned { log_loss, variance })
}

/// Amplitudes learned by the hybrid and by the bound from few rows of classes that are nearly separable, where the bound is loosest. With
/// more rows the difference vanishes.
fn amplitude_claim(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    const ROWS: usize = 60;
    const REPLICATES: u64 = 3;
    let mut ratio = 0.0;
    for seed in seeds {
        for k in 1..=REPLICATES {
            let (x, y) = waves(ROWS + 10, SEPARATED, &mut Rng::new(*seed).split(k));
            let data = class_table(&x, &y);
            let split = Split { train: (0..ROWS).collect(), test: (ROWS..ROWS + 10).collect() };
            let hybrid = learned(Infer::Hybrid, "matern52", &data, &split, &mut run.child(*seed))?;
            let bound = learned(Infer::Vi, "matern52", &data, &split, &mut run.child(*seed))?;
            ratio += (hybrid.variance / bound.variance).ln() / (seeds.len() as u64 * REPLICATES) as f64;
        }
    }
    claim.at_least("made-up classes: log ratio of learned amplitudes, hybrid over bound", ratio, Some(0.0), 0.05);
    Ok(())
}

/// The sets of the claim on real data.
const REAL: [&str; 4] = ["keel-ionosphere", "keel-sonar", "keel-heart", "keel-pima"];

/// Five-fold held-out log density and learned amplitudes on real sets of two classes. Sets that were not fetched are skipped.
fn real_claim(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let mut table = Table::new(
        "real",
        "Real sets: five-fold mean log density of held-out classes (nats a row), and mean log amplitudes.",
        &["set", "hybrid", "bound", "difference", "s.e. over folds", "log v, hybrid", "log v, bound"],
    );
    let (mut sets, mut better, mut total, mut worst, mut amplitude) = (0.0, 0.0, 0.0, f64::INFINITY, 0.0);
    for key in REAL {
        let data = match stored_table(key, true) {
            Ok(data) => data,
            Err(absence) => {
                claim.skip(&format!("held-out log density on {key}"), &absence);
                continue;
            }
        };
        let mut folds = vec![];
        for seed in seeds {
            for split in elbo_data::folds(data.rows(), 5, &mut Rng::new(*seed))? {
                let hybrid = learned(Infer::Hybrid, REAL_KERNEL, &data, &split, &mut run.child(*seed))?;
                let bound = learned(Infer::Vi, REAL_KERNEL, &data, &split, &mut run.child(*seed))?;
                folds.push([-hybrid.log_loss, -bound.log_loss, hybrid.variance.ln(), bound.variance.ln()]);
            }
        }
        let count = folds.len() as f64;
        let mean = |k: usize| folds.iter().map(|f| f[k]).sum::<f64>() / count;
        let gain = mean(0) - mean(1);
        let spread = folds.iter().map(|f| (f[0] - f[1] - gain).powi(2)).sum::<f64>() / (count - 1.0);
        sets += 1.0;
        better += f64::from(u8::from(gain >= 0.0));
        total += gain;
        worst = worst.min(gain);
        amplitude += mean(2) - mean(3);
        let numbers = [mean(0), mean(1), gain, (spread / count).sqrt(), mean(2), mean(3)];
        table.push([vec![key.to_owned()], numbers.iter().map(|v| format!("{v:.4}")).collect()].concat());
    }
    if sets > 0.0 {
        run.table(table);
        claim.at_least("real sets: mean gain in held-out log density (nats a row)", total / sets, Some(0.0), 0.002);
        claim.at_least(
            "real sets: share on which the mean is no worse than the bound's",
            better / sets,
            Some(0.5),
            0.75,
        );
        claim.at_least("real sets: least gain over the bound (nats a row)", worst, None, -0.01);
        claim.at_least("real sets: mean log ratio of learned amplitudes", amplitude / sets, Some(0.0), 0.1);
    }
    Ok(())
}

fn class_table(x: &Tensor, y: &[f64]) -> Data {
    let levels = vec!["no".into(), "yes".into()];
    let codes = y.iter().map(|y| Some(u32::from(*y > 0.0))).collect();
    let arrays = vec![
        ("x".into(), Array::new(x.shape(), x.to_vec())),
        ("class".into(), Array::column(Values::Text { levels, codes })),
    ];
    Data { source: "waves".into(), arrays, target: Some("class".into()), ..Data::default() }
}

/// A fitted site model.
pub struct CviEpHyperModel {
    config: CviEpHyperConfig,
    rows: Rows,
    model: SiteGp,
    posterior: Box<dyn LatentPosterior>,
    summary: Summary,
}

impl CviEpHyperModel {
    fn new(config: CviEpHyperConfig, rows: Rows, model: SiteGp, summary: Summary) -> Result<Self> {
        let posterior = model.condition()?;
        Ok(Self { config, rows, model, posterior, summary })
    }
}

impl Model for CviEpHyperModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("likelihood", &self.rows.likelihood);
        file.set("columns", &self.rows.columns);
        table::save_features(file, &self.rows.x);
        file.put("y", &[self.rows.y.len()], &self.rows.y);
        if self.rows.x.rows > self.config.most_dense_rows {
            file.set("inducing", &true);
            self.model.visit(&mut |name, p| {
                if name.ends_with("inducing") {
                    file.put("z", p.shape(), &p.value());
                }
            });
        }
        elbo_core::Snapshot::save(&self.model, file, "model");
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

impl Predict for CviEpHyperModel {
    fn predict(&self, data: &Data, run: &mut Run) -> Result<Prediction> {
        let x = table::encode(&self.rows.columns, data, run)?;
        let (mean, variance) = self.model.predict_with(self.posterior.as_ref(), &x)?;
        jitter::warn_about_clamps(self.model.take_clamped(), run);
        let single = Single(self.model.likelihood().clone_box());
        Ok(single.prediction(&mean, &variance, self.rows.columns.target_scaling(), self.rows.columns.classes()))
    }

    fn sample_paths(&self, data: &Data, count: usize, run: &mut Run) -> Result<Option<Vec<f64>>> {
        let x = table::encode(&self.rows.columns, data, run)?;
        let paths = self.model.sample_paths_with(self.posterior.as_ref(), &x, count, &mut run.rng)?;
        Ok(paths.map(|paths| table::unscaled(paths, &self.rows.columns)))
    }
}
