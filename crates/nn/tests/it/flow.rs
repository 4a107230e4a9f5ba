//! Posteriors behind a flow: their densities, gradients and moments, a bound that no independent dimensions reach, and what is refused.

use crate::common::{assert_gradient, bernoulli, normals, objective, shake, small};
use elbo_core::{Rng, Run};
use elbo_dist::batched::{Batched, MultivariateNormal};
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig};
use elbo_nn::vae::{
    Decay, Estimate, Evaluation, EvaluationConfig, Family, Gradient, LikelihoodConfig, Noise, ObjectiveConfig,
    Posterior, PriorConfig, Term, Training, TrainingConfig, Vae, VaeConfig,
};
use elbo_nn::{Activation, Pass};
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{DType, Parameters, Tensor};

const FLOWS: [&str; 5] = ["planar:3", "iaf:2x6", "nice:2x6", "realnvp:2x6", "spline:2x4"];

fn behind(flow: &str, family: Family) -> VaeConfig {
    VaeConfig { flow: Some(flow.into()), ..small(LikelihoodConfig::Bernoulli, family, PriorConfig::Standard) }
}

fn built(config: &VaeConfig, rng: &mut Rng) -> Vae {
    config.build(&[3], &ObjectiveConfig::default(), rng).unwrap()
}

/// Away from the start, where most flows are the identity.
fn shaken(config: &VaeConfig, rng: &mut Rng) -> Vae {
    let mut vae = built(config, rng);
    shake(&mut vae, 0.3, rng);
    vae
}

#[test]
fn a_flow_without_weights_is_the_gaussian() {
    let mut rng = Rng::new(1);
    for flow in ["planar:2", "nice:2x6", "realnvp:2x6", "iaf:3x6", "spline:2x4"] {
        let mut vae = built(&behind(flow, Family::GaussFull), &mut rng);
        // The Gaussian's numbers come first, and the rest is all there is to planar layers.
        let own = Family::GaussFull.width(2);
        vae.visit_mut(&mut |name, p| {
            let mut values = p.value();
            match name {
                "encoder.2.weight" if flow == "planar:2" => values[own * 5..].fill(0.0),
                "encoder.2.bias" if flow == "planar:2" => values[own..].fill(0.0),
                // Open gates: shift and gate of each dimension alternate.
                _ if flow == "iaf:3x6" && name.starts_with("flow") && name.ends_with("bias.2") => {
                    values.iter_mut().skip(1).step_by(2).for_each(|gate| *gate = 40.0);
                }
                _ => return,
            }
            p.set_free(&values);
        });
        let q = vae.posterior(&bernoulli(4, &mut rng), &mut Pass::evaluation());
        let Posterior::Flow(flowed) = &q else { panic!("{flow} is a flow") };
        let noise = normals(&[5, 4, 2], &mut rng);
        let (z, log_q) = q.draw(&noise);
        let expected = flowed.base().rsample(&noise);
        assert!((z - &expected).abs().max().item() < 1e-9, "{flow}");
        assert!((log_q.unwrap() - flowed.base().log_prob(&expected)).abs().max().item() < 1e-9, "{flow}");
        // Noise comes with its mirror image, so that the mean is exact; the variance is an average of 128 squares.
        assert!((q.mean() - flowed.base().mean()).abs().max().item() < 1e-9, "{flow}");
        let ratio = q.variance() / flowed.base().variance();
        assert!(ratio.min().item() > 0.5 && ratio.max().item() < 1.6, "{flow}: {ratio:?}");
    }
}

#[test]
fn densities_along_draws_are_the_change_of_variables() {
    let mut rng = Rng::new(2);
    for flow in FLOWS {
        for family in [Family::GaussDiag, Family::GaussFull] {
            let vae = shaken(&behind(flow, family), &mut rng);
            let q = vae.posterior(&bernoulli(1, &mut rng), &mut Pass::evaluation());
            for _ in 0..3 {
                let noise = normals(&[1, 1, 2], &mut rng);
                let (z, log_q) = q.draw(&noise);
                let log_q = log_q.unwrap().item();
                let h = 1e-5;
                let column = |j: usize| {
                    let moved = |delta: f64| {
                        let mut values = noise.to_vec();
                        values[j] += delta;
                        q.rsample(&Tensor::from_vec(values, &[1, 1, 2])).reshape(&[1, 2])
                    };
                    (moved(h) - moved(-h)) * (0.5 / h)
                };
                let (_, log_det) = Tensor::cat(&[column(0), column(1)], 0).sign_and_log_det().unwrap();
                let log_noise = -0.5 * noise.square().sum().item() - 2.0 * LOG_SQRT_TAU;
                let expected = log_noise - log_det.item();
                assert!((log_q - expected).abs() < 1e-6, "{flow} {family:?}: {log_q} vs {expected}");
                if flow != "planar:3" {
                    assert!((q.log_prob(&z).item() - log_q).abs() < 1e-7, "{flow} {family:?}: by the inverse");
                }
            }
        }
    }
}

