use super::assert_close;
use elbo_dist::{Rule, tanh_sinh};
use elbo_tensor::special::{lgamma, log_beta};

#[test]
fn hermite_rules_integrate_the_moments_of_the_normal() {
    for n in [1, 2, 5, 20, 50, 120] {
        let rule = Rule::hermite(n);
        assert_eq!(rule.len(), n);
        assert_close("sum of weights", rule.weights.iter().sum(), 1.0, 2e-14);
        // E z^(2k) = (2k)! / (2^k k!), exact up to degree 2n - 1.
        for k in 0..n.min(25) {
            let expected = (lgamma(2.0 * k as f64 + 1.0) - lgamma(k as f64 + 1.0) - k as f64 * 2f64.ln()).exp();
            let moment = rule.integrate(|z| z.powi(2 * k as i32));
            assert!((moment / expected - 1.0).abs() < 1e-11, "n = {n}, k = {k}: {moment} vs {expected}");
            assert!(rule.integrate(|z| z.powi(2 * k as i32 + 1)).abs() < 1e-9 * expected.max(1.0));
        }
    }
    assert_eq!(Rule::hermite20().len(), 20);
    assert_eq!(Rule::hermite50().len(), 50);
}

#[test]
fn hundreds_of_hermite_nodes_keep_finite_logarithms_of_the_weights() {
    let rule = Rule::hermite(400);
    assert!(rule.nodes.windows(2).all(|w| w[0] < w[1]));
    assert!(rule.log_weights.iter().all(|w| w.is_finite()));
    assert_close("E exp(3z)", rule.integrate(|z| (3.0 * z).exp()), 4.5f64.exp(), 1e-12);
    assert_close("log E exp(30 z)", rule.log_expect(0.0, 1.0, |z| 30.0 * z), 450.0, 1e-9);
}

#[test]
fn legendre_and_jacobi_rules_integrate_polynomials_exactly() {
    for n in [1, 2, 7, 40] {
        let rule = Rule::legendre(n);
        for k in 0..2 * n {
            let expected = if k % 2 == 0 { 2.0 / (k as f64 + 1.0) } else { 0.0 };
            assert_close("legendre", rule.integrate(|x| x.powi(k as i32)), expected, 1e-14);
        }
    }
    assert_close(
        "over an interval",
        Rule::legendre(12).integrate_over(1.0, 3.0, f64::ln),
        3.0 * 3f64.ln() - 2.0,
        1e-13,
    );
    for (a, b) in [(0.0, 0.0), (0.5, -0.5), (-0.7, 2.3), (3.0, 1.0), (-0.5, -0.5)] {
        for n in [1, 2, 3, 20] {
            let rule = Rule::jacobi(n, a, b);
            for k in 0..(2 * n).min(12) {
                // The integral of (1-x)^a (1+x)^(b+k).
                let expected = ((a + b + k as f64 + 1.0) * 2f64.ln() + log_beta(a + 1.0, b + k as f64 + 1.0)).exp();
                assert_close(
                    &format!("jacobi {a} {b} n {n} k {k}"),
                    rule.integrate(|x| (1.0 + x).powi(k as i32)),
                    expected,
                    1e-12,
                );
            }
        }
    }
}

#[test]
fn laguerre_rules_integrate_polynomials_exactly_and_no_degree_more() {
    for alpha in [0.0, -0.5, -0.9, 2.5, 7.0] {
        for n in [1, 2, 5, 20, 60] {
            let rule = Rule::laguerre(n, alpha);
            assert_eq!(rule.len(), n);
            assert!(rule.nodes[0] > 0.0 && rule.nodes.windows(2).all(|w| w[0] < w[1]), "alpha = {alpha}, n = {n}");
            // The integral of x^(alpha + k) e^(-x) is Gamma(alpha + k + 1). All terms of the sum are positive, so that only rounding is left.
            let moment = |k: usize| lgamma(alpha + k as f64 + 1.0);
            for k in 0..(2 * n).min(40) {
                let found = rule.integrate(|x| x.powi(k as i32));
                assert!((found / moment(k).exp() - 1.0).abs() < 1e-11, "alpha = {alpha}, n = {n}, k = {k}: {found}");
            }
            // In degree 2n the sum falls short by the squared norm of the monic polynomial, n! Gamma(n + alpha + 1).
            if n <= 5 {
                let short = (lgamma(n as f64 + 1.0) + moment(n)).exp();
                let found = rule.integrate(|x| x.powi(2 * n as i32)) + short;
                assert!((found / moment(2 * n).exp() - 1.0).abs() < 1e-11, "alpha = {alpha}, n = {n}: {found}");
            }
        }
    }
}

#[test]
fn a_laguerre_rule_of_exponent_minus_one_half_is_half_a_hermite_rule() {
    // z^2 / 2 of a standard normal is a gamma variable of shape one half.
    let (laguerre, hermite) = (Rule::laguerre(15, -0.5), Rule::hermite(30));
    let mass = std::f64::consts::PI.sqrt();
    for (i, (x, w)) in laguerre.nodes.iter().zip(&laguerre.weights).enumerate() {
        let (z, half) = (hermite.nodes[15 + i], hermite.weights[15 + i]);
        assert!((x / (0.5 * z * z) - 1.0).abs() < 1e-12, "node {i}: {x}");
        assert!((w / (2.0 * half * mass) - 1.0).abs() < 1e-11, "weight {i}: {w}");
    }
}

#[test]
fn hundreds_of_laguerre_nodes_keep_finite_logarithms_of_the_weights() {
    let rule = Rule::laguerre(300, 0.0);
    assert!(rule.nodes[0] > 0.0 && rule.nodes.windows(2).all(|w| w[0] < w[1]));
    assert!(rule.log_weights.iter().all(|w| w.is_finite()));
    // The integral of e^(-x) / (1 + x)^2 at a smooth integrand with a pole at -1: by parts 1 - e E_1(1).
    assert_close("pole at -1", rule.integrate(|x| (1.0 + x).powi(-2)), 0.403_652_637_676_805_9, 1e-10);
    assert_close("cos", rule.integrate(f64::cos), 0.5, 1e-10);
}

#[test]
#[should_panic(expected = "Gauss-Laguerre needs an exponent in (-1, 170], found -1")]
fn a_laguerre_weight_without_an_integral_is_refused() {
    let _ = Rule::laguerre(3, -1.0);
}

#[test]
fn the_tanh_sinh_rule_handles_smooth_and_singular_integrands() {
    assert_close("smooth", tanh_sinh(f64::exp, -1.0, 2.0, 1e-13), 2f64.exp() - (-1f64).exp(), 1e-13);
    assert_close("logarithm", tanh_sinh(f64::ln, 0.0, 1.0, 1e-13), -1.0, 1e-12);
    assert_close("power", tanh_sinh(|x| x.powf(-0.75), 0.0, 1.0, 1e-12), 4.0, 1e-10);
}
