//! Derivatives of log likelihoods, expectations and normalisers, in the latent function and in parameters.

use super::{MARGINALS, assert_close, every, is_smooth, slope};
use elbo_dist::Rule;
use elbo_gp::likelihood::*;

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
