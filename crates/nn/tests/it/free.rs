//! Posteriors of single data points: fitted to each alone, or rows of a table in the place of an encoder.

use crate::common::{normals, objective, small};
use elbo_core::{Rng, Run};
use elbo_nn::Activation;
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig};
use elbo_nn::vae::condition::rows;
use elbo_nn::vae::{
    ConditionConfig, Decay, EvaluationConfig, Family, LikelihoodConfig, Noise, ObjectiveConfig, PriorConfig,
    Refinement, Term, Training, TrainingConfig, Vae, VaeConfig,
};
use elbo_tensor::{DType, Parameters, Tensor};

const SD: f64 = 0.5;

/// A model whose decoder is linear, so that the bound has one optimum in each posterior.
fn linear(family: Family) -> VaeConfig {
    let none = MlpConfig::new(&[], Activation::Identity);
    VaeConfig {
        encoder: EncoderConfig::Mlp(none.clone()),
        decoder: DecoderConfig::Mlp(none),
        ..small(LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: SD } }, family, PriorConfig::Standard)
    }
}

const PLACE: ConditionConfig = ConditionConfig { numbers: 1, encoder: true, decoder: false };

/// The same with a table of five posteriors.
fn table() -> VaeConfig {
    VaeConfig { encoder: EncoderConfig::Table { rows: 5 }, condition: Some(PLACE), ..linear(Family::GaussDiag) }
}

fn build(config: &VaeConfig) -> Vae {
    config.build(&[3], &ObjectiveConfig::default(), &mut Rng::new(4)).unwrap()
}

#[test]
fn refined_posteriors_of_a_linear_model_are_the_true_ones() {
    let vae = build(&linear(Family::GaussFull));
    let (mut weight, mut bias) = (vec![], vec![]);
    vae.visit(&mut |name, p| match name {
        "decoder.0.weight" => weight = p.value(),
        "decoder.0.bias" => bias = p.value(),
        _ => {}
    });
    let (w, b) = (Tensor::from_vec(weight, &[3, 2]), Tensor::from_vec(bias, &[3]));
    let values: Vec<f32> = Rng::new(6).normals(4 * 3).iter().map(|v| 2.0 * *v as f32).collect();
    let x = Tensor::from_f32(values.clone(), &[4, 3]).to_f64();
    // N(S W'(x - b) / sd^2, S) with S^-1 = I + W'W / sd^2.
    let precision = Tensor::eye(2, DType::F64) + w.t().matmul(&w) * (1.0 / (SD * SD));
    let covariance = precision.solve(&Tensor::eye(2, DType::F64)).unwrap();
    let mean = (x - b).matmul(&w).matmul(&covariance) * (1.0 / (SD * SD));

    let far = (vae.encode(&values).mean() - &mean).abs().max().item();
    assert!(far > 0.2, "the encoder is no answer: {far}");
    let settings = Refinement { steps: 2000, ..Refinement::default() };
    let found = vae.refined(&values, &settings, &mut Rng::new(1)).unwrap();
    // The gradient has no noise at the optimum; what is left is the last rate of Adam.
    let off = (found.mean() - &mean).abs().max().item();
    assert!(off < 0.02, "{off}");
    let off = (found.mean_covariance().unwrap() - &covariance).abs().max().item();
    assert!(off < 0.02, "{off}");
}

/// Five data points with their places behind them.
fn data() -> Vec<f32> {
    let values: Vec<f32> = normals(&[5, 3], &mut Rng::new(8)).to_vec().iter().map(|v| *v as f32).collect();
    rows(&values, 3, &[0.0, 1.0, 2.0, 3.0, 4.0], 1).unwrap()
}

