//! Regret and tests of differences.

use elbo_decide::regret::{
    area_under_log_regret, cumulative_regret, holm, inference_regret, quartiles, simple_regret, wilcoxon,
};

#[test]
fn regrets_follow_their_definitions() {
    assert_eq!(simple_regret(&[3.0, 5.0, 2.0], 1.0), [2.0, 2.0, 1.0]);
    assert_eq!(cumulative_regret(&[3.0, 5.0, 2.0], 1.0), [2.0, 6.0, 7.0]);
    // The smallest mean is not where the smallest value is.
    assert_eq!(inference_regret(&[2.0, 0.5, 1.0], &[1.0, 3.0, 0.0], -1.0), 4.0);
    assert!(inference_regret(&[], &[], 0.0).is_nan());
    assert_eq!(area_under_log_regret(&[10.0, 0.1]), 0.0);
    assert_eq!(quartiles(&[4.0, 1.0, 3.0, 2.0]), [1.75, 2.5, 3.25]);
    assert!(quartiles(&[]).iter().all(|q| q.is_nan()));
}

#[test]
fn signed_ranks_have_their_exact_probabilities() {
    // All six positive: two of 64 sign patterns are as extreme.
    assert!((wilcoxon(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) - 2.0 / 64.0).abs() < 1e-12);
    // One small negative: sums 0 and 1.
    assert!((wilcoxon(&[-1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) - 4.0 / 64.0).abs() < 1e-12);
    assert_eq!(wilcoxon(&[0.0, 0.0]), 1.0);
    let many: Vec<f64> = (1..=40).map(|i| if i % 4 == 0 { -f64::from(i) } else { f64::from(i) }).collect();
    let p = wilcoxon(&many);
    assert!(p > 0.001 && p < 0.02, "{p}");
}

#[test]
fn holm_multiplies_and_stays_in_order() {
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    let adjusted = holm(&[0.04, 0.01, 0.03]);
    assert!(close(adjusted[1], 0.03) && close(adjusted[2], 0.06) && close(adjusted[0], 0.06), "{adjusted:?}");
}
