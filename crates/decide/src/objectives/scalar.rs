//! Several objectives as one.

use elbo_core::Rng;

/// Weight of the sum beside the maximum.
const SUM: f64 = 0.05;

/// `max_k λ_k (f_k - z_k) + 0.05 Σ_k λ_k f_k`: every point of a front is its minimum for some weights.
///
/// # Source
/// Knowles (2006).
pub fn tchebycheff(values: &[f64], weights: &[f64], ideal: &[f64]) -> f64 {
    let largest = (0..values.len()).map(|k| weights[k] * (values[k] - ideal[k])).fold(f64::NEG_INFINITY, f64::max);
    largest + SUM * values.iter().zip(weights).map(|(v, w)| w * v).sum::<f64>()
}

/// Weights that sum to one, uniform among all such.
pub fn simplex_weights(count: usize, rng: &mut Rng) -> Vec<f64> {
    let parts: Vec<f64> = (0..count).map(|_| rng.exponential()).collect();
    let sum: f64 = parts.iter().sum();
    parts.iter().map(|p| p / sum).collect()
}

/// [`tchebycheff`] of every trial, each objective first scaled to [0, 1] over the trials. `points: [N][M]`.
pub fn scalarise(points: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let range = |k: usize| {
        let column = || points.iter().map(move |p| p[k]);
        (column().fold(f64::INFINITY, f64::min), column().fold(f64::NEG_INFINITY, f64::max))
    };
    let ranges: Vec<(f64, f64)> = (0..weights.len()).map(range).collect();
    let share = |(v, (low, high)): (&f64, &(f64, f64))| if high > low { (v - low) / (high - low) } else { 0.0 };
    let ideal = vec![0.0; weights.len()];
    let scaled = |p: &Vec<f64>| p.iter().zip(&ranges).map(share).collect::<Vec<f64>>();
    points.iter().map(|p| tchebycheff(&scaled(p), weights, &ideal)).collect()
}
