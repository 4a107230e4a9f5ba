//! The special functions against a multi-precision library; `golden/make_special.py` makes the values.

use elbo_tensor::special::*;

/// The function of this name, and the relative tolerance.
///
/// The tolerance is above `1e-14` where the function multiplies a relative change of its argument by more than ten, where many terms
/// are summed, and for slopes in shapes, whose recurrences lose three or four digits.
fn evaluate(name: &str, x: &[f64]) -> (f64, f64) {
    let tight = 1e-14;
    match name {
        "erf" => (erf(x[0]), tight),
        "erfc" => (erfc(x[0]), tight),
        "erfcx" => (erfcx(x[0]), tight),
        "log_erfc" => (log_erfc(x[0]), tight),
        "ndtr" => (ndtr(x[0]), tight),
        "log_ndtr" => (log_ndtr(x[0]), tight),
        "inverse_mills" => (inverse_mills(x[0]), tight),
        "ndtri" => (ndtri(x[0]), tight),
        "erf_inv" => (erf_inv(x[0]), tight),
        "erfc_inv" => (erfc_inv(x[0]), tight),
        "lgamma" => (lgamma(x[0]), tight),
        "digamma" => (digamma(x[0]), tight),
        "polygamma1" => (trigamma(x[0]), tight),
        "polygamma2" => (polygamma(2, x[0]), tight),
        "polygamma3" => (polygamma(3, x[0]), tight),
        "polygamma6" => (polygamma(6, x[0]), tight),
        "log_beta" => (log_beta(x[0], x[1]), tight),
        "gamma_p" => (gamma_p(x[0], x[1]), tight * (x[0] / 100.0).max(1.0)),
        "gamma_q" => (gamma_q(x[0], x[1]), tight * (x[0] / 100.0).max(1.0)),
        "beta_inc" => (beta_inc(x[0], x[1], x[2]), tight * (x[0] / 100.0).max(2.0)),
        "beta_inc_c" => (beta_inc_c(x[0], x[1], x[2]), tight * (x[0] / 100.0).max(2.0)),
        "student_t_cdf" => (student_t_cdf(x[0], x[1]), tight * (x[1] / 100.0).clamp(2.0, 100.0)),
        "bessel_ie0" => (bessel_ie(0, x[0]), tight),
        "bessel_ie3" => (bessel_ie(3, x[0]), tight),
        "bessel_ie40" => (bessel_ie(40, x[0]), tight),
        "bessel_ie300" => (bessel_ie(300, x[0]), tight),
        "log1p_exp" => (log1p_exp(x[0]), tight),
        "log_expm1" => (log_expm1(x[0]), tight),
        "gamma_log_quantile_slope" => (gamma_log_quantile_slope(x[0], x[1]), 1e-10),
        "beta_inc_slope_a" => (beta_inc_shape_slopes(x[0], x[1], x[2]).0, 1e-11 * (x[0] / 1e3).max(1.0)),
        "beta_inc_slope_b" => (beta_inc_shape_slopes(x[0], x[1], x[2]).1, 1e-11 * (x[0] / 1e3).max(1.0)),
        // A logarithm: its absolute error is the function's relative one.
        "log_bessel_ie" => (log_bessel_ie(x[0], x[1]), 2e-14),
        "bessel_i_ratio" => (bessel_i_ratio(x[0], x[1]), 1e-13),
        "bessel_kve" => (bessel_kve(x[0], x[1]), 5e-14),
        "lambert_w" => (lambert_w(x[0]), 1e-13),
        "lambert_w_lower" => (lambert_w_lower(x[0]), 1e-13),
        "owens_t" => (owens_t(x[0], x[1]), 5e-14),
        _ => panic!("no function is called {name}"),
    }
}

