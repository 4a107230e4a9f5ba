//! The stochastic inverse of a linear decoder with Gaussian noise is its exact posterior: chains leave it, the objective rests at it, training finds it.

use crate::common::{normals, objective, small};
use elbo_core::{Rng, Run};
use elbo_nn::Activation;
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig};
use elbo_nn::vae::{
    Decay, DecoderWeights, Estimate, Family, LikelihoodConfig, Noise, ObjectiveConfig, PriorConfig, Term, Training,
    TrainingConfig, Vae, VaeConfig,
};
use elbo_tensor::{DType, Parameters, Tensor};

const SD: f64 = 0.5;
/// About the smallest standard deviation of the posterior.
const LENGTH: f64 = 0.4;

fn linear(family: Family) -> VaeConfig {
    let none = MlpConfig::new(&[], Activation::Identity);
    VaeConfig {
        encoder: EncoderConfig::Mlp(none.clone()),
        decoder: DecoderConfig::Mlp(none),
        ..small(LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: SD } }, family, PriorConfig::Standard)
    }
}

fn inverse(steps: usize, draws: usize) -> ObjectiveConfig {
    objective(&[Term::StochasticInverse { steps, length: LENGTH }], draws)
}

/// Slope `[2, 3]`, constant `[2]` and covariance `[2, 2]` of p(z | x) = N(slope x + constant, covariance).
struct Exact {
    slope: Tensor,
    constant: Tensor,
    covariance: Tensor,
}

impl Exact {
    /// S^-1 = I + W'W / sd², slope = S W' / sd², constant = -slope b.
    fn of(vae: &Vae) -> Self {
        let (mut weight, mut bias) = (vec![], vec![]);
        vae.visit(&mut |name, p| match name {
            "decoder.0.weight" => weight = p.value(),
            "decoder.0.bias" => bias = p.value(),
            _ => {}
        });
        let (w, b) = (Tensor::from_vec(weight, &[3, 2]), Tensor::from_vec(bias, &[3, 1]));
        let eye = Tensor::eye(2, DType::F64);
        let covariance = (&eye + w.t().matmul(&w) * (1.0 / (SD * SD))).solve(&eye).unwrap();
        let slope = covariance.matmul(&w.t()) * (1.0 / (SD * SD));
        let constant = -slope.matmul(&b).squeeze(-1);
        Self { slope, constant, covariance }
    }

    /// Means `[N, 2]` of data points `x: [N, 3]`.
    fn mean(&self, x: &Tensor) -> Tensor {
        x.matmul(&self.slope.t()) + &self.constant
    }

    /// Draws `[K, N, 2]`.
    fn draw(&self, x: &Tensor, count: usize, rng: &mut Rng) -> Tensor {
        let noise = normals(&[count * x.size(0), 2], rng).matmul(&self.covariance.cholesky().unwrap().t());
        self.mean(x).unsqueeze(0) + noise.reshape(&[count, x.size(0), 2])
    }

    /// Sets the encoder to it, for the family with a full covariance.
    fn give(&self, vae: &mut Vae) {
        let factor = self.covariance.cholesky().unwrap().to_vec();
        let weight = [self.slope.to_vec(), vec![0.0; 9]].concat();
        let spread = [2.0 * factor[0].ln(), 2.0 * factor[3].ln(), factor[2]];
        let bias = [self.constant.to_vec(), spread.to_vec()].concat();
        vae.visit_mut(&mut |name, p| match name {
            "encoder.0.weight" => p.set_free(&weight),
            "encoder.0.bias" => p.set_free(&bias),
            _ => {}
        });
    }
}

/// Asserts that codes `[K, 1, 2]` are from the exact posterior of one data point, within four standard errors of `count` independent ones.
fn assert_from(exact: &Exact, x: &Tensor, z: &Tensor, count: f64, what: &str) {
    let mean = exact.mean(x).to_vec();
    let s = exact.covariance.to_vec();
    let points = z.to_vec();
    for i in 0..2 {
        let found = points.chunks(2).map(|p| p[i]).sum::<f64>() / (points.len() / 2) as f64;
        let error = (s[3 * i] / count).sqrt();
        assert!((found - mean[i]).abs() < 4.0 * error, "{what}, mean {i}: {found} for {}", mean[i]);
        for j in 0..=i {
            let products = points.chunks(2).map(|p| (p[i] - mean[i]) * (p[j] - mean[j]));
            let found = products.sum::<f64>() / (points.len() / 2) as f64;
            let error = ((s[3 * i] * s[3 * j] + s[2 * i + j].powi(2)) / count).sqrt();
            assert!((found - s[2 * i + j]).abs() < 4.0 * error, "{what}, covariance {i} {j}: {found}");
        }
    }
}

#[test]
fn chains_leave_the_exact_posterior_as_it_is_and_find_it_from_afar() {
    const CHAINS: usize = 4000;
    let mut rng = Rng::new(1);
    let vae = linear(Family::GaussFull).build(&[3], &inverse(1, 1), &mut rng).unwrap();
    let exact = Exact::of(&vae);
    let x = normals(&[1, 3], &mut rng) * 2.0;
    let start = exact.draw(&x, CHAINS, &mut rng);
    assert_from(&exact, &x, &start, CHAINS as f64, "exact draws");
    let (kept, accepted) = vae.chains(&start, &x, 5, LENGTH, &mut rng);
    assert_from(&exact, &x, &kept, CHAINS as f64, "after five steps");
    assert!(accepted > 0.3 && accepted < 1.0, "{accepted}");
    // Steps that are too long for the posterior are refused most of the time, and leave it too.
    let (kept, accepted) = vae.chains(&start, &x, 5, 3.0, &mut rng);
    assert_from(&exact, &x, &kept, CHAINS as f64, "after long steps");
    assert!(accepted < 0.5, "{accepted}");
    let (_, accepted) = vae.chains(&start, &x, 5, 0.01, &mut rng);
    assert!(accepted > 0.99, "{accepted}");
    let far = Tensor::full(&[CHAINS, 1, 2], 4.0, DType::F64);
    let (found, _) = vae.chains(&far, &x, 300, LENGTH, &mut rng);
    assert_from(&exact, &x, &found, CHAINS as f64, "from afar");
}