#[test]
fn a_trained_table_holds_what_refinement_finds_for_each_data_point() {
    let (mut vae, data) = (build(&table()), data());
    let effort = EvaluationConfig { draws: 200, pairs: 5 };
    let before = vae.evaluate(&data, &effort, &mut Rng::new(1)).elbo;
    let settings =
        TrainingConfig { epochs: 2000, batch: 5, rate: 0.02, decay: Decay::Cosine, ..TrainingConfig::default() };
    let mut rng = Rng::new(2);
    let training = Training::new(&data, 4, &ObjectiveConfig::default(), &settings, &mut rng).unwrap();
    training.run(&mut vae, &mut Run::new(3)).unwrap();
    let after = vae.evaluate(&data, &effort, &mut Rng::new(1)).elbo;
    assert!(after > before + 1.0, "{before} before, {after} after");

    let own = vae.encode(&data);
    // New places, which no row of the table has: refinement does not ask for them.
    let moved: Vec<f32> = data.chunks(4).flat_map(|row| [row[0], row[1], row[2], 99.0]).collect();
    let refined = vae.refined(&moved, &Refinement::default(), &mut Rng::new(5)).unwrap();
    // The table was trained with the noise of single draws.
    let off = (own.mean() - refined.mean()).abs().max().item();
    assert!(off < 0.1, "{off}");
    let off = (own.variance() - refined.variance()).abs().max().item();
    assert!(off < 0.1, "{off}");
}

#[test]
fn a_posterior_of_a_table_is_that_of_the_place_and_not_of_the_elements() {
    let (vae, data) = (build(&table()), data());
    let mean = |values: &[f32]| vae.encode(values).mean().to_vec();
    assert_eq!(mean(&data[..4]), mean(&[9.0, 9.0, 9.0, 0.0]));
    assert_ne!(mean(&data[..4]), mean(&[data[0], data[1], data[2], 1.0]));
}

#[test]
fn data_points_without_a_row_are_refused_with_what_encodes_them() {
    let vae = build(&table());
    for place in [5.0, -1.0, 0.5] {
        let row = [1.0f32, 0.0, 1.0, place];
        let x = Tensor::from_f32(row.to_vec(), &[1, 4]).to_f64();
        let error = vae.losses(&x, &ObjectiveConfig::default(), 0, &mut Rng::new(1)).err().unwrap();
        assert!(error.to_string().contains("table of 5 posteriors"), "{error}");
        assert!(error.remedy().contains("refined"), "{}", error.remedy());
        let error = vae.joint(&row).err().unwrap();
        assert!(error.to_string().contains("table of 5 posteriors"), "{error}");
        let (objective, settings) = (ObjectiveConfig::default(), TrainingConfig::default());
        let training = Training::new(&row, 4, &objective, &settings, &mut Rng::new(1)).unwrap();
        let error = training.run(&mut build(&table()), &mut Run::new(1)).unwrap_err();
        assert!(error.to_string().contains("table of 5 posteriors"), "{error}");
    }
    vae.check_known(&data()).unwrap();
    build(&linear(Family::GaussDiag)).check_known(&[1.0, 0.0, 1.0]).unwrap();
}

#[test]
fn what_has_no_row_or_no_gradient_is_refused_before_work_starts() {
    let refused = |config: VaeConfig, part: &str| {
        let error = config.check().unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(VaeConfig { condition: None, ..table() }, "`condition`");
    refused(VaeConfig { condition: Some(ConditionConfig { decoder: true, ..PLACE }), ..table() }, "`condition`");
    refused(VaeConfig { encoder: EncoderConfig::Table { rows: 0 }, ..table() }, "`encoder.rows`");
    refused(VaeConfig { prior: PriorConfig::Vamp { components: 2 }, ..table() }, "`prior` is vamp");
    let dreams = objective(&[Term::WakeSleep], 1);
    let error = table().build(&[3], &dreams, &mut Rng::new(1)).err().unwrap();
    assert!(error.to_string().contains("table with a wake"), "{error}");

    let vae = build(&linear(Family::Dirichlet));
    let error = vae.refined(&[1.0, 0.0, 1.0], &Refinement::default(), &mut Rng::new(1)).unwrap_err();
    assert!(error.to_string().contains("`family` is dirichlet"), "{error}");
    let vae = build(&linear(Family::GaussDiag));
    for values in [&[][..], &[1.0, 0.0]] {
        let error = vae.refined(values, &Refinement::default(), &mut Rng::new(1)).unwrap_err();
        assert!(error.to_string().contains("no rows of 3"), "{error}");
    }
    let none = Refinement { steps: 0, ..Refinement::default() };
    assert!(vae.refined(&[1.0, 0.0, 1.0], &none, &mut Rng::new(1)).is_err());
}
