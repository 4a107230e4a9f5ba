//! Agreement of clusters with classes, and matchings, against values by hand and all permutations.

use elbo_core::Rng;
use elbo_dist::{ClusterScores, assignment};

fn assert_scores(clusters: &[usize], classes: &[usize], [nmi, ari, accuracy]: [f64; 3]) {
    let found = ClusterScores::of(clusters, classes);
    for (name, found, expected) in
        [("nmi", found.nmi, nmi), ("ari", found.ari, ari), ("accuracy", found.accuracy, accuracy)]
    {
        assert!((found - expected).abs() < 1e-12, "{name} of {clusters:?} and {classes:?}: {found} for {expected}");
    }
}

#[test]
fn scores_are_those_by_hand() {
    assert_scores(&[7, 7, 3, 3], &[0, 0, 1, 1], [1.0, 1.0, 1.0]);
    // Entropies 1.5 ln 2 and ln 2, of which all is shared; one pair of two together where 1/3 is expected of 1.5.
    assert_scores(&[0, 0, 1, 2], &[0, 0, 1, 1], [0.8, 4.0 / 7.0, 0.75]);
    // One cluster, and one for each point.
    assert_scores(&[5; 4], &[0, 0, 1, 1], [0.0, 0.0, 0.5]);
    assert_scores(&[0, 1, 2, 3], &[0, 0, 1, 1], [2.0 / 3.0, 0.0, 0.5]);
    assert_scores(&[1; 3], &[2; 3], [1.0, 1.0, 1.0]);
    assert_scores(&[0, 1, 2], &[2, 1, 0], [1.0, 1.0, 1.0]);
}

#[test]
fn names_of_clusters_do_not_matter() {
    let mut rng = Rng::new(1);
    let classes: Vec<usize> = (0..200).map(|_| rng.below(4)).collect();
    let clusters: Vec<usize> = classes.iter().map(|c| if rng.uniform() < 0.7 { *c } else { rng.below(5) }).collect();
    let renamed: Vec<usize> = clusters.iter().map(|c| [90, 4, 17, 2, 30][*c]).collect();
    let (a, b) = (ClusterScores::of(&clusters, &classes), ClusterScores::of(&renamed, &classes));
    assert!((a.nmi - b.nmi).abs() < 1e-12 && (a.ari - b.ari).abs() < 1e-12 && (a.accuracy - b.accuracy).abs() < 1e-12);
    // Information and pairs are symmetric, and so is the best matching.
    let turned = ClusterScores::of(&classes, &clusters);
    assert!((a.nmi - turned.nmi).abs() < 1e-12 && (a.ari - turned.ari).abs() < 1e-12);
    assert!((a.accuracy - turned.accuracy).abs() < 1e-12);
}

#[test]
fn the_adjusted_index_of_unrelated_partitions_is_zero_in_the_mean() {
    let mut rng = Rng::new(2);
    let mut draw = || {
        let mut partition = || -> Vec<usize> { (0..60).map(|_| rng.below(5)).collect() };
        ClusterScores::of(&partition(), &partition()).ari
    };
    let found: Vec<f64> = (0..400).map(|_| draw()).collect();
    let mean = found.iter().sum::<f64>() / 400.0;
    let variance = found.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 399.0;
    assert!(mean.abs() < 4.0 * (variance / 400.0).sqrt(), "{mean}");
}

/// The largest sum over all ways to give each row a column of its own, or none.
fn by_trying(gain: &[f64], rows: usize, columns: usize, used: &mut [bool], row: usize) -> f64 {
    if row == rows {
        return 0.0;
    }
    let mut best = if columns < rows { by_trying(gain, rows, columns, used, row + 1) } else { f64::NEG_INFINITY };
    for j in 0..columns {
        if !used[j] {
            used[j] = true;
            best = best.max(gain[row * columns + j] + by_trying(gain, rows, columns, used, row + 1));
            used[j] = false;
        }
    }
    best
}

#[test]
fn the_matching_is_the_best_of_all() {
    let mut rng = Rng::new(3);
    for (rows, columns) in [(1, 1), (3, 3), (5, 5), (3, 5), (5, 3), (0, 4)] {
        for _ in 0..30 {
            let gain: Vec<f64> = (0..rows * columns).map(|_| rng.below(20) as f64).collect();
            let found = assignment(&gain, rows, columns);
            let mut chosen: Vec<usize> = found.iter().flatten().copied().collect();
            assert_eq!((found.len(), chosen.len()), (rows, rows.min(columns)));
            let total: f64 = found.iter().enumerate().filter_map(|(i, j)| j.map(|j| gain[i * columns + j])).sum();
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), rows.min(columns), "a column was given twice");
            assert_eq!(total, by_trying(&gain, rows, columns, &mut vec![false; columns], 0), "{gain:?}");
        }
    }
}
