//! Rows drawn with unequal chances.

use elbo_core::Rng;

/// The share of its chance that a row has whatever its leverage is.
const ALIKE: f64 = 0.5;

/// What chances are to be in proportion to, for rows that stand for `weights` rows each, positive, and have these leverages, not negative: half of
/// a row's size is its share in the rows stood for, half its share in their leverage. They sum to one. `[N]`.
///
/// A chance in proportion to leverage alone may be as small as can be, and its inverse as large: one row that is seldom drawn then says what all
/// rows are like. With half of the sizes alike, no row that is drawn stands for more than twice as many rows as it would were chances alike, unless it
/// did before.
///
/// # Source
/// Hesterberg (1995), defensive mixtures of importance samplers, with his advice of a share between a tenth and a half.
pub(super) fn mixed(leverages: &[f64], weights: &[f64]) -> Vec<f64> {
    let rows: f64 = weights.iter().sum();
    let total: f64 = leverages.iter().zip(weights).map(|(leverage, weight)| leverage * weight).sum();
    // Rows without leverage are all alike.
    let share = |leverage: f64| if total > 0.0 { leverage / total } else { 1.0 / rows };
    let size = |(leverage, weight): (&f64, &f64)| weight * (ALIKE / rows + (1.0 - ALIKE) * share(*leverage));
    leverages.iter().zip(weights).map(size).collect()
}

