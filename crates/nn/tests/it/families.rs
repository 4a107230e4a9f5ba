//! Codes that are no Gaussian vectors: classes, points on a sphere, shares. Their divergences, gradients and limits, and what is refused.

use crate::common::{assert_gradient, bernoulli, normals, objective, small};
use elbo_core::{Rng, Run};
use elbo_nn::model::LatentSettings;
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig, Start};
use elbo_nn::vae::divergence::Kernel;
use elbo_nn::vae::{
    Classes, ClassesConfig, Decay, Estimate, EvaluationConfig, Family, Gradient, LikelihoodConfig, ObjectiveConfig,
    Path, Posterior, PriorConfig, PriorPass, Shares, Sphere, SphereConfig, Term, Training, TrainingConfig, Vae,
    VaeConfig, Weight,
};
use elbo_nn::{Activation, Init, Pass};
use elbo_tensor::{DType, Parameters, Tensor, grad};

const SUMMED: Family = Family::Categorical(ClassesConfig {
    most_summed: 64,
    temperature: 1.0,
    last_temperature: 0.5,
    cooling: 10_000,
    straight_through: false,
});
const RELAXED: Family = Family::Categorical(ClassesConfig {
    most_summed: 0,
    temperature: 1.0,
    last_temperature: 0.5,
    cooling: 10_000,
    straight_through: false,
});
const SPHERE: Family = Family::Vmf(SphereConfig { concentration: None });
const FIXED: Family = Family::Vmf(SphereConfig { concentration: Some(4.0) });

fn config(family: Family, prior: PriorConfig, latent: usize) -> VaeConfig {
    VaeConfig { latent, ..small(LikelihoodConfig::Bernoulli, family, prior) }
}

fn built(family: Family, prior: PriorConfig, latent: usize, rng: &mut Rng) -> Vae {
    config(family, prior, latent).build(&[3], &ObjectiveConfig::default(), rng).unwrap()
}

fn mean_and_error(values: &Tensor) -> (f64, f64) {
    (values.mean().item(), (values.variance(1).item() / values.len() as f64).sqrt())
}

/// log p(x | k) of every class, `[K, B]`, from the decoder's means of one-hot codes.
fn log_likelihoods(vae: &Vae, x: &Tensor) -> Tensor {
    let means = vae.generate(&Tensor::eye(vae.latent(), DType::F64), false, &mut Rng::new(0)).unsqueeze(1);
    (x * means.log() + (1.0 - x) * (1.0 - means).log()).sum_axis(-1, false)
}

#[test]
fn the_objective_of_few_classes_is_the_sum_over_them() {
    let mut rng = Rng::new(1);
    let vae = built(SUMMED, PriorConfig::Standard, 4, &mut rng);
    let x = bernoulli(6, &mut rng);
    let q = vae.posterior(&x, &mut Pass::evaluation());
    let probs = q.mean().t();
    let each = (log_likelihoods(&vae, &x) + 0.25f64.ln() - probs.log()) * &probs;
    let losses = vae.losses(&x, &ObjectiveConfig::default(), 0, &mut Rng::new(2)).unwrap();
    let (found, expected) = (-losses.total(&[1.0, 1.0]).item(), each.sum_axis(0, false).mean().item());
    assert!((found - expected).abs() < 1e-12, "{found} vs {expected}");
    // Nothing is drawn.
    let again = vae.losses(&x, &ObjectiveConfig::default(), 7, &mut Rng::new(3)).unwrap();
    assert_eq!(again.total(&[1.0, 1.0]).item(), -found);
}

#[test]
fn objectives_of_classes_have_the_gradient_of_their_value() {
    let closed = Term::Kl { estimate: Estimate::Closed };
    let sets = [
        vec![Term::Reconstruction, closed],
        vec![Term::Reconstruction, Term::FreeBits { least: 0.001 }],
        vec![Term::Reconstruction, Term::Capacity { to: 1.0, steps: 10 }],
    ];
    for terms in sets {
        for (family, draws) in [(SUMMED, 1), (RELAXED, 3)] {
            for prior in [PriorConfig::Standard, PriorConfig::Shares] {
                let objective = objective(&terms, draws);
                let mut rng = Rng::new(3);
                let mut vae = config(family, prior, 4).build(&[3], &objective, &mut rng).unwrap();
                let x = bernoulli(5, &mut rng);
                let loss = |vae: &Vae| vae.losses(&x, &objective, 4, &mut Rng::new(2)).unwrap().total(&[1.0, 0.7]);
                assert_gradient(&format!("{family:?} {terms:?}"), &mut vae, loss, 2e-6);
            }
        }
    }
}