#[test]
fn objectives_behind_a_flow_have_the_gradient_of_their_value() {
    let kl = |estimate| vec![Term::Reconstruction, Term::Kl { estimate }];
    let iwae = Term::Iwae { gradient: Gradient::Plain, groups: 1, beta: 0.2 };
    for flow in FLOWS {
        for terms in [kl(Estimate::Closed), kl(Estimate::Sampled), vec![iwae.clone()]] {
            let mut rng = Rng::new(3);
            let objective = objective(&terms, 2);
            let mut vae = shaken(&behind(flow, Family::GaussDiag), &mut rng);
            let x = bernoulli(3, &mut rng);
            let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(5)).unwrap().total(&[1.0, 0.7]);
            assert_gradient(&format!("{flow} {terms:?}"), &mut vae, loss, 2e-6);
        }
    }
}

#[test]
fn moments_of_a_batch_are_those_of_its_posteriors() {
    let mut rng = Rng::new(4);
    for flow in FLOWS {
        let vae = shaken(&behind(flow, Family::GaussDiag), &mut rng);
        let x = bernoulli(5, &mut rng);
        let values: Vec<f32> = x.to_vec().iter().map(|v| *v as f32).collect();
        let q = vae.encode(&values);
        let alone = q.take(&[3]);
        assert!((alone.mean().row(0) - q.mean().row(3)).abs().max().item() < 1e-12, "{flow}");
        assert!((alone.variance().row(0) - q.variance().row(3)).abs().max().item() < 1e-12, "{flow}");
        let draws = 20_000;
        let z = q.rsample(&normals(&[draws, 5, 2], &mut rng));
        let sd = z.variance_axis(0, false, 1).sqrt();
        // 256 draws are off by a sixteenth of the standard deviation.
        let apart = ((q.mean() - z.mean_axis(0, false)) / &sd).abs().max().item();
        assert!(apart < 5.0 / 16.0, "{flow}: {apart}");
        let ratio = q.variance().sqrt() / sd;
        assert!(ratio.min().item() > 0.6 && ratio.max().item() < 1.5, "{flow}: {ratio:?}");
        let whole = q.mean_covariance().unwrap();
        assert!((whole.diagonal() - q.variance().mean_axis(0, false)).abs().max().item() < 1e-9, "{flow}");
    }
}

#[test]
fn what_takes_densities_of_all_posteriors_is_not_measured() {
    let mut rng = Rng::new(5);
    let vae = shaken(&behind("planar:3", Family::GaussDiag), &mut rng);
    let values: Vec<f32> = bernoulli(30, &mut rng).to_vec().iter().map(|v| *v as f32).collect();
    let found = vae.evaluate(&values, &EvaluationConfig { draws: 20, pairs: 30 }, &mut rng);
    assert!(found.mutual_information.is_nan() && found.aggregated_kl.is_nan() && found.kl_per_dimension.is_empty());
    let finite = [found.elbo, found.iwae, found.kl, found.mmd, found.sliced_wasserstein, found.code_log_det];
    assert!(finite.iter().all(|v| v.is_finite()) && found.iwae >= found.elbo, "{found:?}");
    let text = serde_json::to_string(&found).unwrap();
    let back: Evaluation = serde_json::from_str(&text).unwrap();
    assert!(back.mutual_information.is_nan() && back.elbo == found.elbo);
}

/// p(x | z) = N(W z, 0.3² I) with two codes that a data point hardly tells apart: the true posterior is a Gaussian of correlation -0.95.
const LOADINGS: [f64; 6] = [1.0, 1.0, 1.0, 0.8, 0.8, 1.0];
const SD: f64 = 0.3;

