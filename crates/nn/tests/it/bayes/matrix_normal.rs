//! Matrix normal distributions against their covariance written out.

use super::{assert_mean, distance, shake};
use crate::common::assert_gradient;
use elbo_core::{ModelFile, Result, Rng, Run, Snapshot, Stop, drive};
use elbo_nn::bayes::{Covariance, Gaussians, KroneckerLinear, MatrixNormal};
use elbo_nn::layer::{Build, Layer, Pass};
use elbo_tensor::optim::Lbfgs;
use elbo_tensor::{DType, Parameter, Parameters, Tensor, no_grad};

fn shaken(o: usize, i: usize, seed: u64) -> MatrixNormal {
    let mut rng = Rng::new(seed);
    let mean = Tensor::from_vec(rng.normals(o * i), &[o, i]);
    let mut found = MatrixNormal::new(&mean, 0.6).unwrap();
    shake(&mut found, 0.3, &mut rng);
    found
}

/// The same distribution of the weights in one row, as a dense Gaussian.
fn dense(q: &MatrixNormal) -> Gaussians {
    let covariance = q.covariance().detach();
    let n = covariance.size(0);
    let lower = covariance.cholesky().unwrap().reshape(&[1, n, n]);
    Gaussians::from_cholesky(&q.mean.get().detach().reshape(&[1, n]), &lower)
}

#[test]
fn determinant_divergence_and_projections_are_those_of_the_dense_covariance() {
    let (o, i) = (3, 4);
    let mut q = shaken(o, i, 1);
    let same = dense(&q);
    assert_eq!(same.covariance(), Covariance::Dense);
    assert!((q.log_det().item() - same.log_det().unwrap().item()).abs() < 1e-10);
    assert!((q.kl(0.7).item() - same.kl(0.7).unwrap().item()).abs() < 1e-10);
    assert_gradient("divergence", &mut q, |q| q.kl(0.7), 1e-6);
    let x = Tensor::from_vec(Rng::new(2).normals(2 * i), &[2, i]);
    let (mean, sizes) = q.project(&x);
    let (_, b) = q.factors();
    let covariance = q.covariance();
    for row in 0..2 {
        // y = (I ⊗ x') vec(W), row after row.
        let a = x.row(row);
        let along = (Tensor::eye(o, DType::F64).unsqueeze(2) * a.reshape(&[1, 1, i])).reshape(&[o, o * i]);
        let expected = along.matmul(&covariance).matmul(&along.t());
        assert!(distance(&(&b * sizes.row(row)), &expected) < 1e-12);
        assert!(distance(&mean.row(row), &along.matmul(&q.mean.get().flatten())) < 1e-12);
    }
    // None between equals.
    let same = MatrixNormal::new(&Tensor::zeros(&[o, i], DType::F64), 0.5).unwrap();
    assert!(same.kl(0.25).item().abs() < 1e-12);
}

#[test]
fn draws_have_the_covariance() {
    let q = shaken(2, 2, 3);
    let mut rng = Rng::new(4);
    let draws: Vec<Vec<f64>> = (0..6000).map(|_| no_grad(|| q.rsample(&mut rng)).to_vec()).collect();
    let (mean, s) = (q.mean.value(), q.covariance().to_vec());
    for a in 0..4 {
        for b in 0..4 {
            let products: Vec<f64> = draws.iter().map(|d| (d[a] - mean[a]) * (d[b] - mean[b])).collect();
            assert_mean(&format!("{a} {b}"), &products, s[4 * a + b]);
        }
    }
}

