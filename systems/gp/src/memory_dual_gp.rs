#![doc = "[picture]: ../../../../docs/pictures/memory-dual-gp.svg"]
#![doc = include_str!("memory-dual-gp.md")]

mod batch;
mod claim;

pub use batch::FirstTable;

use elbo_core::{
    Budget, Card, Claim, Columns, Config, Data, Kind, Model, ModelFile, Predict, Prediction, Progress, Result, Run,
    Snapshot, Step, Stop, Summary, System, Table, Update, Verb, drive, ensure_within,
};
use elbo_gp::kernel::KernelConfig;
use elbo_gp::likelihood::{LikelihoodConfig, MultiLikelihoodConfig};
use elbo_gp::memory::{Absorb, MemoryGp, Past};
use elbo_gp::settings;
use elbo_gp::supervised::{Named, Rows, Target};
use elbo_gp::table;
use elbo_tensor::{Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sequential learning with a small memory.
pub struct MemoryDualGp;

/// Settings of `memory-dual-gp`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryDualGpConfig {
    /// The kernel, as an expression: `matern52`, `rbf + linear`.
    pub kernel: KernelConfig,
    /// The likelihood of a numeric target or of two classes; without one, Gaussian and probit.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub likelihood: Option<LikelihoodConfig>,
    /// The likelihood of more than two classes, or `heteroscedastic` for a numeric target whose noise varies.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub multi: Option<MultiLikelihoodConfig>,
    /// Parts in which `fit` reads its table, in the table's order.
    #[schemars(range(min = 1))]
    pub batches: usize,
    /// Inducing points, at most.
    #[schemars(range(min = 1))]
    pub inducing: usize,
    /// Rows of each batch that join the memory.
    pub remembered: usize,
    /// Rows in memory, at most.
    pub memory: usize,
    /// Updates of the sites of memory and batch, at most, each time they settle.
    #[schemars(range(min = 1))]
    pub sweeps: usize,
    /// Length of a site update, in (0, 1]; halved while the bound would fall.
    pub rho: f64,
    /// L-BFGS iterations on the hyperparameters a round; zero holds them.
    pub moves: usize,
    /// Rounds a batch, at most, of placing inducing points, updating sites and moving hyperparameters.
    #[schemars(range(min = 1))]
    pub rounds: usize,
    /// Whether half of the chances to join the memory are in proportion to leverage; otherwise all rows are alike.
    pub by_leverage: bool,
    /// Whether inducing points are chosen once, among the rows of the table that is fitted, and stay there; otherwise they follow the stream.
    pub fixed_inducing: bool,
    /// Whether `update` refuses a batch in which a column varies more than 100 times as much as in the table that was fitted.
    pub check_scale: bool,
}

impl Default for MemoryDualGpConfig {
    fn default() -> Self {
        Self {
            kernel: KernelConfig::default(),
            likelihood: None,
            multi: None,
            batches: 20,
            inducing: 100,
            remembered: 10,
            memory: 400,
            sweeps: 4,
            rho: 0.7,
            moves: 10,
            rounds: 3,
            by_leverage: true,
            fixed_inducing: false,
            check_scale: true,
        }
    }
}

impl Config for MemoryDualGpConfig {
    fn check(&self) -> Result<()> {
        self.kernel.check()?;
        if let Some(likelihood) = &self.likelihood {
            likelihood.build()?;
        }
        settings::points("inducing", self.inducing)?;
        settings::counts(&[("batches", self.batches), ("sweeps", self.sweeps), ("rounds", self.rounds)])?;
        for (name, count) in [("remembered", self.remembered), ("memory", self.memory)] {
            ensure_within(name, count, 0..=20_000)?;
        }
        ensure_within("moves", self.moves, 0..=1_000_000_000)?;
        settings::share("rho", self.rho)
    }
}

impl MemoryDualGpConfig {
    fn named(&self) -> Named<'_> {
        Named { single: self.likelihood.as_ref(), multi: self.multi.as_ref() }
    }

    fn absorb(&self) -> Absorb {
        Absorb {
            inducing: self.inducing,
            remembered: self.remembered,
            memory: self.memory,
            sweeps: self.sweeps,
            rho: self.rho,
            moves: self.moves,
            rounds: self.rounds,
            by_leverage: self.by_leverage,
            past: Past::Memory,
        }
    }
}

