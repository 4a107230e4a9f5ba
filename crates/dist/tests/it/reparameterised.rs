//! Gradients of expectations through reparameterised draws are unbiased.

use super::batched::{Domain, chol3, expectation, families, s, t};
use elbo_core::Rng;
use elbo_dist::{self as plain, Distribution, tanh_sinh};
use elbo_tensor::special::{logit, sigmoid};
use elbo_tensor::{Tensor, grad};
use std::f64::consts::PI;

/// Draws a family.
const DRAWS: usize = 200_000;

/// A test function, in tensors and in numbers.
type Function = (&'static str, fn(&Tensor) -> Tensor, fn(f64) -> f64);

const ON_THE_LINE: [Function; 2] = [("z", |z| z.clone(), |z| z), ("sin z", |z| z.sin(), f64::sin)];
const ON_THE_POSITIVE: [Function; 3] = [
    ("log^2 z", |z| z.log().square(), |z| z.ln().powi(2)),
    ("z", |z| z.clone(), |z| z),
    ("sin z", |z| z.sin(), f64::sin),
];

/// What stays moderate for numbers without a mean.
const WITHOUT_A_MEAN: [Function; 2] =
    [("log^2 z", |z| z.log().square(), |z| z.ln().powi(2)), ("z / (1 + z)", |z| z / (z + 1.0), |z| z / (1.0 + z))];

/// Mean and standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    (mean, (variance / n).sqrt())
}

/// One copy of the parameters a draw, so that one backward pass gives every draw's derivative.
fn copies(parameters: &[Tensor]) -> Vec<Tensor> {
    parameters.iter().map(|p| p.broadcast_to(&[&[DRAWS], p.shape()].concat()).contiguous().variable()).collect()
}

/// The mean of a function at these parameters.
type Expectation<'a> = dyn Fn(&[Tensor], fn(f64) -> f64) -> f64 + 'a;

/// Checks, for every function and parameter, that the mean of `f'(z) dz/dtheta` over the draws is the derivative of the expectation, within four
/// standard errors. `z: [DRAWS]`, made from `variables`; `expectation` is exact at given parameters.
fn assert_unbiased(
    name: &str,
    parameters: &[Tensor],
    variables: &[Tensor],
    z: &Tensor,
    functions: &[Function],
    expectation: &Expectation<'_>,
) {
    assert_eq!(z.shape(), [DRAWS], "{name}");
    // The derivative of a draw is asked for once: that of an implicit one costs more than all the rest.
    let paths = grad(&z.sum(), &variables.iter().collect::<Vec<_>>());
    for (function, tensor, number) in functions {
        let leaf = z.detach().variable();
        let slopes = grad(&tensor(&leaf).sum(), &[&leaf]).remove(0).to_vec();
        for (k, parameter) in parameters.iter().enumerate() {
            let (start, path) = (parameter.to_vec(), paths[k].to_vec());
            for i in 0..start.len() {
                // Of a Cholesky factor only the lower triangle is a parameter.
                let is_factor = parameter.rank() == 2 && parameter.size(0) == parameter.size(1);
                if is_factor && i % parameter.size(1) > i / parameter.size(1) {
                    continue;
                }
                let at = |delta: f64| {
                    let mut values = start.clone();
                    values[i] += delta;
                    let mut moved = parameters.to_vec();
                    moved[k] = Tensor::from_slice(&values, parameter.shape());
                    expectation(&moved, *number)
                };
                let h = 1e-3 * start[i].abs().max(0.1);
                // A difference of fourth order: the quadrature's error is not magnified much.
                let exact = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                let own = path.iter().skip(i).step_by(start.len());
                let values: Vec<f64> = own.zip(&slopes).map(|(path, slope)| path * slope).collect();
                let (mean, error) = mean_and_error(&values);
                assert!(
                    (mean - exact).abs() < 4.0 * error + 1e-7,
                    "{name}, E {function}, parameter {k}, element {i}: {mean} +- {error}, exact {exact}"
                );
            }
        }
    }
}

#[test]
fn the_mean_pathwise_derivative_is_the_derivative_of_the_mean() {
    let mut rng = Rng::new(29);
    for case in families() {
        if matches!(case.support, Domain::Vector | Domain::Discrete) {
            continue;
        }
        let functions: &[Function] = if case.support == Domain::Line { &ON_THE_LINE } else { &ON_THE_POSITIVE };
        let variables = copies(&case.parameters);
        let Some(z) = (case.build)(&variables).rsample(&[], &mut rng) else { continue };
        let exact = |p: &[Tensor], f: fn(f64) -> f64| expectation(&*(case.build)(p), case.support, f);
        assert_unbiased(case.name, &case.parameters, &variables, &z, functions, &exact);
    }
}

