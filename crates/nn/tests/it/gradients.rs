//! Gradients of every term against finite differences, and of estimators against each other in the mean.

use crate::common::{assert_gradient, bernoulli, normals, objective, small};
use elbo_core::Rng;
use elbo_nn::Pass;
use elbo_nn::layer::{Gdn, GdnConfig, Gru, GruConfig};
use elbo_nn::vae::divergence::Kernel;
use elbo_nn::vae::{
    Estimate, Family, Gradient, LikelihoodConfig, Noise, ObjectiveConfig, Posterior, PriorConfig, Term, Vae, Weight,
    Weighted,
};
use elbo_nn::{Build, Init, Layer};
use elbo_tensor::{DType, Parameter, Parameters, Tensor};

#[test]
fn every_term_but_wake_sleep_has_the_gradient_of_its_value() {
    use Term::*;
    let plain = Gradient::Plain;
    let sets = [
        vec![Reconstruction, Kl { estimate: Estimate::Closed }],
        vec![Reconstruction, Kl { estimate: Estimate::Sampled }],
        vec![Reconstruction, FreeBits { least: 0.01 }],
        vec![Reconstruction, Capacity { to: 5.0, steps: 10 }],
        vec![Iwae { gradient: plain, groups: 1, beta: 0.0 }],
        vec![Iwae { gradient: plain, groups: 3, beta: 0.4 }],
        vec![Reconstruction, Mmd { kernel: Kernel::InverseMultiquadric, buffer: 0 }],
        vec![Reconstruction, Mmd { kernel: Kernel::Original, buffer: 0 }],
        vec![Reconstruction, Stein { kernel: Kernel::InverseMultiquadric }],
        vec![Reconstruction, Stein { kernel: Kernel::Rbf }],
        vec![Reconstruction, Adversarial { hidden: vec![4] }],
    ];
    for terms in sets {
        let objective = objective(&terms, 3);
        objective.check(6).unwrap();
        let mut rng = Rng::new(8);
        let config = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::Standard);
        let mut vae = config.build(&[3], &objective, &mut rng).unwrap();
        let x = bernoulli(6, &mut rng);
        let loss = |vae: &Vae| vae.losses(&x, &objective, 4, &mut Rng::new(2)).unwrap().total(&[1.0, 0.7]);
        assert_gradient(&format!("{terms:?}"), &mut vae, loss, 1e-6);
    }
}

#[test]
fn every_family_prior_and_likelihood_has_the_gradient_of_its_value() {
    let priors = [
        PriorConfig::Diagonal,
        PriorConfig::mixture(3),
        PriorConfig::Vamp { components: 3 },
        PriorConfig::Hierarchical { latent: 2, hidden: vec![3] },
        PriorConfig::Samples { points: vec![0.3, -1.0, 0.9, 0.4, -1.2, 0.1], bandwidth: None },
    ];
    let gaussian = |noise| LikelihoodConfig::Gaussian { noise };
    let likelihoods = [
        gaussian(Noise::Fixed { sd: 0.5 }),
        gaussian(Noise::Learned),
        gaussian(Noise::Optimal),
        gaussian(Noise::PerElement),
        gaussian(Noise::Decoded),
        LikelihoodConfig::ContinuousBernoulli,
        LikelihoodConfig::Categorical { levels: 2 },
        LikelihoodConfig::Poisson,
        LikelihoodConfig::NegativeBinomial { library: None },
        LikelihoodConfig::ZeroInflatedNegativeBinomial { library: None },
        LikelihoodConfig::NegativeBinomial { library: Some(3.0) },
        LikelihoodConfig::ZeroInflatedNegativeBinomial { library: Some(3.0) },
        LikelihoodConfig::Laplace { scale: Some(0.5) },
        LikelihoodConfig::Laplace { scale: None },
        LikelihoodConfig::Multinomial,
        LikelihoodConfig::WhiteNoise { sd: 0.7, weights: vec![0.2, 0.5, 0.3] },
        LikelihoodConfig::DiscretisedLogistic { levels: 2 },
        LikelihoodConfig::DiscretisedLogisticMixture { levels: 2, components: 2, channels: None },
        LikelihoodConfig::DiscretisedLogisticMixture { levels: 2, components: 2, channels: Some(3) },
    ];
    let with_prior = priors.into_iter().map(|p| (LikelihoodConfig::Bernoulli, p));
    let with_likelihood = likelihoods.into_iter().map(|l| (l, PriorConfig::Standard));
    for (likelihood, prior) in with_prior.chain(with_likelihood) {
        for family in [Family::GaussDiag, Family::GaussFull] {
            for objective in [
                objective(&[Term::Reconstruction, Term::Kl { estimate: Estimate::Sampled }], 2),
                ObjectiveConfig::iwae(3, Gradient::Plain),
            ] {
                let name = format!("{likelihood:?} {prior:?} {family:?}");
                let mut rng = Rng::new(3);
                let config = small(likelihood.clone(), family, prior.clone());
                let mut vae = config.build(&[3], &objective, &mut rng).unwrap();
                let x = bernoulli(4, &mut rng);
                let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(2)).unwrap().total(&[1.0, 1.0]);
                assert_gradient(&name, &mut vae, loss, 2e-6);
            }
        }
    }
}

