//! Conditions: who sees them, gradients, what is learned from them, and what is refused.

use crate::common::{assert_gradient, normals, objective, shaken, small};
use elbo_core::{Rng, Run};
use elbo_nn::network::{ConvConfig, EncoderConfig, SequenceConfig};
use elbo_nn::vae::condition::{one_hot, rows};
use elbo_nn::vae::{
    Binarise, ConditionConfig, Estimate, EvaluationConfig, Family, LikelihoodConfig, Noise, ObjectiveConfig,
    PriorConfig, Term, Training, TrainingConfig, Vae, VaeConfig,
};
use elbo_nn::{Activation, Pass};
use elbo_tensor::{DType, Tensor, grad};

const BOTH: ConditionConfig = ConditionConfig { numbers: 2, encoder: true, decoder: true };
const ENCODER: ConditionConfig = ConditionConfig { decoder: false, ..BOTH };
const DECODER: ConditionConfig = ConditionConfig { encoder: false, ..BOTH };
const KL: Term = Term::Kl { estimate: Estimate::Closed };

fn config(condition: ConditionConfig) -> VaeConfig {
    let likelihood = LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 0.5 } };
    VaeConfig { condition: Some(condition), ..small(likelihood, Family::GaussDiag, PriorConfig::Standard) }
}

fn model(condition: ConditionConfig, seed: u64) -> Vae {
    shaken(&config(condition), &ObjectiveConfig::default(), &mut Rng::new(seed))
}

#[test]
fn the_gradient_reaches_the_condition_through_whoever_sees_it() {
    let mut rng = Rng::new(1);
    let (x, c) = (normals(&[4, 3], &mut rng), normals(&[4, 2], &mut rng));
    for condition in [BOTH, ENCODER, DECODER] {
        let vae = model(condition, 2);
        let value = |c: &Tensor| {
            let row = Tensor::cat(&[x.clone(), c.clone()], -1);
            vae.losses(&row, &ObjectiveConfig::default(), 0, &mut Rng::new(3)).unwrap().total(&[1.0, 1.0])
        };
        let leaf = c.clone().variable();
        let exact = grad(&value(&leaf), &[&leaf])[0].to_vec();
        let start = c.to_vec();
        for (i, exact) in exact.iter().enumerate() {
            let shifted = |delta: f64| {
                let mut moved = start.clone();
                moved[i] += delta;
                value(&Tensor::from_slice(&moved, &[4, 2])).item()
            };
            let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            assert!((numeric - exact).abs() <= 1e-6 * exact.abs().max(1.0), "{condition:?} {i}: {numeric} vs {exact}");
        }
        assert!(exact.iter().all(|g| g.abs() > 1e-6), "{condition:?}: {exact:?}");
        // The posterior itself sees it only where the encoder does.
        let row = Tensor::cat(&[x.clone(), leaf.clone()], -1);
        let q = vae.posterior(&row, &mut Pass::evaluation());
        let seen = grad(&q.mean().square().sum(), &[&leaf])[0].to_vec();
        assert_eq!(seen.iter().all(|g| g.abs() > 1e-9), condition.encoder, "{condition:?}");
        assert_eq!(seen.iter().all(|g| *g == 0.0), !condition.encoder, "{condition:?}");
    }
}

#[test]
fn objectives_with_a_condition_have_the_gradient_of_their_value() {
    let sets = [
        vec![Term::Reconstruction, KL],
        vec![Term::Reconstruction, KL, Term::Cycle],
        vec![Term::Reconstruction, Term::Jacobian],
        ObjectiveConfig::iwae(3, elbo_nn::vae::Gradient::Plain).terms.into_iter().map(|t| t.term).collect(),
    ];
    let rows = normals(&[4, 5], &mut Rng::new(4));
    for terms in sets {
        for condition in [BOTH, DECODER] {
            let objective = objective(&terms, 3);
            let mut vae = shaken(&config(condition), &objective, &mut Rng::new(5));
            let weights = vec![1.0; terms.len()];
            let loss = |vae: &Vae| vae.losses(&rows, &objective, 0, &mut Rng::new(6)).unwrap().total(&weights);
            assert_gradient(&format!("{condition:?} {terms:?}"), &mut vae, loss, 2e-6);
        }
    }
}

