//! Coefficients of the mean function integrated out: the limit of a flat prior, its derivatives, and rows that do not determine them.

use crate::problems::{Problem, assert_close, gradient_check};
use elbo_core::Rng;
use elbo_gp::exact::{ExactGp, ExactPosterior};
use elbo_gp::kernel::{Kernel, Stationary};
use elbo_gp::mean::{Mean, MeanConfig, Zero};
use elbo_tensor::{DType, Parameters, Tensor, no_grad};
use std::f64::consts::TAU;

fn linear(p: &Problem, x: Tensor, y: Tensor) -> ExactGp {
    let mean = MeanConfig::Linear.build(&vec![0; x.shape()[1]]).unwrap();
    ExactGp::new(p.kernel(), mean, p.noise, x, y).with_integrated_mean().unwrap()
}

fn whole(p: &Problem) -> ExactGp {
    linear(p, p.x.clone(), p.targets())
}

/// The functions of a linear mean.
fn basis(x: &Tensor) -> Tensor {
    Tensor::cat(&[Tensor::ones(&[x.shape()[0], 1], x.dtype()), x.clone()], 1)
}

/// Variance of every coefficient that stands for a flat prior: the limit is approached as its inverse, and it costs the factor as many digits.
const FLAT: f64 = 1e7;

fn flat_gram(p: &Problem, a: &Tensor, b: &Tensor) -> Tensor {
    p.kernel().gram(a, b) + basis(a).matmul(&basis(b).t()) * FLAT
}

#[test]
fn predictions_are_the_limit_of_a_flat_prior_on_the_coefficients() {
    let p = Problem::regression(18, 1, 14);
    let posterior = whole(&p).condition().unwrap();
    let new = Problem::regression(5, 1, 15).x;
    let (mean, variance) = posterior.marginals(&new).unwrap();
    let (joint_mean, joint) = posterior.joint(&new);
    let ky = flat_gram(&p, &p.x, &p.x) + Tensor::eye(18, p.x.dtype()) * p.noise;
    let chol = ky.cholesky().unwrap();
    let half = chol.solve_lower(&flat_gram(&p, &p.x, &new));
    let expected_mean = half.t().matmul(&chol.solve_lower(&p.targets().unsqueeze(1))).to_vec();
    let expected = (flat_gram(&p, &new, &new) - half.t().matmul(&half)).to_vec();
    let joint = joint.to_vec();
    for i in 0..5 {
        assert_close(mean[i], expected_mean[i], 1e-4, "mean");
        assert_close(joint_mean.to_vec()[i], mean[i], 1e-10, "mean of the joint");
        assert_close(variance[i], joint[i * 5 + i], 1e-10, "variance");
        for j in 0..5 {
            assert_close(joint[i * 5 + j], expected[i * 5 + j], 1e-4, "covariance");
        }
    }
}

#[test]
fn the_restricted_likelihood_is_that_of_a_flat_prior_but_for_its_width() {
    let p = Problem::regression(18, 2, 16);
    let restricted = no_grad(|| whole(&p).log_marginal()).unwrap().item();
    let chol = (flat_gram(&p, &p.x, &p.x) + Tensor::eye(18, p.x.dtype()) * p.noise).cholesky().unwrap();
    let white = chol.solve_lower(&p.targets().unsqueeze(1));
    let flat = -0.5 * (white.square().sum().item() + chol.cholesky_log_det().item() + 18.0 * TAU.ln());
    // Three coefficients, each with the density (2π FLAT)^-½ wherever the data put it.
    assert_close(restricted, flat + 1.5 * (TAU * FLAT).ln(), 1e-5, "restricted log likelihood");
}

#[test]
fn its_gradient_is_that_of_central_differences() {
    let p = Problem::regression(15, 2, 17);
    let mut gp = whole(&p);
    let names = gp.names();
    assert!(names.iter().any(|name| name == "mean.coefficients"), "{names:?}");
    // Two lengthscales, the variance and the noise: the coefficients do not move.
    assert_eq!(gp.pack().len(), 4);
    gradient_check(&mut gp, |gp: &mut ExactGp| gp.log_marginal(), 1e-5, "restricted log likelihood");
}

#[test]
fn leave_one_out_and_growing_by_a_row_are_refits() {
    let p = Problem::regression(15, 1, 18);
    let closed = whole(&p).condition().unwrap().leave_one_out();
    for i in 0..15 {
        let keep = Tensor::indices(&(0..15).filter(|j| *j != i).collect::<Vec<_>>());
        let others = linear(&p, p.x.index_select(0, &keep), p.targets().index_select(0, &keep));
        let (mean, variance) = others.condition().unwrap().marginals(&p.x.narrow(0, i, 1)).unwrap();
        assert_close(closed.mean[i], mean[0], 1e-8, "mean");
        assert_close(closed.variance[i], variance[0] + p.noise, 1e-8, "variance");
    }
    let first = linear(&p, p.x.narrow(0, 0, 14), p.targets().narrow(0, 0, 14)).condition().unwrap();
    let grown = first.append(&p.x.narrow(0, 14, 1), p.y[14]).unwrap();
    let new = Problem::regression(4, 1, 19).x;
    let (found, expected) = (grown.marginals(&new).unwrap(), whole(&p).condition().unwrap().marginals(&new).unwrap());
    for i in 0..4 {
        assert_close(found.0[i], expected.0[i], 1e-8, "mean");
        assert_close(found.1[i], expected.1[i], 1e-8, "variance");
    }
}

