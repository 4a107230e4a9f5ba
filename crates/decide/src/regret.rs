//! How far from the optimum, and whether one method is better than another.

use elbo_tensor::special::ndtr;

/// Simple regret after each trial: `min_{i <= t} f(x_i) - f_opt`.
pub fn simple_regret(values: &[f64], optimum: f64) -> Vec<f64> {
    let mut best = f64::INFINITY;
    values
        .iter()
        .map(|v| {
            best = best.min(*v);
            best - optimum
        })
        .collect()
}

/// Cumulative regret after each trial: `Σ_{i <= t} f(x_i) - f_opt`.
pub fn cumulative_regret(values: &[f64], optimum: f64) -> Vec<f64> {
    let mut sum = 0.0;
    values
        .iter()
        .map(|v| {
            sum += v - optimum;
            sum
        })
        .collect()
}

/// Inference regret: the value without noise, less `optimum`, of the place that would be recommended, which is the one of smallest posterior mean.
/// `means` and `values` belong to the same places; NaN without any.
///
/// # Panics
/// When there are not as many values as means.
pub fn inference_regret(means: &[f64], values: &[f64], optimum: f64) -> f64 {
    assert_eq!(means.len(), values.len(), "one value a mean");
    let best = means.iter().zip(values).min_by(|a, b| a.0.total_cmp(b.0));
    best.map_or(f64::NAN, |(_, value)| value - optimum)
}

/// Logarithm to base ten with a floor, so that an exact hit stays finite.
pub fn log10_regret(regret: f64) -> f64 {
    regret.max(1e-12).log10()
}

/// Mean of the log regret over trials: the area under its curve, a trial.
pub fn area_under_log_regret(regrets: &[f64]) -> f64 {
    regrets.iter().map(|r| log10_regret(*r)).sum::<f64>() / regrets.len().max(1) as f64
}

/// First quartile, median and third quartile, interpolated; NaN of no values.
pub fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|p| elbo_dist::quantile(&sorted, p))
}

/// Two-sided p-value of Wilcoxon's signed-rank test of paired differences; zeros are dropped, ties get mean ranks. Exact up to 25 pairs without
/// ties, else by the normal approximation with continuity correction.
pub fn wilcoxon(differences: &[f64]) -> f64 {
    let mut kept: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    kept.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let n = kept.len();
    if n == 0 {
        return 1.0;
    }
    let (mut plus, mut ties, mut has_ties, mut start) = (0.0, 0.0, false, 0);
    while start < n {
        let mut end = start + 1;
        while end < n && kept[end].abs() == kept[start].abs() {
            end += 1;
        }
        let size = (end - start) as f64;
        has_ties |= size > 1.0;
        ties += size * size * size - size;
        let rank = 0.5 * (start + 1 + end) as f64;
        plus += rank * kept[start..end].iter().filter(|d| **d > 0.0).count() as f64;
        start = end;
    }
    let total = (n * (n + 1)) as f64 / 2.0;
    let smaller = plus.min(total - plus);
    if n <= 25 && !has_ties {
        // Number of subsets of the ranks with each sum.
        let size = n * (n + 1) / 2 + 1;
        let mut counts = vec![0.0f64; size];
        counts[0] = 1.0;
        for rank in 1..=n {
            for sum in (rank..size).rev() {
                counts[sum] += counts[sum - rank];
            }
        }
        let tail: f64 = counts[..=smaller as usize].iter().sum();
        return (2.0 * tail / 2f64.powi(n as i32)).min(1.0);
    }
    let variance = total * (2 * n + 1) as f64 / 12.0 - ties / 48.0;
    (2.0 * ndtr((smaller - 0.5 * total + 0.5).min(0.0) / variance.sqrt())).min(1.0)
}

/// Holm's correction: adjusted p-values in the given order.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0f64;
    for (rank, i) in order.into_iter().enumerate() {
        largest = largest.max(((p.len() - rank) as f64 * p[i]).min(1.0));
        adjusted[i] = largest;
    }
    adjusted
}