#[test]
fn what_is_generated_is_what_the_bound_decodes() {
    let vae = model(BOTH, 7);
    let mut rng = Rng::new(8);
    let rows = normals(&[4, 5], &mut rng);
    let losses = vae.losses(&rows, &ObjectiveConfig::default(), 0, &mut rng).unwrap();
    let z = losses.draws.z.select(0, 0);
    let made = vae.generate_given(&z, &rows.narrow(1, 3, 2), false, &mut rng).unwrap();
    let decoded = losses.draws.output.select(0, 0);
    assert!((made - decoded).abs().max().item() < 1e-12, "the mean of a Gaussian is what the decoder returns");
}

#[test]
fn convolutions_see_a_condition_and_missing_elements_stand_beside_it() {
    let mut rng = Rng::new(9);
    let conv = ConvConfig { channels: vec![3], activation: Activation::Tanh, ..ConvConfig::default() };
    for encoder in [EncoderConfig::Conv(conv), config(BOTH).encoder] {
        for nan_is_missing in [false, true] {
            let config = VaeConfig { encoder: encoder.clone(), nan_is_missing, ..config(BOTH) };
            let vae = config.build(&[1, 4, 4], &ObjectiveConfig::default(), &mut rng).unwrap();
            assert_eq!((vae.size(), vae.width()), (16, 18));
            let x = normals(&[2, 16], &mut rng);
            let x = if nan_is_missing { x.masked_fill(&x.gt_scalar(1.0), f64::NAN) } else { x };
            let c = normals(&[2, 2], &mut rng).variable();
            let row = Tensor::cat(&[x, c.clone()], -1);
            let q = vae.posterior(&row, &mut Pass::evaluation());
            let seen = grad(&q.mean().square().sum(), &[&c])[0].to_vec();
            assert!(seen.iter().all(|g| g.is_finite() && g.abs() > 0.0), "{seen:?}");
            let losses = vae.losses(&row, &ObjectiveConfig::default(), 0, &mut rng).unwrap();
            assert!(losses.total(&[1.0, 1.0]).item().is_finite());
        }
    }
}

#[test]
fn a_conditional_decoder_learns_what_each_class_looks_like() {
    let mut rng = Rng::new(10);
    let labels: Vec<usize> = (0..200).map(|_| rng.below(2)).collect();
    let centre = |label: usize| if label == 0 { [2.0, -1.0, 0.0] } else { [-2.0, 1.0, 0.0] };
    let values: Vec<f32> = labels.iter().flat_map(|l| centre(*l)).map(|m| (m + 0.5 * rng.normal()) as f32).collect();
    let data = rows(&values, 3, &one_hot(&labels, 2).unwrap(), 2).unwrap();
    let objective = ObjectiveConfig::default();
    let mut vae = config(BOTH).build(&[3], &objective, &mut rng).unwrap();
    let before = vae.evaluate(&data, &EvaluationConfig { draws: 20, pairs: 100 }, &mut rng);
    let how = TrainingConfig { epochs: 80, batch: 20, rate: 1e-2, ..TrainingConfig::default() };
    let training = Training::new(&data, 5, &objective, &how, &mut rng).unwrap();
    training.run(&mut vae, &mut Run::new(11)).unwrap();
    let after = vae.evaluate(&data, &EvaluationConfig { draws: 20, pairs: 100 }, &mut rng);
    assert!(after.rows == 200 && after.elbo > before.elbo, "{} to {}", before.elbo, after.elbo);
    for label in 0..2 {
        let z = vae.sample_prior(500, &mut rng);
        let given = one_hot(&[label; 500], 2).unwrap();
        let given = Tensor::from_f32(given, &[500, 2]).cast(DType::F64);
        let made = vae.generate_given(&z, &given, false, &mut rng).unwrap().mean_axis(0, false).to_vec();
        for (made, centre) in made.iter().zip(centre(label)) {
            // The classes are 2 and 4 apart; a model that knows no class is at their mean, zero.
            assert!((made - centre).abs() < 0.5, "class {label}: {made} for {centre}");
        }
    }
}

