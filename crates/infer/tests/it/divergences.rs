//! The Fisher divergence and the evidence upper bound: closed forms between Gaussians, gradients, refusals.

use crate::common::{assert_close, numeric_gradient};
use elbo_core::Rng;
use elbo_infer::family::{FullRank, LowRank, MeanField, Mixture};
use elbo_infer::gaussian::Gaussian;
use elbo_infer::objective::{eubo, eubo_by_weights, fisher_divergence};
use elbo_infer::{Estimate, Explicit, LogDensity, Objective, Variational};
use elbo_tensor::{Parameters, Tensor, no_grad};
use std::f64::consts::PI;

/// A Gaussian target, in tensor operations.
struct Normal(Gaussian);

impl LogDensity for Normal {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let d = self.dim();
        let r = z - Tensor::from_slice(&self.0.mean, &[d]);
        let precision = Tensor::from_vec(self.0.precision().unwrap(), &[d, d]);
        (r.matmul(&precision) * &r).sum_axis(-1, false) * -0.5
    }
}

fn target() -> Gaussian {
    Gaussian { mean: vec![0.4, -1.0], covariance: vec![0.9, -0.3, -0.3, 0.5] }
}

const MEAN: [f64; 2] = [1.0, 0.3];
const CHOL: [f64; 4] = [0.8, 0.0, 0.5, 1.1];

/// Noise whose first two moments are those of a standard normal exactly: what is quadratic in it has an exact mean.
fn cubature() -> Tensor {
    let r = 2f64.sqrt();
    Tensor::from_vec(vec![r, 0.0, -r, 0.0, 0.0, r, 0.0, -r], &[4, 2])
}

#[test]
fn between_gaussians_it_is_its_closed_form_and_zero_at_equality() {
    let q = Gaussian { mean: MEAN.to_vec(), covariance: vec![0.64, 0.4, 0.4, 1.46] };
    let family = FullRank::from_chol(&MEAN, &CHOL);
    let exact = q.fisher_divergence(&target()).unwrap();
    let found = fisher_divergence(&Normal(target()), &family, &cubature()).unwrap().item();
    assert!((found - exact).abs() < 1e-10 * exact, "{found} and {exact}");
    // By hand in one dimension: (1 / s_p - 1 / s_q)^2 s_q + ((m_q - m_p) / s_p)^2.
    let one = |mean: f64, variance: f64| Gaussian { mean: vec![mean], covariance: vec![variance] };
    let by_hand = (1.0f64 / 2.0 - 1.0 / 0.5).powi(2) * 0.5 + (3.0f64 / 2.0).powi(2);
    assert!((one(1.0, 0.5).fisher_divergence(&one(-2.0, 2.0)).unwrap() - by_hand).abs() < 1e-14);
    assert_eq!(q.fisher_divergence(&q).unwrap(), 0.0);
    let at_equality = fisher_divergence(&Normal(q.clone()), &family, &cubature()).unwrap();
    assert!(at_equality.item() < 1e-24);
    assert!(family.gradient(&at_equality).iter().all(|g| g.abs() < 1e-11));
    let error = q.fisher_divergence(&one(0.0, 1.0)).unwrap_err().to_string();
    assert!(error.contains("over 1 unknowns; expected over 2 unknowns"), "{error}");
    // A mean over random draws, with its standard error.
    for seed in [1, 2, 3] {
        let mut rng = Rng::new(seed);
        let values: Vec<f64> = (0..400)
            .map(|_| {
                let noise = Tensor::from_vec(rng.normals(100), &[50, 2]);
                no_grad(|| fisher_divergence(&Normal(target()), &family, &noise)).unwrap().item()
            })
            .collect();
        let mean = Estimate::mean(&values);
        assert!((mean.value - exact).abs() < 4.0 * mean.error, "seed {seed}: {mean:?} and {exact}");
    }
}

/// Not a Gaussian, in tensor operations.
struct Quartic;

impl LogDensity for Quartic {
    fn dim(&self) -> usize {
        2
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let (a, b) = (z.narrow(-1, 0, 1), z.narrow(-1, 1, 1));
        (a.square().square() * -0.1 - (&a * 0.5).exp() + &a * &b * 0.3 - b.square() * 0.7).sum_axis(-1, false)
    }
}

