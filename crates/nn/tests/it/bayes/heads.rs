//! Heads: bounds against Monte Carlo, limits against exact posteriors, gradients against differences.

use super::{COVARIANCES, distance, mean_and_error, shake};
use crate::common::assert_gradient;
use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Rng, Run, Stop, drive};
use elbo_nn::Activation;
use elbo_nn::bayes::head::{Bound, DiscriminativeHead, GenerativeHead, HeadConfig, NoiseConfig, RegressionHead};
use elbo_nn::bayes::{AnyHead, Covariance, Fit, Head, LastLayer, Targets, TrainSettings};
use elbo_tensor::optim::Lbfgs;
use elbo_tensor::special::{digamma, lgamma};
use elbo_tensor::{Parameters, Tensor, no_grad};

const NOISES: [NoiseConfig; 3] = [NoiseConfig::Gaussian, NoiseConfig::StudentT, NoiseConfig::Heteroscedastic];

fn config(outputs: usize, covariance: Covariance) -> HeadConfig {
    HeadConfig { covariance, rank: 2, wishart_dof: 3.0, wishart_scale: 0.4, ..HeadConfig::new(outputs, 3) }
}

fn regression(noise: NoiseConfig, covariance: Covariance, seed: u64) -> RegressionHead {
    let mut rng = Rng::new(seed);
    let mut head = RegressionHead::new(config(2, covariance), noise, &mut rng).unwrap();
    shake(&mut head, 0.2, &mut rng);
    head
}

fn rows(n: usize, seed: u64) -> (Tensor, Tensor, Tensor) {
    let mut rng = Rng::new(seed);
    let x = Tensor::from_vec(rng.normals(n * 3), &[n, 3]);
    let y = Tensor::from_vec(rng.normals(n * 2), &[n, 2]);
    let labels = Tensor::indices(&(0..n).map(|_| rng.below(3)).collect::<Vec<_>>());
    (x, y, labels)
}

/// Draws of a sum over rows.
fn draws(count: usize, mut f: impl FnMut() -> Tensor) -> Vec<f64> {
    (0..count).map(|_| no_grad(&mut f).sum().item()).collect()
}

#[test]
fn the_bound_of_numbers_is_the_expected_log_likelihood() {
    let (x, y, _) = rows(4, 1);
    for covariance in COVARIANCES {
        let head = regression(NoiseConfig::Gaussian, covariance, 2);
        let sd = Tensor::from_vec(head.noise_sd().unwrap(), &[2]);
        let mut rng = Rng::new(3);
        let sampled = draws(4000, || {
            let error = (&y - x.linear(&head.weights.rsample(&mut rng), None)) / &sd;
            (error.square() + sd.log() * 2.0 + std::f64::consts::TAU.ln()) * -0.5
        });
        let (mean, error) = mean_and_error(&sampled);
        let bound = head.bound(&x, &y).unwrap().sum().item();
        assert!((bound - mean).abs() < 4.0 * error, "{covariance:?}: {bound}, {mean} ± {error}");
    }
}

#[test]
fn bounds_of_classes_are_below_the_expected_log_likelihood_and_the_tilted_one_is_tighter() {
    let (x, _, labels) = rows(4, 4);
    for covariance in COVARIANCES {
        let head = |bound: Bound| {
            let mut rng = Rng::new(5);
            let mut head = DiscriminativeHead::new(config(3, covariance), bound, &mut rng).unwrap();
            shake(&mut head, 0.3, &mut rng);
            head
        };
        let (jensen, tilted) = (head(Bound::Jensen), head(Bound::Tilted));
        let (mean, variance) = jensen.logits(&x);
        let mut rng = Rng::new(6);
        let sampled = draws(4000, || {
            let noise = Tensor::from_vec(rng.normals(12), &[4, 3]);
            (&mean + variance.sqrt() * noise).categorical_log_prob(&labels)
        });
        let (expected, error) = mean_and_error(&sampled);
        let [loose, tight] = [&jensen, &tilted].map(|h| h.bound(&x, &labels).unwrap().sum().item());
        assert!(loose < tight && tight < expected + 4.0 * error, "{covariance:?}: {loose} {tight} {expected}");
        assert!(expected - tight < 0.7 * (expected - loose), "{covariance:?}: hardly tighter");
    }
}

