//! Posteriors over weights.

mod body;
mod draws;
mod ensemble;
mod fisher;
mod gaussians;
mod heads;
mod laplace;
mod matrix_normal;
mod mean_field;
mod mean_field_attention;
mod mean_field_conv;
mod mean_field_gru;
mod newton;
mod observation;
mod prior;
mod propagation;
mod swag;
mod tempering;

pub use crate::common::shake;
use elbo_core::Rng;
use elbo_nn::bayes::{Covariance, Gaussians, Observation, ObservationConfig};
use elbo_tensor::{DType, Tensor};

/// Covariances that are there.
pub const COVARIANCES: [Covariance; 4] =
    [Covariance::Diagonal, Covariance::LowRank, Covariance::Dense, Covariance::DensePrecision];

/// Gaussians without anything special.
pub fn gaussians(covariance: Covariance, k: usize, h: usize, seed: u64) -> Gaussians {
    let mut rng = Rng::new(seed);
    let mean = Tensor::from_vec(rng.normals(k * h), &[k, h]);
    let mut found = Gaussians::new(&mean, 0.6, covariance, 2, &mut rng).unwrap();
    shake(&mut found, 0.3, &mut rng);
    found
}

/// Numbers with normal noise of this variance.
pub fn numbers(variance: f64, targets: usize) -> Observation {
    ObservationConfig::Fixed { sd: variance.sqrt() }.build(targets, DType::F64).unwrap()
}

/// One of so many classes.
pub fn classes(count: usize) -> Observation {
    ObservationConfig::Categorical { classes: count }.build(1, DType::F64).unwrap()
}

/// The largest difference of two tensors.
pub fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    (a - b).abs().max().item()
}

/// A mean over draws is the expected number within four standard errors.
pub fn assert_mean(what: &str, draws: &[f64], expected: f64) {
    let (mean, error) = mean_and_error(draws);
    assert!((mean - expected).abs() < 4.0 * error + 1e-12, "{what}: {mean} ± {error}, expected {expected}");
}

/// Mean and standard error.
pub fn mean_and_error(draws: &[f64]) -> (f64, f64) {
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}