#[test]
fn values_agree_with_a_multi_precision_library() {
    let cases: Vec<(String, Vec<f64>, f64)> = serde_json::from_str(include_str!("../golden/special.json")).unwrap();
    assert!(cases.len() > 450);
    let mut wrong = vec![];
    for (name, x, expected) in &cases {
        let (value, tolerance) = evaluate(name, x);
        let error = ((value - expected) / expected).abs();
        if !(error <= tolerance || value == *expected || (value - expected).abs() < 1e-307) {
            wrong.push(format!("{name}{x:?}: {value:e}, expected {expected:e}, relative error {error:.1e}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn functions_of_infinite_arguments_have_their_limits() {
    let infinity = f64::INFINITY;
    assert_eq!((log_bessel_i(1.5, infinity), log_bessel_ie(1.5, infinity)), (infinity, -infinity));
    assert_eq!(bessel_i_ratio(1.5, infinity), 1.0);
    assert_eq!((bessel_kve(1.5, infinity), bessel_kve(1.5, 0.0), bessel_kve(infinity, 2.0)), (0.0, infinity, infinity));
    assert!((owens_t(0.0, infinity) - 0.25).abs() < 1e-15 && (owens_t(0.0, -infinity) + 0.25).abs() < 1e-15);
}

/// The terms of `log Phi(-x)` other than `-x^2 / 2`, by the asymptotic series of the Mills ratio: relative error below `1e4 / x^10`.
fn far_tail(x: f64) -> f64 {
    let y = 1.0 / (x * x);
    -x.ln() - LOG_SQRT_TAU + (-y * (1.0 - 3.0 * y * (1.0 - 5.0 * y * (1.0 - 7.0 * y)))).ln_1p()
}

#[test]
fn the_far_tail_of_the_normal_follows_its_asymptotic_series() {
    let mut before = log_ndtr(-40.0);
    for x in [100.0, 300.0, 1e3, 3.7e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10] {
        let (square, found) = (0.5 * x * x, log_ndtr(-x));
        // Two roundings of the large term are all that may be lost; below 1e8 the logarithm of x is larger than they are.
        let error = (found + square) - far_tail(x);
        assert!(error.abs() <= 2.0 * f64::EPSILON * square + 1e-14, "log Phi({}): {found}, off by {error}", -x);
        assert!(found < before, "log Phi({}) = {found} is not below {before}", -x);
        before = found;
        // The slope is x + 1/x - 2/x^3 + 10/x^5 - 74/x^7 + ..., and the inverse comes back.
        let y = 1.0 / (x * x);
        let slope = x * (1.0 + y * (1.0 - y * (2.0 - y * (10.0 - 74.0 * y))));
        assert!((inverse_mills(-x) / slope - 1.0).abs() < 1e-14, "slope at {}: {}", -x, inverse_mills(-x));
        assert!((ndtri_exp(found) / -x - 1.0).abs() < 1e-14, "inverse at {}: {}", -x, ndtri_exp(found));
    }
}

#[test]
fn inverses_of_the_incomplete_gamma_function_invert_it() {
    for a in [0.01, 0.3, 0.9, 1.0, 2.5, 12.0, 400.0, 3e4] {
        // The rounding of log x is multiplied by up to a.
        let tolerance = 1e-11 + 3e-15 * a;
        for p in [1e-200, 1e-12, 1e-3, 0.1, 0.4, 0.5, 0.7] {
            let x = gamma_p_inv(a, p);
            // Below the smallest normal number there is no x.
            if x > 1e-300 {
                assert!((gamma_p(a, x) / p - 1.0).abs() < tolerance, "P({a}, {x}) = {} for {p}", gamma_p(a, x));
            }
            let x = gamma_q_inv(a, p);
            if x > 1e-300 {
                assert!((gamma_q(a, x) / p - 1.0).abs() < tolerance, "Q({a}, {x}) = {} for {p}", gamma_q(a, x));
            }
        }
    }
    assert_eq!(gamma_p_inv(2.0, 0.0), 0.0);
    assert_eq!(gamma_p_inv(2.0, 1.0), f64::INFINITY);
    assert!(gamma_p_inv(2.0, 1.5).is_nan() && gamma_p_inv(-1.0, 0.5).is_nan());
}

#[test]
fn the_inverse_of_the_incomplete_beta_function_inverts_it() {
    for (a, b) in [(0.05, 0.2), (0.5, 0.5), (0.3, 4.0), (1.0, 1.0), (3.0, 0.4), (7.0, 2.0), (30.0, 50.0), (2e3, 1e4)] {
        for p in [1e-100, 1e-9, 0.01, 0.3, 0.5, 0.8, 0.999] {
            let x = beta_inc_inv(a, b, p);
            if x > 1e-300 && x < 1.0 {
                // Near 1 the quantile's own rounding is multiplied by x/(1-x).
                let back = beta_inc(a, b, x);
                let slack = 1e-15 * x / (1.0 - x) * (a + b);
                assert!((back - p).abs() < (1e-11 + slack) * p, "I({a}, {b}; {x}) = {back} for {p}");
            }
        }
    }
    assert_eq!(beta_inc_inv(2.0, 3.0, 1.0), 1.0);
    assert!(beta_inc_inv(2.0, 3.0, -0.1).is_nan());
}

#[test]
fn student_quantiles_invert_the_distribution_and_become_normal() {
    for dof in [0.5, 1.0, 2.3, 4.0, 30.0, 1e4] {
        for p in [1e-20, 1e-4, 0.2, 0.499, 0.5, 0.5001, 0.8, 0.9999] {
            let t = student_t_quantile(p, dof);
            assert!((student_t_cdf(t, dof) / p - 1.0).abs() < 1e-11, "dof {dof}, p {p}: {t}");
        }
    }
    assert!((student_t_quantile(0.025, f64::INFINITY) - ndtri(0.025)).abs() < 1e-15);
    assert!((student_t_quantile(0.025, 1e9) - ndtri(0.025)).abs() < 1e-8);
    assert_eq!(student_t_quantile(0.0, 3.0), f64::NEG_INFINITY);
    assert_eq!(student_t_cdf(f64::INFINITY, 3.0), 1.0);
}

#[test]
fn scaled_bessel_functions_sum_to_one() {
    for x in [0.5, 18.0, 25.0, 59.0, 500.0] {
        let sum = bessel_ie(0, x) + 2.0 * (1..400).map(|n| bessel_ie(n, x)).sum::<f64>();
        assert!((sum - 1.0).abs() < 1e-13, "{x}: {sum}");
    }
    assert_eq!(bessel_ie(1, -2.0), -bessel_ie(1, 2.0));
}

#[test]
fn bernoulli_logits_equal_the_scalar_functions() {
    use elbo_tensor::special::{bernoulli_logits, log_sigmoid, sigmoid};
    for n in [0, 1, 7, 8, 9, 4100, 9000] {
        let logits: Vec<f64> = (0..n).map(|i| 40.0 * (i as f64 * 0.7).sin()).collect();
        let y: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i % 3 == 0))).collect();
        let mut slopes = logits.clone();
        let value = bernoulli_logits(&mut slopes, &y);
        let terms = logits.iter().zip(&y).map(|(l, y)| if *y == 1.0 { log_sigmoid(*l) } else { log_sigmoid(-l) });
        let expected: f64 = terms.sum();
        assert!((value - expected).abs() <= 1e-13 * (1.0 + expected.abs()), "{n}: {value} {expected}");
        for ((s, l), y) in slopes.iter().zip(&logits).zip(&y) {
            assert!((s - (y - sigmoid(*l))).abs() < 1e-15, "{l}: {s}");
        }
    }
    let mut extreme = [800.0, -800.0, f64::NAN];
    assert!(bernoulli_logits(&mut extreme, &[1.0, 0.0, 1.0]).is_nan());
    assert!(extreme[0] == 0.0 && extreme[1].abs() < 1e-300 && extreme[2].is_nan());
}
