//! Lengthscales to start a search from: median distances between rows.

use elbo_core::{Features, Rng};

/// Pairs of rows that a median is taken over: all of 64 rows, and enough of more for a start.
const PAIRS: usize = 2016;

/// Seed of the pairs: part of the start, so that two fits differ by their own seeds only.
const SEED: u64 = 1;

/// Rows no further apart than this along a column have the same value there, up to rounding.
const SAME: f64 = 1e-9;

/// The least and the largest start, in standard deviations: beyond them a column's distances tell of its tails alone.
const ENDS: (f64, f64) = (0.1, 10.0);

/// Distances between rows of a table.
pub(super) struct Distances<'a> {
    x: &'a Features,
    pairs: Vec<(usize, usize)>,
}

impl<'a> Distances<'a> {
    /// Between all rows of a small table, and a fixed random choice of pairs of a large one.
    pub(super) fn of(x: &'a Features) -> Self {
        let n = x.rows;
        if n * n.saturating_sub(1) / 2 <= PAIRS {
            let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
            return Self { x, pairs };
        }
        let mut rng = Rng::new(SEED);
        let mut pair = || {
            let first = rng.below(n);
            (first, (first + 1 + rng.below(n - 1)) % n)
        };
        Self { x, pairs: (0..PAIRS).map(|_| pair()).collect() }
    }

    /// The median of the root mean square distances over these columns. Where at least half of the pairs are equal, the median of the
    /// others; one, as for any column of unit variance, where there are none.
    pub(super) fn typical(&self, columns: &[usize]) -> f64 {
        let mut found: Vec<f64> = self.pairs.iter().map(|pair| self.distance(*pair, columns)).collect();
        let middle = median(&mut found).filter(|d| *d > SAME).or_else(|| {
            found.retain(|d| *d > SAME);
            median(&mut found)
        });
        middle.map_or(1.0, |d| d.clamp(ENDS.0, ENDS.1))
    }

    fn distance(&self, (i, j): (usize, usize), columns: &[usize]) -> f64 {
        let (a, b) = (self.x.row(i), self.x.row(j));
        let square: f64 = columns.iter().map(|c| (a[*c] - b[*c]).powi(2)).sum();
        (square / columns.len() as f64).sqrt()
    }
}

/// The upper one of the two in the middle; none of nothing.
fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_over_all_pairs_of_a_small_table() {
        // Distances of the first column: four times 1, three times 2, twice 3, once 4. Of the second: six times 0, four times 5.
        let rows = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 5.0]];
        let x = Features::numeric(2, rows.concat());
        let distances = Distances::of(&x);
        assert_eq!(distances.pairs.len(), 10);
        assert_eq!((distances.typical(&[0]), distances.typical(&[1])), (2.0, 5.0));
        // Over both: the root of half of 1, 1, 1, 4, 4, 9 and of 26, 29, 34, 41.
        assert!((distances.typical(&[0, 1]) - 4.5f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn columns_that_say_nothing_start_as_columns_of_unit_variance_do() {
        for x in [vec![], vec![3.0], vec![0.5; 70], vec![0.5, 0.5 + 1e-12, 0.5]] {
            assert_eq!(Distances::of(&Features::numeric(1, x)).typical(&[0]), 1.0);
        }
        let tails = |far: f64| [vec![0.0; 3], vec![far; 3]].concat();
        assert_eq!(Distances::of(&Features::numeric(1, tails(1e-5))).typical(&[0]), ENDS.0);
        assert_eq!(Distances::of(&Features::numeric(1, tails(1e200))).typical(&[0]), ENDS.1);
    }

    #[test]
    fn many_rows_are_seen_through_some_of_their_pairs_always_the_same() {
        let x = Features::numeric(1, Rng::new(7).normals(3000));
        let distances = Distances::of(&x);
        assert_eq!(distances.pairs.len(), PAIRS);
        assert!(distances.pairs.iter().all(|(i, j)| i != j));
        // Differences of standard normals have the variance two; four standard errors of a median of 2016 are 0.1.
        let expected = 0.6745 * 2f64.sqrt();
        let found = distances.typical(&[0]);
        assert!((found - expected).abs() < 0.1, "{found}, expected {expected}");
        assert_eq!(Distances::of(&x).typical(&[0]).to_bits(), found.to_bits());
    }
}
