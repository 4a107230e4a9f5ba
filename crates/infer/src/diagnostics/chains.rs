//! Convergence and efficiency of chains.
//!
//! Each function takes one unknown's draws `[chains, draws]`, chain after chain, and the number of chains. All split each chain in
//! half; NaN is returned where there are fewer than four draws a chain, or a draw is not finite.
//!
//! # Source
//! Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021). Equal to ArviZ.

use elbo_dist::quantile;
use elbo_tensor::special::{beta_inc_inv, ndtri};

/// Moments, quantiles and diagnostics of one unknown.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
    /// The 5 % quantile.
    pub q5: f64,
    /// Median.
    pub median: f64,
    /// The 95 % quantile.
    pub q95: f64,
    /// The larger of the rank-normalised split R-hat of the draws and of their distances to the median.
    pub r_hat: f64,
    /// Effective draws for the bulk.
    pub ess_bulk: f64,
    /// Effective draws for the 5 % and 95 % quantiles, the smaller.
    pub ess_tail: f64,
    /// Monte Carlo standard error of the mean.
    pub mcse_mean: f64,
}

/// Everything above about one unknown.
pub fn summarise(draws: &[f64], chains: usize) -> Summary {
    let mut sorted = draws.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (mean, sd) = moments(draws);
    Summary {
        mean,
        sd,
        q5: quantile(&sorted, 0.05),
        median: quantile(&sorted, 0.5),
        q95: quantile(&sorted, 0.95),
        r_hat: r_hat(draws, chains),
        ess_bulk: ess_bulk(draws, chains),
        ess_tail: ess_tail(draws, chains),
        mcse_mean: mcse_mean(draws, chains),
    }
}

/// The worst of what is known of several unknowns: by `f64::max` of R-hats and distances, by `f64::min` of effective draws. NaN where one is NaN, which
/// these two functions alone leave out, and where there are none: what does not exist must be seen, wherever it stands.
pub fn worst(values: impl IntoIterator<Item = f64>, pick: fn(f64, f64) -> f64) -> f64 {
    let either = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { pick(a, b) };
    values.into_iter().reduce(either).unwrap_or(f64::NAN)
}

/// Rank-normalised split R-hat, of location and of spread, the larger; 1 when the chains agree. One chain is compared with itself.
pub fn r_hat(draws: &[f64], chains: usize) -> f64 {
    let Some((halves, count)) = split(draws, chains) else { return f64::NAN };
    let median = median(&halves);
    let folded: Vec<f64> = halves.iter().map(|x| (x - median).abs()).collect();
    let (bulk, tail) = (plain_r_hat(&rank_normal(&halves), count), plain_r_hat(&rank_normal(&folded), count));
    if bulk.is_nan() || tail.is_nan() { f64::NAN } else { bulk.max(tail) }
}

/// Effective draws for the bulk: of the rank-normalised draws.
pub fn ess_bulk(draws: &[f64], chains: usize) -> f64 {
    split(draws, chains).map_or(f64::NAN, |(halves, count)| ess(&rank_normal(&halves), count))
}

/// Effective draws for the mean.
pub fn ess_mean(draws: &[f64], chains: usize) -> f64 {
    split(draws, chains).map_or(f64::NAN, |(halves, count)| ess(&halves, count))
}

/// Effective draws for a quantile: of whether draws are at most it.
pub fn ess_quantile(draws: &[f64], chains: usize, probability: f64) -> f64 {
    let mut sorted = draws.to_vec();
    sorted.sort_by(f64::total_cmp);
    let level = quantile(&sorted, probability);
    let below: Vec<f64> =
        draws.iter().map(|x| if x.is_finite() { f64::from(u8::from(*x <= level)) } else { f64::NAN }).collect();
    ess_mean(&below, chains)
}

/// Effective draws for the tails: the smaller of those for the 5 % and the 95 % quantile.
pub fn ess_tail(draws: &[f64], chains: usize) -> f64 {
    let (low, high) = (ess_quantile(draws, chains, 0.05), ess_quantile(draws, chains, 0.95));
    if low.is_nan() || high.is_nan() { f64::NAN } else { low.min(high) }
}

/// Monte Carlo standard error of the mean.
pub fn mcse_mean(draws: &[f64], chains: usize) -> f64 {
    moments(draws).1 / ess_mean(draws, chains).sqrt()
}

/// Monte Carlo standard error of a quantile, from the order statistics one standard error away.
pub fn mcse_quantile(draws: &[f64], chains: usize, probability: f64) -> f64 {
    let effective = ess_quantile(draws, chains, probability);
    if effective.is_nan() {
        return f64::NAN;
    }
    let (a, b) = (effective * probability + 1.0, effective * (1.0 - probability) + 1.0);
    let mut sorted = draws.to_vec();
    sorted.sort_by(f64::total_cmp);
    let size = sorted.len() as f64;
    // Probabilities of a normal within one standard error of its mean, to ArviZ's digits.
    let low = (beta_inc_inv(a, b, 0.158_655_3) * size - 1.0).max(0.0).floor() as usize;
    let high = (beta_inc_inv(a, b, 0.841_344_7) * size - 1.0).min(size - 1.0).ceil() as usize;
    0.5 * (sorted[high] - sorted[low])
}

