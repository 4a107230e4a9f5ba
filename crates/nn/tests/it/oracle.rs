//! Models whose answer is known: linear autoencoders, and bounds that are ordered.

use crate::common::{normals, shake, small};
use elbo_core::{Rng, Run, Stop, drive};
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig};
use elbo_nn::vae::{
    EvaluationConfig, Family, Gradient, LikelihoodConfig, Noise, ObjectiveConfig, Path, Posterior, PriorConfig,
    PriorPass, SigmaPointsConfig, Term, Vae, VaeConfig,
};
use elbo_nn::{Activation, Pass};
use elbo_tensor::optim::Lbfgs;
use elbo_tensor::{Parameters, Tensor};

const DIMS: usize = 5;
const LATENT: usize = 3;
const EIGENVALUES: [f64; DIMS] = [4.0, 2.0, 0.5, 0.3, 0.2];

/// Data with mean zero and exactly these eigenvalues of the covariance, in a turned basis.
fn data(rng: &mut Rng) -> Tensor {
    let (basis, _) = normals(&[DIMS, DIMS], rng).qr();
    let lengths = Tensor::from_vec(EIGENVALUES.iter().map(|l| (DIMS as f64 * l).sqrt()).collect(), &[DIMS, 1]);
    let half = basis.t().contiguous() * lengths;
    Tensor::cat(&[half.clone(), -half], 0)
}

fn linear(noise: Noise, family: Family) -> VaeConfig {
    let none = MlpConfig::new(&[], Activation::Identity);
    VaeConfig {
        latent: LATENT,
        encoder: EncoderConfig::Mlp(none.clone()),
        decoder: DecoderConfig::Mlp(none),
        ..small(LikelihoodConfig::Gaussian { noise }, family, PriorConfig::Standard)
    }
}

/// The exact objective of a linear model: the noise ±sqrt(L) e_i has mean zero and unit covariance, and everything is quadratic in it.
fn exact_objective(vae: &Vae, x: &Tensor, beta: f64) -> Tensor {
    let rows = x.size(0);
    let eye = Tensor::eye(LATENT, x.dtype()) * (LATENT as f64).sqrt();
    let points = Tensor::cat(&[eye.clone(), -eye], 0).unsqueeze(1);
    let noise = points.broadcast_to(&[2 * LATENT, rows, LATENT]).contiguous();
    let pass = &mut Pass::evaluation();
    let q = vae.posterior(x, pass);
    let draws = vae.draw_at(q, x, &noise, &Path::new(Gradient::Plain), &mut Rng::new(0), pass);
    let kl = vae.prior().kl(&draws.q).unwrap().sum_axis(-1, false).mean();
    kl * beta - draws.log_likelihood.mean()
}

fn fitted(config: &VaeConfig, x: &Tensor, beta: f64, seed: u64) -> (Vae, f64) {
    let mut vae = config.build(&[DIMS], &ObjectiveConfig::default(), &mut Rng::new(seed)).unwrap();
    let step = Lbfgs::default().on(|vae: &Vae, _: &mut Run| Ok(exact_objective(vae, x, beta)));
    let outcome = drive(&step, &mut vae, &Stop::after(2000, "fit", "objective"), &mut Run::new(0)).unwrap();
    (vae, outcome.objective)
}

#[test]
fn a_linear_model_finds_the_known_optimum_and_switches_off_what_does_not_pay() {
    // Active where theta > sqrt(beta) e: u² = theta² - beta e², s = beta e² / theta²; else u = 0, s = 1.
    for (beta, sd) in [(1.0, 0.5), (2.0, 0.6)] {
        for seed in [1, 2] {
            let x = data(&mut Rng::new(seed));
            let (vae, _) = fitted(&linear(Noise::Fixed { sd }, Family::GaussDiag), &x, beta, seed);
            let threshold = beta * sd * sd;
            let expected = |l: &f64| if *l > threshold { (l - threshold, threshold / l) } else { (0.0, 1.0) };
            let expected: Vec<(f64, f64)> = EIGENVALUES[..LATENT].iter().map(expected).collect();
            let mut weight = None;
            vae.visit(&mut |name, p| {
                if name == "decoder.0.weight" {
                    weight = Some(p.get().detach());
                }
            });
            let weight = weight.unwrap();
            let (eigenvalues, _) = weight.t().matmul(&weight).eigh().unwrap();
            let mut gains = eigenvalues.to_vec();
            gains.sort_by(|a, b| b.total_cmp(a));
            let mut variances = vae.posterior(&x, &mut Pass::evaluation()).variance().row(0).to_vec();
            variances.sort_by(f64::total_cmp);
            for (i, (gain, variance)) in expected.iter().enumerate() {
                assert!((gains[i] - gain).abs() < 1e-3, "beta {beta}, seed {seed}: {gains:?} vs {expected:?}");
                assert!(
                    (variances[i] - variance).abs() < 1e-3,
                    "beta {beta}, seed {seed}: {variances:?} vs {expected:?}"
                );
            }
        }
    }
}

