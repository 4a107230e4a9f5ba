//! Laws that every likelihood obeys: derivatives, normalisation, inverses, closed forms against quadrature.

use elbo_core::{Marginals, Prediction, Rng};
use elbo_dist::{Rule, tanh_sinh};
use elbo_gp::likelihood::*;
use elbo_tensor::{Parameters, Tensor, grad};

/// Constructors, each with targets of its support.
fn every() -> Vec<(Box<dyn Likelihood>, Vec<f64>)> {
    let counts = || vec![0.0, 1.0, 4.0];
    let reals = || vec![-1.3, 0.2, 2.5];
    let positive = || vec![0.1, 0.9, 3.0];
    vec![
        (Box::new(Gaussian::new(0.3)), reals()),
        (Box::new(KnownNoise::new(&[0.2, 0.4]).unwrap()), reals()),
        (Box::new(StudentT::new(4.5, 0.6)), reals()),
        (Box::new(Laplace::new(0.7)), reals()),
        (Box::new(LogGaussian::new(0.3)), positive()),
        (Box::new(Exponential::new()), positive()),
        (Box::new(Gamma::new(2.3)), positive()),
        (Box::new(Weibull::new(1.4)), positive()),
        (Box::new(Beta::new(5.0)), vec![0.05, 0.4, 0.9]),
        (Box::new(Poisson::new(1.7)), counts()),
        (Box::new(NegativeBinomial::new(2.2)), counts()),
        (Box::new(ZeroInflatedPoisson::new(0.3)), counts()),
        (Box::new(Binomial::new(6)), counts()),
        (Box::new(BernoulliProbit::new()), vec![-1.0, 1.0]),
        (Box::new(BernoulliLogit::new()), vec![-1.0, 1.0]),
        (Box::new(Ordinal::new(&[-0.7, 0.2, 1.5], 0.8)), vec![0.0, 1.0, 2.0, 3.0]),
    ]
}

/// Latent marginals to evaluate at.
const MARGINALS: [(f64, f64); 4] = [(0.0, 0.5), (0.8, 0.09), (-0.6, 1.2), (0.3, 1e-12)];

fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let h = 1e-5 * x.abs().max(0.1);
    (f(x + h) - f(x - h)) / (2.0 * h)
}

fn assert_close(what: &str, value: f64, expected: f64, tolerance: f64) {
    assert!((value - expected).abs() <= tolerance * expected.abs().max(1.0), "{what}: {value}, expected {expected}");
}

#[test]
fn derivatives_in_f_are_the_slopes_of_each_other() {
    for (likelihood, targets) in every() {
        let name = likelihood.name();
        for y in targets {
            for f in [-2.1, -0.4, 0.33, 1.7] {
                assert_close(
                    &format!("{name} g1 at {y}, {f}"),
                    likelihood.g1(y, f),
                    slope(|f| likelihood.log_prob(y, f), f),
                    1e-7,
                );
                assert_close(
                    &format!("{name} g2 at {y}, {f}"),
                    likelihood.g2(y, f),
                    slope(|f| likelihood.g1(y, f), f),
                    1e-7,
                );
                assert_close(
                    &format!("{name} g3 at {y}, {f}"),
                    likelihood.g3(y, f),
                    slope(|f| likelihood.g2(y, f), f),
                    1e-7,
                );
            }
        }
    }
}

#[test]
fn derivatives_stay_finite_far_out() {
    for (likelihood, targets) in every() {
        for y in targets {
            for f in [-30.0, 30.0] {
                for value in [likelihood.log_prob(y, f), likelihood.g1(y, f), likelihood.g2(y, f), likelihood.g3(y, f)]
                {
                    assert!(value.is_finite(), "{} at {y}, {f}: {value}", likelihood.name());
                }
                assert!(!likelihood.is_log_concave() || likelihood.g2(y, f) <= 0.0, "{}", likelihood.name());
            }
        }
    }
}

#[test]
fn expectations_have_exact_derivatives() {
    for (likelihood, targets) in every() {
        for y in targets {
            for (m, v) in MARGINALS {
                let what = format!("{} at y {y}, mean {m}, variance {v}", likelihood.name());
                let expected = likelihood.expected(y, m, v);
                if likelihood.name() == "laplace" && v < 1e-6 {
                    // The kink is narrower than the difference quotient.
                    continue;
                }
                assert_close(
                    &format!("dm of {what}"),
                    expected.dm,
                    slope(|m| likelihood.expected(y, m, v).value, m),
                    1e-6,
                );
                if v > 1e-6 {
                    assert_close(
                        &format!("dv of {what}"),
                        expected.dv,
                        slope(|v| likelihood.expected(y, m, v).value, v),
                        1e-6,
                    );
                } else {
                    assert_close(&format!("dv of {what}"), expected.dv, 0.5 * likelihood.g2(y, m), 1e-4);
                }
            }
        }
    }
}