fn generative(covariance: Covariance) -> GenerativeHead {
    let mut rng = Rng::new(7);
    let mut head = GenerativeHead::new(config(3, covariance), &[0.5, 0.3, 0.2], &mut rng).unwrap();
    shake(&mut head, 0.3, &mut rng);
    head
}

#[test]
fn the_generative_bound_is_below_the_expected_log_likelihood_and_its_density_is_exact() {
    let (x, _, labels) = rows(4, 8);
    for covariance in COVARIANCES {
        let head = generative(covariance);
        let mut sd = vec![];
        head.visit(&mut |name, p| {
            if name == "sd" {
                sd = p.value()
            }
        });
        let sd = Tensor::from_vec(sd, &[3]);
        let shares = Tensor::from_vec(vec![0.5f64.ln(), 0.3f64.ln(), 0.2f64.ln()], &[3]);
        let joint = |means: &Tensor| {
            let error = (x.unsqueeze(1) - means.unsqueeze(0)) / &sd;
            let each = (error.square() + sd.log() * 2.0 + std::f64::consts::TAU.ln()) * -0.5;
            each.sum_axis(-1, false) + &shares
        };
        let mut rng = Rng::new(9);
        let sampled = draws(4000, || joint(&head.means.rsample(&mut rng)).categorical_log_prob(&labels));
        let (expected, error) = mean_and_error(&sampled);
        let bound = head.bound(&x, &labels).unwrap().sum().item();
        assert!(bound < expected + 4.0 * error, "{covariance:?}: {bound} above {expected}");
        // The predictive density is the mean density, so it is compared before logs are taken.
        let mut rng = Rng::new(10);
        let density: Vec<f64> = (0..6000)
            .map(|_| no_grad(|| joint(&head.means.rsample(&mut rng))).select(0, 0).select(0, 1).item().exp())
            .collect();
        let (mean, error) = mean_and_error(&density);
        let exact = head.joint(&x).unwrap().select(0, 0).select(0, 1).item().exp();
        assert!((exact - mean).abs() < 4.0 * error, "{covariance:?}: {exact}, {mean} ± {error}");
        let (p, novelty) = head.probabilities(&x).unwrap();
        assert!(distance(&p.sum_axis(-1, false), &Tensor::from_vec(vec![1.0; 4], &[4])) < 1e-12);
        assert!(novelty.is_finite());
    }
}

#[test]
fn without_a_posterior_the_generative_bound_is_the_log_probability() {
    let (x, _, labels) = rows(4, 8);
    let head = generative(Covariance::Point);
    let exact = head.joint(&x).unwrap().categorical_log_prob(&labels);
    assert!(distance(&head.bound(&x, &labels).unwrap(), &exact) < 1e-12);
}

#[test]
fn gradients_of_every_head_agree_with_differences() {
    let (x, y, labels) = rows(4, 11);
    for covariance in COVARIANCES.into_iter().chain([Covariance::Point]) {
        for noise in NOISES {
            let mut head = regression(noise, covariance, 12);
            let loss = |h: &RegressionHead| h.bound(&x, &y).unwrap().sum() - h.cost().unwrap();
            assert_gradient(&format!("{noise:?} {covariance:?}"), &mut head, loss, 1e-6);
        }
        let mut head = generative(covariance);
        let loss = |h: &GenerativeHead| h.bound(&x, &labels).unwrap().sum() - h.cost().unwrap();
        assert_gradient(&format!("generative {covariance:?}"), &mut head, loss, 1e-6);
        let mut rng = Rng::new(13);
        let mut head = DiscriminativeHead::new(config(3, covariance), Bound::Jensen, &mut rng).unwrap();
        shake(&mut head, 0.3, &mut rng);
        let loss = |h: &DiscriminativeHead| h.bound(&x, &labels).unwrap().sum() - h.cost().unwrap();
        assert_gradient(&format!("discriminative {covariance:?}"), &mut head, loss, 1e-6);
    }
}

