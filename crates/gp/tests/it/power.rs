//! The posterior of the family between SGPR and FITC.

use crate::problems::{Problem, assert_close};
use elbo_core::Run;
use elbo_gp::exact::ExactGp;
use elbo_gp::fit::{Search, search};
use elbo_gp::likelihood::Gaussian;
use elbo_gp::mean::{FixedBasis, Mean, Zero};
use elbo_gp::prior::SparsePrior;
use elbo_gp::sgpr::Sgpr;
use elbo_gp::site::PowerEp;
use elbo_gp::sites::SiteGp;
use elbo_tensor::{Tensor, no_grad};

fn sgpr(p: &Problem, mean: Box<dyn Mean>, z: &Tensor) -> Sgpr {
    Sgpr::new(p.kernel(), mean, p.noise, z.clone(), p.x.clone(), p.targets())
}

/// A plane, `0.4 - 0.2 x_1`.
fn plane() -> Box<dyn Mean> {
    let functions = |x: &Tensor| Tensor::cat(&[Tensor::ones(&[x.size(0), 1], x.dtype()), x.narrow(1, 0, 1)], 1);
    let mut mean = FixedBasis::new(2, functions);
    mean.coefficients.set(&[0.4, -0.2]).unwrap();
    Box::new(mean)
}

fn new_points() -> Tensor {
    Problem::regression(7, 2, 62).x
}

fn assert_same(found: &(Vec<f64>, Vec<f64>), expected: &(Vec<f64>, Vec<f64>), tolerance: f64, what: &str) {
    for i in 0..7 {
        assert_close(found.0[i], expected.0[i], tolerance, &format!("{what}, mean {i}"));
        assert_close(found.1[i], expected.1[i], tolerance, &format!("{what}, variance {i}"));
    }
}

#[test]
fn a_power_towards_zero_gives_the_posterior_of_sgpr_and_a_large_one_does_not() {
    let p = Problem::regression(40, 2, 61);
    let model = sgpr(&p, plane(), &p.x.narrow(0, 0, 8));
    let expected = model.condition().unwrap().marginals(&new_points()).unwrap();
    let of = |alpha: f64| model.condition_with_power(alpha).unwrap().marginals(&new_points()).unwrap();
    assert_same(&of(0.0), &expected, 1e-9, "zero");
    // The noise of a row grows by `alpha` times a variance of at most 1.3, in units of 0.05.
    assert_same(&of(1e-10), &expected, 1e-6, "towards zero");
    let apart = of(1.0).1.iter().zip(&expected.1).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart > 1e-3, "FITC and SGPR differ by {apart} with 8 inducing points");
}

#[test]
fn a_search_at_a_power_climbs_the_evidence_of_that_power() {
    let p = Problem::regression(40, 2, 61);
    let learned = |power: f64| {
        let mut model = sgpr(&p, Box::new(Zero), &p.x.narrow(0, 0, 6)).with_fixed_inducing().with_power(power);
        let found = search(&mut model, Search { starts: 1, iterations: 40 }, &mut Run::new(64)).unwrap();
        (model, found.evidence())
    };
    let ((sgpr, bound), (fitc, evidence)) = (learned(0.0), learned(1.0));
    assert_close(sgpr.bound().unwrap().item(), bound, 1e-9, "bound");
    assert_close(fitc.power_bound(1.0).unwrap().item(), evidence, 1e-9, "FITC");
    assert!(evidence > sgpr.power_bound(1.0).unwrap().item() + 1e-3, "FITC's own optimum");
    assert!(bound > fitc.bound().unwrap().item() + 1e-3, "the bound's own optimum");
}

#[test]
fn with_all_rows_inducing_every_power_is_exact() {
    let p = Problem::regression(25, 2, 63);
    let exact = ExactGp::new(p.kernel(), plane(), p.noise, p.x.clone(), p.targets());
    let expected = exact.condition().unwrap().marginals(&new_points()).unwrap();
    let model = sgpr(&p, plane(), &p.x);
    for alpha in [0.0, 0.4, 1.0] {
        let found = model.condition_with_power(alpha).unwrap();
        assert_same(&found.marginals(&new_points()).unwrap(), &expected, 1e-6, &format!("alpha {alpha}"));
    }
}

