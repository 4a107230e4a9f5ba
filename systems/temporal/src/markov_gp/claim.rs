//! The claim: the dense likelihood, and forecasts of a series with a trend and a season.

use super::{MarkovGpConfig, MarkovGpModel, MarkovGpSystem, Timed};
use elbo_core::{Array, Budget, Claim, Data, Error, FromData, Predict, Prediction, Result, Rng, Run, System};
use elbo_dist::scores;
use elbo_markov::{Series, small};

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

/// All parts.
pub(super) fn claim(system: &MarkovGpSystem, run: &mut Run) -> Result<Claim> {
    let seeds = run.seeds(3);
    let years = run.pick(18, 40);
    let (mut without, mut ratio, mut coverage, mut identity, mut count) = (0.0, 0.0, 0.0, 0.0f64, 0.0);
    for seed in &seeds {
        let mut child = run.child(*seed);
        let (times, values) = carbon_like(years, &mut child.rng);
        // The last five years are the future.
        let cut = times.len() - 60;
        let table = |rows: std::ops::Range<usize>| {
            let column = |v: &[f64]| Array::new(&[rows.len()], v[rows.clone()].to_vec());
            let arrays = vec![("t".to_owned(), column(&times)), ("y".to_owned(), column(&values))];
            Data { source: "a series like carbon dioxide".into(), arrays, target: Some("y".into()), notes: vec![] }
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
        let plain = MarkovGpConfig { kernel: Some("linear + matern52 + matern32".into()), ..config.clone() };
        without += score.rmse / forecast(&plain)?.0.rmse;
        // Another rival repeats the last year, raised by the rise of the last ten.
        let span = 120.min(cut - 12);
        let rise = (values[cut - 12..cut].iter().sum::<f64>()
            - values[cut - 12 - span..cut - span].iter().sum::<f64>())
            / span as f64;
        let rival = |i: usize| values[cut - 12 + i % 12] + rise * (i / 12 + 1) as f64;
        let error =
            observed.iter().enumerate().map(|(i, y)| (y - rival(i)).powi(2)).sum::<f64>() / observed.len() as f64;
        ratio += score.rmse / error.sqrt();
        coverage += score.coverage.p90;
        identity = identity.max(dense_difference(&model)?);
        count += 1.0;
    }
    let mut claim = Claim::new(seeds);
    claim.at_most("log likelihood: distance from the dense process, relative", identity, None, 1e-8);
    // A fit that finds no repetition gives one.
    claim.at_most(
        "five years ahead: RMSE over that of the process without a repetition",
        without / count,
        Some(1.0),
        run.pick(0.95, 0.6),
    );
    // A smoke run is too short for the search to end.
    if run.budget == Budget::Full {
        claim.at_most(
            "five years ahead: RMSE over that of the last year repeated with its rise",
            ratio / count,
            Some(1.0),
            1.0,
        );
        claim.at_least("five years ahead: share inside the 90 % intervals", coverage / count, None, 0.8);
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
    let chol = small::cholesky(&ky, n)
        .ok_or_else(|| Error::numerical("the dense covariance cannot be factored", "raise the noise"))?;
    let alpha = small::cholesky_solve(&chol, y, n, 1);
    let quadratic: f64 = y.iter().zip(&alpha).map(|(a, b)| a * b).sum();
    let dense = -0.5 * (quadratic + small::log_det(&chol, n) + n as f64 * std::f64::consts::TAU.ln());
    Ok((gp.log_marginal(&Series::new(times, y)?)? - dense).abs() / dense.abs().max(1.0))
}
