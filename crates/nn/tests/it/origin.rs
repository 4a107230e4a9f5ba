//! Codes from the gradient of the decoder's loss at the origin: closed forms, gradients through it, training, and what is refused.

use crate::common::{assert_gradient, bernoulli, normals, objective, small};
use elbo_core::{Rng, Run};
use elbo_nn::Activation;
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig, OriginConfig, SequenceConfig};
use elbo_nn::vae::{
    ConditionConfig, Estimate, EvaluationConfig, Family, LikelihoodConfig, Noise, ObjectiveConfig, PriorConfig, Scales,
    Term, Training, TrainingConfig, Vae, VaeConfig,
};
use elbo_tensor::{Parameters, Tensor};

const SD: f64 = 0.5;

fn origin(family: Family, steps: usize, scale: f64) -> VaeConfig {
    let likelihood = LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: SD } };
    let encoder = EncoderConfig::GradientOrigin(OriginConfig { steps, scale });
    VaeConfig { encoder, ..small(likelihood, family, PriorConfig::Standard) }
}

fn only() -> ObjectiveConfig {
    objective(&[Term::Reconstruction], 1)
}

/// The numbers of a parameter.
fn parameter(vae: &Vae, wanted: &str) -> Vec<f64> {
    let mut found = vec![];
    vae.visit(&mut |name, p| {
        if name == wanted {
            found = p.value();
        }
    });
    found
}

#[test]
fn codes_of_a_linear_decoder_are_the_closed_ones_after_any_number_of_steps() {
    const SCALE: f64 = 0.1;
    for steps in [1, 2, 5] {
        let linear = DecoderConfig::Mlp(MlpConfig::new(&[], Activation::Identity));
        let config = VaeConfig { decoder: linear, ..origin(Family::Dirac, steps, SCALE) };
        let vae = config.build(&[3], &only(), &mut Rng::new(1)).unwrap();
        let w = Tensor::from_vec(parameter(&vae, "decoder.0.weight"), &[3, 2]);
        let b = Tensor::from_vec(parameter(&vae, "decoder.0.bias"), &[3]);
        let values: Vec<f32> = Rng::new(2).normals(4 * 3).iter().map(|v| *v as f32).collect();
        let x = Tensor::from_f32(values.clone(), &[4, 3]).to_f64();
        // z + a W'(x - b - W z) / sd², from zero.
        let mut expected = Tensor::zeros(&[4, 2], x.dtype());
        for _ in 0..steps {
            let left = &x - &b - expected.matmul(&w.t());
            expected = &expected + left.matmul(&w) * (SCALE / (SD * SD));
        }
        let off = (vae.encode(&values).mean() - &expected).abs().max().item();
        assert!(off < 1e-12 && expected.abs().max().item() > 0.01, "{steps} steps: {off}");
    }
}

#[test]
fn objectives_have_the_gradient_of_their_value_through_the_code() {
    let kl = Term::Kl { estimate: Estimate::Closed };
    let bits = |family| VaeConfig { likelihood: LikelihoodConfig::Bernoulli, ..origin(family, 1, 1.0) };
    let missing = VaeConfig { nan_is_missing: true, ..bits(Family::GaussDiag) };
    for (name, config, terms) in [
        ("dirac", origin(Family::Dirac, 1, 0.2), vec![Term::Reconstruction]),
        ("dirac, three steps", origin(Family::Dirac, 3, 0.1), vec![Term::Reconstruction]),
        ("bits", bits(Family::Dirac), vec![Term::Reconstruction]),
        ("diagonal", bits(Family::GaussDiag), vec![Term::Reconstruction, kl.clone()]),
        ("full", bits(Family::GaussFull), vec![Term::Reconstruction, kl.clone()]),
        ("missing", missing, vec![Term::Reconstruction, kl]),
    ] {
        let objective = objective(&terms, 1);
        let mut rng = Rng::new(3);
        let mut vae = config.build(&[3], &objective, &mut rng).unwrap();
        let x = if config.nan_is_missing {
            Tensor::from_vec(vec![1.0, f64::NAN, 0.0, f64::NAN, 1.0, 1.0, 0.0, 0.0, 1.0], &[3, 3])
        } else {
            bernoulli(5, &mut rng)
        };
        let weights = vec![1.0; terms.len()];
        let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(4)).unwrap().total(&weights);
        assert_gradient(name, &mut vae, loss, 1e-6);
    }
}

