#![doc = "[picture]: ../../../../docs/pictures/cvtgp.svg"]
#![doc = include_str!("cvtgp.md")]

use elbo_core::columns::few_counts;
use elbo_core::{
    Card, Claim, Config, Features, Kind, ModelFile, Regression, Result, Run, Step, Stop, System, Table, Verb, drive,
    ensure,
};
use elbo_dist::{KMeansConfig, kmeans};
use elbo_gp::coreset::CoresetGp;
use elbo_gp::fit::{Loss, Search, search};
use elbo_gp::kernel::{KernelConfig, Profile, Stationary};
use elbo_gp::likelihood::{Gaussian, Single};
use elbo_gp::mean::{MeanConfig, Zero};
use elbo_gp::settings;
use elbo_gp::sgpr::Sgpr;
use elbo_gp::svgp::{NaturalSteps, Svgp};
use elbo_gp::table::{self, TableModel};
use elbo_tensor::optim::{Adam, Rule, Schedule};
use elbo_tensor::{Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Regression on a learned coreset.
pub struct Cvtgp;

/// Settings of `cvtgp`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CvtgpConfig {
    /// The kernel, as an expression: `matern52`, `rbf + linear`.
    pub kernel: KernelConfig,
    /// The mean function: zero, constant, linear or polynomial.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub mean: MeanConfig,
    /// Number of pseudo-observations, `M`.
    #[schemars(range(min = 1))]
    pub points: usize,
    /// Noise variance at the start, as a share of the target's variance.
    pub noise: f64,
    /// Rows a step.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Steps.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Adam's rate at the start; it falls to a tenth along half a cosine.
    pub rate: f64,
}

impl Default for CvtgpConfig {
    fn default() -> Self {
        Self {
            kernel: KernelConfig::default(),
            mean: MeanConfig::Zero,
            points: 100,
            noise: 0.1,
            batch: 256,
            steps: 1500,
            rate: 0.01,
        }
    }
}

impl Config for CvtgpConfig {
    fn check(&self) -> Result<()> {
        settings::process(&self.kernel, &self.mean)?;
        settings::points("points", self.points)?;
        settings::noise(self.noise)?;
        settings::counts(&[("batch", self.batch), ("steps", self.steps)])?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")
    }
}

/// What to say of targets whose noise is hardly Gaussian: two values, or what looks like counts.
fn unlike_gaussian(targets: &[f64]) -> Option<String> {
    let (low, high) =
        targets.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(*y), high.max(*y)));
    if low < high && targets.iter().all(|y| *y == low || *y == high) {
        return Some(format!(
            "the target has only the values {low} and {high}; if they are classes, use `svgp` or `cvi-ep-hyper`"
        ));
    }
    few_counts(targets).map(|count| {
        format!(
            "the target has {count} different whole numbers from {low} to {high}, and this system's noise is Gaussian; if they \
             are counts, use `svgp` or `cvi-ep-hyper` with --set likelihood=poisson"
        )
    })
}

/// Where the pseudo-observations start: cluster centres, the clusters' mean targets, the clusters' sizes.
fn clusters(x: &Tensor, y: &[f64], count: usize, rng: &mut elbo_core::Rng) -> (Tensor, Tensor, Tensor) {
    let (n, d) = (y.len(), x.shape()[1]);
    let values = x.to_vec();
    let config = KMeansConfig { restarts: 10, ..KMeansConfig::default() };
    let centres = kmeans(&values, d, count, &config, rng).centres;
    let m = centres.len() / d;
    let (mut sums, mut sizes) = (vec![0.0; m], vec![0.0; m]);
    for i in 0..n {
        let distance = |c: &usize| -> f64 { (0..d).map(|k| (values[i * d + k] - centres[c * d + k]).powi(2)).sum() };
        let nearest = (0..m).min_by(|a, b| distance(a).total_cmp(&distance(b))).expect("at least one centre");
        sums[nearest] += y[i];
        sizes[nearest] += 1.0;
    }
    let outputs = sums.iter().zip(&sizes).map(|(s, n): (&f64, &f64)| s / n.max(1.0)).collect();
    let weights = sizes.iter().map(|n: &f64| n.max(0.5)).collect();
    (Tensor::from_vec(centres, &[m, d]), Tensor::from_vec(outputs, &[m]), Tensor::from_vec(weights, &[m]))
}

