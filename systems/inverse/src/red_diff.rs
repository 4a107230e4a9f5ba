#![doc = "[picture]: ../../../../docs/pictures/red-diff.svg"]
#![doc = include_str!("red-diff.md")]

use elbo_core::{
    Card, Claim, Config, Figure, Kind, ModelFile, Result, Rng, Run, Samples, System, Table, Verb, ensure_within,
    picture_grid,
};
use elbo_diffusion::Schedule;
use elbo_diffusion::denoiser::{Empirical, GaussianMixture};
use elbo_diffusion::model::{DiffusionModel, NetworkSettings, PriorKind};
use elbo_diffusion::operator::{Clip, Mask, Noise, Operator, Shrink, pseudo_inverse};
use elbo_diffusion::restore::{Method, Order, Problem, RedDiff as Settings, RestoreConfig, Rule, fixed_point, restore};
use elbo_linalg::{Ladder, MatMut, MatRef, cholesky_with_jitter};
use elbo_picture::psnr;
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Regularisation by denoising diffusion.
pub struct RedDiff;

/// Settings of `red-diff`. How to restore is said when restoring.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RedDiffConfig {
    /// The prior: empirical (the data points themselves), gaussian (their mean and covariance) or network (trained).
    pub prior: PriorKind,
    /// Data points that an empirical prior keeps at most.
    #[schemars(range(min = 1))]
    pub rows: usize,
    /// The network of prior=network, its training, and the sampler.
    #[serde(flatten)]
    pub network: NetworkSettings,
}

impl Default for RedDiffConfig {
    fn default() -> Self {
        let network = NetworkSettings { measured: 0, ..NetworkSettings::default() };
        Self { prior: PriorKind::Empirical, rows: 2000, network }
    }
}

impl Config for RedDiffConfig {
    fn check(&self) -> Result<()> {
        ensure_within("rows", self.rows, 1..=1_000_000_000)?;
        self.network.check()
    }
}

impl System for RedDiff {
    const CARD: Card = Card {
        id: "red-diff",
        title: "A Variational Perspective on Solving Inverse Problems with Diffusion Models",
        family: "inverse",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Sample, Verb::Restore, Verb::Reproduce],
        source: "Mardani, Song, Kautz and Vahdat (2024), ICLR",
        about: include_str!("red-diff.md"),
        validates_itself: false,
    };
    type Config = RedDiffConfig;
    type Input = Samples;
    type Model = DiffusionModel;

    fn fit(&self, config: &RedDiffConfig, input: Samples, run: &mut Run) -> Result<DiffusionModel> {
        if config.prior != PriorKind::Empirical {
            run.warn_idle(config, &["rows"], "without prior=empirical");
        }
        DiffusionModel::fit(config.prior, config.rows, &config.network, config, input, run)
    }

    fn load(&self, file: &ModelFile) -> Result<DiffusionModel> {
        DiffusionModel::load(file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        at_rest(&mut claim, &seeds, run)?;
        let trials = seeds.iter().map(|seed| Digits::new(*seed, run)).collect::<Result<Vec<_>>>()?;
        pictures(&mut claim, &trials, run)?;
        if let Some(first) = trials.first() {
            let figure = shown(first, run)?;
            run.figure(figure);
        }
        overexposed(&mut claim, &trials, run)?;
        Ok(claim)
    }
}

