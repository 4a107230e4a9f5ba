//! The bidirectional filter equals the two passes, for full, singular and absent sites.

use crate::gradients::sites;
use crate::problems::assert_near;
use elbo_markov::{Evidence, Grid, Kernel, StateSpace, Wants, information, run};

#[test]
fn both_smoothers_agree() {
    let cases: [&[&str]; 3] = [
        &["matern32(lengthscale=0.8)"],
        &["matern52(lengthscale=0.8) * cosine(period=1.2)", "matern12(lengthscale=2)"],
        &["matern32(lengthscale=1)", "cosine(period=3)", "matern52(lengthscale=1, variance=2)"],
    ];
    for texts in cases {
        let kernels: Vec<Kernel> = texts.iter().map(|t| t.parse().unwrap()).collect();
        let l = kernels.len();
        let times: Vec<f64> = (0..60).map(|k| 0.2 * k as f64 + 0.05 * ((k * k) as f64).sin()).collect();
        let grid = Grid::new(&times).unwrap();
        let space = StateSpace::of_latents(&kernels, 0.0).unwrap();
        let chain = space.chain(&grid);
        let (shift, precision) = sites(60, l, 4);
        let pass =
            run(&chain, Evidence::Sites { shift: &shift, precision: &precision }, Wants::Smoothed, None).unwrap();
        let other = information::smooth(&space, &chain, &shift, &precision).unwrap();
        assert_near("log z", &[other.log_z], &[pass.log_z], 1e-9);
        assert_near("mean", &other.mean, &pass.mean, 1e-8);
        assert_near("covariance", &other.covariance, &pass.covariance, 1e-8);
    }
}

#[test]
fn a_prior_that_cannot_be_reversed_is_refused() {
    let space = StateSpace::new(&"wiener".parse().unwrap(), 0.0).unwrap();
    let chain = space.chain(&Grid::new(&[1.0, 2.0]).unwrap());
    let error = information::smooth(&space, &chain, &[0.0; 2], &[1.0; 2]).unwrap_err();
    assert!(error.to_string().contains("stationary"), "{error}");
}
