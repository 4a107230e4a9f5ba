//! Terms of the objective that see the codes of a batch together, what is decoded, or attributes: values by hand, limits, gradients, and what is refused.

use crate::common::{assert_gradient, normals, objective, shaken, small};
use elbo_core::{Rng, Run};
use elbo_nn::Pass;
use elbo_nn::network::{DecoderConfig, SequenceConfig};
use elbo_nn::vae::{
    AdversarialLoss, Batch, Estimate, Family, LikelihoodConfig, Noise, ObjectiveConfig, Posterior, PriorConfig, Spread,
    Term, Training, TrainingConfig, Vae, VaeConfig, Weight, Weighted,
};
use elbo_tensor::{Parameters, Tensor};

const KL: Term = Term::Kl { estimate: Estimate::Sampled };
const JOINT: Term = Term::AggregatedKl { marginal: false };
const MARGINAL: Term = Term::AggregatedKl { marginal: true };

fn config(family: Family) -> VaeConfig {
    let likelihood = LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 0.5 } };
    small(likelihood, family, PriorConfig::Standard)
}

/// The encoder gives this for every data point, whatever it is.
fn deaf(vae: &mut Vae) {
    vae.visit_mut(&mut |name, p| {
        if name.starts_with("encoder") && name.ends_with("weight") {
            p.set_free(&vec![0.0; p.len()]);
        }
    });
}

/// log N(z; mean, exp(s)).
fn log_normal(z: f64, mean: f64, s: f64) -> f64 {
    -0.5 * ((z - mean).powi(2) / s.exp() + s + std::f64::consts::TAU.ln())
}

#[test]
fn the_aggregated_divergence_of_equal_posteriors_is_that_of_each() {
    for family in [Family::GaussDiag, Family::GaussFull, Family::Dirichlet] {
        let objective = objective(&[Term::Reconstruction, KL, JOINT], 3);
        let mut rng = Rng::new(1);
        let mut vae = shaken(&config(family), &objective, &mut rng);
        deaf(&mut vae);
        let x = normals(&[6, 3], &mut rng);
        let terms = vae.losses(&x, &objective, 0, &mut rng).unwrap().terms;
        let (each, together) = (terms[1].item(), terms[2].item());
        assert!((each - together).abs() < 1e-9, "{family:?}: {each}, {together}");
    }
}

#[test]
fn codes_that_tell_all_data_points_apart_are_charged_the_logarithm_of_the_batch_less() {
    let objective = objective(&[Term::Reconstruction, KL, JOINT], 2);
    let mut rng = Rng::new(2);
    let mut vae = shaken(&config(Family::GaussDiag), &objective, &mut rng);
    vae.visit_mut(&mut |name, p| {
        if name == "encoder.2.bias" {
            p.set_free(&[0.0, 0.0, -25.0, -25.0]);
        }
    });
    let x = normals(&[7, 3], &mut rng) * 3.0;
    let terms = vae.losses(&x, &objective, 0, &mut rng).unwrap().terms;
    let gap = terms[1].item() - terms[2].item();
    assert!((gap - 7f64.ln()).abs() < 1e-9, "{gap}");
}