/// `Q_*f K̄⁻¹ y` and `k_** - Q_*f K̄⁻¹ Q_f*`, `K̄ = Q + α diag(K - Q) + σ² I`, with every matrix in full.
fn by_hand(p: &Problem, z: &Tensor, alpha: f64) -> (Vec<f64>, Vec<f64>) {
    no_grad(|| {
        let (kernel, new) = (p.kernel(), new_points());
        let chol = kernel.gram_symmetric(z).cholesky().unwrap();
        let low_rank = |a: &Tensor, b: &Tensor| kernel.gram(a, z).matmul(&chol.cholesky_solve(&kernel.gram(z, b)));
        let q = low_rank(&p.x, &p.x);
        let spread = (kernel.diag(&p.x) - q.diagonal()) * alpha + p.noise;
        let chol = (q + spread.diag()).cholesky().unwrap();
        let cross = low_rank(&p.x, &new);
        let mean = cross.t().matmul(&chol.cholesky_solve(&p.targets().unsqueeze(1))).flatten();
        let variance = kernel.diag(&new) - (&cross * chol.cholesky_solve(&cross)).sum_axis(0, false);
        (mean.to_vec(), variance.to_vec())
    })
}

#[test]
fn the_posterior_is_that_of_the_full_matrices_and_of_power_ep() {
    let p = Problem::regression(50, 2, 64);
    let z = p.x.narrow(0, 0, 12);
    let model = sgpr(&p, Box::new(Zero), &z);
    for alpha in [0.3, 1.0] {
        let posterior = model.condition_with_power(alpha).unwrap();
        let found = posterior.marginals(&new_points()).unwrap();
        assert_same(&found, &by_hand(&p, &z, alpha), 1e-8, &format!("full matrices, alpha {alpha}"));
        let (mean, covariance) = posterior.joint(&new_points());
        assert_same(&found, &(mean.to_vec(), covariance.diagonal().to_vec()), 1e-9, "joint");
        let prior = Box::new(SparsePrior::new(p.kernel(), z.clone(), p.x.clone()));
        let mut sites = SiteGp::new(prior, Box::new(Zero), Box::new(Gaussian::new(p.noise)), p.y.clone()).unwrap();
        sites.infer(&PowerEp { alpha, damping: 0.8 }, 200, 1e-12).unwrap();
        let (mean, variance) = sites.condition().unwrap().marginals(&new_points());
        assert_same(&found, &(mean.to_vec(), variance.to_vec()), 1e-6, &format!("power EP, alpha {alpha}"));
    }
}

#[test]
fn known_noise_of_rows_counts_in_every_power() {
    let p = Problem::regression(25, 2, 66);
    let known: Vec<f64> = (0..25).map(|i| if i % 2 == 0 { 1.0 } else { 0.0 }).collect();
    let exact = ExactGp::new(p.kernel(), plane(), p.noise, p.x.clone(), p.targets()).with_known_noise(&known);
    let expected = exact.condition().unwrap().marginals(&new_points()).unwrap();
    let model = sgpr(&p, plane(), &p.x).with_known_noise(&known);
    for alpha in [0.0, 1.0] {
        let found = model.condition_with_power(alpha).unwrap().marginals(&new_points()).unwrap();
        assert_same(&found, &expected, 1e-6, &format!("alpha {alpha}"));
    }
}

#[test]
fn a_power_outside_of_the_family_is_refused() {
    let p = Problem::regression(10, 2, 65);
    let model = sgpr(&p, Box::new(Zero), &p.x.narrow(0, 0, 3));
    for alpha in [-0.1, 1.5, f64::NAN] {
        let error = model.condition_with_power(alpha).err().unwrap();
        assert!(error.to_string().contains("`alpha`"), "{error}");
    }
}
