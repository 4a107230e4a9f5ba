//! Models that give each data point a code: the posteriors of the codes of their own samples add up to the prior of the code.
//!
//! With linear networks and one code the true posterior is a normal of constant spread, which the encoder can be to the letter; its spread
//! follows from the decoder's weights `w` and noise variances `v`: `1 / sqrt(1 + Σ w² / v)`.

use super::entry::{Entry, Exact, Outcome, Size, column, encode, fit, saved, stored, table};
use crate::error::{DevError, Result};
use elbo::core::{Data, Rng, Run};
use elbo::tensor::special::ndtr;
use serde_json::{Value, json};

/// The three systems.
pub(super) fn entries() -> Vec<Entry> {
    let test = "linear networks: codes drawn for the model's own samples are draws of their prior, and their spread is the exact one";
    let at_bound = "as `aevb`, at `alpha` 0 and `lambda` 1, where the objective is the evidence lower bound";
    vec![
        Entry::new("aevb", test, |size| outcome("aevb", &json!({"weight_precision": 0.0}), size)),
        Entry::new("iwae", test, |size| outcome("iwae", &json!({"resample": 0}), size)),
        Entry::new("infovae", at_bound, |size| outcome("infovae", &json!({"alpha": 0.0, "lambda": 1.0}), size)),
    ]
}

fn outcome(system: &'static str, own: &Value, size: Size) -> Result<Outcome> {
    let mut settings = json!({"latent": 1, "hidden": [], "batch": 50, "rate": 0.05, "decay": "cosine"});
    settings["epochs"] = json!(size.pick(150, 400));
    for (name, value) in own.as_object().expect("settings are a table") {
        settings[name] = value.clone();
    }
    let mut rng = Rng::new(6);
    let mut run = Run::new(6);
    let model = fit(system, &settings, &points(600, &mut rng), &mut run)?;
    let verb = model.as_sample().ok_or_else(|| DevError::format(system, "its models do not sample"))?;
    let drawn = verb.sample(size.pick(400, 2000), &mut run)?;
    let codes = encode(system, model.as_ref(), &drawn, &mut run)?;
    let (mean, sd) = (column(&codes, "z1")?, column(&codes, "z1_sd")?);
    let places = mean.iter().zip(&sd).map(|(mean, sd)| ndtr(mean + sd * rng.normal())).collect();

    let file = saved(system, model.as_ref())?;
    let (weights, variances) = (stored(&file, "vae.decoder.0.weight")?, stored(&file, "vae.likelihood.variance")?);
    let precision: f64 = weights.iter().zip(&variances).map(|(w, log_v)| w * w / log_v.exp()).sum();
    let exact = 1.0 / (1.0 + precision).sqrt();
    let average = sd.iter().sum::<f64>() / sd.len() as f64;
    // What Adam leaves of the encoder's error in so few steps.
    let tolerance = size.pick(0.1, 0.05);
    Ok(Outcome { places, exact: Some(Exact { distance: (average / exact - 1.0).abs(), tolerance }) })
}

/// Four numbers with one common factor and noise.
fn points(rows: usize, rng: &mut Rng) -> Data {
    let mut columns = vec![vec![]; 4];
    for _ in 0..rows {
        let factor = rng.normal();
        for (column, loading) in columns.iter_mut().zip([1.0, -0.8, 0.6, 0.9]) {
            column.push(loading * factor + 0.5 * rng.normal());
        }
    }
    table(["a", "b", "c", "d"].into_iter().zip(columns).collect(), None)
}
