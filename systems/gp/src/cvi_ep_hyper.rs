#![doc = "[picture]: ../../../../docs/pictures/cvi-ep-hyper.svg"]
#![doc = include_str!("cvi-ep-hyper.md")]

mod claim;
mod grid;

use elbo_core::{
    Budget, Card, Claim, Classification, Columns, Config, Data, Error, Features, Kind, Model, ModelFile, Predict,
    Prediction, Result, Run, Stop, Summary, Supervised, System, Table, Verb, drive, ensure_within,
};
use elbo_gp::evidence::{Elbo, Energy, Evidence, LaplaceEvidence};
use elbo_gp::inducing::InducingPoints;
use elbo_gp::kernel::KernelConfig;
use elbo_gp::learn::{self, Rounds};
use elbo_gp::likelihood::{LikelihoodConfig, MultiLikelihood, Single};
use elbo_gp::mean::MeanConfig;
use elbo_gp::prior::{DensePrior, LatentPosterior, LatentPrior, SparsePrior};
use elbo_gp::settings;
use elbo_gp::site::{Cvi, Laplace, PowerEp, SiteRule};
use elbo_gp::sites::SiteGp;
use elbo_gp::supervised::{self, Named, Target};
use elbo_gp::{jitter, table};
use elbo_tensor::{Parameters, no_grad};
use grid::Axes;
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
    /// Points a side of a grid of log lengthscale and log variance around the learned ones, where evidences are compared with importance sampling; zero for none.
    pub grid: usize,
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
            grid: 0,
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
        ensure_within("grid", self.grid, 0..=25)?;
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
        if let Supervised::Classes(Classification { classes, .. }) = &input
            && classes.len() != 2
        {
            return Err(Error::data(
                format!("the target has {} classes; this system separates two", classes.len()),
                "use `svgp` for more classes, or `--task regression` if the target is a quantity",
            ));
        }
        let named = Named { single: self.likelihood.as_ref(), multi: None };
        let supervised::Rows { x, y, columns, target, notes } = named.rows(input)?;
        let likelihood = self.likelihood.clone().unwrap_or(match target {
            Target::Classes(_) => LikelihoodConfig::BernoulliProbit,
            Target::Number => LikelihoodConfig::StudentT { dof: 4.0, scale: 0.3 },
        });
        Ok(Rows { x, y, columns, likelihood, notes })
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
        let is_dense = rows.x.rows <= config.most_dense_rows;
        if is_dense {
            run.warn_idle(config, &["inducing"], "on no more rows than `most_dense_rows`");
        } else {
            run.warn_idle(config, &["grid"], "on more rows than `most_dense_rows`");
        }
        if matches!(config.infer, Infer::Laplace) {
            run.warn_idle(config, &["rho"], "with infer=laplace");
        }
        let mut model = config.build(&rows, run)?;
        // A kernel that has no such grid is refused before the work.
        let axes = if is_dense && config.grid > 0 { Some(Axes::of(&model, config.grid)?) } else { None };
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
                grid::warn_of_gap((energy - elbo) / rows.x.rows as f64, config.infer, run);
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
        let table = match axes {
            Some(axes) => {
                let again = || config.build(&rows, &mut Run::new(0));
                let (table, figure) = grid::compare(&axes.around(&model), config.alpha, &model, again, run)?;
                figure.into_iter().for_each(|figure| run.figure(figure));
                Some(table)
            }
            None => None,
        };
        Ok(CviEpHyperModel { grid: table, ..CviEpHyperModel::new(config.clone(), rows, model, summary)? })
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
        let grid = if file.has("grid") { Some(file.fact("grid")?) } else { None };
        Ok(CviEpHyperModel { grid, ..CviEpHyperModel::new(config, rows, model, file.fact("summary")?)? })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        claim::on_a_grid(&mut claim, &seeds, run)?;
        claim::amplitudes(&mut claim, &seeds, run)?;
        if run.budget == Budget::Full {
            claim::on_real_sets(&mut claim, &seeds, run)?;
        }
        Ok(claim)
    }
}

/// A fitted site model.
pub struct CviEpHyperModel {
    config: CviEpHyperConfig,
    rows: Rows,
    model: SiteGp,
    posterior: Box<dyn LatentPosterior>,
    summary: Summary,
    /// Evidences around the learned hyperparameters, where they were asked for.
    grid: Option<Table>,
}

impl CviEpHyperModel {
    fn new(config: CviEpHyperConfig, rows: Rows, model: SiteGp, summary: Summary) -> Result<Self> {
        let posterior = model.condition()?;
        Ok(Self { config, rows, model, posterior, summary, grid: None })
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
        self.grid.iter().for_each(|grid| file.set("grid", grid));
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn as_predict(&self) -> Option<&dyn Predict> {
        Some(self)
    }

    fn tables(&self) -> Vec<Table> {
        self.grid.iter().cloned().collect()
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
