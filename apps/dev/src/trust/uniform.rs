//! Whether numbers in (0, 1) are uniform, and how many lie in central intervals.

use elbo::tensor::special::gamma_q;

/// The levels of intervals that are counted.
pub const LEVELS: [f64; 3] = [0.5, 0.9, 0.95];

/// How many equal bins for so many numbers: one for every eight of them, at least 5 and at most 20.
pub fn bins(count: usize) -> usize {
    (count / 8).clamp(5, 20)
}

/// Probability of counts in equal bins at least this uneven if the numbers are independent and uniform (chi-squared).
pub fn p_value(places: &[f64], bins: usize) -> f64 {
    let mut counts = vec![0usize; bins];
    for place in places {
        if !(0.0..=1.0).contains(place) {
            return f64::NAN;
        }
        counts[((place * bins as f64) as usize).min(bins - 1)] += 1;
    }
    let expected = places.len() as f64 / bins as f64;
    let statistic: f64 = counts.iter().map(|c| (*c as f64 - expected).powi(2) / expected).sum();
    gamma_q(0.5 * (bins - 1) as f64, 0.5 * statistic)
}

/// Share of the numbers in the central interval of this level: how often the truth lay in the interval.
pub fn coverage(places: &[f64], level: f64) -> f64 {
    places.iter().filter(|place| (**place - 0.5).abs() <= 0.5 * level).count() as f64 / places.len() as f64
}

/// Binomial standard error of a coverage that is right.
pub fn standard_error(level: f64, count: usize) -> f64 {
    (level * (1.0 - level) / count as f64).sqrt()
}

/// Where a truth stands among draws, in (0, 1): its rank with a random share of one step, so that it is exactly uniform when the truth
/// is one more draw. `uniform` is that share.
pub fn rank(truth: f64, draws: &[f64], uniform: f64) -> f64 {
    let below = draws.iter().filter(|draw| **draw < truth).count() as f64;
    (below + uniform) / (draws.len() + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo::core::Rng;

    #[test]
    fn the_p_value_is_that_of_chi_squared() {
        // Counts 3, 1 of an expected 2, 2: a statistic of 1 with one degree of freedom.
        let p = p_value(&[0.1, 0.2, 0.3, 0.9], 2);
        assert!((p - 0.317_310_507_862_914_1).abs() < 1e-9, "{p}");
        assert!(p_value(&[0.5, f64::NAN], 5).is_nan());
    }

    #[test]
    fn p_values_of_uniform_numbers_are_below_a_tenth_in_a_tenth_of_cases() {
        let rng = Rng::new(4);
        let small = (0..1000).filter(|i| p_value(&rng.split(*i).uniforms(160), 20) < 0.1).count();
        // Four binomial standard errors, 9.5 each.
        assert!((62..=138).contains(&small), "{small}");
    }

    #[test]
    fn ranks_of_one_more_draw_are_uniform_and_those_of_a_wider_truth_are_not() {
        let ranks = |spread: f64| -> Vec<f64> {
            let one = |i: u64| {
                let mut rng = Rng::new(9).split(i);
                let draws: Vec<f64> = (0..19).map(|_| rng.normal()).collect();
                rank(spread * rng.normal(), &draws, rng.uniform())
            };
            (0..400).map(one).collect()
        };
        assert!(p_value(&ranks(1.0), 20) > 1e-3);
        assert!(p_value(&ranks(2.0), 20) < 1e-6);
        assert!((coverage(&ranks(1.0), 0.9) - 0.9).abs() < 4.0 * standard_error(0.9, 400));
    }
}
