//! Rows drawn with unequal chances.

use elbo_core::Rng;

/// Chances in proportion to `sizes`, which are not negative, that sum to `count` or, where fewer sizes are positive, to their number. `[N]`.
///
/// A row whose share would exceed one is certain, and the others share what is left.
pub(super) fn chances(sizes: &[f64], count: usize) -> Vec<f64> {
    let mut chances = vec![0.0; sizes.len()];
    let mut open: Vec<usize> = (0..sizes.len()).filter(|i| sizes[*i] > 0.0).collect();
    let mut left = count;
    loop {
        let total: f64 = open.iter().map(|i| sizes[*i]).sum();
        let share = |i: usize| sizes[i] / total * left as f64;
        let (certain, others): (Vec<usize>, Vec<usize>) =
            open.iter().copied().partition(|i| open.len() <= left || share(*i) >= 1.0);
        if certain.is_empty() {
            open.iter().for_each(|i| chances[*i] = share(*i));
            return chances;
        }
        certain.iter().for_each(|i| chances[*i] = 1.0);
        left -= certain.len();
        open = others;
    }
}

/// Rows drawn without replacement, and the others, both ascending: each row with its chance, and as many as the chances sum to.
///
/// # Source
/// Madow (1949), systematic sampling, here of rows in random order.
pub(super) fn draw(chances: &[f64], rng: &mut Rng) -> (Vec<usize>, Vec<usize>) {
    let mut is_drawn = vec![false; chances.len()];
    let (mut sum, mut next) = (0.0, rng.uniform());
    for row in rng.permutation(chances.len()) {
        sum += chances[row];
        // A chance is one at most, so that a row passes one mark at most.
        if sum > next {
            is_drawn[row] = true;
            next += 1.0;
        }
    }
    (0..chances.len()).partition(|row| is_drawn[*row])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_in_proportion_and_at_most_one() {
        for (found, expected) in chances(&[1.0, 3.0, 0.0, 4.0], 2).iter().zip([0.25, 0.75, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-15, "{found}, expected {expected}");
        }
        // Once the large one is certain the next would pass one too.
        for (found, expected) in chances(&[100.0, 6.0, 1.0, 3.0], 3).iter().zip([1.0, 1.0, 0.25, 0.75]) {
            assert!((found - expected).abs() < 1e-15, "{found}, expected {expected}");
        }
        assert_eq!(chances(&[2.0, 0.0, 5.0], 3), [1.0, 0.0, 1.0]);
        // Where all are to be drawn they are certain, also where shares are one less rounding.
        assert_eq!(chances(&[0.3; 49], 49), [1.0; 49]);
        assert_eq!(chances(&[2.0, 5.0], 0), [0.0, 0.0]);
        assert_eq!(chances(&[0.0, 0.0], 1), [0.0, 0.0]);
    }

    #[test]
    fn rows_are_drawn_as_often_as_their_chances_say_and_weighted_sums_are_unbiased() {
        let mut rng = Rng::new(1);
        let sizes: Vec<f64> = (0..20).map(|_| rng.uniform().powi(3)).collect();
        let values: Vec<f64> = (0..20).map(|_| rng.normal()).collect();
        let chances = chances(&sizes, 6);
        let draws = 20_000;
        let mut counts = [0.0; 20];
        let (mut sum, mut square) = (0.0, 0.0);
        for _ in 0..draws {
            let (drawn, others) = draw(&chances, &mut rng);
            assert_eq!((drawn.len(), others.len()), (6, 14));
            drawn.iter().for_each(|row| counts[*row] += 1.0 / f64::from(draws));
            let estimate: f64 = drawn.iter().map(|row| values[*row] / chances[*row]).sum();
            sum += estimate / f64::from(draws);
            square += estimate * estimate / f64::from(draws);
        }
        for (count, chance) in counts.iter().zip(&chances) {
            let error = (chance * (1.0 - chance) / f64::from(draws)).sqrt();
            assert!((count - chance).abs() <= 5.0 * error + 1e-9, "{count}, expected {chance}");
        }
        let error = ((square - sum * sum) / f64::from(draws)).sqrt();
        let total: f64 = values.iter().sum();
        assert!((sum - total).abs() < 5.0 * error, "{sum} +- {error}, expected {total}");
    }
}