/// Gradient of the objective in the encoder's parameters alone.
fn encoder_gradient(vae: &Vae, x: &Tensor, objective: &ObjectiveConfig, seed: u64) -> Vec<f64> {
    let gradient = vae.gradient(&vae.losses(x, objective, 0, &mut Rng::new(seed)).unwrap().total(&[1.0, 1.0]));
    let mut count = 0;
    vae.visit(&mut |name, p| count += if name.starts_with("encoder") { p.len() } else { 0 });
    gradient[..count].to_vec()
}

/// Asserts that two estimators agree in the mean over seeds, along some fixed directions.
fn assert_same_mean(name: &str, vae: &Vae, x: &Tensor, a: &ObjectiveConfig, b: &ObjectiveConfig, seeds: u64) {
    let mut rng = Rng::new(99);
    let directions: Vec<Vec<f64>> = (0..5).map(|_| rng.normals(encoder_gradient(vae, x, a, 0).len())).collect();
    let gap = |seed: u64| -> Vec<f64> {
        let (a, b) = (encoder_gradient(vae, x, a, seed), encoder_gradient(vae, x, b, seed));
        let along = |d: &Vec<f64>| d.iter().zip(a.iter().zip(&b)).map(|(d, (a, b))| d * (a - b)).sum();
        directions.iter().map(along).collect()
    };
    let gaps: Vec<Vec<f64>> = (0..seeds).map(gap).collect();
    for direction in 0..directions.len() {
        let n = seeds as f64;
        let mean = gaps.iter().map(|g| g[direction]).sum::<f64>() / n;
        let variance = gaps.iter().map(|g| (g[direction] - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let z = mean / (variance / n).sqrt();
        assert!(variance > 0.0 && z.abs() < 4.0, "{name}, direction {direction}: {z} standard errors apart");
    }
}

#[test]
fn estimators_that_drop_the_score_agree_with_the_plain_ones_in_the_mean() {
    for prior in [PriorConfig::Standard, PriorConfig::Hierarchical { latent: 2, hidden: vec![3] }] {
        let mut rng = Rng::new(7);
        let config = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, prior.clone());
        let vae = config.build(&[3], &ObjectiveConfig::default(), &mut rng).unwrap();
        let x = bernoulli(2, &mut rng);
        let iwae = |gradient| ObjectiveConfig::iwae(4, gradient);
        let name = format!("importance-weighted, {prior:?}");
        assert_same_mean(&name, &vae, &x, &iwae(Gradient::Plain), &iwae(Gradient::DoublyReparameterised), 1500);
        let mixed = |gradient| ObjectiveConfig::grouped(4, 2, 0.3, gradient);
        let name = format!("in groups, with a share, {prior:?}");
        assert_same_mean(&name, &vae, &x, &mixed(Gradient::Plain), &mixed(Gradient::DoublyReparameterised), 1500);
        let kl = |estimate| objective(&[Term::Reconstruction, Term::Kl { estimate }], 1);
        assert_same_mean("sticking", &vae, &x, &kl(Estimate::Sampled), &kl(Estimate::StickingTheLanding), 1500);
    }
}

#[test]
fn the_model_gets_the_same_gradient_from_every_estimator() {
    let mut rng = Rng::new(7);
    let config = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::Diagonal);
    let vae = config.build(&[3], &ObjectiveConfig::default(), &mut rng).unwrap();
    let x = bernoulli(5, &mut rng);
    let of = |gradient| {
        let objective = ObjectiveConfig::iwae(4, gradient);
        let all = vae.gradient(&vae.losses(&x, &objective, 0, &mut Rng::new(1)).unwrap().total(&[1.0]));
        let skip = encoder_gradient(&vae, &x, &objective, 1).len();
        all[skip..].to_vec()
    };
    let plain = of(Gradient::Plain);
    for other in [Gradient::DoublyReparameterised, Gradient::StickingTheLanding] {
        assert!(plain.iter().zip(of(other)).all(|(a, b)| (a - b).abs() < 1e-12), "{other:?}");
    }
}