#[test]
fn tilted_normalisers_have_exact_derivatives_for_every_power() {
    for (likelihood, targets) in every() {
        for y in targets {
            for (m, v) in &MARGINALS[..3] {
                for alpha in [1.0, 0.5, 0.1] {
                    let what = format!("{} at y {y}, mean {m}, variance {v}, power {alpha}", likelihood.name());
                    let at = |m: f64| likelihood.log_tilted(y, m, *v, alpha);
                    assert_close(&format!("d1 of {what}"), at(*m).d1, slope(|m| at(m).value, *m), 1e-6);
                    assert_close(&format!("d2 of {what}"), at(*m).d2, slope(|m| at(m).d1, *m), 1e-6);
                    let by_variance = slope(|v| likelihood.log_tilted(y, *m, v, alpha).value, *v);
                    assert_close(&format!("dv of {what}"), at(*m).dv, by_variance, 1e-6);
                }
            }
        }
    }
}

/// Likelihoods whose logarithm is smooth enough in `f` that quadrature has converged.
fn is_smooth(likelihood: &dyn Likelihood) -> bool {
    !matches!(likelihood.name(), "laplace" | "student_t")
}

#[test]
fn expectations_obey_bonnet_and_price() {
    let rule = Rule::hermite(80);
    for (likelihood, targets) in every().into_iter().filter(|(l, _)| is_smooth(l.as_ref())) {
        for y in targets {
            for (m, v) in &MARGINALS[..3] {
                let what = format!("{} at y {y}, mean {m}, variance {v}", likelihood.name());
                let expected = likelihood.expected(y, *m, *v);
                assert_close(&what, expected.value, rule.expect(*m, *v, |f| likelihood.log_prob(y, f)), 2e-5);
                assert_close(&what, expected.dm, rule.expect(*m, *v, |f| likelihood.g1(y, f)), 1e-4);
                assert_close(&what, expected.dv, 0.5 * rule.expect(*m, *v, |f| likelihood.g2(y, f)), 1e-3);
                let tilted = likelihood.log_tilted(y, *m, *v, 0.7);
                assert_close(
                    &format!("Price for the tilted {what}"),
                    tilted.dv,
                    0.5 * (tilted.d2 + tilted.d1.powi(2)),
                    1e-3,
                );
            }
        }
    }
}

#[test]
fn derivatives_by_the_parameters_are_slopes() {
    for (mut likelihood, targets) in every() {
        let mut numbers = vec![];
        likelihood.visit(&mut |name, p| {
            numbers.extend(p.value().into_iter().enumerate().map(|(i, v)| (name.to_owned(), i, v)))
        });
        for (k, (name, i, value)) in numbers.iter().enumerate() {
            for y in &targets {
                let (m, v) = (0.4, 0.6);
                let all = |l: &dyn Likelihood| {
                    [
                        l.log_prob(*y, m),
                        l.expected(*y, m, v).value,
                        l.log_tilted(*y, m, v, 1.0).value,
                        l.log_tilted(*y, m, v, 0.4).value,
                    ]
                };
                let exact = [
                    likelihood.d_log_prob(*y, m)[k],
                    likelihood.d_expected(*y, m, v)[k],
                    likelihood.d_log_tilted(*y, m, v, 1.0)[k],
                    likelihood.d_log_tilted(*y, m, v, 0.4)[k],
                ];
                let mut shifted = |delta: f64| {
                    likelihood.visit_mut(&mut |n, p| {
                        if n == name {
                            let mut natural = p.value();
                            natural[*i] = value + delta;
                            p.set(&natural).unwrap();
                        }
                    });
                    all(likelihood.as_ref())
                };
                let h = 1e-5 * value.abs();
                let (up, down) = (shifted(h), shifted(-h));
                shifted(0.0);
                for (which, exact) in exact.into_iter().enumerate() {
                    let numeric = (up[which] - down[which]) / (2.0 * h);
                    // Closed and quadrature forms of the ordinal's normaliser differ by the quadrature's error.
                    let tolerance = if likelihood.name() == "ordinal" { 1e-5 } else { 1e-6 };
                    assert_close(
                        &format!("{} {name}[{i}] at {y}, quantity {which}", likelihood.name()),
                        exact,
                        numeric,
                        tolerance,
                    );
                }
            }
        }
    }
}

