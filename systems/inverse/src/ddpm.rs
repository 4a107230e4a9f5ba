#![doc = "[picture]: ../../../../docs/pictures/ddpm.svg"]
#![doc = include_str!("ddpm.md")]

use elbo_core::{
    Budget, Card, Claim, Config, FromData, Kind, ModelFile, Result, Rng, Run, Samples, System, Table, Verb,
};
use elbo_diffusion::denoiser::GaussianMixture;
use elbo_diffusion::frechet::{Extractor, PrincipalComponents, distance};
use elbo_diffusion::model::{DiffusionModel, NetworkSettings, PriorKind, independent};
use elbo_diffusion::operator::{Operator, Shrink};
use elbo_diffusion::sampler::{Trace, flow, log_likelihood};
use elbo_diffusion::{Sampler, Schedule};
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Denoising diffusion with a network.
pub struct Ddpm;

/// Settings of `ddpm`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DdpmConfig {
    /// The network, its training and the sampler.
    #[serde(flatten)]
    pub network: NetworkSettings,
}

impl Config for DdpmConfig {
    fn check(&self) -> Result<()> {
        self.network.check()
    }
}

impl System for Ddpm {
    const CARD: Card = Card {
        id: "ddpm",
        title: "Denoising diffusion probabilistic model",
        family: "inverse",
        kind: Kind::Baseline,
        verbs: &[Verb::Fit, Verb::Sample, Verb::Restore, Verb::Reproduce],
        source: "Ho, Jain and Abbeel (2020)",
        about: include_str!("ddpm.md"),
        validates_itself: false,
    };
    type Config = DdpmConfig;
    type Input = Samples;
    type Model = DiffusionModel;

    fn fit(&self, config: &DdpmConfig, input: Samples, run: &mut Run) -> Result<DiffusionModel> {
        DiffusionModel::fit(PriorKind::Network, 0, &config.network, config, input, run)
    }

