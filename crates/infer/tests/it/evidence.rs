//! The evidence over a bridge: exact for known targets, unbiased for any number of steps, plain importance sampling for one, and between two bounds.

use crate::support::{correlated, independent};
use elbo_core::{Rng, Run};
use elbo_infer::family::{FlowFamily, FullRank, MeanField, Variational};
use elbo_infer::fit::{ViSettings, vi};
use elbo_infer::mcmc::{Bridge, evidence_sandwich, log_evidence};
use elbo_infer::objective::grouped;
use elbo_infer::target::Toy;
use elbo_infer::{Estimate, Explicit, LogDensity};
use elbo_tensor::Tensor;
use std::f64::consts::TAU;

#[test]
fn one_step_is_importance_sampling() {
    let (target, q) = (correlated(0.6), MeanField::new(&[0.3, -0.2], &[1.2, 0.9]));
    let settings = Bridge { chains: 50, steps: 1, ..Bridge::default() };
    let found = log_evidence(&target, &q, &settings, &mut Rng::new(4)).unwrap();
    let (z, log_q) = q.sample(50, &mut Rng::new(4));
    let log_p = target.log_prob(&z).to_vec();
    for ((w, p), q) in found.log_weights.iter().zip(log_p).zip(log_q.to_vec()) {
        assert!((w - (p - q)).abs() < 1e-12, "{w} and {}", p - q);
    }
    assert!(found.accepted.is_nan());
}

#[test]
fn the_evidence_of_a_gaussian_is_found_from_an_approximation_that_misses_it() {
    // Ten unknowns off by two standard deviations of an approximation half as wide: weights of its own draws have no mean that could be seen.
    let target = independent(vec![1.0; 10], vec![1.0; 10]);
    let exact = 5.0 * TAU.ln();
    let q = MeanField::new(&[0.0; 10], &[0.5; 10]);
    let mut errors = vec![];
    for steps in [40, 400] {
        let settings = Bridge { chains: 200, steps, ..Bridge::default() };
        let found = log_evidence(&target, &q, &settings, &mut Rng::new(7)).unwrap();
        // Four standard errors.
        assert!(
            (found.log.value - exact).abs() < 4.0 * found.log.error,
            "{steps} steps: {:?}, exact {exact}",
            found.log
        );
        assert!((found.accepted - 0.7).abs() < 0.15, "{steps} steps: {} accepted", found.accepted);
        errors.push(found.log.error);
    }
    assert!(errors[1] < 0.6 * errors[0] && errors[1] < 0.1, "{errors:?}");
    let plain = Bridge { chains: 200, steps: 1, ..Bridge::default() };
    let plain = log_evidence(&target, &q, &plain, &mut Rng::new(7)).unwrap();
    assert!(plain.effective_draws() < 20.0, "{}", plain.effective_draws());
}

#[test]
fn few_steps_are_unbiased_too() {
    let target = correlated(0.8);
    let exact = TAU.ln() + 0.5 * f64::ln(1.0 - 0.64);
    let q = FullRank::new(&[0.5, 0.5], &[1.3, 1.3]);
    for steps in [2, 3, 8] {
        let settings = Bridge { chains: 4000, steps, leapfrogs: 2, ..Bridge::default() };
        let found = log_evidence(&target, &q, &settings, &mut Rng::new(11)).unwrap();
        assert!(
            (found.log.value - exact).abs() < 4.0 * found.log.error,
            "{steps} steps: {:?}, exact {exact}",
            found.log
        );
    }
}

#[test]
fn an_exact_approximation_has_equal_weights() {
    let target = independent(vec![0.4, -1.0], vec![0.7, 1.5]);
    let q = MeanField::new(&[0.4, -1.0], &[0.7, 1.5]);
    let settings = Bridge { chains: 20, steps: 30, ..Bridge::default() };
    let found = log_evidence(&target, &q, &settings, &mut Rng::new(2)).unwrap();
    let exact = TAU.ln() + f64::ln(0.7 * 1.5);
    assert!(found.log_weights.iter().all(|w| (w - exact).abs() < 1e-10), "{:?}", found.log_weights);
}

