//! Priors of weights: normalised, with the moments they say, and what functions they give.

use super::{assert_mean, mean_and_error};
use crate::common::assert_gradient;
use elbo_core::{Rng, Run};
use elbo_nn::Activation;
use elbo_nn::bayes::Stack;
use elbo_nn::bayes::prior::{Horseshoe, SpikeAndSlab, WeightPriorConfig};
use elbo_nn::layer::Build;
use elbo_tensor::{Constraint, DType, Parameter, Parameters, Prior, Tensor};

const EVERY: [WeightPriorConfig; 4] = [
    WeightPriorConfig::Normal { scale: 1.3 },
    WeightPriorConfig::Standard,
    WeightPriorConfig::Laplace { scale: 0.8 },
    WeightPriorConfig::Mixture { share: 0.3, wide: 2.0, narrow: 0.2 },
];

fn stack(widths: &[usize]) -> Stack {
    let mut rng = Rng::new(1);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    Stack::new(widths, Activation::Relu, &mut build)
}

#[test]
fn densities_integrate_to_one_with_the_variance_that_draws_have() {
    for config in EVERY {
        let prior = config.build(5);
        let (count, reach) = (40_000, 20.0);
        let step = 2.0 * reach / f64::from(count);
        // Midpoints, so that the kink of Laplace's density lies between two of them.
        let places: Vec<f64> = (0..count).map(|i| -reach + step * (f64::from(i) + 0.5)).collect();
        let densities: Vec<f64> =
            places.iter().map(|x| prior.log_prob(&Tensor::from_vec(vec![*x], &[1])).item().exp()).collect();
        let mass: f64 = densities.iter().sum::<f64>() * step;
        let variance: f64 = places.iter().zip(&densities).map(|(x, d)| x * x * d).sum::<f64>() * step;
        assert!((mass - 1.0).abs() < 1e-5, "{config:?}: {mass}");
        assert!((variance / prior.variance() - 1.0).abs() < 1e-4, "{config:?}: {variance}");
        let mut rng = Rng::new(2);
        let draws: Vec<f64> = (0..20_000).map(|_| prior.sample(&mut rng)).collect();
        assert_mean(&format!("{config:?} mean"), &draws, 0.0);
        let squares: Vec<f64> = draws.iter().map(|w| w * w).collect();
        assert_mean(&format!("{config:?} variance"), &squares, prior.variance());
        assert!(prior.describe().contains('('));
        let mut weights = Parameter::real(&Tensor::from_vec(Rng::new(3).normals(4), &[2, 2]));
        assert_gradient(&format!("{config:?}"), &mut weights, |w| prior.log_prob(&w.get()), 1e-6);
    }
}

#[test]
fn every_weight_gets_the_prior_of_its_layers_inputs() {
    let mut model = stack(&[3, 4, 1]);
    WeightPriorConfig::Normal { scale: 1.3 }.attach(&mut model);
    let expected: f64 = model
        .leaves()
        .iter()
        .map(|w| {
            let variance = 1.69 / w.size(1) as f64;
            let each = |v: f64| -0.5 * (v * v / variance + variance.ln() + std::f64::consts::TAU.ln());
            w.to_vec().into_iter().map(each).sum::<f64>()
        })
        .sum();
    assert!((model.log_prior().item() - expected).abs() < 1e-10);
    // Positive parameters have other priors.
    let mut positive = Parameter::scalar(1.0, Constraint::Positive);
    WeightPriorConfig::default().attach(&mut positive);
    assert!(positive.prior().is_none());
}

#[test]
fn functions_of_the_prior_have_the_spread_of_the_closed_form_and_a_far_one_is_told() {
    // A linear network: the variance of an output is scale² (|x|² + 1) / (D + 1), the constant being an input.
    let x = Tensor::from_vec(Rng::new(4).normals(30), &[10, 3]);
    let mut model = stack(&[3, 1]);
    let before = model.pack();
    let prior = WeightPriorConfig::Normal { scale: 1.5 };
    let count = 4000;
    let found = prior.predictive_sd(&mut model, |m| m.forward(&x), count, &mut Rng::new(5)).unwrap();
    assert_eq!(model.pack(), before);
    let expected = 2.25 * (x.square().sum().item() / 10.0 + 1.0) / 4.0;
    // Outputs of ten rows share four weights, so the mean variance is known at least as well as that of one: sqrt(2 / draws).
    assert!((found * found / expected - 1.0).abs() < 5.0 * (2.0 / f64::from(count as u32)).sqrt(), "{found}");
    for (data_sd, warnings) in [(1.0, 0), (100.0, 1), (0.01, 1)] {
        let mut run = Run::new(6);
        prior.check_scale(&mut model, |m| m.forward(&x), data_sd, 200, &mut run).unwrap();
        assert_eq!(run.warnings().len(), warnings, "{data_sd}: {:?}", run.warnings());
    }
    let error = prior.predictive_sd(&mut model, |m| m.forward(&x), 1, &mut Rng::new(0)).unwrap_err();
    assert!(error.to_string().contains("`draws` is 1"), "{error}");
}

