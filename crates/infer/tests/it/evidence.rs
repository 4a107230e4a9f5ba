//! The evidence over a bridge: exact for known targets, unbiased for any number of steps, plain importance sampling for one.

use crate::support::{correlated, independent};
use elbo_core::Rng;
use elbo_infer::family::{FlowFamily, FullRank, MeanField, Variational};
use elbo_infer::mcmc::{Bridge, log_evidence};
use elbo_infer::{Explicit, LogDensity};
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