#[test]
fn sigma_points_make_the_objective_of_a_linear_model_exact() {
    for is_full in [false, true] {
        for lambda in [0.0, 1e-3, 2.0] {
            let family = Family::SigmaPoints(SigmaPointsConfig { is_full, lambda });
            let mut rng = Rng::new(6);
            let objective = ObjectiveConfig::default();
            let mut vae = linear(Noise::Fixed { sd: 0.4 }, family).build(&[DIMS], &objective, &mut rng).unwrap();
            shake(&mut vae, 0.5, &mut rng);
            let x = data(&mut rng);
            let of = |seed| vae.losses(&x, &objective, 0, &mut Rng::new(seed)).unwrap().total(&[1.0, 1.0]).item();
            let exact = exact_objective(&vae, &x, 1.0).item();
            assert!((of(1) - exact).abs() < 1e-9 * exact.abs(), "{family:?}: {} vs {exact}", of(1));
            assert_eq!(of(1), of(2), "nothing is drawn");
        }
    }
}

#[test]
fn a_linear_autoencoder_of_points_reconstructs_as_principal_components_do() {
    let sd = 0.5;
    for seed in [1, 2] {
        let x = data(&mut Rng::new(seed));
        let objective = ObjectiveConfig { draws: 1, terms: vec![Term::Reconstruction.into()] };
        let config = linear(Noise::Fixed { sd }, Family::Dirac);
        let mut vae = config.build(&[DIMS], &objective, &mut Rng::new(seed)).unwrap();
        let loss = |vae: &Vae| vae.losses(&x, &objective, 0, &mut Rng::new(0)).unwrap().terms.remove(0);
        let step = Lbfgs::default().on(|vae: &Vae, _: &mut Run| Ok(loss(vae)));
        let outcome = drive(&step, &mut vae, &Stop::after(2000, "fit", "objective"), &mut Run::new(0)).unwrap();
        // What the leading components leave of the variance.
        let rest: f64 = EIGENVALUES[LATENT..].iter().sum();
        let expected = 0.5 * rest / (sd * sd) + DIMS as f64 * (f64::ln(sd) + 0.5 * std::f64::consts::TAU.ln());
        assert!((outcome.objective - expected).abs() < 1e-4, "seed {seed}: {} vs {expected}", outcome.objective);
    }
}

/// Mean log likelihood of probabilistic principal components at its maximum.
fn best_log_likelihood() -> f64 {
    let rest = EIGENVALUES[LATENT..].iter().sum::<f64>() / (DIMS - LATENT) as f64;
    let logs: f64 = EIGENVALUES[..LATENT].iter().map(|l| l.ln()).sum();
    -0.5 * (DIMS as f64 * (2.0 * std::f64::consts::PI).ln() + logs + (DIMS - LATENT) as f64 * rest.ln() + DIMS as f64)
}

#[test]
fn a_linear_model_with_learned_noise_reaches_probabilistic_principal_components() {
    for family in [Family::GaussDiag, Family::GaussFull] {
        let x = data(&mut Rng::new(3));
        let (vae, objective) = fitted(&linear(Noise::Learned, family), &x, 1.0, 4);
        let best = best_log_likelihood();
        assert!((-objective - best).abs() < 1e-4, "{family:?}: {} vs {best}", -objective);
        // The posterior is exact there, so every draw has the same weight and all bounds agree.
        let values: Vec<f32> = x.to_vec().iter().map(|v| *v as f32).collect();
        let config = EvaluationConfig { draws: 50, pairs: 10 };
        let found = vae.evaluate(&values, &config, &mut Rng::new(1));
        assert!((found.elbo - best).abs() < 2e-3 && (found.iwae - best).abs() < 2e-3, "{found:?}");
        assert!(
            found.effective_share > 0.999 && found.dominated_share == 0.0 && found.unreliable_share == 0.0,
            "{found:?}"
        );
    }
}

#[test]
fn the_bound_grows_with_the_draws_and_starts_at_the_evidence_lower_bound() {
    for seed in 0..3 {
        let mut rng = Rng::new(seed);
        let config = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::Standard);
        let mut vae = config.build(&[3], &ObjectiveConfig::default(), &mut rng).unwrap();
        // Far from the posterior, so that the bounds differ.
        let spread: Vec<f64> = vae.pack().iter().map(|p| 3.0 * p).collect();
        vae.unpack(&spread);
        let values: Vec<f32> = (0..3 * 400).map(|_| f32::from(u8::from(rng.uniform() < 0.5))).collect();
        let bound = |draws, rng: &mut Rng| {
            let found = vae.evaluate(&values, &EvaluationConfig { draws, pairs: 50 }, rng);
            (found.iwae, found.iwae_se, found.elbo)
        };
        let (one, se, _) = bound(1, &mut rng);
        let (five, _, _) = bound(5, &mut rng);
        let (many, _, elbo) = bound(200, &mut rng);
        assert!((one - elbo).abs() < 4.0 * se, "{one} vs {elbo} with error {se}");
        assert!(one < five && five < many, "seed {seed}: {one}, {five}, {many}");
    }
}