/// A linear model of three inputs and a constant, at the best bound of these rows.
fn optimum(head: RegressionHead, x: &Tensor, y: &Tensor) -> LastLayer {
    let mut network =
        LastLayer::new(3, &[], Activation::Relu, false, |_, _| Ok(AnyHead::Regression(head)), &mut Rng::new(0))
            .unwrap();
    let (inputs, targets) = (x.clone(), y.clone());
    let n = x.size(0) as f64;
    let loss = move |m: &LastLayer, _: &mut Run| {
        let (fit, cost) = m.terms(&inputs, &targets)?;
        Ok(cost - fit * n)
    };
    let lbfgs = Lbfgs { gradient_tolerance: 1e-9, value_tolerance: 1e-17, ..Lbfgs::default() };
    drive(&lbfgs.on(loss), &mut network, &Stop::after(1500, "optimum", "loss"), &mut Run::new(0)).unwrap();
    network
}

fn linear_rows(n: usize) -> (Tensor, Tensor) {
    let mut rng = Rng::new(14);
    let x = Tensor::from_vec(rng.normals(n * 3), &[n, 3]);
    let y = x.matmul(&Tensor::from_vec(vec![1.0, -0.5, 0.2], &[3, 1])) + 0.3;
    (x, y + Tensor::from_vec(rng.normals(n), &[n, 1]) * 0.4)
}

#[test]
fn with_linear_features_and_fixed_noise_the_best_bound_is_exact_bayesian_regression_and_its_evidence() {
    let (x, y) = linear_rows(30);
    for covariance in [Covariance::Dense, Covariance::DensePrecision] {
        let config = HeadConfig { covariance, ..HeadConfig::new(1, 4) };
        let mut head = RegressionHead::new(config, NoiseConfig::Gaussian, &mut Rng::new(1)).unwrap();
        head.fix_noise(&[0.4]).unwrap();
        let prior = head.prior_variance();
        let network = optimum(head, &x, &y);
        let AnyHead::Regression(head) = &network.head else { unreachable!() };
        let phi = network.encode(&x);
        let precision = phi.t().matmul(&phi) * (1.0 / 0.16) + Tensor::eye(4, phi.dtype()) * (1.0 / prior);
        let covariances = precision.inverse_spd().unwrap();
        let mean = covariances.matmul(&phi.t().matmul(&y)) * (1.0 / 0.16);
        assert!(distance(&head.weights.mean.get().t(), &mean) < 1e-6, "{covariance:?}: mean");
        assert!(distance(&head.weights.covariances().row(0), &covariances) < 1e-6, "{covariance:?}: covariance");
        // The bound is then the log evidence, log N(y; 0, prior Φ Φ' + noise I).
        let gram = phi.matmul(&phi.t()) * prior + Tensor::eye(30, phi.dtype()) * 0.16;
        let factor = gram.cholesky().unwrap();
        let square = factor.solve_lower(&y).square().sum();
        let evidence = (square + factor.cholesky_log_det() + 30.0 * std::f64::consts::TAU.ln()) * -0.5;
        let (fit, _) = network.terms(&x, &y).unwrap();
        let bound = fit * 30.0 - head.weights.kl(prior).unwrap().sum();
        assert!((bound.item() - evidence.item()).abs() < 1e-6, "{covariance:?}: {} {}", bound.item(), evidence.item());
    }
}

