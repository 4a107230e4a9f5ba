//! A Bayesian last layer behind weights that have distributions too.

use super::{distance, shake};
use crate::common::assert_gradient;
use elbo_core::{Rng, Run};
use elbo_nn::Activation;
use elbo_nn::bayes::head::{Bound, DiscriminativeHead, HeadConfig, NoiseConfig, RegressionHead};
use elbo_nn::bayes::{AnyHead, Fit, Head, LastLayer, Targets, TrainSettings};
use elbo_nn::layer::Pass;
use elbo_tensor::{Parameters, Tensor, no_grad};

fn network(sd: f64, is_number: bool) -> LastLayer {
    let head = |h: usize, rng: &mut Rng| {
        Ok(if is_number {
            AnyHead::Regression(RegressionHead::new(HeadConfig::new(1, h), NoiseConfig::Gaussian, rng)?)
        } else {
            AnyHead::Discriminative(DiscriminativeHead::new(HeadConfig::new(2, h), Bound::Jensen, rng)?)
        })
    };
    LastLayer::mean_field(3, &[4, 5], (Activation::Tanh, sd), false, head, &mut Rng::new(1)).unwrap()
}

fn rows(n: usize) -> (Tensor, Tensor) {
    let mut rng = Rng::new(2);
    let x = Tensor::from_vec(rng.normals(n * 3), &[n, 3]);
    let y = x.matmul(&Tensor::from_vec(vec![1.0, -0.5, 0.2], &[3, 1])) + 0.3;
    (x, y + Tensor::from_vec(rng.normals(n), &[n, 1]) * 0.4)
}

/// The bound of all rows at one draw, less what they pay.
fn bound(network: &LastLayer, x: &Tensor, y: &Tensor, seed: u64) -> Tensor {
    let (fit, cost) = network.terms_in(x, y, &mut Pass::training(&mut Rng::new(seed))).unwrap();
    fit * x.size(0) as f64 - cost
}

#[test]
fn gradients_of_a_drawn_bound_agree_with_differences() {
    let (x, y) = rows(6);
    let mut numbers = network(0.1, true);
    shake(&mut numbers, 0.2, &mut Rng::new(3));
    assert_gradient("numbers", &mut numbers, |m: &LastLayer| bound(m, &x, &y, 4), 1e-6);
    let mut classes = network(0.1, false);
    let labels = Tensor::indices(&[0, 1, 1, 0, 1, 0]);
    shake(&mut classes, 0.2, &mut Rng::new(5));
    assert_gradient("classes", &mut classes, |m: &LastLayer| bound(m, &x, &labels, 6), 1e-6);
}

#[test]
fn without_spread_it_is_the_network_of_numbers_and_pays_for_being_sure() {
    let (x, y) = rows(6);
    let sure = network(1e-9, true);
    let drawn = no_grad(|| sure.features_in(&x, &mut Pass::training(&mut Rng::new(7))));
    // Each sum has a variance of 1e-12 beside that of its weights.
    assert!(distance(&drawn, &sure.encode(&x)) < 1e-4);
    let paid = |network: &LastLayer| network.terms(&x, &y).unwrap().1.item();
    // 41 weights and biases are a million times surer: each pays the log of it.
    let (sure, unsure) = (paid(&sure), paid(&network(1e-3, true)));
    assert!((sure - unsure - 41.0 * 1e6f64.ln()).abs() < 1e-3, "{sure} {unsure}");
}

#[test]
fn what_all_rows_pay_is_the_heads_cost_and_the_divergence_of_every_weight() {
    let mut network = network(0.1, true);
    shake(&mut network, 0.3, &mut Rng::new(8));
    let mut expected = 0.0;
    let mut means = vec![];
    network.visit(&mut |name, p| {
        if name.ends_with("mean") && name.starts_with("body") {
            means = p.value();
        }
        if name.ends_with("sd") && name.starts_with("body") {
            // Of [O, I + 1] numbers, with a prior of variance 1 / I.
            let variance = 1.0 / (p.shape()[1] - 1) as f64;
            for (m, s) in means.iter().zip(p.value()) {
                expected += 0.5 * ((s * s + m * m) / variance - 1.0 - (s * s / variance).ln());
            }
        }
    });
    let (x, y) = rows(6);
    let AnyHead::Regression(head) = &network.head else { unreachable!("it was built so") };
    let found = network.terms(&x, &y).unwrap().1.item() - head.cost().unwrap().item();
    assert!((found - expected).abs() < 1e-9 * expected, "{found} {expected}");
}

#[test]
fn training_raises_its_bound_and_it_is_not_collapsed_nor_without_layers() {
    let (x, y) = rows(40);
    let settings = TrainSettings { steps: 300, batch: 20, rate: 0.02, weight_decay: 1.0, clip: 1.0, kl_weight: 1.0 };
    let fit = Fit::new(x.clone(), Targets::Numbers(y.clone()), settings).unwrap();
    let mut model = network(0.1, true);
    let before = fit.bound(&model).unwrap();
    fit.run(&mut model, &mut Run::new(9)).unwrap();
    let after = fit.bound(&model).unwrap();
    assert!(after > before + 0.1, "{before} to {after}");
    assert_eq!(after, fit.bound(&model).unwrap(), "a bound is the same whenever it is asked for");
    let error = model.collapsed(&x, &y).unwrap_err().to_string();
    assert!(error.contains("features are random"), "{error}");
    let head = |h: usize, rng: &mut Rng| {
        Ok(AnyHead::Regression(RegressionHead::new(HeadConfig::new(1, h), NoiseConfig::Gaussian, rng)?))
    };
    let error = LastLayer::mean_field(3, &[], (Activation::Tanh, 0.1), false, head, &mut Rng::new(1)).err().unwrap();
    assert!(error.to_string().contains("hidden"), "{error}");
}