#[test]
fn outputs_of_a_layer_vary_together_within_a_row_and_with_other_rows_only_as_a_function() {
    let mut rng = Rng::new(5);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    let mut layer = KroneckerLinear::new(3, 2, 0.3, &mut build).unwrap();
    shake(&mut layer, 0.3, &mut Rng::new(6));
    let x = Tensor::from_vec(Rng::new(7).normals(6), &[2, 3]);
    let with_one = Tensor::cat(&[x.clone(), Tensor::ones(&[2, 1], DType::F64)], 1);
    let (a, b) = layer.weights.factors();
    let inner = with_one.matmul(&a).matmul(&with_one.t()).to_vec();
    let b = b.to_vec();
    let mean = layer.forward(&x, &mut Pass::evaluation()).to_vec();
    for is_function in [false, true] {
        let mut rng = Rng::new(8);
        let draws: Vec<Vec<f64>> = (0..6000)
            .map(|_| {
                let mut pass = if is_function { Pass::drawing_function(&mut rng) } else { Pass::training(&mut rng) };
                no_grad(|| layer.forward(&x, &mut pass)).to_vec()
            })
            .collect();
        for i in 0..4 {
            for j in 0..4 {
                let (row, other) = (i / 2, j / 2);
                let products: Vec<f64> = draws.iter().map(|d| (d[i] - mean[i]) * (d[j] - mean[j])).collect();
                let expected = inner[2 * row + other] * b[2 * (i % 2) + j % 2];
                let expected = if is_function || row == other { expected } else { 0.0 };
                assert_mean(&format!("function {is_function}, {i} {j}"), &products, expected);
            }
        }
    }
}

/// A matrix normal distribution as a model that is fitted.
struct Fitted(MatrixNormal);

impl Parameters for Fitted {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.0.visit(f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.0.visit_mut(f);
    }
}

impl Snapshot for Fitted {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }
    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

#[test]
fn the_best_bound_of_a_linear_model_is_exact_bayesian_regression() {
    // The precision of vec(W) is I ⊗ (X'X / noise + I / prior): a Kronecker product, so the family holds the posterior.
    let (n, noise, prior) = (30, 0.2, 0.8);
    let mut rng = Rng::new(9);
    let x = Tensor::from_vec(rng.normals(n * 3), &[n, 3]);
    let y = x.matmul(&Tensor::from_vec(rng.normals(6), &[3, 2])) + Tensor::from_vec(rng.normals(n * 2), &[n, 2]) * 0.4;
    let precision = x.t().matmul(&x) * (1.0 / noise) + Tensor::eye(3, DType::F64) * (1.0 / prior);
    let covariance = precision.inverse_spd().unwrap();
    let mean = covariance.matmul(&x.t().matmul(&y)) * (1.0 / noise);
    let mut q = Fitted(MatrixNormal::new(&Tensor::zeros(&[2, 3], DType::F64), 0.1).unwrap());
    let (inputs, targets) = (x.clone(), y.clone());
    let loss = move |q: &Fitted, _: &mut Run| -> Result<Tensor> {
        let (centre, sizes) = q.0.project(&inputs);
        let (_, b) = q.0.factors();
        // The expected squared error, the variances of outputs being a' A a times the diagonal of B.
        let misfit = (centre - &targets).square().sum() + sizes.sum() * b.trace();
        Ok(misfit * (0.5 / noise) + q.0.kl(prior))
    };
    let lbfgs = Lbfgs { gradient_tolerance: 1e-9, value_tolerance: 1e-17, ..Lbfgs::default() };
    drive(&lbfgs.on(loss), &mut q, &Stop::after(2000, "optimum", "loss"), &mut Run::new(0)).unwrap();
    assert!(distance(&q.0.mean.get(), &mean.t()) < 1e-6);
    let (zero, block) = (Tensor::zeros(&[3, 3], DType::F64), covariance);
    let (above, below) = (Tensor::cat(&[block.clone(), zero.clone()], 1), Tensor::cat(&[zero, block], 1));
    let expected = Tensor::cat(&[above, below], 0);
    assert!(distance(&q.0.covariance(), &expected) < 1e-6);
}

#[test]
fn deviations_that_are_not_positive_are_refused() {
    let (mut rng, mean) = (Rng::new(10), Tensor::zeros(&[2, 3], DType::F64));
    let mut build = Build::new(&mut rng);
    for sd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = MatrixNormal::new(&mean, sd).err().unwrap();
        assert!(error.to_string().contains("`sd`"), "{error}");
        assert!(KroneckerLinear::new(3, 2, sd, &mut build).is_err(), "{sd}");
    }
}

#[test]
fn factors_that_would_fill_the_memory_are_refused() {
    let error = MatrixNormal::new(&Tensor::zeros(&[2, 12_000], DType::F64), 0.1).err().unwrap();
    assert!(error.to_string().contains("GB") && error.to_string().contains("one variance a weight"), "{error}");
}
