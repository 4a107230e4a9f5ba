//! What the latents, inferred from some channels, tell of the others.

use super::emission::{DISPERSIONS, LEAST_NOISE};
use super::field::{Field, infer};
use super::{CvhmConfig, Emission, Trials};
use elbo_core::{Error, ModelFile, Result};
use elbo_tensor::optim::golden_section;
use rayon::prelude::*;

/// Parts of the channels, each told by all others.
const PARTS: usize = 5;

/// How often `η` and dispersion of a channel are found, each given the other.
const ALTERNATIONS: usize = 3;

/// What the numbers of every kept channel are without latents: with what they are told of by the others, this is compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alone {
    /// `η` without known offsets.
    pub eta: Vec<f64>,
    /// Noise variance or dispersion, where the likelihood has one; else one. The noise that a model of the latents leaves would be too little here, and what known
    /// offsets explain is no noise either.
    pub levels: Vec<f64>,
}

impl Alone {
    /// That of the trials of the fit: mean numbers, or, where there are known offsets, the likeliest `η` given these, and the likeliest levels.
    ///
    /// # Errors
    /// As [`Panel::trials`](super::Panel::trials).
    pub fn learn(config: &CvhmConfig, field: &Field, trials: &Trials) -> Result<Self> {
        let panel = &field.panel;
        let plain = plain(field);
        if trials.offset.is_none() && panel.emission.level_name().is_none() {
            return Ok(Self { levels: vec![1.0; plain.len()], eta: plain });
        }
        let seen = panel.trials(config.width, trials)?;
        let of_channel = |i: usize| {
            let mut terms = vec![];
            for trial in &seen {
                let own = (i..trial.y.len()).step_by(panel.kept.len());
                terms.extend(own.map(|entry| (trial.y[entry], trial.known(entry))));
            }
            likeliest(panel.emission, plain[i], &terms)
        };
        let found: Vec<(f64, f64)> = (0..plain.len()).into_par_iter().map(of_channel).collect();
        let (eta, levels) = found.into_iter().unzip();
        Ok(Self { eta, levels })
    }

    /// Stores both.
    pub fn save(&self, file: &mut ModelFile) {
        file.put("alone", &[self.eta.len()], &self.eta);
        file.put("alone_levels", &[self.levels.len()], &self.levels);
    }

    /// What a file holds. Those of earlier versions have `η` only where there are offsets, and no levels: a Gaussian's was one, a dispersion that beside the latents.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for arrays of another length, and levels that are not positive.
    pub fn load(file: &ModelFile, field: &Field) -> Result<Self> {
        let kept = field.panel.kept.len();
        let holds = |name: &str| file.names().any(|found| found == name);
        let eta = if holds("alone") { file.get_as("alone", &[kept])? } else { plain(field) };
        let levels = if holds("alone_levels") {
            file.get_as("alone_levels", &[kept])?
        } else if field.panel.emission == Emission::NegativeBinomial {
            field.levels.clone()
        } else {
            vec![1.0; kept]
        };
        if levels.iter().all(|level| *level > 0.0) {
            return Ok(Self { eta, levels });
        }
        Err(Error::misfit("the levels of the channels are not positive"))
    }
}

/// `η` of every kept channel at its mean number.
fn plain(field: &Field) -> Vec<f64> {
    field.panel.kept.iter().map(|channel| field.panel.alone(*channel)).collect()
}

/// The `η` and the level under which numbers `y` at `η + o` are likeliest, given pairs `(y, o)`; `plain` is the `η` without offsets.
fn likeliest(emission: Emission, plain: f64, terms: &[(f64, f64)]) -> (f64, f64) {
    let (low, high) =
        terms.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, o)| (low.min(*o), high.max(*o)));
    let total = |eta: f64, level: f64| -> f64 {
        let likelihood = emission.likelihoods(&[level]).remove(0);
        terms.iter().map(|(y, o)| likelihood.log_prob(*y, eta + o)).sum()
    };
    // Concave, and with the same offset everywhere highest at `plain` less this offset.
    let eta_at = |level: f64| golden_section(plain - high, plain - low, 60, |eta| -total(eta, level));
    match emission {
        Emission::Gaussian => {
            let count = terms.len() as f64;
            let eta = terms.iter().map(|(y, o)| y - o).sum::<f64>() / count;
            let variance = terms.iter().map(|(y, o)| (y - o - eta).powi(2)).sum::<f64>() / count;
            (eta, variance.max(LEAST_NOISE))
        }
        Emission::Poisson => {
            let events: f64 = terms.iter().map(|(y, _)| y).sum();
            let rates: f64 = terms.iter().map(|(_, o)| (o - high).exp()).sum();
            ((events.max(0.5) / rates).ln() - high, 1.0)
        }
        Emission::Bernoulli => (eta_at(1.0), 1.0),
        Emission::NegativeBinomial => {
            let (few, many) = (DISPERSIONS.0.ln(), DISPERSIONS.1.ln());
            let level_at = |eta: f64| golden_section(few, many, 30, |log| -total(eta, log.exp())).exp();
            let mut eta = plain - 0.5 * (low + high);
            let mut level = level_at(eta);
            // With one offset for all bins this is the mean, likeliest under any dispersion; else the two hardly depend on each other.
            let rounds = if low < high { ALTERNATIONS } else { 0 };
            for _ in 0..rounds {
                eta = eta_at(level);
                level = level_at(eta);
            }
            (eta, level)
        }
    }
}

