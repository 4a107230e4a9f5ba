#![doc = include_str!("cvi-ep-hyper.md")]

use elbo_core::{
    Array, Budget, Card, Claim, Columns, Config, Data, Error, Features, Kind, Model, ModelFile, Predict, Prediction,
    Result, Rng, Run, Stop, Summary, Supervised, System, Table, Values, Verb, drive, ensure,
};
use elbo_dist::scores;
use elbo_gp::evidence::{Elbo, Energy, Evidence, LaplaceEvidence};
use elbo_gp::kernel::{KernelConfig, Profile, Stationary};
use elbo_gp::learn::Rounds;
use elbo_gp::likelihood::{BernoulliProbit, LikelihoodConfig, MultiLikelihood, Single};
use elbo_gp::mean::{MeanConfig, Zero};
use elbo_gp::prior::{DensePrior, LatentPosterior, LatentPrior, SparsePrior};
use elbo_gp::site::{Cvi, Laplace, PowerEp, SiteRule};
use elbo_gp::sites::SiteGp;
use elbo_gp::{importance, table};
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
        self.kernel.check()?;
        self.mean.check()?;
        if let Some(likelihood) = &self.likelihood {
            likelihood.build()?;
        }
        ensure("rho", self.rho, self.rho > 0.0 && self.rho <= 1.0, "in (0, 1]")?;
        ensure("alpha", self.alpha, self.alpha > 0.0 && self.alpha <= 1.0, "in (0, 1]")?;
        ensure("inducing", self.inducing, (1..=5000).contains(&self.inducing), "in 1..=5000")?;
        ensure("most_dense_rows", self.most_dense_rows, self.most_dense_rows <= 20_000, "at most 20000")?;
        ensure("sweeps", self.sweeps, self.sweeps >= 1, "at least 1")?;
        ensure("moves", self.moves, self.moves >= 1, "at least 1")?;
        ensure("rounds", self.rounds, self.rounds >= 1, "at least 1")
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

    fn build(&self, rows: &Rows, rng: &mut Rng) -> Result<SiteGp> {
        let (kernel, x) = (self.kernel.build_for(&rows.x)?, table::tensor(&rows.x));
        let prior: Box<dyn LatentPrior> = if rows.x.rows <= self.most_dense_rows {
            Box::new(DensePrior::new(kernel, x))
        } else {
            Box::new(SparsePrior::new(kernel, table::inducing_inputs(&rows.x, self.inducing, rng), x))
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
        let mut rng = run.rng.fork();
        let mut model = config.build(&rows, &mut rng)?;
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
        let (x, columns) = table::load_features(file)?;
        let rows = Rows { x, y: file.get("y")?, columns, likelihood: file.fact("likelihood")?, notes: vec![] };
        // Where the inducing points lie is restored with the parameters; the seed only fixes how many there are.
        let mut model = if file.has("inducing") {
            let z = Tensor::from_vec(file.get("z")?, file.shape("z")?);
            let prior = Box::new(SparsePrior::new(config.kernel.build_for(&rows.x)?, z, table::tensor(&rows.x)));
            SiteGp::new(prior, config.mean.build(&rows.x.levels)?, rows.likelihood.build()?, rows.y.clone())?
        } else {
            config.build(&rows, &mut Rng::new(0))?
        };
        elbo_core::Snapshot::restore(&mut model, file, "model")?;
        CviEpHyperModel::new(config, rows, model, file.fact("summary")?)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        grid_claim(&mut claim, &seeds, run)?;
        learning_claim(&mut claim, &seeds, run)?;
        Ok(claim)
    }
}

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
        let (x, y) = waves(30, &mut rng);
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

/// `f = 2 sin(2 x1) x2` seen through a probit. Returns inputs `[N, 2]` and classes -1 and 1.
fn waves(rows: usize, rng: &mut Rng) -> (Tensor, Vec<f64>) {
    let x: Vec<f64> = (0..rows * 2).map(|_| rng.range(-2.0, 2.0)).collect();
    let y =
        x.chunks_exact(2).map(|x| if rng.normal() < 2.0 * (2.0 * x[0]).sin() * x[1] { 1.0 } else { -1.0 }).collect();
    (Tensor::from_vec(x, &[rows, 2]), y)
}

/// Held-out log density of hyperparameters learned by the hybrid and by the bound.
fn learning_claim(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let rows = run.pick(60, 150);
    let (mut gain, mut variance_ratio, mut worst, mut count) = (0.0, 0.0, f64::INFINITY, 0.0);
    for seed in seeds {
        let mut rng = Rng::new(*seed).split(1);
        let (x, y) = waves(rows + 1000, &mut rng);
        let (train, test) = ((0..rows).collect::<Vec<_>>(), (rows..rows + 1000).collect::<Vec<_>>());
        let data = class_table(&x, &y);
        let mut fits = vec![];
        for infer in [Infer::Hybrid, Infer::Vi] {
            let config = CviEpHyperConfig { infer, rounds: run.pick(10, 100), ..CviEpHyperConfig::default() };
            let input = elbo_core::FromData::from_data(&data.take_rows(&train))?;
            let mut child = run.child(*seed);
            let model = CviEpHyper.fit(&config, input, &mut child)?;
            let Prediction::Classes { probabilities, .. } = model.predict(&data.take_rows(&test), &mut child)? else {
                unreachable!("two classes are predicted as classes")
            };
            let truth: Vec<usize> = test.iter().map(|i| usize::from(y[*i] > 0.0)).collect();
            let score = scores::classification(2, &probabilities, &truth)?;
            let mut variance = f64::NAN;
            model.model.visit(&mut |name, p| {
                if name == "kernel.variance" {
                    variance = p.value()[0];
                }
            });
            fits.push((score.log_loss, variance));
        }
        let difference = fits[1].0 - fits[0].0;
        gain += difference;
        worst = worst.min(difference);
        variance_ratio += (fits[0].1 / fits[1].1).ln();
        count += 1.0;
    }
    claim.at_least(
        "held-out log density of the hybrid less that of the bound (nats a row)",
        gain / count,
        Some(0.0),
        -0.01,
    );
    claim.at_least("log ratio of learned amplitudes, hybrid over bound", variance_ratio / count, Some(0.0), 0.0);
    Ok(())
}

fn class_table(x: &Tensor, y: &[f64]) -> Data {
    let levels = vec!["no".into(), "yes".into()];
    let codes = y.iter().map(|y| Some(u32::from(*y > 0.0))).collect();
    let arrays = vec![
        ("x".into(), Array::new(x.shape(), x.to_vec())),
        ("class".into(), Array::column(Values::Text { levels, codes })),
    ];
    Data { source: "waves".into(), arrays, target: Some("class".into()), notes: vec![] }
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
        table::save_features(file, &self.rows.x, &self.rows.columns);
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
        let single = Single(self.model.likelihood().clone_box());
        Ok(single.prediction(&mean, &variance, self.rows.columns.target_scaling(), self.rows.columns.classes()))
    }
}
