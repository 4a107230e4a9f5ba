//! Missing elements: they drop out of the likelihood, are filled in by the model's own conditional means, and are refused where they cannot
//! be left out.

use crate::common::{assert_gradient, normals, small};
use elbo_core::{Rng, Run};
use elbo_nn::network::{ConvConfig, DecoderConfig, EncoderConfig, MlpConfig, SequenceConfig};
use elbo_nn::vae::{
    Binarise, EvaluationConfig, Family, Gradient, LikelihoodConfig, Noise, ObjectiveConfig, Path, PriorConfig,
    Training, TrainingConfig, Vae, VaeConfig,
};
use elbo_nn::{Activation, Pass};
use elbo_tensor::{Parameters, Tensor};

/// Every likelihood with elements of their own.
fn likelihoods() -> Vec<LikelihoodConfig> {
    let gaussian = |noise| LikelihoodConfig::Gaussian { noise };
    vec![
        gaussian(Noise::Fixed { sd: 0.5 }),
        gaussian(Noise::Learned),
        gaussian(Noise::PerElement),
        gaussian(Noise::Decoded),
        LikelihoodConfig::Bernoulli,
        LikelihoodConfig::ContinuousBernoulli,
        LikelihoodConfig::Categorical { levels: 2 },
        LikelihoodConfig::Poisson,
        LikelihoodConfig::NegativeBinomial { library: None },
        LikelihoodConfig::ZeroInflatedNegativeBinomial { library: None },
        LikelihoodConfig::Laplace { scale: None },
        LikelihoodConfig::DiscretisedLogistic { levels: 2 },
        LikelihoodConfig::DiscretisedLogisticMixture { levels: 2, components: 2, channels: None },
    ]
}

fn masked(likelihood: LikelihoodConfig) -> VaeConfig {
    VaeConfig { nan_is_missing: true, ..small(likelihood, Family::GaussDiag, PriorConfig::Standard) }
}

fn built(config: &VaeConfig, dims: usize, seed: u64) -> Vae {
    config.build(&[dims], &ObjectiveConfig::default(), &mut Rng::new(seed)).unwrap()
}

const ROW: [f64; 3] = [1.0, 0.0, 1.0];

#[test]
fn each_element_is_worth_its_own_probability_and_a_missing_one_nothing() {
    for likelihood in likelihoods() {
        let vae = built(&masked(likelihood.clone()), 3, 4);
        let (pass, path) = (&mut Pass::evaluation(), Path::new(Gradient::Plain));
        let noise = normals(&[4, 1, 2], &mut Rng::new(1));
        let whole = Tensor::from_slice(&ROW, &[1, 3]);
        let q = vae.posterior(&whole, pass);
        // The same codes whatever is missing.
        let mut worth = |missing: &[usize]| {
            let mut row = ROW;
            missing.iter().for_each(|d| row[*d] = f64::NAN);
            let x = Tensor::from_slice(&row, &[1, 3]);
            vae.draw_at(q.clone(), &x, &noise, &path, &mut Rng::new(0), pass).log_likelihood
        };
        let complete = worth(&[]);
        let parts = (0..3).map(|d| &complete - worth(&[d])).sum::<Tensor>();
        assert!((parts - &complete).abs().max().item() < 1e-9, "{likelihood:?}");
        assert_eq!(worth(&[0, 1, 2]).to_vec(), [0.0; 4], "{likelihood:?}");
        let codes = q.rsample(&noise).select(1, 0);
        let output = vae.decoder().forward(&codes, None, &mut Pass::evaluation());
        let unmasked = vae.likelihood().log_prob(&output, &whole);
        assert!((complete.select(1, 0) - unmasked).abs().max().item() < 1e-9, "{likelihood:?}");
    }
}

