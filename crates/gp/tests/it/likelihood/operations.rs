//! Likelihoods as operations over rows, as settings, and what they refuse.

use super::{assert_close, every};
use elbo_core::Rng;
use elbo_gp::likelihood::*;
use elbo_tensor::{Parameters, Tensor, grad};

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
fn a_weight_counts_a_row_as_often() {
    let likelihood = Single(Box::new(Gaussian::new(0.3)));
    let (y, m, v) = ([0.4, -1.2], [0.1, 0.5], [0.2, 0.7]);
    let often = |values: [f64; 2]| Tensor::from_slice(&[values[0], values[0], values[0], values[1]], &[4, 1]);
    let repeated = expected_log_prob_multi(&likelihood, &[y[0], y[0], y[0], y[1]], &often(m), &often(v));
    let (mean, variance) = (Tensor::from_slice(&m, &[2, 1]).variable(), Tensor::from_slice(&v, &[2, 1]).variable());
    let weighted = expected_log_prob_weighted(&likelihood, &y, &[3.0, 1.0], &mean, &variance);
    assert_close("value", weighted.item(), repeated.item(), 1e-13);
    assert_close("parameter", likelihood.gradient(&weighted)[0], likelihood.gradient(&repeated)[0], 1e-13);
    let plain = grad(&expected_log_prob_multi(&likelihood, &y, &mean, &variance), &[&mean, &variance]);
    for (k, slopes) in grad(&weighted, &[&mean, &variance]).iter().enumerate() {
        let (found, plain) = (slopes.to_vec(), plain[k].to_vec());
        assert_close("first row", found[0], 3.0 * plain[0], 1e-13);
        assert_close("second row", found[1], plain[1], 1e-13);
    }
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
