#![doc = "[picture]: ../../../../docs/pictures/memory-dual-gp.svg"]
#![doc = include_str!("memory-dual-gp.md")]

use elbo_core::{
    Budget, Card, Claim, Columns, Config, Data, Kind, Model, ModelFile, Predict, Prediction, Progress, Result, Rng,
    Run, Snapshot, Step, Stop, Summary, Supervised, System, Table, Update, Verb, drive, ensure_within,
};
use elbo_data::stored_table;
use elbo_dist::scores;
use elbo_gp::kernel::KernelConfig;
use elbo_gp::likelihood::{BernoulliProbit, LikelihoodConfig, MultiLikelihoodConfig, Single};
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
    type Input = Supervised;
    type Model = MemoryDualGpModel;

    fn fit(&self, config: &MemoryDualGpConfig, input: Supervised, run: &mut Run) -> Result<MemoryDualGpModel> {
        let Rows { x, y, columns, target, notes } = config.named().rows(input)?;
        notes.iter().for_each(|note| run.warn(note));
        let mut gp = MemoryGp::new(config.kernel.build_for(&x)?, config.named().build(target)?, x.dims);
        let inputs = table::tensor(&x);
        let batches = config.batches.min(y.len());
        let stream = Stream { x: &inputs, y: &y, batches, how: config.absorb() };
        drive(&stream, &mut gp, &Stop::after(batches, "batches", "rows seen"), run)?;
        Ok(MemoryDualGpModel::new(config.clone(), columns, gp, drift(run)))
    }

    fn load(&self, file: &ModelFile) -> Result<MemoryDualGpModel> {
        let config: MemoryDualGpConfig = file.fact("config")?;
        let columns: Columns = file.fact("columns")?;
        let like = table::features_like(&columns);
        let likelihood = config.named().build(Target::of(&columns))?;
        let mut gp = MemoryGp::new(config.kernel.build_for(&like)?, likelihood, like.dims);
        gp.restore(file, "gp")?;
        Ok(MemoryDualGpModel::new(config, columns, gp, file.fact("drift")?))
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(10);
        let mut claim = Claim::new(seeds.clone());
        moons_claim(&mut claim, &seeds, run)?;
        if run.budget == Budget::Full {
            let few = &seeds[..seeds.len().min(3)];
            banana_claim(&mut claim, few, run)?;
            digits_claim(&mut claim, few, run)?;
        }
        Ok(claim)
    }
}

/// A process that has read batches of these sizes, in order. `batches` are ends of rows.
fn streamed(mut gp: MemoryGp, x: &Tensor, y: &[f64], ends: &[usize], how: Absorb, run: &mut Run) -> Result<MemoryGp> {
    let mut start = 0;
    for end in ends {
        gp.absorb(&x.narrow(0, start, end - start), &y[start..*end], how, run)?;
        start = *end;
    }
    Ok(gp)
}

/// Ends of `count` nearly equal parts.
fn parts(rows: usize, count: usize) -> Vec<usize> {
    (1..=count).map(|k| k * rows / count).collect()
}

