//! Codes along inputs: against dense Gaussians, the diagonal family, finite differences and their own draws.

use crate::common::{assert_gradient, bernoulli, normals, shaken, small};
use elbo_core::Rng;
use elbo_dist::batched::{Batched, Kl, MultivariateNormal};
use elbo_nn::vae::{
    Family, GpForm, GpPosterior, GpPrior, LikelihoodConfig, ObjectiveConfig, PriorConfig, Vae, VaeConfig,
};
use elbo_tensor::{DType, Parameters, Tensor, grad};

const FORMS: [GpForm; 2] = [GpForm::Diagonal, GpForm::Sites];
const LATENT: usize = 2;

/// A smooth covariance with some noise at places `[T, 1]`, differentiable in the logarithm of its lengthscale.
fn smooth(places: &Tensor, log_lengthscale: &Tensor) -> Tensor {
    let square = (places - places.t()).square();
    (square * (log_lengthscale * -2.0).exp() * -0.5).exp() * 1.5 + Tensor::eye(places.size(0), DType::F64) * 0.1
}

fn places(inputs: usize) -> Tensor {
    // Unevenly spread.
    Tensor::from_vec((0..inputs).map(|t| 0.7 * t as f64 + 0.1 * (t * t) as f64).collect(), &[inputs, 1])
}

/// A process of two dimensions with lengthscales of their own.
fn process(inputs: usize) -> GpPrior {
    let kernel = |l: usize, t: &Tensor| smooth(t, &Tensor::scalar(0.4 * l as f64));
    GpPrior::of_kernels(&places(inputs), LATENT, kernel).unwrap()
}

/// The covariance of dimension `l` of [`process`].
fn covariance(l: usize, inputs: usize) -> Tensor {
    smooth(&places(inputs), &Tensor::scalar(0.4 * l as f64))
}

/// The posterior of one sequence and dimension from its definition. `raw: [B, T, 2 L]`.
fn dense(form: GpForm, raw: &Tensor, (b, l): (usize, usize)) -> MultivariateNormal {
    let of = |column: usize| raw.select(0, b).select(1, column).contiguous();
    let (first, variance) = (of(l), of(LATENT + l).exp());
    match form {
        GpForm::Diagonal => MultivariateNormal::new(first, variance.sqrt().diag()),
        GpForm::Sites => {
            let precision = covariance(l, raw.size(1)).inverse().unwrap() + variance.recip().diag();
            let covariance = precision.inverse().unwrap();
            let mean = covariance.matmul(&(first / variance));
            MultivariateNormal::from_covariance(mean, &covariance).unwrap()
        }
    }
}

fn assert_near(name: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-8 * expected.abs().max(1.0), "{name}: {found} vs {expected}");
}

#[test]
fn posteriors_along_inputs_are_the_dense_gaussians_of_their_definition() {
    let mut rng = Rng::new(1);
    let inputs = 5;
    let prior = process(inputs);
    let raw = normals(&[3, inputs, 2 * LATENT], &mut rng);
    let z = normals(&[3, inputs, LATENT], &mut rng);
    for form in FORMS {
        let q = GpPosterior::encoded(form, &raw, &prior).unwrap();
        let (kl, entropy, log_q, log_p) = (q.kl(), q.entropy(), q.log_prob(&z), prior.log_prob(&z));
        assert_eq!((kl.shape(), log_q.shape()), ([3, LATENT].as_slice(), [3, LATENT].as_slice()));
        for (b, l) in (0..3).flat_map(|b| (0..LATENT).map(move |l| (b, l))) {
            let own = dense(form, &raw, (b, l));
            let zero = Tensor::zeros(&[inputs], DType::F64);
            let p = MultivariateNormal::from_covariance(zero, &covariance(l, inputs)).unwrap();
            let at = |t: &Tensor| t.select(0, b).select(0, l).item();
            let course = |t: &Tensor| t.select(0, b).select(1, l).contiguous();
            assert_near("kl", at(&kl), own.kl(&p).item());
            assert_near("entropy", at(&entropy), own.entropy().unwrap().item());
            assert_near("log q", at(&log_q), own.log_prob(&course(&z)).item());
            assert_near("log p", at(&log_p), p.log_prob(&course(&z)).item());
            for (found, expected) in [(q.mean(), own.location().clone()), (q.variance(), own.variance().unwrap())] {
                for (found, expected) in course(&found).to_vec().iter().zip(expected.to_vec()) {
                    assert_near("moment", *found, expected);
                }
            }
        }
    }
}