impl CvtgpConfig {
    fn build(&self, like: &Features, start: (&Tensor, &Tensor, &Tensor), x: Tensor, y: &[f64]) -> Result<CoresetGp> {
        let (kernel, mean) = (self.kernel.build_for(like)?, self.mean.build(&like.levels)?);
        Ok(CoresetGp::new(kernel, mean, self.noise, start, x, Tensor::from_slice(y, &[y.len()])))
    }

    fn train(&self, gp: &mut CoresetGp, run: &mut Run) -> Result<()> {
        let (rows, batch) = (gp.rows(), self.batch.min(gp.rows()));
        let rate = Schedule::Cosine { start: self.rate, end: 0.1 * self.rate, steps: self.steps };
        let adam = Adam::with_rate(rate).on(move |gp: &CoresetGp, run: &mut Run| {
            Ok(gp.bound(&run.rng.choose(rows, batch))? * (-1.0 / rows as f64))
        });
        drive(&adam, gp, &Stop::after(self.steps, "minibatches", "negative elbo of a minibatch (nats a row)"), run)?;
        Ok(())
    }
}

impl System for Cvtgp {
    const CARD: Card = Card {
        id: "cvtgp",
        title: "A Coreset-based, Tempered Variational Posterior for Accurate and Scalable Stochastic Gaussian Process \
                Inference",
        family: "gp",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Reproduce],
        source: "Ketenci, Perotte, Elhadad and Urteaga (2023)",
        about: include_str!("cvtgp.md"),
        validates_itself: false,
    };
    type Config = CvtgpConfig;
    type Input = Regression;
    type Model = CvtgpModel;

    fn fit(&self, config: &CvtgpConfig, input: Regression, run: &mut Run) -> Result<CvtgpModel> {
        input.notes.iter().for_each(|note| run.warn(note));
        unlike_gaussian(&input.raw).into_iter().for_each(|text| run.warn(text));
        if config.points >= input.x.rows {
            run.warn(format!("{} points for {} rows: `gpr` is exact and cheaper here", config.points, input.x.rows));
        }
        let x = table::tensor(&input.x);
        let (inputs, outputs, weights) = clusters(&x, &input.y, config.points, &mut run.rng);
        let mut gp = config.build(&input.x, (&inputs, &outputs, &weights), x, &input.y)?;
        gp.set_best_outputs()?;
        config.train(&mut gp, run)?;
        table::warn_about_noise(gp.noise(), run);
        let bound = gp.full_bound()?;
        let (_, _, weights) = gp.coreset();
        let total: f64 = weights.iter().sum();
        let unused = weights.iter().filter(|w| **w < 1e-3 * total / weights.len() as f64).count();
        if unused > 0 {
            run.warn(format!(
                "{unused} of {} pseudo-observations have a weight near zero and are not used",
                weights.len()
            ));
        }
        let mut summary = table::summarise(gp.kernel(), &gp, &input.x.names);
        summary.objective = Some(("elbo".into(), bound));
        summary.metrics = vec![("elbo_per_row".into(), bound / input.x.rows as f64), ("total_weight".into(), total)];
        summary.text = format!(
            "A Gaussian process with kernel {} on {} rows, carried by {} weighted pseudo-observations.",
            gp.kernel().summary(),
            input.x.rows,
            weights.len()
        );
        Ok(CvtgpModel::new(config, input.columns, gp, summary))
    }

    fn load(&self, file: &ModelFile) -> Result<CvtgpModel> {
        CvtgpModel::load(file, |config, columns| {
            let like = table::features_like(columns);
            let inputs = table::stored_points(file, "gp.coreset.inputs", like.dims)?;
            let m = inputs.shape()[0];
            let ones = Tensor::from_vec(vec![1.0; m], &[m]);
            let nothing = Tensor::from_vec(vec![], &[0, like.dims]);
            let mut gp = config.build(&like, (&inputs, &ones, &ones), nothing, &[])?;
            gp.read_from(file, "gp")?;
            Ok(gp)
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let seeds = run.seeds(3);
        let mut claim = Claim::new(seeds.clone());
        optimum_claim(&mut claim, &seeds, run)?;
        stochastic_claim(&mut claim, &seeds, run)?;
        Ok(claim)
    }
}

/// The posterior alone, seen as a loss, for its optimum at fixed points and hyperparameters.
struct AtFixedPoints(CoresetGp);

impl Parameters for AtFixedPoints {
    fn visit(&self, f: &mut dyn FnMut(&str, &elbo_tensor::Parameter)) {
        self.0.visit(f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut elbo_tensor::Parameter)) {
        self.0.visit_mut(f);
    }
}

impl elbo_core::Snapshot for AtFixedPoints {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        elbo_core::Snapshot::save(&self.0, file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        elbo_core::Snapshot::restore(&mut self.0, file, prefix)
    }
}

impl Loss for AtFixedPoints {
    fn loss(&self) -> Result<Tensor> {
        let every: Vec<usize> = (0..self.0.rows()).collect();
        Ok(-self.0.bound(&every)?)
    }
}

/// Distance of the coreset's optimum, and of its start, below the collapsed bound at the same points.
fn optimum_claim(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let rows = 300;
    let (mut least, mut most, mut start) = (f64::INFINITY, 0.0f64, 0.0f64);
    for seed in seeds {
        let mut child = run.child(*seed);
        let x: Vec<f64> = (0..rows).map(|_| child.rng.range(-3.0, 3.0)).collect();
        let y: Vec<f64> =
            x.iter().map(|x| (2.0 * x).sin() + 0.5 * (5.0 * x).sin() + 0.2 * child.rng.normal()).collect();
        let (x, targets) = (Tensor::from_vec(x, &[rows, 1]), Tensor::from_vec(y, &[rows]));
        let kernel = || Box::new(Stationary::new(Profile::Rbf, &[0.4]));
        for m in [15usize, 20, 30] {
            let z = Tensor::linspace(-3.0, 3.0, m).unsqueeze(1);
            let best = Sgpr::new(kernel(), Box::new(Zero), 0.04, z.clone(), x.clone(), targets.clone()).bound()?.item();
            let zeros = Tensor::from_vec(vec![0.0; m], &[m]);
            let weights = Tensor::from_vec(vec![rows as f64 / m as f64; m], &[m]);
            let coreset = (&z, &zeros, &weights);
            let mut gp = CoresetGp::new(kernel(), Box::new(Zero), 0.04, coreset, x.clone(), targets.clone());
            gp.set_best_outputs()?;
            start = start.max(best - gp.full_bound()?);
            let mut free = AtFixedPoints(gp.with_fixed_points());
            let options = Search { starts: 1, iterations: run.pick(60, 300) };
            let gap = best + search(&mut free, options, &mut child)?.loss;
            least = least.min(gap);
            most = most.max(gap);
        }
    }
    claim.at_least("least distance of the optimum below the collapsed bound (nats)", least, None, -1e-6);
    claim.at_most("largest distance of the optimum below the collapsed bound (nats)", most, None, 1.0);
    claim.at_most("largest distance of the start below the collapsed bound (nats)", start, None, 2.0);
    Ok(())
}

/// How a sparse variational process that the coreset is compared with is trained.
#[derive(Clone, Copy)]
enum Rival {
    /// Adam on everything, without whitening.
    Plain,
    /// Adam on everything, whitened.
    Whitened,
    /// Natural steps on the posterior, Adam on the rest.
    Natural,
}

/// Stochastic training of everything: the coreset's full-data bound against sparse variational training with Adam. With natural steps,
/// the strongest way to train the rival, the bound is reported and nothing is claimed.
fn stochastic_claim(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let (rows, m, steps) = run.pick((1000, 30, 150), (10_000, 100, 1500));
    let (mut over_plain, mut over_whitened, mut numbers) = (f64::INFINITY, f64::INFINITY, 0.0);
    let mut table = Table::new(
        "bounds",
        "Bounds on all rows after training on minibatches (nats a row): the coreset, and sparse variational processes with as \
         many points.",
        &["seed", "coreset", "Adam, unwhitened", "Adam, whitened", "natural steps"],
    );
    for seed in seeds {
        let mut child = run.child(*seed);
        let x: Vec<f64> = (0..rows * 2).map(|_| child.rng.range(-3.0, 3.0)).collect();
        let y: Vec<f64> = x
            .chunks_exact(2)
            .map(|x| x.iter().map(|x| (2.0 * x).sin() + 0.5 * (5.0 * x).sin()).sum::<f64>() + 0.2 * child.rng.normal())
            .collect();
        let x = Tensor::from_vec(x, &[rows, 2]);
        let like = Features::numeric(2, vec![0.0, 0.0]);
        let config = CvtgpConfig { points: m, steps, ..CvtgpConfig::default() };
        let (inputs, outputs, weights) = clusters(&x, &y, m, &mut child.rng);
        let mut gp = config.build(&like, (&inputs, &outputs, &weights), x.clone(), &y)?;
        gp.set_best_outputs()?;
        config.train(&mut gp, &mut run.child(*seed))?;
        let coreset = gp.full_bound()? / rows as f64;
        let rate = || Schedule::Cosine { start: config.rate, end: 0.1 * config.rate, steps };
        let svgp = |rival: Rival, run: &mut Run| -> Result<f64> {
            let likelihood = Box::new(Single(Box::new(Gaussian::new(config.noise))));
            let kernel = config.kernel.build_for(&like)?;
            let svgp = Svgp::new(kernel, Box::new(Zero), likelihood, &inputs, x.clone(), y.clone())?;
            let mut svgp = match rival {
                Rival::Plain => svgp.with_unwhitened_posterior()?,
                Rival::Whitened => svgp,
                Rival::Natural => svgp.with_natural_posterior(),
            };
            let batch = config.batch.min(rows);
            let adam = Adam::with_rate(rate())
                .on(|svgp: &Svgp, run: &mut Run| Ok(svgp.bound(&run.rng.choose(rows, batch))? * (-1.0 / rows as f64)));
            let stop = Stop::after(steps, "minibatches", "loss");
            if let Rival::Natural = rival {
                drive(&adam.then(NaturalSteps { rho: 0.1, batch }), &mut svgp, &stop, run)?;
            } else {
                drive(&adam, &mut svgp, &stop, run)?;
            }
            Ok(svgp.full_bound()? / rows as f64)
        };
        let plain = svgp(Rival::Plain, &mut run.child(*seed))?;
        let whitened = svgp(Rival::Whitened, &mut run.child(*seed))?;
        let natural = svgp(Rival::Natural, &mut run.child(*seed))?;
        over_plain = over_plain.min(coreset - plain);
        over_whitened = over_whitened.min(coreset - whitened);
        numbers += (gp.pack().len() - m * 4) as f64;
        let bounds = [coreset, plain, whitened, natural].map(|v| format!("{v:.4}"));
        table.push([vec![seed.to_string()], bounds.to_vec()].concat());
    }
    run.table(table);
    let count = seeds.len() as f64;
    claim.at_least("least lead over Adam on an unwhitened posterior (nats a row)", over_plain, Some(0.0), 0.0);
    claim.at_least("least lead over Adam on a whitened posterior (nats a row)", over_whitened, Some(0.0), -0.01);
    claim.at_most("parameters besides the (D + 2) M of the coreset", numbers / count, Some((m * m / 2) as f64), 8.0);
    Ok(())
}

/// A trained coreset.
pub type CvtgpModel = TableModel<CvtgpConfig, CoresetGp>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_counts_are_pointed_to_other_likelihoods_and_quantities_are_not() {
        assert!(unlike_gaussian(&[0.0, 1.0, 1.0, 0.0]).unwrap().contains("only the values 0 and 1"));
        let counts = unlike_gaussian(&[3.0, 0.0, 1.0, 1.0, 7.0]).unwrap();
        assert!(counts.contains("4 different whole numbers from 0 to 7"), "{counts}");
        assert!(counts.contains("likelihood=poisson"), "{counts}");
        let many: Vec<f64> = (0..21).map(f64::from).collect();
        for quantity in [vec![0.5, 1.0, 2.0], vec![-1.0, 0.0, 3.0], many] {
            assert_eq!(unlike_gaussian(&quantity), None, "{quantity:?}");
        }
    }
}