#[test]
fn mutual_information_is_zero_without_a_code_and_capped_by_the_data() {
    let mut rng = Rng::new(2);
    let config = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::Standard);
    let mut vae = config.build(&[3], &ObjectiveConfig::default(), &mut rng).unwrap();
    vae.visit_mut(&mut |name, p| {
        if name.starts_with("encoder") {
            p.set_free(&vec![0.0; p.len()]);
        }
    });
    let values: Vec<f32> = (0..3 * 50).map(|_| rng.uniform() as f32).collect();
    let config = EvaluationConfig { draws: 20, pairs: 50 };
    let collapsed = vae.evaluate(&values, &config, &mut rng);
    assert!(collapsed.mutual_information.abs() < 1e-9 && collapsed.active_units == 0 && collapsed.idle_units == 2);
    assert!((collapsed.mutual_information_cap - 50f64.ln()).abs() < 1e-12);
    assert!(collapsed.kl_per_dimension.iter().all(|k| k.abs() < 1e-9) && collapsed.kl.abs() < 1e-9);
    assert!((collapsed.code_variance - 1.0).abs() < 1e-9 && collapsed.code_log_det.abs() < 1e-9);
    // Narrow posteriors far apart tell every data point from every other.
    vae.visit_mut(&mut |name, p| match name {
        "encoder.2.bias" => p.set_free(&[0.0, 0.0, -20.0, -20.0]),
        "encoder.0.weight" | "encoder.2.weight" => {
            let values = Rng::new(8).normals(p.len());
            p.set_free(&values);
        }
        _ => {}
    });
    let told = vae.evaluate(&values, &config, &mut rng);
    assert!((told.mutual_information - 50f64.ln()).abs() < 0.05, "{}", told.mutual_information);
    assert_eq!(told.active_units, 2);
}

#[test]
fn mixture_priors_are_what_they_say() {
    let mut rng = Rng::new(6);
    for prior in [PriorConfig::mixture(4), PriorConfig::Vamp { components: 4 }] {
        let config = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, prior.clone());
        let vae = config.build(&[3], &ObjectiveConfig::default(), &mut rng).unwrap();
        let pseudo = vae.prior().pseudo_inputs().map(|u| vae.posterior(&u, &mut Pass::evaluation()));
        let path = Path::new(Gradient::Plain);
        let mut noise = Rng::new(0);
        let mut density = |z: &Tensor| {
            let mut pass = PriorPass { pseudo: pseudo.as_ref(), labels: &[], rng: &mut noise, path: &path };
            vae.prior().log_prob(&z.unsqueeze(1), &mut pass).exp()
        };
        // A grid in the plane: the density integrates to one, and draws fall where it is.
        let step = 0.1;
        let line: Vec<f64> = (-70..70).map(|i| (f64::from(i) + 0.5) * step).collect();
        let grid: Vec<f64> = line.iter().flat_map(|a| line.iter().flat_map(move |b| [*a, *b])).collect();
        let grid = Tensor::from_vec(grid, &[line.len() * line.len(), 2]);
        let weight = density(&grid);
        let total = weight.sum().item() * step * step;
        assert!((total - 1.0).abs() < 1e-3, "{prior:?}: {total}");
        let mean = (grid.select(1, 0) * weight.squeeze(-1)).sum().item() * step * step;
        let drawn = vae.sample_prior(20_000, &mut rng).select(1, 0);
        let error = (drawn.variance(1).item() / 20_000.0).sqrt();
        assert!((drawn.mean().item() - mean).abs() < 4.0 * error + 1e-3, "{prior:?}");
    }
}

#[test]
fn the_closed_divergence_from_a_mixture_bounds_the_true_one_and_is_exact_for_one_component() {
    let mut rng = Rng::new(9);
    for components in [1, 4] {
        let config = small(LikelihoodConfig::Bernoulli, Family::GaussDiag, PriorConfig::mixture(components));
        let vae = config.build(&[3], &ObjectiveConfig::default(), &mut rng).unwrap();
        let q = Posterior::Diagonal { mean: normals(&[1, 2], &mut rng), log_variance: normals(&[1, 2], &mut rng) };
        let closed = vae.prior().kl(&q).unwrap().sum().item();
        let draws = 50_000;
        let z = q.rsample(&normals(&[draws, 1, 2], &mut rng));
        let path = Path::new(Gradient::Plain);
        let prior = vae.prior().log_prob(&z, &mut PriorPass { pseudo: None, labels: &[], rng: &mut rng, path: &path });
        let each = q.log_prob(&z) - prior;
        let (estimate, error) = (each.mean().item(), (each.variance(1).item() / draws as f64).sqrt());
        assert!(closed > estimate - 4.0 * error, "{components}: {closed} below {estimate}");
        assert!(components > 1 || (closed - estimate).abs() < 4.0 * error, "{closed} vs {estimate}");
    }
}