#[test]
fn aggregated_divergences_are_their_formulas() {
    let objective = objective(&[Term::Reconstruction, JOINT, MARGINAL], 2);
    let mut rng = Rng::new(3);
    let vae = shaken(&config(Family::GaussDiag), &objective, &mut rng);
    let x = normals(&[4, 3], &mut rng);
    let losses = vae.losses(&x, &objective, 0, &mut rng).unwrap();
    let Posterior::Diagonal { mean, log_variance } = &losses.draws.q else { panic!("the family is diagonal") };
    let (mean, s, z) = (mean.to_vec(), log_variance.to_vec(), losses.draws.points.to_vec());
    let log_mean = |logs: &[f64]| elbo_tensor::special::log_sum_exp(logs) - (logs.len() as f64).ln();
    let (mut joint, mut marginal) = (0.0, 0.0);
    for code in z.chunks(2) {
        let one = |b: usize, d: usize| log_normal(code[d], mean[2 * b + d], s[2 * b + d]);
        let prior = |d: usize| log_normal(code[d], 0.0, 0.0);
        let both: Vec<f64> = (0..4).map(|b| one(b, 0) + one(b, 1)).collect();
        joint += (log_mean(&both) - prior(0) - prior(1)) / 8.0;
        let each = |d: usize| log_mean(&(0..4).map(|b| one(b, d)).collect::<Vec<f64>>()) - prior(d);
        marginal += (each(0) + each(1)) / 8.0;
    }
    assert!((losses.terms[1].item() - joint).abs() < 1e-10, "{} vs {joint}", losses.terms[1].item());
    assert!((losses.terms[2].item() - marginal).abs() < 1e-10, "{} vs {marginal}", losses.terms[2].item());
    // In one dimension there is no difference.
    let line = VaeConfig { latent: 1, ..config(Family::GaussDiag) };
    let vae = shaken(&line, &objective, &mut rng);
    let terms = vae.losses(&x, &objective, 0, &mut rng).unwrap().terms;
    assert!((terms[1].item() - terms[2].item()).abs() < 1e-12);
}

#[test]
fn the_aggregated_divergence_is_from_the_mixture_of_all_classes_whatever_is_known() {
    let objective = objective(&[Term::Reconstruction, JOINT], 2);
    let mut rng = Rng::new(18);
    let prior = PriorConfig::ClassConditional { shares: vec![3.0, 1.0], spread: Spread::Own };
    let vae = shaken(&VaeConfig { prior, ..config(Family::GaussDiag) }, &objective, &mut rng);
    let x = normals(&[4, 3], &mut rng);
    let labels = [Some(0), Some(1), None, Some(0)];
    let batch = Batch { x: &x, labels: &labels, attributes: None };
    let known = vae.losses(batch, &objective, 0, &mut Rng::new(1)).unwrap();
    let unknown = vae.losses(&x, &objective, 0, &mut Rng::new(1)).unwrap();
    assert_ne!(known.draws.log_prior.to_vec(), unknown.draws.log_prior.to_vec());
    assert_eq!(known.terms[1].item(), unknown.terms[1].item());
}

#[test]
fn cycles_compare_the_posterior_of_what_is_decoded_with_the_first() {
    for family in [Family::GaussDiag, Family::GaussFull] {
        let objective = objective(&[Term::Reconstruction, Term::Cycle], 2);
        let mut rng = Rng::new(4);
        let mut vae = shaken(&config(family), &objective, &mut rng);
        let x = normals(&[5, 3], &mut rng);
        let losses = vae.losses(&x, &objective, 0, &mut rng).unwrap();
        let (q, mut expected) = (&losses.draws.q, 0.0);
        let covariance = |q: &Posterior| match q {
            Posterior::Diagonal { log_variance, .. } => log_variance.exp().diag(),
            Posterior::Full { factor, .. } => factor.matmul(&factor.t()),
            other => panic!("{other:?} is no Gaussian"),
        };
        for k in 0..2 {
            let made = vae.generate(&losses.draws.z.row(k), false, &mut Rng::new(0));
            let again = vae.posterior(&made, &mut Pass::evaluation());
            let (new, old) = (covariance(&again), covariance(q));
            for b in 0..5 {
                // The divergence of two-dimensional normals, with the inverse of the second covariance in full.
                let of = |t: &Tensor| t.row(b).to_vec();
                let (n, o) = (of(&new), of(&old));
                let det = |m: &[f64]| m[0] * m[3] - m[1] * m[2];
                let inverse = [o[3], -o[1], -o[2], o[0]].map(|v| v / det(&o));
                let away: Vec<f64> = of(again.mean()).iter().zip(of(q.mean())).map(|(a, b)| a - b).collect();
                let trace = inverse[0] * n[0] + inverse[1] * n[2] + inverse[2] * n[1] + inverse[3] * n[3];
                let square = away[0] * (inverse[0] * away[0] + inverse[1] * away[1])
                    + away[1] * (inverse[2] * away[0] + inverse[3] * away[1]);
                expected += 0.5 * (trace + square - 2.0 + (det(&o) / det(&n)).ln()) / 10.0;
            }
        }
        let found = losses.terms[1].item();
        assert!((found - expected).abs() < 1e-8 * expected.max(1.0), "{family:?}: {found} vs {expected}");
        // An encoder that hears nothing finds the same again.
        deaf(&mut vae);
        let found = vae.losses(&x, &objective, 0, &mut rng).unwrap().terms[1].item();
        assert!(found.abs() < 1e-12, "{family:?}: {found}");
    }
}