/// Batches of a table in its order, one a step.
struct Stream<'a> {
    x: &'a Tensor,
    y: &'a [f64],
    batches: usize,
    how: Absorb,
}

impl Step<MemoryGp> for Stream<'_> {
    type State = usize;

    fn init(&self, _: &mut MemoryGp, _: &mut Run) -> Result<usize> {
        Ok(0)
    }

    fn step(&self, gp: &mut MemoryGp, at: &mut usize, run: &mut Run) -> Result<Progress> {
        let n = self.y.len();
        let (start, end) = (*at * n / self.batches, (*at + 1) * n / self.batches);
        if end > start {
            gp.absorb(&self.x.narrow(0, start, end - start), &self.y[start..end], self.how, run)?;
            gp.visit(&mut |name, p| {
                if p.len() == 1 {
                    run.metric(name, (*at + 1) as f64, p.value()[0]);
                }
            });
        }
        *at += 1;
        Ok(Progress { objective: gp.seen() as f64, converged: *at >= self.batches })
    }
}

impl System for MemoryDualGp {
    const CARD: Card = Card {
        id: "memory-dual-gp",
        title: "Memory-Based Dual Gaussian Processes for Sequential Learning",
        family: "gp",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Update, Verb::Reproduce],
        source: "Chang, Verma, John, Solin and Khan (2023), ICML",
        about: include_str!("memory-dual-gp.md"),
        validates_itself: false,
    };
    type Config = MemoryDualGpConfig;
    type Input = FirstTable;
    type Model = MemoryDualGpModel;

    fn fit(&self, config: &MemoryDualGpConfig, input: FirstTable, run: &mut Run) -> Result<MemoryDualGpModel> {
        let FirstTable { input, names } = input;
        let Rows { x, y, columns, target, notes } = config.named().rows(input)?;
        notes.iter().for_each(|note| run.warn(note));
        if config.multi.is_some() {
            run.warn_idle(config, &["likelihood"], "where `multi` is given");
        }
        let mut gp = MemoryGp::new(config.kernel.build_for(&x)?, config.named().build(target)?, x.dims);
        let inputs = table::tensor(&x);
        if config.fixed_inducing {
            gp = gp.with_held_inducing(&inputs, config.inducing)?;
        }
        let batches = config.batches.min(y.len());
        let stream = Stream { x: &inputs, y: &y, batches, how: config.absorb() };
        drive(&stream, &mut gp, &Stop::after(batches, "batches", "rows seen"), run)?;
        let leverage = gp.leverage()?;
        Ok(MemoryDualGpModel { config: config.clone(), columns, names, gp, leverage, drift: drift(run) })
    }

    fn load(&self, file: &ModelFile) -> Result<MemoryDualGpModel> {
        let config: MemoryDualGpConfig = file.fact("config")?;
        let columns: Columns = file.fact("columns")?;
        let like = table::features_like(&columns);
        let likelihood = config.named().build(Target::of(&columns))?;
        let mut gp = MemoryGp::new(config.kernel.build_for(&like)?, likelihood, like.dims);
        gp.restore(file, "gp")?;
        // Files of earlier versions do not know of columns that were left out.
        let names = if file.has("names") { file.fact("names")? } else { batch::used(&columns) };
        let leverage = if file.has("leverage") { file.fact("leverage")? } else { gp.leverage()? };
        Ok(MemoryDualGpModel { config, columns, names, gp, leverage, drift: file.fact("drift")? })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(10);
        let mut claim = Claim::new(seeds.clone());
        claim::moons(&mut claim, &seeds, run)?;
        if run.budget == Budget::Full {
            let few = &seeds[..seeds.len().min(3)];
            claim::banana(&mut claim, few, run)?;
            claim::digits(&mut claim, few, run)?;
        }
        Ok(claim)
    }
}

