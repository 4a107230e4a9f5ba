//! What the paper claims of the estimator, as numbers.

use super::RsviConfig;
use super::model::{Ascent, GammaFamily};
use elbo_core::{Budget, Claim, Result, Rng, Run, Stop, Table, drive};
use elbo_dist::batched::{Gamma, log_gamma_draws};
use elbo_dist::rejection::{Draws, gamma};
use elbo_infer::estimator::GammaGradient;
use elbo_tensor::special::{digamma, polygamma, trigamma};
use elbo_tensor::{Tensor, grad, no_grad};

/// Draws whose gradients are held at once.
const CHUNK: usize = 1000;

/// Sums of estimates, of their squares, and of their means over coordinates.
struct Moments {
    count: f64,
    sum: Vec<f64>,
    square: Vec<f64>,
    mean_sum: f64,
    mean_square: f64,
}

impl Moments {
    fn new(width: usize) -> Self {
        Self { count: 0.0, sum: vec![0.0; width], square: vec![0.0; width], mean_sum: 0.0, mean_square: 0.0 }
    }

    fn add(&mut self, row: &[f64]) {
        self.count += 1.0;
        for ((s, q), v) in self.sum.iter_mut().zip(&mut self.square).zip(row) {
            *s += v;
            *q += v * v;
        }
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        self.mean_sum += mean;
        self.mean_square += mean * mean;
    }

    /// Variance of one estimate, averaged over coordinates.
    fn variance(&self) -> f64 {
        let n = self.count;
        let each = self.sum.iter().zip(&self.square).map(|(s, q)| q / n - (s / n).powi(2));
        each.sum::<f64>() / self.sum.len() as f64
    }

    /// Size of the mean's distance from the exact one, in standard errors, after averaging over coordinates.
    fn z_score(&self, exact: &[f64]) -> f64 {
        let n = self.count;
        let (mean, truth) = (self.mean_sum / n, exact.iter().sum::<f64>() / exact.len() as f64);
        let error = ((self.mean_square / n - mean * mean) / n).sqrt();
        ((mean - truth) / error).abs()
    }
}

/// An estimator of the gradient of an expectation under gamma variables, as a surrogate of many draws at once.
#[derive(Clone, Copy)]
enum Way {
    /// With the correction, or without.
    Rejection {
        augmentation: usize,
        full: bool,
    },
    Implicit,
    Score {
        leave_one_out: bool,
    },
}

/// Gradients `[draws, K]` of `f` of log gamma variables `[n, K]` in their shapes.
fn moments(shape: &[f64], way: Way, draws: usize, f: &dyn Fn(&Tensor) -> Tensor, rng: &mut Rng) -> Moments {
    let k = shape.len();
    let mut moments = Moments::new(k);
    let mut done = 0;
    while done < draws {
        let n = CHUNK.min(draws - done);
        done += n;
        // One copy of the shapes a draw: one backward pass gives every draw's gradient.
        let copies = Tensor::from_vec(shape.repeat(n), &[n, k]).variable();
        let surrogate = match way {
            Way::Rejection { augmentation, full } => {
                let drawn: Draws = gamma(&copies, augmentation, &[], rng);
                let values = f(&drawn.z);
                if full { drawn.surrogate(&values, &values) } else { values.sum() }
            }
            Way::Implicit => f(&log_gamma_draws(&copies, &[], rng)).sum(),
            Way::Score { leave_one_out } => {
                let z = no_grad(|| log_gamma_draws(&copies, &[], rng));
                let values = f(&z);
                let signal = if leave_one_out { elbo_infer::estimator::leave_one_out(&values) } else { values };
                let density = Gamma::new(copies.clone(), copies.ones_like()).log_prob_at_log(&z).sum_axis(-1, false);
                (signal.detach() * density).sum()
            }
        };
        let slopes = grad(&surrogate, &[&copies]).remove(0).to_vec();
        slopes.chunks_exact(k).for_each(|row| moments.add(row));
    }
    moments
}

/// One number of each seed. A NaN among them is the mean, the largest and the smallest, and fails its check.
struct OverSeeds(Vec<f64>);

impl OverSeeds {
    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    fn largest(&self) -> f64 {
        self.0.iter().fold(f64::NEG_INFINITY, |most, v| if v.is_nan() || *v > most { *v } else { most })
    }

