//! Likelihoods are densities, draw from themselves, and refuse what they give no probability.

use elbo_core::Rng;
use elbo_nn::vae::{LikelihoodConfig, Noise};
use elbo_tensor::special::{lgamma, sigmoid};
use elbo_tensor::{DType, Parameters, Tensor};

/// exp log p(x | output) for one element.
fn probability(config: &LikelihoodConfig, output: &[f64], x: f64) -> f64 {
    let likelihood = config.build(1, DType::F64);
    let output = Tensor::from_slice(output, &[1, output.len()]);
    likelihood.log_prob(&output, &Tensor::from_vec(vec![x], &[1, 1])).item().exp()
}

#[test]
fn discrete_likelihoods_sum_to_one() {
    let levels = |n: usize| (0..n).map(|i| i as f64).collect::<Vec<_>>();
    let bytes: Vec<f64> = (0..256).map(|i| f64::from(i) / 255.0).collect();
    for (config, output, support) in [
        (LikelihoodConfig::Bernoulli, vec![0.7], levels(2)),
        (LikelihoodConfig::Categorical { levels: 3 }, vec![0.3, -1.0, 2.0], levels(3)),
        (LikelihoodConfig::Poisson, vec![1.2], levels(60)),
        (LikelihoodConfig::NegativeBinomial { library: None }, vec![0.5], levels(400)),
        (LikelihoodConfig::ZeroInflatedNegativeBinomial { library: None }, vec![0.5, -0.4], levels(400)),
        (LikelihoodConfig::DiscretisedLogistic { levels: 256 }, vec![0.4, -0.5], bytes.clone()),
        (LikelihoodConfig::DiscretisedLogistic { levels: 256 }, vec![0.01, 1.5], bytes.clone()),
        (
            LikelihoodConfig::DiscretisedLogisticMixture { levels: 256, components: 2, channels: None },
            vec![0.3, -0.5, 0.4, 0.1, -0.5, 1.0],
            bytes,
        ),
    ] {
        let total: f64 = support.iter().map(|x| probability(&config, &output, *x)).sum();
        assert!((total - 1.0).abs() < 1e-9, "{config:?}: {total}");
    }
}

#[test]
fn continuous_likelihoods_integrate_to_one() {
    let integral = |config: &LikelihoodConfig, output: &[f64], low: f64, high: f64| {
        // The midpoint rule; the integrands are smooth.
        let n = 20_000;
        let step = (high - low) / f64::from(n);
        (0..n).map(|i| probability(config, output, low + (f64::from(i) + 0.5) * step) * step).sum::<f64>()
    };
    for logit in [-3.0, -0.299, 0.0, 1e-4, 0.301, 8.0] {
        let total = integral(&LikelihoodConfig::ContinuousBernoulli, &[logit], 0.0, 1.0);
        assert!((total - 1.0).abs() < 1e-6, "logit {logit}: {total}");
    }
    for (noise, output) in
        [(Noise::Fixed { sd: 0.5 }, vec![0.3]), (Noise::Learned, vec![0.3]), (Noise::Decoded, vec![0.3, -0.8])]
    {
        let total = integral(&LikelihoodConfig::Gaussian { noise }, &output, -8.0, 8.0);
        assert!((total - 1.0).abs() < 1e-6, "{noise:?}: {total}");
    }
    let total = integral(&LikelihoodConfig::Laplace { scale: Some(0.5) }, &[0.3], -8.0, 8.0);
    assert!((total - 1.0).abs() < 1e-6, "laplace: {total}");
}

#[test]
fn the_multinomial_sums_to_one_over_all_ways_to_share_a_total() {
    let likelihood = LikelihoodConfig::Multinomial.build(3, DType::F64);
    let output = Tensor::from_slice(&[0.2, -0.4, 1.0], &[1, 3]);
    let mut total = 0.0;
    for a in 0..=5 {
        for b in 0..=5 - a {
            let x = Tensor::from_vec(vec![f64::from(a), f64::from(b), f64::from(5 - a - b)], &[1, 3]);
            total += likelihood.log_prob(&output, &x).item().exp();
        }
    }
    assert!((total - 1.0).abs() < 1e-12, "{total}");
}

