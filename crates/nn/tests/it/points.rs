//! Sigma points, codes that are points, and codes of which few numbers are kept: exact expectations, limits, gradients, and what is refused.

use crate::common::{assert_gradient, bernoulli, normals, objective, shaken, small};
use elbo_core::{Rng, Run};
use elbo_infer::LogDensity;
use elbo_nn::model::LatentSettings;
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig};
use elbo_nn::vae::divergence::Kernel;
use elbo_nn::vae::{
    Estimate, Evaluation, EvaluationConfig, Family, Gradient, LikelihoodConfig, Noise, ObjectiveConfig, Posterior,
    PriorConfig, SigmaPointsConfig, Term, Training, TrainingConfig, Vae, VaeConfig,
};
use elbo_nn::{Activation, Pass};
use elbo_tensor::{Parameters, Tensor};

const KL: Term = Term::Kl { estimate: Estimate::Closed };
const MMD: Term = Term::Mmd { kernel: Kernel::InverseMultiquadric, buffer: 0 };

fn config(family: Family, latent: usize) -> VaeConfig {
    VaeConfig { latent, ..small(LikelihoodConfig::Bernoulli, family, PriorConfig::Standard) }
}

fn sigma_points(is_full: bool, lambda: f64) -> Family {
    Family::SigmaPoints(SigmaPointsConfig { is_full, lambda })
}

/// log p(x | z) for each code `z: [N, L]` and data point of the same place, `[N]`, from the decoder's means.
fn log_likelihoods(vae: &Vae, z: &Tensor, x: &Tensor) -> Tensor {
    let means = vae.generate(z, false, &mut Rng::new(0));
    (x * means.log() + (1.0 - x) * (1.0 - means).log()).sum_axis(-1, false)
}

fn refused(config: &VaeConfig, objective: &ObjectiveConfig, part: &str) {
    let error = config.build(&[3], objective, &mut Rng::new(0)).err().unwrap().to_string();
    assert!(error.contains(part), "{error}");
}

#[test]
fn sums_over_sigma_points_are_the_moments_up_to_the_third() {
    const LATENT: usize = 3;
    for (is_full, lambda) in [(false, 0.0), (false, 1.5), (true, 1e-3), (true, 3.0)] {
        let mut rng = Rng::new(1);
        let objective = ObjectiveConfig::default();
        let vae = shaken(&config(sigma_points(is_full, lambda), LATENT), &objective, &mut rng);
        let losses = vae.losses(&bernoulli(2, &mut rng), &objective, 0, &mut rng).unwrap();
        let draws = &losses.draws;
        let (points, weights) = (draws.points.to_vec(), draws.weights.as_ref().unwrap().to_vec());
        let covariance = match &draws.q {
            Posterior::Diagonal { log_variance, .. } => log_variance.exp().diag(),
            Posterior::Full { factor, .. } => factor.matmul(&factor.t()),
            other => panic!("{other:?} is no Gaussian"),
        };
        for row in 0..2 {
            let mu = draws.q.mean().row(row).to_vec();
            let s = covariance.row(row).to_vec();
            let sum = |of: &dyn Fn(&[f64]) -> f64| -> f64 {
                (0..1 + 2 * LATENT)
                    .map(|k| weights[2 * k + row] * of(&points[(2 * k + row) * LATENT..(2 * k + row + 1) * LATENT]))
                    .sum()
            };
            assert!((sum(&|_| 1.0) - 1.0).abs() < 1e-12);
            for i in 0..LATENT {
                assert!((sum(&|z| z[i]) - mu[i]).abs() < 1e-10);
                for j in 0..LATENT {
                    let second = mu[i] * mu[j] + s[LATENT * i + j];
                    assert!((sum(&|z| z[i] * z[j]) - second).abs() < 1e-10, "{is_full}, {lambda}");
                    for k in 0..LATENT {
                        let c = |a: usize, b: usize| s[LATENT * a + b];
                        let third = mu[i] * mu[j] * mu[k] + mu[i] * c(j, k) + mu[j] * c(i, k) + mu[k] * c(i, j);
                        assert!((sum(&|z| z[i] * z[j] * z[k]) - third).abs() < 1e-10, "{is_full}, {lambda}");
                    }
                }
            }
        }
    }
}

