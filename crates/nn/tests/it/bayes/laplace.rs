//! Laplace's approximation: exact where the network is linear, and each form against the full matrix.

use super::{assert_mean, distance};
use elbo_core::Rng;
use elbo_nn::Activation;
use elbo_nn::bayes::{Curvature, Laplace, Likelihood, Stack};
use elbo_nn::layer::Build;
use elbo_tensor::{DType, Parameters, Tensor, hvp, jacobian};

fn stack(widths: &[usize], seed: u64) -> Stack {
    let mut rng = Rng::new(seed);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    Stack::new(widths, Activation::Tanh, &mut build)
}

fn inputs(n: usize, d: usize, seed: u64) -> Tensor {
    Tensor::from_vec(Rng::new(seed).normals(n * d), &[n, d])
}

#[test]
fn a_linear_gaussian_model_is_exact_posterior_evidence_and_prediction() {
    let (n, noise, delta) = (25, 0.2, 1.7);
    let x = inputs(n, 3, 1);
    let y = x.matmul(&Tensor::from_vec(vec![1.0, -1.0, 0.3], &[3, 1])) + inputs(n, 1, 2) * 0.4 + 0.2;
    let phi = Tensor::cat(&[x.clone(), Tensor::ones(&[n, 1], DType::F64)], 1);
    let precision = phi.t().matmul(&phi) * (1.0 / noise) + Tensor::eye(4, DType::F64) * delta;
    let covariance = precision.inverse_spd().unwrap();
    let best = covariance.matmul(&phi.t().matmul(&y)) * (1.0 / noise);
    let mut model = stack(&[3, 1], 3);
    model.unpack(&best.to_vec());
    let gram = phi.matmul(&phi.t()) * (1.0 / delta) + Tensor::eye(n, DType::F64) * noise;
    let factor = gram.cholesky().unwrap();
    let square = factor.solve_lower(&y).square().sum();
    let evidence = ((square + factor.cholesky_log_det() + n as f64 * std::f64::consts::TAU.ln()) * -0.5).item();
    let at = inputs(6, 3, 4);
    let phi_at = Tensor::cat(&[at.clone(), Tensor::ones(&[6, 1], DType::F64)], 1);
    let exact = (phi_at.matmul(&covariance) * &phi_at).sum_axis(-1, true) + noise;
    // With one output and one layer the Kronecker product is exact too.
    for kind in [Curvature::Full, Curvature::Kronecker, Curvature::LastLayer] {
        let laplace = Laplace::new(&model, &x, &y, Likelihood::Gaussian { variance: noise }, kind, delta).unwrap();
        assert!((laplace.log_evidence(delta) - evidence).abs() < 1e-9, "{kind:?}: evidence");
        let (mean, variance) = laplace.predict(&at);
        assert!(distance(&mean, &phi_at.matmul(&best)) < 1e-10 && distance(&variance, &exact) < 1e-10, "{kind:?}");
    }
}

#[test]
fn the_curvature_of_a_linear_softmax_model_is_its_hessian() {
    let x = inputs(20, 2, 5);
    let labels = Tensor::indices(&(0..20).map(|i| i % 3).collect::<Vec<_>>());
    let model = stack(&[2, 3], 6);
    let laplace = Laplace::new(&model, &x, &labels, Likelihood::Categorical, Curvature::Full, 1.0).unwrap();
    let loss = -model.forward(&x).categorical_log_prob(&labels).sum();
    let leaf = &model.leaves()[0];
    let columns: Vec<Tensor> = (0..9)
        .map(|i| {
            let mut unit = vec![0.0; 9];
            unit[i] = 1.0;
            hvp(&loss, &[leaf], &[&Tensor::from_vec(unit, &[3, 3])]).remove(0).flatten()
        })
        .collect();
    assert!(distance(&laplace.curvature(), &Tensor::stack(&columns, 0)) < 1e-10);
}

#[test]
fn every_form_is_that_part_of_the_full_gauss_newton_matrix() {
    let x = inputs(15, 2, 7);
    let labels = Tensor::indices(&(0..15).map(|i| i % 3).collect::<Vec<_>>());
    let model = stack(&[2, 4, 3], 8);
    let of = |kind| Laplace::new(&model, &x, &labels, Likelihood::Categorical, kind, 0.5).unwrap();
    let full = of(Curvature::Full).curvature();
    // J' (diag p - p p') J from the Jacobian of the tape.
    let leaves = model.leaves();
    let output = model.forward(&x);
    let parts: Vec<Tensor> = leaves.iter().map(|l| jacobian(&output, l).reshape(&[15, 3, l.len()])).collect();
    let j = Tensor::cat(&parts, -1);
    let p = output.detach().softmax(-1);
    let middle = p.diag() - p.unsqueeze(2) * p.unsqueeze(1);
    let expected = j.t().matmul(&middle.matmul(&j)).sum_axis(0, false);
    assert!(distance(&full, &expected) < 1e-10);
    assert!(distance(&of(Curvature::Diagonal).curvature().diagonal(), &full.diagonal()) < 1e-10);
    let last = of(Curvature::LastLayer);
    assert_eq!(last.weights(), 15);
    assert!(distance(&last.curvature(), &full.narrow(0, 12, 15).narrow(1, 12, 15)) < 1e-10);
    // The Kronecker form has no blocks between layers; within a layer it is exact for one row, which the next test asks.
    let kron = of(Curvature::Kronecker).curvature();
    assert!(kron.narrow(0, 0, 12).narrow(1, 12, 15).abs().max().item() < 1e-12);
}