#[test]
fn negative_binomials_have_their_closed_form() {
    let (m, r, gate) = (3.7f64, 2.5f64, -0.6);
    let closed = |x: f64| lgamma(x + r) - lgamma(r) - lgamma(x + 1.0) + r * (r / (r + m)).ln() + x * (m / (r + m)).ln();
    let mut plain = LikelihoodConfig::NegativeBinomial { library: None }.build(1, DType::F64);
    let mut inflated = LikelihoodConfig::ZeroInflatedNegativeBinomial { library: None }.build(1, DType::F64);
    // Dispersions are stored as logarithms.
    plain.unpack(&[r.ln()]);
    inflated.unpack(&[r.ln()]);
    for x in [0.0, 1.0, 2.0, 17.0] {
        let at = Tensor::from_vec(vec![x], &[1, 1]);
        let found = plain.log_prob(&Tensor::from_vec(vec![m.ln()], &[1, 1]), &at).item();
        assert!((found - closed(x)).abs() < 1e-12, "{x}: {found} for {}", closed(x));
        let found = inflated.log_prob(&Tensor::from_vec(vec![m.ln(), gate], &[1, 2]), &at).item();
        let forced = if x == 0.0 { sigmoid(gate) } else { 0.0 };
        let expected = (forced + sigmoid(-gate) * closed(x).exp()).ln();
        assert!((found - expected).abs() < 1e-12, "{x}: {found} for {expected}");
    }
}

#[test]
fn laplace_distributions_have_their_closed_form_and_their_deviation() {
    let closed = |x: f64, m: f64, b: f64| -(x - m).abs() / b - (2.0 * b).ln();
    let output = Tensor::from_slice(&[0.3, -1.2], &[1, 2]);
    let x = Tensor::from_slice(&[1.5, -1.4], &[1, 2]);
    let given = LikelihoodConfig::Laplace { scale: Some(0.7) }.build(2, DType::F64);
    let expected = closed(1.5, 0.3, 0.7) + closed(-1.4, -1.2, 0.7);
    assert!((given.log_prob(&output, &x).item() - expected).abs() < 1e-12);
    assert!(given.pack().is_empty(), "nothing is learned");
    let learned = LikelihoodConfig::Laplace { scale: None }.build(2, DType::F64);
    let expected = closed(1.5, 0.3, 0.1) + closed(-1.4, -1.2, 0.1);
    assert!((learned.log_prob(&output, &x).item() - expected).abs() < 1e-9);
    assert_eq!(learned.pack().len(), 1, "one scale for all elements");

    let n = 20_000;
    let many = output.broadcast_to(&[n, 2]).contiguous();
    let deviations = (given.sample(&many, &mut Rng::new(5)) - &many).abs();
    // The deviation of a Laplace distribution is exponential: four standard errors.
    let error = 4.0 * 0.7 / (2.0 * n as f64).sqrt();
    assert!((deviations.mean().item() - 0.7).abs() < error, "{}", deviations.mean().item());
}

#[test]
fn with_a_library_the_mean_is_the_total_of_the_data_point_times_a_share() {
    let (r, gate) = (2.5f64, [0.4, -0.6, 1.0]);
    let logits = Tensor::from_slice(&[0.2, -0.4, 1.0], &[1, 3]);
    let gated = Tensor::cat(&[logits.clone(), Tensor::from_slice(&gate, &[1, 3])], -1);
    let shares = logits.softmax(-1);
    let of = |library, is_inflated| {
        let config = if is_inflated {
            LikelihoodConfig::ZeroInflatedNegativeBinomial { library }
        } else {
            LikelihoodConfig::NegativeBinomial { library }
        };
        let mut built = config.build(3, DType::F64);
        built.unpack(&[r.ln(); 3]);
        built
    };
    for counts in [[3.0, 0.0, 9.0], [300.0, 2.0, 0.0]] {
        let total: f64 = counts.iter().sum();
        let x = Tensor::from_slice(&counts, &[1, 3]);
        let log_mean = (&shares * total).log();
        let found = of(Some(1000.0), false).log_prob(&logits, &x).item();
        let expected = of(None, false).log_prob(&log_mean, &x).item();
        assert!((found - expected).abs() < 1e-9, "{counts:?}: {found} for {expected}");
        let log_mean = Tensor::cat(&[log_mean, Tensor::from_slice(&gate, &[1, 3])], -1);
        let found = of(Some(1000.0), true).log_prob(&gated, &x).item();
        let expected = of(None, true).log_prob(&log_mean, &x).item();
        assert!((found - expected).abs() < 1e-9, "{counts:?}, with extra zeros: {found} for {expected}");
    }
    // Without counts there is nothing to share, whatever the code.
    let none = Tensor::zeros(&[1, 3], DType::F64);
    assert!(of(Some(10.0), false).log_prob(&logits, &none).item().abs() < 1e-12);
    assert!(of(Some(10.0), true).log_prob(&gated, &none).item().abs() < 1e-12);
    let made = of(Some(1000.0), false).mean(&logits);
    assert!((made - shares * 1000.0).abs().max().item() < 1e-9);
}

