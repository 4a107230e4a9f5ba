//! Mixtures of discretised logistic distributions: probabilities by their formula, limits, draws, and what is refused.

use crate::common::small;
use elbo_core::Rng;
use elbo_nn::model::LatentSettings;
use elbo_nn::vae::{Family, LikelihoodConfig, Noise, ObjectiveConfig, PriorConfig, VaeConfig};
use elbo_tensor::{DType, Tensor};

fn mixture(levels: usize, components: usize, channels: usize) -> LikelihoodConfig {
    LikelihoodConfig::DiscretisedLogisticMixture { levels, components, channels: Some(channels) }
}

/// log p(x | output) of one data point.
fn log_prob(config: &LikelihoodConfig, output: &[f64], x: &[f64]) -> f64 {
    let likelihood = config.build(x.len(), DType::F64);
    likelihood.log_prob(&Tensor::from_slice(output, &[1, output.len()]), &Tensor::from_slice(x, &[1, x.len()])).item()
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let total = elbo_tensor::special::log_sum_exp(logits);
    logits.iter().map(|l| (l - total).exp()).collect()
}

#[test]
fn one_component_is_the_discretised_logistic() {
    let single = LikelihoodConfig::DiscretisedLogistic { levels: 256 };
    let mut rng = Rng::new(1);
    for _ in 0..20 {
        let (logit, location, scale) = (rng.normal(), rng.uniform(), rng.normal());
        for x in [0.0, 17.0 / 255.0, 1.0] {
            let found = log_prob(&mixture(256, 1, 1), &[logit, location, scale], &[x]);
            let expected = log_prob(&single, &[location, scale], &[x]);
            assert!((found - expected).abs() < 1e-12, "{found} vs {expected}");
        }
    }
}

#[test]
fn probabilities_are_weighted_sums_in_which_later_channels_follow_earlier_ones() {
    const COMPONENTS: usize = 3;
    let single = LikelihoodConfig::DiscretisedLogistic { levels: 16 };
    let mut rng = Rng::new(2);
    // Two pixels of two channels: blocks of four numbers, channel by channel and in it pixel by pixel.
    let output = rng.normals(COMPONENTS * 4 * 4);
    let block = |i: usize, channel: usize, pixel: usize| output[4 * i + 2 * channel + pixel];
    let x: Vec<f64> = (0..4).map(|_| rng.below(16) as f64 / 15.0).collect();
    let mut expected = 0.0;
    for pixel in 0..2 {
        let at = |k: usize, start: usize, channel: usize| block(start * COMPONENTS + k, channel, pixel);
        let logits: Vec<f64> = (0..COMPONENTS).map(|k| 0.5 * (at(k, 0, 0) + at(k, 0, 1))).collect();
        let of_component = |k: usize| {
            // Locations start spread, and move on [-1, 1].
            let spread = k as f64 / COMPONENTS as f64;
            let moved = 0.5 * at(k, 3, 1).tanh() * (2.0 * x[pixel] - 1.0);
            let first = log_prob(&single, &[at(k, 1, 0) + spread, at(k, 2, 0)], &[x[pixel]]);
            let second = log_prob(&single, &[at(k, 1, 1) + spread + moved, at(k, 2, 1)], &[x[2 + pixel]]);
            (first + second).exp()
        };
        expected += (0..COMPONENTS).map(|k| softmax(&logits)[k] * of_component(k)).sum::<f64>().ln();
    }
    let found = log_prob(&mixture(16, COMPONENTS, 2), &output, &x);
    assert!((found - expected).abs() < 1e-9, "{found} vs {expected}");
}

#[test]
fn all_colours_of_a_pixel_sum_to_one() {
    let mut rng = Rng::new(3);
    for (components, channels) in [(1, 2), (2, 2), (2, 3)] {
        let config = mixture(4, components, channels);
        let output = rng.normals(config.blocks() * channels);
        let colours = 4usize.pow(channels as u32);
        let colour = |i: usize| (0..channels).map(|c| (i / 4usize.pow(c as u32) % 4) as f64 / 3.0).collect::<Vec<_>>();
        let total: f64 = (0..colours).map(|i| log_prob(&config, &output, &colour(i)).exp()).sum();
        assert!((total - 1.0).abs() < 1e-9, "{components}, {channels}: {total}");
    }
}

