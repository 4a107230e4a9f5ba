//! Several climbs together: draws weighted as those of the mixture of all normals found.

use crate::common::{assert_close, by_threads};
use elbo_core::{Error, Rng, Run};
use elbo_infer::fit::{Fit, Method, MethodSettings, PathfinderSettings, infer, multipath, pathfinder};
use elbo_infer::{Explicit, LogDensity};
use std::f64::consts::PI;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const MEAN: [f64; 3] = [1.0, -2.0, 0.5];
/// The lower factor of the covariance.
const CHOL: [f64; 9] = [1.3, 0.0, 0.0, 0.9, 0.8, 0.0, -0.4, 0.2, 0.9];

/// A correlated Gaussian, normalised: evidence one.
fn gaussian() -> impl LogDensity {
    Explicit::new(3, |z: &[f64], gradient: &mut [f64]| {
        let mut white = [0.0; 3];
        for i in 0..3 {
            let known: f64 = (0..i).map(|j| CHOL[3 * i + j] * white[j]).sum();
            white[i] = (z[i] - MEAN[i] - known) / CHOL[4 * i];
        }
        // The gradient is minus the solution of L' g = white.
        for i in (0..3).rev() {
            let known: f64 = (i + 1..3).map(|j| CHOL[3 * j + i] * gradient[j]).sum();
            gradient[i] = (-white[i] - known) / CHOL[4 * i];
        }
        let log_det: f64 = (0..3).map(|i| CHOL[4 * i].ln()).sum();
        -0.5 * white.iter().map(|w| w * w).sum::<f64>() - log_det - 1.5 * (2.0 * PI).ln()
    })
}

/// 0.8 of N((-3, -1), diag(1/4, 1)) and 0.2 of N((3, 1), diag(0.49, 0.36)).
fn unequal_modes() -> impl LogDensity {
    Explicit::new(2, |z: &[f64], gradient: &mut [f64]| {
        let normal = |share: f64, mean: [f64; 2], variance: [f64; 2]| {
            let slope = [(mean[0] - z[0]) / variance[0], (mean[1] - z[1]) / variance[1]];
            let square = slope[0] * (mean[0] - z[0]) + slope[1] * (mean[1] - z[1]);
            (share.ln() - 0.5 * square - (2.0 * PI).ln() - 0.5 * (variance[0] * variance[1]).ln(), slope)
        };
        let (first, second) = (normal(0.8, [-3.0, -1.0], [0.25, 1.0]), normal(0.2, [3.0, 1.0], [0.49, 0.36]));
        let value = first.0.max(second.0) + (-(first.0 - second.0).abs()).exp().ln_1p();
        let share = (first.0 - value).exp();
        (0..2).for_each(|i| gradient[i] = share * first.1[i] + (1.0 - share) * second.1[i]);
        value
    })
}

fn settings(paths: usize) -> PathfinderSettings {
    PathfinderSettings { paths, ..PathfinderSettings::default() }
}

/// The squared error of a mean of resampled draws, in variances of one: of weights first, and then of resampling.
fn relative_error(fit: &Fit, resampled: usize) -> f64 {
    (1.0 / fit.psis.effective_size() + 1.0 / resampled as f64).sqrt()
}

#[test]
fn resampled_draws_have_the_moments_of_a_gaussian_and_its_evidence() {
    crate::support::assert_gradient(&gaussian(), &[0.3, -0.7, 1.4]);
    let covariance = |i: usize, j: usize| (0..3).map(|k| CHOL[3 * i + k] * CHOL[3 * j + k]).sum::<f64>();
    for seed in [1, 2, 3] {
        let fit = multipath(&gaussian(), &[0.0; 3], &settings(4), &mut Run::new(seed)).unwrap();
        assert!(fit.psis.k < 0.5 && fit.warnings.is_empty(), "seed {seed}: k {}, {:?}", fit.psis.k, fit.warnings);
        assert_eq!((fit.log_weights.len(), fit.draws.len()), (4000, 12_000));
        let evidence = fit.log_evidence;
        assert!(evidence.value.abs() < 5.0 * evidence.error, "seed {seed}: {evidence:?}");
        assert!(fit.elbo.value < 4.0 * fit.elbo.error, "seed {seed}: {:?}", fit.elbo);
        let (count, error) = (4000, relative_error(&fit, 4000));
        let draws = fit.resampled(count, &mut Rng::new(seed + 10));
        let average = |f: &dyn Fn(&[f64]) -> f64| draws.chunks_exact(3).map(f).sum::<f64>() / count as f64;
        for i in 0..3 {
            let variance = covariance(i, i);
            let found = average(&|z| z[i]);
            assert!((found - MEAN[i]).abs() < 5.0 * variance.sqrt() * error, "seed {seed}, mean {i}: {found}");
            for j in 0..=i {
                let found = average(&|z| (z[i] - MEAN[i]) * (z[j] - MEAN[j]));
                // The variance of a product of normals.
                let spread = (variance * covariance(j, j) + covariance(i, j).powi(2)).sqrt();
                let exact = covariance(i, j);
                assert!((found - exact).abs() < 5.0 * spread * error, "seed {seed}, ({i}, {j}): {found}, {exact}");
            }
        }
    }
}

