//! The Wasserstein distance of posteriors from the prior, and the decoder's steepness: exact values, gradients, and what is refused.

use crate::common::{assert_gradient, normals, objective, shaken, small};
use elbo_core::Rng;
use elbo_nn::Pass;
use elbo_nn::network::DecoderConfig;
use elbo_nn::vae::{
    Estimate, Family, LikelihoodConfig, Noise, ObjectiveConfig, Posterior, PriorConfig, Term, Vae, VaeConfig,
};
use elbo_tensor::{DType, Parameters, Tensor};

fn config(family: Family) -> VaeConfig {
    small(LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 0.5 } }, family, PriorConfig::Standard)
}

/// The second term of an objective of two, for the batch.
fn second(vae: &Vae, objective: &ObjectiveConfig, x: &Tensor, seed: u64) -> f64 {
    vae.losses(x, objective, 0, &mut Rng::new(seed)).unwrap().terms[1].item()
}

/// Factors S `[B, L, L]` of the covariances S S'.
fn factors(q: &Posterior) -> Tensor {
    match q {
        Posterior::Diagonal { log_variance, .. } => (log_variance * 0.5).exp().diag(),
        Posterior::Full { factor, .. } => factor.clone(),
        _ => panic!("{q:?} is no Gaussian"),
    }
}

#[test]
fn the_distance_is_that_of_the_square_root_of_the_covariance() {
    let mut rng = Rng::new(1);
    let objective = objective(&[Term::Reconstruction, Term::Wasserstein], 1);
    for family in [Family::GaussDiag, Family::GaussFull] {
        let vae = shaken(&config(family), &objective, &mut rng);
        let x = normals(&[5, 3], &mut rng);
        let q = vae.posterior(&x, &mut Pass::evaluation());
        let factor = factors(&q);
        let (values, vectors) = factor.matmul(&factor.t()).eigh().unwrap();
        let root = vectors.matmul(&values.sqrt().diag()).matmul(&vectors.t());
        let eye = Tensor::eye(2, DType::F64);
        let off = |root: &Tensor| (root - &eye).square().sum().item() / 5.0;
        let expected = q.mean().square().sum().item() / 5.0 + off(&root);
        let found = second(&vae, &objective, &x, 2);
        assert!((found - expected).abs() < 1e-9, "{family:?}: {found} vs {expected}");
        // The root has the largest trace of all factors.
        assert!(off(&root) <= off(&factor) + 1e-12, "{family:?}");
    }
}

#[test]
fn a_posterior_that_is_the_prior_is_at_no_distance() {
    let objective = objective(&[Term::Reconstruction, Term::Wasserstein], 1);
    for family in [Family::GaussDiag, Family::GaussFull] {
        let mut vae = config(family).build(&[3], &objective, &mut Rng::new(0)).unwrap();
        vae.visit_mut(&mut |name, p| {
            if name.starts_with("encoder") {
                p.set_free(&vec![0.0; p.len()]);
            }
        });
        let found = second(&vae, &objective, &normals(&[4, 3], &mut Rng::new(1)), 0);
        assert!(found.abs() < 1e-12, "{family:?}: {found}");
    }
}

#[test]
fn steepness_is_the_jacobian_s_in_the_mean() {
    let mut rng = Rng::new(3);
    let objective = objective(&[Term::Reconstruction, Term::Jacobian], 1);
    for family in [Family::GaussDiag, Family::GaussFull] {
        for likelihood in [LikelihoodConfig::Bernoulli, LikelihoodConfig::Poisson] {
            let vae = shaken(&VaeConfig { likelihood, ..config(family) }, &objective, &mut rng);
            let x = Tensor::from_vec((0..9).map(|_| f64::from(u8::from(rng.uniform() < 0.5))).collect(), &[3, 3]);
            let q = vae.posterior(&x, &mut Pass::evaluation());
            let (mean, factor) = (q.mean().detach(), factors(&q).detach());
            let h = 1e-5;
            let mut expected = 0.0;
            for column in 0..2 {
                let step = factor.select(-1, column) * h;
                let at = |z: Tensor| vae.generate(&z, false, &mut Rng::new(0));
                expected += ((at(&mean + &step) - at(&mean - &step)) * (0.5 / h)).square().sum().item() / 3.0;
            }
            let found: Vec<f64> = (0..400).map(|seed| second(&vae, &objective, &x, seed)).collect();
            let found = Tensor::from_vec(found, &[400]);
            let (average, error) = (found.mean().item(), (found.variance(1).item() / 400.0).sqrt());
            assert!((average - expected).abs() < 4.5 * error + 1e-8, "{family:?}: {average} +- {error} vs {expected}");
        }
    }
}

#[test]
fn both_have_the_gradient_of_their_value() {
    for term in [Term::Wasserstein, Term::Jacobian] {
        let objective = objective(&[Term::Reconstruction, term.clone()], 1);
        objective.check(4).unwrap();
        for family in [Family::GaussDiag, Family::GaussFull] {
            let mut rng = Rng::new(4);
            let mut vae = shaken(&config(family), &objective, &mut rng);
            let x = normals(&[4, 3], &mut rng);
            let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(2)).unwrap().total(&[1.0, 0.7]);
            assert_gradient(&format!("{term:?} {family:?}"), &mut vae, loss, 5e-6);
        }
    }
}

#[test]
fn what_has_no_such_term_is_refused() {
    let refused = |config: VaeConfig, term: Term, part: &str| {
        let objective = objective(&[Term::Reconstruction, term], 1);
        let error = config.build(&[3], &objective, &mut Rng::new(0)).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    let plain = || config(Family::GaussDiag);
    let learned = VaeConfig { prior: PriorConfig::Diagonal, ..plain() };
    refused(learned, Term::Wasserstein, "`prior` is diagonal with a wasserstein distance");
    for term in [Term::Wasserstein, Term::Jacobian] {
        let flow = VaeConfig { flow: Some("iaf:2x8".into()), ..plain() };
        refused(flow, term.clone(), "with the flow `iaf:2x8`");
        refused(config(Family::Dirichlet), term, "with the family `dirichlet`");
    }
    let levels = LikelihoodConfig::Categorical { levels: 2 };
    refused(VaeConfig { likelihood: levels, ..plain() }, Term::Jacobian, "a jacobian penalty");
    let gru = VaeConfig { decoder: DecoderConfig::Gru(elbo_nn::network::SequenceConfig::default()), ..plain() };
    assert!(gru.build(&[3], &objective(&[Term::Reconstruction, Term::Jacobian], 1), &mut Rng::new(0)).is_err());
    let iwae = Term::Iwae { gradient: elbo_nn::vae::Gradient::Plain, groups: 1, beta: 0.0 };
    let two = objective(&[iwae, Term::Wasserstein], 1);
    assert!(two.check(4).unwrap_err().to_string().contains("wasserstein distance"));
    let both = objective(&[Term::Reconstruction, Term::Kl { estimate: Estimate::Closed }, Term::Jacobian], 1);
    both.check(4).unwrap();
}