/// Energy Bayesian fraction of missing information, one a chain; below 0.3 momenta explore the energies too slowly.
///
/// # Source
/// Betancourt (2016).
pub fn e_bfmi(energy: &[f64], chains: usize) -> Vec<f64> {
    energy
        .chunks_exact((energy.len() / chains).max(1))
        .map(|chain| {
            let steps = chain.windows(2).map(|w| (w[1] - w[0]).powi(2)).sum::<f64>() / (chain.len() - 1) as f64;
            steps / moments(chain).1.powi(2)
        })
        .collect()
}

/// Mean and sample standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (square / (n - 1.0)).sqrt())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// Each chain's first and last half as chains of their own; the middle draw of an odd number is left out.
fn split(draws: &[f64], chains: usize) -> Option<(Vec<f64>, usize)> {
    assert!(chains > 0 && draws.len().is_multiple_of(chains), "chains must have the same length");
    let length = draws.len() / chains;
    if length < 4 || draws.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let half = length / 2;
    let halves =
        draws.chunks_exact(length).flat_map(|c| c[..half].iter().chain(&c[length - half..]).copied()).collect();
    Some((halves, 2 * chains))
}

/// Normal quantiles of the ranks, ties sharing their mean rank (Blom's offset 3/8).
fn rank_normal(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let size = values.len() as f64;
    let mut scores = vec![0.0; values.len()];
    let mut at = 0;
    while at < order.len() {
        let value = values[order[at]];
        let end = at + order[at..].iter().take_while(|i| values[**i] == value).count();
        let rank = (at + end + 1) as f64 / 2.0;
        let score = ndtri((rank - 0.375) / (size + 0.25));
        order[at..end].iter().for_each(|i| scores[*i] = score);
        at = end;
    }
    scores
}

fn plain_r_hat(values: &[f64], chains: usize) -> f64 {
    let length = values.len() / chains;
    let per_chain: Vec<(f64, f64)> = values.chunks_exact(length).map(moments).collect();
    let means: Vec<f64> = per_chain.iter().map(|m| m.0).collect();
    let between = moments(&means).1.powi(2) * length as f64;
    let within = per_chain.iter().map(|m| m.1.powi(2)).sum::<f64>() / chains as f64;
    ((between / within + (length - 1) as f64) / length as f64).sqrt()
}

/// Effective size of chains, by autocorrelations summed in pairs until a pair is no longer positive, each pair at most its
/// predecessor (Geyer 1992).
fn ess(values: &[f64], chains: usize) -> f64 {
    let total = values.len() as f64;
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    if high - low < 1e-15 {
        return total;
    }
    let length = values.len() / chains;
    let n = length as f64;
    let centred: Vec<Vec<f64>> = values
        .chunks_exact(length)
        .map(|chain| {
            let mean = chain.iter().sum::<f64>() / n;
            chain.iter().map(|v| v - mean).collect()
        })
        .collect();
    let means: Vec<f64> = values.chunks_exact(length).map(|c| c.iter().sum::<f64>() / n).collect();
    let covariance = |lag: usize| -> f64 {
        let of = |c: &Vec<f64>| c[lag..].iter().zip(c).map(|(a, b)| a * b).sum::<f64>() / n;
        centred.iter().map(of).sum::<f64>() / chains as f64
    };
    let within = covariance(0) * n / (n - 1.0);
    let mut variance = within * (n - 1.0) / n;
    if chains > 1 {
        variance += moments(&means).1.powi(2);
    }
    let correlation = |lag: usize| 1.0 - (within - covariance(lag)) / variance;

    let mut even = 1.0;
    let mut pair = even + correlation(1);
    let (mut sum, mut bound, mut lag) = (0.0, f64::INFINITY, 2);
    // `pair` is the newest one: it enters the sum only once it is known that another follows it.
    while lag < length - 2 && pair > 0.0 {
        bound = pair.min(bound);
        sum += bound;
        even = correlation(lag);
        pair = even + correlation(lag + 1);
        lag += 2;
    }
    // The even lag after the summed pairs improves the estimate for antithetic chains.
    let after = if even > 0.0 || pair >= 0.0 { even } else { 0.0 };
    let time = (2.0 * sum - 1.0 + after).max(1.0 / total.log10());
    total / time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_diagnostics_is_none_where_one_does_not_exist() {
        assert_eq!(worst([1.0, 1.3, 1.1], f64::max), 1.3);
        assert_eq!(worst([80.0, 20.0, 50.0], f64::min), 20.0);
        assert_eq!(worst([2.0], f64::max), 2.0);
        for values in [[f64::NAN, 1.0, 2.0], [1.0, f64::NAN, 2.0], [1.0, 2.0, f64::NAN]] {
            assert!(worst(values, f64::max).is_nan() && worst(values, f64::min).is_nan(), "{values:?}");
        }
        assert!(worst([0.0; 0], f64::max).is_nan());
    }
}