    fn smallest(&self) -> f64 {
        self.0.iter().fold(f64::INFINITY, |least, v| if v.is_nan() || *v < least { *v } else { least })
    }
}

/// The estimators of the Dirichlet check, by name.
const WAYS: [(&str, Way); 7] = [
    ("B = 0", Way::Rejection { augmentation: 0, full: true }),
    ("B = 1", Way::Rejection { augmentation: 1, full: true }),
    ("B = 3", Way::Rejection { augmentation: 3, full: true }),
    ("B = 10", Way::Rejection { augmentation: 10, full: true }),
    ("implicit", Way::Implicit),
    ("score", Way::Score { leave_one_out: false }),
    ("score, leave-one-out", Way::Score { leave_one_out: true }),
];

/// Of each estimator in [`WAYS`], the mean variance of a coordinate and the distance of its mean from the exact one, for one draw of the counts.
fn dirichlet_once(draws: usize, rng: &mut Rng) -> Vec<(f64, f64)> {
    const CLASSES: usize = 100;
    const TRIALS: usize = 100;
    let mut counts = vec![0.0; CLASSES];
    (0..TRIALS).for_each(|_| counts[rng.below(CLASSES)] += 1.0);
    let shape: Vec<f64> = counts.iter().map(|x| 1.0 + 0.5 * x).collect();
    let total: f64 = shape.iter().sum();
    let exact: Vec<f64> =
        counts.iter().zip(&shape).map(|(x, a)| x * trigamma(*a) - TRIALS as f64 * trigamma(total)).collect();
    let counts = Tensor::from_slice(&counts, &[CLASSES]);
    let log_likelihood = |log_z: &Tensor| (log_z.log_softmax(-1) * &counts).sum_axis(-1, false);
    let measured = |(_, way): (&str, Way)| {
        let found = moments(&shape, way, draws, &log_likelihood, rng);
        (found.variance(), found.z_score(&exact))
    };
    WAYS.into_iter().map(measured).collect()
}

/// A Dirichlet posterior of multinomial counts: variances by estimator against the exact gradient, over seeds that draw the counts too.
pub fn dirichlet(claim: &mut Claim, run: &mut Run) {
    let draws = run.pick(2000, 20_000);
    let once = |seed: &u64| dirichlet_once(draws, &mut run.child(*seed).rng);
    let all: Vec<Vec<(f64, f64)>> = claim.seeds.iter().map(once).collect();
    let variances: Vec<f64> =
        (0..WAYS.len()).map(|k| OverSeeds(all.iter().map(|found| found[k].0).collect()).mean()).collect();
    let distances: Vec<f64> =
        (0..WAYS.len()).map(|k| OverSeeds(all.iter().map(|found| found[k].1).collect()).largest()).collect();
    let mut table = Table::new(
        "rsvi-dirichlet",
        "Mean variance by coordinate of one gradient estimate, 100 classes and 100 counts, signal not centred; means over seeds, and the largest \
         distance of a seed.",
        &["estimator", "variance", "distance from exact (standard errors)"],
    );
    for ((name, _), (variance, z)) in WAYS.iter().zip(variances.iter().zip(&distances)) {
        table.push(vec![(*name).into(), format!("{variance:.3}"), format!("{z:.2}")]);
    }
    run.table(table);
    claim.at_most(
        "variance of the rejection gradient with B = 10, mean over seeds",
        variances[3],
        Some(variances[5]),
        1.0,
    );
    let falls = [variances[0] / variances[1], variances[1] / variances[2], variances[2] / variances[3]];
    let name = "least fall of the mean variance from B = 0 to 1, 3, 10 (factor)";
    claim.at_least(name, OverSeeds(falls.to_vec()).smallest(), None, 1.0);
    claim.at_most("variance of the implicit gradient, mean over seeds", variances[4], Some(variances[3]), variances[3]);
    let name = "largest distance of a seed's mean gradient from the exact one (standard errors)";
    claim.at_most(name, OverSeeds(distances).largest(), None, 4.0);
}

