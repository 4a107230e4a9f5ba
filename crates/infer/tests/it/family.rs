//! Families: draws and densities agree, gradients are those of differences.

use crate::common::{assert_close, numeric_gradient};
use elbo_core::Rng;
use elbo_infer::family::{Drawn, FlowFamily, FullRank, FullRankMixture, LowRank, MeanField, Mixture};
use elbo_infer::{Estimate, Estimator, Explicit, Objective, Variational};
use elbo_tensor::Tensor;

pub fn every_family() -> Vec<(&'static str, Box<dyn Variational>)> {
    let (mean, sd) = ([0.3, -0.5, 1.0], [0.8, 1.3, 0.6]);
    let chol = [0.8, 0.0, 0.0, 0.5, 1.1, 0.0, -0.3, 0.2, 0.7];
    vec![
        ("mean field", Box::new(MeanField::new(&mean, &sd))),
        ("full rank", Box::new(FullRank::from_chol(&mean, &chol))),
        ("low rank", Box::new(moved(LowRank::new(&mean, &sd, 2)))),
        (
            "flow",
            Box::new(moved(FlowFamily::new("realnvp:2x4".parse().unwrap(), &mean, &sd, &mut Rng::new(2)).unwrap())),
        ),
        ("mixture", Box::new(moved(Mixture::new(&mean, &sd, 2, &mut Rng::new(1))))),
        (
            "full-rank mixture",
            Box::new(FullRankMixture::new(vec![
                FullRank::from_chol(&mean, &chol),
                FullRank::new(&[-0.8, 0.2, 0.1], &sd),
            ])),
        ),
    ]
}

/// Every parameter away from its symmetric start.
fn moved<V: Variational>(mut family: V) -> V {
    let packed: Vec<f64> = family.pack().iter().enumerate().map(|(i, p)| p + 0.3 * (1.7 * i as f64).sin()).collect();
    family.unpack(&packed);
    family
}

/// Skewed and coupled.
fn target() -> Explicit<impl Fn(&[f64], &mut [f64]) -> f64 + Send + Sync> {
    Explicit::new(3, |z: &[f64], g: &mut [f64]| {
        g[0] = -z[0] + 0.3 * z[1] - (0.5 * z[0]).exp() * 0.5;
        g[1] = -z[1] + 0.3 * z[0];
        g[2] = -z[2] - 0.4 * z[2].powi(3);
        -0.5 * z.iter().map(|z| z * z).sum::<f64>() + 0.3 * z[0] * z[1] - (0.5 * z[0]).exp() - 0.1 * z[2].powi(4)
    })
}

#[test]
fn the_density_at_draws_is_that_of_the_points_and_is_normalised() {
    for (name, family) in every_family() {
        let noise = Tensor::from_vec(Rng::new(2).normals(6 * family.noise()), &[6, family.noise()]);
        let Drawn { z, log_prob, .. } = family.draw(&noise);
        let again = family.log_prob(&z).expect("closed");
        assert_close(&log_prob.to_vec(), &again.to_vec(), 1e-11, name);
        // The mass that a wide Gaussian sees: E_p q / p = 1.
        let count = 40_000;
        let mut rng = Rng::new(3);
        let e = rng.normals(count * 3);
        let scale = 1.6;
        let points: Vec<f64> = e.iter().map(|e| scale * e).collect();
        let log_q = family.log_prob(&Tensor::from_vec(points, &[count, 3])).unwrap().to_vec();
        let normal = 3.0 * (2.0 * std::f64::consts::PI).sqrt().ln() + 3.0 * f64::ln(scale);
        let ratios: Vec<f64> = log_q
            .iter()
            .zip(e.chunks_exact(3))
            .map(|(q, e)| (q + 0.5 * e.iter().map(|e| e * e).sum::<f64>() + normal).exp())
            .collect();
        let mass = Estimate::mean(&ratios);
        assert!((mass.value - 1.0).abs() < 4.0 * mass.error, "{name}: {mass:?}");
        // Entropy in closed form against draws, which are independent of strata.
        let (_, log_q) = family.sample(20_000, &mut rng);
        let cross = Estimate::mean(&log_q.to_vec());
        if let Some(entropy) = family.entropy() {
            assert!((entropy.item() + cross.value).abs() < 4.0 * cross.error, "{name}: {cross:?}");
        }
        assert!(family.units().is_none_or(|units| units.len() == family.pack().len()), "{name}");
    }
}

#[test]
fn reparameterised_gradients_are_those_of_differences() {
    let target = target();
    for (name, mut family) in every_family() {
        let rows = 4;
        let noise = Tensor::from_vec(Rng::new(4).normals(rows * family.noise()), &[rows, family.noise()]);
        for (estimator, objective) in [
            (Estimator::Reparameterised, Objective::ELBO),
            (Estimator::ClosedEntropy, Objective::ELBO),
            (Estimator::Reparameterised, Objective::IWAE),
            (Estimator::Reparameterised, Objective::VR_MAX),
        ] {
            if estimator.check(&objective, &*family, 2).is_err() {
                continue;
            }
            let found = estimator.surrogate(&objective, &target, &*family, &noise, 2).unwrap();
            let gradient = family.gradient(&found.tensor);
            let at = family.pack();
            let value = |packed: &[f64]| {
                let mut other = every_family().into_iter().find(|f| f.0 == name).unwrap().1;
                other.unpack(packed);
                // With closed entropy the surrogate itself is the objective; its value is then not that of the log weights.
                estimator.surrogate(&objective, &target, &*other, &noise, 2).unwrap().tensor.item()
            };
            assert_close(
                &gradient,
                &numeric_gradient(value, &at),
                1e-6,
                &format!("{name}, {estimator:?}, {objective:?}"),
            );
            family.unpack(&at);
        }
    }
}

#[test]
fn a_full_covariance_comes_back_from_its_factor() {
    let chol = [0.8, 0.0, 0.5, 1.1];
    let full = FullRank::from_chol(&[1.0, 2.0], &chol);
    assert_close(&full.chol().to_vec(), &chol, 1e-14, "factor");
    assert_close(&full.covariance(), &[0.64, 0.4, 0.4, 1.46], 1e-14, "covariance");
    assert_close(&full.units().unwrap(), &[0.8, 1.46f64.sqrt(), 1.0, 1.0, 1.0], 1e-14, "units");
}