#[test]
fn ranks_of_attributes_are_compared_pair_by_pair() {
    let objective = objective(&[Term::Reconstruction, Term::Attributes { steepness: 1.5 }], 2);
    objective.check(4).unwrap();
    let mut rng = Rng::new(5);
    let vae = shaken(&config(Family::GaussDiag), &objective, &mut rng);
    let x = normals(&[4, 3], &mut rng);
    // Two attributes, with a tie in the second.
    let values = [0.3, 1.0, -2.0, 1.0, 5.0, 0.0, 0.1, 2.0];
    let attributes = Tensor::from_slice(&values, &[4, 2]);
    let batch = Batch { x: &x, labels: &[], attributes: Some(&attributes) };
    let losses = vae.losses(batch, &objective, 0, &mut rng).unwrap();
    let z = losses.draws.z.to_vec();
    let sign = |v: f64| if v == 0.0 { 0.0 } else { v.signum() };
    let mut expected = 0.0;
    for k in 0..2 {
        for a in 0..2 {
            for i in 0..4 {
                for j in 0..4 {
                    let code = |row: usize| z[(k * 4 + row) * 2 + a];
                    let wanted = sign(values[2 * i + a] - values[2 * j + a]);
                    expected += ((1.5 * (code(i) - code(j))).tanh() - wanted).powi(2) / 32.0;
                }
            }
        }
    }
    let found = losses.terms[1].item();
    assert!((found - expected).abs() < 1e-12, "{found} vs {expected}");
}

#[test]
fn a_dimension_learns_to_follow_its_attribute() {
    // Two independent causes of three elements; the second dimension is to follow the first cause.
    let mut rng = Rng::new(6);
    let causes = rng.normals(400);
    let values: Vec<f32> = causes
        .chunks(2)
        .flat_map(|c| [c[0] + 0.5 * c[1], c[0] - 0.5 * c[1], 0.3 * c[1]])
        .map(|v| (v + 0.05 * rng.normal()) as f32)
        .collect();
    let attributes: Vec<f64> = causes.chunks(2).flat_map(|c| [c[1], c[0]]).collect();
    let agreement = |weight: f64| {
        let ranks = Weighted::new(weight, Term::Attributes { steepness: 1.0 });
        let kl = Weighted::new(0.1, Term::Kl { estimate: Estimate::Closed });
        let objective = ObjectiveConfig { draws: 1, terms: vec![Term::Reconstruction.into(), kl, ranks] };
        let mut vae = config(Family::GaussDiag).build(&[3], &objective, &mut Rng::new(7)).unwrap();
        let settings = TrainingConfig { epochs: 60, batch: 50, rate: 1e-2, ..Default::default() };
        let training = Training::new(&values, 3, &objective, &settings, &mut Rng::new(8)).unwrap();
        training.with_attributes(&attributes).unwrap().run(&mut vae, &mut Run::new(9)).unwrap();
        let z = vae.encode(&values).mean().to_vec();
        // Share of pairs of neighbours in the data that both rank alike, for the worse attribute.
        let alike = |a: usize| {
            let pairs = (0..199).filter(|i| {
                let gap = |of: &[f64]| of[2 * i + a] - of[2 * i + 2 + a];
                gap(&z) * gap(&attributes) > 0.0
            });
            pairs.count() as f64 / 199.0
        };
        alike(0).min(alike(1))
    };
    let (with, without) = (agreement(20.0), agreement(0.0));
    assert!(with > 0.85 && with > without + 0.1, "{with}, without {without}");
}