/// One number of the draws of a family, and its law: a marginal of a vector or a matrix, or a law that ends or has no mean.
struct Marginal {
    /// As in the list of families.
    name: &'static str,
    parameters: Vec<Tensor>,
    /// From a draw `[N, event...]` to `[N]`.
    number: fn(&Tensor) -> Tensor,
    /// The quantile of the number, from the elements of the parameters.
    quantile: fn(&[Vec<f64>], f64) -> f64,
    functions: &'static [Function],
}

/// The length of the last row of a factor with three columns.
fn last_row(factor: &[f64]) -> f64 {
    factor[6..].iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn marginal(
    name: &'static str,
    parameters: Vec<Tensor>,
    number: fn(&Tensor) -> Tensor,
    quantile: fn(&[Vec<f64>], f64) -> f64,
    functions: &'static [Function],
) -> Marginal {
    Marginal { name, parameters, number, quantile, functions }
}

fn marginals() -> Vec<Marginal> {
    let itself: fn(&Tensor) -> Tensor = |z| z.clone();
    let last: fn(&Tensor) -> Tensor = |z| z.select(-1, 2);
    let location = || t(&[0.4, -1.0, 0.2], &[3]);
    vec![
        marginal("uniform", vec![s(-0.7), s(1.9)], itself, |p, u| p[0][0] + u * (p[1][0] - p[0][0]), &ON_THE_LINE),
        marginal(
            "pareto",
            vec![s(0.7), s(9.0)],
            itself,
            |p, u| p[0][0] * (1.0 - u).powf(-1.0 / p[1][0]),
            &ON_THE_POSITIVE,
        ),
        marginal("half-cauchy", vec![s(1.3)], itself, |p, u| p[0][0] * (0.5 * PI * u).tan(), &WITHOUT_A_MEAN),
        marginal(
            "von mises",
            vec![s(0.4), s(2.5)],
            itself,
            |p, u| plain::VonMises { direction: p[0][0], concentration: p[1][0] }.quantile(u),
            &ON_THE_LINE,
        ),
        marginal(
            "dirichlet",
            vec![t(&[1.4, 0.7, 3.0], &[3])],
            |z| z.select(-1, 1),
            |p, u| plain::Beta { a: p[0][1], b: p[0][0] + p[0][2] }.quantile(u),
            &ON_THE_POSITIVE,
        ),
        // The logit of one of two shares is a logistic variable over the temperature, which the list of families sets to 0.8.
        marginal(
            "concrete",
            vec![t(&[0.3, -0.2], &[2])],
            |z| z.select(-1, 0),
            |p, u| sigmoid((p[0][0] - p[0][1] + logit(u)) / 0.8),
            &ON_THE_POSITIVE,
        ),
        marginal(
            "multivariate normal",
            vec![location(), chol3()],
            last,
            |p, u| plain::Normal { mean: p[0][2], sd: last_row(&p[1]) }.quantile(u),
            &ON_THE_LINE,
        ),
        marginal(
            "low-rank normal",
            vec![location(), t(&[0.5, 1.5, 0.8], &[3]), t(&[0.3, -0.8, 0.5, 0.1, 1.0, -0.2], &[3, 2])],
            last,
            |p, u| {
                let variance = p[1][2] + p[2][4].powi(2) + p[2][5].powi(2);
                plain::Normal { mean: p[0][2], sd: variance.sqrt() }.quantile(u)
            },
            &ON_THE_LINE,
        ),
        marginal(
            "multivariate student t",
            vec![location(), chol3(), s(9.5)],
            last,
            |p, u| plain::StudentT { location: p[0][2], scale: last_row(&p[1]), dof: p[2][0] }.quantile(u),
            &ON_THE_LINE,
        ),
        // An element of the diagonal is chi-squared times that of the scale.
        marginal(
            "wishart",
            vec![s(5.5), chol3()],
            |z| z.select(-1, 2).select(-1, 2),
            |p, u| plain::Gamma { shape: 0.5 * p[0][0], rate: 0.5 / last_row(&p[1]).powi(2) }.quantile(u),
            &ON_THE_POSITIVE,
        ),
    ]
}

#[test]
fn numbers_of_vectors_and_of_laws_with_ends_have_unbiased_pathwise_derivatives() {
    let mut rng = Rng::new(53);
    let families = families();
    for law in marginals() {
        let case = families.iter().find(|case| case.name == law.name).expect("a family of the list");
        let variables = copies(&law.parameters);
        let z = (law.number)(&(case.build)(&variables).rsample(&[], &mut rng).expect("reparameterised draws"));
        let exact = |p: &[Tensor], f: fn(f64) -> f64| {
            let p: Vec<Vec<f64>> = p.iter().map(Tensor::to_vec).collect();
            tanh_sinh(|u| Some(f((law.quantile)(&p, u))).filter(|v| v.is_finite()).unwrap_or(0.0), 0.0, 1.0, 1e-12)
        };
        assert_unbiased(law.name, &law.parameters, &variables, &z, law.functions, &exact);
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
    mean_and_error(&values)
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
    // Gamma(2) without the correction has the mean 0.0965 (by quadrature) in place of 0.1412: eleven standard errors off.
    let exact = 2.0 * digamma(2.0) * trigamma(2.0) + polygamma(2, 2.0);
    let (mean, error) = estimates(|a, rng| gamma(a, 0, &[], rng), 2.0, false);
    assert!((mean - 0.096_516).abs() < 4.0 * error, "without the correction: {mean} +- {error}");
    assert!((mean - exact).abs() > 3.0 * error, "{mean} +- {error}, exact {exact}");
}

#[test]
fn rejection_samplers_draw_their_law_and_invert_their_proposals() {
    use elbo_dist::rejection::{BestFisher, MarsagliaTsang, NormalTail, Rejection, draw, gamma};
    let shape = Tensor::scalar(0.3);
    let log_z = gamma(&shape, 2, &[20_000], &mut Rng::new(5)).z.to_vec();
    let mean = log_z.iter().sum::<f64>() / 20_000.0;
    let expected = elbo_tensor::special::digamma(0.3);
    let sd = elbo_tensor::special::trigamma(0.3).sqrt();
    assert!((mean - expected).abs() < 5.0 * sd / 20_000f64.sqrt(), "{mean}, expected {expected}");
    let samplers: [(&dyn Rejection, f64); 4] =
        [(&MarsagliaTsang, 2.4), (&NormalTail, 1.3), (&BestFisher, 0.0), (&BestFisher, 2.5)];
    for (sampler, theta) in samplers {
        let noise = sampler.accept(theta, &mut Rng::new(2));
        let z = sampler.propose(&Tensor::scalar(noise), &Tensor::scalar(theta)).item();
        assert!((sampler.invert(z, theta) - noise).abs() < 1e-12 * (1.0 + noise * noise), "{noise}");
    }
    // The tail beyond t: the mean is the inverse Mills ratio, with slope m (m - t).
    let theta = Tensor::from_vec(vec![1.3; DRAWS], &[DRAWS]).variable();
    let drawn = draw(&NormalTail, &theta, &[], &mut Rng::new(8));
    let values = grad(&drawn.surrogate(&drawn.z, &drawn.z), &[&theta]).remove(0).to_vec();
    let (mean, error) = mean_and_error(&values);
    let mills = elbo_tensor::special::inverse_mills(-1.3);
    assert!((mean - mills * (mills - 1.3)).abs() < 4.0 * error, "{mean} +- {error}");
}

#[test]
fn angles_by_rejection_have_their_law_and_unbiased_gradients() {
    use elbo_dist::rejection::{BestFisher, Rejection, draw};
    use elbo_tensor::special::bessel_i_ratio;
    for k in [0.0, 0.6, 2.5, 40.0, 1e9] {
        let concentrations = Tensor::from_vec(vec![k; DRAWS], &[DRAWS]).variable();
        let drawn = draw(&BestFisher, &concentrations, &[], &mut Rng::new(19));
        let z = drawn.z.to_vec();
        assert!(z.iter().all(|v| v.abs() <= PI), "{k}");
        // 1 - cos z, which keeps its digits for large concentrations; its mean is one less the Bessel ratio, about 1 / (2 k).
        let (mean, error) = mean_and_error(&z.iter().map(|v| 2.0 * (0.5 * v).sin().powi(2)).collect::<Vec<_>>());
        let expected = if k > 1e6 { 0.5 / k } else { 1.0 - bessel_i_ratio(0.0, k) };
        assert!((mean - expected).abs() < 4.0 * error, "{k}: {mean} +- {error}, expected {expected}");
        let (mean, error) = mean_and_error(&z);
        assert!(mean.abs() < 4.0 * error, "{k}: {mean} +- {error}, expected zero");
        if k == 0.0 || k > 1e6 {
            continue;
        }
        let functions: [Function; 2] = [("cos z", |z| z.cos(), f64::cos), ("z^2", |z| z.square(), |z| z * z)];
        for (name, tensor, number) in functions {
            let f = tensor(&drawn.z);
            let values = grad(&drawn.surrogate(&f, &f), &[&concentrations]).remove(0).to_vec();
            let (mean, error) = mean_and_error(&values);
            let by_quadrature = |k: f64| {
                let law = plain::VonMises { direction: 0.0, concentration: k };
                tanh_sinh(|z| law.log_prob(z).exp() * number(z), -PI, PI, 1e-13)
            };
            let exact = super::slope(by_quadrature, k);
            assert!((mean - exact).abs() < 4.0 * error + 1e-7, "{k}, E {name}: {mean} +- {error}, exact {exact}");
        }
    }
    assert!([-1.0, f64::NAN, f64::INFINITY].iter().all(|k| BestFisher.accept(*k, &mut Rng::new(1)).is_nan()));
}