#[test]
fn straight_through_draws_are_classes_that_move_the_encoder() {
    let family = Family::Categorical(ClassesConfig { most_summed: 0, straight_through: true, ..Default::default() });
    let mut rng = Rng::new(4);
    let vae = built(family, PriorConfig::Standard, 4, &mut rng);
    let x = bernoulli(5, &mut rng);
    let losses = vae.losses(&x, &ObjectiveConfig::default(), 0, &mut rng).unwrap();
    assert!(losses.draws.z.to_vec().iter().all(|v| v.abs() < 1e-12 || (v - 1.0).abs() < 1e-12));
    let gradient = vae.gradient(&losses.terms[0]);
    let mut width = 0;
    vae.visit(&mut |name, p| width += if name.starts_with("encoder") { p.len() } else { 0 });
    assert!(gradient[..width].iter().any(|g| g.abs() > 1e-6));
}

#[test]
fn temperatures_fall_by_the_same_factor_at_every_step() {
    let config = ClassesConfig { temperature: 2.0, last_temperature: 0.5, cooling: 100, ..Default::default() };
    for (step, expected) in [(0, 2.0), (50, 1.0), (100, 0.5), (1000, 0.5)] {
        assert!((config.temperature_at(step) - expected).abs() < 1e-12, "step {step}");
    }
    assert_eq!(ClassesConfig { cooling: 0, ..config }.temperature_at(0), 0.5);
}

#[test]
fn weights_of_drawn_classes_average_to_the_bound_and_to_the_evidence() {
    let mut rng = Rng::new(5);
    for family in [SUMMED, RELAXED] {
        let mut vae = built(family, PriorConfig::Standard, 4, &mut rng);
        // Far from the posterior, so that bound and evidence differ.
        let spread: Vec<f64> = vae.pack().iter().map(|p| 2.0 * p).collect();
        vae.unpack(&spread);
        let x = bernoulli(3, &mut rng);
        let log_probs = vae.posterior(&x, &mut Pass::evaluation()).mean().t().log();
        let log_joint = log_likelihoods(&vae, &x) + 0.25f64.ln();
        let bound = ((&log_joint - &log_probs) * log_probs.exp()).sum_axis(0, false).to_vec();
        let evidence = log_joint.log_sum_exp(0, false).exp().to_vec();
        let weights = vae.log_weights(&x, 20_000, &mut rng).weights;
        for (row, (bound, evidence)) in bound.iter().zip(&evidence).enumerate() {
            let (mean, error) = mean_and_error(&weights.select(1, row));
            assert!((mean - bound).abs() < 4.5 * error + 1e-9, "{mean} +- {error} vs {bound}");
            let (mean, error) = mean_and_error(&weights.select(1, row).exp());
            assert!((mean - evidence).abs() < 4.5 * error + 1e-9, "{mean} +- {error} vs {evidence}");
        }
    }
}

#[test]
fn closed_divergences_are_the_average_of_log_ratios() {
    let mut rng = Rng::new(6);
    let raw = normals(&[2, 4], &mut rng);
    let wide = normals(&[2, 5], &mut rng) * 3.0;
    let few = PriorConfig::Dirichlet { concentration: 0.4 };
    let posterior = |family: Family, raw: &Tensor| family.posterior(raw, 4, -30.0);
    let cases = [
        (SUMMED, PriorConfig::Standard, posterior(SUMMED, &raw)),
        (FIXED, PriorConfig::Standard, posterior(FIXED, &raw)),
        (SPHERE, PriorConfig::Standard, posterior(SPHERE, &wide)),
        (Family::Dirichlet, PriorConfig::Standard, posterior(Family::Dirichlet, &raw)),
        (Family::Dirichlet, few, posterior(Family::Dirichlet, &raw)),
    ];
    for (family, prior, q) in cases {
        let vae = built(family, prior.clone(), 4, &mut rng);
        let closed = vae.prior().kl(&q).unwrap().sum_axis(-1, false).to_vec();
        let entropy = q.entropy().unwrap().to_vec();
        let points = q.rsample(&q.noise(20_000, &mut rng));
        let path = Path::new(Gradient::Plain);
        let mut noise = Rng::new(0);
        let mut pass = PriorPass { pseudo: None, labels: &[], rng: &mut noise, path: &path };
        let log_p = vae.prior().log_prob(&points, &mut pass);
        let log_q = q.log_prob(&points);
        for row in 0..2 {
            let (mean, error) = mean_and_error(&(&log_q - &log_p).select(1, row));
            let exact = closed[row];
            assert!((mean - exact).abs() < 4.5 * error + 1e-9, "{family:?} {prior:?}: {mean} +- {error} vs {exact}");
            let (mean, error) = mean_and_error(&-log_q.select(1, row));
            let exact = entropy[row];
            assert!((mean - exact).abs() < 4.5 * error + 1e-9, "{family:?}: entropy {mean} +- {error} vs {exact}");
        }
    }
}

