//! How a fit went, epoch by epoch, on rows that were held out.

use crate::vae::{LOSS_OF_BATCH, WATCHED_ELBO, WATCHED_IWAE, WATCHED_RECONSTRUCTION};
use elbo_core::{Run, Table};
use serde::{Deserialize, Serialize};

/// The end of an epoch, in nats a data point, in the unit of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Epoch {
    /// Counted from one.
    epoch: usize,
    /// Mean of the minibatches since the row before.
    loss: f64,
    /// The evidence lower bound of the held-out rows; none for a model without bounds.
    elbo: Option<f64>,
    /// Their importance-weighted bound, where training is by one.
    iwae: Option<f64>,
    /// Their reconstruction, for a model without bounds.
    reconstruction: Option<f64>,
}

/// What the curves of a run say of the epochs at whose end held-out rows were measured. `units` are what a log density in the model's unit is above the one in
/// the data's unit: of the rows in training, and of those held out.
pub(super) fn epochs(run: &Run, steps_per_epoch: usize, [of_training, of_held_out]: [f64; 2]) -> Vec<Epoch> {
    let curve = |name: &str| {
        run.metrics().iter().find(|(n, _)| n == name).map_or(&[] as &[(f64, f64)], |(_, curve)| curve.as_slice())
    };
    let losses = curve(LOSS_OF_BATCH);
    let [elbos, bounds, reconstructions] = [WATCHED_ELBO, WATCHED_IWAE, WATCHED_RECONSTRUCTION].map(curve);
    let at = |curve: &[(f64, f64)], i: usize| curve.get(i).map(|(_, value)| -value - of_held_out);
    let watched = if elbos.is_empty() { reconstructions } else { elbos };
    let mut before = 0.0;
    let epoch = |(i, (step, _)): (usize, &(f64, f64))| {
        let since = losses.iter().filter(|(s, _)| *s > before && s <= step).map(|(_, loss)| *loss);
        let (count, total) = since.fold((0.0, 0.0), |(count, total), loss| (count + 1.0, total + loss));
        before = *step;
        Epoch {
            epoch: *step as usize / steps_per_epoch,
            loss: total / count + of_training,
            elbo: at(elbos, i),
            iwae: at(bounds, i),
            reconstruction: at(reconstructions, i),
        }
    };
    watched.iter().enumerate().map(epoch).collect()
}

/// A bound of held-out rows: its name, and where it is.
type Held = (&'static str, fn(&Epoch) -> Option<f64>);

/// The table of these epochs; none without any.
pub(super) fn table(epochs: &[Epoch]) -> Option<Table> {
    if epochs.is_empty() {
        return None;
    }
    let caption = "The fit epoch by epoch: the mean loss of its minibatches, and the bound of rows that it did not learn from, with the same draws every time; in \
                   nats a data point, in the unit of the data.";
    let held: [Held; 3] = [("elbo", |e| e.elbo), ("iwae", |e| e.iwae), ("reconstruction", |e| e.reconstruction)];
    // A file has no number for a bound that was not finite.
    let held: Vec<_> = held.into_iter().filter(|(_, of)| epochs.iter().any(|epoch| of(epoch).is_some())).collect();
    let names: Vec<String> = held.iter().map(|(name, _)| format!("{name} of held-out rows")).collect();
    let columns: Vec<&str> = ["epoch", "loss"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let mut table = Table::new("history", caption, &columns);
    for epoch in epochs {
        let values = held.iter().map(|(_, of)| of(epoch).map_or_else(String::new, |value| format!("{value:.4}")));
        table.push([epoch.epoch.to_string(), format!("{:.4}", epoch.loss)].into_iter().chain(values).collect());
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_was_not_finite_at_first_leaves_an_empty_cell_in_a_model_that_was_read() {
        let of = |epoch: usize, elbo: f64| {
            let elbo = Some(elbo);
            Epoch { epoch, loss: 3.0, elbo, iwae: None, reconstruction: None }
        };
        let text = serde_json::to_string(&[of(1, f64::NEG_INFINITY), of(2, -3.5)]).unwrap();
        let table = table(&serde_json::from_str::<Vec<Epoch>>(&text).unwrap()).unwrap();
        assert_eq!(table.columns, ["epoch", "loss", "elbo of held-out rows"]);
        assert_eq!(table.rows, [["1", "3.0000", ""], ["2", "3.0000", "-3.5000"]]);
    }
}