/// One gamma variable: the correction matters, and the score is noisier.
pub fn scalar(claim: &mut Claim, run: &mut Run) {
    let draws = run.pick(20_000, 200_000);
    let exact = [2.0 * digamma(2.0) * trigamma(2.0) + polygamma(2, 2.0)];
    let f = |log_z: &Tensor| log_z.square().sum_axis(-1, false);
    let (mut near, mut far, mut ratio) = (vec![], vec![], vec![]);
    for seed in &claim.seeds {
        // Apart from the stream of the Dirichlet check.
        let mut rng = run.child(*seed).rng.split(1);
        let mut of = |way| moments(&[2.0], way, draws, &f, &mut rng);
        let full = of(Way::Rejection { augmentation: 0, full: true });
        let without = of(Way::Rejection { augmentation: 0, full: false });
        let score = of(Way::Score { leave_one_out: false });
        near.push(full.z_score(&exact));
        far.push(without.z_score(&exact));
        ratio.push(full.variance() / score.variance());
    }
    let (near, far, ratio) = (OverSeeds(near).largest(), OverSeeds(far).smallest(), OverSeeds(ratio).mean());
    let name = "Gamma(2), log^2 z: largest distance of a seed from the exact gradient (standard errors)";
    claim.at_most(name, near, None, 4.0);
    // The few draws of a smoke run cannot tell 0.097 from 0.141.
    if run.budget == Budget::Full {
        claim.at_least("Gamma(2): the smallest distance without the correction", far, Some(near), 5.0);
    }
    claim.at_most("Gamma(2): variance over the score's, mean over seeds", ratio, Some(1.0), 0.5);
}

/// A deep exponential family on digits: the bound after equal time, or after equal steps where a step of the score takes longer.
pub fn digits(claim: &mut Claim, run: &mut Run) -> Result<()> {
    let (rows, layers, steps) = run.pick((40, vec![4, 3], 30), (1796, vec![30, 15, 8], 400));
    // The counts are grey values from 0 to 16; the split gives them in [0, 1].
    let (samples, _) = elbo_data::digits8_split(1796)?;
    let values = samples.values.iter().take(rows * 64).map(|v| (16.0 * f64::from(*v)).round()).collect();
    let counts = Tensor::from_vec(values, &[rows, 64]);
    let config = RsviConfig { layers, ..RsviConfig::default() };
    let factors = config.factors(64);
    let fit = |gradient: GammaGradient, draws: usize, steps: usize, seed: u64| -> Result<(f64, f64)> {
        let mut child = run.child(seed);
        let mut family = GammaFamily::start(&factors, &counts, &mut child.rng);
        let ascent = Ascent { gradients: [gradient; 2], draws, ..config.ascent(&factors, &counts) };
        drive(&ascent, &mut family, &Stop::after(steps, "gamma factors", "elbo estimate (nats)"), &mut child)?;
        let seconds = child.elapsed().as_secs_f64();
        Ok((ascent.bound(&family, 10, &mut run.child(seed + 1000)).0 / rows as f64, seconds))
    };
    let (mut rejection, mut score, mut most) = (Vec::new(), Vec::new(), steps);
    for seed in &claim.seeds {
        let (bound, seconds) = fit(GammaGradient::Rejection { augmentation: 4 }, 1, steps, *seed)?;
        // The score takes two draws and a leave-one-out baseline.
        let mut beside = fit(GammaGradient::Score, 2, steps, *seed)?;
        // Fewer seconds for as many steps: the rest of the time is its own too. A smoke run is the same whatever the time.
        if run.budget == Budget::Full && beside.1 < seconds {
            let longer = (steps as f64 * seconds / beside.1).ceil() as usize;
            most = most.max(longer);
            beside = fit(GammaGradient::Score, 2, longer, *seed)?;
        }
        rejection.push((bound, seconds));
        score.push(beside);
    }
    let mean = |found: &[(f64, f64)], part: fn(&(f64, f64)) -> f64| OverSeeds(found.iter().map(part).collect()).mean();
    let (bound, baseline) = (mean(&rejection, |f| f.0), mean(&score, |f| f.0));
    run.note(format!(
        "deep gamma family on digits, means over {} seeds: {bound:.2} nats a digit in {:.0} s by rejection gradients ({steps} steps), \
         {baseline:.2} in {:.0} s by the score (up to {most} steps)",
        claim.seeds.len(),
        mean(&rejection, |f| f.1),
        mean(&score, |f| f.1)
    ));
    let equal = run.pick("steps", "time");
    let name = format!("bound of a deep gamma family on digits after equal {equal}, mean over seeds (nats a digit)");
    claim.at_least(&name, bound, Some(baseline), baseline);
    Ok(())
}