#[test]
fn on_the_sphere_in_three_dimensions_the_divergence_is_elementary_and_vanishes_with_the_concentration() {
    let vae = built(SPHERE, PriorConfig::Standard, 3, &mut Rng::new(0));
    let kl = |k: f64| {
        let q = Sphere::new(Tensor::from_vec(vec![0.0, 3.0, 4.0], &[1, 3]), Tensor::from_vec(vec![k], &[1]));
        vae.prior().kl(&Posterior::Sphere(q)).unwrap().item()
    };
    for k in [0.5f64, 3.0, 20.0] {
        // The density is k / (4π sinh k) exp(k w), and E w = coth k - 1/k.
        let expected = k / k.tanh() - 1.0 + (k / k.sinh()).ln();
        assert!((kl(k) - expected).abs() < 1e-10, "{k}: {} vs {expected}", kl(k));
    }
    // k² / 2L near zero.
    let small = 1e-3;
    assert!((kl(small) - small * small / 6.0).abs() < 1e-11, "{}", kl(small));
}

#[test]
fn posteriors_that_are_the_prior_cost_nothing() {
    let ones = Posterior::Shares(Shares::new(Tensor::ones(&[2, 3], DType::F64)));
    let half = Posterior::Shares(Shares::new(Tensor::full(&[2, 3], 0.5, DType::F64)));
    let equal = Posterior::Classes(Classes::new(Tensor::full(&[2, 3], -1.7, DType::F64)));
    let cases = [
        (Family::Dirichlet, PriorConfig::Standard, ones),
        (Family::Dirichlet, PriorConfig::Dirichlet { concentration: 0.5 }, half),
        (SUMMED, PriorConfig::Standard, equal.clone()),
        (SUMMED, PriorConfig::Shares, equal),
    ];
    for (family, prior, q) in cases {
        let vae = built(family, prior, 3, &mut Rng::new(0));
        assert!(vae.prior().kl(&q).unwrap().abs().max().item() < 1e-12, "{family:?}");
    }
    // One certain class out of three tells ln 3.
    let vae = built(SUMMED, PriorConfig::Standard, 3, &mut Rng::new(0));
    let certain = Posterior::Classes(Classes::new(Tensor::from_vec(vec![800.0, 0.0, 0.0], &[1, 3])));
    assert!((vae.prior().kl(&certain).unwrap().item() - 3f64.ln()).abs() < 1e-12);
}