#[test]
fn the_objective_rests_at_the_exact_posterior_and_nowhere_near() {
    let mut rng = Rng::new(2);
    let objective = inverse(2, 10);
    let mut vae = linear(Family::GaussFull).build(&[3], &objective, &mut rng).unwrap();
    let exact = Exact::of(&vae);
    exact.give(&mut vae);
    let values: Vec<f32> = rng.normals(6 * 3).iter().map(|v| *v as f32).collect();
    let x = Tensor::from_f32(values.clone(), &[6, 3]).to_f64();
    let q = vae.encode(&values);
    assert!((q.mean() - exact.mean(&x)).abs().max().item() < 1e-10, "the encoder is the posterior");
    assert!((q.mean_covariance().unwrap() - &exact.covariance).abs().max().item() < 1e-10);

    // Largest mean of a derivative in the encoder's numbers, in standard errors.
    let worst = |vae: &Vae| {
        let mut count = 0;
        vae.visit(&mut |name, p| count += if name.starts_with("encoder") { p.len() } else { 0 });
        let all: Vec<Vec<f64>> = (0..200)
            .map(|seed| {
                let terms = vae.losses(&x, &objective, 0, &mut Rng::new(seed)).unwrap().terms;
                vae.gradient(&terms[0])[..count].to_vec()
            })
            .collect();
        let of = |i: usize| {
            let n = all.len() as f64;
            let mean = all.iter().map(|g| g[i]).sum::<f64>() / n;
            let variance = all.iter().map(|g| (g[i] - mean).powi(2)).sum::<f64>() / (n - 1.0);
            mean.abs() / (variance / n).sqrt()
        };
        (0..count).map(of).fold(0.0, f64::max)
    };
    let at = worst(&vae);
    assert!(at < 4.0, "{at} standard errors at the exact posterior");
    vae.visit_mut(&mut |name, p| {
        if name == "encoder.0.bias" {
            let moved: Vec<f64> = p.value().iter().map(|v| v + 0.3).collect();
            p.set_free(&moved);
        }
    });
    let beside = worst(&vae);
    assert!(beside > 10.0, "{beside} standard errors beside it");
}

#[test]
fn training_finds_the_exact_posterior_of_a_decoder_that_stays() {
    let mut rng = Rng::new(3);
    let objective = inverse(5, 10);
    let mut vae = linear(Family::GaussFull).build(&[3], &objective, &mut rng).unwrap();
    vae.visit_mut(&mut |name, p| p.set_frozen(name.starts_with("decoder")));
    let exact = Exact::of(&vae);
    let values: Vec<f32> = rng.normals(60 * 3).iter().map(|v| *v as f32).collect();
    let x = Tensor::from_f32(values.clone(), &[60, 3]).to_f64();
    let off = |vae: &Vae| {
        let q = vae.encode(&values);
        let mean = (q.mean() - exact.mean(&x)).abs().max().item();
        mean.max((q.mean_covariance().unwrap() - &exact.covariance).abs().max().item())
    };
    let before = off(&vae);
    let settings =
        TrainingConfig { epochs: 800, batch: 60, rate: 0.02, decay: Decay::Cosine, ..TrainingConfig::default() };
    let training = Training::new(&values, 3, &objective, &settings, &mut rng).unwrap();
    training.run(&mut vae, &mut Run::new(4)).unwrap();
    let after = off(&vae);
    // Draws leave noise in the encoder, of the order of the root of the last rates.
    assert!(before > 0.3 && after < 0.1, "{before} before, {after} after");
}

#[test]
fn what_has_no_density_or_is_no_bound_is_refused() {
    let refused = |config: VaeConfig, objective: &ObjectiveConfig, part: &str| {
        let error = config.build(&[3], objective, &mut Rng::new(0)).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    let of = || linear(Family::GaussDiag);
    refused(linear(Family::Dirac), &inverse(1, 1), "stochastic inverse with the family `dirac`");
    refused(linear(Family::Dirichlet), &inverse(1, 1), "stochastic inverse with the family `dirichlet`");
    refused(VaeConfig { flow: Some("planar:2".into()), ..of() }, &inverse(1, 1), "stochastic inverse with the flow");
    refused(VaeConfig { topk: Some(1), ..of() }, &inverse(1, 1), "`topk` is 1 with a stochastic inverse");
    let top = PriorConfig::Hierarchical { latent: 1, hidden: vec![2] };
    refused(VaeConfig { prior: top, ..of() }, &inverse(1, 1), "hierarchical with a stochastic inverse");
    let weights = VaeConfig { weights: DecoderWeights::Posterior, ..of() };
    refused(weights, &inverse(1, 1), "posterior with a stochastic inverse");
    let both = [Term::StochasticInverse { steps: 1, length: 0.1 }, Term::Kl { estimate: Estimate::Closed }];
    assert!(objective(&both, 1).check(4).unwrap_err().to_string().contains("`terms`"));
    let cases = [(0, 0.1, "`steps` is 0"), (1, 0.0, "`length` is 0"), (1, f64::NAN, "`length` is NaN")];
    for (steps, length, part) in cases {
        let error = objective(&[Term::StochasticInverse { steps, length }], 1).check(4).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
