//! Calibration and detection, against counts by hand and plain definitions.

use crate::assert_close;
use elbo_core::Rng;
use elbo_dist::calibration::{
    ClassCalibration, auroc, average_precision, bootstrap, false_positive_rate, interval_score,
    regression_calibration_error, risk_coverage_area, sharpness,
};
use elbo_dist::{Normals, crps};

#[test]
fn errors_of_two_bins_by_hand() {
    // Confidence 0.9 three times, two of them right; 0.6 twice, both right.
    let p = [0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.4, 0.6, 0.4, 0.6];
    let found = ClassCalibration::new(2, &p, &[0, 0, 1, 1, 1], 10).unwrap();
    assert_close("ece", found.ece, (3.0 * (0.9 - 2.0 / 3.0) + 2.0 * 0.4) / 5.0, 1e-12);
    assert_close("mce", found.mce, 0.4, 1e-12);
    let debiased = (3.0 * ((0.9f64 - 2.0 / 3.0).powi(2) - (2.0 / 9.0) / 2.0) + 2.0 * 0.16) / 5.0;
    assert_close("debiased", found.squared_debiased, debiased, 1e-12);
    // With two classes each class's bins mirror the other's.
    assert_close("classwise", found.classwise, found.ece, 1e-12);
    assert!(ClassCalibration::new(2, &p, &[0, 0, 1, 1, 2], 10).is_err());
    assert!(ClassCalibration::new(2, &[f64::NAN; 10], &[0; 5], 10).is_err());
}

#[test]
fn sharpness_is_the_mean_deviation_and_needs_rows() {
    let found = sharpness(&Normals { mean: vec![5.0, -1.0, 0.0], sd: vec![1.0, 2.0, 6.0] }).unwrap();
    assert_close("sharpness", found, 3.0, 1e-15);
    assert!(sharpness(&Normals { mean: vec![], sd: vec![] }).is_err());
}

/// Probabilities of two classes, and classes drawn from them.
fn calibrated(rows: usize, rng: &mut Rng) -> (Vec<f64>, Vec<usize>) {
    let (mut p, mut y) = (vec![], vec![]);
    for _ in 0..rows {
        let q = rng.uniform();
        p.extend([q, 1.0 - q]);
        y.push(usize::from(rng.uniform() >= q));
    }
    (p, y)
}

#[test]
fn calibrated_probabilities_have_no_error_beyond_chance() {
    let (p, y) = calibrated(40_000, &mut Rng::new(3));
    let found = ClassCalibration::new(2, &p, &y, 15).unwrap();
    // The mean gap of a bin of n rows is about 0.4 / sqrt(n), with about 5000 rows in each of the upper 8 bins.
    assert!(found.ece < 0.01 && found.ece_equal_mass < 0.01 && found.classwise < 0.01, "{found:?}");
    assert!(found.squared_debiased.abs() < 5e-5, "{found:?}");
    // Small tables, where chance alone gives 8 bins x 1/6 / 300 = 4.4e-3; the mean of 200 has the standard error 1.7e-4.
    let mut rng = Rng::new(6);
    let debiased = |_| {
        let (p, y) = calibrated(300, &mut rng);
        ClassCalibration::new(2, &p, &y, 15).unwrap().squared_debiased
    };
    let mean = (0..200).map(debiased).sum::<f64>() / 200.0;
    assert!(mean.abs() < 1e-3, "{mean}");
}