    fn load(&self, file: &ModelFile) -> Result<DiffusionModel> {
        DiffusionModel::load(file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        known_law(&mut claim, run)?;
        correlated_numbers(&mut claim, &seeds, run)?;
        told_classes(&mut claim, &seeds, run)?;
        if run.budget == Budget::Full {
            digits(&mut claim, &seeds, run)?;
            clothes(&mut claim, &seeds, run)?;
        }
        Ok(claim)
    }
}

/// The levels that DPM-Solver++ is made for: steps of equal length in its variable, ln σ.
const EVEN: Schedule = Schedule::Log { high: 80.0, low: 0.01 };

/// A mixture whose denoiser is exact: the samplers' orders, and the likelihood along the flow.
fn known_law(claim: &mut Claim, run: &Run) -> Result<()> {
    let law = GaussianMixture::new(&[
        (0.4, vec![1.0, -0.5], vec![0.3, 0.1, 0.1, 0.2]),
        (0.6, vec![-0.8, 0.6], vec![0.2, -0.05, -0.05, 0.3]),
    ])?;
    let mut rng = Rng::new(run.seed);
    let (high, low) = (20.0, 0.05);
    let start = Tensor::from_vec(rng.normals(16), &[8, 2]) * high;
    let exact = flow(&law, &start, high, low, 1e-9)?.x;
    let mut error = |sampler: Sampler, steps: usize| -> Result<f64> {
        let mut levels = Schedule::Log { high, low }.levels(steps + 1)?;
        levels.pop();
        Ok((sampler.sample(&law, &levels, &start, &mut rng)?.x - &exact).abs().max().item())
    };
    let samplers = [
        ("DDIM", Sampler::Ddim { eta: 0.0 }, 1.0),
        ("DPM-Solver++ 2M", Sampler::DpmSolver2m, 2.0),
        ("Heun", Sampler::HEUN, 2.0),
    ];
    for (name, sampler, order) in samplers {
        let found = (error(sampler, 80)? / error(sampler, 160)?).log2();
        let name = format!("known law: distance of the order of {name} from {order}, 80 to 160 steps");
        claim.at_most(&name, (found - order).abs(), None, 0.35);
    }
    let (coarse, fine) = (error(Sampler::Ddim { eta: 0.0 }, 20)?, error(Sampler::DpmSolver2m, 20)?);
    claim.at_most("known law: error of DPM-Solver++ 2M in 20 steps, beside DDIM's", fine, Some(coarse), 0.5 * coarse);
    // Under a normal law the flow is a factor, and a sampler's error is one of the spread of its samples.
    let mut worst = [0.0f64; 2];
    for variance in [0.01f64, 0.1, 1.0, 10.0] {
        let law = GaussianMixture::gaussian(&[0.0], &[variance])?;
        for (schedule, worst) in [EVEN, Schedule::Karras { high: 80.0, low: 0.01, rho: 7.0 }].iter().zip(&mut worst) {
            let start = Tensor::from_vec(vec![(80f64.powi(2) + variance).sqrt()], &[1, 1]);
            let end = Sampler::DpmSolver2m.sample(&law, &schedule.levels(20)?, &start, &mut rng)?.x.item();
            *worst = worst.max((end / variance.sqrt() - 1.0).abs());
        }
    }
    let title =
        "known law: error of the spread in 20 steps of DPM-Solver++ 2M, levels even in ln σ, beside those of Karras";
    claim.at_most(title, worst[0], Some(worst[1]), 0.5 * worst[1]);
    let points = law.sample(8, &mut Rng::new(run.seed + 1));
    let found = log_likelihood(&law, &points, (0.02, 1000.0), Trace::Exact, 1e-6, &mut Rng::new(0))?;
    let exact = law.log_prob(&points, 0.02).to_vec();
    let worst = found.value.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    claim.at_most("known law: largest error of the log likelihood along the flow (nats)", worst, None, 1e-3);
    Ok(())
}

/// The distance of samples from test points, and that of points with independent numbers.
fn distances(
    model: &DiffusionModel,
    extractor: &PrincipalComponents,
    train: &[f64],
    test: &[f64],
    count: usize,
    run: &mut Run,
) -> Result<(f64, f64)> {
    let drawn = model.draw(count, run)?;
    let scrambled = independent(train, model.form().size(), count, &mut run.rng);
    Ok((distance(extractor, &drawn, test)?, distance(extractor, &scrambled, test)?))
}

/// Pixels of [0, 1] in the model's unit.
fn points(samples: &Samples) -> Vec<f64> {
    samples.values.iter().map(|v| 2.0 * f64::from(*v) - 1.0).collect()
}

/// A network for two numbers.
fn small_network() -> NetworkSettings {
    NetworkSettings {
        hidden: vec![64, 64],
        iterations: 600,
        batch: 64,
        average: 0.99,
        steps: 50,
        measured: 0,
        ..NetworkSettings::default()
    }
}

/// Two numbers that belong together.
fn correlated_numbers(claim: &mut Claim, seeds: &[u64], run: &Run) -> Result<()> {
    let law = GaussianMixture::isotropic(&[(0.5, vec![1.0, 1.0], 0.05), (0.5, vec![-1.0, -1.0], 0.05)])?;
    let (mut found, mut apart) = (0.0f64, f64::INFINITY);
    for seed in seeds {
        let mut child = run.child(*seed);
        let table = |rows: usize, rng: &mut Rng| {
            let drawn = law.sample(rows, rng);
            let column = |d: usize| elbo_core::Array::new(&[rows], drawn.select(1, d).to_vec());
            let arrays = vec![("a".to_owned(), column(0)), ("b".to_owned(), column(1))];
            elbo_core::Data { source: "a mixture".into(), arrays, ..Default::default() }
        };
        let (train, test) = (table(400, &mut child.rng), table(400, &mut child.rng));
        let network = small_network();
        let model = Ddpm.fit(&DdpmConfig { network }, Samples::from_data(&train)?, &mut child)?;
        let (train, test) = (model.points(&train)?, model.points(&test)?);
        let extractor = PrincipalComponents::fit(&train, 2, 16)?;
        let (distance, scrambled) = distances(&model, &extractor, &train, &test, 400, &mut child)?;
        found = found.max(distance);
        apart = apart.min(scrambled);
    }
    claim.at_most(
        "two numbers: largest Fréchet distance, beside that of independent numbers",
        found,
        Some(apart),
        0.5 * apart,
    );
    Ok(())
}

/// Two numbers whose class is told: samples of a class lie on its side.
fn told_classes(claim: &mut Claim, seeds: &[u64], run: &Run) -> Result<()> {
    const ROWS: usize = 400;
    let law = GaussianMixture::isotropic(&[(0.5, vec![1.0, 1.0], 0.05), (0.5, vec![-1.0, -1.0], 0.05)])?;
    let (mut least, mut free) = (f64::INFINITY, 0.0f64);
    for seed in seeds {
        let mut child = run.child(*seed);
        let drawn = law.sample(ROWS, &mut child.rng);
        let side = |x: &[f64]| f64::from(u8::from(x[0] + x[1] > 0.0));
        let classes = drawn.to_vec().chunks_exact(2).map(side).collect();
        let column = |d: usize| elbo_core::Array::new(&[ROWS], drawn.select(1, d).to_vec());
        let label = elbo_core::Array::new(&[ROWS], classes);
        let arrays = vec![("a".to_owned(), column(0)), ("b".to_owned(), column(1)), ("side".to_owned(), label)];
        let table = elbo_core::Data { arrays, target: Some("side".into()), ..Default::default() };
        let network = NetworkSettings { conditional: true, ..small_network() };
        let model = Ddpm.fit(&DdpmConfig { network }, Samples::from_data(&table)?, &mut child)?;
        let share = |points: &[f64], class: f64| {
            points.chunks_exact(2).filter(|x| side(x) == class).count() as f64 / (points.len() / 2) as f64
        };
        for class in [0, 1] {
            let told = model.draw_of(200, &[class; 200], &mut child)?;
            least = least.min(share(&told, class as f64));
            free = free.max(share(&model.draw(200, &mut child)?, class as f64));
        }
    }
    claim.at_least("two classes: least share of samples on the side of their class", least, Some(free), 0.95);
    Ok(())
}

/// Handwritten digits of 8 x 8 pixels.
fn digits(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    const DRAWS: usize = 1000;
    let (train, test) = elbo_data::digits8_split(1297)?;
    let network = NetworkSettings { iterations: 3000, measured: 0, ..NetworkSettings::default() };
    let (train_points, test_points) = (points(&train), points(&test));
    let extractor = PrincipalComponents::fit(&train_points, 64, 16)?;
    let karras = Schedule::Karras { high: 80.0, low: 0.01, rho: 7.0 };
    let samplers = [
        ("ancestral", Sampler::Ancestral, Schedule::Ddpm, 100),
        ("DPM-Solver++ 2M, levels even in ln σ", Sampler::DpmSolver2m, EVEN, 20),
        ("the same", Sampler::DpmSolver2m, EVEN, 60),
        ("DPM-Solver++ 2M, levels of Karras", Sampler::DpmSolver2m, karras, 20),
    ];
    let mut found = vec![vec![]; samplers.len()];
    let mut apart = f64::INFINITY;
    for seed in seeds {
        let mut child = run.child(*seed);
        let model = Ddpm.fit(&DdpmConfig { network: network.clone() }, train.clone(), &mut child)?;
        for ((_, sampler, schedule, steps), found) in samplers.iter().zip(&mut found) {
            let drawn = sampler.draw(model.denoiser(), &schedule.levels(*steps)?, DRAWS, &mut child.rng)?.x.to_vec();
            found.push(distance(&extractor, &drawn, &test_points)?);
        }
        let scrambled = independent(&train_points, 64, DRAWS, &mut child.rng);
        apart = apart.min(distance(&extractor, &scrambled, &test_points)?);
    }
    let mut table = Table::new(
        "digits-samplers",
        "Fréchet distance of 1000 samples from held-out digits, one column a seed; the training digits' own is in the last row.",
        &["sampler", "steps", "seed 1", "seed 2", "seed 3"],
    );
    let said = |v: Option<&f64>| v.map_or(String::new(), |v| format!("{v:.3}"));
    for ((name, _, _, steps), found) in samplers.iter().zip(&found) {
        let seeds = (0..3).map(|i| said(found.get(i)));
        table.push([(*name).to_owned(), steps.to_string()].into_iter().chain(seeds).collect());
    }
    let floor = said(Some(&distance(&extractor, &train_points, &test_points)?));
    table.push(vec!["training digits".into(), String::new(), floor.clone(), floor.clone(), floor]);
    run.table(table);
    let worst = found[0].iter().copied().fold(0.0, f64::max);
    let title = format!(
        "digits: largest Fréchet distance of {DRAWS} samples ({}), beside that of independent pixels",
        extractor.name()
    );
    claim.at_most(&title, worst, Some(apart), 0.5 * apart);
    let fast = found[1].iter().zip(&found[0]).map(|(fast, slow)| fast / slow).fold(0.0, f64::max);
    claim.at_most(
        "digits: the same distance in 20 steps of DPM-Solver++ 2M, over that of 100 ancestral steps",
        fast,
        None,
        1.3,
    );
    Ok(())
}

/// Clothes of 14 x 14 pixels, where the data set has been fetched.
fn clothes(claim: &mut Claim, seeds: &[u64], run: &Run) -> Result<()> {
    const TITLE: &str = "clothes: largest Fréchet distance of 500 samples, beside that of independent pixels";
    let data = match elbo_data::stored_table("fmnist", true) {
        Ok(data) => data,
        Err(absence) => {
            claim.skip(TITLE, &absence);
            return Ok(());
        }
    };
    let mut samples = Samples::from_data(&data.take_rows(&(0..21_000).collect::<Vec<_>>()))?;
    let half = Shrink::new([1, 28, 28], 2)?;
    let small = |row: &[f32]| half.apply(&row.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
    samples.values = samples.values.chunks_exact(784).flat_map(small).map(|v| v as f32).collect();
    samples.form.shape = vec![1, 14, 14];
    let all = points(&samples);
    let (train_points, test_points) = all.split_at(20_000 * 196);
    samples.values.truncate(20_000 * 196);
    samples.labels = None;
    let train_points = &train_points[..4000 * 196];
    let extractor = PrincipalComponents::fit(train_points, 196, 16)?;
    let (mut worst, mut apart) = (0.0f64, f64::INFINITY);
    for seed in seeds {
        let mut child = run.child(*seed);
        let network = NetworkSettings { iterations: 1500, measured: 0, ..NetworkSettings::default() };
        let model = Ddpm.fit(&DdpmConfig { network }, samples.clone(), &mut child)?;
        let (found, scrambled) = distances(&model, &extractor, train_points, test_points, 500, &mut child)?;
        worst = worst.max(found);
        apart = apart.min(scrambled);
    }
    claim.at_most(&format!("{TITLE} ({})", extractor.name()), worst, Some(apart), 0.5 * apart);
    Ok(())
}