fn conjugate(flow: Option<&str>, values: &[f32], seed: u64) -> f64 {
    let config = VaeConfig {
        flow: flow.map(str::to_owned),
        encoder: EncoderConfig::Mlp(MlpConfig::new(&[16], Activation::Tanh)),
        decoder: DecoderConfig::Mlp(MlpConfig::new(&[], Activation::Identity)),
        ..small(LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: SD } }, Family::GaussDiag, PriorConfig::Standard)
    };
    let mut rng = Rng::new(seed);
    let mut vae = built(&config, &mut rng);
    vae.visit_mut(&mut |name, p| {
        if name.starts_with("decoder") {
            p.set_free(if name.ends_with("weight") { LOADINGS.as_slice() } else { &[0.0; 3] });
            p.set_frozen(true);
        }
    });
    let training = TrainingConfig { epochs: 200, batch: 50, rate: 1e-2, decay: Decay::Cosine, ..Default::default() };
    let objective = objective(&[Term::Reconstruction, Term::Kl { estimate: Estimate::Sampled }], 1);
    Training::new(values, 3, &objective, &training, &mut rng).unwrap().run(&mut vae, &mut Run::new(seed)).unwrap();
    vae.evaluate(values, &EvaluationConfig { draws: 50, pairs: 2 }, &mut rng).elbo
}

#[test]
fn an_autoregressive_flow_comes_closer_to_a_correlated_posterior_than_independent_dimensions() {
    const ROWS: usize = 300;
    let loadings = Tensor::from_slice(&LOADINGS, &[3, 2]);
    let covariance = loadings.matmul(&loadings.t()) + Tensor::eye(3, DType::F64) * (SD * SD);
    let evidence = MultivariateNormal::new(Tensor::zeros(&[3], DType::F64), covariance.cholesky().unwrap());
    for seed in [1, 2, 3] {
        let mut rng = Rng::new(100 + seed);
        let x = normals(&[ROWS, 2], &mut rng).matmul(&loadings.t()) + normals(&[ROWS, 3], &mut rng) * SD;
        let values: Vec<f32> = x.to_vec().iter().map(|v| *v as f32).collect();
        let log_evidence = evidence.log_prob(&x).mean().item();
        let gap = |flow| log_evidence - conjugate(flow, &values, seed);
        let (independent, flow) = (gap(None), gap(Some("iaf:2x16")));
        // Independent dimensions cannot come closer than -1/2 log(1 - ρ²) = 1.19; 0.05 is for the noise of the draws.
        assert!(independent > 1.19 - 0.05, "seed {seed}: {independent}");
        // The flow has to close about two thirds of that.
        assert!(flow > -0.05 && flow < 0.4, "seed {seed}: {flow}");
    }
}

#[test]
fn flows_that_do_not_fit_are_refused() {
    let refused = |config: VaeConfig, objective: &ObjectiveConfig, part: &str| {
        let error = config.build(&[3], objective, &mut Rng::new(0)).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    let flow = |text| behind(text, Family::GaussDiag);
    let bound = ObjectiveConfig::default();
    refused(flow("iaf"), &bound, "`flow` is `iaf`");
    refused(flow("radial:3"), &bound, "`radial:3` for each data point");
    refused(flow("iaf:0"), &bound, "one layer or more");
    refused(VaeConfig { latent: 16_384, ..flow("spline:400x500") }, &bound, "`spline:400x500` for 16384 coordinates");
    let vamp = PriorConfig::Vamp { components: 3 };
    refused(VaeConfig { prior: vamp, ..flow("iaf:2x8") }, &bound, "`prior` is vamp with the flow `iaf:2x8`");
    for gradient in [Gradient::DoublyReparameterised, Gradient::StickingTheLanding] {
        refused(flow("iaf:2x8"), &ObjectiveConfig::iwae(3, gradient), "`gradient` is");
    }
    let sticking = [Term::Reconstruction, Term::Kl { estimate: Estimate::StickingTheLanding }];
    refused(flow("planar:2"), &objective(&sticking, 1), "`divergence` is sticking_the_landing");
    refused(flow("planar:2"), &objective(&[Term::WakeSleep], 1), "wake-sleep");
}

#[test]
fn settings_of_models_without_a_flow_are_as_they_were() {
    let plain = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::Standard);
    let stored = serde_json::to_value(&plain).unwrap();
    assert!(stored.get("flow").is_none() && stored.get("weights").is_none(), "{stored}");
    assert_eq!(serde_json::from_value::<VaeConfig>(stored).unwrap(), plain);
    let flow = behind("iaf:2x6", Family::GaussDiag);
    assert_eq!(serde_json::from_value::<VaeConfig>(serde_json::to_value(&flow).unwrap()).unwrap(), flow);
}