#[test]
fn detection_agrees_with_its_definition_on_all_pairs() {
    let mut rng = Rng::new(5);
    // Rounded, so that there are ties.
    let mut draw =
        |shift: f64, n: usize| -> Vec<f64> { (0..n).map(|_| (4.0 * (rng.normal() + shift)).round()).collect() };
    let (inside, outside) = (draw(0.0, 70), draw(0.8, 50));
    let pairs = inside
        .iter()
        .flat_map(|i| outside.iter().map(move |o| if o > i { 1.0 } else { 0.5 * f64::from(u8::from(o == i)) }));
    assert_close("auroc", auroc(&inside, &outside), pairs.sum::<f64>() / 3500.0, 1e-12);
    assert_close("turned", auroc(&outside, &inside), 1.0 - auroc(&inside, &outside), 1e-12);
    let mut levels: Vec<f64> = outside.clone();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let at = |s: &[f64], t: f64| s.iter().filter(|v| **v >= t).count() as f64;
    let mut area = 0.0;
    let mut before = 0.0;
    for t in levels.iter().rev() {
        let found = at(&outside, *t);
        area += (found - before) / 50.0 * found / (found + at(&inside, *t));
        before = found;
    }
    assert_close("average precision", average_precision(&inside, &outside), area, 1e-12);
    let threshold = levels.iter().rev().find(|t| at(&outside, **t) >= 0.95 * 50.0).unwrap();
    assert_close("fpr", false_positive_rate(&inside, &outside, 0.95), at(&inside, *threshold) / 70.0, 1e-12);
    assert_eq!(auroc(&[0.0, 1.0], &[2.0, 3.0]), 1.0);
}

#[test]
fn keeping_the_sure_rows_first_gives_the_least_risk() {
    assert_close("by hand", risk_coverage_area(&[0.0, 1.0, 0.0], &[1.0, 3.0, 2.0]), 1.0 / 9.0, 1e-12);
    assert_close("worst", risk_coverage_area(&[0.0, 1.0, 0.0], &[2.0, 1.0, 3.0]), (1.0 + 0.5 + 1.0 / 3.0) / 3.0, 1e-12);
    // Without any preference the risk is the mean error at every coverage.
    assert_close("ties", risk_coverage_area(&[0.0, 1.0, 0.0], &[1.0; 3]), 1.0 / 3.0, 1e-12);
}

#[test]
fn intervals_and_samples_score_as_defined() {
    assert_eq!(interval_score(1.0, 3.0, 2.0, 0.9), 2.0);
    assert_close("below", interval_score(1.0, 3.0, 0.5, 0.9), 2.0 + 20.0 * 0.5, 1e-12);
    let draws: [f64; 4] = [0.3, -1.0, 2.0, 0.3];
    let pairs: f64 = draws.iter().flat_map(|a| draws.iter().map(move |b| (a - b).abs())).sum();
    let plain = draws.iter().map(|x| (x - 0.7f64).abs()).sum::<f64>() / 4.0 - pairs / 24.0;
    assert_close("fair", crps::ensemble(&draws, 0.7), plain, 1e-12);
    // Without bias: the mean over small samples is the score of the distribution; 4 standard errors of 20000 scores.
    let mut rng = Rng::new(2);
    let mean = (0..20_000).map(|_| crps::ensemble(&rng.normals(3), 0.5)).sum::<f64>() / 20_000.0;
    assert!((mean - crps::normal(0.0, 1.0, 0.5)).abs() < 4.0 * 0.6 / 20_000f64.sqrt(), "{mean}");
}

#[test]
fn honest_intervals_have_a_small_calibration_error_and_narrow_ones_a_large_one() {
    let n = 4000;
    let y = Rng::new(8).normals(n);
    let with = |sd: f64| regression_calibration_error(&Normals { mean: vec![0.0; n], sd: vec![sd; n] }, &y).unwrap();
    // Shares of 4000 rows vary by 0.008 at most.
    assert!(with(1.0) < 0.016 && with(0.3) > 0.2, "{} {}", with(1.0), with(0.3));
}

#[test]
fn the_bootstrap_interval_of_a_mean_has_its_known_width() {
    let mut rng = Rng::new(4);
    let values = rng.normals(400);
    let mean = |rows: &[usize]| rows.iter().map(|r| values[*r]).sum::<f64>() / rows.len() as f64;
    let (low, high) = bootstrap(400, 2000, &mut rng, mean);
    let every: Vec<usize> = (0..400).collect();
    assert!(low < mean(&every) && mean(&every) < high);
    // 2 x 1.96 / sqrt(400) up to the sample's own spread (4 %) and the error of the percentiles.
    assert!(((high - low) / 0.196 - 1.0).abs() < 0.15, "{low} {high}");
}