/// Under a Gaussian prior with levels drawn at random the iterates come to rest where the closed form says.
fn at_rest(claim: &mut Claim, seeds: &[u64], run: &Run) -> Result<()> {
    const D: usize = 8;
    let chains = run.pick(64, 256);
    let mut worst = 0.0f64;
    let mut away = f64::INFINITY;
    for seed in seeds {
        let mut rng = Rng::new(*seed);
        let root = rng.normals(D * D);
        let entry = |i: usize| (0..D).map(|k| root[i / D * D + k] * root[i % D * D + k]).sum::<f64>() / D as f64;
        let covariance: Vec<f64> = (0..D * D).map(|i| entry(i) + if i % (D + 1) == 0 { 0.1 } else { 0.0 }).collect();
        let mean = rng.normals(D);
        let prior = GaussianMixture::gaussian(&mean, &covariance)?;
        let mask = Mask::new(&[true, true, false, true, false, false, true, false])?;
        let truth = prior.sample(1, &mut rng).to_vec();
        let y = Noise::Gaussian(0.1).add(&mask.apply(&truth), &mut rng);
        let how = Settings { order: Order::Random, rate: 0.003, ..Settings::default() };
        let steps = run.pick(3000, 6000);
        let schedule = Schedule::Log { high: 10.0, low: 0.1 };
        let config = RestoreConfig { red_diff: how.clone(), steps, schedule, ..RestoreConfig::default() };
        let problem = || Problem { operator: &mask as &dyn Operator, y: y.clone() };
        let problems: Vec<Problem<'_>> = (0..chains).map(|_| problem()).collect();
        let found = restore(&prior, &problems, &config, &mut run.child(*seed))?.x.mean_axis(0, false).to_vec();
        let mut levels = config.schedule.levels(steps)?;
        levels.pop();
        let exact = fixed_point(&problem(), (&mean, &covariance), &levels, &how)?;
        let size = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let norm = size(&exact, &[0.0; D]);
        worst = worst.max(size(&found, &exact) / norm);
        away = away.min(size(&mask.pullback(&[], &y), &exact) / norm);
    }
    claim.at_most(
        "Gaussian prior: largest relative distance of the mean of the chains from the fixed point, beside the start's",
        worst,
        Some(away),
        1e-2,
    );
    Ok(())
}

/// Digits held out of an empirical prior, and what is measured of them.
struct Digits {
    prior: Empirical,
    prior_points: Vec<f64>,
    truth: Vec<f64>,
    mask: Mask,
    shrink: Shrink,
    seed: u64,
}

const SIZE: usize = 64;
const NOISE: f64 = 0.1;

impl Digits {
    fn new(seed: u64, run: &Run) -> Result<Self> {
        let (train, test) = elbo_data::digits8_split(1697)?;
        let unit = |samples: &Samples| samples.values.iter().map(|v| 2.0 * f64::from(*v) - 1.0).collect::<Vec<f64>>();
        let prior_points = unit(&train);
        let mut truth = unit(&test);
        truth.truncate(run.pick(30, 100) * SIZE);
        Ok(Self {
            prior: Empirical::new(&prior_points, SIZE)?,
            prior_points,
            truth,
            mask: Mask::random([1, 8, 8], 0.5, &mut Rng::new(seed))?,
            shrink: Shrink::new([1, 8, 8], 2)?,
            seed,
        })
    }

    /// Noisy measurements, the same for every method.
    fn measured(&self, operator: &dyn Operator, noise: f64) -> Vec<Vec<f64>> {
        let mut rng = Rng::new(self.seed).split(1);
        self.truth.chunks_exact(SIZE).map(|x| Noise::Gaussian(noise).add(&operator.apply(x), &mut rng)).collect()
    }

    /// Median peak signal-to-noise ratio (dB) of restored pictures.
    fn quality(&self, restored: &[f64]) -> f64 {
        let each = restored.chunks_exact(SIZE).zip(self.truth.chunks_exact(SIZE));
        median(each.map(|(a, b)| psnr(a, b, 2.0)).collect())
    }

    fn restored(&self, operator: &dyn Operator, y: &[Vec<f64>], config: &RestoreConfig, run: &Run) -> Result<f64> {
        let problems: Vec<Problem<'_>> = y.iter().map(|y| Problem { operator, y: y.clone() }).collect();
        Ok(self.quality(&restore(&self.prior, &problems, config, &mut run.child(self.seed))?.x.to_vec()))
    }

    /// The exact posterior mean when each point of the prior is widened to a normal of this standard deviation: its quality, and the
    /// median over pictures of the number of points that it mixes, 1/Σw². With HHᵀ = cI, as both operators here have it, y given point k
    /// is N(H m_k, (s² + cτ²)I), and the rest is linear.
    fn posterior_mean(&self, operator: &dyn Operator, y: &[Vec<f64>], width: f64) -> (f64, f64) {
        let mut unit = vec![0.0; operator.output()];
        unit[0] = 1.0;
        let c = operator.apply(&operator.adjoint(&unit))[0];
        let variance = NOISE * NOISE + c * width * width;
        let images: Vec<Vec<f64>> = self.prior_points.chunks_exact(SIZE).map(|x| operator.apply(x)).collect();
        let log = |y: &Vec<f64>| {
            let square = |a: &Vec<f64>| a.iter().zip(y).map(|(a, y)| (a - y).powi(2)).sum::<f64>();
            images.iter().map(|a| -0.5 * square(a) / variance).collect::<Vec<_>>()
        };
        let logs = Tensor::from_vec(y.iter().flat_map(log).collect(), &[y.len(), images.len()]);
        let mixed = median(logs.softmax(-1).square().sum_axis(-1, false).to_vec().iter().map(|v| 1.0 / v).collect());
        let mut restored = self.prior.weighted_mean(&logs).to_vec();
        for (x, y) in restored.chunks_exact_mut(SIZE).zip(y) {
            let residual: Vec<f64> = operator.apply(x).iter().zip(y).map(|(a, y)| y - a).collect();
            let pulled = operator.adjoint(&residual);
            x.iter_mut().zip(pulled).for_each(|(x, p)| *x += width * width / variance * p);
        }
        (self.quality(&restored), mixed)
    }