#[test]
fn without_a_coupling_the_divergence_is_that_of_the_diagonal_family() {
    let mut rng = Rng::new(2);
    let prior = GpPrior::new(&Tensor::eye(4, DType::F64), LATENT).unwrap();
    let raw = normals(&[3, 4, 2 * LATENT], &mut rng);
    let found = GpPosterior::encoded(GpForm::Diagonal, &raw, &prior).unwrap().kl();
    let zero = Tensor::zeros(&[LATENT], DType::F64);
    let rows = Family::GaussDiag.posterior(&raw.reshape(&[12, 2 * LATENT]), LATENT, -30.0);
    let each = rows.kl_to_diagonal(&zero, &zero).unwrap().reshape(&[3, 4, LATENT]).sum_axis(1, false);
    for (found, expected) in found.to_vec().iter().zip(each.to_vec()) {
        assert_near("kl", *found, expected);
    }
}

#[test]
fn far_too_noisy_observations_leave_the_prior() {
    let prior = process(4);
    let full = |value: f64| Tensor::full(&[1, 4, LATENT], value, DType::F64);
    let raw = Tensor::cat(&[full(1.0), full(20.0)], -1);
    let q = GpPosterior::encoded(GpForm::Sites, &raw, &prior).unwrap();
    // The noise has the variance e^20, 5e8.
    assert!(q.kl().to_vec().iter().all(|kl| kl.abs() < 1e-7));
    assert!(q.variance().to_vec().iter().all(|v| (v - 1.6).abs() < 1e-7));
}

#[test]
fn gradients_along_inputs_are_those_of_the_values() {
    let mut rng = Rng::new(3);
    let inputs = 3;
    let shape = [2, inputs, 2 * LATENT];
    let start = normals(&shape, &mut rng);
    let (z, weights) = (normals(&[2, inputs, LATENT], &mut rng), normals(&[2, 2, inputs, LATENT], &mut rng));
    for form in FORMS {
        let prior = GpPrior::new(&smooth(&places(inputs), &Tensor::scalar(0.2)), LATENT).unwrap();
        let noise = GpPosterior::encoded(form, &start, &prior).unwrap().noise(2, &mut Rng::new(4));
        let value = |raw: &Tensor, log_lengthscale: &Tensor| {
            let prior = GpPrior::new(&smooth(&places(inputs), log_lengthscale), LATENT).unwrap();
            let q = GpPosterior::encoded(form, raw, &prior).unwrap();
            let of_density = q.log_prob(&z).sum() + prior.log_prob(&q.mean()).sum();
            let of_moments = q.entropy().sum() * 0.3 + q.variance().square().sum();
            q.kl().sum() + (q.rsample(&noise) * &weights).sum() + of_density + of_moments
        };
        let (raw, scale) = (start.clone().variable(), Tensor::scalar(0.2).variable());
        let exact = grad(&value(&raw, &scale), &[&raw, &scale]);
        let exact: Vec<f64> = exact[0].to_vec().into_iter().chain([exact[1].item()]).collect();
        let at: Vec<f64> = start.to_vec().into_iter().chain([0.2]).collect();
        for (i, exact) in exact.iter().enumerate() {
            let shifted = |delta: f64| {
                let mut moved = at.clone();
                moved[i] += delta;
                let (raw, scale) = moved.split_at(at.len() - 1);
                value(&Tensor::from_slice(raw, &shape), &Tensor::scalar(scale[0])).item()
            };
            let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            assert!((numeric - exact).abs() <= 2e-6 * exact.abs().max(1.0), "{form:?} d{i}: {numeric} vs {exact}");
        }
    }
}

/// Draws `[n, T]` have this mean and covariance, within five standard errors of each.
fn assert_moments(draws: &Tensor, mean: &Tensor, covariance: &Tensor) {
    let n = draws.size(0) as f64;
    let centred = draws - mean;
    let found = (centred.t().matmul(&centred) * (1.0 / n)).to_vec();
    let (shift, covariance, size) = (centred.mean_axis(0, false).to_vec(), covariance.to_vec(), draws.size(1));
    for i in 0..size {
        let own = covariance[i * size + i];
        assert!(shift[i].abs() < 5.0 * (own / n).sqrt(), "mean {i} off by {}", shift[i]);
        for j in 0..size {
            let (k, other) = (covariance[i * size + j], covariance[j * size + j]);
            let error = ((own * other + k * k) / n).sqrt();
            let found = found[i * size + j];
            assert!((found - k).abs() < 5.0 * error, "covariance {i} {j}: {found} vs {k}");
        }
    }
}

#[test]
fn draws_along_inputs_have_the_moments_of_prior_and_posterior() {
    let mut rng = Rng::new(5);
    let (inputs, count) = (3, 20_000);
    let prior = process(inputs);
    let drawn = prior.sample(count, &mut rng);
    assert_eq!(drawn.shape(), [count, inputs, LATENT]);
    let zero = Tensor::zeros(&[inputs], DType::F64);
    for l in 0..LATENT {
        assert_moments(&drawn.select(-1, l).contiguous(), &zero, &covariance(l, inputs));
    }
    let raw = normals(&[1, inputs, 2 * LATENT], &mut rng);
    for form in FORMS {
        let q = GpPosterior::encoded(form, &raw, &prior).unwrap();
        let drawn = q.rsample(&q.noise(count, &mut rng)).select(1, 0);
        for l in 0..LATENT {
            let own = dense(form, &raw, (0, l));
            assert_moments(&drawn.select(-1, l).contiguous(), own.location(), &own.covariance());
        }
    }
}

