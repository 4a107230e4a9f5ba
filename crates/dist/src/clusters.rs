//! How well clusters agree with known classes.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Agreement of clusters with classes. The names of clusters do not matter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClusterScores {
    /// Mutual information over the mean of the two entropies; 1 for the same partition, and where both are of one part.
    pub nmi: f64,
    /// Adjusted Rand index: 1 for the same partition, 0 in the mean for unrelated ones.
    pub ari: f64,
    /// Share of the points whose cluster is that of their class, where every cluster stands for one class at most and every class for one cluster at
    /// most, in the best way.
    pub accuracy: f64,
}

impl ClusterScores {
    /// Compares clusters with classes, `[N]` each, by any numbers.
    ///
    /// # Panics
    /// Without points, or with different numbers of them.
    ///
    /// # Source
    /// Hubert and Arabie (1985) for the index; Kuhn (1955) for the matching.
    pub fn of(clusters: &[usize], classes: &[usize]) -> Self {
        assert!(!clusters.is_empty() && clusters.len() == classes.len(), "one cluster and one class for each point");
        let table = Table::new(clusters, classes);
        Self { nmi: table.nmi(), ari: table.ari(), accuracy: table.matched() / clusters.len() as f64 }
    }
}

/// How many points each pair of a cluster and a class has, `[rows, columns]`.
struct Table {
    counts: Vec<f64>,
    rows: usize,
    columns: usize,
}

/// Places 0, 1, ... of different numbers in order.
fn places(numbers: &[usize]) -> BTreeMap<usize, usize> {
    let mut places: BTreeMap<usize, usize> = numbers.iter().map(|n| (*n, 0)).collect();
    places.values_mut().enumerate().for_each(|(i, place)| *place = i);
    places
}

impl Table {
    fn new(clusters: &[usize], classes: &[usize]) -> Self {
        let (of_clusters, of_classes) = (places(clusters), places(classes));
        let (rows, columns) = (of_clusters.len(), of_classes.len());
        let mut counts = vec![0.0; rows * columns];
        clusters.iter().zip(classes).for_each(|(a, b)| counts[of_clusters[a] * columns + of_classes[b]] += 1.0);
        Self { counts, rows, columns }
    }

    fn by_row(&self) -> Vec<f64> {
        self.counts.chunks_exact(self.columns).map(|row| row.iter().sum()).collect()
    }

    fn by_column(&self) -> Vec<f64> {
        (0..self.columns).map(|j| (0..self.rows).map(|i| self.counts[i * self.columns + j]).sum()).collect()
    }

    fn nmi(&self) -> f64 {
        let total: f64 = self.counts.iter().sum();
        let entropy = |counts: &[f64]| -> f64 {
            let shares = counts.iter().filter(|c| **c > 0.0).map(|c| c / total);
            shares.map(|share| -share * share.ln()).sum()
        };
        let (a, b) = (entropy(&self.by_row()), entropy(&self.by_column()));
        let mean = 0.5 * (a + b);
        // The entropy of one part is zero without rounding.
        if mean == 0.0 { 1.0 } else { (a + b - entropy(&self.counts)).max(0.0) / mean }
    }

    fn ari(&self) -> f64 {
        let pairs = |counts: &[f64]| -> f64 { counts.iter().map(|c| 0.5 * c * (c - 1.0)).sum() };
        let (together, a, b) = (pairs(&self.counts), pairs(&self.by_row()), pairs(&self.by_column()));
        let all = pairs(&[self.counts.iter().sum()]);
        let expected = if all > 0.0 { a * b / all } else { 0.0 };
        let most = 0.5 * (a + b);
        // Both of one part, or both of single points: the same partition.
        if most == expected { 1.0 } else { (together - expected) / (most - expected) }
    }

    fn matched(&self) -> f64 {
        let found = assignment(&self.counts, self.rows, self.columns);
        found.iter().enumerate().filter_map(|(i, j)| j.map(|j| self.counts[i * self.columns + j])).sum()
    }
}

/// Matches rows with columns, each with one at most, so that the sum of their gains is the largest: the column of each row, `None` for rows that
/// are left over. `gain: [rows, columns]`, finite; in cubic time.
///
/// # Panics
/// When there is not one gain for each pair.
///
/// # Source
/// Kuhn (1955), with the potentials of Jonker and Volgenant (1987).
pub fn assignment(gain: &[f64], rows: usize, columns: usize) -> Vec<Option<usize>> {
    assert_eq!(gain.len(), rows * columns, "one gain for each pair");
    let n = rows.max(columns);
    let mut cost = vec![0.0; n * n];
    for i in 0..rows {
        (0..columns).for_each(|j| cost[i * n + j] = -gain[i * columns + j]);
    }
    let found = cheapest(&cost, n);
    found[..rows].iter().map(|j| (*j < columns).then_some(*j)).collect()
}

/// The column of each row in the cheapest complete matching of a square table of costs.
fn cheapest(cost: &[f64], n: usize) -> Vec<usize> {
    // Place 0 of all lists stands for no row and no column.
    let (mut of_row, mut of_column) = (vec![0.0; n + 1], vec![0.0; n + 1]);
    let mut row_at = vec![0; n + 1];
    for row in 1..=n {
        row_at[0] = row;
        let mut column = 0;
        let mut least = vec![f64::INFINITY; n + 1];
        let mut before = vec![0; n + 1];
        let mut is_used = vec![false; n + 1];
        // The cheapest path from the new row to a column that is free.
        while row_at[column] != 0 {
            is_used[column] = true;
            let from = row_at[column];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for j in (1..=n).filter(|j| !is_used[*j]) {
                let reduced = cost[(from - 1) * n + j - 1] - of_row[from] - of_column[j];
                if reduced < least[j] {
                    (least[j], before[j]) = (reduced, column);
                }
                if least[j] < step {
                    (step, next) = (least[j], j);
                }
            }
            for j in 0..=n {
                if is_used[j] {
                    of_row[row_at[j]] += step;
                    of_column[j] -= step;
                } else {
                    least[j] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            let previous = before[column];
            row_at[column] = row_at[previous];
            column = previous;
        }
    }
    let mut found = vec![0; n];
    (1..=n).for_each(|j| found[row_at[j] - 1] = j - 1);
    found
}