#[test]
fn as_many_groups_as_draws_are_the_evidence_lower_bound_and_groups_lie_between_the_bounds() {
    let mut rng = Rng::new(7);
    let config = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::Standard);
    let vae = config.build(&[3], &ObjectiveConfig::default(), &mut rng).unwrap();
    let x = bernoulli(5, &mut rng);
    let value = |groups, beta| {
        let objective = ObjectiveConfig::grouped(6, groups, beta, Gradient::Plain);
        vae.losses(&x, &objective, 0, &mut Rng::new(1)).unwrap().terms[0].item()
    };
    let (lowest, tightest) = (value(6, 0.0), value(1, 0.0));
    assert!((lowest - value(1, 1.0)).abs() < 1e-12);
    // Losses are bounds with the other sign, and the same draws order them surely.
    assert!(tightest < value(2, 0.0) && value(2, 0.0) < lowest);
    assert!((value(2, 0.25) - 0.75 * value(2, 0.0) - 0.25 * lowest).abs() < 1e-12);
}

#[test]
fn a_recurrent_layer_has_the_gradient_of_its_value() {
    let mut rng = Rng::new(4);
    let mut build = Build { rng: &mut rng, dtype: DType::F64, init: Init::Torch };
    let config = GruConfig { hidden: 3, layers: 2, ..GruConfig::default() };
    let mut layer = Gru::new(2, &config, &mut build);
    let (x, weights) = (normals(&[2, 4, 2], &mut rng), normals(&[2, 3], &mut rng));
    let loss = |layer: &Gru| (layer.forward(&x, &mut Pass::evaluation()) * &weights).sum();
    assert_gradient("gru", &mut layer, loss, 1e-7);
}

#[test]
fn divisive_normalisation_has_the_gradient_of_its_value() {
    for is_inverse in [false, true] {
        let mut rng = Rng::new(4);
        let build = Build { rng: &mut rng, dtype: DType::F64, init: Init::Torch };
        let mut layer = Gdn::new(3, &GdnConfig { is_inverse, ..GdnConfig::default() }, &build);
        let (x, weights) = (normals(&[2, 3, 2, 5], &mut rng), normals(&[2, 3, 2, 5], &mut rng));
        // Away from the bounds, where the value has a kink.
        layer.visit_mut(&mut |_, p| {
            let values: Vec<f64> = (0..p.len()).map(|_| rng.range(0.1, 1.2)).collect();
            p.set_free(&values);
        });
        let value = |layer: &Gdn, x: &Tensor| (layer.forward(x, &mut Pass::evaluation()) * &weights).sum();
        assert_gradient("gdn", &mut layer, |layer| value(layer, &x), 1e-7);
        let mut input = vec![Parameter::real(&x)];
        assert_gradient("gdn, input", &mut input, |input| value(&layer, &input[0].get()), 1e-7);
    }
}