#[test]
fn objectives_with_sigma_points_have_the_gradient_of_their_value() {
    // Without a closed divergence the estimate that is called closed holds parameters, so that its value has another derivative.
    let priors = [
        (PriorConfig::Standard, Estimate::Closed),
        (PriorConfig::mixture(2), Estimate::Closed),
        (PriorConfig::mixture(2), Estimate::Sampled),
        (PriorConfig::Vamp { components: 2 }, Estimate::Sampled),
        (PriorConfig::Hierarchical { latent: 1, hidden: vec![3] }, Estimate::Sampled),
    ];
    for (prior, estimate) in priors {
        for is_full in [false, true] {
            let objective = objective(&[Term::Reconstruction, Term::Kl { estimate }], 1);
            let mut rng = Rng::new(2);
            let config = VaeConfig { prior: prior.clone(), ..config(sigma_points(is_full, 0.5), 2) };
            let mut vae = shaken(&config, &objective, &mut rng);
            let x = bernoulli(4, &mut rng);
            let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(3)).unwrap().total(&[1.0, 0.7]);
            assert_gradient(&format!("{prior:?}, {is_full}"), &mut vae, loss, 5e-6);
        }
    }
}

#[test]
fn a_model_with_sigma_points_is_measured_as_the_gaussian_that_it_is() {
    let mut rng = Rng::new(4);
    let bound = ObjectiveConfig::default();
    let values: Vec<f32> = bernoulli(30, &mut rng).to_vec().iter().map(|v| *v as f32).collect();
    for (is_full, family) in [(false, Family::GaussDiag), (true, Family::GaussFull)] {
        // The same starting weights.
        let build = |family| config(family, 2).build(&[3], &bound, &mut Rng::new(5)).unwrap();
        let (ours, gaussian) = (build(sigma_points(is_full, 1.0)), build(family));
        let effort = EvaluationConfig { draws: 50, pairs: 30 };
        assert_eq!(
            ours.evaluate(&values, &effort, &mut Rng::new(6)),
            gaussian.evaluate(&values, &effort, &mut Rng::new(6))
        );
    }
}

#[test]
fn a_model_of_points_is_an_autoencoder() {
    let mut rng = Rng::new(7);
    let objective = objective(&[Term::Reconstruction, Term::Wasserstein], 2);
    objective.check(5).unwrap();
    let vae = shaken(&config(Family::Dirac, 2), &objective, &mut rng);
    let x = bernoulli(5, &mut rng);
    let losses = vae.losses(&x, &objective, 0, &mut rng).unwrap();
    let code = vae.posterior(&x, &mut Pass::evaluation()).mean().clone();
    let expected = -log_likelihoods(&vae, &code, &x).mean().item();
    assert!((losses.terms[0].item() - expected).abs() < 1e-12, "{} vs {expected}", losses.terms[0].item());
    // A point has no spread: |mu|² and one for each dimension.
    let expected = code.square().sum_axis(-1, false).mean().item() + 2.0;
    assert!((losses.terms[1].item() - expected).abs() < 1e-12, "{} vs {expected}", losses.terms[1].item());
    assert_eq!(losses.draws.z.select(0, 0).to_vec(), losses.draws.z.select(0, 1).to_vec(), "all draws are the point");
}