#[test]
fn draws_have_the_mean_and_the_colours_of_the_mixture() {
    let n = 20_000;
    let config = mixture(256, 2, 2);
    // One pixel: two components in the middle of the range, of which the second channel follows the first by half.
    let half = 0.5f64.atanh();
    let output =
        [[0.4, 0.4], [-0.4, -0.4], [0.3, 0.5], [0.1, 0.2], [-2.0, -2.0], [-2.0, -2.0], [half, half], [half, half]]
            .concat();
    let output = Tensor::from_vec(output, &[1, 16]);
    let likelihood = config.build(2, DType::F64);
    let mean = likelihood.mean(&output).to_vec();
    // Locations on [-1, 1]: -0.4 and 0.2, then 0 and 0.4 and half of the first channel.
    let weight = softmax(&[0.4, -0.4]);
    let expected = [weight[0] * -0.4 + weight[1] * 0.2, weight[0] * -0.2 + weight[1] * 0.5].map(|v| 0.5 * (v + 1.0));
    assert!(mean.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{mean:?} vs {expected:?}");
    let drawn = likelihood.sample(&output.broadcast_to(&[n, 16]).contiguous(), &mut Rng::new(4));
    let error = (drawn.variance_axis(0, false, 1) * (1.0 / n as f64)).sqrt();
    let off = ((drawn.mean_axis(0, false) - likelihood.mean(&output).row(0)).abs() / error).max().item();
    assert!(off < 4.0, "{off} standard errors");
    assert!(drawn.to_vec().iter().all(|v| (v * 255.0 - (v * 255.0).round()).abs() < 1e-9));
    // Mean log probability of draws is minus the entropy, and no other model of the same form fares better on them.
    let value = |moved: f64| {
        let mut numbers = output.to_vec();
        numbers[12..].iter_mut().for_each(|slope| *slope += moved);
        let other = Tensor::from_vec(numbers, &[1, 16]).broadcast_to(&[n, 16]).contiguous();
        likelihood.log_prob(&other, &drawn).mean().item()
    };
    assert!(value(0.0) > value(0.4) && value(0.0) > value(-0.4));
}

#[test]
fn channels_are_those_of_a_picture_unless_they_are_said() {
    let of = |channels| LikelihoodConfig::DiscretisedLogisticMixture { levels: 256, components: 5, channels };
    assert_eq!(of(None).fitted(&[3, 4, 4]).unwrap(), of(Some(3)));
    assert_eq!(of(None).fitted(&[12]).unwrap(), of(Some(1)));
    assert_eq!(of(Some(1)).fitted(&[3, 4, 4]).unwrap(), of(Some(1)));
    let poisson = LikelihoodConfig::Poisson;
    assert_eq!(poisson.fitted(&[3]).unwrap(), poisson);
    let error = of(Some(2)).fitted(&[3, 4, 4]).unwrap_err();
    assert!(error.to_string().contains("`likelihood.channels` is 2"), "{error}");
    let config = |likelihood| small(likelihood, Family::GaussDiag, PriorConfig::Standard);
    let built = config(of(None)).build(&[3, 2, 2], &ObjectiveConfig::default(), &mut Rng::new(0)).unwrap();
    assert_eq!(built.config().likelihood, of(Some(3)));
    let read = |text: &str| serde_json::from_str::<LatentSettings>(text).unwrap().likelihood.unwrap();
    assert_eq!(read(r#"{"likelihood": "discretised_logistic_mixture"}"#), of(None));
    assert_eq!(
        read(r#"{"likelihood": "discretised_logistic"}"#),
        LikelihoodConfig::DiscretisedLogistic { levels: 256 }
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let check = |likelihood| small(likelihood, Family::GaussDiag, PriorConfig::Standard).check();
    for (likelihood, part) in [
        (mixture(1, 2, 1), "`likelihood.levels` is 1"),
        (mixture(256, 0, 1), "`likelihood.components` is 0"),
        (mixture(256, 2, 0), "`likelihood.channels` is 0"),
    ] {
        let error = check(likelihood).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    // A channel that is missing leaves the later ones of its pixel without what they follow.
    let gaps =
        |likelihood| VaeConfig { nan_is_missing: true, ..small(likelihood, Family::GaussDiag, PriorConfig::Standard) };
    gaps(mixture(256, 2, 1)).check().unwrap();
    gaps(LikelihoodConfig::Gaussian { noise: Noise::Learned }).check().unwrap();
    let error = gaps(mixture(256, 2, 3)).check().unwrap_err();
    assert!(error.to_string().contains("the channels of a pixel"), "{error}");
    let picture = LikelihoodConfig::DiscretisedLogisticMixture { levels: 256, components: 2, channels: None };
    assert!(gaps(picture).build(&[3, 2, 2], &ObjectiveConfig::default(), &mut Rng::new(0)).is_err());
}
