//! Structural similarity as a loss of pictures: it has its formula and its gradient, and a model with it has no bounds.

use crate::common::{assert_gradient, small};
use elbo_core::Rng;
use elbo_infer::mcmc::Bridge;
use elbo_nn::vae::{
    EvaluationConfig, Family, Gradient, LikelihoodConfig, ObjectiveConfig, PriorConfig, Scales, Vae, VaeConfig,
};
use elbo_picture::{ms_ssim_gradient, ssim};
use elbo_tensor::{DType, Tensor};

const SHAPE: [usize; 3] = [2, 12, 11];
const SIZE: usize = 2 * 12 * 11;

fn loss(scales: Scales) -> LikelihoodConfig {
    LikelihoodConfig::Similarity { weight: 0.5, share: 0.7, scales, picture: None }
}

fn model(scales: Scales) -> VaeConfig {
    small(loss(scales), Family::GaussDiag, PriorConfig::Standard)
}

fn build(scales: Scales) -> Vae {
    model(scales).build(&SHAPE, &ObjectiveConfig::default(), &mut Rng::new(2)).unwrap()
}

/// Pictures that vary smoothly, with some noise, `[count, D]`.
fn pictures(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..count * SIZE).map(|i| 0.5 + 0.3 * (i as f64 * 0.3).sin() + 0.1 * rng.uniform()).collect()
}

#[test]
fn the_loss_has_its_formula_for_every_draw() {
    let (x, logits) = (pictures(2, 1), Rng::new(4).normals(3 * 2 * SIZE));
    for scales in [Scales::Single, Scales::Several] {
        let likelihood = loss(scales).fitted(&SHAPE).unwrap().build(SIZE, DType::F64);
        let output = Tensor::from_slice(&logits, &[3, 2, SIZE]);
        let found = likelihood.log_prob(&output, &Tensor::from_slice(&x, &[2, SIZE]));
        assert_eq!(found.shape(), [3, 2]);
        for (i, value) in found.to_vec().into_iter().enumerate() {
            let means: Vec<f64> =
                logits[i * SIZE..(i + 1) * SIZE].iter().map(|l| elbo_tensor::special::sigmoid(*l)).collect();
            let truth = &x[i % 2 * SIZE..][..SIZE];
            let similarity = match scales {
                Scales::Single => ssim(&means, truth, [11, 12]),
                Scales::Several => ms_ssim_gradient(&means, truth, [11, 12]).unwrap().0,
            };
            let error = means.iter().zip(truth).map(|(m, x)| (m - x).abs()).sum::<f64>() / SIZE as f64;
            let expected = -0.5 * SIZE as f64 * (0.7 * (1.0 - similarity) + 0.3 * error);
            assert!((value - expected).abs() < 1e-9, "{scales:?}, {i}: {value} for {expected}");
        }
    }
}

#[test]
fn equal_pictures_cost_nothing_and_others_more_with_their_distance() {
    let x = Tensor::from_vec(pictures(1, 3), &[1, SIZE]);
    let logits = x.log() - (1.0 - &x).log();
    let noise = Tensor::from_vec(Rng::new(5).normals(SIZE), &[1, SIZE]);
    for scales in [Scales::Single, Scales::Several] {
        let likelihood = loss(scales).fitted(&SHAPE).unwrap().build(SIZE, DType::F64);
        let of = |sd: f64| likelihood.log_prob(&(&logits + &noise * sd), &x).item();
        assert!(of(0.0).abs() < 1e-9, "{scales:?}: {}", of(0.0));
        assert!(of(0.1) < -1e-3 && of(0.5) < of(0.1), "{scales:?}: {} {}", of(0.1), of(0.5));
        let drawn = likelihood.sample(&logits, &mut Rng::new(1));
        assert!((drawn - &x).abs().max().item() < 1e-12, "{scales:?}: a loss has no draws but its means");
    }
}

#[test]
fn objectives_with_the_loss_have_the_gradient_of_their_value() {
    let x = Tensor::from_vec(pictures(2, 6), &[2, SIZE]);
    for scales in [Scales::Single, Scales::Several] {
        // Without the absolute error, whose kinks differences of 264 pixels may meet; that of Laplace distributions has its own test.
        let whole = LikelihoodConfig::Similarity { weight: 0.5, share: 1.0, scales, picture: None };
        let objective = ObjectiveConfig::default();
        let config = small(whole, Family::GaussDiag, PriorConfig::Standard);
        let mut vae = config.build(&SHAPE, &objective, &mut Rng::new(2)).unwrap();
        let value = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(2)).unwrap().total(&[1.0, 1.0]);
        assert_gradient(&format!("{scales:?}"), &mut vae, value, 2e-6);
    }
}

#[test]
fn a_model_with_the_loss_has_a_divergence_and_a_reconstruction_but_no_bounds() {
    let vae = build(Scales::Several);
    assert!(!vae.config().has_bounds());
    let values: Vec<f32> = pictures(5, 7).iter().map(|v| *v as f32).collect();
    let found = vae.evaluate(&values, &EvaluationConfig { draws: 8, pairs: 5 }, &mut Rng::new(1));
    assert!(found.kl.is_finite() && found.reconstruction < 0.0 && found.mutual_information.is_finite());
    assert!([found.elbo, found.iwae, found.bits_per_dim, found.effective_share].iter().all(|v| v.is_nan()));
    let error = vae.annealed(&values[..SIZE], &Bridge::default(), &mut Rng::new(1)).unwrap_err();
    assert!(error.to_string().contains("`likelihood` is similarity"), "{error}");
    let bound = ObjectiveConfig::iwae(3, Gradient::Plain);
    let error = model(Scales::Several).build(&SHAPE, &bound, &mut Rng::new(1)).err().unwrap();
    assert!(error.to_string().contains("with the likelihood `similarity`"), "{error}");
}

#[test]
fn data_points_that_are_no_pictures_and_pictures_below_the_window_are_refused() {
    let refused = |config: &LikelihoodConfig, shape: &[usize], setting: &str| {
        let error = config.fitted(shape).unwrap_err();
        assert!(error.to_string().contains(setting), "{error}");
    };
    refused(&loss(Scales::Single), &[SIZE], "likelihood.picture");
    refused(&loss(Scales::Several), &[1, 8, 30], "likelihood.scales");
    loss(Scales::Single).fitted(&[1, 8, 30]).unwrap();
    let given = |picture| LikelihoodConfig::Similarity {
        weight: 1.0,
        share: 1.0,
        scales: Scales::Several,
        picture: Some(picture),
    };
    assert_eq!(given([11, 12]).fitted(&[SIZE]).unwrap(), given([11, 12]));
    refused(&given([13, 12]), &[SIZE], "likelihood.picture");
    refused(&given([0, 12]), &[SIZE], "likelihood.picture");
    let pictures = LikelihoodConfig::Similarity { weight: 1.0, share: 1.5, scales: Scales::Single, picture: None };
    assert!(pictures.check().unwrap_err().to_string().contains("likelihood.share"));
    let missing = VaeConfig { nan_is_missing: true, ..model(Scales::Single) };
    assert!(missing.check().unwrap_err().to_string().contains("`nan_is_missing` is true"));
}
