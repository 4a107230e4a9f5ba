//! What the latents, inferred from some channels, tell of the others.

use super::field::{Field, infer};
use super::{CvhmConfig, Emission, Trials};
use elbo_core::Result;
use elbo_gp::likelihood::Likelihood;
use elbo_tensor::optim::golden_section;

/// Parts of the channels, each told by all others.
const PARTS: usize = 5;

/// `η` of every kept channel without latents and known offsets: that of its mean number, or, where the trials of the fit have offsets, the likeliest one
/// given these.
///
/// # Errors
/// As [`Panel::trials`](super::Panel::trials).
pub(super) fn alone(config: &CvhmConfig, field: &Field, trials: &Trials) -> Result<Vec<f64>> {
    let panel = &field.panel;
    let mut out: Vec<f64> = panel.kept.iter().map(|channel| panel.alone(*channel)).collect();
    if trials.offset.is_none() {
        return Ok(out);
    }
    let (seen, likelihoods) = (panel.trials(config.width, trials)?, field.likelihoods());
    for (i, level) in out.iter_mut().enumerate() {
        let mut terms = vec![];
        for trial in &seen {
            let own = (i..trial.y.len()).step_by(panel.kept.len());
            terms.extend(own.map(|entry| (trial.y[entry], trial.known(entry))));
        }
        *level = likeliest(panel.emission, likelihoods[i % likelihoods.len()].as_ref(), *level, &terms);
    }
    Ok(out)
}

/// The `a` under which numbers `y` at `a + o` are likeliest, given pairs `(y, o)`; `plain` is the one without offsets.
fn likeliest(emission: Emission, likelihood: &dyn Likelihood, plain: f64, terms: &[(f64, f64)]) -> f64 {
    let (low, high) =
        terms.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, o)| (low.min(*o), high.max(*o)));
    match emission {
        Emission::Gaussian => terms.iter().map(|(y, o)| y - o).sum::<f64>() / terms.len() as f64,
        Emission::Poisson => {
            let events: f64 = terms.iter().map(|(y, _)| y).sum();
            let rates: f64 = terms.iter().map(|(_, o)| (o - high).exp()).sum();
            (events.max(0.5) / rates).ln() - high
        }
        // Concave, and with the same offset everywhere highest at `plain` less this offset.
        Emission::Bernoulli | Emission::NegativeBinomial => golden_section(plain - high, plain - low, 60, |a| {
            -terms.iter().map(|(y, o)| emission.log_prob_alone(likelihood, *y, a + o)).sum::<f64>()
        }),
    }
}

/// What the latents of new trials, inferred from all other channels, tell of those that are `held` beyond their means and known offsets: nats, and the
/// number of events. Kernels and the readout of every channel are those of the fit; `alone` is what [`alone`] says of it.
///
/// # Errors
/// As [`infer`].
pub(super) fn told(
    config: &CvhmConfig,
    field: &Field,
    alone: &[f64],
    trials: &Trials,
    held: impl Fn(usize) -> bool,
) -> Result<(f64, f64)> {
    let moments = infer(config, &field.without(&held), trials)?;
    let (panel, likelihoods) = (&field.panel, field.likelihoods());
    let seen = panel.trials(config.width, trials)?;
    let (mut gain, mut events) = (0.0, 0.0);
    for (i, _) in panel.kept.iter().enumerate().filter(|(_, channel)| held(**channel)) {
        let likelihood = likelihoods[i % likelihoods.len()].as_ref();
        for ((moments, trial), offset) in moments.iter().zip(&seen).zip(trials.offsets()) {
            let own = (i..trial.y.len()).step_by(panel.kept.len());
            for ((eta, variance), entry) in field.predictors(i, moments, offset).into_iter().zip(own) {
                let y = trial.y[entry];
                gain += panel.emission.log_prob(likelihood, y, eta, variance);
                gain -= panel.emission.log_prob_alone(likelihood, y, alone[i] + trial.known(entry));
                events += panel.emission.events(y);
            }
        }
    }
    Ok((gain, events))
}

/// Bits an event that channels tell of each other through the latents, beyond their mean rates and known offsets: the channels are in five parts,
/// each told by the other four. `None` for a single channel.
///
/// # Errors
/// As [`infer`].
pub(super) fn held_out_bits(config: &CvhmConfig, field: &Field, alone: &[f64], trials: &Trials) -> Result<Option<f64>> {
    let kept = &field.panel.kept;
    let parts = PARTS.min(kept.len());
    if parts < 2 {
        return Ok(None);
    }
    let (mut gain, mut events) = (0.0, 0.0);
    for part in 0..parts {
        let is_held = |channel: usize| kept.binary_search(&channel).is_ok_and(|i| i % parts == part);
        let (own_gain, own_events) = told(config, field, alone, trials, is_held)?;
        gain += own_gain;
        events += own_events;
    }
    Ok(Some(gain / f64::max(events, 1.0) / std::f64::consts::LN_2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_level_beats_its_neighbours() {
        let counts = [(2.0, 0.0), (0.0, -1.0), (7.0, 1.5)];
        for (emission, terms) in [
            (Emission::Poisson, counts),
            (Emission::NegativeBinomial, counts),
            (Emission::Bernoulli, [(1.0, 0.0), (-1.0, -1.0), (-1.0, 1.5)]),
            (Emission::Gaussian, [(0.3, 0.0), (-0.8, -1.0), (1.1, 1.5)]),
        ] {
            let likelihood = emission.likelihoods(&[2.0]).remove(0);
            let total = |a: f64| -> f64 {
                terms.iter().map(|(y, o)| emission.log_prob_alone(likelihood.as_ref(), *y, a + o)).sum()
            };
            let mean = terms.iter().map(|(y, _)| y).sum::<f64>() / 3.0;
            let found = likeliest(emission, likelihood.as_ref(), emission.link(mean, f64::INFINITY), &terms);
            let (here, below, above) = (total(found), total(found - 0.01), total(found + 0.01));
            assert!(here > below && here > above, "{emission:?}: {found}, {here} {below} {above}");
        }
    }
}
