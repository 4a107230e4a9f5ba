//! Where the rounds begin.

use super::field::Field;
use super::panel::{Panel, Trial};
use super::{CvhmConfig, Emission};
use elbo_core::{Error, Result};
use elbo_linalg::{MatRef, syevd};
use elbo_markov::counts::Readout;

/// Principal components of smoothed numbers, as they move `η`, for the loadings; their memory, for the lengthscale.
pub(super) fn start(config: &CvhmConfig, trials: &[Trial], panel: Panel) -> Result<Field> {
    let (n, l) = (panel.kept.len(), config.trajectories);
    let total: usize = trials.iter().map(|t| t.grid.len()).sum();
    let emission = panel.emission;
    let mut d = vec![0.0; n];
    trials.iter().flat_map(|t| &t.y).enumerate().for_each(|(i, v)| d[i % n] += v / total as f64);
    let smooth: Vec<Vec<f64>> = trials.iter().map(|t| smoothed(emission, &t.y, &d)).collect();
    let mut covariance = vec![0.0; n * n];
    for row in smooth.iter().flat_map(|s| s.chunks_exact(n)) {
        for i in 0..n {
            (0..=i).for_each(|j| covariance[i * n + j] += row[i] * row[j] / total as f64);
        }
    }
    for i in 0..n {
        (0..i).for_each(|j| covariance[j * n + i] = covariance[i * n + j]);
    }
    let eigen = syevd(MatRef::row_major(&covariance, n, n))
        .map_err(|e| Error::numerical(e.to_string(), "counts may be too large; rebin them"))?;
    let mut c = vec![0.0; n * l];
    let written = config.kernels()?;
    let width = gap(&trials[0]);
    let mut kernels = vec![];
    for latent in 0..l {
        let column = n - 1 - latent;
        let direction: Vec<f64> = (0..n).map(|i| eigen.vectors[i * n + column]).collect();
        // The sign of a direction is free; the larger side is positive.
        let sign = if direction.iter().sum::<f64>() < 0.0 { -1.0 } else { 1.0 };
        (0..n).for_each(|i| c[i * l + latent] = sign * direction[i]);
        let memory = memory(&smooth, &direction, n);
        let mut kernel = written[latent % written.len()].clone();
        for p in kernel.parameters_mut().into_iter().filter(|p| !p.is_given && !p.is_fixed) {
            p.value = match p.name.as_str() {
                "variance" => eigen.values[column].clamp(0.1, 20.0),
                "lengthscale" => memory * width,
                _ => 4.0 * memory * width,
            };
        }
        kernels.push(kernel);
    }
    d.iter_mut().for_each(|d| *d = emission.link(*d, total as f64));
    // Known offsets have their part of the mean already.
    let known = trials.iter().filter_map(|t| t.offset.as_ref()).flatten();
    known.enumerate().for_each(|(i, o)| d[i % n] -= o / total as f64);
    Ok(Field { kernels, readout: Readout { c, d, latents: l }, levels: vec![emission.first_level(); n], panel })
}

/// The width of a bin, or the mean distance of two where they differ.
fn gap(trial: &Trial) -> f64 {
    let times = trial.grid.times();
    trial.grid.width().unwrap_or((times[times.len() - 1] - times[0]) / (times.len() - 1) as f64)
}

/// How far each `η` is from its channel's, roughly: numbers smoothed over eleven bins with triangular weights.
fn smoothed(emission: Emission, y: &[f64], mean: &[f64]) -> Vec<f64> {
    let n = mean.len();
    let steps = y.len() / n;
    let mut out = vec![0.0; y.len()];
    for t in 0..steps {
        let (low, high) = (t.saturating_sub(5), (t + 5).min(steps - 1));
        for c in 0..n {
            let (mut sum, mut weight) = (0.0, 0.0);
            for s in low..=high {
                let w = 6.0 - t.abs_diff(s) as f64;
                sum += w * y[s * n + c];
                weight += w;
            }
            out[t * n + c] = emission.deviation(sum / weight, mean[c]);
        }
    }
    out
}

/// Lag, in bins, at which the autocorrelation along a direction has fallen to a half; at least three.
fn memory(smooth: &[Vec<f64>], direction: &[f64], n: usize) -> f64 {
    let scores: Vec<Vec<f64>> = smooth
        .iter()
        .map(|s| s.chunks_exact(n).map(|row| row.iter().zip(direction).map(|(a, b)| a * b).sum()).collect())
        .collect();
    let longest = scores.iter().map(Vec::len).max().unwrap_or(1);
    let at = |lag: usize| {
        let (mut sum, mut count) = (0.0, 0.0);
        for s in scores.iter().filter(|s| s.len() > lag) {
            (lag..s.len()).for_each(|t| sum += s[t] * s[t - lag]);
            count += (s.len() - lag) as f64;
        }
        sum / f64::max(count, 1.0)
    };
    let zero = at(0);
    (1..longest / 2).find(|lag| at(*lag) < 0.5 * zero).unwrap_or(longest / 2).max(3) as f64
}
