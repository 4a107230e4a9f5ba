//! Noise that is known for each row, besides the learned one, against dense algebra.

use crate::problems::{Problem, assert_close, gradient_check};
use elbo_core::Rng;
use elbo_gp::exact::ExactGp;
use elbo_gp::kernel::{Kernel, Scaled};
use elbo_gp::mean::Zero;
use elbo_gp::sgpr::Sgpr;
use elbo_tensor::{Tensor, no_grad};

/// Variances between 0 and 0.5; the first is none.
fn known(rows: usize) -> Vec<f64> {
    let mut variances: Vec<f64> = Rng::new(41).uniforms(rows).into_iter().map(|u| 0.5 * u).collect();
    variances[0] = 0.0;
    variances
}

fn exact(p: &Problem, kernel: Box<dyn Kernel>, known: &[f64]) -> ExactGp {
    ExactGp::new(kernel, Box::new(Zero), p.noise, p.x.clone(), p.targets()).with_known_noise(known)
}

fn sgpr(p: &Problem, z: Tensor, known: &[f64]) -> Sgpr {
    Sgpr::new(p.kernel(), Box::new(Zero), p.noise, z, p.x.clone(), p.targets()).with_known_noise(known)
}

/// `K + diag(noise + known)`.
fn dense(p: &Problem, known: &[f64]) -> Tensor {
    let n = known.len();
    let total: Vec<f64> = known.iter().map(|k| k + p.noise).collect();
    no_grad(|| p.kernel().gram_symmetric(&p.x) + Tensor::from_vec(total, &[n]).diag())
}

#[test]
fn the_exact_process_is_the_normal_with_these_variances_on_its_diagonal() {
    let p = Problem::regression(25, 2, 42);
    let known = known(25);
    let chol = dense(&p, &known).cholesky().unwrap();
    let white = chol.solve_lower(&p.targets().unsqueeze(1)).square().sum().item();
    let log_det = 2.0 * chol.diagonal().log().sum().item();
    let expected = -0.5 * (white + log_det + 25.0 * std::f64::consts::TAU.ln());
    let mut scaled = Scaled::new(1.0, p.kernel());
    scaled.variance.set_frozen(true);
    // By the fused way of stationary kernels, and by that of any kernel.
    for (kernel, name) in [(p.kernel(), "stationary"), (Box::new(scaled) as Box<dyn Kernel>, "any")] {
        let mut gp = exact(&p, kernel, &known);
        assert_close(gp.log_marginal().unwrap().item(), expected, 1e-10, name);
        gradient_check(&mut gp, |m: &mut ExactGp| m.log_marginal(), 1e-5, name);
        let new = Problem::regression(6, 2, 43).x;
        let cross = no_grad(|| p.kernel().gram(&p.x, &new));
        let mean = cross.t().matmul(&chol.cholesky_solve(&p.targets().unsqueeze(1))).reshape(&[6]).to_vec();
        let explained = chol.solve_lower(&cross).square().sum_axis(0, false).to_vec();
        let (found_mean, found_variance) = gp.condition().unwrap().marginals(&new).unwrap();
        let prior = p.kernel().diag(&new).to_vec();
        for i in 0..6 {
            assert_close(found_mean[i], mean[i], 1e-10, "mean");
            assert_close(found_variance[i], prior[i] - explained[i], 1e-10, "variance");
        }
    }
}

#[test]
fn leave_one_out_and_growing_by_a_row_hold_the_known_noise() {
    let p = Problem::regression(15, 2, 44);
    let mut known = known(15);
    let closed = exact(&p, p.kernel(), &known).condition().unwrap().leave_one_out();
    let part = |keep: &[usize]| {
        let rows = Tensor::indices(keep);
        let (x, y) = (p.x.index_select(0, &rows), p.targets().index_select(0, &rows));
        let of_rows: Vec<f64> = keep.iter().map(|i| known[*i]).collect();
        let gp = ExactGp::new(p.kernel(), Box::new(Zero), p.noise, x, y).with_known_noise(&of_rows);
        gp.condition().unwrap()
    };
    for i in 0..15 {
        let keep: Vec<usize> = (0..15).filter(|j| *j != i).collect();
        let (mean, variance) = part(&keep).marginals(&p.x.narrow(0, i, 1)).unwrap();
        assert_close(closed.mean[i], mean[0], 1e-8, "mean");
        assert_close(closed.variance[i], variance[0] + p.noise + known[i], 1e-8, "variance");
    }
    // The row that comes later is measured with the learned noise alone.
    let grown = part(&(0..14).collect::<Vec<_>>()).append(&p.x.narrow(0, 14, 1), p.y[14]).unwrap();
    known[14] = 0.0;
    let refit = exact(&p, p.kernel(), &known).condition().unwrap();
    assert_eq!(grown.noise_of_rows().to_vec(), refit.noise_of_rows().to_vec());
    let new = Problem::regression(5, 2, 45).x;
    let ((mean, variance), (expected_mean, expected_variance)) =
        (grown.marginals(&new).unwrap(), refit.marginals(&new).unwrap());
    for i in 0..5 {
        assert_close(mean[i], expected_mean[i], 1e-8, "mean");
        assert_close(variance[i], expected_variance[i], 1e-8, "variance");
    }
}