#[test]
fn codes_are_on_the_sphere_add_up_to_one_or_are_one_class() {
    let mut rng = Rng::new(7);
    let vamp = PriorConfig::Vamp { components: 2 };
    let with_prior = [
        (SUMMED, PriorConfig::Standard),
        (SUMMED, PriorConfig::Shares),
        (SPHERE, PriorConfig::Standard),
        (SPHERE, vamp.clone()),
        (Family::Dirichlet, PriorConfig::Dirichlet { concentration: 0.3 }),
        (Family::Dirichlet, vamp),
    ];
    for (family, prior) in with_prior {
        let vae = built(family, prior.clone(), 3, &mut rng);
        let q = vae.encode(&[0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        let drawn = q.code(&q.rsample(&q.noise(4, &mut rng))).reshape(&[8, 3]);
        let z = Tensor::cat(&[vae.sample_prior(10, &mut rng), drawn, family.nearest_code(q.mean())], 0);
        let size = match family {
            Family::Vmf(_) => z.square().sum_axis(-1, false),
            _ => z.sum_axis(-1, false),
        };
        assert!((size - 1.0).abs().max().item() < 1e-9, "{family:?} {prior:?}");
        if let Family::Categorical(_) = family {
            assert!(z.to_vec().iter().all(|v| *v == 0.0 || *v == 1.0));
        }
    }
}

/// The mean over draws of the derivative of Σ c_k z_k² in the encoder's numbers is the derivative of its mean, for which there are moments.
#[test]
fn draws_follow_the_encoder_in_the_mean_and_have_the_stated_moments() {
    const DRAWS: usize = 20_000;
    let coefficients = Tensor::from_vec(vec![1.0, -0.5, 2.0], &[3]);
    let cases = [
        (SPHERE, vec![0.8, -0.3, 0.5, 2.0]),
        (FIXED, vec![0.8, -0.3, 0.5]),
        (Family::Dirichlet, vec![0.2, -1.0, 1.5]),
        (Family::Dirichlet, vec![-3.0, -2.0, -2.5]),
    ];
    for (family, at) in cases {
        let width = at.len();
        let exact = |raw: &[f64]| {
            let q = family.posterior(&Tensor::from_slice(raw, &[1, width]), 3, -30.0);
            ((q.variance() + q.mean().square()) * &coefficients).sum().item()
        };
        let raw = Tensor::from_slice(&at, &[1, width]).broadcast_to(&[DRAWS, width]).contiguous().variable();
        let q = family.posterior(&raw, 3, -30.0);
        let z = q.code(&q.rsample(&q.noise(1, &mut Rng::new(8)))).select(0, 0);
        let value = (z.square() * &coefficients).sum_axis(-1, false);
        let (mean, error) = mean_and_error(&value.detach());
        assert!((mean - exact(&at)).abs() < 4.5 * error, "{family:?}: {mean} +- {error} vs {}", exact(&at));
        let slopes = grad(&value.sum(), &[&raw]).remove(0);
        for i in 0..width {
            let moved = |delta: f64| {
                let mut raw = at.clone();
                raw[i] += delta;
                exact(&raw)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let (mean, error) = mean_and_error(&slopes.select(1, i));
            assert!((mean - expected).abs() < 4.5 * error + 1e-8, "{family:?}, {i}: {mean} +- {error} vs {expected}");
        }
    }
}

#[test]
fn objectives_on_a_sphere_of_fixed_concentration_have_the_gradient_of_their_value() {
    let closed = Term::Kl { estimate: Estimate::Closed };
    let sets = [
        (PriorConfig::Standard, vec![Term::Reconstruction, closed]),
        (PriorConfig::Standard, vec![Term::Iwae { gradient: Gradient::Plain, groups: 1, beta: 0.3 }]),
        (
            PriorConfig::Standard,
            vec![Term::Reconstruction, Term::Mmd { kernel: Kernel::InverseMultiquadric, buffer: 0 }],
        ),
        (PriorConfig::Vamp { components: 3 }, vec![Term::Reconstruction, Term::Kl { estimate: Estimate::Sampled }]),
    ];
    for (prior, terms) in sets {
        let objective = objective(&terms, 2);
        let mut rng = Rng::new(9);
        let mut vae = config(FIXED, prior, 3).build(&[3], &objective, &mut rng).unwrap();
        let x = bernoulli(4, &mut rng);
        let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(2)).unwrap().total(&[1.0, 0.7]);
        assert_gradient(&format!("{terms:?}"), &mut vae, loss, 2e-6);
    }
}

#[test]
fn closed_divergences_have_the_gradient_of_their_value() {
    for (family, prior) in [
        (SPHERE, PriorConfig::Standard),
        (Family::Dirichlet, PriorConfig::Standard),
        (Family::Dirichlet, PriorConfig::Dirichlet { concentration: 2.5 }),
    ] {
        let mut rng = Rng::new(10);
        let mut vae = built(family, prior.clone(), 3, &mut rng);
        let x = bernoulli(4, &mut rng);
        let loss = |vae: &Vae| {
            let q = vae.posterior(&x, &mut Pass::evaluation());
            vae.prior().kl(&q).unwrap().sum_axis(-1, false).mean()
        };
        assert_gradient(&format!("{family:?} {prior:?}"), &mut vae, loss, 1e-6);
    }
}

#[test]
fn densities_of_shares_stay_finite_where_shares_round_to_zero() {
    let q = Posterior::Shares(Shares::new(Tensor::full(&[50, 3], 2e-4, DType::F64)));
    let points = q.rsample(&q.noise(2, &mut Rng::new(11)));
    assert!(q.code(&points).min().item() == 0.0);
    assert!(q.log_prob(&points).is_finite());
    let mut vae = built(Family::Dirichlet, PriorConfig::Standard, 3, &mut Rng::new(12));
    let mut is_set = false;
    vae.visit_mut(&mut |name, p| {
        if name == "encoder.2.bias" {
            p.set_free(&[-20.0; 3]);
            is_set = true;
        }
    });
    assert!(is_set);
    let found =
        vae.evaluate(&[0.0, 1.0, 1.0, 1.0, 0.0, 0.0], &EvaluationConfig { draws: 20, pairs: 2 }, &mut Rng::new(1));
    assert!(found.elbo.is_finite() && found.iwae.is_finite() && found.mutual_information.is_finite(), "{found:?}");
    assert!(found.code_log_det.is_nan());
}

#[test]
fn a_blank_data_point_has_a_direction_where_biases_start_at_zero() {
    let mut rng = Rng::new(14);
    let start = Start { init: Init::XavierUniform, is_double: true };
    for family in [SPHERE, FIXED] {
        let config = VaeConfig { start, ..config(family, PriorConfig::Standard, 3) };
        let vae = config.build(&[3], &ObjectiveConfig::default(), &mut rng).unwrap();
        let x = Tensor::from_vec(vec![0.0, 0.0, 0.0, 1.0, 0.0, 1.0], &[2, 3]);
        let loss = vae.losses(&x, &ObjectiveConfig::default(), 0, &mut rng).unwrap().total(&[1.0, 1.0]);
        assert!(loss.is_finite() && vae.gradient(&loss).iter().all(|g| g.is_finite()), "{family:?}");
    }
}

#[test]
fn three_kinds_of_data_points_are_told_apart() {
    const ROWS: usize = 600;
    const SIZE: usize = 9;
    let mut rng = Rng::new(13);
    let value = |i: usize| (i / SIZE % 3, i % SIZE / 3);
    let values: Vec<f32> = (0..ROWS * SIZE)
        .map(|i| {
            let (kind, block) = value(i);
            let chance = if kind == block { 0.95 } else { 0.05 };
            f32::from(u8::from(rng.uniform() < chance))
        })
        .collect();
    // Every element is black for a third of the kinds; without a code each costs the entropy of that share.
    let share = (0.95 + 2.0 * 0.05) / 3.0;
    let alone = SIZE as f64 * (share * f64::ln(share) + (1.0 - share) * f64::ln(1.0 - share));
    let settings = TrainingConfig { epochs: 100, batch: 50, rate: 1e-2, decay: Decay::Cosine, ..Default::default() };
    // With five units and a divergence of full weight from the first step, about a third of the fits of shares and on a sphere end with two kinds as
    // one, or with empty codes.
    let objective = ObjectiveConfig::beta(Weight::WarmUp { value: 1.0, steps: 600 });
    let mlp = MlpConfig::new(&[16], Activation::Tanh);
    let cool = Family::Categorical(ClassesConfig { most_summed: 0, temperature: 0.5, ..Default::default() });
    for (family, latent) in [(SUMMED, 6), (cool, 6), (SPHERE, 3), (Family::Dirichlet, 3)] {
        let (encoder, decoder) = (EncoderConfig::Mlp(mlp.clone()), DecoderConfig::Mlp(mlp.clone()));
        let config = VaeConfig { encoder, decoder, ..config(family, PriorConfig::Standard, latent) };
        let mut vae = config.build(&[SIZE], &objective, &mut rng).unwrap();
        let training = Training::new(&values, SIZE, &objective, &settings, &mut rng).unwrap();
        training.run(&mut vae, &mut Run::new(1)).unwrap();
        let found = vae.evaluate(&values, &EvaluationConfig { draws: 50, pairs: ROWS }, &mut rng);
        // Classes gain 2.9 nats, shares and points on a sphere, whose posteriors overlap, about 2.5. A code that takes two kinds for one need tell
        // 0.64 nats alone, and gains 1.43 at most.
        assert!(found.elbo > alone + 1.8, "{family:?}: {} without a code {alone}", found.elbo);
        assert!(found.mutual_information > 0.8 && found.iwae >= found.elbo, "{family:?}: {found:?}");
    }
}

#[test]
fn families_are_set_by_a_word_or_with_their_settings() {
    let read = |text: &str| serde_json::from_str::<LatentSettings>(text).map(|s| s.family);
    assert_eq!(read(r#"{"family": "gauss_full"}"#).unwrap(), Family::GaussFull);
    assert_eq!(read(r#"{"family": "vmf"}"#).unwrap(), SPHERE);
    assert_eq!(read(r#"{"family": "categorical"}"#).unwrap(), SUMMED);
    assert_eq!(read(r#"{"family": "dirichlet"}"#).unwrap(), Family::Dirichlet);
    assert_eq!(read(r#"{"family": {"type": "vmf", "concentration": 4.0}}"#).unwrap(), FIXED);
    assert_eq!(read(r#"{"family": {"type": "categorical", "most_summed": 0}}"#).unwrap(), RELAXED);
    assert!(read(r#"{"family": {"type": "vmf", "kappa": 4.0}}"#).is_err());
    for family in [SUMMED, FIXED, Family::Dirichlet, Family::GaussDiag] {
        let config = config(family, PriorConfig::Standard, 3);
        assert_eq!(serde_json::from_value::<VaeConfig>(serde_json::to_value(&config).unwrap()).unwrap(), config);
    }
    // Files of models that know Gaussians alone hold the bare name.
    let mut stored = serde_json::to_value(config(Family::GaussDiag, PriorConfig::Standard, 3)).unwrap();
    stored["family"] = "gauss_diag".into();
    assert_eq!(serde_json::from_value::<VaeConfig>(stored).unwrap().family, Family::GaussDiag);
}

#[test]
fn what_does_not_fit_a_family_is_refused() {
    let refused = |config: VaeConfig, objective: &ObjectiveConfig, part: &str| {
        let error = config.build(&[3], objective, &mut Rng::new(0)).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    let bound = ObjectiveConfig::default();
    let standard = PriorConfig::Standard;
    for family in [SUMMED, SPHERE, Family::Dirichlet] {
        let name = family.name();
        for prior in [PriorConfig::Diagonal, PriorConfig::mixture(2)] {
            let part = format!("`prior` is {} with the family `{name}`", prior.name());
            refused(config(family, prior, 3), &bound, &part);
        }
        refused(config(family, standard.clone(), 1), &bound, "`latent` is 1");
        let flow = VaeConfig { flow: Some("iaf:2x8".into()), ..config(family, standard.clone(), 3) };
        refused(flow, &bound, &format!("`flow` is iaf:2x8 with the family `{name}`"));
        let stein = objective(&[Term::Reconstruction, Term::Stein { kernel: Kernel::Rbf }], 1);
        refused(config(family, standard.clone(), 3), &stein, "stein discrepancy");
    }
    refused(config(Family::GaussDiag, PriorConfig::Shares, 3), &bound, "`prior` is shares");
    refused(config(SPHERE, PriorConfig::Dirichlet { concentration: 1.0 }, 3), &bound, "`prior` is dirichlet");
    refused(config(Family::Dirichlet, PriorConfig::Dirichlet { concentration: 0.0 }, 3), &bound, "concentration");
    let negative = Family::Vmf(SphereConfig { concentration: Some(-1.0) });
    refused(config(negative, standard.clone(), 3), &bound, "`family.concentration` is -1");
    let frozen = Family::Categorical(ClassesConfig { last_temperature: 0.0, ..Default::default() });
    refused(config(frozen, standard.clone(), 3), &bound, "`family.last_temperature` is 0");
    refused(config(SUMMED, standard.clone(), 3), &objective(&bound_terms(), 5), "`draws` is 5 with 3 classes");
    for family in [SUMMED, RELAXED] {
        let of = || config(family, standard.clone(), 3);
        refused(of(), &ObjectiveConfig::iwae(1, Gradient::Plain), "importance-weighted bound");
        refused(of(), &objective(&[Term::WakeSleep], 1), "wake and sleep");
        let mmd = Term::Mmd { kernel: Kernel::Rbf, buffer: 0 };
        refused(of(), &objective(&[Term::Reconstruction, mmd], 1), "mmd with the family `categorical`");
        let sampled = [Term::Reconstruction, Term::Kl { estimate: Estimate::Sampled }];
        refused(of(), &objective(&sampled, 1), "`divergence` is an estimate from draws");
    }
    refused(config(Family::Dirichlet, standard, 3), &objective(&[Term::WakeSleep], 1), "wake and sleep");
}

fn bound_terms() -> Vec<Term> {
    vec![Term::Reconstruction, Term::Kl { estimate: Estimate::Closed }]
}
