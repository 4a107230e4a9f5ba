//! Named unknowns: laws of the map from free to natural values, and densities written with it.

use crate::common::{assert_close, assert_derivatives, numeric_gradient};
use elbo_core::Run;
use elbo_infer::diagnostics::mcse_mean;
use elbo_infer::mcmc::{Hamiltonian, Start, sample};
use elbo_infer::target::{ParametersDensity, Support};
use elbo_infer::{LogDensity, Unknowns};
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor};
use std::f64::consts::TAU;
use std::sync::Arc;

fn every_support() -> Vec<(&'static str, Support, Vec<usize>)> {
    vec![
        ("real", Support::Each(Constraint::Real), vec![2, 2]),
        ("positive", Support::Each(Constraint::Positive), vec![3]),
        ("above", Support::Each(Constraint::Above(-2.0)), vec![]),
        ("interval", Support::Each(Constraint::Interval(-1.0, 3.0)), vec![2]),
        ("simplex", Support::Simplex, vec![4]),
        ("two simplexes", Support::Simplex, vec![2, 3]),
        ("ordered", Support::Ordered, vec![4]),
    ]
}

/// Determinant by elimination, of a small matrix.
fn determinant(mut a: Vec<f64>, n: usize) -> f64 {
    let mut result = 1.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs())).unwrap();
        if pivot != k {
            (0..n).for_each(|j| a.swap(k * n + j, pivot * n + j));
            result = -result;
        }
        result *= a[k * n + k];
        for i in k + 1..n {
            let factor = a[i * n + k] / a[k * n + k];
            (k..n).for_each(|j| a[i * n + j] -= factor * a[k * n + j]);
        }
    }
    result
}

#[test]
fn log_jacobians_are_those_of_finite_differences_and_maps_invert() {
    for (name, support, shape) in every_support() {
        let n = support.free_len(&shape);
        let at: Vec<f64> = (0..n).map(|i| 0.7 * (i as f64 * 1.3 + 0.4).sin()).collect();
        let natural = |z: &[f64]| support.natural(&Tensor::from_slice(z, &[1, n]), &shape).0.to_vec();
        let back = support.free(&natural(&at), &shape).unwrap();
        assert_close(&back, &at, 1e-12, name);
        // A simplex has one coordinate too many: the last of each group follows from the others.
        let last = shape.last().copied().unwrap_or(1);
        let is_free = |i: usize| support != Support::Simplex || i % last + 1 < last;
        let kept: Vec<usize> = (0..natural(&at).len()).filter(|i| is_free(*i)).collect();
        let rows = kept.iter().flat_map(|i| numeric_gradient(|z| natural(z)[*i], &at)).collect();
        let found = support.natural(&Tensor::from_slice(&at, &[1, n]), &shape).1.item();
        let expected = determinant(rows, n).abs().ln();
        assert!((found - expected).abs() < 1e-7, "{name}: {found} and {expected}");
    }
}

