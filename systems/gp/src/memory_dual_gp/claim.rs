//! What the paper claims: streams with and without a memory.

use super::MemoryDualGpConfig;
use elbo_core::{Claim, Data, Prediction, Result, Rng, Run, Table};
use elbo_data::stored_table;
use elbo_dist::scores;
use elbo_gp::kernel::KernelConfig;
use elbo_gp::likelihood::{BernoulliProbit, Single};
use elbo_gp::memory::{Absorb, MemoryGp, Past};
use elbo_gp::supervised::{Named, Rows};
use elbo_gp::table;
use elbo_tensor::Tensor;

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
pub(super) fn moons(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
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
pub(super) fn banana(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
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
pub(super) fn digits(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
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
