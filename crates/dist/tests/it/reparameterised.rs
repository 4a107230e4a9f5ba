//! Gradients of expectations through reparameterised draws are unbiased.

use super::batched::{Support, expectation, families};
use elbo_core::Rng;
use elbo_tensor::{Tensor, grad};

/// Draws a family and a function.
const DRAWS: usize = 40_000;

/// A test function, in tensors and in numbers.
type Function = (&'static str, fn(&Tensor) -> Tensor, fn(f64) -> f64);

const ON_THE_LINE: [Function; 2] = [("z", |z| z.clone(), |z| z), ("sin z", |z| z.sin(), f64::sin)];
const ON_THE_POSITIVE: [Function; 3] = [
    ("log^2 z", |z| z.log().square(), |z| z.ln().powi(2)),
    ("z", |z| z.clone(), |z| z),
    ("sin z", |z| z.sin(), f64::sin),
];

#[test]
fn the_mean_pathwise_derivative_is_the_derivative_of_the_mean() {
    let mut rng = Rng::new(29);
    for case in families() {
        if matches!(case.support, Support::Vector | Support::Discrete) {
            continue;
        }
        let functions: &[Function] = if case.support == Support::Line { &ON_THE_LINE } else { &ON_THE_POSITIVE };
        // One parameter a draw, so that one backward pass gives every draw's derivative.
        let parameters: Vec<Tensor> = case
            .parameters
            .iter()
            .map(|p| p.broadcast_to(&[&[DRAWS], p.shape()].concat()).contiguous().variable())
            .collect();
        let Some(z) = (case.build)(&parameters).rsample(&[], &mut rng) else { continue };
        for (name, tensor, number) in functions {
            let gradients = grad(&tensor(&z).sum(), &parameters.iter().collect::<Vec<_>>());
            let elements = case.parameters.iter().enumerate().flat_map(|(k, p)| (0..p.len()).map(move |i| (k, i)));
            for (k, i) in elements {
                let start = case.parameters[k].to_vec();
                let at = |delta: f64| {
                    let mut values = start.clone();
                    values[i] += delta;
                    let mut moved = case.parameters.clone();
                    moved[k] = Tensor::from_slice(&values, case.parameters[k].shape());
                    expectation(&*(case.build)(&moved), case.support, number)
                };
                let h = 1e-3 * start[i].abs().max(0.1);
                // A difference of fourth order: the quadrature's error is not magnified much.
                let exact = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                let values: Vec<f64> = gradients[k].to_vec().into_iter().skip(i).step_by(start.len()).collect();
                let mean = values.iter().sum::<f64>() / DRAWS as f64;
                let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / DRAWS as f64;
                let error = (variance / DRAWS as f64).sqrt();
                assert!(
                    (mean - exact).abs() < 4.0 * error + 1e-7,
                    "{}, E {name}, parameter {k}, element {i}: {mean} +- {error}, exact {exact}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn log_draws_of_tiny_shapes_have_finite_derivatives() {
    let shape = Tensor::from_vec(vec![1e-3; 1000], &[1000]).variable();
    let log_z = elbo_dist::batched::log_gamma_draws(&shape, &[], &mut Rng::new(4));
    // Most draws underflow as numbers, none as logarithms.
    assert!(log_z.is_finite() && log_z.to_vec().iter().any(|v| *v < -1000.0));
    let slope = grad(&log_z.sum(), &[&shape]).remove(0);
    assert!(slope.is_finite() && slope.to_vec().iter().all(|v| *v > 0.0));
    // d log z / da is -log z / a where z is tiny: z^a is nearly uniform.
    let (z, d) = (log_z.to_vec(), slope.to_vec());
    let far = z.iter().position(|v| *v < -1000.0).unwrap();
    assert!((d[far] / (-z[far] / 1e-3) - 1.0).abs() < 1e-2, "{} and {}", d[far], -z[far] / 1e-3);
}