#[test]
fn free_numbers_of_a_uniform_direction_are_normal() {
    // Less the logarithm of the sphere's area, the log-Jacobian is the standard normal density; two vectors of three numbers here.
    let at = [0.3, -1.2, 0.8, -0.4, 0.1, 2.0];
    let (natural, log_jacobian) = Support::Direction.natural(&Tensor::from_slice(&at, &[1, 6]), &[2, 3]);
    let normal = -0.5 * at.iter().map(|v| v * v).sum::<f64>() - 3.0 * TAU.ln();
    assert!((log_jacobian.item() - 2.0 * (2.0 * TAU).ln() - normal).abs() < 1e-12, "{}", log_jacobian.item());
    for (row, free) in natural.to_vec().chunks(3).zip(at.chunks(3)) {
        let length = free.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter().zip(free).for_each(|(u, v)| assert!((u * length - v).abs() < 1e-14));
    }
    let unknowns = Unknowns::new().real("m", &[]).direction("axis", &[3]).direction("angle", &[2]);
    assert_eq!(unknowns.free(&[("m", &[2.0])]).unwrap(), [2.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
    let start = unknowns.free(&[("axis", &[0.0, 0.6, -0.8])]).unwrap();
    assert_close(&unknowns.natural(&start)[1..4], &[0.0, 0.6, -0.8], 1e-15, "axis");
    let error = unknowns.free(&[("axis", &[1.0, 1.0, 0.0])]).unwrap_err();
    assert!(error.remedy().contains("length one"), "{}", error.remedy());
}

#[test]
fn directions_around_an_axis_have_the_resultant_length_of_their_law() {
    // von Mises and Fisher on the sphere with concentration 2: the mean of the component along the axis is coth 2 - 1/2.
    let target = Unknowns::new().direction("u", &[3]).density(|u| u["u"].select(-1, 2) * 2.0);
    assert_derivatives(&target, &[0.4, -0.9, 0.7], "direction");
    let draws = sample(&target, &Hamiltonian::nuts(), &Start::default(), &mut Run::new(3)).unwrap().natural(&target);
    let along = draws.column(2);
    let mean = along.iter().sum::<f64>() / along.len() as f64;
    let exact = 1.0 / 2f64.tanh() - 0.5;
    // Five Monte Carlo standard errors.
    assert!((mean - exact).abs() < 5.0 * mcse_mean(&along, draws.chains()), "{mean} and {exact}");
}

#[test]
fn zero_is_a_neutral_start_and_values_outside_are_refused() {
    let (shares, _) = Support::Simplex.natural(&Tensor::from_vec(vec![0.0; 3], &[1, 3]), &[4]);
    assert_close(&shares.to_vec(), &[0.25; 4], 1e-14, "equal shares");
    let unknowns = Unknowns::new().positive("sd", &[]).simplex("mix", &[3]).ordered("cut", &[2]);
    assert_eq!(unknowns.dim(), 5);
    let start = unknowns.free(&[("mix", &[0.2, 0.3, 0.5]), ("cut", &[-1.0, 2.0])]).unwrap();
    assert_close(&unknowns.natural(&start), &[1.0, 0.2, 0.3, 0.5, -1.0, 2.0], 1e-13, "start");
    assert_eq!(unknowns.labels(), ["sd", "mix[0]", "mix[1]", "mix[2]", "cut[0]", "cut[1]"]);
    let message = |name: &str, values: &[f64]| {
        let error = unknowns.free(&[(name, values)]).unwrap_err();
        format!("{error}; {}", error.remedy())
    };
    assert!(message("sd", &[-1.0]).contains("(0, inf)"));
    assert!(message("mix", &[0.2, 0.2, 0.2]).contains("sum to one"));
    assert!(message("cut", &[1.0, 0.0]).contains("increasing"));
    assert!(message("cuts", &[1.0]).contains("cut"));
}

#[test]
fn both_ways_of_writing_a_named_density_agree() {
    let y = Tensor::from_vec(vec![0.3, -1.0, 2.0, 0.5], &[4]);
    let unknowns = || Unknowns::new().real("mean", &[2]).positive("sd", &[]).interval("share", &[], 0.0, 1.0);
    let (y1, y2) = (y.clone(), y);
    let batched = unknowns().density(move |u| {
        let (sd, share) = (u["sd"].unsqueeze(-1), u["share"].unsqueeze(-1));
        let part = |k: usize| ((&y1 - u["mean"].narrow(-1, k, 1)) / &sd).square() * -0.5 - sd.log();
        let mixture = (part(0) + share.log()).logaddexp(&(part(1) + (-&share).log1p()));
        mixture.sum_axis(-1, false) - u["mean"].square().sum_axis(-1, false) - &u["sd"]
    });
    let by_row = unknowns().density_by_row(move |u| {
        let (sd, share) = (&u["sd"], &u["share"]);
        let part = |k: usize| ((&y2 - u["mean"].select(0, k)) / sd).square() * -0.5 - sd.log();
        let mixture = (part(0) + share.log()).logaddexp(&(part(1) + (-share).log1p()));
        mixture.sum() - u["mean"].square().sum() - sd
    });
    let at = [0.4, -0.3, 0.2, -0.6];
    assert_derivatives(&batched, &at, "all rows at once");
    assert_derivatives(&by_row, &at, "row by row");
    let points = Tensor::from_vec([at, [1.0, 0.0, -1.0, 0.3]].concat(), &[2, 4]);
    assert_close(&batched.log_prob(&points).to_vec(), &by_row.log_prob(&points).to_vec(), 1e-13, "values");
    assert_eq!(batched.labels(), ["mean[0]", "mean[1]", "sd", "share"]);
    assert_close(&batched.natural(&at)[2..], &[0.2f64.exp(), 1.0 / (1.0 + 0.6f64.exp())], 1e-14, "natural values");
    let parts = batched.unknowns().unpack(&points.to_vec());
    assert_eq!((parts[0].0.as_str(), parts[0].1.len(), parts[2].1.len()), ("mean", 4, 2));
}

#[test]
fn parameters_with_priors_make_a_density() {
    let prior = Arc::new(elbo_dist::Prior::Gamma { shape: 2.0, rate: 1.0 });
    let make = move || {
        vec![
            Parameter::new(&[0.5, 1.0], &[2], Constraint::Positive).with_prior(prior.clone()),
            Parameter::scalar(0.0, Constraint::Real),
            Parameter::scalar(3.0, Constraint::Positive).frozen(),
        ]
    };
    let target = ParametersDensity::new(make, |p: &Vec<Parameter>| {
        Ok((p[0].get().log().sum() - p[1].get()).square() * -0.5 - p[1].get().square() * p[2].get())
    });
    assert_eq!(target.labels(), ["0[0]", "0[1]", "1"]);
    let at = [0.3, -0.2, 0.9];
    assert_derivatives(&target, &at, "parameters");
    // log Gamma(2, 1) of exp(z) plus z, and the likelihood.
    let gamma = |z: f64| z - z.exp() + z;
    let expected = -0.5 * (0.3f64 - 0.2 - 0.9).powi(2) - 3.0 * 0.81 + gamma(0.3) + gamma(-0.2);
    assert!((target.value_and_gradient(&at, &mut [0.0; 3]) - expected).abs() < 1e-12);
    assert_close(&target.natural(&at), &[0.3f64.exp(), (-0.2f64).exp(), 0.9], 1e-14, "natural values");
    assert_eq!(target.at(&at).pack(), at);
}

#[test]
#[should_panic(expected = "no unknown is named `scale`; there are: sd")]
fn a_wrong_name_is_answered_with_the_right_ones() {
    let target = Unknowns::new().positive("sd", &[]).density(|u| u["scale"].clone());
    target.value_and_gradient(&[0.0], &mut [0.0]);
}
