//! Gaussians over weight vectors: every structure against its covariance written out.

use super::{COVARIANCES, assert_mean, distance, gaussians};
use crate::common::assert_gradient;
use elbo_core::Rng;
use elbo_nn::bayes::{Covariance, Gaussians};
use elbo_tensor::{Parameters, Tensor, no_grad};

#[test]
fn every_structure_agrees_with_its_covariance_written_out() {
    for covariance in COVARIANCES {
        let q = gaussians(covariance, 3, 4, 1);
        let s = q.covariances();
        let mut rng = Rng::new(2);
        let x = Tensor::from_vec(rng.normals(5 * 4), &[5, 4]);
        let along = x.unsqueeze(0).matmul(&s);
        let expected = (along * x.unsqueeze(0)).sum_axis(-1, false).t();
        assert!(distance(&q.project_variance(&x), &expected) < 1e-12, "{covariance:?}: projected variances");
        assert!(distance(&q.variances(), &s.diagonal()) < 1e-12, "{covariance:?}: variances");
        let (_, log_det) = s.sign_and_log_det().unwrap();
        assert!(distance(&q.log_det().unwrap(), &log_det) < 1e-11, "{covariance:?}: log determinant");
        assert!(distance(&q.project_mean(&x), &x.matmul(&q.mean.get().t())) < 1e-14);
    }
}

#[test]
fn draws_have_the_mean_and_the_covariance() {
    for covariance in COVARIANCES {
        let q = gaussians(covariance, 2, 3, 3);
        let mut rng = Rng::new(4);
        let draws: Vec<Vec<f64>> = (0..6000).map(|_| no_grad(|| q.rsample(&mut rng)).to_vec()).collect();
        let (mean, s) = (q.mean.value(), q.covariances().to_vec());
        for k in 0..2 {
            for i in 0..3 {
                for j in 0..3 {
                    let products: Vec<f64> = draws
                        .iter()
                        .map(|d| (d[k * 3 + i] - mean[k * 3 + i]) * (d[k * 3 + j] - mean[k * 3 + j]))
                        .collect();
                    assert_mean(&format!("{covariance:?} {k} {i} {j}"), &products, s[(k * 3 + i) * 3 + j]);
                }
            }
        }
    }
}

#[test]
fn the_divergence_is_the_closed_form_of_the_dense_covariance() {
    let (prior, h) = (0.7, 4.0);
    for covariance in COVARIANCES {
        let mut q = gaussians(covariance, 2, 4, 5);
        let s = q.covariances();
        let (_, log_det) = s.sign_and_log_det().unwrap();
        let squares = q.mean.get().square().sum_axis(-1, false);
        let expected = ((squares + s.trace()) * (1.0 / prior) - h + h * f64::ln(prior) - log_det) * 0.5;
        assert!(distance(&q.kl(prior).unwrap(), &expected) < 1e-11, "{covariance:?}");
        assert_gradient(&format!("{covariance:?}"), &mut q, |q| q.kl(prior).unwrap().sum(), 1e-6);
    }
    // None between equals.
    let mut rng = Rng::new(0);
    let same =
        Gaussians::new(&Tensor::from_vec(vec![0.0; 4], &[1, 4]), 0.5, Covariance::Diagonal, 1, &mut rng).unwrap();
    assert!(same.kl(0.25).unwrap().item().abs() < 1e-14);
}

#[test]
fn conditioning_is_bayes_rule_and_rows_may_come_in_parts() {
    let noise = [0.3, 0.5];
    for covariance in COVARIANCES {
        let q = gaussians(covariance, 2, 3, 6);
        let mut rng = Rng::new(7);
        let x = Tensor::from_vec(rng.normals(10 * 3), &[10, 3]);
        let y = Tensor::from_vec(rng.normals(10 * 2), &[10, 2]);
        let whole = q.condition(&x, &y, &noise).unwrap();
        for k in 0..2 {
            let precision = q.covariances().row(k).inverse_spd().unwrap();
            let after = (x.t().matmul(&x) * (1.0 / noise[k]) + &precision).inverse_spd().unwrap();
            let pull = precision.matmul(&q.mean.get().row(k)) + x.t().matmul(&y.select(1, k)) * (1.0 / noise[k]);
            assert!(distance(&whole.covariances().row(k), &after) < 1e-10, "{covariance:?}");
            assert!(distance(&whole.mean.get().row(k), &after.matmul(&pull)) < 1e-10, "{covariance:?}");
        }
        let part = |from: usize, n: usize, q: &Gaussians| {
            q.condition(&x.narrow(0, from, n), &y.narrow(0, from, n), &noise).unwrap()
        };
        let twice = part(6, 4, &part(0, 6, &q));
        assert!(distance(&twice.covariances(), &whole.covariances()) < 1e-10);
        assert!(distance(&twice.mean.get(), &whole.mean.get()) < 1e-10);
    }
}

#[test]
fn a_point_has_nothing_to_update_and_too_large_a_covariance_is_refused() {
    let point = gaussians(Covariance::Point, 1, 3, 8);
    assert_eq!(point.names(), ["mean"]);
    let row = Tensor::from_vec(vec![1.0; 3], &[1, 3]);
    let error = point.condition(&row, &Tensor::from_vec(vec![0.0], &[1, 1]), &[1.0]).err().unwrap();
    assert!(error.to_string().contains("single vector"), "{error}");
    let mean = Tensor::from_vec(vec![0.0; 40_000], &[1, 40_000]);
    let error = Gaussians::new(&mean, 0.1, Covariance::Dense, 1, &mut Rng::new(0)).err().unwrap();
    assert!(error.to_string().contains("GB"), "{error}");
    // One that fits until an update makes it dense.
    let wide = Gaussians::new(&mean, 0.1, Covariance::Diagonal, 1, &mut Rng::new(0)).unwrap();
    let row = Tensor::from_vec(vec![1.0; 40_000], &[1, 40_000]);
    let error = wide.condition(&row, &Tensor::from_vec(vec![0.0], &[1, 1]), &[1.0]).err().unwrap();
    assert!(error.to_string().contains("GB"), "{error}");
}