#[test]
fn a_gaussian_that_narrows_becomes_a_point() {
    let bound = objective(&[Term::Reconstruction], 1);
    let mut rng = Rng::new(8);
    let x = bernoulli(6, &mut rng);
    let gaussian = |least: f64, most: f64| {
        let config = VaeConfig { least_log_variance: least, ..config(Family::GaussDiag, 2) };
        let mut vae = config.build(&[3], &bound, &mut Rng::new(9)).unwrap();
        vae.visit_mut(&mut |name, p| {
            if name == "encoder.2.bias" {
                let mut bias = p.value();
                bias[2..].fill(most);
                p.set_free(&bias);
            }
        });
        let drawn = vae.losses(&x, &bound, 0, &mut Rng::new(1)).unwrap().terms[0].item();
        let code = vae.posterior(&x, &mut Pass::evaluation()).mean().clone();
        (drawn + log_likelihoods(&vae, &code, &x).mean().item()).abs()
    };
    // The difference from the point is of the order of the standard deviation.
    let (wide, narrow) = (gaussian(-60.0, 0.0), gaussian(-60.0, -40.0));
    assert!(narrow < 1e-7 && wide > 1e-3, "{wide}, {narrow}");
}

#[test]
fn objectives_of_points_have_the_gradient_of_their_value() {
    let stein = Term::Stein { kernel: Kernel::InverseMultiquadric };
    for second in [MMD, stein, Term::Wasserstein, Term::Adversarial { hidden: vec![4] }] {
        for topk in [None, Some(1)] {
            if topk.is_some() && matches!(second, Term::Stein { .. }) {
                continue;
            }
            let objective = objective(&[Term::Reconstruction, second.clone()], 1);
            let mut rng = Rng::new(10);
            let mut vae = shaken(&VaeConfig { topk, ..config(Family::Dirac, 2) }, &objective, &mut rng);
            let x = bernoulli(5, &mut rng);
            let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(3)).unwrap().total(&[1.0, 0.7]);
            assert_gradient(&format!("{second:?}, {topk:?}"), &mut vae, loss, 5e-6);
        }
    }
}

#[test]
fn a_model_of_points_has_a_reconstruction_and_no_bounds() {
    let mut rng = Rng::new(11);
    let objective = objective(&[Term::Reconstruction, MMD], 1);
    let vae = shaken(&config(Family::Dirac, 2), &objective, &mut rng);
    let x = bernoulli(40, &mut rng);
    let values: Vec<f32> = x.to_vec().iter().map(|v| *v as f32).collect();
    let found = vae.evaluate(&values, &EvaluationConfig { draws: 50, pairs: 40 }, &mut rng);
    let none = [found.elbo, found.elbo_se, found.kl, found.iwae, found.iwae_se, found.bits_per_dim];
    assert!(none.iter().all(|v| v.is_nan()) && found.mutual_information.is_nan() && found.aggregated_kl.is_nan());
    let code = vae.encode(&values).mean().clone();
    let expected = log_likelihoods(&vae, &code, &x).mean().item();
    assert!((found.reconstruction - expected).abs() < 1e-9, "{} vs {expected}", found.reconstruction);
    assert!(found.mmd.is_finite() && found.sliced_wasserstein.is_finite() && found.code_log_det.is_finite());
    let spread = code.variance_axis(0, false, 1).mean().item();
    assert!((found.code_variance - spread).abs() < 1e-9);
    // A file keeps what is no number as such.
    let stored: Evaluation = serde_json::from_value(serde_json::to_value(&found).unwrap()).unwrap();
    assert!(stored.elbo.is_nan() && stored.effective_share.is_nan() && stored.reconstruction == found.reconstruction);
}

#[test]
fn keeping_all_numbers_changes_nothing_and_keeping_some_leaves_their_densities() {
    let objective = objective(&[Term::Reconstruction, KL], 2);
    let mut rng = Rng::new(12);
    let x = bernoulli(5, &mut rng);
    let losses = |topk| {
        let vae =
            VaeConfig { topk, ..config(Family::GaussDiag, 4) }.build(&[3], &objective, &mut Rng::new(13)).unwrap();
        vae.losses(&x, &objective, 0, &mut Rng::new(14)).unwrap()
    };
    let (all, kept, some) = (losses(None), losses(Some(4)), losses(Some(2)));
    for term in 0..2 {
        assert_eq!(all.terms[term].item(), kept.terms[term].item());
    }
    assert_ne!(all.terms[0].item(), some.terms[0].item());
    assert_eq!(all.terms[1].item(), some.terms[1].item(), "the divergence is that of all numbers");
    assert_eq!(all.draws.points.to_vec(), some.draws.points.to_vec());
    for code in some.draws.z.to_vec().chunks(4) {
        assert_eq!(code.iter().filter(|v| **v != 0.0).count(), 2, "{code:?}");
    }
}