#[test]
fn white_noise_is_the_ratio_to_the_noise_alone_and_does_not_depend_on_the_grid() {
    let (sd, weights) = (0.3, vec![0.1, 0.6, 0.2]);
    let (mean, x) = ([0.4, -1.0, 2.0], [0.5, -0.2, 1.4]);
    let row = |v: &[f64]| Tensor::from_slice(v, &[1, v.len()]);
    let built = LikelihoodConfig::WhiteNoise { sd, weights: weights.clone() }.build(3, DType::F64);
    let found = built.log_prob(&row(&mean), &row(&x)).item();
    // Noise of a cell of size w has the variance sd² / w: log N(x; mean) - log N(x; 0).
    let ratio = |i: usize| weights[i] * (x[i] * x[i] - (x[i] - mean[i]) * (x[i] - mean[i])) / (2.0 * sd * sd);
    let expected: f64 = (0..3).map(ratio).sum();
    assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
    assert_eq!(built.sample(&row(&mean), &mut Rng::new(1)).to_vec(), mean, "white noise is no function");

    // Of a function and another, sampled in the middles of equal cells.
    let at = |n: usize| {
        let middles = |f: fn(f64) -> f64| (0..n).map(|i| f((i as f64 + 0.5) / n as f64)).collect::<Vec<f64>>();
        let config = LikelihoodConfig::WhiteNoise { sd, weights: vec![] };
        config.build(n, DType::F64).log_prob(&row(&middles(|t| t * t)), &row(&middles(f64::sin))).item()
    };
    // ∫ t² sin t dt = 2 sin 1 + cos 1 - 2, and ∫ t⁴ dt / 2 = 1 / 10.
    let exact = (2.0 * 1f64.sin() + 1f64.cos() - 2.0 - 0.1) / (sd * sd);
    assert!((at(2000) - exact).abs() < 1e-5, "{} for {exact}", at(2000));
    assert!((at(50) - at(200)).abs() < 1e-2, "{} and {}", at(50), at(200));
}