#[test]
fn these_terms_have_the_gradient_of_their_value() {
    let attributes = Tensor::from_slice(&[0.3, -2.0, 5.0, 0.1], &[4, 1]);
    let x = normals(&[4, 3], &mut Rng::new(10));
    for term in [JOINT, MARGINAL, Term::Cycle, Term::Attributes { steepness: 0.8 }] {
        for family in [Family::GaussDiag, Family::GaussFull] {
            if term == MARGINAL && family == Family::GaussFull {
                continue;
            }
            let objective = objective(&[Term::Reconstruction, term.clone()], 2);
            let mut vae = shaken(&config(family), &objective, &mut Rng::new(11));
            let loss = |vae: &Vae| {
                let batch = Batch { x: &x, labels: &[], attributes: Some(&attributes) };
                vae.losses(batch, &objective, 0, &mut Rng::new(12)).unwrap().total(&[1.0, 0.7])
            };
            assert_gradient(&format!("{term:?} {family:?}"), &mut vae, loss, 5e-6);
        }
    }
    for prior in [PriorConfig::Diagonal, PriorConfig::mixture(2), PriorConfig::Vamp { components: 2 }] {
        let objective = objective(&[Term::Reconstruction, JOINT], 2);
        let mut vae = shaken(&VaeConfig { prior, ..config(Family::GaussDiag) }, &objective, &mut Rng::new(13));
        let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(12)).unwrap().total(&[1.0, 0.7]);
        assert_gradient("another prior", &mut vae, loss, 5e-6);
    }
}

fn patches(loss: AdversarialLoss) -> Term {
    Term::PatchAdversarial { channels: vec![3], loss }
}

#[test]
fn the_loss_of_patches_has_the_gradient_of_its_value_in_model_and_discriminator() {
    let x = Tensor::from_vec(Rng::new(14).uniforms(3 * 2 * 5 * 4), &[3, 2 * 5 * 4]);
    for loss in [AdversarialLoss::Hinge, AdversarialLoss::LeastSquares, AdversarialLoss::Logistic] {
        for likelihood in
            [LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 0.5 } }, LikelihoodConfig::ContinuousBernoulli]
        {
            let objective = objective(&[Term::Reconstruction, patches(loss)], 2);
            let config = VaeConfig { likelihood, ..config(Family::GaussDiag) };
            let mut vae = config.build(&[2, 5, 4], &objective, &mut Rng::new(15)).unwrap();
            let value = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(16)).unwrap().total(&[0.0, 1.0]);
            assert_gradient(&format!("{loss:?}"), &mut vae, value, 5e-6);
        }
    }
}

#[test]
fn a_discriminator_finds_out_what_a_model_cannot_make() {
    // Black or white noise, whose mean is all that a code of two numbers can give.
    let mut rng = Rng::new(17);
    let values: Vec<f32> = (0..200 * 36).map(|_| f32::from(u8::from(rng.uniform() < 0.5))).collect();
    let discriminator = Term::PatchAdversarial { channels: vec![8], loss: AdversarialLoss::Logistic };
    let adversary = Weighted::new(Weight::Constant { value: 0.0 }, discriminator);
    let objective = ObjectiveConfig { draws: 1, terms: vec![Term::Reconstruction.into(), adversary] };
    let config = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::Standard);
    let mut vae = config.build(&[1, 6, 6], &objective, &mut rng).unwrap();
    let held = |vae: &Vae| vae.losses(&vae.tensor(&values), &objective, 0, &mut Rng::new(1)).unwrap().terms[1].item();
    let before = held(&vae);
    let settings = TrainingConfig { epochs: 60, batch: 20, rate: 1e-2, ..Default::default() };
    let training = Training::new(&values, 36, &objective, &settings, &mut rng).unwrap();
    training.run(&mut vae, &mut Run::new(2)).unwrap();
    let after = held(&vae);
    // The logarithm of two is no opinion; twice that, odds of three to one.
    assert!(before < 1.1 && after > 2.0 * f64::ln(2.0), "{before} to {after}");
}

