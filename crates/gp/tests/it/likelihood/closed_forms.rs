//! Closed forms against quadrature, bounds against what they bound.

use super::{MARGINALS, assert_close, slope};
use elbo_dist::{Rule, tanh_sinh};
use elbo_gp::likelihood::*;

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