#[test]
fn its_gradient_is_that_of_differences_for_every_closed_family() {
    let (mean, sd) = ([0.3, -0.5], [0.8, 1.3]);
    let every = || -> Vec<(&'static str, Box<dyn Variational>)> {
        vec![
            ("mean field", Box::new(MeanField::new(&mean, &sd))),
            ("full rank", Box::new(FullRank::from_chol(&MEAN, &CHOL))),
            ("low rank", Box::new(LowRank::new(&mean, &sd, 1))),
            ("mixture", Box::new(Mixture::new(&mean, &sd, 2, &mut Rng::new(1)))),
        ]
    };
    for (i, (name, mut family)) in every().into_iter().enumerate() {
        let at: Vec<f64> = family.pack().iter().enumerate().map(|(i, p)| p + 0.3 * (1.7 * i as f64).sin()).collect();
        family.unpack(&at);
        let noise = Tensor::from_vec(Rng::new(4).normals(4 * family.noise()), &[4, family.noise()]);
        let gradient = family.gradient(&fisher_divergence(&Quartic, &*family, &noise).unwrap());
        let value = |packed: &[f64]| {
            let mut other = every().remove(i).1;
            other.unpack(packed);
            no_grad(|| fisher_divergence(&Quartic, &*other, &noise)).unwrap().item()
        };
        assert_close(&gradient, &numeric_gradient(value, &at), 1e-6, name);
    }
}

#[test]
fn a_target_with_gradients_alone_has_a_value_and_no_gradient() {
    let whole = Normal(target());
    let bare = Explicit::new(2, |z: &[f64], g: &mut [f64]| whole.value_and_gradient(z, g));
    let family = MeanField::new(&[0.1, 0.2], &[0.5, 0.6]);
    let value = |target: &dyn LogDensity| no_grad(|| fisher_divergence(target, &family, &cubature())).unwrap().item();
    assert!((value(&bare) - value(&whole)).abs() < 1e-12 * value(&whole));
    let error = fisher_divergence(&bare, &family, &cubature()).unwrap_err().to_string();
    assert!(error.contains("without Hessian"), "{error}");
    let error = fisher_divergence(&whole, &family, &Tensor::from_vec(vec![0.0; 3], &[1, 3])).unwrap_err().to_string();
    assert!(error.contains("`noise` is of shape [1, 3]; expected [S, 2]"), "{error}");
    let small = MeanField::new(&[0.1], &[0.5]);
    let error = fisher_divergence(&whole, &small, &cubature()).unwrap_err().to_string();
    assert!(error.contains("`family` is of 1 unknowns; expected of 2"), "{error}");
    let nowhere = Explicit::new(2, |_: &[f64], g: &mut [f64]| {
        g.fill(f64::NAN);
        f64::NAN
    });
    assert!(no_grad(|| fisher_divergence(&nowhere, &family, &cubature())).unwrap_err().is_recoverable());
}

/// x ~ N(z, 1), z ~ N(0, 1), x = 1.2 observed, q = N(0.2, 1): the posterior is N(0.6, 1/2).
fn log_weight(z: f64) -> f64 {
    -0.5 * (1.2 - z).powi(2) - 0.5 * z * z - (2.0 * PI).ln() + 0.5 * (z - 0.2).powi(2) + 0.5 * (2.0 * PI).ln()
}

#[test]
fn the_upper_bound_exceeds_the_evidence_by_the_forward_divergence() {
    let log_evidence = -0.25 * 1.44 - 0.5 * (4.0 * PI).ln();
    let exact = log_evidence + 0.5 * (0.5 + 0.16 - 1.0 - 0.5f64.ln());
    for seed in [1, 2, 3] {
        let mut rng = Rng::new(seed);
        let draws = 20_000;
        let posterior: Vec<f64> = rng.normals(draws).iter().map(|e| log_weight(0.6 + 0.5f64.sqrt() * e)).collect();
        let estimate = Estimate::mean(&posterior);
        let found = eubo(&Tensor::from_vec(posterior, &[draws, 1])).item();
        assert!((found - estimate.value).abs() < 1e-12);
        assert!((found - exact).abs() < 4.0 * estimate.error, "seed {seed}: {estimate:?} and {exact}");
        assert!(found > log_evidence + 4.0 * estimate.error, "seed {seed}: {estimate:?} and {log_evidence}");

        let own: Vec<f64> = rng.normals(draws).iter().map(|e| log_weight(0.2 + e)).collect();
        let found = eubo_by_weights(&Tensor::from_vec(own, &[draws, 1])).item();
        // Weights below 3 with 20 000 draws: an error near 0.007.
        assert!((found - exact).abs() < 0.03, "seed {seed}: {found} and {exact}");
    }
}

#[test]
fn on_every_sample_the_weighted_upper_bound_is_above_the_others() {
    let l = Tensor::from_vec(Rng::new(5).normals(12), &[4, 3]);
    let (upper, own) = (eubo_by_weights(&l), Objective::IWAE.value(&l));
    let forward = Objective::ForwardKl.value(&l);
    assert_close(&(&upper + &forward).to_vec(), &own.to_vec(), 1e-14, "the difference is the divergence");
    let lower = Objective::ELBO.value(&l).to_vec();
    for ((upper, own), lower) in upper.to_vec().into_iter().zip(own.to_vec()).zip(lower) {
        assert!(lower < own && own < upper, "{lower}, {own}, {upper}");
    }
    let equal = Tensor::from_vec(vec![2.5; 4], &[4, 1]);
    assert!((eubo_by_weights(&equal).item() - 2.5).abs() < 1e-14 && eubo(&equal).item() == 2.5);
}
