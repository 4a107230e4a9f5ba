//! Bandits: factors and fits against closed forms, regrets in order.

use elbo_core::Rng;
use elbo_decide::bandit::{Linear, Plan, Policy, Sparse, Width, lasso, play};
use elbo_linalg::vector::dot;

#[test]
fn the_posterior_mean_is_ridge_regression() {
    let mut rng = Rng::new(2);
    let x: Vec<Vec<f64>> = (0..30).map(|_| rng.normals(4)).collect();
    let y = rng.normals(30);
    let mut policy = Linear::new(4, 0.7, Width::Draw(1.0));
    x.iter().zip(&y).for_each(|(x, y)| policy.tell(std::slice::from_ref(x), 0, *y));
    // The normal equations hold: (λ I + Σ x xᵀ) μ = Σ y x.
    let mean = policy.mean();
    for k in 0..4 {
        let left: f64 = 0.7 * mean[k] + x.iter().map(|x| x[k] * dot(x, &mean)).sum::<f64>();
        let right: f64 = x.iter().zip(&y).map(|(x, y)| x[k] * y).sum();
        assert!((left - right).abs() < 1e-10, "{left} {right}");
    }
}

#[test]
fn draws_have_the_posterior_spread_and_bounds_its_width() {
    // One context along each axis; the first is known well, the second not at all.
    let axes = [vec![1.0, 0.0], vec![0.0, 1.0]];
    let told = |width| {
        let mut policy = Linear::new(2, 1.0, width);
        (0..99).for_each(|_| policy.tell(&axes, 0, 0.5));
        policy
    };
    // μ = (0.495, 0), V = diag(100, 1): the second wins with probability Φ(-0.495 / √1.01).
    let mut rng = Rng::new(4);
    let mut policy = told(Width::Draw(1.0));
    let share = (0..4000).map(|_| policy.choose(&axes, &mut rng)).sum::<usize>() as f64 / 4000.0;
    let expected = elbo_tensor::special::ndtr(-0.495 / 1.01f64.sqrt());
    // Four standard errors of a share near a third.
    assert!((share - expected).abs() < 4.0 * (0.22f64 / 4000.0).sqrt(), "{share} {expected}");
    // 0.495 + α/10 against α.
    assert_eq!(told(Width::Bound(0.54)).choose(&axes, &mut rng), 0);
    assert_eq!(told(Width::Bound(0.56)).choose(&axes, &mut rng), 1);
}

#[test]
fn the_lasso_thresholds_orthogonal_features_and_meets_its_conditions() {
    // Orthogonal with mean square one: the answer is the soft threshold.
    let x: Vec<Vec<f64>> =
        (0..4).map(|i| vec![if i % 2 == 0 { 1.0 } else { -1.0 }, if i < 2 { 1.0 } else { -1.0 }]).collect();
    let y: Vec<f64> = x.iter().map(|x| 2.0 * x[0] - 0.3 * x[1]).collect();
    let w = lasso(&x, &y, 0.5, &[0.0, 0.0]);
    assert!((w[0] - 1.5).abs() < 1e-9 && w[1] == 0.0, "{w:?}");
    let mut rng = Rng::new(3);
    let x: Vec<Vec<f64>> = (0..40).map(|_| rng.normals(10)).collect();
    let y: Vec<f64> = x.iter().map(|x| x[0] - x[3] + 0.1 * rng.normal()).collect();
    let w = lasso(&x, &y, 0.1, &[0.0; 10]);
    for j in 0..10 {
        let pull: f64 = x.iter().zip(&y).map(|(x, y)| x[j] * (y - dot(x, &w))).sum::<f64>() / 40.0;
        let holds = if w[j] == 0.0 { pull.abs() <= 0.1 + 1e-6 } else { (pull - 0.1 * w[j].signum()).abs() < 1e-6 };
        assert!(holds, "{j}: {pull} at {}", w[j]);
    }
}

#[test]
fn everyone_beats_chance_and_few_features_favour_the_threshold() {
    let (dims, arms, rounds) = (40, 8, 200);
    let theta: Vec<f64> = (0..dims).map(|j| if j < 3 { 1.0 } else { 0.0 }).collect();
    let regret = |policy: &mut dyn Policy, seed: u64| {
        let contexts = |rng: &mut Rng| (0..arms).map(|_| rng.normals(dims)).collect::<Vec<_>>();
        let curve = play(policy, contexts, &theta, 1.0, rounds, &mut Rng::new(seed));
        assert!(curve.windows(2).all(|w| w[1] >= w[0]));
        curve[rounds - 1]
    };
    // One game is much a matter of luck: sums of eight.
    let mut sums = [0.0; 5];
    for seed in 1..=8 {
        let chance = regret(&mut Sparse::new(dims, Plan::Commit { rounds, penalty: 0.1 }), seed);
        let draws = regret(&mut Linear::new(dims, 1.0, Width::Draw(0.5)), seed);
        let bound = regret(&mut Linear::new(dims, 1.0, Width::Bound(0.5)), seed);
        let commit = regret(&mut Sparse::new(dims, Plan::Commit { rounds: 40, penalty: 0.2 }), seed);
        let threshold = regret(&mut Sparse::new(dims, Plan::Threshold { penalty: 0.1 }), seed);
        let all = [chance, draws, bound, commit, threshold];
        assert!(all[1..].iter().all(|r| *r < 0.8 * chance), "seed {seed}: {all:?}");
        sums.iter_mut().zip(all).for_each(|(sum, regret)| *sum += regret);
    }
    let [_, draws, bound, _, threshold] = sums;
    assert!(threshold < 0.8 * draws && threshold < 0.8 * bound, "{sums:?}");
}
