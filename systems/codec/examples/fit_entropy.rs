//! Bits an integer that entropy models of one scale need for your residuals, each at its best:
//! `cargo run --release -p elbo-systems-codec --example fit_entropy -- residuals.npy`.
//!
//! The file holds whole numbers, quantised about a mean of zero. The densities are Gauss's, Laplace's, the generalised Gaussian of the best
//! shape, and a mixture of three Gaussians, in real numbers and by the shares of integer arithmetic that a file would have; the last line is the
//! entropy of the frequencies of their distances from zero, which no symmetric model beats.

use elbo_codec::density::{Density, SHAPES, log_scale_to};
use elbo_codec::mixture::{COMPONENTS, MixtureTables};
use elbo_core::{Array, Error, Result};
use elbo_data::{ReadOptions, read};
use elbo_tensor::optim::golden_section;
use std::collections::BTreeMap;
use std::path::Path;

/// How often each distance from zero occurs, as shares.
type Shares = Vec<(i64, f64)>;

fn main() -> Result<()> {
    let name = std::env::args().nth(1).ok_or_else(|| Error::data("no file is named", "give an .npy of integers"))?;
    let data = read(Path::new(&name), &ReadOptions::default())?;
    let shares = shares(data.arrays.iter().map(|(_, array)| array))?;
    let deviation = shares.iter().map(|(k, p)| p * (*k as f64).powi(2)).sum::<f64>().sqrt().max(0.1);
    let best = |density: Density| {
        let bits = |log_scale: f64| bits(&shares, &[(1.0, density, log_scale.exp())]);
        bits(golden_section(deviation.ln() - 6.0, deviation.ln() + 3.0, 40, bits))
    };
    let shape = golden_section(SHAPES.0, SHAPES.1, 40, |shape| best(Density::Generalised { shape }));
    println!("gaussian {:.4}", best(Density::Gaussian));
    println!("laplace  {:.4}", best(Density::Laplace));
    println!("ggm      {:.4} (shape {shape:.2})", best(Density::Generalised { shape }));
    let (real, parts) = mixture(&shares, deviation);
    println!("gmm3     {real:.4} ({:.4} in a file)", in_integers(&shares, &parts));
    println!("entropy  {:.4}", -shares.iter().map(|(k, p)| p * (p / signs(*k)).log2()).sum::<f64>());
    Ok(())
}

/// Integers at this distance from zero.
fn signs(k: i64) -> f64 {
    if k == 0 { 1.0 } else { 2.0 }
}

fn shares<'a>(arrays: impl Iterator<Item = &'a Array>) -> Result<Shares> {
    let (mut counts, mut total) = (BTreeMap::<i64, f64>::new(), 0.0);
    for array in arrays {
        let text = || Error::data("the file holds text", "give quantised residuals");
        for value in array.to_f64().ok_or_else(text)? {
            if value.fract() != 0.0 || value.abs() > 1e9 {
                return Err(Error::data(format!("{value} is no whole number below 10^9"), "give quantised residuals"));
            }
            *counts.entry(value.abs() as i64).or_default() += 1.0;
            total += 1.0;
        }
    }
    if total == 0.0 {
        return Err(Error::data("the file holds no numbers", "give quantised residuals"));
    }
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

/// Bits by three Gaussians, and these: weights and scales in turn, until nothing moves.
fn mixture(shares: &Shares, deviation: f64) -> (f64, Parts) {
    let mut parts: Parts = [0.3, 1.0, 3.0].map(|s| (1.0 / 3.0, Density::Gaussian, s * deviation));
    let mut last = f64::INFINITY;
    loop {
        let now = bits(shares, &parts);
        if now > last - 1e-7 {
            return (now, parts);
        }
        last = now;
        // The share of each integer that each part answers for.
        let answers: Vec<Shares> = (0..3)
            .map(|j| {
                let of = |k: i64, j: usize| (parts[j].0 * parts[j].1.probability(k, parts[j].2)).max(1e-300);
                let part = |(k, share): &(i64, f64)| (*k, share * of(*k, j) / (0..3).map(|i| of(*k, i)).sum::<f64>());
                shares.iter().map(part).collect()
            })
            .collect();
        for (part, own) in parts.iter_mut().zip(&answers) {
            part.0 = own.iter().map(|(_, share)| share).sum();
            let at = |log_scale: f64| bits(own, &[(1.0, Density::Gaussian, log_scale.exp())]);
            part.2 = golden_section(deviation.ln() - 6.0, deviation.ln() + 3.0, 40, at).exp();
        }
    }
}