/// The closed forms of one density against quadrature with many nodes.
fn assert_closed_forms<D: Density>(density: &D, targets: &[f64], tolerance: f64) {
    let rule = Rule::hermite(100);
    let count = density.parameters().iter().map(|(_, p)| p.len()).sum();
    for y in targets {
        for (m, v) in &MARGINALS[..3] {
            let what = format!("{} at y {y}, mean {m}, variance {v}", D::NAME);
            let closed = density.expected(*y, *m, *v);
            assert_close(&what, closed.value, rule.expect(*m, *v, |f| density.log_prob(*y, f)), tolerance);
            let mut gradient = vec![0.0; count];
            density.d_expected(*y, *m, *v, &mut gradient);
            let mut numeric = vec![0.0; count];
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                density.add_gradient(*y, m + v.sqrt() * x, *w, &mut numeric);
            }
            for (a, b) in gradient.iter().zip(&numeric) {
                assert_close(&format!("gradient of {what}"), *a, *b, tolerance);
            }
            for alpha in [1.0, 0.3] {
                let closed = density.log_tilted(*y, *m, *v, alpha);
                let by_rule = rule.log_expect(*m, *v, |f| alpha * density.log_prob(*y, f));
                assert_close(&format!("tilted {what}"), closed.value, by_rule, 1e-6);
            }
            let (closed, by_rule) = (density.predict(*m, *v), quadrature::predict(density, *m, *v));
            assert_close(&format!("mean of {what}"), closed.mean, by_rule.mean, 1e-6);
            assert_close(&format!("variance of {what}"), closed.variance, by_rule.variance, 1e-6);
            assert_close(
                &format!("cdf of {what}"),
                density.cdf(*y, *m, *v),
                quadrature::cdf(density, *y, *m, *v),
                1e-6,
            );
        }
    }
}

#[test]
fn closed_forms_agree_with_quadrature() {
    let positive = [0.3, 0.9, 2.0];
    // Where the expectation is not closed, 20 nodes stand against 100.
    let (exact, coarse) = (1e-9, 1e-5);
    assert_closed_forms(&GaussianDensity { variance: 0.6 }, &[-1.0, 0.2], exact);
    assert_closed_forms(Gaussian::new(0.7).density(), &[-1.0, 0.2], exact);
    assert_closed_forms(LogGaussian::new(0.6).density(), &positive, exact);
    assert_closed_forms(Poisson::new(1.7).density(), &[0.0, 3.0], exact);
    assert_closed_forms(Exponential::new().density(), &positive, exact);
    assert_closed_forms(Gamma::new(2.3).density(), &positive, exact);
    assert_closed_forms(Weibull::new(1.2).density(), &positive, exact);
    assert_closed_forms(NegativeBinomial::new(2.2).density(), &[0.0, 5.0], coarse);
    assert_closed_forms(BernoulliProbit::new().density(), &[-1.0, 1.0], coarse);
    assert_closed_forms(Ordinal::new(&[-0.7, 0.2, 1.5], 0.8).density(), &[0.0, 1.0, 3.0], coarse);
}

#[test]
fn the_laplace_likelihood_is_exact_where_quadrature_fails() {
    let likelihood = Laplace::new(0.5);
    for (m, v) in [(0.3, 0.8), (-1.0, 0.2), (4.0, 2.0)] {
        let y = 0.4;
        let sd = f64::sqrt(v);
        // The kink is put at an end of each piece.
        let integral = |g: &dyn Fn(f64) -> f64| {
            let weighted = |f: f64| g(f) * (-0.5 * ((f - m) / sd).powi(2)).exp() / (sd * std::f64::consts::TAU.sqrt());
            tanh_sinh(weighted, m.min(y) - 12.0, y, 1e-13) + tanh_sinh(weighted, y, m.max(y) + 12.0, 1e-13)
        };
        assert_close("expected", likelihood.expected(y, m, v).value, integral(&|f| likelihood.log_prob(y, f)), 1e-9);
        for alpha in [1.0, 0.5] {
            let tilted = integral(&|f| (alpha * likelihood.log_prob(y, f)).exp()).ln();
            assert_close("tilted", likelihood.log_tilted(y, m, v, alpha).value, tilted, 1e-9);
        }
        let cdf = integral(&|f| likelihood.density().conditional_cdf(y, f));
        assert_close("cdf", likelihood.cdf(y, m, v), cdf, 1e-9);
    }
}