#[test]
fn objectives_with_few_numbers_kept_have_the_gradient_of_their_value() {
    let iwae = Term::Iwae { gradient: Gradient::Plain, groups: 1, beta: 0.3 };
    for terms in [vec![Term::Reconstruction, KL], vec![iwae], vec![Term::Reconstruction, MMD]] {
        for flow in [None, Some("iaf:1x4")] {
            let objective = objective(&terms, 2);
            let mut rng = Rng::new(15);
            let flow = flow.map(str::to_owned);
            let config = VaeConfig { topk: Some(1), flow, ..config(Family::GaussDiag, 3) };
            let mut vae = shaken(&config, &objective, &mut rng);
            let x = bernoulli(4, &mut rng);
            let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(3)).unwrap().total(&[1.0, 0.7]);
            assert_gradient(&format!("{terms:?}"), &mut vae, loss, 5e-6);
        }
    }
}

#[test]
fn the_decoder_sees_kept_numbers_alone_whoever_asks() {
    let mut rng = Rng::new(16);
    let vae = shaken(&VaeConfig { topk: Some(1), ..config(Family::GaussDiag, 3) }, &Default::default(), &mut rng);
    let z = normals(&[20, 3], &mut rng);
    let made = |z: &Tensor| vae.generate(z, false, &mut Rng::new(0)).to_vec();
    assert_eq!(made(&z), made(&vae.kept(&z)));
    let drawn = vae.sample_prior(50, &mut rng);
    assert!(drawn.to_vec().chunks(3).all(|code| code.iter().filter(|v| **v != 0.0).count() == 1));
    // The density of all numbers, of which the likelihood knows the largest.
    let row = [1.0, 0.0, 1.0];
    let found = vae.joint(&row).unwrap().log_prob(&z);
    let x = vae.tensor(&row).broadcast_to(&[20, 3]);
    let prior = z.square().sum_axis(-1, false) * -0.5 - 1.5 * std::f64::consts::TAU.ln();
    let expected = log_likelihoods(&vae, &z, &x) + prior;
    assert!((found - expected).abs().max().item() < 1e-10);
}

#[test]
fn sparse_codes_of_points_learn() {
    // Two of six directions at a time, in ten elements.
    let mut rng = Rng::new(17);
    let directions = normals(&[6, 10], &mut rng);
    let rows = 300;
    let codes: Vec<f64> = (0..rows)
        .flat_map(|_| {
            let chosen = rng.choose(6, 2);
            let sizes = [rng.range(0.5, 1.5), rng.range(0.5, 1.5)];
            let mut code = [0.0; 6];
            chosen.iter().zip(sizes).for_each(|(i, size)| code[*i] = size);
            code
        })
        .collect();
    let x = Tensor::from_vec(codes, &[rows, 6]).matmul(&directions);
    let values: Vec<f32> = x.to_vec().iter().map(|v| *v as f32).collect();
    let likelihood = LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 1.0 } };
    let objective = objective(&[Term::Reconstruction], 1);
    let mlp = MlpConfig::new(&[64], Activation::Relu);
    let (encoder, decoder) = (EncoderConfig::Mlp(mlp.clone()), DecoderConfig::Mlp(mlp));
    let config = VaeConfig { family: Family::Dirac, topk: Some(2), encoder, decoder, likelihood, ..VaeConfig::new(12) };
    let mut vae = config.build(&[10], &objective, &mut rng).unwrap();
    let error = |vae: &Vae| {
        let made = vae.generate(&vae.encode(&values).mean().cast(vae.dtype()), false, &mut Rng::new(0)).to_f64();
        (made - &x).square().mean().item() / x.variance(0).item()
    };
    let before = error(&vae);
    let settings = TrainingConfig { epochs: 200, batch: 50, rate: 3e-3, ..Default::default() };
    let training = Training::new(&values, 10, &objective, &settings, &mut rng).unwrap();
    training.run(&mut vae, &mut Run::new(1)).unwrap();
    let after = error(&vae);
    assert!(after < 0.5 && after < 0.5 * before, "{before} to {after} of the variance");
}

