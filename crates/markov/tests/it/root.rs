//! Square roots.

use crate::problems::assert_near;
use elbo_core::Rng;
use elbo_markov::{Evidence, Grid, Kernel, StateSpace, Wants, root, run};

#[test]
fn square_roots_give_the_same_posterior() {
    let kernel: Kernel = "matern52(lengthscale=0.8) + cosine(period=2)".parse().unwrap();
    let times: Vec<f64> = (0..50).map(|k| 0.2 * k as f64 + 0.05 * ((k * k) as f64).sin()).collect();
    let chain = StateSpace::new(&kernel, 0.0).unwrap().chain(&Grid::new(&times).unwrap());
    let y: Vec<f64> = (0..50).map(|k| if k % 3 == 1 { f64::NAN } else { (k as f64).sin() }).collect();
    let noise = vec![0.1; 50];
    let roots = root::smooth::<f64>(&chain, &y, &noise);
    let pass = run(&chain, Evidence::Observations { y: &y, noise: &noise }, Wants::Smoothed, None).unwrap();
    assert_near("log", &[roots.log_likelihood], &[pass.log_z], 1e-10);
    assert_near("mean", &roots.mean, &pass.state, 1e-9);
    let n = chain.size;
    for k in 0..50 {
        let factor = &roots.factor[k * n * n..(k + 1) * n * n];
        let half = elbo_markov::small::product(&chain.h, factor, 1, n, n);
        let variance: f64 = half.iter().map(|x| x * x).sum();
        assert!((variance - pass.covariance[k]).abs() < 1e-9);
    }
}

#[test]
fn single_precision_stays_positive_over_a_long_series_with_hardly_any_noise() {
    let kernel: Kernel = "matern32(lengthscale=30)".parse().unwrap();
    let steps = 100_000;
    let chain = StateSpace::new(&kernel, 0.0).unwrap().chain(&Grid::regular(0.0, 1.0, steps));
    let mut rng = Rng::new(1);
    let mut level = 0.0;
    let y: Vec<f64> = (0..steps)
        .map(|_| {
            level = 0.99 * level + 0.05 * rng.normal();
            level
        })
        .collect();
    let roots = root::smooth::<f32>(&chain, &y, &vec![1e-10; steps]);
    assert!(roots.log_likelihood.is_finite() && roots.mean.iter().all(|m| m.is_finite()));
    for factor in roots.filtered.chunks(4).chain(roots.factor.chunks(4)) {
        // A factor's product with itself cannot be negative; it must not collapse either.
        assert!(factor.iter().all(|x| x.is_finite()) && factor[3] > 0.0);
    }
}