#[test]
fn predictive_densities_are_normalised() {
    for (likelihood, targets) in every() {
        for (m, v) in &MARGINALS[..3] {
            let what = format!("{}, mean {m}, variance {v}", likelihood.name());
            if likelihood.is_discrete() {
                let first = targets[0];
                let step = if likelihood.probability(0.0, 1.0).is_some() { 2.0 } else { 1.0 };
                let mut sum = 0.0;
                for k in 0..40 {
                    let y = first + step * f64::from(k);
                    if likelihood.check_targets(&[y]).is_err() {
                        break;
                    }
                    sum += likelihood.log_density(y, *m, *v).exp();
                    assert_close(&format!("cdf of {what} at {y}"), likelihood.cdf(y, *m, *v), sum, 2e-6);
                }
                continue;
            }
            let points: Vec<f64> = [0.02, 0.3, 0.6, 0.97].iter().map(|p| likelihood.quantile(*p, *m, *v)).collect();
            for pair in points.windows(2) {
                let mass =
                    Rule::legendre(30).integrate_over(pair[0], pair[1], |y| likelihood.log_density(y, *m, *v).exp());
                let difference = likelihood.cdf(pair[1], *m, *v) - likelihood.cdf(pair[0], *m, *v);
                assert_close(&format!("mass of {what}"), mass, difference, 1e-4);
            }
        }
    }
}

#[test]
fn quantiles_invert_the_predictive_distribution_function() {
    for (likelihood, _) in every() {
        for (m, v) in &MARGINALS[..3] {
            for p in [0.005, 0.025, 0.3, 0.5, 0.9, 0.995] {
                let y = likelihood.quantile(p, *m, *v);
                let what = format!("{}, mean {m}, variance {v}: {y} for {p}", likelihood.name());
                if likelihood.is_discrete() {
                    assert!(likelihood.cdf(y, *m, *v) >= p - 1e-12, "{what}");
                    assert!(likelihood.cdf(y - 1.0, *m, *v) < p, "{what}");
                } else {
                    assert_close(&what, likelihood.cdf(y, *m, *v), p, 1e-9);
                }
            }
        }
    }
}

#[test]
fn draws_have_the_predicted_moments_and_quantiles() {
    let mut rng = Rng::new(77);
    let (m, v, n) = (0.2, 0.3, 20_000);
    for (likelihood, _) in every() {
        let draws: Vec<f64> = (0..n).map(|_| likelihood.sample(m + f64::sqrt(v) * rng.normal(), &mut rng)).collect();
        likelihood.row(0).check_targets(&draws).unwrap();
        let predicted = likelihood.predict(m, v);
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        // Five standard errors.
        assert!(
            (mean - predicted.mean).abs() < 5.0 * (predicted.variance / f64::from(n)).sqrt(),
            "{}: mean {mean}",
            likelihood.name()
        );
        for p in [0.2, 0.7] {
            let y = likelihood.quantile(p, m, v);
            let below = draws.iter().filter(|d| **d <= y).count() as f64 / f64::from(n);
            assert!((below - likelihood.cdf(y, m, v)).abs() < 0.018, "{}: {below} below {y}", likelihood.name());
        }
    }
}

#[test]
fn the_logit_bound_is_below_and_touches_where_it_should() {
    let (exact, bound) = (BernoulliLogit::new(), BernoulliLogit::bounded());
    for y in [-1.0, 1.0] {
        for (m, v) in [(0.0, 0.5), (2.0, 1.0), (-1.0, 4.0), (0.5, 1e-3)] {
            let (e, b) = (exact.expected(y, m, v), bound.expected(y, m, v));
            assert!(b.value <= e.value + 1e-12, "{y} {m} {v}");
            assert_close("dm", b.dm, slope(|m| bound.expected(y, m, v).value, m), 1e-7);
            assert_close("dv", b.dv, slope(|v| bound.expected(y, m, v).value, v), 1e-6);
        }
        // Without uncertainty the bound is tight.
        assert_close("limit", bound.expected(y, 1.3, 0.0).value, exact.log_prob(y, 1.3), 1e-14);
    }
    assert_eq!(bound.expected(1.0, 0.0, 0.0).dv, -0.125);
}

