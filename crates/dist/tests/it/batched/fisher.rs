//! Fisher information is the covariance of the score.

use super::families::{families, s, t};
use super::{Domain, expectation};
use crate::assert_close;
use elbo_dist::batched::*;
use elbo_dist::tanh_sinh;
use elbo_tensor::{DType, Tensor, grad};
use std::f64::consts::PI;

/// The slopes of a log density in its parameters, each a number.
fn score(build: fn(&[Tensor]) -> Box<dyn Batched>, parameters: &[Tensor], x: f64) -> Vec<f64> {
    let variables: Vec<Tensor> = parameters.iter().map(|p| p.clone().variable()).collect();
    let log_prob = build(&variables).log_prob(&s(x));
    grad(&log_prob, &variables.iter().collect::<Vec<_>>()).iter().map(Tensor::item).collect()
}

/// Checks a matrix against the mean of products of scores.
fn assert_covariance(name: &str, found: &Tensor, n: usize, mean_product: impl Fn(usize, usize) -> f64) {
    assert_eq!(found.shape(), [n, n], "{name}");
    let found = found.to_vec();
    for i in 0..n {
        for j in 0..=i {
            assert_close(&format!("{name}: element {i}, {j}"), found[i * n + j], mean_product(i, j), 1e-6);
            assert_eq!(found[i * n + j], found[j * n + i], "{name} is symmetric");
        }
    }
}

#[test]
fn families_of_one_number_agree_with_quadrature_of_their_scores() {
    let mut seen = vec![];
    for case in families() {
        let d = (case.build)(&case.parameters);
        let Some(found) = d.fisher_information() else { continue };
        let mean = |i: usize, j: usize| -> f64 {
            let product = |x: f64| {
                let g = score(case.build, &case.parameters, x);
                g[i] * g[j]
            };
            match (case.name, case.support) {
                // The scores are bounded, other than the numbers.
                ("half-cauchy", _) => expectation(&*d, Domain::Positive, product),
                ("von mises", _) => {
                    let density = |x: f64| d.log_prob(&s(x)).item().exp();
                    tanh_sinh(|u| density(0.4 + u) * product(0.4 + u), -PI, PI, 1e-12)
                }
                (_, support) => expectation(&*d, support, product),
            }
        };
        let is_number = matches!(case.support, Domain::Line | Domain::Positive | Domain::Unit);
        if is_number || ["half-cauchy", "von mises"].contains(&case.name) {
            assert_covariance(case.name, &found, case.parameters.len(), mean);
            seen.push(case.name);
        }
    }
    assert!(seen.len() >= 19, "{seen:?}");
}

/// Checks the information of the one parameter of a law on the counts below `n` against the sum of squared scores.
fn assert_information(name: &str, build: fn(Tensor) -> Box<dyn Batched>, at: f64, n: usize) {
    let counts: Vec<f64> = (0..n).map(|k| k as f64).collect();
    let parameter = Tensor::from_vec(vec![at; n], &[n]).variable();
    let log_prob = build(parameter.clone()).log_prob(&t(&counts, &[n]));
    let scores = grad(&log_prob.sum(), &[&parameter]).remove(0);
    let exact = (log_prob.detach().exp() * scores.square()).sum().item();
    let found = build(s(at)).fisher_information().unwrap();
    assert_eq!(found.shape(), [1, 1], "{name}");
    assert_close(name, found.to_vec()[0], exact, 1e-12);
}

#[test]
fn families_of_counts_agree_with_the_sum_over_counts() {
    assert_information("poisson", |p| Box::new(Poisson::new(p)), 3.2, 100);
    assert_information("geometric", |p| Box::new(Geometric::new(p)), -0.6, 200);
    assert_information("binomial", |p| Box::new(Binomial::new(s(7.0), p)), 0.4, 8);
    assert_information("bernoulli", |p| Box::new(Bernoulli::new(p)), -1.2, 2);
}

#[test]
fn in_natural_parameters_the_information_is_minus_the_second_derivative_anywhere() {
    type Build = fn(&Tensor) -> Box<dyn Batched>;
    let cases: [(&str, Build, Tensor); 3] = [
        ("categorical", |p| Box::new(Categorical::new(p)), s(2.0)),
        ("multinomial", |p| Box::new(Multinomial::new(5, p)), t(&[2.0, 0.0, 3.0], &[3])),
        ("dirichlet", |p| Box::new(Dirichlet::new(p.clone())), t(&[0.2, 0.5, 0.3], &[3])),
    ];
    let at = [1.4, 0.7, 3.0];
    for (name, build, x) in cases {
        let found = build(&t(&at, &[3])).fisher_information().unwrap();
        assert_eq!(found.shape(), [3, 3], "{name}");
        let slopes = |i: usize, delta: f64| {
            let mut moved = at;
            moved[i] += delta;
            let p = t(&moved, &[3]).variable();
            grad(&build(&p).log_prob(&x), &[&p]).remove(0).to_vec()
        };
        for i in 0..3 {
            let (above, below) = (slopes(i, 1e-4), slopes(i, -1e-4));
            for j in 0..3 {
                let exact = -(above[j] - below[j]) / 2e-4;
                assert_close(&format!("{name}: {i}, {j}"), found.to_vec()[3 * i + j], exact, 1e-6);
            }
        }
    }
}

#[test]
fn batches_hold_one_matrix_an_element_in_the_type_of_the_parameters() {
    for dtype in [DType::F64, DType::F32] {
        let sd = t(&[0.5, 1.0, 2.0, 1.0, 1.0, 4.0], &[2, 3]).cast(dtype);
        let normal = Normal::new(Tensor::zeros(&[2, 3], dtype), sd);
        let found = normal.fisher_information().unwrap();
        assert_eq!((found.shape(), found.dtype()), (&[2, 3, 2, 2][..], dtype));
        assert_eq!(found.to_vec()[..4], [4.0, 0.0, 0.0, 8.0]);
        assert_eq!(normal.to_event(1).fisher_information().unwrap().to_vec(), found.to_vec());
    }
    // It has no closed form for a mixture, and none where an end of the support is learnt.
    assert!(Uniform::new(s(0.0), s(1.0)).fisher_information().is_none());
    assert!(Pareto::new(s(1.0), s(2.0)).fisher_information().is_none());
}

#[test]
fn at_the_edge_of_the_parameters_the_information_has_its_limits() {
    let circle = VonMises::new(s(0.3), s(0.0)).fisher_information().unwrap();
    assert_eq!(circle.to_vec(), [0.0, 0.0, 0.0, 0.5]);
    let peaked = GeneralisedNormal::new(s(0.3), s(1.2), s(0.5)).fisher_information().unwrap().to_vec();
    assert_eq!(peaked[0], f64::INFINITY);
    assert!(peaked[1..].iter().all(|v| v.is_finite()));
}
