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
use elbo_nn::layer::{Layer, Pass};
use elbo_tensor::{DType, Tensor, no_grad};

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

/// What a layer makes of `x` in each of so many passes that draw: of one function for all rows, or for each row.
pub fn passes(layer: &impl Layer, x: &Tensor, is_function: bool, count: usize) -> Vec<Vec<f64>> {
    let mut rng = Rng::new(4);
    let draw = |_: usize| {
        let mut pass = if is_function { Pass::drawing_function(&mut rng) } else { Pass::training(&mut rng) };
        no_grad(|| layer.forward(x, &mut pass)).to_vec()
    };
    (0..count).map(draw).collect()
}

/// Draws of two rows, `[2, D]` each, have the means of each row and entry, and the covariances between two rows of each entry: between a row and the
/// other only where they meet the same weights.
pub fn assert_moments(
    what: &str,
    draws: &[Vec<f64>],
    is_shared: bool,
    mean: impl Fn(usize, usize) -> f64,
    covariance: impl Fn(usize, usize, usize) -> f64,
) {
    let width = draws[0].len() / 2;
    for j in 0..width {
        let deviations = |row: usize| draws.iter().map(|d| d[row * width + j] - mean(row, j)).collect::<Vec<f64>>();
        let rows = [deviations(0), deviations(1)];
        for (n, m) in [(0, 0), (1, 1), (0, 1)] {
            let products: Vec<f64> = rows[n].iter().zip(&rows[m]).map(|(a, b)| a * b).collect();
            let expected = if n == m || is_shared { covariance(n, m, j) } else { 0.0 };
            assert_mean(&format!("{what} covariance {n} {m} {j}"), &products, expected);
        }
        rows.iter().for_each(|row| assert_mean(&format!("{what} mean {j}"), row, 0.0));
    }
}

/// Mean and standard error.
pub fn mean_and_error(draws: &[f64]) -> (f64, f64) {
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}
