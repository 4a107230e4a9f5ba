//! Orders of items against values by hand.

use elbo_core::Rng;
use elbo_dist::ranking::{ndcg, ranked, recall};

#[test]
fn the_order_is_by_score_without_what_was_seen_and_stable() {
    assert_eq!(ranked(&[0.1, 0.9, 0.5, 0.9, f64::NAN, -1.0], &[0]), [1, 3, 2, 5, 4]);
    assert_eq!(ranked(&[0.0, -0.0, 0.0], &[]), [0, 1, 2]);
    assert_eq!(ranked(&[f64::NAN, f64::NEG_INFINITY, 0.0], &[]), [2, 1, 0], "no number is below all numbers");
    assert!(ranked(&[], &[3]).is_empty());
}

#[test]
fn recall_is_of_as_many_as_can_be_found() {
    let order = [4, 2, 7, 1, 0];
    // Two of three are among the first four, and one of two that could be among the first two.
    assert_eq!(recall(&order, &[2, 1, 9], 4), Some(2.0 / 3.0));
    assert_eq!(recall(&order, &[2, 1, 9], 2), Some(0.5));
    assert_eq!(recall(&order, &[2, 2, 2], 3), Some(1.0), "an item counts once");
    assert_eq!(recall(&order, &[], 3), None);
    assert_eq!(recall(&order, &[2], 0), None);
}

#[test]
fn the_gain_falls_with_the_logarithm_of_the_rank() {
    let order = [4, 2, 7, 1, 0];
    let discount = |rank: f64| 1.0 / (rank + 1.0).log2();
    let found = ndcg(&order, &[2, 1], 5).unwrap();
    let expected = (discount(2.0) + discount(4.0)) / (discount(1.0) + discount(2.0));
    assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
    // The best order of those that fit is one, also where more are held out than fit.
    assert_eq!(ndcg(&order, &[4, 2, 7], 2), Some(1.0));
    assert_eq!(ndcg(&order, &[0], 4), Some(0.0));
    assert_eq!(ndcg(&order, &[], 4), None);
}

#[test]
fn better_scores_of_held_out_items_never_lower_either() {
    let mut rng = Rng::new(5);
    for _ in 0..50 {
        let scores: Vec<f64> = (0..30).map(|_| rng.normal()).collect();
        let held_out = rng.choose(30, 6);
        let seen: Vec<usize> = (0..30).filter(|i| !held_out.contains(i)).take(8).collect();
        let mut raised = scores.clone();
        held_out.iter().for_each(|i| raised[*i] += 1.0);
        let (before, after) = (ranked(&scores, &seen), ranked(&raised, &seen));
        for k in [1, 5, 20] {
            assert!(recall(&after, &held_out, k) >= recall(&before, &held_out, k));
            let (low, high) = (ndcg(&before, &held_out, k).unwrap(), ndcg(&after, &held_out, k).unwrap());
            assert!(high >= low - 1e-12 && (0.0..=1.0 + 1e-12).contains(&high));
        }
    }
}