#[test]
fn coefficients_are_found_and_what_is_open_of_them_grows_with_the_distance() {
    // A line with a slope of 3 through 1, with a little noise.
    let mut rng = Rng::new(20);
    let x = Tensor::from_vec((0..25).map(|i| -2.0 + 4.0 * f64::from(i) / 24.0).collect(), &[25, 1]);
    let y = Tensor::from_vec(x.to_vec().iter().map(|x| 1.0 + 3.0 * x + 0.1 * rng.normal()).collect(), &[25]);
    let kernel = || Box::new(Stationary::rbf(1).with_variance(0.01)) as Box<dyn Kernel>;
    let mean = || MeanConfig::Linear.build(&[0]).unwrap();
    let gp = ExactGp::new(kernel(), mean(), 0.01, x.clone(), y.clone()).with_integrated_mean().unwrap();
    let posterior = gp.condition().unwrap();
    let coefficients = free_mean(&posterior).pack();
    assert!((coefficients[0] - 1.0).abs() < 0.4 && (coefficients[1] - 3.0).abs() < 0.3, "{coefficients:?}");
    let far = Tensor::from_vec(vec![0.0, 10.0, 20.0, 40.0], &[4, 1]);
    let (means, variances) = posterior.marginals(&far).unwrap();
    assert!(variances.windows(2).all(|v| v[1] > v[0]), "{variances:?}");
    // Far away the slope's variance times the square of the distance is nearly all of it.
    let ratio = (variances[3] - 0.01) / (variances[2] - 0.01);
    assert!((ratio - 4.0).abs() < 0.2, "{ratio}");
    assert!((means[3] - 121.0).abs() < 5.0 * variances[3].sqrt(), "{means:?} {variances:?}");
    // With coefficients that are held nothing grows.
    let held = ExactGp::new(kernel(), mean(), 0.01, x, y).condition().unwrap().marginals(&far).unwrap().1;
    assert!((held[3] - 0.01).abs() < 1e-12, "{held:?}");
}

/// The mean with its coefficients free, to be read.
fn free_mean(posterior: &ExactPosterior) -> Box<dyn Mean> {
    let mut mean = posterior.mean().clone_box();
    mean.set_all_frozen(false);
    mean
}

fn refusal(levels: &[usize], rows: &[&[f64]]) -> String {
    let (n, d) = (rows.len(), levels.len());
    let (x, y) = (Tensor::from_vec(rows.concat(), &[n, d]), Tensor::zeros(&[n], DType::F64));
    let mean = MeanConfig::Linear.build(levels).unwrap();
    let gp = ExactGp::new(Box::new(Stationary::rbf(d)), mean, 0.1, x, y);
    gp.with_integrated_mean().err().expect("refused").to_string()
}

#[test]
fn rows_that_do_not_determine_the_coefficients_are_refused() {
    let few = refusal(&[0, 0], &[&[0.0, 1.0], &[1.0, 0.0], &[2.0, 2.0]]);
    assert!(few.contains("3 rows do not determine the 3 coefficients"), "{few}");
    let collinear: Vec<[f64; 2]> = (0..8).map(|i| [f64::from(i), 2.0 * f64::from(i) - 1.0]).collect();
    let collinear = refusal(&[0, 0], &collinear.iter().map(|row| &row[..]).collect::<Vec<_>>());
    assert!(collinear.contains("term 3") && collinear.contains("combination of the terms before it"), "{collinear}");
    let constant: Vec<[f64; 1]> = vec![[0.0]; 6];
    let constant = refusal(&[0], &constant.iter().map(|row| &row[..]).collect::<Vec<_>>());
    assert!(constant.contains("term 2") && constant.contains("zero in every row"), "{constant}");
    // The last row is the only one of its category.
    let lonely: Vec<[f64; 2]> =
        (0..8).map(|i| [(1.3 * f64::from(i)).sin(), if i == 7 { 2.0 } else { f64::from(i % 2) }]).collect();
    let lonely = refusal(&[0, 3], &lonely.iter().map(|row| &row[..]).collect::<Vec<_>>());
    assert!(lonely.contains("one row alone determines the coefficient of the term 4"), "{lonely}");
    let p = Problem::regression(6, 1, 21);
    let zero = ExactGp::new(p.kernel(), Box::new(Zero), p.noise, p.x.clone(), p.targets()).with_integrated_mean();
    let zero = zero.err().expect("refused").to_string();
    assert!(zero.contains("no coefficients to integrate out"), "{zero}");
}

#[test]
fn a_sample_path_without_its_mean_is_refused() {
    let posterior = whole(&Problem::regression(12, 1, 22)).condition().unwrap();
    let refused = posterior.sample_path(50, &mut Rng::new(1)).err().expect("refused").to_string();
    assert!(refused.contains("integrated out"), "{refused}");
}
