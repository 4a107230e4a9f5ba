//! Latent functions of time behind counts and behind frames.

use super::entry::{Entry, Outcome, Size, column, encode, fit, saved, stored, table};
use super::linear::{cholesky, colour, matrix};
use crate::error::{DevError, Result};
use elbo::core::{Array, Data, Rng, Run};
use elbo::tensor::special::ndtr;
use serde_json::json;

/// `cvhm` and `markovian-gpvae`.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::new(
            "cvhm",
            "kernel held, readout learned: the true log rate in the middle of each trial lies uniformly in its posterior",
            spikes,
        ),
        Entry::new(
            "markovian-gpvae",
            "linear networks, learned: frames left out of the series lie uniformly in their predictions",
            frames,
        ),
    ]
}

const BINS: usize = 8;
const CHANNELS: usize = 12;
const LENGTHSCALE: f64 = 4.0;
/// Variance of the latent where loadings have length one, as the system scales them.
const VARIANCE: f64 = 6.0;
const LOG_RATE: f64 = -0.2;

/// Log rates do not depend on how the system scales and centres its latent. One bin a trial: trials are independent.
fn spikes(size: Size) -> Result<Outcome> {
    let mut rng = Rng::new(7);
    let trials = size.pick(160, 600);
    let (truth, loadings, data) = simulate_spikes(trials, &mut rng);
    let kernel = format!("matern32(variance={VARIANCE}, lengthscale={LENGTHSCALE}!)");
    let settings =
        json!({"trajectories": 1, "kernel": kernel, "learn": "off", "ridge": 0.0, "rounds": 60, "tolerance": 1e-4});
    let mut run = Run::new(7);
    let model = fit("cvhm", &settings, &data, &mut run)?;
    let codes = encode("cvhm", model.as_ref(), &data, &mut run)?;
    let (mean, sd) = (column(&codes, "latent_1")?, column(&codes, "latent_1_sd")?);
    let file = saved("cvhm", model.as_ref())?;
    let (learned, offsets) = (stored(&file, "loadings")?, stored(&file, "offsets")?);
    if learned.len() != CHANNELS || offsets.len() != CHANNELS {
        return Err(DevError::format("cvhm", format!("it kept {} of {CHANNELS} channels", learned.len())));
    }
    let strongest = (0..CHANNELS).max_by(|a, b| loadings[*a].abs().total_cmp(&loadings[*b].abs())).expect("channels");
    let place = |trial: usize| {
        let at = trial * BINS + BINS / 2;
        let found = learned[strongest] * mean[at] + offsets[strongest];
        ndtr((loadings[strongest] * truth[at] + LOG_RATE - found) / (learned[strongest].abs() * sd[at]))
    };
    Ok(Outcome { places: (0..trials).map(place).collect(), exact: None })
}

/// The latent `[trials, BINS]`, the loadings, and the counts of every channel.
fn simulate_spikes(trials: usize, rng: &mut Rng) -> (Vec<f64>, Vec<f64>, Data) {
    let raw: Vec<f64> = (0..CHANNELS).map(|_| rng.normal()).collect();
    let length = raw.iter().map(|c| c * c).sum::<f64>().sqrt();
    let loadings: Vec<f64> = raw.iter().map(|c| c / length).collect();
    let kernel = |i: usize, j: usize| {
        let r = 3f64.sqrt() * i.abs_diff(j) as f64 / LENGTHSCALE;
        VARIANCE * (1.0 + r) * (-r).exp()
    };
    let factor = cholesky(&matrix(BINS, kernel), BINS);
    let (mut latent, mut counts) = (vec![], vec![]);
    for _ in 0..trials {
        let noise: Vec<f64> = (0..BINS).map(|_| rng.normal()).collect();
        for f in colour(&factor, &noise) {
            counts.extend(loadings.iter().map(|c| rng.poisson((c * f + LOG_RATE).exp()) as f64));
            latent.push(f);
        }
    }
    let array = Array::new(&[trials, BINS, CHANNELS], counts);
    let data = Data { source: "counts".into(), arrays: vec![("counts".into(), array)], ..Data::default() };
    (latent, loadings, data)
}

/// Every tenth frame is left out: so far apart that these are nearly independent.
const GAP: usize = 10;

fn frames(size: Size) -> Result<Outcome> {
    let mut rng = Rng::new(8);
    let steps = size.pick(1000, 4000);
    let keep = (-1.0 / LENGTHSCALE).exp();
    let mut latent = rng.normal();
    let mut columns = vec![vec![]; 3];
    for _ in 0..steps {
        for (column, loading) in columns.iter_mut().zip([1.0, -1.0, 1.0]) {
            column.push(loading * latent + 0.6 * rng.normal());
        }
        latent = keep * latent + (1.0 - keep * keep).sqrt() * rng.normal();
    }
    let is_seen = |k: usize| k % GAP != GAP / 2;
    let truth = columns[0].clone();
    // What is left out is not shown to the system either.
    for column in &mut columns {
        column.iter_mut().enumerate().filter(|(k, _)| !is_seen(*k)).for_each(|(_, value)| *value = 0.0);
    }
    let seen = (0..steps).map(|k| f64::from(u8::from(is_seen(k)))).collect();
    let names = ["a", "b", "c", "observed"];
    let data = table(names.into_iter().zip(columns.into_iter().chain([seen])).collect(), None);
    let settings = json!({
        "latents": 1, "kernel": "matern12", "lengthscale": LENGTHSCALE, "learn_lengthscale": false, "encoder": [], "decoder": [],
        "steps": size.pick(300, 800), "rate": 0.03, "draws": 200,
    });
    let mut run = Run::new(8);
    let model = fit("markovian-gpvae", &settings, &data, &mut run)?;
    let found = encode("markovian-gpvae", model.as_ref(), &data, &mut run)?;
    let (mean, sd) = (column(&found, "mean")?, column(&found, "sd")?);
    let width = mean.len() / steps;
    let place = |k: usize| ndtr((truth[k] - mean[k * width]) / sd[k * width]);
    Ok(Outcome { places: (0..steps).filter(|k| !is_seen(*k)).map(place).collect(), exact: None })
}