#[test]
fn what_does_not_fit_these_terms_is_refused() {
    let refused = |config: VaeConfig, shape: &[usize], term: Term, part: &str| {
        let error = config.build(shape, &objective(&[Term::Reconstruction, term], 1), &mut Rng::new(0)).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    let plain = || config(Family::GaussDiag);
    let flow = || VaeConfig { flow: Some("iaf:1x4".into()), ..plain() };
    refused(flow(), &[3], JOINT, "aggregated kl with the flow");
    refused(flow(), &[3], Term::Cycle, "cycle consistency with the flow");
    refused(config(Family::GaussFull), &[3], MARGINAL, "marginal aggregated kl with the family `gauss_full`");
    refused(VaeConfig { prior: PriorConfig::Diagonal, ..plain() }, &[3], MARGINAL, "marginal aggregated kl");
    let classes = VaeConfig { latent: 3, ..config(Family::Categorical(Default::default())) };
    refused(classes, &[3], JOINT, "aggregated kl with the family `categorical`");
    refused(config(Family::Dirichlet), &[3], Term::Cycle, "cycle consistency with the family `dirichlet`");
    let attributes = Term::Attributes { steepness: 1.0 };
    refused(config(Family::Dirichlet), &[3], attributes.clone(), "ranks of attributes with the family `dirichlet`");
    for term in [Term::Cycle, patches(AdversarialLoss::Hinge)] {
        let levels = LikelihoodConfig::Categorical { levels: 2 };
        refused(VaeConfig { likelihood: levels, ..plain() }, &[1, 4, 4], term.clone(), "likelihood `categorical`");
        let counts = LikelihoodConfig::Multinomial;
        refused(VaeConfig { likelihood: counts, ..plain() }, &[1, 4, 4], term.clone(), "likelihood `multinomial`");
        let gru = DecoderConfig::Gru(SequenceConfig::default());
        refused(VaeConfig { decoder: gru, ..plain() }, &[1, 4, 4], term, "no recurrent decoder");
    }
    refused(plain(), &[3], patches(AdversarialLoss::Hinge), "patch adversary with data points of shape [3]");
    let gaps = VaeConfig { nan_is_missing: true, ..plain() };
    refused(gaps, &[1, 4, 4], patches(AdversarialLoss::Hinge), "`nan_is_missing` is true with a patch adversary");

    let ranks = objective(&[Term::Reconstruction, attributes], 1);
    assert!(ranks.check(1).unwrap_err().to_string().contains("batch"));
    let steep = Term::Attributes { steepness: 0.0 };
    assert!(
        objective(&[Term::Reconstruction, steep], 1).check(4).unwrap_err().to_string().contains("`steepness` is 0")
    );
    let mut vae = plain().build(&[3], &ranks, &mut Rng::new(0)).unwrap();
    let x = normals(&[4, 3], &mut Rng::new(1));
    assert!(vae.losses(&x, &ranks, 0, &mut Rng::new(0)).err().unwrap().to_string().contains("0 attributes"));
    let values = vec![0.5; 12];
    let training = || Training::new(&values, 3, &ranks, &TrainingConfig::default(), &mut Rng::new(0)).unwrap();
    assert!(training().with_attributes(&[1.0; 5]).err().unwrap().to_string().contains("5 attributes"));
    assert!(training().with_attributes(&[f64::NAN; 4]).err().unwrap().to_string().contains("4 of them not finite"));
    for unfit in [training(), training().with_attributes(&[1.0; 12]).unwrap()] {
        let error = unfit.run(&mut vae, &mut Run::new(0)).unwrap_err();
        assert!(error.to_string().contains("for codes of 2 dimensions"), "{error}");
    }
}
