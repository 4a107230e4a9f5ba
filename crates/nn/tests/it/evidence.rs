//! The evidence of one data point by chains: exact in linear models, equal to quadrature in others.

use crate::common::{normals, shake, small};
use elbo_core::Rng;
use elbo_dist::batched::{Batched, MultivariateNormal};
use elbo_infer::LogDensity;
use elbo_infer::mcmc::Bridge;
use elbo_nn::Activation;
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig};
use elbo_nn::vae::{Family, LikelihoodConfig, Noise, ObjectiveConfig, PriorConfig, Vae, VaeConfig};
use elbo_tensor::{DType, Tensor};

fn build(config: &VaeConfig, shape: usize) -> Vae {
    let rng = &mut Rng::new(5);
    let mut vae = config.build(&[shape], &ObjectiveConfig::default(), rng).unwrap();
    shake(&mut vae, 0.5, rng);
    vae
}

#[test]
fn chains_find_the_likelihood_of_a_linear_model() {
    let none = MlpConfig::new(&[], Activation::Identity);
    let likelihood = LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 0.4 } };
    for (family, flow) in [(Family::GaussDiag, None), (Family::GaussFull, None), (Family::GaussDiag, Some("iaf:2x8"))] {
        let config = VaeConfig {
            encoder: EncoderConfig::Mlp(none.clone()),
            decoder: DecoderConfig::Mlp(none.clone()),
            flow: flow.map(str::to_owned),
            ..small(likelihood.clone(), family, PriorConfig::Standard)
        };
        let vae = build(&config, 4);
        let decoded = |z: Tensor| vae.generate(&z, false, &mut Rng::new(0));
        let centre = decoded(Tensor::zeros(&[1, 2], DType::F64));
        let slope = decoded(Tensor::eye(2, DType::F64)) - &centre;
        let covariance = slope.t().matmul(&slope) + Tensor::eye(4, DType::F64) * 0.16;
        let exact = MultivariateNormal::from_covariance(centre.row(0), &covariance).unwrap();
        let x: Vec<f32> = normals(&[4], &mut Rng::new(3)).to_vec().iter().map(|v| *v as f32).collect();
        let exact = exact.log_prob(&vae.tensor(&x).row(0)).item();
        let settings = Bridge { chains: 200, steps: 300, ..Bridge::default() };
        let found = vae.annealed(&x, &settings, &mut Rng::new(1)).unwrap();
        // Four standard errors.
        let off = (found.log.value - exact).abs();
        assert!(off < 4.0 * found.log.error && found.log.error < 0.2, "{family:?}, {flow:?}: {found:?}, exact {exact}");
    }
}

#[test]
fn chains_agree_with_quadrature_under_other_priors_and_likelihoods() {
    let priors = [PriorConfig::Diagonal, PriorConfig::mixture(3), PriorConfig::Vamp { components: 2 }];
    for prior in priors {
        let config = VaeConfig { latent: 1, ..small(LikelihoodConfig::Bernoulli, Family::GaussDiag, prior) };
        let vae = build(&config, 3);
        let x = [1.0, 0.0, 1.0];
        let joint = vae.joint(&x).unwrap();
        let (count, width) = (20_001, 1e-3);
        let grid: Vec<f64> = (0..count).map(|i| width * (f64::from(i) - 10_000.0)).collect();
        let values = joint.log_prob(&Tensor::from_vec(grid, &[20_001, 1]));
        let exact = values.log_sum_exp(0, false).item() + f64::ln(width);
        let settings = Bridge { chains: 200, steps: 50, ..Bridge::default() };
        let found = vae.annealed(&x, &settings, &mut Rng::new(2)).unwrap();
        let off = (found.log.value - exact).abs();
        assert!(off < 4.0 * found.log.error + 1e-6, "{:?}: {:?}, exact {exact}", config.prior, found.log);
    }
}

#[test]
fn anything_but_one_finite_data_point_is_refused() {
    let vae = build(&small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::Standard), 3);
    for x in [&[1.0, 0.0][..], &[1.0; 6], &[], &[1.0, f32::NAN, 0.0], &[1.0, f32::INFINITY, 0.0]] {
        let error = vae.annealed(x, &Bridge::default(), &mut Rng::new(1)).unwrap_err();
        assert!(error.to_string().contains("one data point"), "{x:?}: {error}");
    }
}

#[test]
fn codes_that_are_no_free_numbers_have_no_such_density() {
    let refused = |config: VaeConfig, part: &str| {
        let vae = config.build(&[3], &ObjectiveConfig::default(), &mut Rng::new(0)).unwrap();
        let error = vae.joint(&[1.0, 0.0, 1.0]).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(small(LikelihoodConfig::Bernoulli, Family::Dirichlet, PriorConfig::Standard), "`family` is dirichlet");
    let hierarchical = PriorConfig::Hierarchical { latent: 1, hidden: vec![4] };
    refused(small(LikelihoodConfig::Bernoulli, Family::GaussDiag, hierarchical), "`prior` is hierarchical");
}