#[test]
fn families_are_set_by_a_word_and_few_numbers_by_their_count() {
    let read = |text: &str| serde_json::from_str::<LatentSettings>(text);
    assert_eq!(read(r#"{"family": "dirac"}"#).unwrap().family, Family::Dirac);
    assert_eq!(read(r#"{"family": "sigma_points"}"#).unwrap().family, sigma_points(false, 1e-3));
    let full = r#"{"family": {"type": "sigma_points", "is_full": true, "lambda": 2.0}}"#;
    assert_eq!(read(full).unwrap().family, sigma_points(true, 2.0));
    let sparse = read(r#"{"topk": 3, "latent": 8}"#).unwrap();
    assert_eq!(sparse.topk, Some(3));
    sparse.check().unwrap();
    let error = read(r#"{"topk": 9, "latent": 8}"#).unwrap().check().unwrap_err();
    assert!(error.to_string().contains("`topk` is 9"), "{error}");
    for family in [Family::Dirac, sigma_points(true, 2.0)] {
        let config = VaeConfig { topk: Some(1), ..config(family, 2) };
        assert_eq!(serde_json::from_value::<VaeConfig>(serde_json::to_value(&config).unwrap()).unwrap(), config);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let bound = ObjectiveConfig::default();
    let dirac = || config(Family::Dirac, 2);
    refused(&dirac(), &bound, "`family` is dirac with the term kl");
    refused(&dirac(), &ObjectiveConfig::iwae(3, Gradient::Plain), "`family` is dirac");
    refused(&dirac(), &objective(&[Term::WakeSleep], 1), "`family` is dirac");
    refused(
        &dirac(),
        &objective(&[Term::Reconstruction, Term::Jacobian], 1),
        "jacobian penalty with the family `dirac`",
    );
    let alone = objective(&[Term::Reconstruction], 1);
    let vamp = PriorConfig::Vamp { components: 2 };
    refused(&VaeConfig { prior: vamp, ..dirac() }, &alone, "`prior` is vamp with the family `dirac`");
    refused(&VaeConfig { flow: Some("iaf:1x4".into()), ..dirac() }, &alone, "with the family `dirac`");
    assert!(dirac().build(&[3], &alone, &mut Rng::new(0)).unwrap().joint(&[1.0; 3]).is_err());

    let sigma = || config(sigma_points(false, 1.0), 2);
    refused(&config(sigma_points(false, -0.5), 2), &bound, "`family.lambda` is -0.5");
    refused(&sigma(), &objective(&[Term::Reconstruction, KL], 3), "`draws` is 3 with sigma points");
    refused(&sigma(), &objective(&[Term::Reconstruction, MMD], 1), "`family` is sigma_points with the term mmd");
    refused(&sigma(), &ObjectiveConfig::iwae(1, Gradient::Plain), "`family` is sigma_points");
    refused(&VaeConfig { flow: Some("iaf:1x4".into()), ..sigma() }, &bound, "with the family `sigma_points`");

    let sparse = |k| VaeConfig { topk: Some(k), ..config(Family::GaussDiag, 2) };
    refused(&sparse(0), &bound, "`topk` is 0");
    refused(&sparse(3), &bound, "`topk` is 3");
    let stein = Term::Stein { kernel: Kernel::Rbf };
    refused(&sparse(1), &objective(&[Term::Reconstruction, stein], 1), "`topk` is 1 with a stein discrepancy");
    refused(&sparse(1), &objective(&[Term::WakeSleep], 1), "`topk` is 1");
}
