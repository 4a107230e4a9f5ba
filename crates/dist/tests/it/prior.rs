use super::{assert_close, slope};
use elbo_core::Rng;
use elbo_dist::{Jacobian, Prior, tanh_sinh};
use elbo_tensor::{DType, Prior as TensorPrior, Tensor, grad, grad_graph};

fn every() -> Vec<Prior> {
    vec![
        Prior::Normal { mean: 1.0, sd: 0.5 },
        Prior::LogNormal { mu: 0.2, sigma: 0.7 },
        Prior::NormalOnLog { mu: 0.2, sigma: 0.7 },
        Prior::Gamma { shape: 2.5, rate: 1.5 },
        Prior::InverseGamma { shape: 3.0, scale: 2.0 },
        Prior::HalfNormal { sd: 1.3 },
        Prior::HalfCauchy { scale: 0.4 },
        Prior::Beta { a: 2.0, b: 1.5 },
        Prior::Uniform { low: 0.1, high: 3.0 },
        Prior::lengthscale(4),
        Prior::noise(),
    ]
}

#[test]
fn gradients_are_the_slopes_of_the_log_densities() {
    for prior in every() {
        prior.check().unwrap();
        for p in [0.1, 0.5, 0.9] {
            let theta = prior.quantile(p);
            assert_close(&format!("{prior:?}"), prior.gradient(theta), slope(|t| prior.log_prob(t), theta), 1e-5);
            if theta > 0.0 {
                for jacobian in [Jacobian::Omitted, Jacobian::Log] {
                    let numeric = slope(|u| prior.log_prob_of_log(u, jacobian).0, theta.ln());
                    assert_close(
                        &format!("{prior:?} {jacobian:?}"),
                        prior.log_prob_of_log(theta.ln(), jacobian).1,
                        numeric,
                        1e-5,
                    );
                }
            }
        }
    }
}

#[test]
fn densities_integrate_to_the_probability_between_two_quantiles() {
    for prior in every() {
        if matches!(prior, Prior::NormalOnLog { .. }) {
            // A density of the logarithm only.
            let mass =
                tanh_sinh(|u| prior.log_prob(u.exp()).exp(), prior.quantile(0.1).ln(), prior.quantile(0.9).ln(), 1e-12);
            assert_close(&format!("{prior:?}"), mass, 0.8, 1e-9);
            continue;
        }
        let mass = tanh_sinh(|t| prior.log_prob(t).exp(), prior.quantile(0.1), prior.quantile(0.9), 1e-12);
        assert_close(&format!("{prior:?}"), mass, 0.8, 1e-9);
        // With the Jacobian it is the density of the logarithm.
        if prior.quantile(0.1) > 0.0 {
            let density = |u: f64| prior.log_prob_of_log(u, Jacobian::Log).0.exp();
            let mass = tanh_sinh(density, prior.quantile(0.1).ln(), prior.quantile(0.9).ln(), 1e-12);
            assert_close(&format!("{prior:?} of the logarithm"), mass, 0.8, 1e-9);
        }
    }
}

#[test]
fn draws_follow_the_quantiles() {
    let mut rng = Rng::new(6);
    for prior in every() {
        let median = prior.quantile(0.5);
        let below = (0..4000).filter(|_| prior.sample(&mut rng) < median).count();
        // 2000 expected, standard deviation 32.
        assert!((1840..2160).contains(&below), "{prior:?}: {below}");
    }
}

#[test]
fn priors_are_named_in_settings_and_bad_ones_are_refused() {
    let prior: Prior = serde_json::from_str(r#"{"type": "log_normal", "mu": -4.0, "sigma": 1.0}"#).unwrap();
    assert_eq!(prior, Prior::noise());
    let error = Prior::Gamma { shape: -1.0, rate: 1.0 }.check().unwrap_err();
    assert_eq!(error.to_string(), "setting `shape` is -1; expected a positive number");
    assert!(Prior::Uniform { low: 1.0, high: 0.0 }.check().is_err());
}

#[test]
fn the_tensor_form_has_the_same_values_and_gradients() {
    for prior in every() {
        let at = [prior.quantile(0.2), prior.quantile(0.7)];
        let x = Tensor::from_slice(&at, &[2]).variable();
        let total = TensorPrior::log_prob(&prior, &x);
        assert_close(
            &TensorPrior::describe(&prior),
            total.item(),
            prior.log_prob(at[0]) + prior.log_prob(at[1]),
            1e-12,
        );
        let slopes = grad(&total, &[&x])[0].to_vec();
        assert_close(&TensorPrior::describe(&prior), slopes[0], prior.gradient(at[0]), 1e-11);
        assert_close(&TensorPrior::describe(&prior), slopes[1], prior.gradient(at[1]), 1e-11);
    }
}

#[test]
fn the_form_of_tensor_operations_has_the_same_slopes_and_their_slopes() {
    for prior in every().into_iter().filter(|prior| !matches!(prior, Prior::Uniform { .. })) {
        let (name, at) = (TensorPrior::describe(&prior), [prior.quantile(0.2), prior.quantile(0.7)]);
        let x = Tensor::from_slice(&at, &[2]).variable();
        // A gradient that is differentiated again is that of the operations.
        let slopes = grad_graph(&TensorPrior::log_prob(&prior, &x), &[&x]).remove(0);
        let curvatures = grad(&slopes.sum(), &[&x])[0].to_vec();
        for (i, theta) in at.into_iter().enumerate() {
            assert_close(&name, slopes.to_vec()[i], prior.gradient(theta), 1e-11);
            assert_close(&name, curvatures[i], slope(|t| prior.gradient(t), theta), 1e-5);
        }
    }
}

#[test]
fn in_single_precision_the_values_agree_to_rounding() {
    for prior in every() {
        let theta = f64::from(prior.quantile(0.3) as f32);
        let single = TensorPrior::log_prob(&prior, &Tensor::from_slice(&[theta], &[1]).to_f32());
        assert_eq!(single.dtype(), DType::F32);
        assert_close(&TensorPrior::describe(&prior), single.item(), prior.log_prob(theta), 1e-4);
    }
}

#[test]
fn off_the_support_all_forms_are_minus_infinity_with_a_slope_of_zero() {
    for prior in every().into_iter().filter(|prior| !matches!(prior, Prior::Normal { .. })) {
        let (name, inside) = (TensorPrior::describe(&prior), prior.quantile(0.4));
        assert_eq!((prior.log_prob(-3.0), prior.gradient(-3.0)), (f64::NEG_INFINITY, 0.0), "{name}");
        let at = Tensor::from_slice(&[-3.0, inside], &[2]);
        for x in [at.to_f32().variable(), at.variable()] {
            let total = TensorPrior::log_prob(&prior, &x);
            assert_eq!(total.item(), f64::NEG_INFINITY, "{name}");
            for slopes in [grad(&total, &[&x]), grad_graph(&total, &[&x])] {
                let slopes = slopes[0].to_vec();
                assert_eq!(slopes[0], 0.0, "{name}");
                assert_close(&name, slopes[1], prior.gradient(inside), 1e-4);
            }
        }
    }
}
