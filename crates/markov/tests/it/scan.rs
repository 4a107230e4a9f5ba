//! The parallel scan equals the sequential passes.

use crate::problems::assert_near;
use elbo_markov::{Evidence, Grid, Kernel, StateSpace, Wants, run, scan};

#[test]
fn the_scan_equals_the_passes() {
    let kernel: Kernel = "matern32(lengthscale=0.8) + matern12(lengthscale=3)".parse().unwrap();
    let steps = 1300;
    let times: Vec<f64> = (0..steps).map(|k| 0.2 * k as f64 + 0.05 * ((k * k) as f64).sin()).collect();
    let chain = StateSpace::new(&kernel, 0.0).unwrap().chain(&Grid::new(&times).unwrap());
    let y: Vec<f64> = (0..steps).map(|k| if k % 7 < 3 { f64::NAN } else { (k as f64 * 0.1).sin() }).collect();
    let noise = vec![0.1; steps];
    let scanned = scan::smooth(&chain, &y, &noise).unwrap();
    let pass = run(&chain, Evidence::Observations { y: &y, noise: &noise }, Wants::Smoothed, None).unwrap();
    assert_near("log", &[scanned.log_likelihood], &[pass.log_z], 1e-10);
    let n = chain.size;
    for k in 0..steps {
        assert_near("state", &scanned.mean[k], &pass.state[k * n..(k + 1) * n], 1e-9);
        let half = elbo_markov::small::product(&chain.h, &scanned.covariance[k], 1, n, n);
        let variance: f64 = half.iter().zip(&chain.h).map(|(a, b)| a * b).sum();
        assert!((variance - pass.covariance[k]).abs() < 1e-9, "step {k}");
    }
}
