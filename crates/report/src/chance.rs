//! What chance alone explains: binomial ranges for observed shares, distances from a uniform distribution, and the Gaussian distribution
//! function.
//!
//! This crate sits beside the mathematical layers, not on top of them, so it keeps the few functions it needs.

/// The central range of counts of a binomial variable: at most `(1 - level) / 2` of the probability lies on each side of it.
///
/// Exact. The probabilities follow from their ratios outward from the mode, so the work grows with the standard deviation only.
///
/// # Panics
/// When `probability` or `level` is outside [0, 1].
pub fn binomial_range(trials: usize, probability: f64, level: f64) -> (usize, usize) {
    assert!((0.0..=1.0).contains(&probability), "probability {probability} is outside [0, 1]");
    assert!((0.0..=1.0).contains(&level), "level {level} is outside [0, 1]");
    if trials == 0 || probability == 0.0 {
        return (0, 0);
    }
    if probability == 1.0 {
        return (trials, trials);
    }
    let n = trials as f64;
    let odds = probability / (1.0 - probability);
    let mode = (((n + 1.0) * probability).floor() as usize).min(trials);
    let negligible = 1e-18;
    let mut below = vec![];
    let mut weight = 1.0;
    for k in (1..=mode).rev() {
        weight *= k as f64 / ((n - k as f64 + 1.0) * odds);
        if weight < negligible {
            break;
        }
        below.push(weight);
    }
    let mut weights: Vec<f64> = below.into_iter().rev().collect();
    let first = mode - weights.len();
    weights.push(1.0);
    weight = 1.0;
    for k in mode..trials {
        weight *= (n - k as f64) * odds / (k as f64 + 1.0);
        if weight < negligible {
            break;
        }
        weights.push(weight);
    }
    let tail = 0.5 * (1.0 - level) * weights.iter().sum::<f64>();
    let low = first + reach(weights.iter(), tail);
    let high = first + weights.len() - 1 - reach(weights.iter().rev(), tail);
    (low, high)
}

/// Position at which the probability so far first passes the tail.
fn reach<'a>(weights: impl Iterator<Item = &'a f64>, tail: f64) -> usize {
    let mut sum = 0.0;
    weights
        .map(|w| {
            sum += w;
            sum
        })
        .position(|sum| sum > tail)
        .unwrap_or(0)
}

/// [`binomial_range`] as shares of `trials`; all of [0, 1] when there are none.
pub fn binomial_shares(trials: usize, probability: f64, level: f64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let (low, high) = binomial_range(trials, probability, level);
    (low as f64 / trials as f64, high as f64 / trials as f64)
}

/// Wilson's interval for the probability behind `successes` of `trials`, with `z` standard errors (1.96 for 95 %).
pub fn wilson(successes: usize, trials: usize, z: f64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let n = trials as f64;
    let share = successes as f64 / n;
    let scale = 1.0 + z * z / n;
    let centre = (share + z * z / (2.0 * n)) / scale;
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// Kolmogorov and Smirnov's distance of these values from the uniform distribution on [0, 1]; zero where there are none.
pub fn uniform_distance(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let gap = |(i, u): (usize, &f64)| (u - i as f64 / n).max((i as f64 + 1.0) / n - u);
    sorted.iter().enumerate().map(gap).fold(0.0, f64::max)
}

/// What [`uniform_distance`] stays below for 95 % of all draws of `count` independent uniform values.
///
/// # Source
/// Stephens (1974), to about 0.002 from five values on.
pub fn uniform_distance_limit(count: usize) -> f64 {
    let root = (count.max(1) as f64).sqrt();
    (1.358 / (root + 0.12 + 0.11 / root)).min(1.0)
}

/// Distribution function of the standard Gaussian, to about 1e-15 absolute.
///
/// Near zero the series of Marsaglia (2004), far out the continued fraction of Mills' ratio.
pub fn normal_cdf(x: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    let a = x.abs();
    let density = (-0.5 * a * a).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let upper = if a > 38.5 {
        0.0
    } else if a > 4.0 {
        let fraction = (1..=60).rev().fold(a, |f, k| a + k as f64 / f);
        density / fraction
    } else {
        let (mut term, mut sum, mut k) = (a, a, 1.0);
        while term > 1e-17 * sum {
            k += 2.0;
            term *= a * a / k;
            sum += term;
        }
        0.5 - density * sum
    };
    if x > 0.0 { 1.0 - upper } else { upper }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_from_uniform_are_those_by_hand_and_their_limits_those_of_tables() {
        assert_eq!(uniform_distance(&[]), 0.0);
        assert_eq!(uniform_distance(&[0.5]), 0.5);
        assert!((uniform_distance(&[0.9, 0.1]) - 0.4).abs() < 1e-15);
        assert!((uniform_distance(&[0.8, 0.9, 1.0]) - 0.8).abs() < 1e-15);
        for (count, limit) in [(5, 0.563), (10, 0.409), (20, 0.294), (50, 0.188), (100, 0.134)] {
            let found = uniform_distance_limit(count);
            assert!((found - limit).abs() < 0.002, "{count}: {found}, the tables have {limit}");
        }
    }

    #[test]
    fn the_distribution_function_has_its_known_values() {
        let known = [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (-1.959_963_984_540_054, 0.025),
            (5.0, 0.999_999_713_348_428_1),
            (-6.0, 9.865_876_450_376_98e-10),
        ];
        for (x, p) in known {
            assert!((normal_cdf(x) - p).abs() < 1e-14, "{x}: {} instead of {p}", normal_cdf(x));
        }
        assert_eq!(normal_cdf(-60.0), 0.0);
        assert_eq!(normal_cdf(f64::INFINITY), 1.0);
    }

    #[test]
    fn binomial_ranges_agree_with_the_tails_summed_directly() {
        for (n, p, level) in [(1, 0.5, 0.95), (10, 0.3, 0.9), (103, 0.95, 0.95), (400, 0.5, 0.99), (60, 0.99, 0.95)] {
            let mut pmf = vec![(1.0f64 - p).powi(n as i32)];
            for k in 0..n {
                pmf.push(pmf[k] * (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p));
            }
            let (low, high) = binomial_range(n, p, level);
            let tail = 0.5 * (1.0 - level);
            let below = |k: usize| pmf[..k].iter().sum::<f64>();
            let above = |k: usize| pmf[k + 1..].iter().sum::<f64>();
            assert!(below(low) <= tail && below(low + 1) > tail, "n {n} p {p}: low {low}");
            assert!(above(high) <= tail && (high == 0 || above(high - 1) > tail), "n {n} p {p}: high {high}");
        }
    }

    #[test]
    fn large_samples_give_the_gaussian_range() {
        let (low, high) = binomial_shares(1_000_000, 0.95, 0.95);
        let half = 1.96 * (0.95 * 0.05 / 1e6_f64).sqrt();
        assert!((low - (0.95 - half)).abs() < 3e-6 && (high - (0.95 + half)).abs() < 3e-6);
        assert_eq!(binomial_shares(0, 0.5, 0.9), (0.0, 1.0));
        assert_eq!(binomial_range(7, 1.0, 0.9), (7, 7));
    }

    #[test]
    fn wilson_never_leaves_the_unit_interval() {
        assert_eq!(wilson(0, 0, 1.96), (0.0, 1.0));
        let (low, high) = wilson(0, 10, 1.96);
        assert!(low == 0.0 && (high - 0.2775).abs() < 1e-3);
    }
}
