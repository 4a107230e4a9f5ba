//! Encoders of functions: laws of the integral, gradients, missing places, and what is refused.

use crate::common::{assert_gradient, normals, objective, small};
use elbo_core::Rng;
use elbo_nn::Activation;
use elbo_nn::network::EncoderConfig;
use elbo_nn::operator::OperatorConfig;
use elbo_nn::vae::{
    ConditionConfig, Estimate, Family, LikelihoodConfig, Noise, ObjectiveConfig, PriorConfig, Term, Vae, VaeConfig,
};
use elbo_tensor::Tensor;

fn operator(points: Vec<f64>, weights: Vec<f64>) -> OperatorConfig {
    OperatorConfig { hidden: vec![8], features: 6, activation: Activation::Tanh, points, weights }
}

fn config(operator: OperatorConfig) -> VaeConfig {
    let likelihood = LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 0.5 } };
    let encoder = EncoderConfig::Operator(operator);
    VaeConfig { encoder, ..small(likelihood, Family::GaussDiag, PriorConfig::Standard) }
}

/// Two models of the same seed have the same encoder, whatever their points.
fn build(operator: OperatorConfig, shape: &[usize]) -> Vae {
    config(operator).build(shape, &ObjectiveConfig::default(), &mut Rng::new(1)).unwrap()
}

fn means(vae: &Vae, values: &[f32]) -> Vec<f64> {
    vae.encode(values).mean().to_vec()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn the_order_of_places_and_places_that_are_split_in_two_change_nothing() {
    let (points, weights) = (vec![0.1, 0.4, 0.5, 0.9], vec![0.2, 0.3, 0.1, 0.4]);
    let values = [1.0f32, -0.5, 2.0, 0.25];
    let expected = means(&build(operator(points.clone(), weights.clone()), &[4]), &values);
    let order = [2, 0, 3, 1];
    let turned = |v: &[f64]| order.iter().map(|i| v[*i]).collect::<Vec<f64>>();
    let found = means(&build(operator(turned(&points), turned(&weights)), &[4]), &order.map(|i| values[i]));
    assert!(distance(&found, &expected) < 1e-12, "{found:?} {expected:?}");
    let twice = |v: &[f64], share: f64| v.iter().flat_map(|v| [v * share, v * share]).collect::<Vec<f64>>();
    let doubled: Vec<f32> = values.iter().flat_map(|v| [*v, *v]).collect();
    let found = means(&build(operator(twice(&points, 1.0), twice(&weights, 0.5)), &[8]), &doubled);
    assert!(distance(&found, &expected) < 1e-12, "{found:?} {expected:?}");
    let other = means(&build(operator(points, vec![]), &[4]), &values);
    assert!(distance(&other, &expected) > 1e-4, "weights count");
}

#[test]
fn a_smooth_function_has_one_code_however_finely_it_is_sampled() {
    let code = |n: usize| {
        let value = |i: usize| (3.0 * (i as f64 + 0.5) / n as f64).sin() as f32;
        means(&build(operator(vec![], vec![]), &[n]), &(0..n).map(value).collect::<Vec<f32>>())
    };
    let (coarse, middle, fine) = (code(16), code(32), code(512));
    let (far, near) = (distance(&coarse, &fine), distance(&middle, &fine));
    // The rule of middles is of second order: half the spacing, a quarter of the error. Values in single precision are far below it.
    assert!(far / near > 3.0 && far / near < 5.0 && far < 0.05, "{far} {near}");
}

#[test]
fn objectives_have_the_gradient_of_their_value_for_functions_of_every_shape() {
    let kl = Term::Kl { estimate: Estimate::Closed };
    let objective = objective(&[Term::Reconstruction, kl], 2);
    for shape in [&[4usize][..], &[3, 2], &[2, 2, 2]] {
        for nan_is_missing in [false, true] {
            let mut rng = Rng::new(2);
            let config = VaeConfig { nan_is_missing, ..config(operator(vec![], vec![])) };
            let mut vae = config.build(shape, &objective, &mut rng).unwrap();
            let size: usize = shape.iter().product();
            let mut values = normals(&[3, size], &mut rng).to_vec();
            if nan_is_missing {
                values[1] = f64::NAN;
                values[size] = f64::NAN;
            }
            let x = Tensor::from_vec(values, &[3, size]);
            let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(3)).unwrap().total(&[1.0, 1.0]);
            assert_gradient(&format!("{shape:?}, {nan_is_missing}"), &mut vae, loss, 1e-6);
        }
    }
}

#[test]
fn the_channels_of_a_picture_are_values_of_its_places() {
    // The same function, as a picture of two channels and as a sequence of places with their own coordinates.
    let picture = build(operator(vec![], vec![]), &[2, 1, 3]);
    let middles = [1.0, 3.0, 5.0].map(|i| i / 6.0);
    let points = middles.iter().flat_map(|x| [0.5, *x]).collect();
    let sequence = build(operator(points, vec![]), &[3, 2]);
    let found = means(&picture, &[1.0, 2.0, 3.0, -1.0, -2.0, -3.0]);
    let expected = means(&sequence, &[1.0, -1.0, 2.0, -2.0, 3.0, -3.0]);
    assert!(distance(&found, &expected) < 1e-12, "{found:?} {expected:?}");
}

#[test]
fn missing_places_drop_out_of_the_mean() {
    let with_gaps = |points: Vec<f64>, n: usize| {
        let config = VaeConfig { nan_is_missing: true, ..config(operator(points, vec![])) };
        config.build(&[n], &ObjectiveConfig::default(), &mut Rng::new(1)).unwrap()
    };
    let all = with_gaps(vec![0.1, 0.3, 0.6, 0.8], 4);
    let found = means(&all, &[1.0, f32::NAN, 2.0, f32::NAN]);
    let expected = means(&with_gaps(vec![0.1, 0.6], 2), &[1.0, 2.0]);
    assert!(distance(&found, &expected) < 1e-12, "{found:?} {expected:?}");
    assert!(means(&all, &[f32::NAN; 4]).iter().all(|v| v.is_finite()), "nothing is seen of it");
}

#[test]
fn points_of_another_number_of_places_and_what_is_no_function_are_refused() {
    let refused = |config: VaeConfig, shape: &[usize], part: &str| {
        let error = config.build(shape, &ObjectiveConfig::default(), &mut Rng::new(0)).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    let of = |points: Vec<f64>, weights: Vec<f64>| config(operator(points, weights));
    refused(of(vec![0.1, 0.2, 0.3], vec![]), &[4], "3 numbers for 4 places");
    refused(of(vec![0.1, f64::NAN], vec![]), &[2], "`encoder.points`");
    refused(of(vec![], vec![1.0; 3]), &[4], "`encoder.weights`");
    refused(of(vec![], vec![0.0; 4]), &[4], "with the sum 0 for 4 places");
    refused(of(vec![], vec![1.0, -1.0, 1.0]), &[3], "`encoder.weights`");
    refused(of(vec![], vec![]), &[1, 2, 3, 4], "functions [N], [T, M] or [C, H, W]");
    refused(config(OperatorConfig { features: 0, ..operator(vec![], vec![]) }), &[4], "`encoder.features`");
    refused(config(OperatorConfig { hidden: vec![0], ..operator(vec![], vec![]) }), &[4], "`encoder.hidden`");
    let seen = VaeConfig { condition: Some(ConditionConfig::new(1)), ..of(vec![], vec![]) };
    refused(seen, &[4], "true for functions");
}