#[test]
fn one_data_point_with_its_condition_is_a_target_for_samplers_and_can_be_filled_in() {
    let vae = model(BOTH, 12);
    let row = [0.3, -0.2, 0.5, 1.0, 0.0];
    assert!(vae.joint(&row).is_ok());
    let error = vae.joint(&row[..3]).err().unwrap().to_string();
    assert!(error.contains("one data point has 5 finite numbers; 3 are given"), "{error}");
    let gaps = VaeConfig { nan_is_missing: true, ..config(BOTH) };
    let vae = shaken(&gaps, &ObjectiveConfig::default(), &mut Rng::new(13));
    let found = vae.impute(&[0.3, f32::NAN, 0.5, 1.0, 0.0, 0.1, 0.2, 0.3, 0.0, 1.0], 50, &mut Rng::new(14));
    assert!(found.values[1].is_finite());
    assert_eq!(found.values[2..], [0.5, 1.0, 0.0, 0.1, 0.2, 0.3, 0.0, 1.0]);
}

#[test]
fn conditions_of_other_shapes_and_models_that_cannot_see_them_are_refused_by_name() {
    let check = |config: VaeConfig, what: &str| {
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    check(config(ConditionConfig::new(0)), "condition.numbers");
    check(config(ConditionConfig { encoder: false, decoder: false, numbers: 1 }), "seen by none");
    let gru = EncoderConfig::Gru(SequenceConfig::default());
    check(VaeConfig { encoder: gru, ..config(BOTH) }, "condition.encoder");

    let refused = |error: elbo_core::Error, what: &str| assert!(error.to_string().contains(what), "{error}");
    refused(rows(&[0.0; 6], 3, &[0.0; 3], 1).unwrap_err(), "6 values in rows of 3 and 3 numbers");
    refused(rows(&[0.0; 6], 3, &[0.0, f32::NAN], 1).unwrap_err(), "a condition is NaN");
    refused(one_hot(&[0, 3], 3).unwrap_err(), "of class 3, counted from 0, and there are 3");

    let vae = model(BOTH, 15);
    let z = Tensor::zeros(&[4, 2], DType::F64);
    let made = |vae: &Vae, shape: &[usize]| {
        let conditions = Tensor::zeros(shape, DType::F64);
        vae.generate_given(&z, &conditions, false, &mut Rng::new(0)).unwrap_err()
    };
    refused(made(&vae, &[4, 3]), "shape [4, 3], not [4, 2]");
    refused(made(&model(ENCODER, 16), &[4, 2]), "not seen by the decoder");
    let short = Tensor::zeros(&[4, 3], DType::F64);
    let error = vae.losses(&short, &ObjectiveConfig::default(), 0, &mut Rng::new(0)).err().unwrap();
    refused(error, "shape [4, 3], not [B, 5]");

    let train = |values: &[f32], width: usize, how: &TrainingConfig| {
        let objective = ObjectiveConfig::default();
        let training = Training::new(values, width, &objective, how, &mut Rng::new(0)).unwrap();
        training.run(&mut model(BOTH, 17), &mut Run::new(0)).unwrap_err()
    };
    let how = TrainingConfig { epochs: 1, ..TrainingConfig::default() };
    refused(train(&[0.0; 12], 3, &how), "the rows have 3 numbers, and the model takes 5");
    refused(train(&[0.0, 0.0, 0.0, f32::INFINITY, 0.0], 5, &how), "a condition is inf");
    let binarised = TrainingConfig { binarise: Binarise::Static, ..how };
    refused(train(&[0.0; 10], 5, &binarised), "`binarise`");
}