/// Several latents, each with targets.
fn every_multi() -> Vec<(Box<dyn MultiLikelihood>, Vec<f64>)> {
    let mut rng = Rng::new(5);
    vec![
        (Box::new(Softmax::new(3, 32, &mut rng)), vec![0.0, 2.0]),
        (Box::new(Softmax::bounded(3)), vec![0.0, 1.0]),
        (Box::new(RobustMax::new(3, 1e-3)), vec![0.0, 1.0, 2.0]),
        (Box::new(Heteroscedastic), vec![-0.4, 1.2]),
        (Box::new(Single(Box::new(StudentT::new(4.0, 0.5)))), vec![0.7]),
    ]
}

#[test]
fn expectations_over_several_latents_have_exact_derivatives() {
    for (likelihood, targets) in every_multi() {
        let p = likelihood.latents();
        let mean: Vec<f64> = [0.3, -0.2, 0.6][..p].to_vec();
        for variance in [vec![0.4, 0.9, 0.2][..p].to_vec(), vec![1e-3; p]] {
            for y in &targets {
                let (mut dm, mut dv) = (vec![0.0; p], vec![0.0; p]);
                likelihood.expected(*y, &mean, &variance, &mut dm, &mut dv);
                let value = |m: &[f64], v: &[f64]| likelihood.expected(*y, m, v, &mut vec![0.0; p], &mut vec![0.0; p]);
                for c in 0..p {
                    let with = |x: &[f64], t: f64| {
                        x.iter().enumerate().map(|(i, x)| if i == c { t } else { *x }).collect::<Vec<_>>()
                    };
                    let what = format!("{} y {y} latent {c}", likelihood.name());
                    assert_close(&what, dm[c], slope(|t| value(&with(&mean, t), &variance), mean[c]), 1e-6);
                    let h = 1e-5 * variance[c];
                    let numeric = (value(&mean, &with(&variance, variance[c] + h))
                        - value(&mean, &with(&variance, variance[c] - h)))
                        / (2.0 * h);
                    assert_close(&what, dv[c], numeric, 1e-5);
                }
            }
        }
    }
}

/// `E[log p]` by plain Monte Carlo, with its standard error.
fn by_sampling(likelihood: &dyn MultiLikelihood, y: f64, mean: &[f64], variance: &[f64]) -> (f64, f64) {
    let mut rng = Rng::new(9);
    let n = 40_000;
    let terms: Vec<f64> = (0..n)
        .map(|_| {
            let f: Vec<f64> = mean.iter().zip(variance).map(|(m, v)| m + v.sqrt() * rng.normal()).collect();
            likelihood.log_prob(y, &f)
        })
        .collect();
    let average = terms.iter().sum::<f64>() / f64::from(n);
    let spread = terms.iter().map(|t| (t - average).powi(2)).sum::<f64>() / f64::from(n);
    (average, (spread / f64::from(n)).sqrt())
}

#[test]
fn expectations_over_several_latents_agree_with_sampling_and_bounds_are_below() {
    let (mean, variance) = ([0.3, -0.2, 0.6], [0.4, 0.9, 0.2]);
    for (likelihood, targets) in every_multi() {
        let p = likelihood.latents();
        for y in targets {
            let (average, error) = by_sampling(likelihood.as_ref(), y, &mean[..p], &variance[..p]);
            let value = likelihood.expected(y, &mean[..p], &variance[..p], &mut vec![0.0; p], &mut vec![0.0; p]);
            if likelihood.description().contains("bound") {
                assert!(value < average - 4.0 * error, "{}: {value} against {average}", likelihood.name());
                continue;
            }
            // 32 draws of the softmax leave an error of their own, about 0.4 / sqrt(32) without the antithetic pairs.
            let slack = if likelihood.name() == "softmax" { 0.05 } else { 1e-3 };
            assert!((value - average).abs() < 4.0 * error + slack, "{}: {value} against {average}", likelihood.name());
        }
    }
}

