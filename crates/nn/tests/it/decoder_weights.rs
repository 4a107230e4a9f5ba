//! A posterior over the decoder's weights: its divergence, its gradient, a regression with a known answer, and what is refused.

use crate::common::{assert_gradient, normals, shake, small};
use elbo_core::{Rng, Run};
use elbo_dist::batched::{Batched, MultivariateNormal};
use elbo_nn::Activation;
use elbo_nn::network::{ConvConfig, DecoderConfig, EncoderConfig, MlpConfig};
use elbo_nn::vae::{
    Decay, DecoderWeights, Family, Gradient, LikelihoodConfig, Noise, ObjectiveConfig, PriorConfig, Term, Training,
    TrainingConfig, Vae, VaeConfig,
};
use elbo_tensor::{DType, Parameters, Tensor};

fn posterior(likelihood: LikelihoodConfig) -> VaeConfig {
    VaeConfig { weights: DecoderWeights::Posterior, ..small(likelihood, Family::GaussDiag, PriorConfig::Standard) }
}

/// Natural values of the decoder's parameters whose names end so, in order.
fn values_of(vae: &Vae, end: &str) -> Vec<Vec<f64>> {
    let mut found = vec![];
    vae.visit(&mut |name, p| {
        if name.starts_with("decoder") && name.ends_with(end) {
            found.push(p.value());
        }
    });
    found
}

#[test]
fn the_divergence_of_the_weights_is_the_closed_form() {
    let mut rng = Rng::new(1);
    let mut vae = posterior(LikelihoodConfig::Bernoulli).build(&[3], &ObjectiveConfig::default(), &mut rng).unwrap();
    shake(&mut vae, 0.3, &mut rng);
    let (means, sds) = (values_of(&vae, ".mean").concat(), values_of(&vae, ".sd").concat());
    // Two layers, from 2 to 5 to 3, with biases.
    assert_eq!((means.len(), sds.len()), (5 * 3 + 3 * 6, 5 * 3 + 3 * 6));
    for prior_sd in [1.0f64, 0.5] {
        let one = |(m, s): (&f64, &f64)| (prior_sd / s).ln() + (s * s + m * m) / (2.0 * prior_sd * prior_sd) - 0.5;
        let expected: f64 = means.iter().zip(&sds).map(one).sum();
        let found = vae.decoder().weight_kl(prior_sd).unwrap().item();
        assert!((found - expected).abs() < 1e-9 * expected, "{found} vs {expected}");
    }
    let point = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::Standard);
    let point = point.build(&[3], &ObjectiveConfig::default(), &mut rng).unwrap();
    assert!(
        point.decoder().weight_kl(1.0).is_none() && point.weight_measures(&[0.0; 3], 1, 1.0, 1, &mut rng).is_none()
    );
}

#[test]
fn the_objective_with_the_divergence_of_the_weights_has_the_gradient_of_its_value() {
    for objective in [ObjectiveConfig::default(), ObjectiveConfig::iwae(3, Gradient::Plain)] {
        let mut rng = Rng::new(2);
        let mut vae = posterior(LikelihoodConfig::Bernoulli).build(&[3], &objective, &mut rng).unwrap();
        let x = Tensor::from_slice(&[1.0, 0.0, 1.0, 0.0, 0.0, 1.0], &[2, 3]);
        let loss = |vae: &Vae| {
            let bound = vae.losses(&x, &objective, 0, &mut Rng::new(3)).unwrap().total(&[1.0, 1.0]);
            bound + vae.decoder().weight_kl(1.0).unwrap() * 0.1
        };
        assert_gradient(&format!("{objective:?}"), &mut vae, loss, 2e-6);
    }
}

const ROWS: usize = 40;
const SD: f64 = 0.1;

/// Codes that the encoder reads off the first element without noise, around zero so that slope and intercept are independent, and elements that
/// are lines of them with little noise.
fn line() -> (Tensor, Vec<f32>) {
    let z = Tensor::linspace(-1.5, 1.5, ROWS).unsqueeze(1);
    let y = &z * 0.7 - 0.2 + normals(&[ROWS, 1], &mut Rng::new(4)) * SD;
    let x = Tensor::cat(&[z, y], 1);
    let values = x.to_vec().iter().map(|v| *v as f32).collect();
    (x, values)
}

/// A decoder of one linear layer with a posterior, trained on the line.
fn regression(x: &[f32]) -> Vae {
    let none = MlpConfig::new(&[], Activation::Identity);
    let config = VaeConfig {
        latent: 1,
        encoder: EncoderConfig::Mlp(none.clone()),
        decoder: DecoderConfig::Mlp(none),
        ..posterior(LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: SD } })
    };
    let mut rng = Rng::new(5);
    let mut vae = config.build(&[2], &ObjectiveConfig::default(), &mut rng).unwrap();
    vae.visit_mut(&mut |name, p| {
        match name {
            // Rows: mean, log variance.
            "encoder.0.weight" => p.set_free(&[1.0, 0.0, 0.0, 0.0]),
            "encoder.0.bias" => p.set_free(&[0.0, -30.0]),
            _ => return,
        }
        p.set_frozen(true);
    });
    let training = TrainingConfig {
        epochs: 1500,
        batch: ROWS,
        rate: 1e-2,
        decay: Decay::Cosine,
        weight_precision: 1.0,
        ..TrainingConfig::default()
    };
    let training = Training::new(x, 2, &ObjectiveConfig::default(), &training, &mut rng).unwrap();
    training.run(&mut vae, &mut Run::new(6)).unwrap();
    vae
}

