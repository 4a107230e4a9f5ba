//! What the paper promises: with few rows, integrating gives better densities and coverage than the likeliest values.

use super::{BayesianGpr, BayesianGprConfig, Infer};
use elbo_core::{Budget, Claim, Data, FromData, Predict, Prediction, Regression, Result, Rng, Run, System, Table};
use elbo_data::{MakeOptions, holdout, make_from, stored_table};
use elbo_dist::scores::{self, RegressionScores};

pub(super) fn claim(run: &mut Run) -> Result<Claim> {
    let mut claim = Claim::new(run.seeds(12));
    made_up(&mut claim, run)?;
    if run.budget == Budget::Full {
        real(&mut claim, run)?;
    }
    Ok(claim)
}

/// Fits on some rows, and scores the predictions of others.
fn scored(config: &BayesianGprConfig, train: &Data, test: &Data, run: &mut Run) -> Result<RegressionScores> {
    let observed = test.get(test.target()?)?.to_f64().expect("the target is numeric");
    let model = BayesianGpr.fit(config, Regression::from_data(train)?, run)?;
    let Prediction::Numbers(marginals) = model.predict(test, run)? else { unreachable!("numbers") };
    scores::regression(marginals.as_ref(), &observed)
}

/// Friedman's function with 20 rows.
fn made_up(claim: &mut Claim, run: &mut Run) -> Result<()> {
    let full = run.budget == Budget::Full;
    // A smoke run looks at three sets of rows for its one seed, with shorter chains.
    let repeats = run.pick(3, 1);
    let base = if full {
        BayesianGprConfig::default()
    } else {
        BayesianGprConfig { chains: 2, warmup: 150, draws: 100, ..BayesianGprConfig::default() }
    };
    let methods: &[Infer] =
        if full { &[Infer::Ml2, Infer::Nuts, Infer::ViFull, Infer::ViMf] } else { &[Infer::Ml2, Infer::Nuts] };
    let mut all: Vec<Vec<RegressionScores>> = vec![vec![]; methods.len()];
    for seed in claim.seeds.iter().flat_map(|s| (0..repeats).map(move |r| s + 1000 * r)) {
        let mut child = run.child(seed);
        let (train, test) = (friedman(20, &mut child)?, friedman(300, &mut child)?);
        for (infer, found) in methods.iter().zip(&mut all) {
            let config = BayesianGprConfig { infer: *infer, ..base.clone() };
            found.push(scored(&config, &train, &test, &mut run.child(seed))?);
        }
    }
    let count = all[0].len() as f64;
    let mean = |of: fn(&RegressionScores) -> f64, k: usize| all[k].iter().map(of).sum::<f64>() / count;
    let nlpd = |k: usize| mean(|s| s.nlpd, k);
    let coverage = |k: usize| mean(|s| s.coverage.p95, k);
    let better = all[0].iter().zip(&all[1]).filter(|(a, b)| b.nlpd < a.nlpd).count() as f64 / count;
    let gain = nlpd(0) - nlpd(1);
    claim.at_least(
        "gain in test log density over the likeliest values (nats a row)",
        gain,
        Some(0.0),
        if full { 0.5 } else { 0.0 },
    );
    claim.at_least("95 % coverage, integrated", coverage(1), Some(coverage(0)), if full { 0.9 } else { 0.85 });
    if full {
        // Three data sets of a smoke run say nothing about a share.
        claim.at_least("share of data sets where integrating is better", better, None, 0.75);
        claim.at_most("95 % coverage, integrated, from above", coverage(1), Some(coverage(0)), 0.99);
        claim.at_most("95 % coverage of the likeliest values", coverage(0), None, 0.85);
        claim.at_most(
            "test RMSE over that of the likeliest values",
            mean(|s| s.rmse, 1) / mean(|s| s.rmse, 0),
            Some(1.0),
            1.0,
        );
        let share = (nlpd(0) - nlpd(2)) / gain;
        claim.at_least("share of the gain that full-rank variational inference has", share, None, 0.5);
        claim.at_least("gain of mean-field variational inference (nats a row)", nlpd(0) - nlpd(3), Some(0.0), 0.0);
    }
    Ok(())
}