#[test]
fn class_probabilities_sum_to_one_and_agree_with_draws() {
    let names: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
    let (mean, variance) = ([0.3, -0.2, 0.6], [0.4, 0.9, 0.2]);
    let mut rng = Rng::new(4);
    let likelihoods: [Box<dyn MultiLikelihood>; 2] = [Box::new(Softmax::bounded(3)), Box::new(RobustMax::new(3, 0.01))];
    for likelihood in likelihoods {
        let Prediction::Classes { probabilities, .. } = likelihood.prediction(&mean, &variance, (0.0, 1.0), &names)
        else {
            panic!("classes were expected")
        };
        assert_close("sum", probabilities.iter().sum(), 1.0, 1e-12);
        let n = 40_000;
        let mut counts = [0.0; 3];
        for _ in 0..n {
            let f: Vec<f64> = mean.iter().zip(&variance).map(|(m, v)| m + f64::sqrt(*v) * rng.normal()).collect();
            counts[likelihood.sample(&f, &mut rng) as usize] += 1.0 / f64::from(n);
        }
        for c in 0..3 {
            // Four standard errors of the draws, and the error of 512 prediction draws.
            assert!(
                (counts[c] - probabilities[c]).abs() < 0.01 + 0.01,
                "{}: {counts:?} {probabilities:?}",
                likelihood.name()
            );
            assert_close("density", likelihood.log_density(c as f64, &mean, &variance), probabilities[c].ln(), 1e-12);
        }
    }
    let probit = Single(Box::new(BernoulliProbit::new()));
    let Prediction::Classes { probabilities, .. } = probit.prediction(&[0.5], &[0.2], (0.0, 1.0), &names[..2]) else {
        panic!("classes were expected")
    };
    assert_close("two classes", probabilities[0] + probabilities[1], 1.0, 1e-15);
}

#[test]
fn heteroscedastic_predictions_are_mixtures_with_the_right_moments() {
    let (mean, variance) = ([0.4, -0.3], [0.2, 0.1]);
    let mixture = Heteroscedastic.marginals(&mean, &variance).unscaled(1.0, 2.0);
    assert_close("mean", mixture.mean(0), 1.0 + 2.0 * 0.4, 1e-12);
    let total: f64 = 0.2 + f64::exp(2.0 * -0.3 + 2.0 * 0.1);
    assert_close("sd", mixture.sd(0), 2.0 * total.sqrt(), 1e-10);
}

#[test]
fn tensor_operations_sum_rows_and_differentiate_everything() {
    let mut rng = Rng::new(3);
    let n = 700;
    for (mut likelihood, targets) in every() {
        if likelihood.name() == "known_noise" {
            continue;
        }
        let y: Vec<f64> = (0..n).map(|i| targets[i % targets.len()]).collect();
        let m: Vec<f64> = rng.normals(n).iter().map(|z| 0.5 * z).collect();
        let v: Vec<f64> = rng.uniforms(n).iter().map(|u| 0.1 + u).collect();
        let (mean, variance) = (Tensor::from_slice(&m, &[n]).variable(), Tensor::from_slice(&v, &[n]).variable());
        for alpha in [None, Some(0.6)] {
            let value = |l: &dyn Likelihood| match alpha {
                None => expected_log_prob(l, &y, &mean, &variance),
                Some(alpha) => log_tilted_sum(l, &y, &mean, &variance, alpha),
            };
            let total = value(likelihood.as_ref());
            let direct: f64 = (0..n)
                .map(|i| match alpha {
                    None => likelihood.expected(y[i], m[i], v[i]).value,
                    Some(alpha) => likelihood.log_tilted(y[i], m[i], v[i], alpha).value,
                })
                .sum();
            assert_close(likelihood.name(), total.item(), direct, 1e-12);
            let slopes = grad(&total, &[&mean, &variance]);
            let (dm, dv) = match alpha {
                None => {
                    let e = likelihood.expected(y[5], m[5], v[5]);
                    (e.dm, e.dv)
                }
                Some(alpha) => {
                    let t = likelihood.log_tilted(y[5], m[5], v[5], alpha);
                    (t.d1, t.dv)
                }
            };
            assert_close("dm", slopes[0].to_vec()[5], dm, 1e-14);
            assert_close("dv", slopes[1].to_vec()[5], dv, 1e-14);
            let free = likelihood.pack();
            let gradient = if free.is_empty() { vec![] } else { likelihood.gradient(&total) };
            for k in 0..free.len() {
                let mut shifted = |delta: f64| {
                    let mut moved = free.clone();
                    moved[k] += delta;
                    likelihood.unpack(&moved);
                    value(likelihood.as_ref()).item()
                };
                let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                shifted(0.0);
                assert_close(
                    &format!("{} parameter {k}, power {alpha:?}", likelihood.name()),
                    gradient[k],
                    numeric,
                    1e-6,
                );
            }
        }
    }
}