#[test]
fn weights_over_time_multiply_their_terms() {
    let terms = vec![
        Weighted::from(Term::Reconstruction),
        Weighted::new(Weight::WarmUp { value: 1.0, steps: 10 }, Term::Kl { estimate: Estimate::Closed }),
    ];
    let objective = ObjectiveConfig { draws: 1, terms };
    let config = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::Standard);
    let mut rng = Rng::new(1);
    let vae = config.build(&[3], &objective, &mut rng).unwrap();
    let losses = vae.losses(&bernoulli(4, &mut rng), &objective, 0, &mut rng).unwrap();
    let total = losses.total(&[objective.terms[0].weight.at(5, 1.0), objective.terms[1].weight.at(5, 1.0)]);
    let expected = losses.terms[0].item() + 0.5 * losses.terms[1].item();
    assert!((total.item() - expected).abs() < 1e-12);
}

#[test]
fn terms_that_do_not_fit_together_are_refused() {
    use Term::*;
    let kl = Kl { estimate: Estimate::Closed };
    let iwae = Iwae { gradient: Gradient::Plain, groups: 1, beta: 0.0 };
    let mmd = Mmd { kernel: Kernel::Rbf, buffer: 0 };
    for terms in
        [vec![kl.clone()], vec![iwae.clone(), kl], vec![Reconstruction, iwae], vec![Reconstruction, Reconstruction]]
    {
        assert!(objective(&terms, 1).check(10).unwrap_err().to_string().contains("terms"), "{terms:?}");
    }
    assert!(objective(&[Reconstruction, mmd], 1).check(1).unwrap_err().to_string().contains("batch"));
    assert!(objective(&[Reconstruction, FreeBits { least: -1.0 }], 1).check(10).is_err());
    assert!(objective(&[Reconstruction], 0).check(10).is_err());
    for (groups, beta, part) in [(3, 0.0, "`groups` is 3"), (0, 0.0, "`groups` is 0"), (2, 1.5, "`beta` is 1.5")] {
        let error = ObjectiveConfig::grouped(4, groups, beta, Gradient::Plain).check(10).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn closed_divergences_equal_their_estimates() {
    let mut rng = Rng::new(5);
    let draws = 40_000;
    for family in [Family::GaussDiag, Family::GaussFull] {
        let raw = normals(&[3, family.width(2)], &mut rng) * 0.7;
        let q = family.posterior(&raw, 2, -30.0);
        let (mean, log_variance) = (Tensor::from_slice(&[0.3, -0.2], &[2]), Tensor::from_slice(&[0.5, -0.4], &[2]));
        let closed = q.kl_to_diagonal(&mean, &log_variance).unwrap().sum_axis(-1, false);
        let z = q.rsample(&normals(&[draws, 3, 2], &mut rng));
        let p = Posterior::Diagonal {
            mean: mean.unsqueeze(0).broadcast_to(&[3, 2]).contiguous(),
            log_variance: log_variance.unsqueeze(0).broadcast_to(&[3, 2]).contiguous(),
        };
        let each = q.log_prob(&z) - p.log_prob(&z);
        let (estimate, error) = (each.mean_axis(0, false), (each.variance_axis(0, false, 1) / draws as f64).sqrt());
        let apart = ((estimate - &closed) / error).abs().max().item();
        assert!(apart < 4.0, "{family:?}: {apart} standard errors");
        // Entropy, and the density of every point under every posterior.
        let entropy = -q.log_prob(&z).mean_axis(0, false);
        assert!((entropy - q.entropy().unwrap()).abs().max().item() < 0.03);
        let crossed = q.log_prob_of_each(&z.select(0, 0));
        assert!((crossed.diagonal() - q.log_prob(&z).select(0, 0)).abs().max().item() < 1e-12);
    }
}