#[test]
fn a_wider_network_has_functions_of_the_same_size_but_with_the_standard_prior() {
    let x = Tensor::from_vec(Rng::new(7).normals(8), &[4, 2]);
    let spread = |prior: WeightPriorConfig, width: usize| {
        let mut model = stack(&[2, width, 1]);
        prior.predictive_sd(&mut model, |m| m.forward(&x), 400, &mut Rng::new(8)).unwrap()
    };
    let grows = |prior| spread(prior, 400) / spread(prior, 25);
    // Sixteen times as many units: their sum is four times as large.
    assert!((grows(WeightPriorConfig::Standard) / 4.0 - 1.0).abs() < 0.25);
    assert!((grows(WeightPriorConfig::default()) - 1.0).abs() < 0.25);
}

#[test]
fn a_horseshoe_has_the_density_of_its_parts_and_weights_that_are_their_product() {
    let shape = Horseshoe::new(&[3, 4], 0.5, DType::F64, &mut Rng::new(9)).unwrap();
    let mut values = std::collections::BTreeMap::new();
    shape.visit(&mut |name, p| {
        values.insert(name.to_owned(), p.value());
    });
    let (z, local, global) = (&values["noise"], &values["local"], values["global"][0]);
    let cauchy = |x: f64, scale: f64| (std::f64::consts::FRAC_2_PI * scale / (scale * scale + x * x)).ln();
    let expected: f64 = z.iter().map(|z| -0.5 * (z * z + std::f64::consts::TAU.ln())).sum::<f64>()
        + local.iter().map(|l| cauchy(*l, 1.0)).sum::<f64>()
        + cauchy(global, 0.5);
    assert!((shape.log_prior().item() - expected).abs() < 1e-10);
    let weights = shape.weights().to_vec();
    for i in 0..12 {
        assert!((weights[i] - z[i] * local[i] * global / 2.0).abs() < 1e-12);
    }
    let mut shape = shape;
    assert_gradient("horseshoe", &mut shape, |h| h.log_prior() + h.log_jacobian(), 1e-6);
    // Half of the widths of a half-Cauchy distribution of scale one lie below one.
    let mut rng = Rng::new(10);
    let below: Vec<f64> = (0..400)
        .flat_map(|_| {
            let mut found = vec![];
            Horseshoe::new(&[5, 2], 0.5, DType::F64, &mut rng).unwrap().visit(&mut |name, p| {
                if name == "local" {
                    found.extend(p.value().iter().map(|v| f64::from(*v < 1.0)));
                }
            });
            found
        })
        .collect();
    assert_mean("median", &below, 0.5);
    assert!(Horseshoe::new(&[2], 0.0, DType::F64, &mut rng).is_err());
}

#[test]
fn the_divergence_from_spike_and_slab_is_the_expected_log_ratio() {
    let prior = SpikeAndSlab { share: 0.2, sd: 1.5 };
    let one = |v: f64| Tensor::from_vec(vec![v], &[1]);
    let (inclusion, mean, sd) = (0.6f64, 0.7, 0.4f64);
    let logit = (inclusion / (1.0 - inclusion)).ln();
    let density = |w: f64, m: f64, s: f64| -0.5 * ((w - m) / s).powi(2) - s.ln();
    let mut rng = Rng::new(11);
    let ratios: Vec<f64> = (0..20_000)
        .map(|_| {
            if rng.uniform() < inclusion {
                let w = mean + sd * rng.normal();
                (inclusion / prior.share).ln() + density(w, mean, sd) - density(w, 0.0, prior.sd)
            } else {
                ((1.0 - inclusion) / (1.0 - prior.share)).ln()
            }
        })
        .collect();
    assert_mean("divergence", &ratios, prior.kl(&one(logit), &one(mean), &one(sd)).item());
    let same = (prior.share / (1.0 - prior.share)).ln();
    assert!(prior.kl(&one(same), &one(0.0), &one(1.5)).item().abs() < 1e-12);
    // Weights that are surely zero cost what their being zero does.
    let zero = prior.kl(&one(-1000.0), &one(3.0), &one(0.1)).item();
    assert!((zero + (1.0 - prior.share).ln()).abs() < 1e-12, "{zero}");
    let draws: Vec<f64> = (0..20_000).map(|_| prior.sample(&mut rng)).collect();
    let (share, error) = mean_and_error(&draws.iter().map(|w| f64::from(*w != 0.0)).collect::<Vec<_>>());
    assert!((share - 0.2).abs() < 4.0 * error);
}

#[test]
fn priors_out_of_range_are_refused_and_the_standard_one_without_tempering() {
    let error = WeightPriorConfig::Standard.check(1.0).unwrap_err();
    assert!(error.to_string().contains("standard with a divergence of weight 1"), "{error}");
    assert!(WeightPriorConfig::Standard.check(0.1).is_ok() && WeightPriorConfig::default().check(1.0).is_ok());
    for (name, prior) in [
        ("scale", WeightPriorConfig::Normal { scale: 0.0 }),
        ("scale", WeightPriorConfig::Laplace { scale: f64::NAN }),
        ("share", WeightPriorConfig::Mixture { share: 1.0, wide: 2.0, narrow: 1.0 }),
        ("wide", WeightPriorConfig::Mixture { share: 0.5, wide: 1.0, narrow: 1.0 }),
    ] {
        assert!(prior.check(1.0).unwrap_err().to_string().contains(&format!("`{name}`")), "{prior:?}");
    }
    assert!(SpikeAndSlab { share: 0.0, sd: 1.0 }.check().is_err() && SpikeAndSlab::default().check().is_ok());
}