#[test]
fn with_linear_features_students_head_is_the_conjugate_posterior_and_its_evidence() {
    let (x, y) = linear_rows(30);
    let config = HeadConfig { wishart_dof: 3.0, wishart_scale: 0.4, ..HeadConfig::new(1, 4) };
    let head = RegressionHead::new(config, NoiseConfig::StudentT, &mut Rng::new(1)).unwrap();
    let prior = head.prior_variance();
    let network = optimum(head, &x, &y);
    let AnyHead::Regression(head) = &network.head else { unreachable!() };
    let phi = network.encode(&x);
    let precision = phi.t().matmul(&phi) + Tensor::eye(4, phi.dtype()) * (1.0 / prior);
    let covariances = precision.inverse_spd().unwrap();
    let mean = covariances.matmul(&phi.t().matmul(&y));
    let (a0, b0) = (1.5, 0.2);
    let a = a0 + 15.0;
    let b = b0 + 0.5 * (y.square().sum() - (mean.t().matmul(&precision).matmul(&mean)).sum()).item();
    assert!(distance(&head.weights.mean.get().t(), &mean) < 1e-5);
    assert!(distance(&head.weights.covariances().row(0), &covariances) < 1e-5);
    assert!((head.noise_sd().unwrap()[0] - (b / a).sqrt()).abs() < 1e-5);
    // Evidence of the normal inverse gamma model.
    let log_det = precision.cholesky().unwrap().cholesky_log_det().item() + 4.0 * f64::ln(prior);
    let evidence = -0.5 * 30.0 * std::f64::consts::TAU.ln() - 0.5 * log_det + a0 * f64::ln(b0) - a * b.ln() + lgamma(a)
        - lgamma(a0);
    let (fit, cost) = network.terms(&x, &y).unwrap();
    let bound = (fit * 30.0 - cost).item();
    assert!((bound - evidence).abs() < 1e-5, "{bound} {evidence}");
    // The predictive is Student's with 2a degrees of freedom.
    let marginals = head.predict(&phi, 0, (0.0, 1.0));
    let spread = 1.0 + head.weights.project_variance(&phi).select(0, 0).item();
    assert!((marginals.sd(0).powi(2) - spread * b / a * (2.0 * a) / (2.0 * a - 2.0)).abs() < 1e-5);
}

#[test]
fn the_bound_of_varying_noise_and_its_predictive_are_expectations() {
    let (x, y, _) = rows(3, 15);
    let head = regression(NoiseConfig::Heteroscedastic, Covariance::Dense, 16);
    let mut log_variance = super::gaussians(Covariance::Dense, 2, 3, 17);
    // The head's own posterior of the log variance, by its parameters.
    let mut values = vec![];
    head.visit(&mut |name, p| {
        if name.starts_with("log_variance") {
            values.extend(p.leaf().to_vec())
        }
    });
    log_variance.unpack(&values);
    let mut rng = Rng::new(18);
    let (mut sampled, mut densities) = (vec![], vec![]);
    for _ in 0..8000 {
        let w = no_grad(|| head.weights.rsample(&mut rng));
        let u = no_grad(|| log_variance.rsample(&mut rng));
        let (f, l) = (x.linear(&w, None), x.linear(&u, None));
        let each = ((&y - f).square() * (-&l).exp() + l + std::f64::consts::TAU.ln()) * -0.5;
        sampled.push(each.sum().item());
        densities.push(each.select(0, 0).select(0, 1).item().exp());
    }
    let (mean, error) = mean_and_error(&sampled);
    let bound = head.bound(&x, &y).unwrap().sum().item();
    assert!((bound - mean).abs() < 4.0 * error, "{bound}, {mean} ± {error}");
    let (mean, error) = mean_and_error(&densities);
    let target = y.select(0, 0).select(0, 1).item();
    let density = head.predict(&x, 1, (0.0, 1.0)).log_prob(0, target).exp();
    assert!((density - mean).abs() < 4.0 * error, "{density}, {mean} ± {error}");
}