    /// Root mean square distance of a digit of the prior from the nearest other one, the median over some of them.
    fn spacing(&self) -> f64 {
        let points: Vec<&[f64]> = self.prior_points.chunks_exact(SIZE).collect();
        let nearest = |i: usize| {
            let others = points.iter().enumerate().filter(|(k, _)| *k != i);
            let square = |x: &[f64]| x.iter().zip(points[i]).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            (others.map(|(_, x)| square(x)).fold(f64::INFINITY, f64::min) / SIZE as f64).sqrt()
        };
        median((0..100).map(nearest).collect())
    }

    /// The best linear estimate, m + CHᵀ(HCHᵀ + s²I)⁻¹(y - Hm), of a Gaussian with the prior's moments.
    fn linear(&self, operator: &dyn Operator, y: &[Vec<f64>]) -> Result<f64> {
        let (mean, covariance) = elbo_diffusion::frechet::moments(&self.prior_points, SIZE)?;
        let m = operator.output();
        // HC, `[m, D]`, by the columns of the symmetric C.
        let columns: Vec<Vec<f64>> = covariance.chunks_exact(SIZE).map(|c| operator.apply(c)).collect();
        let mut gram = vec![0.0; m * m];
        for i in 0..m {
            let row: Vec<f64> = columns.iter().map(|c| c[i]).collect();
            let image = operator.apply(&row);
            (0..m).for_each(|j| gram[i * m + j] = image[j] + if i == j { NOISE * NOISE } else { 0.0 });
        }
        let factor = cholesky_with_jitter(MatRef::row_major(&gram, m, m), Ladder::standard::<f64>())?;
        let middle = operator.apply(&mean);
        let restored = y.iter().flat_map(|y| {
            let mut weights: Vec<f64> = y.iter().zip(&middle).map(|(a, b)| a - b).collect();
            factor.solve(MatMut::column(&mut weights));
            (0..SIZE)
                .map(|d| mean[d] + columns[d].iter().zip(&weights).map(|(c, w)| c * w).sum::<f64>())
                .collect::<Vec<_>>()
        });
        Ok(self.quality(&restored.collect::<Vec<_>>()))
    }

    /// The best of Tikhonov's penalties, chosen with the truth.
    fn tikhonov(&self, operator: &dyn Operator, y: &[Vec<f64>], run: &Run) -> Result<f64> {
        let mut best = f64::NEG_INFINITY;
        for exponent in -6..=2 {
            let penalty = 10f64.powf(0.5 * f64::from(exponent));
            let config = RestoreConfig { method: Method::Tikhonov, penalty, ..RestoreConfig::default() };
            best = best.max(self.restored(operator, y, &config, run)?);
        }
        Ok(best)
    }
}

/// The published settings.
fn published(rule: Rule) -> RestoreConfig {
    RestoreConfig { noise: NOISE, red_diff: Settings { rule, ..Settings::default() }, ..RestoreConfig::default() }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    0.5 * (values[(values.len() - 1) / 2] + values[values.len() / 2])
}