/// Rows so that neighbours are alike: by target where at most `count` targets differ, as classes do, and among rows of one target by what is
/// `expected` of them, rising and falling in turn.
pub(super) fn side_by_side(y: &[f64], expected: &[f64], count: usize) -> Vec<usize> {
    let mut targets = y.to_vec();
    targets.sort_by(f64::total_cmp);
    targets.dedup();
    let stratum = |row: usize| if targets.len() <= count { targets.partition_point(|t| *t < y[row]) } else { 0 };
    let mut rows: Vec<usize> = (0..y.len()).collect();
    rows.sort_by(|a, b| {
        let rising = expected[*a].total_cmp(&expected[*b]);
        let within = if stratum(*a) % 2 == 0 { rising } else { rising.reverse() };
        stratum(*a).cmp(&stratum(*b)).then(within).then(a.cmp(b))
    });
    rows
}

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
/// Rows drawn are spread evenly over `order`, a permutation of all rows: what changes slowly along it is hit as often as it should be in every draw,
/// and not only on average.
///
/// # Source
/// Madow (1949), systematic sampling.
pub(super) fn draw(chances: &[f64], order: &[usize], rng: &mut Rng) -> (Vec<usize>, Vec<usize>) {
    // A row that is certain is drawn whatever rounding does to the sums of the others.
    let mut is_drawn: Vec<bool> = chances.iter().map(|chance| *chance >= 1.0).collect();
    let (mut sum, mut next) = (0.0, rng.uniform());
    for row in order.iter().copied().filter(|row| chances[*row] < 1.0) {
        sum += chances[row];
        // A chance is below one, so that a row passes one mark at most.
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
    fn equal_leverages_are_equal_chances_and_no_row_comes_to_stand_for_too_many() {
        assert_eq!(mixed(&[0.5; 4], &[1.0; 4]), [0.25; 4]);
        assert_eq!(mixed(&[0.0; 4], &[1.0; 4]), [0.25; 4]);
        let mut rng = Rng::new(2);
        // Leverages over ten powers of ten, some of nothing.
        let leverages: Vec<f64> =
            (0..60).map(|row| if row % 7 == 0 { 0.0 } else { (-23.0 * rng.uniform()).exp() }).collect();
        let mut weights = vec![1.0; 60];
        for count in [1, 8, 30, 59] {
            let chances = chances(&mixed(&leverages, &weights), count);
            assert!((chances.iter().sum::<f64>() - count as f64).abs() < 1e-12);
            let (rows, most) = (weights.iter().sum::<f64>(), weights.iter().fold(0.0f64, |most, w| most.max(*w)));
            for (weight, chance) in weights.iter().zip(&chances) {
                let bound = most.max(rows / (ALIKE * count as f64));
                assert!(*weight <= bound * chance * (1.0 + 1e-12), "{weight} / {chance}, at most {bound}");
            }
            // Then the same of rows that stand for others.
            weights = (0..60).map(|_| 1.0 + 20.0 * rng.uniform()).collect();
        }
    }

    #[test]
    fn neighbours_share_a_class_or_are_equally_likely() {
        let (y, expected) = ([1.0, 0.0, 1.0, 0.0, 1.0], [-3.0, -1.0, -1.0, -2.0, -2.0]);
        assert_eq!(side_by_side(&y, &expected, 2), [3, 1, 2, 4, 0]);
        // More targets than rows to draw: numbers, say.
        assert_eq!(side_by_side(&y, &expected, 1), [0, 3, 4, 1, 2]);
        assert!(side_by_side(&[], &[], 3).is_empty());
    }

    #[test]
    fn every_class_is_drawn_as_often_as_it_should_be_in_every_draw() {
        let mut rng = Rng::new(4);
        let y: Vec<f64> = (0..60).map(|row| f64::from(u8::from(row >= 33) + u8::from(row >= 52))).collect();
        let expected: Vec<f64> = (0..60).map(|_| -rng.uniform()).collect();
        let chances = chances(&[1.0; 60], 12);
        for _ in 0..200 {
            let (drawn, _) = draw(&chances, &side_by_side(&y, &expected, 12), &mut rng);
            for (class, rows) in [(0.0, 33.0), (1.0, 19.0), (2.0, 8.0)] {
                let found = drawn.iter().filter(|row| y[**row] == class).count() as f64;
                assert!((found - rows * 0.2).abs() < 1.0, "class {class}: {found} of {rows}");
            }
        }
    }

    #[test]
    fn a_certain_row_is_always_drawn_and_stands_for_itself() {
        let mut rng = Rng::new(3);
        let mut leverages: Vec<f64> = (0..30).map(|_| rng.uniform()).collect();
        leverages[11] = 100.0;
        let chances = chances(&mixed(&leverages, &[1.0; 30]), 5);
        assert_eq!(1.0 / chances[11], 1.0);
        for _ in 0..500 {
            let (drawn, _) = draw(&chances, &rng.permutation(30), &mut rng);
            assert_eq!(drawn.len(), 5);
            assert!(drawn.contains(&11));
        }
    }

    /// The mean of a sum weighted by the inverse of chances, and its standard error, over many draws of six rows along an order; each row must be drawn
    /// as often as its chance says.
    fn drawn_along(order: &[usize], values: &[f64], chances: &[f64], rng: &mut Rng) -> (f64, f64) {
        let draws = 20_000;
        let mut counts = vec![0.0; values.len()];
        let (mut sum, mut square) = (0.0, 0.0);
        for _ in 0..draws {
            let (drawn, others) = draw(chances, order, rng);
            assert_eq!((drawn.len(), others.len()), (6, values.len() - 6));
            drawn.iter().for_each(|row| counts[*row] += 1.0 / f64::from(draws));
            let estimate: f64 = drawn.iter().map(|row| values[*row] / chances[*row]).sum();
            sum += estimate / f64::from(draws);
            square += estimate * estimate / f64::from(draws);
        }
        for (count, chance) in counts.iter().zip(chances) {
            let error = (chance * (1.0 - chance) / f64::from(draws)).sqrt();
            assert!((count - chance).abs() <= 5.0 * error + 1e-9, "{count}, expected {chance}");
        }
        (sum, ((square - sum * sum) / f64::from(draws)).sqrt())
    }

    #[test]
    fn rows_are_drawn_as_often_as_their_chances_say_and_weighted_sums_are_unbiased() {
        let mut rng = Rng::new(1);
        let leverages: Vec<f64> = (0..20).map(|_| rng.uniform().powi(3)).collect();
        let values: Vec<f64> = (0..20).map(|_| rng.normal()).collect();
        let total: f64 = values.iter().sum();
        let chances = chances(&mixed(&leverages, &[1.0; 20]), 6);
        for order in [rng.permutation(20), side_by_side(&[0.0; 20], &values, 6)] {
            let (sum, error) = drawn_along(&order, &values, &chances, &mut rng);
            assert!((sum - total).abs() < 5.0 * error, "{sum} +- {error}, expected {total}");
        }
    }

    #[test]
    fn sums_of_what_rows_are_ordered_by_are_known_better_than_from_a_draw_at_random() {
        let mut rng = Rng::new(5);
        let values = rng.uniforms(60);
        let total: f64 = values.iter().sum();
        let order = side_by_side(&[0.0; 60], &values, 6);
        let (sum, error) = drawn_along(&order, &values, &[0.1; 60], &mut rng);
        assert!((sum - total).abs() < 5.0 * error, "{sum} +- {error}, expected {total}");
        let variance = values.iter().map(|value| (value - total / 60.0).powi(2)).sum::<f64>() / 59.0;
        // The textbook's error of a sum over a simple random sample of six.
        let at_random = 60.0 * (0.9 * variance / 6.0).sqrt() / 20_000f64.sqrt();
        assert!(error < 0.7 * at_random, "{error}, at random {at_random}");
    }
}