fn model(rng: &mut Rng) -> Vae {
    let config = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::Standard);
    shaken(&config, &ObjectiveConfig::default(), rng)
}

#[test]
fn the_objective_along_uncoupled_inputs_is_that_of_the_data_points_alone() {
    let mut rng = Rng::new(6);
    let vae = model(&mut rng);
    let flat = bernoulli(8, &mut rng);
    let prior = GpPrior::new(&Tensor::eye(4, DType::F64), LATENT).unwrap();
    let x = flat.reshape(&[2, 4, 3]);
    let found = vae.losses_along(&x, (GpForm::Diagonal, &prior), 1, &mut Rng::new(7)).unwrap();
    let alone = vae.losses(&flat, &ObjectiveConfig::default(), 0, &mut Rng::new(7)).unwrap();
    assert_near("kl of a sequence", found.kl.item(), 4.0 * alone.terms[1].item());
    let means = vae.generate(&found.z.reshape(&[8, LATENT]), false, &mut Rng::new(0));
    let log_likelihood = &flat * means.log() + (1.0 - &flat) * (1.0 - &means).log();
    assert_near("reconstruction", found.reconstruction.item(), -log_likelihood.sum().item() / 2.0);
}

#[test]
fn the_objective_along_inputs_has_the_gradient_of_its_value() {
    for form in FORMS {
        let mut rng = Rng::new(8);
        let mut vae = model(&mut rng);
        let x = bernoulli(6, &mut rng).reshape(&[2, 3, 3]);
        let prior = process(3);
        let loss = |vae: &Vae| {
            let losses = vae.losses_along(&x, (form, &prior), 3, &mut Rng::new(9)).unwrap();
            losses.reconstruction + losses.kl
        };
        assert_gradient(&format!("{form:?}"), &mut vae, loss, 2e-6);
        assert!(vae.gradient(&loss(&vae)).iter().any(|g| g.abs() > 1e-3));
    }
}

#[test]
fn covariances_and_sequences_of_other_shapes_are_refused_by_name() {
    let refused = |covariance: &Tensor, what: &str| {
        let error = GpPrior::new(covariance, LATENT).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(&Tensor::zeros(&[3, 4], DType::F64), "of shape [3, 4] for 2 dimensions");
    refused(&Tensor::zeros(&[3, 4, 4], DType::F64), "of shape [3, 4, 4] for 2 dimensions");
    refused(&Tensor::full(&[2, 2], f64::NAN, DType::F64), "not finite");
    refused(&Tensor::from_slice(&[1.0, 0.5, 0.0, 1.0], &[2, 2]), "asymmetric by 5.0e-1");
    refused(&Tensor::from_slice(&[1.0, 2.0, 2.0, 1.0], &[2, 2]), "not positive definite");
    let error = GpPrior::of_kernels(&places(3), 2, |_, t| t.clone()).unwrap_err().to_string();
    assert!(error.contains("[3, 1]"), "{error}");
    let prior = process(3);
    let short = GpPosterior::encoded(GpForm::Sites, &Tensor::zeros(&[1, 2, 4], DType::F64), &prior);
    assert!(short.unwrap_err().to_string().contains("[1, 2, 4], not [B, 3, 4]"));
    let broken = GpPosterior::encoded(GpForm::Diagonal, &Tensor::full(&[1, 3, 4], f64::NAN, DType::F64), &prior);
    assert!(broken.unwrap_err().to_string().contains("not finite"));

    let mut rng = Rng::new(10);
    let vae = model(&mut rng);
    let refused = |vae: &Vae, x: &Tensor, prior: &GpPrior, what: &str| {
        let error = vae.losses_along(x, (GpForm::Diagonal, prior), 1, &mut Rng::new(0)).err().unwrap().to_string();
        assert!(error.contains(what), "{error}");
    };
    let x = Tensor::zeros(&[1, 3, 3], DType::F64);
    refused(&vae, &Tensor::zeros(&[1, 2, 3], DType::F64), &prior, "[1, 2, 3], not [B, 3, 3]");
    refused(&vae, &x, &GpPrior::new(&covariance(0, 3), 5).unwrap(), "2 where the process has 5 dimensions");
    let learned = VaeConfig { prior: PriorConfig::Diagonal, ..vae.config().clone() };
    refused(&shaken(&learned, &ObjectiveConfig::default(), &mut rng), &x, &prior, "`prior` is diagonal");
    let full = VaeConfig { family: Family::GaussFull, ..vae.config().clone() };
    refused(&shaken(&full, &ObjectiveConfig::default(), &mut rng), &x, &prior, "`family` is gauss_full");
}
