//! Which entropy model suits given integers: bits an integer of each at its best.

use crate::density::{Density, SHAPES, log_scale_to};
use crate::mixture::{COMPONENTS, MixtureTables};
use elbo_core::{Error, Result};
use elbo_tensor::optim::golden_section;
use serde::Serialize;
use std::collections::BTreeMap;

/// Most rounds of a mixture's fit.
const MOST_ROUNDS: usize = 10_000;

/// Integers up to this on both sides of zero are compared.
const MOST: f64 = 1e9;

/// An entropy model of one scale at its best.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fitted {
    /// `gaussian`, `laplace`, `gmm3` or `ggm`.
    pub model: &'static str,
    /// Bits an integer, in real numbers.
    pub bits: f64,
    /// The same by the shares of integer arithmetic that a file has, where these are made for each integer: `gmm3`.
    pub bits_in_file: Option<f64>,
    /// The scale, where there is one.
    pub scale: Option<f64>,
    /// The shape, where it is learned.
    pub shape: Option<f64>,
}

/// Entropy models side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Integers that were given.
    pub count: usize,
    /// One each of the models, each at its best.
    pub models: Vec<Fitted>,
    /// Entropy of the frequencies of distances from zero, which no symmetric model beats, in bits an integer.
    pub entropy: f64,
}

/// Compares Gaussians, Laplace densities, mixtures of three Gaussians and generalised Gaussians on integers quantised about a mean of zero.
///
/// # Errors
/// [`Error::Data`] when there are no numbers, or one is not whole or beyond 10^9.
pub fn compare(values: &[f64]) -> Result<Comparison> {
    let shares = shares(values)?;
    let deviation = shares.iter().map(|(k, p)| p * (*k as f64).powi(2)).sum::<f64>().sqrt().max(0.1);
    let best = |density: Density| {
        let bits = |log_scale: f64| bits(&shares, &[(1.0, density, log_scale.exp())]);
        let log_scale = golden_section(deviation.ln() - 6.0, deviation.ln() + 3.0, 40, bits);
        (bits(log_scale), log_scale.exp())
    };
    let plain = |model: &'static str, density: Density| {
        let (bits, scale) = best(density);
        Fitted { model, bits, bits_in_file: None, scale: Some(scale), shape: None }
    };
    let shape = golden_section(SHAPES.0, SHAPES.1, 40, |shape| best(Density::Generalised { shape }).0);
    let (real, parts) = mixture(&shares, deviation);
    let models = vec![
        plain("gaussian", Density::Gaussian),
        plain("laplace", Density::Laplace),
        Fitted {
            model: "gmm3",
            bits: real,
            bits_in_file: Some(in_integers(&shares, &parts)),
            scale: None,
            shape: None,
        },
        Fitted { shape: Some(shape), ..plain("ggm", Density::Generalised { shape }) },
    ];
    let entropy = -shares.iter().map(|(k, p)| p * (p / signs(*k)).log2()).sum::<f64>();
    Ok(Comparison { count: values.len(), models, entropy })
}

/// How often each distance from zero occurs, as shares.
type Shares = Vec<(i64, f64)>;

/// Integers at this distance from zero.
fn signs(k: i64) -> f64 {
    if k == 0 { 1.0 } else { 2.0 }
}

fn shares(values: &[f64]) -> Result<Shares> {
    const REMEDY: &str = "give quantised residuals";
    let mut counts = BTreeMap::<i64, f64>::new();
    for value in values {
        // The rest of what is no number is no zero either.
        if value.fract() != 0.0 || value.abs() > MOST {
            return Err(Error::data(format!("{value} is no whole number below 10^9"), REMEDY));
        }
        *counts.entry(value.abs() as i64).or_default() += 1.0;
    }
    if counts.is_empty() {
        return Err(Error::data("there are no numbers", REMEDY));
    }
    let total = values.len() as f64;
    Ok(counts.into_iter().map(|(k, n)| (k, n / total)).collect())
}

/// Cross-entropy by a mixture of densities with weights and scales.
fn bits(shares: &Shares, parts: &[(f64, Density, f64)]) -> f64 {
    let p = |k: i64| parts.iter().map(|(w, density, scale)| w * density.probability(k, *scale)).sum::<f64>();
    shares.iter().map(|(k, share)| -share * p(*k).max(1e-300).log2()).sum()
}

/// Weight, density and scale of each Gaussian of a mixture.
type Parts = [(f64, Density, f64); COMPONENTS];