/// How the hyperparameters moved over the batches.
fn drift(run: &Run) -> Table {
    let series: Vec<_> = run.metrics().iter().filter(|(name, _)| name != "rows seen").collect();
    let names: Vec<&str> = series.iter().map(|(name, _)| name.as_str()).collect();
    let columns = [vec!["batch"], names].concat();
    let mut table = Table::new("drift", "Hyperparameters after each batch.", &columns);
    let length = series.iter().map(|(_, s)| s.len()).min().unwrap_or(0);
    for i in 0..length {
        let values = series.iter().map(|(_, s)| format!("{:.5}", s[i].1));
        table.push(std::iter::once(format!("{}", i + 1)).chain(values).collect());
    }
    table
}

/// A process that has seen a stream.
pub struct MemoryDualGpModel {
    config: MemoryDualGpConfig,
    columns: Columns,
    /// Names of all columns of the table that was fitted.
    names: Vec<String>,
    gp: MemoryGp,
    /// The sum of the leverages of all rows seen.
    leverage: f64,
    drift: Table,
}

impl Model for MemoryDualGpModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("columns", &self.columns);
        file.set("names", &self.names);
        file.set("leverage", &self.leverage);
        Snapshot::save(&self.gp, file, "gp");
        file.set("drift", &self.drift);
        Ok(())
    }

    fn summary(&self) -> Summary {
        let names: Vec<String> = self.columns.inputs.iter().map(|c| c.name.clone()).collect();
        let mut summary = table::summarise(self.gp.kernel(), &self.gp, &names);
        let memory = self.gp.memory().1.len();
        summary.metrics = vec![
            ("rows_seen".into(), self.gp.seen() as f64),
            ("rows_in_memory".into(), memory as f64),
            ("inducing".into(), self.gp.inducing().shape()[0] as f64),
            ("leverage".into(), self.leverage),
        ];
        summary.text = format!(
            "A sparse Gaussian process with kernel {} and likelihood {} that has seen {} rows and remembers {memory}.",
            self.gp.kernel().summary(),
            self.gp.likelihood().description(),
            self.gp.seen()
        );
        summary
    }

    fn as_predict(&self) -> Option<&dyn Predict> {
        Some(self)
    }

    fn as_update(&self) -> Option<&dyn Update> {
        Some(self)
    }

    fn tables(&self) -> Vec<Table> {
        vec![self.drift.clone()]
    }
}

impl Predict for MemoryDualGpModel {
    fn predict(&self, data: &Data, run: &mut Run) -> Result<Prediction> {
        let x = table::encode(&self.columns, data, run)?;
        let (mean, variance) = self.gp.predict(&x)?;
        let scaling = self.columns.target_scaling();
        Ok(self.gp.likelihood().prediction(&mean, &variance, scaling, self.columns.classes()))
    }

    fn sample_paths(&self, data: &Data, count: usize, run: &mut Run) -> Result<Option<Vec<f64>>> {
        let x = table::encode(&self.columns, data, run)?;
        let paths = self.gp.sample_paths(&x, count, &mut run.rng)?;
        Ok(paths.map(|paths| table::unscaled(paths, &self.columns)))
    }
}

impl Update for MemoryDualGpModel {
    fn update(&self, data: &Data, run: &mut Run) -> Result<Box<dyn Model>> {
        batch::check_names(&self.names, &self.columns, data)?;
        let x = self.columns.encode(data)?;
        if self.config.check_scale {
            batch::check_scales(&self.columns, &x, data, run)?;
        }
        table::warn_about_rows(&self.columns, &x, run);
        let x = table::tensor(&x);
        let y = self.config.named().encode(&self.columns, data)?;
        let mut file = ModelFile::new(MemoryDualGp::CARD.id);
        Model::save(self, &mut file)?;
        let mut model = System::load(&MemoryDualGp, &file)?;
        model.gp.absorb(&x, &y, self.config.absorb(), run)?;
        model.leverage = model.gp.leverage()?;
        let mut row = vec![format!("{}", model.drift.rows.len() + 1)];
        model.gp.visit(&mut |_, p| {
            if p.len() == 1 {
                row.push(format!("{:.5}", p.value()[0]));
            }
        });
        if row.len() == model.drift.columns.len() {
            model.drift.push(row);
        }
        Ok(Box::new(model))
    }

    fn judges_columns(&self) -> bool {
        true
    }
}