#[test]
fn with_one_row_the_kronecker_form_of_each_layer_is_exact() {
    let x = inputs(1, 2, 9);
    let y = Tensor::from_vec(vec![0.3, 0.1], &[1, 2]);
    let model = stack(&[2, 3, 2], 10);
    let of =
        |kind| Laplace::new(&model, &x, &y, Likelihood::Gaussian { variance: 0.5 }, kind, 0.5).unwrap().curvature();
    let (full, kron) = (of(Curvature::Full), of(Curvature::Kronecker));
    for (from, n) in [(0, 9), (9, 8)] {
        let block = |m: &Tensor| m.narrow(0, from, n).narrow(1, from, n);
        assert!(distance(&block(&full), &block(&kron)) < 1e-10);
    }
}

#[test]
fn output_covariances_and_draws_agree_with_the_matrix_written_out() {
    let x = inputs(12, 2, 11);
    let labels = Tensor::indices(&(0..12).map(|i| i % 3).collect::<Vec<_>>());
    let model = stack(&[2, 3, 3], 12);
    let at = inputs(2, 2, 13);
    let output = model.forward(&at);
    let parts: Vec<Tensor> = model.leaves().iter().map(|l| jacobian(&output, l).reshape(&[2, 3, l.len()])).collect();
    let j = Tensor::cat(&parts, -1);
    for kind in [Curvature::Full, Curvature::Diagonal, Curvature::Kronecker, Curvature::LastLayer] {
        let laplace = Laplace::new(&model, &x, &labels, Likelihood::Categorical, kind, 0.8).unwrap();
        let n = laplace.weights();
        let posterior = (laplace.curvature() + Tensor::eye(n, DType::F64) * 0.8).inverse_spd().unwrap();
        let own = j.narrow(-1, 21 - n, n);
        let expected = own.matmul(&posterior).matmul(&own.t());
        let (_, covariance) = laplace.outputs(&at);
        assert!(distance(&covariance, &expected) < 1e-10, "{kind:?}");
        let trained = model.pack();
        let mut rng = Rng::new(14);
        let draws: Vec<Vec<f64>> = (0..4000).map(|_| laplace.sample(&mut rng)).collect();
        for (a, b) in [(0, 0), (1, n - 1), (n - 1, n - 1)] {
            let [i, k] = [a, b].map(|c| 21 - n + c);
            let products: Vec<f64> = draws.iter().map(|d| (d[i] - trained[i]) * (d[k] - trained[k])).collect();
            assert_mean(&format!("{kind:?} {a} {b}"), &products, posterior.select(0, a).select(0, b).item());
        }
    }
}

#[test]
fn the_evidence_is_largest_at_the_precision_found_and_probabilities_shrink_with_doubt() {
    let x = inputs(30, 2, 15);
    let labels =
        Tensor::indices(&(0..30).map(|i| usize::from(x.select(0, i).select(0, 0).item() > 0.0)).collect::<Vec<_>>());
    let model = stack(&[2, 4, 2], 16);
    let mut laplace = Laplace::new(&model, &x, &labels, Likelihood::Categorical, Curvature::Kronecker, 1.0).unwrap();
    laplace.maximise_evidence();
    let best = laplace.prior_precision;
    for factor in [0.9, 1.1] {
        assert!(laplace.log_evidence(best) > laplace.log_evidence(best * factor));
    }
    let (p, variance) = laplace.predict(&(&x * 5.0));
    let plain = model.forward(&(&x * 5.0)).softmax(-1);
    assert!(variance.min().item() > 0.0);
    assert!(p.max_axis(-1, false).mean().item() < plain.max_axis(-1, false).mean().item());
    let wide = stack(&[2, 2000, 2], 17);
    let error = Laplace::new(&wide, &x, &labels, Likelihood::Categorical, Curvature::Full, 1.0).err().unwrap();
    assert!(error.to_string().contains("GB") && error.to_string().contains("Kronecker"), "{error}");
}
