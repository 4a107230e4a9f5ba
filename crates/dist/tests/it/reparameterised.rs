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

/// Mean and standard error of one estimate a draw, at `DRAWS` copies of a shape.
fn estimates(draws: impl Fn(&Tensor, &mut Rng) -> elbo_dist::rejection::Draws, shape: f64, full: bool) -> (f64, f64) {
    let shapes = Tensor::from_vec(vec![shape; DRAWS], &[DRAWS]).variable();
    let drawn = draws(&shapes, &mut Rng::new(77));
    // f = log^2 z, whose mean is psi(a)^2 + psi_1(a).
    let f = drawn.z.square();
    let surrogate = if full { drawn.surrogate(&f, &f) } else { f.sum() };
    let values = grad(&surrogate, &[&shapes]).remove(0).to_vec();
    let mean = values.iter().sum::<f64>() / DRAWS as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / DRAWS as f64;
    (mean, (variance / DRAWS as f64).sqrt())
}

#[test]
fn gradients_through_rejection_samplers_are_unbiased_and_not_so_without_the_correction() {
    use elbo_dist::rejection::{gamma, standardised_gamma};
    use elbo_tensor::special::{digamma, polygamma, trigamma};
    for shape in [0.4, 2.0, 9.0] {
        let exact = 2.0 * digamma(shape) * trigamma(shape) + polygamma(2, shape);
        for augmentation in [0, 1, 3, 10] {
            if shape + augmentation as f64 >= 1.0 {
                let (mean, error) = estimates(|a, rng| gamma(a, augmentation, &[], rng), shape, true);
                assert!((mean - exact).abs() < 4.0 * error, "B = {augmentation}: {mean} +- {error}, exact {exact}");
            }
        }
        let (mean, error) = estimates(|a, rng| standardised_gamma(a, &[], rng), shape, true);
        assert!((mean - exact).abs() < 4.0 * error, "standardised: {mean} +- {error}, exact {exact}");
    }
    // Gamma(2) without the correction has the mean 0.0965 (by quadrature) in place of 0.1412: five standard errors off.
    let exact = 2.0 * digamma(2.0) * trigamma(2.0) + polygamma(2, 2.0);
    let (mean, error) = estimates(|a, rng| gamma(a, 0, &[], rng), 2.0, false);
    assert!((mean - 0.096_516).abs() < 4.0 * error, "without the correction: {mean} +- {error}");
    assert!((mean - exact).abs() > 3.0 * error, "{mean} +- {error}, exact {exact}");
}

#[test]
fn rejection_samplers_draw_their_law_and_invert_their_proposals() {
    use elbo_dist::rejection::{MarsagliaTsang, NormalTail, Rejection, draw, gamma};
    let shape = Tensor::scalar(0.3);
    let log_z = gamma(&shape, 2, &[20_000], &mut Rng::new(5)).z.to_vec();
    let mean = log_z.iter().sum::<f64>() / 20_000.0;
    let expected = elbo_tensor::special::digamma(0.3);
    let sd = elbo_tensor::special::trigamma(0.3).sqrt();
    assert!((mean - expected).abs() < 5.0 * sd / 20_000f64.sqrt(), "{mean}, expected {expected}");
    for (sampler, theta) in [(&MarsagliaTsang as &dyn Rejection, 2.4), (&NormalTail, 1.3)] {
        let noise = sampler.accept(theta, &mut Rng::new(2));
        let z = sampler.propose(&Tensor::scalar(noise), &Tensor::scalar(theta)).item();
        assert!((sampler.invert(z, theta) - noise).abs() < 1e-12);
    }
    // The tail beyond t: the mean is the inverse Mills ratio, with slope m (m - t).
    let theta = Tensor::from_vec(vec![1.3; DRAWS], &[DRAWS]).variable();
    let drawn = draw(&NormalTail, &theta, &[], &mut Rng::new(8));
    let values = grad(&drawn.surrogate(&drawn.z, &drawn.z), &[&theta]).remove(0).to_vec();
    let mean = values.iter().sum::<f64>() / DRAWS as f64;
    let error = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>()).sqrt() / DRAWS as f64;
    let mills = elbo_tensor::special::inverse_mills(-1.3);
    assert!((mean - mills * (mills - 1.3)).abs() < 4.0 * error, "{mean} +- {error}");
}