#[test]
fn modes_have_their_mass_however_many_climbs_end_in_each_and_one_climb_has_one_of_them() {
    crate::support::assert_gradient(&unequal_modes(), &[0.2, 0.4]);
    let second = |draws: &[f64]| draws.chunks_exact(2).filter(|z| z[0] > 0.0).count() as f64 * 2.0 / draws.len() as f64;
    for seed in [1, 2, 3] {
        let fit = multipath(&unequal_modes(), &[0.0; 2], &settings(12), &mut Run::new(seed)).unwrap();
        assert!(fit.psis.is_reliable(), "seed {seed}: {}", fit.psis.verdict());
        // As many draws of each of the twelve, of which about half have gone to the smaller mode.
        assert_eq!(fit.log_weights.len(), 4008);
        let ended = second(&fit.draws);
        assert!(ended > 0.1 && ended < 0.9, "seed {seed}: {ended} of the draws are of the second mode");
        let share = second(&fit.resampled(4000, &mut Rng::new(seed)));
        let error = 0.4 * relative_error(&fit, 4000);
        assert!((share - 0.2).abs() < 5.0 * error, "seed {seed}: {share} +- {error}, of draws {ended}");
        let evidence = fit.log_evidence;
        assert!(evidence.value.abs() < 5.0 * evidence.error + 1e-3, "seed {seed}: {evidence:?}");
        // The best of the climbs has one mode, and its weights know nothing of the other.
        let single = pathfinder(&unequal_modes(), &[0.0; 2], &settings(12), &mut Run::new(seed)).unwrap();
        let share = second(&single.draws);
        assert!(share == 0.0 || share == 1.0, "seed {seed}: {share}");
        assert!(single.log_evidence.value < -0.1, "seed {seed}: {:?}", single.log_evidence);
    }
}

#[test]
fn by_its_name_the_draws_are_resampled_and_count_the_same() {
    let settings = MethodSettings { pathfinder: settings(12), ..MethodSettings::default() };
    let found = infer(&unequal_modes(), Method::Multipath, &settings, &mut Run::new(4)).unwrap();
    assert!(found.doubt().is_none(), "{:?}", found.doubt());
    let psis = found.psis.as_ref().unwrap();
    assert_eq!((psis.log_weights.len(), found.draws.len()), (4008, 8016));
    assert!(psis.log_weights.iter().all(|l| (l + 4008f64.ln()).abs() < 1e-12));
    // The deviation is 2.5 along the line of the modes; a few hundred effective draws, and five standard errors.
    let mean = found.mean();
    assert!((mean[0] + 1.8).abs() < 0.6 && (mean[1] + 0.6).abs() < 0.3, "{mean:?}");
}

#[test]
fn draws_depend_on_the_seed_alone() {
    let work = |run: &mut Run| {
        let fit = multipath(&unequal_modes(), &[0.0; 2], &settings(5), run).unwrap();
        (fit.draws, fit.log_weights, fit.gradients, fit.family.pack())
    };
    let [alone, together] = by_threads(work);
    assert!(alone == together);
    assert!(alone.0 == work(&mut Run::new(6)).0 && alone.0 != work(&mut Run::new(7)).0);
}

#[test]
fn climbs_that_find_nothing_are_left_out_and_told_of() {
    // The logarithm of a gamma density, where it exists.
    let half_line = Explicit::new(1, |z: &[f64], gradient: &mut [f64]| {
        if z[0] <= 0.0 {
            gradient[0] = f64::NAN;
            return f64::NAN;
        }
        gradient[0] = 100.0 / z[0] - 50.0;
        100.0 * z[0].ln() - 50.0 * z[0]
    });
    let mut run = Run::new(1);
    let fit = multipath(&half_line, &[0.0], &settings(12), &mut run).unwrap();
    assert!(fit.warnings.iter().any(|w| w.contains("of 12 climbs found no normal")), "{:?}", fit.warnings);
    assert!(run.warnings().iter().any(|w| w.contains("found no normal")), "{:?}", run.warnings());
    // Gamma of shape 101 and rate 50.
    let draws = fit.resampled(4000, &mut Rng::new(2));
    let error = 101f64.sqrt() / 50.0 * relative_error(&fit, 4000);
    assert_close(&[draws.iter().sum::<f64>() / 4000.0], &[2.02], 5.0 * error / 2.02, "mean");

    let nowhere = Explicit::new(1, |_: &[f64], gradient: &mut [f64]| {
        gradient[0] = f64::NAN;
        f64::NAN
    });
    let error = multipath(&nowhere, &[0.0], &settings(3), &mut Run::new(0)).err().unwrap();
    assert!(error.to_string().contains("along any climb"), "{error}");
    let error = multipath(&gaussian(), &[0.0; 2], &settings(3), &mut Run::new(0)).err().unwrap();
    assert!(error.to_string().contains("`start` is of 2 unknowns"), "{error}");
    assert!(multipath(&gaussian(), &[0.0; 3], &settings(0), &mut Run::new(0)).is_err());
    let mut stopped = Run::new(0).with_cancel(Arc::new(AtomicBool::new(true)));
    let error = multipath(&gaussian(), &[0.0; 3], &settings(3), &mut stopped).err().unwrap();
    assert!(matches!(error, Error::Stopped), "{error}");
}
