//! The claim: the dense likelihood, and forecasts of a series with a trend and a season.

use super::{MarkovGpConfig, MarkovGpModel, MarkovGpSystem, TREND, Timed};
use elbo_core::{Array, Budget, Claim, Data, FromData, Predict, Prediction, Result, Rng, Run, System};
use elbo_dist::scores;
use elbo_markov::{Series, reference};

/// A series like the carbon dioxide of Mauna Loa: monthly, a bending trend, a season whose shape drifts, weather with a memory of months,
/// and noise. Times in years.
fn carbon_like(years: usize, rng: &mut Rng) -> (Vec<f64>, Vec<f64>) {
    let (mut weather, mut drift) = (0.0, 0.0);
    (0..12 * years)
        .map(|k| {
            let t = k as f64 / 12.0;
            weather = 0.8 * weather + 0.25 * rng.normal();
            drift = 0.995 * drift + 0.02 * rng.normal();
            let angle = std::f64::consts::TAU * t;
            let season = (3.0 + 0.02 * t) * (angle + drift).sin() + 0.9 * (2.0 * angle + 0.5).cos();
            (1960.0 + t, 316.0 + 0.9 * t + 0.012 * t * t + season + weather + 0.1 * rng.normal())
        })
        .unzip()
}

/// Means over the series of a study.
#[derive(Default)]
struct Study {
    /// RMSE over that of the same process without a repetition.
    without: f64,
    /// RMSE over that of the last year, raised each year by the mean rise of ten years.
    last_year: f64,
    /// Share of the future inside the 90 % intervals.
    coverage: f64,
    /// Largest distance of a log likelihood from the dense one.
    identity: f64,
}

/// Forecasts five years of one series a seed, `years` long with them.
fn study(system: &MarkovGpSystem, years: usize, seeds: &[u64], run: &Run) -> Result<Study> {
    let mut out = Study::default();
    let count = seeds.len() as f64;
    for seed in seeds {
        let mut child = run.child(*seed);
        let (times, values) = carbon_like(years, &mut child.rng);
        // The last five years are the future.
        let cut = times.len() - 60;
        let table = |rows: std::ops::Range<usize>| {
            let column = |v: &[f64]| Array::new(&[rows.len()], v[rows.clone()].to_vec());
            let arrays = vec![("t".to_owned(), column(&times)), ("y".to_owned(), column(&values))];
            Data { source: "a series like carbon dioxide".into(), arrays, target: Some("y".into()), ..Data::default() }
        };
        let config =
            MarkovGpConfig { starts: run.pick(1, 3), iterations: run.pick(40, 200), ..MarkovGpConfig::default() };
        let observed = &values[cut..];
        let mut forecast = |config: &MarkovGpConfig| -> Result<_> {
            let model = system.fit(config, Timed::from_data(&table(0..cut))?, &mut child)?;
            match model.predict(&table(cut..times.len()), &mut child)? {
                Prediction::Numbers(marginals) => Ok((scores::regression(marginals.as_ref(), observed)?, model)),
                Prediction::Classes { .. } => unreachable!("a regression predicts numbers"),
            }
        };
        let (score, model) = forecast(&config)?;
        let plain = MarkovGpConfig { kernel: Some(format!("{TREND} + matern52 + matern32")), ..config.clone() };
        out.without += score.rmse / forecast(&plain)?.0.rmse / count;
        let span = 120.min(cut - 12);
        let rise = (values[cut - 12..cut].iter().sum::<f64>()
            - values[cut - 12 - span..cut - span].iter().sum::<f64>())
            / span as f64;
        let rival = |i: usize| values[cut - 12 + i % 12] + rise * (i / 12 + 1) as f64;
        let error =
            observed.iter().enumerate().map(|(i, y)| (y - rival(i)).powi(2)).sum::<f64>() / observed.len() as f64;
        out.last_year += score.rmse / error.sqrt() / count;
        out.coverage += score.coverage.p90 / count;
        out.identity = out.identity.max(dense_difference(&model)?);
    }
    Ok(out)
}

/// All parts.
pub(super) fn claim(system: &MarkovGpSystem, run: &mut Run) -> Result<Claim> {
    let seeds = run.seeds(3);
    let found = study(system, run.pick(18, 40), &seeds, run)?;
    let mut claim = Claim::new(seeds.clone());
    claim.at_most("log likelihood: distance from the dense process, relative", found.identity, None, 1e-8);
    // A fit that finds no repetition gives one.
    claim.at_most(
        "five years ahead: RMSE over that of the process without a repetition",
        found.without,
        Some(1.0),
        0.6,
    );
    // Five years of one series err together: one series of a smoke run says little about a mean near 0.9.
    if run.budget == Budget::Full {
        claim.at_most(
            "five years ahead: RMSE over that of the last year repeated with its rise",
            found.last_year,
            Some(1.0),
            1.0,
        );
        claim.at_least("five years ahead: share inside the 90 % intervals", found.coverage, None, 0.8);
        // Thirteen years of rows are few for a trend: two more series a seed.
        let more: Vec<u64> = seeds.iter().flat_map(|s| [*s, s + 1000, s + 2000]).collect();
        let short = study(system, 18, &more, run)?;
        claim.at_most(
            "the same after thirteen years: RMSE over that of the last year repeated with its rise",
            short.last_year,
            Some(1.0),
            1.0,
        );
        claim.at_least("the same after thirteen years: share inside the 90 % intervals", short.coverage, None, 0.8);
    }
    Ok(claim)
}

/// Log likelihood of the first rows by the filter and by a Cholesky factor of their covariance.
fn dense_difference(model: &MarkovGpModel) -> Result<f64> {
    let n = model.y.len().min(240);
    let (times, y) = (&model.times[..n], &model.y[..n]);
    let gp = &model.gp;
    let mut ky: Vec<f64> =
        times.iter().flat_map(|t| times.iter().map(|s| gp.kernel.covariance(*t, *s, gp.origin))).collect();
    (0..n).for_each(|i| ky[i * n + i] += gp.noise);
    let dense = reference::log_normal(y, &ky)?;
    Ok((gp.log_marginal(&Series::new(times, y)?)? - dense).abs() / dense.abs().max(1.0))
}