#[test]
fn the_cost_of_the_noise_is_its_priors_log_density() {
    let head = regression(NoiseConfig::StudentT, Covariance::Diagonal, 19);
    let mut by_name = std::collections::BTreeMap::new();
    head.visit(&mut |name, p| {
        by_name.insert(name.to_owned(), p.value());
    });
    let (a0, b0): (f64, f64) = (1.5, 0.2);
    let (shape, rate) = (&by_name["shape"], &by_name["rate"]);
    // KL between Gammas from their entropies and cross entropies.
    let kl: f64 = (0..2)
        .map(|k| {
            let (a, b) = (shape[k], rate[k]);
            let log = digamma(a) - b.ln();
            let entropy = a - b.ln() + lgamma(a) + (1.0 - a) * digamma(a);
            -entropy - (a0 * b0.ln() - lgamma(a0) + (a0 - 1.0) * log - b0 * a / b)
        })
        .sum();
    let scale = Tensor::from_vec((0..2).map(|k| shape[k] / rate[k]).collect(), &[2]);
    let weights = head.weights.scaled_kl(head.prior_variance(), Some(&scale)).unwrap().sum().item();
    assert!((head.cost().unwrap().item() - weights - kl).abs() < 1e-10);
    // In one dimension an inverse Wishart prior is an inverse Gamma prior of shape ν / 2 and scale M / 2.
    let density = |sd: f64| {
        let mut head =
            RegressionHead::new(config(1, Covariance::Diagonal), NoiseConfig::Gaussian, &mut Rng::new(0)).unwrap();
        head.fix_noise(&[sd]).unwrap();
        -head.cost().unwrap().item()
    };
    let inverse_gamma = |sd: f64| -(1.5 + 1.0) * (sd * sd).ln() - 0.2 / (sd * sd);
    let (ratio, expected) = (density(0.5) - density(0.2), inverse_gamma(0.5) - inverse_gamma(0.2));
    assert!((ratio - expected).abs() < 1e-10, "{ratio} {expected}");
}

fn network(seed: u64) -> LastLayer {
    let head = |h: usize, rng: &mut Rng| {
        Ok(AnyHead::Regression(RegressionHead::new(HeadConfig::new(1, h), NoiseConfig::Gaussian, rng)?))
    };
    LastLayer::new(3, &[8], Activation::Tanh, false, head, &mut Rng::new(seed)).unwrap()
}

/// Two outputs of a tanh network with different noises, away from its start, and rows.
fn collapsible(seed: u64) -> (LastLayer, Tensor, Tensor) {
    let head = |h: usize, rng: &mut Rng| {
        let config = HeadConfig { wishart_dof: 3.0, wishart_scale: 0.4, ..HeadConfig::new(2, h) };
        Ok(AnyHead::Regression(RegressionHead::new(config, NoiseConfig::Gaussian, rng)?))
    };
    let mut rng = Rng::new(seed);
    let mut network = LastLayer::new(3, &[4], Activation::Tanh, false, head, &mut rng).unwrap();
    shake(&mut network, 0.3, &mut rng);
    let (x, y, _) = rows(12, seed + 100);
    (network, x, y)
}

fn regression_of(network: &LastLayer) -> &RegressionHead {
    let AnyHead::Regression(head) = &network.head else { unreachable!("it was built so") };
    head
}

/// The bound of all rows as the head has it, less what they pay.
fn whole_bound(head: &RegressionHead, features: &Tensor, y: &Tensor) -> f64 {
    (head.bound(features, y).unwrap().sum() - head.cost().unwrap()).item()
}

