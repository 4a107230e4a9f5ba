//! A latent function of time behind frames.

use super::entry::{Entry, Outcome, Size, column, encode, fit, table};
use crate::error::Result;
use elbo::core::{Rng, Run};
use elbo::tensor::special::ndtr;
use serde_json::json;

/// `markovian-gpvae`.
pub(super) fn entry() -> Entry {
    Entry::new(
        "markovian-gpvae",
        "linear networks, learned: frames left out of the series lie uniformly in their predictions",
        frames,
    )
}

/// Steps over which the latent function falls to `1/e`.
const LENGTHSCALE: f64 = 4.0;

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
