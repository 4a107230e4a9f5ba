//! Forms of the variational posterior.

use crate::problems::{Problem, assert_close, gradient_check};
use elbo_core::ModelFile;
use elbo_gp::likelihood::{BernoulliProbit, Gaussian, MultiLikelihood, Single};
use elbo_gp::mean::Zero;
use elbo_gp::svgp::Svgp;
use elbo_tensor::{Parameters, Tensor, no_grad};

fn svgp(p: &Problem, likelihood: Box<dyn MultiLikelihood>, z: &Tensor) -> Svgp {
    Svgp::new(p.kernel(), Box::new(Zero), likelihood, z, p.x.clone(), p.y.clone()).unwrap()
}

fn gaussian(p: &Problem) -> Box<dyn MultiLikelihood> {
    Box::new(Single(Box::new(Gaussian::new(p.noise))))
}

fn every(p: &Problem) -> Vec<usize> {
    (0..p.y.len()).collect()
}

/// The best diagonal posterior under Gaussian noise: with `H = I + A Aᵀ / noise`, the mean `H⁻¹ A y / noise`, which is that of the best
/// of all, and variances `1 / H_ii`. Mean `[1, M]`, factor `[1, M, M]`.
fn best_diagonal(p: &Problem, z: &Tensor) -> (Tensor, Tensor) {
    no_grad(|| {
        let kernel = p.kernel();
        let a = kernel.gram_symmetric(z).cholesky().unwrap().solve_lower(&kernel.gram(z, &p.x));
        let h = a.matmul(&a.t()) * (1.0 / p.noise) + Tensor::eye(z.size(0), z.dtype());
        let shift = a.matmul(&p.targets()) * (1.0 / p.noise);
        let mean = h.cholesky().unwrap().cholesky_solve(&shift.unsqueeze(1)).t();
        (mean, h.diagonal().sqrt().recip().diag().unsqueeze(0))
    })
}

#[test]
fn the_best_diagonal_posterior_has_the_best_mean_and_inverse_diagonals_of_the_precision() {
    let p = Problem::regression(40, 2, 61);
    let z = p.x.narrow(0, 0, 9);
    let (mean, chol) = best_diagonal(&p, &z);
    let mut model = svgp(&p, gaussian(&p), &z).with_diagonal_posterior();
    model.set_posterior(&mean, &chol);
    model.visit_mut(&mut |name, p| p.set_frozen(!name.starts_with("q.")));
    let bound = model.bound(&every(&p)).unwrap();
    let slopes = model.gradient(&bound);
    assert_eq!(slopes.len(), 18, "a mean and a variance for each variable");
    assert!(slopes.iter().all(|s| s.abs() < 1e-7), "{slopes:?}");
    // Away from it the bound is lower, and so it is below the best posterior of any covariance.
    let best = model.pack();
    for i in 0..best.len() {
        for change in [-0.05, 0.05] {
            let mut moved = best.clone();
            moved[i] += change;
            model.unpack(&moved);
            assert!(model.full_bound().unwrap() < bound.item(), "parameter {i} by {change}");
        }
    }
    let mut full = svgp(&p, gaussian(&p), &z);
    full.natural_step(&every(&p), 1.0).unwrap();
    assert!(full.full_bound().unwrap() > bound.item());
}

#[test]
fn a_diagonal_posterior_is_the_full_one_with_that_factor() {
    let p = Problem::classification(30, 2, 62);
    let z = p.x.narrow(0, 0, 6);
    let likelihood = || Box::new(Single(Box::new(BernoulliProbit::new()))) as Box<dyn MultiLikelihood>;
    let mean = Tensor::from_vec(vec![0.3, -1.0, 0.2, 0.8, -0.4, 0.0], &[1, 6]);
    let scale = Tensor::from_vec(vec![0.2, 0.9, 0.5, 1.3, 0.7, 0.4], &[6]);
    let chol = scale.diag().unsqueeze(0);
    let (mut full, mut diagonal) = (svgp(&p, likelihood(), &z), svgp(&p, likelihood(), &z).with_diagonal_posterior());
    full.set_posterior(&mean, &chol);
    diagonal.set_posterior(&mean, &chol);
    assert_close(diagonal.full_bound().unwrap(), full.full_bound().unwrap(), 1e-10, "bound");
    let new = Problem::regression(7, 2, 63).x;
    let (found, expected) = (diagonal.joint(0, &new).unwrap().1, full.joint(0, &new).unwrap().1);
    found.to_vec().iter().zip(expected.to_vec()).for_each(|(f, e)| assert_close(*f, e, 1e-10, "covariance"));
    gradient_check(&mut diagonal, |m: &mut Svgp| m.bound(&[0, 3, 8, 21]), 1e-5, "diagonal");

    // A file of one form is not of the other.
    let mut file = ModelFile::new("test");
    diagonal.write_to(&mut file, "svgp");
    let mut back = svgp(&p, likelihood(), &z).with_diagonal_posterior();
    back.read_from(&file, "svgp").unwrap();
    assert_eq!(back.pack(), diagonal.pack());
    let error = full.read_from(&file, "svgp").unwrap_err().to_string();
    assert!(error.contains("svgp.q.chol"), "{error}");
}

#[test]
#[should_panic(expected = "natural steps are written for the whitened posterior with a full factor")]
fn a_diagonal_posterior_has_no_natural_steps() {
    let p = Problem::regression(10, 2, 64);
    let _ = svgp(&p, gaussian(&p), &p.x.narrow(0, 0, 3)).with_diagonal_posterior().natural_step(&[0, 1], 0.5);
}