#[test]
fn with_little_noise_a_linear_layer_has_the_mode_as_mean_and_a_bound_just_below_the_evidence() {
    let (x, values) = line();
    let mut vae = regression(&values);
    let design = Tensor::cat(&[x.narrow(1, 0, 1), Tensor::ones(&[ROWS, 1], DType::F64)], 1);
    // The exact posterior of each element's slope and intercept: precision I + Z'Z / s².
    let precision = design.t().matmul(&design) * (1.0 / (SD * SD)) + Tensor::eye(2, DType::F64);
    let mode = precision.solve(&(design.t().matmul(&x) * (1.0 / (SD * SD)))).unwrap().t().to_vec();
    let diagonal = precision.diagonal().to_vec();
    let (mean, sd) = (values_of(&vae, ".mean").concat(), values_of(&vae, ".sd").concat());
    for i in 0..4 {
        let exact = diagonal[i % 2].sqrt().recip();
        assert!((mean[i] - mode[i]).abs() < 0.3 * exact, "{i}: {mean:?} vs {mode:?}");
        assert!((sd[i] / exact - 1.0).abs() < 0.15, "{i}: {} vs {exact}", sd[i]);
    }

    // log p(X | Z): each element is N(0, s² I + Z Z') over the rows. What the codes cost is not part of it.
    let covariance = design.matmul(&design.t()) + Tensor::eye(ROWS, DType::F64) * (SD * SD);
    let marginal = MultivariateNormal::new(Tensor::zeros(&[ROWS], DType::F64), covariance.cholesky().unwrap());
    let evidence = marginal.log_prob(&x.t().contiguous()).sum().item();
    let of_codes = vae.prior().kl(&vae.encode(&values)).unwrap().sum().item();
    let bound = |vae: &Vae| {
        let found = vae.weight_measures(&values, ROWS, 1.0, 2000, &mut Rng::new(7)).unwrap();
        assert!((found.kl - vae.decoder().weight_kl(1.0).unwrap().item()).abs() < 1e-9);
        ROWS as f64 * found.bound + of_codes
    };
    // The draws' error is a tenth of a nat.
    let fitted = bound(&vae);
    assert!(fitted < evidence + 0.5 && fitted > evidence - 1.0, "{fitted} vs {evidence}");
    vae.visit_mut(&mut |name, p| {
        if name.ends_with(".sd") {
            let wide: Vec<f64> = p.value().iter().map(|sd| 3.0 * sd).collect();
            p.set(&wide).unwrap();
        }
    });
    // Four weights, each (9 - 1) / 2 - log 3 = 2.9 nats worse.
    let wide = bound(&vae);
    assert!(wide < fitted - 8.0, "{wide} vs {fitted}");
}

#[test]
fn decoders_objectives_and_priors_that_do_not_fit_are_refused() {
    let refused = |config: VaeConfig, shape: &[usize], objective: &ObjectiveConfig, part: &str| {
        let error = config.build(shape, objective, &mut Rng::new(0)).err().unwrap().to_string();
        assert!(error.contains("`weights` is posterior with") && error.contains(part), "{error}");
    };
    let bound = ObjectiveConfig::default();
    let config = || posterior(LikelihoodConfig::Bernoulli);
    let conv = DecoderConfig::Conv(ConvConfig::default());
    refused(VaeConfig { decoder: conv, ..config() }, &[1, 8, 8], &bound, "convolutions");
    let dropout = MlpConfig { dropout: 0.1, ..MlpConfig::default() };
    refused(VaeConfig { decoder: DecoderConfig::Mlp(dropout), ..config() }, &[3], &bound, "dropout");
    let sleep = ObjectiveConfig { draws: 1, terms: vec![Term::WakeSleep.into()] };
    refused(config(), &[3], &sleep, "wake-sleep");
    let wide = DecoderConfig::Mlp(MlpConfig::new(&[1 << 40], Activation::Tanh));
    let error = VaeConfig { decoder: wide, ..config() }.build(&[3], &bound, &mut Rng::new(0)).err().unwrap();
    assert!(error.to_string().contains("2^28 numbers"), "{error}");
    let mut vae = config().build(&[3], &bound, &mut Rng::new(1)).unwrap();
    let training = TrainingConfig { epochs: 1, ..TrainingConfig::default() };
    let training = Training::new(&[0.0; 9], 3, &bound, &training, &mut Rng::new(2)).unwrap();
    let error = training.run(&mut vae, &mut Run::new(3)).unwrap_err().to_string();
    assert!(error.contains("`weight_precision` is 0") && error.contains("standard normal"), "{error}");
}