/// Two moons, streamed along one axis: with memory, against everything at once and against the baseline without memory.
fn moons_claim(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let mut totals = [0.0; 5];
    let models = [
        ("25", "everything at once", 0, 1, Past::Memory),
        ("25", "memory of 4 rows a batch", 4, 15, Past::Memory),
        ("10", "memory of 6 rows a batch", 6, 15, Past::Memory),
        ("10", "no memory, old sites carried", 0, 15, Past::Sites),
        ("10", "no memory", 0, 15, Past::Memory),
    ];
    for seed in seeds {
        let mut rng = Rng::new(*seed);
        let (x, y) = two_moons(600, true, &mut rng);
        let (test_x, test_y) = two_moons(1000, false, &mut rng);
        for ((inducing, _, remembered, batches, past), total) in models.iter().zip(&mut totals) {
            let how = Absorb {
                inducing: inducing.parse().expect("a number above"),
                remembered: *remembered,
                sweeps: if *batches == 1 { 20 } else { 4 },
                moves: if *batches == 1 { 40 } else { 10 },
                past: *past,
                ..MemoryDualGpConfig::default().absorb()
            };
            let likelihood = Box::new(Single(Box::new(BernoulliProbit::new())));
            let kernel = KernelConfig::default().build_for(&elbo_core::Features::numeric(2, vec![0.0, 0.0]))?;
            let gp = MemoryGp::new(kernel, likelihood, 2);
            let gp = streamed(gp, &x, &y, &parts(600, *batches), how, &mut run.child(*seed))?;
            let (mean, variance) = gp.predict(&test_x)?;
            let density = |i: usize| gp.likelihood().log_density(test_y[i], &mean[i..=i], &variance[i..=i]);
            *total -= (0..test_y.len()).map(density).sum::<f64>() / (test_y.len() * seeds.len()) as f64;
        }
    }
    let mut table = Table::new(
        "streams",
        "Mean negative log predictive density of two moons streamed in 15 sorted batches (nats a row).",
        &["inducing points", "model", "nlpd"],
    );
    for ((m, name, ..), total) in models.iter().zip(&totals) {
        table.push(vec![(*m).into(), (*name).into(), format!("{total:.4}")]);
    }
    run.table(table);
    let [offline, with_25, with_10, sites_10, _] = totals;
    // A smoke run has one seed.
    let near = run.pick(0.05, 0.02);
    claim.at_most("25 points: nlpd with memory less that of everything at once", with_25 - offline, Some(0.0), near);
    let gain = sites_10 - with_10;
    claim.at_least("10 points: nlpd of the baseline without memory less that with memory", gain, Some(0.0), 0.0);
    Ok(())
}

/// What a way of remembering came to on held-out rows, averaged.
#[derive(Default, Clone, Copy)]
struct Outcome {
    accuracy: f64,
    log_loss: f64,
}

/// Streams a table of classes with memory by leverage, with as many rows drawn at random, and without memory. `order` puts the training
/// rows into the stream's order and gives the ends of batches.
fn remembering(
    name: &str,
    data: &Data,
    seeds: &[u64],
    how: Absorb,
    order: impl Fn(&Rows) -> (Vec<usize>, Vec<usize>),
    run: &mut Run,
) -> Result<[Outcome; 3]> {
    let mut found = [Outcome::default(); 3];
    let named = Named { single: None, multi: None };
    for seed in seeds {
        let (train, test) = elbo_data::holdout(data.rows(), 0.2, &mut Rng::new(*seed))?.apply(data);
        let rows = named.rows(elbo_core::FromData::from_data(&train)?)?;
        let (order, ends) = order(&rows);
        let x = table::tensor(&rows.x.take_rows(&order));
        let y: Vec<f64> = order.iter().map(|i| rows.y[*i]).collect();
        let test_x = table::encode(&rows.columns, &test, &mut run.child(*seed))?;
        let truth = rows.columns.encode_class_target(&test)?;
        let ways = [how, Absorb { by_leverage: false, ..how }, Absorb { remembered: 0, past: Past::Sites, ..how }];
        for (how, outcome) in ways.into_iter().zip(&mut found) {
            let kernel: KernelConfig = "matern52(ard = false)".parse()?;
            let gp = MemoryGp::new(kernel.build_for(&rows.x)?, named.build(rows.target)?, rows.x.dims);
            let gp = streamed(gp, &x, &y, &ends, how, &mut run.child(*seed))?;
            let (mean, variance) = gp.predict(&test_x)?;
            let classes = rows.columns.classes();
            let Prediction::Classes { probabilities, .. } =
                gp.likelihood().prediction(&mean, &variance, rows.columns.target_scaling(), classes)
            else {
                unreachable!("classes are predicted as classes")
            };
            let score = scores::classification(classes.len(), &probabilities, &truth)?;
            outcome.accuracy += score.accuracy / seeds.len() as f64;
            outcome.log_loss += score.log_loss / seeds.len() as f64;
        }
    }
    let mut table = Table::new(
        name,
        &format!("{name} streamed: accuracy and log loss on a held-out fifth, averaged over the seeds."),
        &["memory", "accuracy", "log loss (nats a row)"],
    );
    for (way, outcome) in ["by leverage", "at random", "none, old sites carried"].into_iter().zip(&found) {
        table.push(vec![way.into(), format!("{:.4}", outcome.accuracy), format!("{:.4}", outcome.log_loss)]);
    }
    run.table(table);
    Ok(found)
}

