//! What the latents, inferred from some channels, tell of the others.

use super::field::{Field, infer};
use super::{CvhmConfig, Trials};
use elbo_core::Result;

/// Parts of the channels, each told by all others.
const PARTS: usize = 5;

/// What the latents of new trials, inferred from all other channels, tell of those that are `held` beyond their means: nats, and the number of events.
/// Kernels and the readout of every channel are those of the fit.
///
/// # Errors
/// As [`infer`].
pub(super) fn told(
    config: &CvhmConfig,
    field: &Field,
    trials: &Trials,
    held: impl Fn(usize) -> bool,
) -> Result<(f64, f64)> {
    let moments = infer(config, &field.without(&held), trials)?;
    let (panel, likelihoods) = (&field.panel, field.likelihoods());
    let seen = panel.trials(config.width, trials)?;
    let (mut gain, mut events) = (0.0, 0.0);
    for (i, channel) in panel.kept.iter().enumerate().filter(|(_, channel)| held(**channel)) {
        let likelihood = likelihoods[i % likelihoods.len()].as_ref();
        let alone = panel.alone(*channel);
        for ((moments, trial), offset) in moments.iter().zip(&seen).zip(trials.offsets()) {
            let own = trial.y.iter().skip(i).step_by(panel.kept.len());
            for ((eta, variance), y) in field.predictors(i, moments, offset).into_iter().zip(own) {
                gain += panel.emission.log_prob(likelihood, *y, eta, variance);
                gain -= panel.emission.log_prob_alone(likelihood, *y, alone);
                events += panel.emission.events(*y);
            }
        }
    }
    Ok((gain, events))
}

/// Bits an event that channels tell of each other through the latents, beyond their mean rates: the channels are in five parts, each told by the other
/// four. `None` for a single channel.
///
/// # Errors
/// As [`infer`].
pub(super) fn held_out_bits(config: &CvhmConfig, field: &Field, trials: &Trials) -> Result<Option<f64>> {
    let kept = &field.panel.kept;
    let parts = PARTS.min(kept.len());
    if parts < 2 {
        return Ok(None);
    }
    let (mut gain, mut events) = (0.0, 0.0);
    for part in 0..parts {
        let is_held = |channel: usize| kept.binary_search(&channel).is_ok_and(|i| i % parts == part);
        let (own_gain, own_events) = told(config, field, trials, is_held)?;
        gain += own_gain;
        events += own_events;
    }
    Ok(Some(gain / f64::max(events, 1.0) / std::f64::consts::LN_2))
}
