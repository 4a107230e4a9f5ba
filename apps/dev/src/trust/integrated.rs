//! `bayesian-gpr`: hyperparameters drawn from their priors, and new observations in the predictions that integrate over them.

use super::entry::{Entry, Outcome, Size, fit, predict, simulations, table};
use super::linear::{matrix, mean_and_sd};
use super::process::{inputs, with_mean_zero};
use crate::error::Result;
use elbo::core::{Rng, Run};
use serde_json::json;

const ROWS: usize = 10;
/// Noise variance, known to the model.
const NOISE: f64 = 0.1;

/// The test of `bayesian-gpr`.
pub(super) fn entry() -> Entry {
    let test = "lengthscale and variance drawn from their priors: new observations lie uniformly in the integrated predictions; noise held";
    Entry::new("bayesian-gpr", test, outcome)
}

fn outcome(size: Size) -> Result<Outcome> {
    let (warmup, draws) = size.pick((100, 100), (200, 200));
    let places = simulations(size.pick(24, 240), |i| {
        let mut rng = Rng::new(4).split(i);
        let (x, new_x, y) = simulate(&mut rng);
        let (target, new_y) = (y[..ROWS].to_vec(), y[ROWS]);
        let scale = mean_and_sd(&target).1;
        // The prior of the variance and the noise are given in the unit of the standardised target.
        let settings = json!({
            "infer": "nuts", "chains": 2, "warmup": warmup, "draws": draws, "noise_held": NOISE / (scale * scale),
            "lengthscale": {"type": "log_normal", "mu": 0.0, "sigma": 1.0},
            "variance": {"type": "log_normal", "mu": -2.0 * scale.ln(), "sigma": 1.0},
        });
        let mut run = Run::new(i);
        let model = fit("bayesian-gpr", &settings, &table(vec![("x", x), ("y", target)], Some("y")), &mut run)?;
        let given = predict("bayesian-gpr", model.as_ref(), &table(vec![("x", vec![new_x])], None), &mut run)?;
        Ok(given.cdf(0, new_y))
    })?;
    Ok(Outcome { places, exact: None })
}

/// Inputs, a new input, and observations at all of them, given that those at the inputs have mean zero.
///
/// The condition weighs hyperparameters by the density of a mean of zero, which is proportional to the mean's variance to the power -1/2;
/// that variance is at least the noise over the rows, so that rejection is exact.
fn simulate(rng: &mut Rng) -> (Vec<f64>, f64, Vec<f64>) {
    let x = inputs(ROWS);
    let new_x = rng.range(-1.5, 1.5);
    let scale = mean_and_sd(&x).1;
    let all: Vec<f64> = x.iter().chain([&new_x]).map(|x| x / scale).collect();
    loop {
        let (lengthscale, variance) = (rng.normal().exp(), rng.normal().exp());
        let covariance = matrix(ROWS + 1, |i, j| {
            let noise = if i == j { NOISE } else { 0.0 };
            variance * (-0.5 * ((all[i] - all[j]) / lengthscale).powi(2)).exp() + noise
        });
        let rows = covariance.chunks_exact(ROWS + 1).take(ROWS);
        let of_mean = rows.map(|row| row[..ROWS].iter().sum::<f64>()).sum::<f64>() / (ROWS * ROWS) as f64;
        if rng.uniform() < (NOISE / ROWS as f64 / of_mean).sqrt() {
            return (x, new_x, with_mean_zero(&covariance, rng));
        }
    }
}