/// What the latents of new trials, inferred from all other channels, tell of those that are `held` beyond their means and known offsets: nats, and the
/// number of events. Kernels and the readout of every channel are those of the fit, and so is what they are `alone`.
///
/// # Errors
/// As [`infer`].
pub(super) fn told(
    config: &CvhmConfig,
    field: &Field,
    alone: &Alone,
    trials: &Trials,
    held: impl Fn(usize) -> bool,
) -> Result<(f64, f64)> {
    let moments = infer(config, &field.without(&held), trials)?;
    let (panel, likelihoods) = (&field.panel, field.likelihoods());
    let seen = panel.trials(config.width, trials)?;
    let (mut gain, mut events) = (0.0, 0.0);
    for (i, _) in panel.kept.iter().enumerate().filter(|(_, channel)| held(**channel)) {
        let likelihood = likelihoods[i % likelihoods.len()].as_ref();
        let without = panel.emission.likelihoods(&alone.levels[i..=i]).remove(0);
        for ((moments, trial), offset) in moments.iter().zip(&seen).zip(trials.offsets()) {
            let own = (i..trial.y.len()).step_by(panel.kept.len());
            for ((eta, variance), entry) in field.predictors(i, moments, offset).into_iter().zip(own) {
                let y = trial.y[entry];
                gain += panel.emission.log_prob(likelihood, y, eta, variance);
                gain -= without.log_prob(y, alone.eta[i] + trial.known(entry));
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
pub(super) fn held_out_bits(config: &CvhmConfig, field: &Field, alone: &Alone, trials: &Trials) -> Result<Option<f64>> {
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
    use elbo_core::Rng;

    #[test]
    fn the_likeliest_level_beats_its_neighbours() {
        let counts = vec![(2.0, 0.0), (0.0, -1.0), (7.0, 1.5)];
        // More scattered than Poisson's, so that the dispersion is inside its bounds.
        let scattered = vec![(0.0, 0.0), (9.0, 0.0), (0.0, -1.0), (3.0, -1.0), (30.0, 1.5), (1.0, 1.5)];
        for (emission, terms) in [
            (Emission::Poisson, counts),
            (Emission::NegativeBinomial, scattered),
            (Emission::Bernoulli, vec![(1.0, 0.0), (-1.0, -1.0), (-1.0, 1.5)]),
            (Emission::Gaussian, vec![(0.3, 0.0), (-0.8, -1.0), (1.1, 1.5)]),
        ] {
            let total = |eta: f64, level: f64| -> f64 {
                let likelihood = emission.likelihoods(&[level]).remove(0);
                terms.iter().map(|(y, o)| likelihood.log_prob(*y, eta + o)).sum()
            };
            let mean = terms.iter().map(|(y, _)| y).sum::<f64>() / terms.len() as f64;
            let (eta, level) = likeliest(emission, emission.link(mean, f64::INFINITY), &terms);
            let here = total(eta, level);
            assert!(here > total(eta - 0.01, level) && here > total(eta + 0.01, level), "{emission:?}: {eta}");
            if emission.level_name().is_some() {
                let beside = [0.95, 1.05].map(|factor| total(eta, factor * level));
                assert!(beside.iter().all(|other| here > *other), "{emission:?}: {level}");
            } else {
                assert_eq!(level, 1.0);
            }
        }
    }

    #[test]
    fn a_dispersion_beside_known_offsets_is_that_which_made_the_counts() {
        let mut rng = Rng::new(15);
        let likelihood = Emission::NegativeBinomial.likelihoods(&[2.0]).remove(0);
        let offset = |i: usize| if i.is_multiple_of(2) { 0.0 } else { 1.5 };
        let terms: Vec<(f64, f64)> =
            (0..2000).map(|i| (likelihood.sample(0.3 + offset(i), &mut rng), offset(i))).collect();
        let mean = terms.iter().map(|(y, _)| y).sum::<f64>() / 2000.0;
        let (eta, level) = likeliest(Emission::NegativeBinomial, mean.ln(), &terms);
        // About five standard errors each.
        assert!((eta - 0.3).abs() < 0.12 && (level / 2.0).ln().abs() < 0.4, "{eta} {level}");
    }
}
