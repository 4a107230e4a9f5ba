//! Bayesian optimisation: the surrogate's leave-one-out predictions of trials of a known process.

use super::entry::{Entry, Outcome, Size, fit, simulations, table};
use super::linear::{cholesky, colour, matrix, mean_and_sd};
use super::process::inputs;
use crate::error::{DevError, Result};
use elbo::core::{Prediction, Rng, Run};
use serde_json::{Value, json};

const LENGTHSCALE: f64 = 0.7;
const VARIANCE: f64 = 0.9;
const NOISE: f64 = 0.1;
const ROWS: usize = 50;

/// `bo` and `bo-mean`.
pub(super) fn entries() -> Vec<Entry> {
    let test = "hyperparameters learned: a trial lies uniformly in the surrogate's prediction without it";
    let held = "as `bo`, with the learned mean and the noise held";
    vec![
        Entry::new("bo", test, |size| outcome("bo", |_| json!({"starts": 2}), size)),
        Entry::new("bo-mean", held, |size| {
            outcome("bo-mean", |noise| json!({"starts": 2, "mean": "learned", "noise": noise}), size)
        }),
    ]
}

/// `settings` are made for the noise variance as a share of the target's.
fn outcome(system: &'static str, settings: fn(f64) -> Value, size: Size) -> Result<Outcome> {
    let places = simulations(size.pick(40, 240), |i| {
        let mut rng = Rng::new(9).split(i);
        let x = inputs(ROWS);
        let y = observations(&x, &mut rng);
        let own = settings(NOISE / mean_and_sd(&y).1.powi(2));
        let model = fit(system, &own, &table(vec![("x", x), ("y", y)], Some("y")), &mut Run::new(i))?;
        let validation = model.validation().ok_or_else(|| DevError::format(system, "it does not validate itself"))?;
        let Prediction::Numbers(given) = &validation.prediction else {
            return Err(DevError::format(system, "it took a numeric target for classes"));
        };
        // One trial a table: those of one table share its hyperparameters.
        let row = rng.below(validation.observed.len());
        Ok(given.cdf(row, validation.observed[row]))
    })?;
    Ok(Outcome { places, exact: None })
}

/// A draw of the surrogate's own process, Matérn-5/2, with noise.
fn observations(x: &[f64], rng: &mut Rng) -> Vec<f64> {
    let covariance = matrix(x.len(), |i, j| {
        let r = 5f64.sqrt() * (x[i] - x[j]).abs() / LENGTHSCALE;
        VARIANCE * (1.0 + r + r * r / 3.0) * (-r).exp() + if i == j { NOISE } else { 0.0 }
    });
    let noise: Vec<f64> = x.iter().map(|_| rng.normal()).collect();
    colour(&cholesky(&covariance, x.len()), &noise)
}