#[test]
fn a_code_is_that_of_its_data_point_whatever_stands_beside_it_and_points_have_no_encoder() {
    let vae = origin(Family::Dirac, 2, 0.3).build(&[3], &only(), &mut Rng::new(5)).unwrap();
    let values: Vec<f32> = Rng::new(6).normals(6 * 3).iter().map(|v| *v as f32).collect();
    let together = vae.encode(&values).mean().to_vec();
    let alone: Vec<f64> = values.chunks(3).flat_map(|row| vae.encode(row).mean().to_vec()).collect();
    let off = together.iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(off < 1e-12, "{off}");
    assert!(!vae.names().iter().any(|name| name.starts_with("encoder")), "{:?}", vae.names());
}

#[test]
fn training_through_the_code_reconstructs_better() {
    let mut rng = Rng::new(7);
    // Points near a plane, which two numbers describe.
    let codes = normals(&[120, 2], &mut rng);
    let plane = Tensor::from_slice(&[1.0, -0.5, 0.8, 0.3, 1.0, -0.7], &[2, 3]);
    let values: Vec<f32> = codes.matmul(&plane).to_vec().iter().map(|v| *v as f32).collect();
    let mut vae = origin(Family::Dirac, 1, 0.1).build(&[3], &only(), &mut rng).unwrap();
    let effort = EvaluationConfig { draws: 1, pairs: 2 };
    let before = vae.evaluate(&values, &effort, &mut Rng::new(1)).reconstruction;
    let settings = TrainingConfig { epochs: 60, batch: 30, rate: 0.01, ..TrainingConfig::default() };
    let training = Training::new(&values, 3, &only(), &settings, &mut rng).unwrap();
    training.run(&mut vae, &mut Run::new(8)).unwrap();
    let after = vae.evaluate(&values, &effort, &mut Rng::new(1)).reconstruction;
    assert!(after > before + 0.5, "{before} before, {after} after");
}

#[test]
fn a_decoder_without_a_slope_at_the_origin_is_refused_before_training() {
    let relu = DecoderConfig::Mlp(MlpConfig::new(&[5], Activation::Relu));
    let config = VaeConfig { decoder: relu, ..origin(Family::Dirac, 1, 1.0) };
    let mut vae = config.build(&[3], &only(), &mut Rng::new(9)).unwrap();
    vae.visit_mut(&mut |name, p| {
        if name.ends_with("bias") {
            p.set_free(&vec![-0.1; p.len()]);
        }
    });
    let training = Training::new(&[1.0, 2.0, 3.0], 3, &only(), &TrainingConfig::default(), &mut Rng::new(1)).unwrap();
    let error = training.run(&mut vae, &mut Run::new(1)).unwrap_err().to_string();
    assert!(error.contains("without a slope at the origin"), "{error}");
}

#[test]
fn models_whose_loss_is_no_function_of_a_data_points_own_code_are_refused() {
    let refused = |config: VaeConfig, part: &str| {
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let of = || origin(Family::GaussDiag, 1, 1.0);
    refused(origin(Family::Dirac, 0, 1.0), "`encoder.steps`");
    refused(origin(Family::Dirac, 1, 0.0), "`encoder.scale`");
    refused(VaeConfig { family: Family::Dirichlet, ..of() }, "dirichlet with codes from the origin");
    let optimal = LikelihoodConfig::Gaussian { noise: Noise::Optimal };
    refused(VaeConfig { likelihood: optimal, ..of() }, "gaussian with codes from the origin");
    let similarity =
        LikelihoodConfig::Similarity { scales: Scales::default(), share: 0.84, weight: 1.0, picture: None };
    refused(VaeConfig { likelihood: similarity, ..of() }, "similarity with codes from the origin");
    let gru = DecoderConfig::Gru(SequenceConfig::default());
    refused(VaeConfig { decoder: gru, ..of() }, "gru with codes from the origin");
    refused(VaeConfig { prior: PriorConfig::Vamp { components: 2 }, ..of() }, "vamp with codes from the origin");
    refused(VaeConfig { topk: Some(1), ..of() }, "`topk`");
    refused(VaeConfig { condition: Some(ConditionConfig::new(2)), ..of() }, "`condition.encoder`");
}