/// The real tables.
const REAL: [&str; 3] = ["boston", "uci-concrete", "diabetes"];
/// Rows that are learned from; all others are predicted.
const REAL_ROWS: [usize; 2] = [50, 200];
/// Seeds of the real tables, of those of the claim.
const REAL_SEEDS: usize = 3;
/// A mean no further below the likeliest values' counts as no worse, in nats a row.
const UNNOTICED: f64 = 0.01;

/// Real tables with few rows, integrated over against the likeliest values. Tables that were not fetched are skipped.
fn real(claim: &mut Claim, run: &mut Run) -> Result<()> {
    let mut table = Table::new(
        "real",
        "Real tables: mean log density of the rows not learned from (nats a row), its standard error over seeds, and 95 % coverage.",
        &["table", "rows", "integrated", "likeliest", "difference", "s.e.", "coverage", "coverage, likeliest"],
    );
    let (mut gains, mut distances) = (vec![], [0.0; 2]);
    let seeds: Vec<u64> = claim.seeds.iter().copied().take(REAL_SEEDS).collect();
    for key in REAL {
        // One travels with the program.
        let data = if key == "diabetes" { elbo_data::diabetes() } else { stored_table(key, false) };
        let data = match data {
            Ok(data) => data,
            Err(absence) => {
                claim.skip(&format!("log density and coverage on {key}"), &absence);
                continue;
            }
        };
        for rows in REAL_ROWS {
            let mut found = vec![];
            for seed in &seeds {
                let rest = 1.0 - rows as f64 / data.rows() as f64;
                let (train, test) = holdout(data.rows(), rest, &mut Rng::new(*seed))?.apply(&data);
                let of = |infer: Infer, run: &Run| {
                    let config = BayesianGprConfig { infer, ..BayesianGprConfig::default() };
                    scored(&config, &train, &test, &mut run.child(*seed))
                };
                found.push([of(Infer::Nuts, run)?, of(Infer::Ml2, run)?]);
            }
            let count = found.len() as f64;
            let mean = |of: &dyn Fn(&[RegressionScores; 2]) -> f64| found.iter().map(of).sum::<f64>() / count;
            let difference = |f: &[RegressionScores; 2]| f[1].nlpd - f[0].nlpd;
            let gain = mean(&difference);
            let spread = found.iter().map(|f| (difference(f) - gain).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
            let coverage = [0, 1].map(|k| mean(&|f| f[k].coverage.p95));
            distances.iter_mut().zip(coverage).for_each(|(sum, c)| *sum += (c - 0.95).abs());
            gains.push(gain);
            let densities = [0, 1].map(|k| -mean(&|f| f[k].nlpd));
            let numbers = [densities[0], densities[1], gain, (spread / count).sqrt(), coverage[0], coverage[1]];
            let cells = numbers.iter().map(|v| format!("{v:.4}")).collect();
            table.push([vec![key.to_owned(), rows.to_string()], cells].concat());
        }
    }
    run.table(table);
    let count = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / count;
    let kept = gains.iter().filter(|g| **g >= -UNNOTICED).count() as f64 / count;
    let [integrated, likeliest] = distances.map(|sum| sum / count);
    claim.at_least("real tables: mean gain in test log density (nats a row)", mean, Some(0.0), 0.0);
    claim.at_least("real tables: share of tables and sizes with no loss above 0.01 nats a row", kept, Some(0.5), 0.75);
    claim.at_most("real tables: mean distance of the 95 % coverage", integrated, Some(likeliest), likeliest);
    Ok(())
}

/// Friedman's function of five uniform inputs, with unit noise.
pub(super) fn friedman(rows: usize, run: &mut Run) -> Result<Data> {
    make_from("friedman1", &mut run.rng, &MakeOptions { rows: Some(rows), dims: Some(5), noise: None })
}