#[test]
fn no_posterior_has_more_than_the_collapsed_bound_and_the_optimal_one_attains_it() {
    for seed in 20..26 {
        let (network, x, y) = collapsible(seed);
        let (head, features) = (regression_of(&network), network.encode(&x));
        let collapsed = head.collapsed_bound(&features, &y).unwrap().item();
        let best = head.optimal(&features, &y).unwrap();
        let attained = whole_bound(&best, &features, &y);
        assert!((collapsed - attained).abs() < 1e-9 * collapsed.abs().max(1.0), "seed {seed}: {collapsed} {attained}");
        assert!(whole_bound(head, &features, &y) < collapsed - 1e-3, "seed {seed}: the start is no optimum");
        assert_eq!(best.noise_sd(), head.noise_sd(), "the noise is held");
        // Every posterior near the best one, and every family of another covariance, has less.
        let mut rng = Rng::new(seed);
        for size in [1e-3, 0.03, 0.5] {
            let mut other = head.optimal(&features, &y).unwrap();
            shake(&mut other.weights, size, &mut rng);
            assert!(whole_bound(&other, &features, &y) < collapsed, "seed {seed}, moved by {size}");
        }
    }
    for covariance in COVARIANCES {
        let (network, x, y) = collapsible(30);
        let features = network.encode(&x);
        let config = HeadConfig { covariance, ..HeadConfig::new(2, 5) };
        let head = RegressionHead::new(config, NoiseConfig::Gaussian, &mut Rng::new(31)).unwrap();
        let collapsed = head.collapsed_bound(&features, &y).unwrap().item();
        assert!(whole_bound(&head, &features, &y) < collapsed, "{covariance:?}");
    }
}

#[test]
fn the_collapsed_bound_is_the_log_evidence_of_the_features_and_the_noises_prior() {
    let (network, x, y) = collapsible(40);
    let (head, features) = (regression_of(&network), network.encode(&x));
    let sd = head.noise_sd().unwrap();
    let mut expected = 0.0;
    for (k, sd) in sd.iter().enumerate() {
        let noise = Tensor::eye(12, features.dtype()) * (sd * sd);
        let factor = (features.matmul(&features.t()) * head.prior_variance() + noise).cholesky().unwrap();
        let square = factor.solve_lower(&y.narrow(1, k, 1)).square().sum();
        let constant = 12.0 * std::f64::consts::TAU.ln();
        expected -= 0.5 * (square + factor.cholesky_log_det() + constant).item();
    }
    // The prior of the noise with three degrees of freedom and two outputs: what the cost has besides the divergence.
    let prior = head.cost().unwrap() - head.weights.kl(head.prior_variance()).unwrap().sum();
    let found = head.collapsed_bound(&features, &y).unwrap().item();
    assert!((found - (expected - prior.item())).abs() < 1e-9 * expected.abs(), "{found} {expected}");
}

#[test]
fn gradients_of_the_collapsed_bound_agree_with_differences() {
    let (mut network, x, y) = collapsible(50);
    // Of the features' weights and the noise; the last layer's own weights are not in it, and have gradients of zero.
    assert_gradient("collapsed", &mut network, |m: &LastLayer| m.collapsed(&x, &y).unwrap(), 1e-6);
    let gradient = network.gradient(&network.collapsed(&x, &y).unwrap());
    let of_weights = network.head.pack().len() - 2;
    let body = gradient.len() - of_weights - 2;
    assert!(gradient[body..body + of_weights].iter().all(|g| *g == 0.0));
    assert!(gradient[..body].iter().chain(&gradient[body + of_weights..]).all(|g| *g != 0.0));
}

#[test]
fn collapsed_training_ends_at_the_optimal_last_layer_and_goes_on_from_a_checkpoint() {
    let (x, y) = linear_rows(40);
    let fit = || Fit::new(x.clone(), Targets::Numbers(y.clone()), settings(60)).unwrap().collapsed().unwrap();
    let mut whole = network(1);
    let before = whole.collapsed(&x, &y).unwrap().item();
    fit().run(&mut whole, &mut Run::new(2)).unwrap();
    let after = whole.collapsed(&x, &y).unwrap().item();
    assert!(after > before + 0.1, "{before} to {after}");
    let bound = 40.0 * fit().bound(&whole).unwrap();
    assert!((bound - after).abs() < 1e-8 * after.abs(), "{bound} at the end, {after} at the best");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoints = elbo_core::run::Checkpoints {
        path: path.clone(),
        every: std::time::Duration::ZERO,
        header: ModelFile::new("test"),
    };
    let short = Stop::after(27, "training", "loss");
    drive(&fit(), &mut network(1), &short, &mut Run::new(2).with_checkpoints(checkpoints)).unwrap();
    let mut resumed = network(5);
    fit().run(&mut resumed, &mut Run::new(77).resuming(ModelFile::read(&path).unwrap())).unwrap();
    assert_eq!(resumed.pack(), whole.pack());
}

