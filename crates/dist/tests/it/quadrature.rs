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
fn the_tanh_sinh_rule_handles_smooth_and_singular_integrands() {
    assert_close("smooth", tanh_sinh(f64::exp, -1.0, 2.0, 1e-13), 2f64.exp() - (-1f64).exp(), 1e-13);
    assert_close("logarithm", tanh_sinh(f64::ln, 0.0, 1.0, 1e-13), -1.0, 1e-12);
    assert_close("power", tanh_sinh(|x| x.powf(-0.75), 0.0, 1.0, 1e-12), 4.0, 1e-10);
}