fn mean(values: impl Iterator<Item = Result<f64>>) -> Result<f64> {
    let values = values.collect::<Result<Vec<f64>>>()?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

/// Half of the pixels, and a quarter of the size, of digits that the prior has not seen.
fn pictures(claim: &mut Claim, trials: &[Digits], run: &mut Run) -> Result<()> {
    let mut table = Table::new(
        "restored-digits",
        "Median peak signal-to-noise ratio in dB on held-out digits, mean over seeds: half of the pixels, and pictures of half the side.",
        &["method", "half of the pixels", "half the side"],
    );
    let operators: [fn(&Digits) -> &dyn Operator; 2] = [|t| &t.mask, |t| &t.shrink];
    type Judge<'a> = Box<dyn Fn(&Digits, &dyn Operator, &[Vec<f64>]) -> Result<f64> + 'a>;
    let child = run.child(run.seed);
    let child = &child;
    let by = |config: RestoreConfig| -> Judge<'_> { Box::new(move |t, h, y| t.restored(h, y, &config, child)) };
    let method = |method: Method| by(RestoreConfig { method, noise: NOISE, ..RestoreConfig::default() });
    let mut judges: Vec<(&str, Judge<'_>)> = vec![
        ("RED-Diff, linear", by(published(Rule::Linear))),
        ("RED-Diff, constant", by(published(Rule::Constant))),
        ("Tikhonov, best penalty", Box::new(|t, h, y| t.tikhonov(h, y, child))),
        ("pseudo-inverse", method(Method::PseudoInverse)),
        ("exact posterior mean", Box::new(|t, h, y| Ok(t.posterior_mean(h, y, 0.0).0))),
        ("best linear estimate (Gaussian prior)", Box::new(|t, h, y| t.linear(h, y))),
        ("exact posterior mean, prior widened", Box::new(|t, h, y| Ok(t.posterior_mean(h, y, t.spacing()).0))),
    ];
    if run.budget == elbo_core::Budget::Full {
        judges.push(("RED-Diff, sqrt", by(published(Rule::Sqrt))));
        judges.push(("RED-Diff, square", by(published(Rule::Square))));
        judges.push(("DPS", method(Method::Dps)));
        judges.push(("ΠGDM", method(Method::PiGdm)));
        judges.push(("DiffPIR", method(Method::DiffPir)));
        judges.push(("DDRM", method(Method::Ddrm)));
    }
    let mut found = vec![];
    for (name, judge) in &judges {
        let mut row = vec![];
        for operator in operators {
            row.push(mean(trials.iter().map(|t| {
                let h = operator(t);
                judge(t, h, &t.measured(h, NOISE))
            }))?);
        }
        table.push(vec![(*name).to_owned(), format!("{:.2}", row[0]), format!("{:.2}", row[1])]);
        found.push(row);
    }
    drop(judges);
    run.table(table);
    let [linear, constant, tikhonov, exact, gaussian, widened] = [0, 1, 2, 4, 5, 6].map(|i| found[i][0]);
    claim.at_least("half of the pixels: RED-Diff (dB), beside Tikhonov's best", linear, Some(tikhonov), tikhonov + 5.0);
    claim.at_least(
        "half of the pixels: RED-Diff with linear weights (dB), beside constant ones",
        linear,
        Some(constant),
        constant + 0.5,
    );
    claim.at_least(
        "half of the pixels: RED-Diff (dB), beside the exact posterior mean",
        linear,
        Some(exact),
        exact - 1.5,
    );
    // Not a victory: on digits of 8 x 8 pixels the best linear estimate is hard to beat.
    claim.at_least(
        "half of the pixels: RED-Diff (dB), beside the best linear estimate",
        linear,
        Some(gaussian),
        gaussian - 3.0,
    );
    // Why the exact posterior mean may stay below the linear estimate: held-out digits are no points of the prior, and the noise is
    // smaller than the distance between those, so that it returns the nearest one.
    let mixed = mean(trials.iter().map(|t| Ok(t.posterior_mean(&t.mask, &t.measured(&t.mask, NOISE), 0.0).1)))?;
    let title = "half of the pixels: digits that the exact posterior mean mixes (median), beside those of the prior";
    claim.at_most(title, mixed, Some(1697.0), 1.5);
    claim.at_least(
        "half of the pixels: exact posterior mean of the prior widened to its spacing (dB), beside the best linear estimate",
        widened,
        Some(gaussian),
        gaussian,
    );
    // The margins above are of missing pixels. Means of four pixels say more without a prior, which leaves less to it. These ask that the prior helps, and
    // that little is lost against the linear estimate: the stronger baseline, as it is told the mean and the covariance of the same digits.
    let [linear, tikhonov, gaussian] = [0, 2, 5].map(|i| found[i][1]);
    claim.at_least("half the side: RED-Diff (dB), beside Tikhonov's best", linear, Some(tikhonov), tikhonov + 1.0);
    claim.at_least(
        "half the side: RED-Diff (dB), beside the best linear estimate",
        linear,
        Some(gaussian),
        gaussian - 1.5,
    );
    Ok(())
}

/// The first digits of a trial, and of each operator what is measured of them and what comes back.
fn shown(trial: &Digits, run: &Run) -> Result<Figure> {
    const SHOWN: usize = 10;
    let mut rows = trial.truth[..SHOWN * SIZE].to_vec();
    for operator in [&trial.mask as &dyn Operator, &trial.shrink] {
        let mut y = trial.measured(operator, NOISE);
        y.truncate(SHOWN);
        // A missing pixel becomes zero, which is grey; a pixel of the smaller picture becomes the four that it is the mean of.
        y.iter().for_each(|y| rows.extend(pseudo_inverse(operator, y, 1e-6)));
        let problems: Vec<Problem<'_>> = y.into_iter().map(|y| Problem { operator, y }).collect();
        let found = restore(&trial.prior, &problems, &published(Rule::Linear), &mut run.child(trial.seed))?;
        rows.extend(found.x.to_vec());
    }
    let bytes: Vec<u8> = rows.iter().map(|v| (127.5 * (v.clamp(-1.0, 1.0) + 1.0)).round() as u8).collect();
    Ok(Figure {
        name: "restored".into(),
        caption: "Held-out digits; half of their pixels with noise, and what RED-Diff makes of them; means of four pixels with noise, and what it makes \
                  of those."
            .into(),
        marks: vec![picture_grid(&bytes, [1, 8, 8], SHOWN)],
        ..Figure::default()
    })
}

/// y = clip(2x): no closed form, and no noise.
fn overexposed(claim: &mut Claim, trials: &[Digits], run: &Run) -> Result<()> {
    let clip = Clip::new(SIZE, 2.0, (-1.0, 1.0))?;
    let mut naive = vec![];
    let mut calmed = 0.0f64;
    let restored = mean(trials.iter().map(|t| {
        let y = t.measured(&clip, 0.0);
        naive.push(t.quality(&y.iter().flatten().map(|v| 0.5 * v).collect::<Vec<_>>()));
        let problems: Vec<Problem<'_>> = y.iter().map(|y| Problem { operator: &clip, y: y.clone() }).collect();
        let found = restore(&t.prior, &problems, &published(Rule::Linear), &mut run.child(t.seed))?;
        calmed = calmed.max(found.trajectory[found.trajectory.len() - 1]);
        Ok(t.quality(&found.x.to_vec()))
    }))?;
    let naive = naive.iter().sum::<f64>() / naive.len() as f64;
    claim.at_least("overexposed: RED-Diff (dB), beside half of the measurement", restored, Some(naive), naive + 2.0);
    claim.at_most("overexposed: mean squared misfit at the end", calmed, None, 0.01);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::{Budget, Mark};

    #[test]
    fn the_figure_shows_truths_measurements_and_what_comes_back_for_both_operators() {
        let run = Run::new(5).with_budget(Budget::Smoke);
        let trial = Digits::new(5, &run).unwrap();
        let figure = shown(&trial, &run).unwrap();
        let [Mark::Picture { width, height, channels: 1, pixels }] = &figure.marks[..] else {
            panic!("a grid stands alone")
        };
        // Ten columns and five rows of eight pixels, with a pixel between them.
        assert_eq!((*width, *height), (10 * 9 + 1, 5 * 9 + 1));
        let cell = |row: usize, column: usize| -> Vec<f64> {
            let at = |y: usize, x: usize| pixels[(1 + row * 9 + y) * width + 1 + column * 9 + x];
            (0..SIZE).map(|i| f64::from(at(i / 8, i % 8)) / 127.5 - 1.0).collect()
        };
        let error = |row: usize| -> f64 {
            let of = |column: usize| {
                let truth = &trial.truth[column * SIZE..(column + 1) * SIZE];
                cell(row, column).iter().zip(truth).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
            };
            (0..10).map(of).sum()
        };
        // A grey level has half of 1/127.5 of rounding.
        assert!(error(0) <= 640.0 * 0.004f64.powi(2), "{}", error(0));
        assert!(error(2) < 0.5 * error(1) && error(4) < error(3), "{:?}", [1, 2, 3, 4].map(error));
        // Missing pixels are grey, and the smaller picture has blocks of one value.
        let missing = cell(1, 0).iter().filter(|v| v.abs() < 0.005).count();
        let hidden = SIZE - trial.mask.output();
        assert!(hidden > 0 && missing >= hidden, "{missing} {hidden}");
        let small = cell(3, 0);
        assert!((0..SIZE).all(|i| small[i] == small[(i / 16 * 2) * 8 + i % 8 / 2 * 2]), "{small:?}");
    }
}