#[test]
fn objectives_with_missing_elements_have_the_gradient_of_their_value() {
    let optimal = LikelihoodConfig::Gaussian { noise: Noise::Optimal };
    let no = f64::NAN;
    let x = Tensor::from_slice(&[1.0, no, 0.0, no, no, 1.0, 1.0, 0.0, 0.0, no, no, no], &[4, 3]);
    for likelihood in likelihoods().into_iter().chain([optimal]) {
        for objective in [ObjectiveConfig::default(), ObjectiveConfig::iwae(3, Gradient::Plain)] {
            let mut vae = built(&masked(likelihood.clone()), 3, 3);
            let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(2)).unwrap().total(&[1.0, 1.0]);
            assert!(loss(&vae).is_finite());
            assert_gradient(&format!("{likelihood:?}"), &mut vae, loss, 2e-6);
        }
    }
}

#[test]
fn the_encoder_tells_a_missing_element_from_a_zero() {
    let vae = built(&masked(LikelihoodConfig::Bernoulli), 3, 4);
    let code =
        |row: [f64; 3]| vae.posterior(&Tensor::from_slice(&row, &[1, 3]), &mut Pass::evaluation()).mean().to_vec();
    assert_ne!(code([1.0, f64::NAN, 1.0]), code([1.0, 0.0, 1.0]));
}

#[test]
fn a_linear_model_fills_in_the_conditional_means_of_its_normal_distribution() {
    let none = MlpConfig::new(&[], Activation::Identity);
    let sd = 0.5;
    let config = VaeConfig {
        encoder: EncoderConfig::Mlp(none.clone()),
        decoder: DecoderConfig::Mlp(none),
        ..masked(LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd } })
    };
    let vae = built(&config, 3, 2);
    let (mut weight, mut bias) = (vec![], vec![]);
    vae.visit(&mut |name, p| match name {
        "decoder.0.weight" => weight = p.value(),
        "decoder.0.bias" => bias = p.value(),
        _ => {}
    });
    let covariance = |i: usize, j: usize| {
        let shared: f64 = (0..2).map(|l| weight[i * 2 + l] * weight[j * 2 + l]).sum();
        shared + if i == j { sd * sd } else { 0.0 }
    };
    // E[x_2 | x_0, x_1] = b_2 + S_2o S_oo^-1 (x_o - b_o).
    let x = [0.8f32, -0.6];
    let gap: Vec<f64> = (0..2).map(|d| f64::from(x[d]) - bias[d]).collect();
    let (a, b, c) = (covariance(0, 0), covariance(0, 1), covariance(1, 1));
    let determinant = a * c - b * b;
    let solved = [(c * gap[0] - b * gap[1]) / determinant, (a * gap[1] - b * gap[0]) / determinant];
    let expected = bias[2] + covariance(2, 0) * solved[0] + covariance(2, 1) * solved[1];

    let draws = 40_000;
    let found = vae.impute(&[x[0], x[1], f32::NAN], draws, &mut Rng::new(5));
    assert_eq!(found.values[..2], x, "what is there stays");
    assert!(found.effective > 1000.0 && found.effective <= draws as f64, "{}", found.effective);
    // Four standard errors of a mean whose draws vary by less than the prior's.
    let prior_sd = (covariance(2, 2) - sd * sd).sqrt();
    let error = 4.0 * prior_sd.max(0.1) / found.effective.sqrt();
    assert!((f64::from(found.values[2]) - expected).abs() < error, "{} for {expected}", found.values[2]);
    assert!(vae.impute(&[x[0], x[1], 0.0], 10, &mut Rng::new(5)).effective.is_nan(), "nothing was filled in");
}