#[test]
fn sparse_bounds_bracket_the_exact_likelihood_and_meet_it_with_all_points() {
    for seed in 0..20 {
        let p = Problem::regression(25, 2, 300 + seed);
        let known = known(25);
        let truth = exact(&p, p.kernel(), &known).log_marginal().unwrap().item();
        let few = sgpr(&p, p.x.narrow(0, 0, 3 + (seed as usize % 8)), &known).bounds().unwrap();
        assert!(few.lower <= truth + 1e-8 && truth <= few.upper + 1e-8, "{few:?} around {truth}, seed {seed}");
        let all = sgpr(&p, p.x.clone(), &known).bounds().unwrap();
        // Limited by the jitter of the covariance of all points.
        assert_close(all.lower, truth, 1e-4, "lower bound with all points");
        assert_close(all.upper, truth, 1e-3, "upper bound with all points");
    }
}

#[test]
fn the_sparse_process_has_gradients_and_the_predictions_of_the_exact_one_with_all_points() {
    let p = Problem::regression(20, 2, 46);
    let known = known(20);
    let z = Problem::regression(5, 2, 47).x;
    gradient_check(&mut sgpr(&p, z.clone(), &known), |m: &mut Sgpr| m.bound(), 1e-5, "bound");
    gradient_check(&mut sgpr(&p, z, &known), |m: &mut Sgpr| m.power_bound(0.5), 1e-5, "power bound");
    let new = Problem::regression(6, 2, 48).x;
    let (mean, variance) = sgpr(&p, p.x.clone(), &known).condition().unwrap().marginals(&new).unwrap();
    let (expected_mean, expected_variance) =
        exact(&p, p.kernel(), &known).condition().unwrap().marginals(&new).unwrap();
    for i in 0..6 {
        assert_close(mean[i], expected_mean[i], 1e-4, "mean");
        assert_close(variance[i], expected_variance[i], 1e-4, "variance");
    }
}

#[test]
fn known_noise_that_is_the_same_in_every_row_is_more_learned_noise() {
    let p = Problem::regression(30, 2, 49);
    let (alike, z) = (vec![0.2; 30], Problem::regression(6, 2, 50).x);
    let more = Sgpr::new(p.kernel(), Box::new(Zero), p.noise + 0.2, z.clone(), p.x.clone(), p.targets());
    let known = sgpr(&p, z, &alike);
    let (a, b) = (known.bounds().unwrap(), more.bounds().unwrap());
    assert_close(a.lower, b.lower, 1e-10, "lower");
    assert_close(a.upper, b.upper, 1e-10, "upper");
    let new = Problem::regression(5, 2, 51).x;
    let posteriors = [known.condition().unwrap(), more.condition().unwrap()];
    let [(mean, variance), (expected_mean, expected_variance)] = posteriors.map(|q| q.marginals(&new).unwrap());
    for i in 0..5 {
        assert_close(mean[i], expected_mean[i], 1e-10, "mean");
        assert_close(variance[i], expected_variance[i], 1e-10, "variance");
    }
    let exact_known = exact(&p, p.kernel(), &alike).log_marginal().unwrap().item();
    let exact_more = ExactGp::new(p.kernel(), Box::new(Zero), p.noise + 0.2, p.x.clone(), p.targets());
    assert_close(exact_known, exact_more.log_marginal().unwrap().item(), 1e-10, "exact");
}