#[test]
fn what_has_no_closed_form_is_not_collapsed() {
    let (x, y) = linear_rows(10);
    for noise in [NoiseConfig::StudentT, NoiseConfig::Heteroscedastic] {
        let head = RegressionHead::new(HeadConfig::new(1, 3), noise, &mut Rng::new(1)).unwrap();
        let error = head.collapsed_bound(&x, &y).unwrap_err();
        assert!(error.to_string().contains("no closed form") && error.remedy().contains("gaussian"), "{error}");
        assert!(head.optimal(&x, &y).is_err());
    }
    let head = |h: usize, rng: &mut Rng| {
        Ok(AnyHead::Discriminative(DiscriminativeHead::new(HeadConfig::new(2, h), Bound::Jensen, rng)?))
    };
    let network = LastLayer::new(3, &[4], Activation::Tanh, false, head, &mut Rng::new(2)).unwrap();
    let error = network.collapsed(&x, &y).unwrap_err().to_string();
    assert!(error.contains("of classes"), "{error}");
    let tempered = TrainSettings { kl_weight: 0.5, ..settings(1) };
    let error = Fit::new(x, Targets::Numbers(y), tempered).unwrap().collapsed().err().unwrap();
    assert!(error.to_string().contains("kl_weight"), "{error}");
}

fn settings(steps: usize) -> TrainSettings {
    TrainSettings { steps, batch: 8, rate: 0.01, weight_decay: 0.01, clip: 1.0, kl_weight: 1.0 }
}

#[test]
fn training_raises_the_bound_and_a_resumed_one_ends_with_the_same_bits() {
    let (x, y) = linear_rows(40);
    let fit = Fit::new(x, Targets::Numbers(y), settings(60)).unwrap();
    let mut whole = network(1);
    let before = fit.bound(&whole).unwrap();
    fit.run(&mut whole, &mut Run::new(2)).unwrap();
    assert!(fit.bound(&whole).unwrap() > before + 0.1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoints = elbo_core::run::Checkpoints {
        path: path.clone(),
        every: std::time::Duration::ZERO,
        header: ModelFile::new("test"),
    };
    let short = Stop::after(27, "training", "loss");
    drive(&fit, &mut network(1), &short, &mut Run::new(2).with_checkpoints(checkpoints)).unwrap();
    let mut resumed = network(5);
    fit.run(&mut resumed, &mut Run::new(77).resuming(ModelFile::read(&path).unwrap())).unwrap();
    let bits = |m: &LastLayer| {
        let mut file = ModelFile::new("test");
        m.save(&mut file, "m");
        file.to_bytes()
    };
    assert!(bits(&resumed) == bits(&whole));
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let (x, y) = linear_rows(4);
    for (name, wrong) in [
        ("steps", TrainSettings { steps: 0, ..settings(1) }),
        ("rate", TrainSettings { rate: f64::NAN, ..settings(1) }),
        ("clip", TrainSettings { clip: 0.0, ..settings(1) }),
        ("kl_weight", TrainSettings { kl_weight: 0.0, ..settings(1) }),
    ] {
        let error = Fit::new(x.clone(), Targets::Numbers(y.clone()), wrong).err().unwrap();
        assert!(error.to_string().contains(name), "{error}");
    }
    let rows = x.size(0);
    let error = Fit::new(x, Targets::Classes(vec![0; rows + 1]), settings(1)).err().unwrap();
    assert!(error.to_string().contains(&format!("{rows} rows and {} targets", rows + 1)), "{error}");
}