/// Bananas in 50 batches sorted along the first axis.
fn banana_claim(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let data = match stored_table("banana", true) {
        Ok(data) => data,
        Err(absence) => {
            claim.skip("banana: accuracy with memory", &absence);
            return Ok(());
        }
    };
    let how = Absorb { inducing: 30, remembered: 4, ..MemoryDualGpConfig::default().absorb() };
    let order = |rows: &Rows| {
        let mut order: Vec<usize> = (0..rows.x.rows).collect();
        order.sort_by(|a, b| rows.x.row(*a)[0].total_cmp(&rows.x.row(*b)[0]).then(a.cmp(b)));
        (order, parts(rows.x.rows, 50))
    };
    let [ours, random, none] = remembering("banana", &data, seeds, how, order, run)?;
    compare(claim, "banana", ours, random, none);
    Ok(())
}

/// Digits in five tasks of two classes each.
fn digits_claim(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let data = elbo_data::digits8_classes()?;
    let how = Absorb { inducing: 100, remembered: 20, sweeps: 10, rho: 0.1, ..MemoryDualGpConfig::default().absorb() };
    let order = |rows: &Rows| {
        let mut order: Vec<usize> = (0..rows.x.rows).collect();
        order.sort_by(|a, b| rows.y[*a].total_cmp(&rows.y[*b]).then(a.cmp(b)));
        let ends = [2.0, 4.0, 6.0, 8.0, 10.0].map(|c| order.partition_point(|i| rows.y[*i] < c));
        (order, ends.to_vec())
    };
    let [ours, random, none] = remembering("digits", &data, seeds, how, order, run)?;
    compare(claim, "digits in five tasks", ours, random, none);
    Ok(())
}

fn compare(claim: &mut Claim, name: &str, ours: Outcome, random: Outcome, none: Outcome) {
    let (least, lead) = (random.accuracy - 0.01, ours.accuracy - none.accuracy);
    claim.at_least(
        &format!("{name}: accuracy with memory by leverage, against memory at random"),
        ours.accuracy,
        None,
        least,
    );
    claim.at_least(&format!("{name}: accuracy with memory less that without"), lead, Some(0.0), 0.0);
}

/// Two interleaved half circles with noise 0.22 and classes -1 and 1, sorted along the first axis if asked.
fn two_moons(rows: usize, is_sorted: bool, rng: &mut Rng) -> (Tensor, Vec<f64>) {
    let mut points: Vec<([f64; 2], f64)> = (0..rows)
        .map(|i| {
            let angle = std::f64::consts::PI * rng.uniform();
            let upper = i % 2 == 0;
            let (a, b) = if upper { (angle.cos(), angle.sin()) } else { (1.0 - angle.cos(), 0.5 - angle.sin()) };
            ([a + 0.22 * rng.normal(), b + 0.22 * rng.normal()], if upper { 1.0 } else { -1.0 })
        })
        .collect();
    if is_sorted {
        points.sort_by(|a, b| a.0[0].total_cmp(&b.0[0]));
    }
    let x = points.iter().flat_map(|(x, _)| *x).collect();
    (Tensor::from_vec(x, &[rows, 2]), points.iter().map(|(_, y)| *y).collect())
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
    gp: MemoryGp,
    drift: Table,
}

impl MemoryDualGpModel {
    fn new(config: MemoryDualGpConfig, columns: Columns, gp: MemoryGp, drift: Table) -> Self {
        Self { config, columns, gp, drift }
    }
}

impl Model for MemoryDualGpModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("columns", &self.columns);
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
        let x = table::encode(&self.columns, data, run)?;
        let y = self.config.named().encode(&self.columns, data)?;
        let mut file = ModelFile::new(MemoryDualGp::CARD.id);
        Model::save(self, &mut file)?;
        let mut model = System::load(&MemoryDualGp, &file)?;
        model.gp.absorb(&x, &y, self.config.absorb(), run)?;
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
}