#[test]
fn tensor_operations_handle_several_latents_no_rows_and_any_thread_count() {
    let n = 600;
    let mut rng = Rng::new(8);
    let likelihood = RobustMax::new(3, 1e-3);
    let y: Vec<f64> = (0..n).map(|i| (i % 3) as f64).collect();
    let (m, v) = (rng.normals(3 * n), rng.uniforms(3 * n));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (mean, variance) =
                (Tensor::from_slice(&m, &[n, 3]).variable(), Tensor::from_slice(&v, &[n, 3]).variable());
            let total = expected_log_prob_multi(&likelihood, &y, &mean, &variance);
            (total.item().to_bits(), grad(&total, &[&mean])[0].to_vec())
        })
    };
    assert_eq!(run(1), run(4));
    let empty = Tensor::from_slice(&[], &[0]);
    assert_eq!(expected_log_prob(&Gaussian::new(0.1), &[], &empty, &empty).item(), 0.0);
}

#[test]
fn known_noise_differs_by_row_and_in_minibatches() {
    let likelihood = KnownNoise::new(&[0.1, 1.0, 4.0]).unwrap();
    let (y, zero, small) = ([0.5, 0.5], Tensor::from_slice(&[0.0, 0.0], &[2]), Tensor::from_slice(&[0.2, 0.2], &[2]));
    let batch = likelihood.select(&[2, 0]);
    let direct = Gaussian::new(4.0).expected(0.5, 0.0, 0.2).value + Gaussian::new(0.1).expected(0.5, 0.0, 0.2).value;
    assert_close("batch", expected_log_prob(batch.as_ref(), &y, &zero, &small).item(), direct, 1e-13);
    assert_close("new row", likelihood.predict(0.0, 0.2).variance, 1.7 + 0.2, 1e-13);
    let error = likelihood.check_targets(&y).unwrap_err();
    assert_eq!(error.to_string(), "there are 2 targets and 3 noise variances");
    assert!(KnownNoise::new(&[0.1, 0.0]).unwrap_err().to_string().contains("row 2 is 0"));
}

#[test]
fn predictions_through_a_likelihood_are_distributions_in_the_targets_unit() {
    for (likelihood, targets) in every() {
        let (shift, scale) = if likelihood.is_discrete() { (0.0, 1.0) } else { (2.0, 3.0) };
        let marginals = LikelihoodMarginals::new(likelihood.clone_box(), vec![0.2], vec![0.3]).unscaled(shift, scale);
        let predicted = likelihood.predict(0.2, 0.3);
        assert_close("mean", marginals.mean(0), shift + scale * predicted.mean, 1e-12);
        assert_close("sd", marginals.sd(0), scale * predicted.variance.sqrt(), 1e-12);
        for z in targets {
            let y = shift + scale * z;
            assert_close(
                "density",
                marginals.log_prob(0, y),
                likelihood.log_density(z, 0.2, 0.3) - f64::ln(scale),
                1e-12,
            );
            // E|Y - y| - E|Y - Y'| / 2 by sampling.
            let mut rng = Rng::new(2);
            let n = 20_000;
            let mut draw = || shift + scale * likelihood.sample(0.2 + f64::sqrt(0.3) * rng.normal(), &mut rng);
            let terms: Vec<f64> = (0..n).map(|_| (draw() - y).abs() - 0.5 * (draw() - draw()).abs()).collect();
            let average = terms.iter().sum::<f64>() / f64::from(n);
            let error =
                (terms.iter().map(|t| (t - average).powi(2)).sum::<f64>() / f64::from(n)).sqrt() / f64::from(n).sqrt();
            let score = marginals.crps(0, y);
            assert!(
                (score - average).abs() < 4.0 * error + 1e-4,
                "{}: crps at {y} is {score}, sampled {average} +- {error}",
                likelihood.name()
            );
        }
    }
}