/// Bits by a mixture whose numbers are rounded and whose shares are whole numbers.
fn in_integers(shares: &Shares, parts: &Parts) -> f64 {
    let tables = MixtureTables::new();
    // A weight of nothing has no logarithm.
    let logits = parts.map(|p| (1024.0 * p.0.max(1e-9).ln()).round() as i32);
    let mixture = tables.mixture(logits, [0; COMPONENTS], parts.map(|p| log_scale_to(p.2)));
    let cost = |k: i64| 0.5 * (tables.cost(&mixture, k as i32) + tables.cost(&mixture, -k as i32));
    shares.iter().map(|(k, share)| share * cost(*k)).sum()
}

/// Bits by three Gaussians, and these: weights and scales in turn, until nothing moves, in [`MOST_ROUNDS`] at most.
fn mixture(shares: &Shares, deviation: f64) -> (f64, Parts) {
    let mut parts: Parts = [0.3, 1.0, 3.0].map(|s| (1.0 / 3.0, Density::Gaussian, s * deviation));
    let mut last = f64::INFINITY;
    for _ in 0..MOST_ROUNDS {
        let now = bits(shares, &parts);
        if now > last - 1e-7 {
            return (now, parts);
        }
        last = now;
        // The share of each integer that each part answers for.
        let answers: Vec<Shares> = (0..COMPONENTS)
            .map(|j| {
                let of = |k: i64, j: usize| (parts[j].0 * parts[j].1.probability(k, parts[j].2)).max(1e-300);
                let all = |k: i64| (0..COMPONENTS).map(|i| of(k, i)).sum::<f64>();
                shares.iter().map(|(k, share)| (*k, share * of(*k, j) / all(*k))).collect()
            })
            .collect();
        for (part, own) in parts.iter_mut().zip(&answers) {
            part.0 = own.iter().map(|(_, share)| share).sum();
            let at = |log_scale: f64| bits(own, &[(1.0, Density::Gaussian, log_scale.exp())]);
            part.2 = golden_section(deviation.ln() - 6.0, deviation.ln() + 3.0, 40, at).exp();
        }
    }
    (bits(shares, &parts), parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Integers as often as a density has them, signs in turn.
    fn drawn(density: Density, scale: f64) -> Vec<f64> {
        const COUNT: f64 = 1e5;
        let times = |k: i64| (COUNT * density.probability(k, scale)).round() as usize;
        (-60i64..=60).flat_map(|k| std::iter::repeat_n(k as f64, times(k))).collect()
    }

    fn bits_of(found: &Comparison, model: &str) -> f64 {
        found.models.iter().find(|m| m.model == model).unwrap().bits
    }

    /// The bits of exact probabilities, from the table of `ggm-codec`; rounded frequencies move them by less than a hundredth.
    #[test]
    fn the_right_density_is_found_and_costs_what_it_should() {
        let found = compare(&drawn(Density::Laplace, 2.0)).unwrap();
        assert!((bits_of(&found, "gaussian") - 3.5567).abs() < 0.01, "{found:?}");
        assert!((bits_of(&found, "laplace") - 3.4552).abs() < 0.01, "{found:?}");
        let ggm = &found.models[3];
        assert!((ggm.shape.unwrap() - 1.0).abs() < 0.05 && ggm.bits < bits_of(&found, "laplace") + 1e-6, "{found:?}");
        let gmm3 = &found.models[2];
        assert!(
            gmm3.bits < bits_of(&found, "gaussian") && (gmm3.bits_in_file.unwrap() - gmm3.bits).abs() < 0.02,
            "{found:?}"
        );
        assert!(found.models.iter().all(|m| m.bits > found.entropy - 1e-9), "{found:?}");
    }

    #[test]
    fn on_gaussian_integers_no_density_gains() {
        let found = compare(&drawn(Density::Gaussian, 3.0)).unwrap();
        let gaussian = bits_of(&found, "gaussian");
        assert!(bits_of(&found, "ggm") > gaussian - 0.005 && bits_of(&found, "laplace") > gaussian + 0.02, "{found:?}");
    }

    #[test]
    fn what_is_no_integer_is_refused() {
        for (values, expected) in [
            (vec![], "no numbers"),
            (vec![1.0, 0.5], "0.5 is no whole number"),
            (vec![f64::NAN], "NaN is no whole number"),
            (vec![2e9], "2000000000 is no whole number"),
        ] {
            let message = compare(&values).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        // All alike.
        let found = compare(&[0.0; 5]).unwrap();
        assert!(found.entropy == 0.0 && found.models.iter().all(|m| m.bits > -1e-9 && m.bits < 1e-3), "{found:?}");
    }
}