#[test]
fn what_has_no_bridge_is_refused() {
    let q = MeanField::new(&[0.0; 2], &[1.0; 2]);
    let refused = |target: &dyn LogDensity, q: &dyn Variational, settings: Bridge, part: &str| {
        let error = log_evidence(target, q, &settings, &mut Rng::new(1)).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    let few = Bridge { steps: 5, ..Bridge::default() };
    let target = correlated(0.5);
    let planar = FlowFamily::new("planar:2".parse().unwrap(), &[0.0; 2], &[1.0; 2], &mut Rng::new(1)).unwrap();
    refused(&target, &planar, few, "known at any point");
    refused(&target, &MeanField::new(&[0.0; 3], &[1.0; 3]), few, "`start` is");
    refused(&target, &q, Bridge { steps: 0, ..few }, "`steps` is 0");
    refused(&target, &q, Bridge { accept: 1.0, ..few }, "`accept` is 1");
    let nowhere = Explicit::new(2, |_: &[f64], _: &mut [f64]| f64::NAN);
    refused(&nowhere, &q, few, "no draw of the approximation");
}

#[test]
fn a_sandwich_of_one_step_is_importance_sampling_both_ways() {
    let (target, q) = (correlated(0.6), FullRank::new(&[0.1, -0.2], &[1.3, 1.2]));
    let exact = [0.3, -0.4, 1.1, 0.9, -0.2, 0.5];
    let settings = Bridge { chains: 5, steps: 1, ..Bridge::default() };
    let found = evidence_sandwich(&target, &q, &exact, &settings, &mut Rng::new(4)).unwrap();
    let below = log_evidence(&target, &q, &settings, &mut Rng::new(4)).unwrap();
    assert_eq!((found.lower.log, &found.lower.log_weights), (below.log, &below.log_weights));
    // Three draws for five chains: the first two are taken twice.
    let z = Tensor::from_slice(&[&exact[..], &exact[..4]].concat(), &[5, 2]);
    let (log_p, log_q) = (target.log_prob(&z).to_vec(), q.log_prob(&z).unwrap().to_vec());
    for ((w, p), q) in found.upper.log_weights.iter().zip(&log_p).zip(&log_q) {
        assert!((w - (q - p)).abs() < 1e-12, "{w} and {}", q - p);
    }
    let mean = log_p.iter().zip(&log_q).map(|(p, q)| (q - p).exp()).sum::<f64>() / 5.0;
    assert!((found.upper.log.value + mean.ln()).abs() < 1e-12);
    assert!((found.gap().value - (found.upper.log.value - found.lower.log.value)).abs() < 1e-15);
}

#[test]
fn bounds_from_both_sides_close_on_the_evidence_of_a_gaussian() {
    // Ten unknowns, off by one standard deviation of an approximation that is wider than the target.
    let target = independent(vec![1.0; 10], vec![0.8; 10]);
    let exact = 5.0 * TAU.ln() + 10.0 * 0.8f64.ln();
    let q = MeanField::new(&[0.0; 10], &[1.2; 10]);
    let mut gaps = vec![];
    for steps in [3, 300] {
        let settings = Bridge { chains: 200, steps, ..Bridge::default() };
        let draws: Vec<f64> = Rng::new(5).normals(2000).iter().map(|e| 1.0 + 0.8 * e).collect();
        let found = evidence_sandwich(&target, &q, &draws, &settings, &mut Rng::new(6)).unwrap();
        // Four standard errors.
        assert!(found.lower.log.value < exact + 4.0 * found.lower.log.error, "{steps} steps: {:?}", found.lower.log);
        assert!(found.upper.log.value > exact - 4.0 * found.upper.log.error, "{steps} steps: {:?}", found.upper.log);
        // Bounds of single chains, which no mean over chains draws together.
        let mean = |log_weights: &[f64]| Estimate::mean(log_weights).value;
        gaps.push((found.gap(), -mean(&found.upper.log_weights) - mean(&found.lower.log_weights)));
    }
    let (gap, apart) = gaps[1];
    assert!(gap.value.abs() < 4.0 * gap.error && gap.error < 0.1, "{gap:?}");
    assert!(gaps[0].1 > 3.0 * apart.abs(), "{gaps:?}");
}

/// Exact draws of the cone: the squared radius by its distribution function on a fine grid, the angle uniform.
fn cone_draws(count: usize, rng: &mut Rng) -> Vec<f64> {
    const CELLS: usize = 20_000;
    let at = |k: usize| 3.0 + 5.0 * (k as f64 + 0.5) / CELLS as f64;
    let density = |r: f64| {
        let sd = 0.1 + 0.01 * r;
        (-0.005 * r - 0.5 * ((5.0 - r) / sd).powi(2)).exp() / sd
    };
    let mut total = 0.0;
    let sums: Vec<f64> = (0..CELLS)
        .map(|k| {
            total += density(at(k));
            total
        })
        .collect();
    (0..count)
        .flat_map(|_| {
            let mark = rng.uniform() * total;
            let radius = at(sums.partition_point(|s| *s <= mark).min(CELLS - 1)).sqrt();
            let angle = rng.range(0.0, TAU);
            [radius * angle.cos(), radius * angle.sin()]
        })
        .collect()
}

const CONE: f64 = -5.3232;

#[test]
fn the_evidence_of_the_cone_is_that_of_quadrature_and_lies_in_its_sandwich() {
    // The midpoint rule on a box that holds the ring.
    let (n, half) = (400, 4.0);
    let step = 2.0 * half / f64::from(n);
    let at = |k: i32| -half + (f64::from(k) + 0.5) * step;
    let points: Vec<f64> = (0..n * n).flat_map(|k| [at(k / n), at(k % n)]).collect();
    let (values, _) = Toy::Cone.values_and_gradients(&points);
    let mass = values.iter().map(|v| v.exp()).sum::<f64>() * step * step;
    assert!((mass.ln() - CONE).abs() < 1e-4, "{}", mass.ln());

    let q = MeanField::new(&[0.0; 2], &[1.5; 2]);
    let settings = Bridge { chains: 200, steps: 400, ..Bridge::default() };
    for seed in [1, 2, 3] {
        let mut rng = Rng::new(seed);
        let exact = cone_draws(200, &mut rng);
        let found = evidence_sandwich(&Toy::Cone, &q, &exact, &settings, &mut rng).unwrap();
        let (lower, upper) = (found.lower.log, found.upper.log);
        assert!((lower.value - CONE).abs() < 4.0 * lower.error && lower.error < 0.2, "{lower:?}");
        assert!(upper.value > CONE - 4.0 * upper.error && upper.value < CONE + 1.0, "{upper:?}");
    }
}

#[test]
fn independent_normals_reach_their_own_optimum_on_the_cone() {
    for seed in [1, 2, 3] {
        let family = Box::new(MeanField::new(&[2.0, 0.0], &[0.1, 0.2]));
        let settings = ViSettings { evaluated: 20_000, ..ViSettings::default() };
        let fit = vi(&Toy::Cone, family, &settings, &mut Run::new(seed)).unwrap();
        // Five hundredths for the optimum not quite reached, and four standard errors.
        assert!((fit.elbo.value + 8.0745).abs() < 0.05 + 4.0 * fit.elbo.error, "{:?}", fit.elbo);
        // Five draws inside the logarithm, 4000 times.
        let weights = Tensor::from_slice(&fit.log_weights, &[20_000, 1]);
        let bound = grouped(&weights, 4000).item();
        assert!((-7.95..-7.6).contains(&bound), "{bound}");
    }
}

#[test]
fn draws_without_a_density_make_no_upper_bound() {
    // A target on the positive numbers.
    let target = Explicit::new(1, |z: &[f64], gradient: &mut [f64]| {
        gradient[0] = -1.0;
        if z[0] > 0.0 { -z[0] } else { f64::NEG_INFINITY }
    });
    let q = MeanField::new(&[1.0], &[1.0]);
    let settings = Bridge { chains: 10, steps: 1, ..Bridge::default() };
    let error = evidence_sandwich(&target, &q, &[0.5, -0.5], &settings, &mut Rng::new(1)).unwrap_err();
    assert!(error.to_string().contains("an exact draw has no density"), "{error}");
    let none = evidence_sandwich(&target, &q, &[], &settings, &mut Rng::new(1)).unwrap_err();
    assert!(none.to_string().contains("`exact` is 0 numbers for 1 unknowns"), "{none}");
    let (target, q) = (correlated(0.6), MeanField::new(&[0.0; 2], &[1.0; 2]));
    let odd = evidence_sandwich(&target, &q, &[0.1; 3], &settings, &mut Rng::new(1)).unwrap_err();
    assert!(odd.to_string().contains("`exact` is 3 numbers for 2 unknowns"), "{odd}");
}