#[test]
fn a_missing_category_gets_the_likeliest_level_given_the_others() {
    let vae = built(&masked(LikelihoodConfig::Categorical { levels: 3 }), 3, 1);
    let found = vae.impute(&[2.0, f32::NAN, 0.0], 5000, &mut Rng::new(1)).values[1];
    // p(x) of the row with each level, over draws of the prior alone.
    let codes = vae.sample_prior(20_000, &mut Rng::new(2));
    let output = vae.decoder().forward(&codes, None, &mut Pass::evaluation());
    let probability = [0.0, 1.0, 2.0].map(|level| {
        let row = Tensor::from_slice(&[2.0, level, 0.0], &[1, 3]);
        vae.likelihood().log_prob(&output, &row).exp().mean().item()
    });
    let best = probability.iter().copied().fold(0.0, f64::max);
    let chosen = [0.0, 1.0, 2.0].iter().zip(probability).find(|(level, _)| **level == found).map(|(_, p)| p);
    // Both are averages over draws, so a level that is as likely to a few per cent may win.
    assert!(chosen.is_some_and(|p| p > 0.97 * best), "{found}: {probability:?}");
    assert!(
        probability.iter().any(|p| *p < 0.9 * best),
        "levels that are equally likely show nothing: {probability:?}"
    );
}

#[test]
fn pictures_with_missing_pixels_train_and_are_measured_on_what_is_there() {
    let mut rng = Rng::new(3);
    let mut values: Vec<f32> = (0..40 * 36).map(|i| if (i / 18) % 2 == 0 { 0.9 } else { 0.2 }).collect();
    values.iter_mut().filter(|_| rng.uniform() < 0.25).for_each(|v| *v = f32::NAN);
    let conv = ConvConfig { channels: vec![4], ..ConvConfig::default() };
    let config = VaeConfig {
        encoder: EncoderConfig::Conv(conv.clone()),
        decoder: DecoderConfig::Conv(conv),
        ..masked(LikelihoodConfig::Bernoulli)
    };
    let objective = ObjectiveConfig::iwae(3, Gradient::DoublyReparameterised);
    let mut vae = config.build(&[1, 6, 6], &objective, &mut rng).unwrap();
    let training =
        TrainingConfig { epochs: 40, batch: 10, rate: 1e-2, binarise: Binarise::Dynamic, ..TrainingConfig::default() };
    let effort = EvaluationConfig { draws: 20, pairs: 40 };
    let once = Binarise::Dynamic.once(&values, &mut rng);
    assert!(once.iter().zip(&values).all(|(a, b)| a.is_nan() == b.is_nan()));
    let before = vae.evaluate(&once, &effort, &mut Rng::new(1));
    Training::new(&values, 36, &objective, &training, &mut rng).unwrap().run(&mut vae, &mut Run::new(5)).unwrap();
    let after = vae.evaluate(&once, &effort, &mut Rng::new(1));
    assert!(after.elbo > before.elbo + 1.0, "{} to {}", before.elbo, after.elbo);
    let present = values.iter().filter(|v| !v.is_nan()).count() as f64 / 40.0;
    assert!((after.observed.iter().sum::<f64>() - present).abs() < 1e-9);
    let bits = -after.elbo / (present * std::f64::consts::LN_2);
    assert!((after.bits_per_dim - bits).abs() < 1e-9, "{} for {bits}", after.bits_per_dim);
}

#[test]
fn networks_and_likelihoods_that_need_every_element_are_refused() {
    let network = SequenceConfig { hidden: 4, levels: 0, embedding: 4 };
    let gaussian = || masked(LikelihoodConfig::Gaussian { noise: Noise::Learned });
    for config in [
        VaeConfig { decoder: DecoderConfig::Gru(network.clone()), ..gaussian() },
        VaeConfig { encoder: EncoderConfig::Gru(network), ..gaussian() },
        masked(LikelihoodConfig::Multinomial),
        masked(LikelihoodConfig::NegativeBinomial { library: Some(10.0) }),
    ] {
        let error = config.check().unwrap_err();
        assert!(error.to_string().contains("`nan_is_missing` is true"), "{error}");
        VaeConfig { nan_is_missing: false, ..config }.check().unwrap();
    }
}
