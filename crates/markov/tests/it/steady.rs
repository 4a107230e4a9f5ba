//! The filter's steady state.

use crate::problems::assert_near;
use elbo_core::Rng;
use elbo_markov::{Evidence, Grid, Kernel, StateSpace, Wants, run, small, steady};

const KERNELS: [&str; 4] = [
    "matern12(variance=1.3, lengthscale=7)",
    "matern52(lengthscale=6) + matern32(lengthscale=2, variance=0.3)",
    "matern32(lengthscale=30) * cosine(period=9)",
    "squared_exponential(lengthscale=5)",
];

#[test]
fn the_solution_solves_riccatis_equation_and_is_where_the_filter_settles() {
    for text in KERNELS {
        let kernel: Kernel = text.parse().unwrap();
        let chain = StateSpace::new(&kernel, 0.0).unwrap().chain(&Grid::regular(0.0, 1.0, 400));
        let (n, noise) = (chain.size, 0.2);
        let found = steady::steady(&chain, noise).unwrap();
        let (a, q) = (chain.dense(&chain.a), chain.dense(&chain.q));
        let mut covariance = chain.start.clone();
        // The equation at the solution, and the filter's recursion from the prior.
        for (what, start) in [("equation", &found.predicted), ("recursion", &covariance.clone())] {
            covariance.clone_from(start);
            for _ in 0..if what == "equation" { 1 } else { 400 } {
                let ph = small::product_transposed(&covariance, &chain.h, n, n, 1);
                let total = small::product(&chain.h, &ph, 1, n, 1)[0] + noise;
                let kept: Vec<f64> =
                    covariance.iter().enumerate().map(|(i, p)| p - ph[i / n] * ph[i % n] / total).collect();
                let carried = small::product_transposed(&small::product(&a, &kept, n, n, n), &a, n, n, n);
                covariance = carried.iter().zip(&q).map(|(c, q)| c + q).collect();
            }
            assert_near(&format!("{text}: {what}"), &covariance, &found.predicted, 1e-10);
        }
    }
}

#[test]
fn a_constant_gain_changes_nothing() {
    for text in KERNELS {
        let kernel: Kernel = text.parse().unwrap();
        let steps = 3000;
        let chain = StateSpace::new(&kernel, 0.0).unwrap().chain(&Grid::regular(0.0, 1.0, steps));
        let y = Rng::new(2).normals(steps);
        let found = steady::filter(&chain, &y, 0.3).unwrap();
        let noise = vec![0.3; steps];
        let exact = run(&chain, Evidence::Observations { y: &y, noise: &noise }, Wants::Smoothed, None).unwrap();
        assert!(found.settled < 500, "{text}: {}", found.settled);
        assert_near(text, &[found.log_likelihood], &[exact.log_z], 1e-9);
        let (u, phi) = &exact.innovation;
        let predicted: Vec<f64> = (0..steps).map(|k| y[k] - u[k] / phi[k]).collect();
        assert_near(text, &found.predicted, &predicted, 1e-9);
    }
}

#[test]
fn chains_that_do_not_settle_are_refused() {
    let chain = |text: &str, times: &[f64]| {
        StateSpace::new(&text.parse().unwrap(), 0.0).unwrap().chain(&Grid::new(times).unwrap())
    };
    let regular: Vec<f64> = (0..50).map(f64::from).collect();
    let error = steady::steady(&chain("cosine(period=7) + matern12", &regular), 0.1).unwrap_err();
    assert!(error.to_string().contains("does not settle"), "{error}");
    let error = steady::steady(&chain("matern12", &[0.0, 1.0, 2.5]), 0.1).unwrap_err();
    assert!(error.to_string().contains("gap"), "{error}");
    let mut y = vec![0.0; 50];
    y[3] = f64::NAN;
    let error = steady::filter(&chain("matern12", &regular), &y, 0.1).unwrap_err();
    assert!(error.to_string().contains("step 4"), "{error}");
    y[3] = f64::INFINITY;
    let error = steady::filter(&chain("matern12", &regular), &y, 0.1).unwrap_err();
    assert!(error.to_string().contains("log likelihood"), "{error}");
}