#[test]
fn noise_of_no_size_and_weights_of_other_elements_are_refused() {
    let of = |sd: f64, weights: &[f64]| LikelihoodConfig::WhiteNoise { sd, weights: weights.to_vec() };
    assert!(of(0.0, &[]).check().unwrap_err().to_string().contains("likelihood.sd"));
    assert!(of(1.0, &[0.5, -0.5]).check().unwrap_err().to_string().contains("likelihood.weights"));
    let error = of(1.0, &[0.5, 0.5]).fitted(&[3]).unwrap_err();
    assert!(error.to_string().contains("2 numbers for 3 elements"), "{error}");
    assert_eq!(of(1.0, &[0.5, 0.5]).fitted(&[2]).unwrap(), of(1.0, &[0.5, 0.5]));
    let read: LikelihoodConfig = serde_json::from_str(r#"{"type": "white_noise"}"#).unwrap();
    assert_eq!(read, of(0.1, &[]));
}

#[test]
fn settings_of_counts_and_deviations_are_read_and_their_ranges_checked() {
    let read = |text: &str| serde_json::from_str::<LikelihoodConfig>(text).unwrap();
    let plain = LikelihoodConfig::NegativeBinomial { library: None };
    assert_eq!(read(r#"{"type": "negative_binomial"}"#), plain);
    assert_eq!(serde_json::to_string(&plain).unwrap(), r#"{"type":"negative_binomial"}"#);
    assert_eq!(read(r#"{"type": "laplace"}"#), LikelihoodConfig::Laplace { scale: None });
    for (config, setting) in [
        (LikelihoodConfig::Laplace { scale: Some(0.0) }, "likelihood.scale"),
        (LikelihoodConfig::NegativeBinomial { library: Some(-1.0) }, "likelihood.library"),
        (LikelihoodConfig::ZeroInflatedNegativeBinomial { library: Some(f64::INFINITY) }, "likelihood.library"),
    ] {
        let error = config.check().unwrap_err();
        assert!(error.to_string().contains(setting), "{error}");
    }
}

#[test]
fn large_counts_keep_their_digits_in_single_precision() {
    let at = |dtype| {
        let x = Tensor::from_vec(vec![100_000.0], &[1, 1]).cast(dtype);
        let output = Tensor::from_vec(vec![11.5], &[1, 1]).cast(dtype);
        LikelihoodConfig::NegativeBinomial { library: None }.build(1, dtype).log_prob(&output, &x).item()
    };
    assert!((at(DType::F32) - at(DType::F64)).abs() < 1e-5, "{} for {}", at(DType::F32), at(DType::F64));
}

#[test]
fn draws_have_the_mean_of_the_likelihood() {
    let n = 40_000;
    for (config, output) in [
        (LikelihoodConfig::Bernoulli, vec![0.7]),
        (LikelihoodConfig::ContinuousBernoulli, vec![-2.0]),
        (LikelihoodConfig::ContinuousBernoulli, vec![0.1]),
        (LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 0.5 } }, vec![0.3]),
        (LikelihoodConfig::Gaussian { noise: Noise::Decoded }, vec![0.3, -1.0]),
        (LikelihoodConfig::Laplace { scale: Some(0.5) }, vec![0.3]),
        (LikelihoodConfig::Poisson, vec![1.1]),
        (LikelihoodConfig::NegativeBinomial { library: None }, vec![1.1]),
        (LikelihoodConfig::ZeroInflatedNegativeBinomial { library: None }, vec![1.1, 0.3]),
    ] {
        let likelihood = config.build(1, DType::F64);
        let output = Tensor::from_slice(&output, &[1, output.len()]);
        let mean = likelihood.mean(&output).item();
        let many = output.broadcast_to(&[n, output.len()]).contiguous();
        let drawn = likelihood.sample(&many, &mut Rng::new(3));
        let error = (drawn.variance(1).item() / n as f64).sqrt();
        assert!((drawn.mean().item() - mean).abs() < 4.0 * error, "{config:?}: {} for {mean}", drawn.mean().item());
    }
}

#[test]
fn values_without_probability_are_refused_with_a_likelihood_that_takes_them() {
    for (config, value) in [
        (LikelihoodConfig::Bernoulli, 1.5),
        (LikelihoodConfig::ContinuousBernoulli, -0.1),
        (LikelihoodConfig::Categorical { levels: 3 }, 3.0),
        (LikelihoodConfig::Poisson, 0.5),
        (LikelihoodConfig::NegativeBinomial { library: None }, 0.5),
        (LikelihoodConfig::ZeroInflatedNegativeBinomial { library: None }, -1.0),
        (LikelihoodConfig::Multinomial, -1.0),
        (LikelihoodConfig::DiscretisedLogistic { levels: 256 }, 0.5003),
        (LikelihoodConfig::DiscretisedLogisticMixture { levels: 256, components: 5, channels: None }, 0.5003),
        (LikelihoodConfig::Gaussian { noise: Noise::Learned }, f32::INFINITY),
        (LikelihoodConfig::Laplace { scale: None }, f32::NAN),
        (LikelihoodConfig::WhiteNoise { sd: 1.0, weights: vec![] }, f32::NAN),
    ] {
        let error = config.check_values(&[1.0, value]).unwrap_err();
        assert!(error.to_string().contains(config.name()) && error.remedy().len() > 10, "{error}");
        config.check_values(&[1.0, 0.0]).unwrap();
    }
}