#[test]
fn targets_outside_the_support_are_refused_with_a_remedy() {
    let cases: [(Box<dyn Likelihood>, f64, &str); 6] = [
        (
            Box::new(Gaussian::new(0.1)),
            f64::NAN,
            "the target in row 2 is NaN; the gaussian likelihood needs finite numbers",
        ),
        (
            Box::new(Poisson::new(1.0)),
            1.5,
            "the target in row 2 is 1.5; the poisson likelihood needs counts 0, 1, 2, ...",
        ),
        (Box::new(Gamma::new(1.0)), 0.0, "the target in row 2 is 0; the gamma likelihood needs positive numbers"),
        (
            Box::new(Beta::new(1.0)),
            1.0,
            "the target in row 2 is 1; the beta likelihood needs numbers strictly between 0 and 1",
        ),
        (
            Box::new(BernoulliProbit::new()),
            0.0,
            "the target in row 2 is 0; the bernoulli_probit likelihood needs -1 and 1",
        ),
        (
            Box::new(Binomial::new(3)),
            4.0,
            "the target in row 2 is 4; the binomial likelihood needs whole numbers from 0 to the number of trials",
        ),
    ];
    for (likelihood, bad, message) in cases {
        let good = if likelihood.name() == "beta" { 0.5 } else { 1.0 };
        let error = likelihood.check_targets(&[good, bad]).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(!error.remedy().is_empty());
    }
    assert!(Softmax::bounded(3).check_targets(&[0.0, 3.0]).unwrap_err().to_string().contains("from 0 to 2"));
}

#[test]
fn likelihoods_are_built_by_name_and_bad_settings_are_refused() {
    let build = |text: &str| serde_json::from_str::<LikelihoodConfig>(text).unwrap().build();
    for (text, name) in [
        (r#"{"type": "gaussian"}"#, "gaussian"),
        (r#"{"type": "student_t", "dof": 6.0}"#, "student_t"),
        (r#"{"type": "laplace"}"#, "laplace"),
        (r#"{"type": "log_gaussian"}"#, "log_gaussian"),
        (r#"{"type": "exponential"}"#, "exponential"),
        (r#"{"type": "gamma"}"#, "gamma"),
        (r#"{"type": "weibull"}"#, "weibull"),
        (r#"{"type": "beta"}"#, "beta"),
        (r#"{"type": "poisson"}"#, "poisson"),
        (r#"{"type": "negative_binomial"}"#, "negative_binomial"),
        (r#"{"type": "zero_inflated_poisson"}"#, "zero_inflated_poisson"),
        (r#"{"type": "binomial", "trials": 4}"#, "binomial"),
        (r#"{"type": "bernoulli_probit"}"#, "bernoulli_probit"),
        (r#"{"type": "bernoulli_logit", "bound": true}"#, "bernoulli_logit"),
        (r#"{"type": "ordinal", "edges": [0.0, 1.0]}"#, "ordinal"),
    ] {
        assert_eq!(build(text).unwrap().name(), name);
    }
    assert_eq!(
        build(r#"{"type": "student_t", "dof": 1.5}"#).unwrap_err().to_string(),
        "setting `dof` is 1.5; expected a finite number above 2"
    );
    assert!(build(r#"{"type": "ordinal", "edges": [1.0, 0.0]}"#).is_err());
    assert!(serde_json::from_str::<LikelihoodConfig>(r#"{"type": "gaussian", "noise": 1.0}"#).is_err());
    let multi: MultiLikelihoodConfig = serde_json::from_str(r#"{"type": "softmax"}"#).unwrap();
    assert_eq!(multi.build(4, &mut Rng::new(1)).unwrap().latents(), 4);
    assert!(MultiLikelihoodConfig::SoftmaxBound.build(1, &mut Rng::new(1)).is_err());
}

#[test]
fn changing_a_parameter_changes_the_numbers_and_a_copy_keeps_its_own() {
    let mut likelihood: Box<dyn Likelihood> = Box::new(Ordinal::new(&[-1.0, 0.5], 1.0));
    let copy = likelihood.clone();
    assert!(likelihood.leaves().len() == 2, "the scale is held");
    likelihood.assign("first_edge", &[0.0]).unwrap();
    likelihood.assign("increments", &[2.0]).unwrap();
    assert_close("moved", likelihood.log_prob(0.0, 0.0), 0.5f64.ln(), 1e-14);
    assert!(copy.log_prob(0.0, 0.0) < 0.3f64.ln());
    assert!(likelihood.description().contains("increments 2.0000"));
    let mut gaussian = Gaussian::new(0.1);
    gaussian.unpack(&[0.0]);
    assert_close("floor", gaussian.predict(0.0, 0.0).variance, 1.0 + 1e-6, 1e-14);
}
