//! A fit says how its iterates went, and is the same after a file.

use elbo_core::{ModelFile, Run, Snapshot};
use elbo_infer::family::MeanField;
use elbo_infer::fit::{Fit, ViSettings, vi};
use elbo_infer::{LogDensity, Unknowns};
use elbo_tensor::Parameters;

fn fit(start: f64, steps: usize, seed: u64) -> Fit {
    let settings = ViSettings { steps, evaluated: 500, ..ViSettings::default() };
    let family = Box::new(MeanField::new(&[start, 0.0], &[1.0; 2]));
    vi(&target(), family, &settings, &mut Run::new(seed)).unwrap()
}

/// A normal with mean 3 and deviation 1/2, and a positive unknown whose logarithm is standard normal.
fn target() -> impl LogDensity {
    Unknowns::new()
        .real("x", &[])
        .positive("s", &[])
        .density(|u| ((&u["x"] - 3.0) * 2.0).square() * -0.5 - u["s"].log().square() * 0.5 - u["s"].log())
}

#[test]
fn iterates_that_still_drift_have_a_large_r_hat() {
    // At the rate 0.05 a path from 60 is not at 3 after 150 steps.
    let cut = fit(60.0, 150, 1);
    assert_eq!(cut.is_converged, Some(false));
    assert!(cut.r_hat.unwrap() > 1.2, "{:?}", cut.r_hat);
    // Too few iterates to say anything.
    assert_eq!(fit(60.0, 20, 1).r_hat, None);
    let whole = fit(0.0, 20_000, 1);
    assert_eq!((whole.is_converged, whole.seed), (Some(true), 1));
    assert!(whole.r_hat.is_some_and(f64::is_finite), "{:?}", whole.r_hat);
}

#[test]
fn a_fit_is_the_same_after_a_file() {
    let saved = fit(0.0, 400, 5);
    let mut file = ModelFile::new("test");
    saved.save(&mut file, "fit");
    let file = ModelFile::from_bytes(&file.to_bytes()).unwrap();
    let mut back = fit(0.0, 60, 6);
    back.restore(&file, "fit").unwrap();
    assert_eq!(back.family.pack(), saved.family.pack());
    assert_eq!((&back.draws, &back.log_weights), (&saved.draws, &saved.log_weights));
    assert_eq!((back.elbo, back.log_evidence), (saved.elbo, saved.log_evidence));
    assert_eq!(back.psis, saved.psis);
    assert_eq!((back.steps, back.gradients, back.seed), (saved.steps, saved.gradients, 5));
    assert_eq!((back.r_hat, back.is_converged, back.seconds), (saved.r_hat, saved.is_converged, saved.seconds));
    assert_eq!(back.warnings, saved.warnings);
    assert!(back.restore(&file, "other").is_err());
    let mut short = ModelFile::new("test");
    saved.save(&mut short, "fit");
    short.put("fit.draws", &[3], &[0.0; 3]);
    let error = back.restore(&short, "fit").unwrap_err().to_string();
    assert!(error.contains("3 numbers for 500 draws of 2 unknowns"), "{error}");
}

#[test]
fn a_fit_is_plain_data_for_other_programs() {
    let fit = fit(0.0, 2000, 2);
    let summary = fit.summary();
    assert_eq!(summary["family"], "mean-field Gaussian");
    assert_eq!(summary["seed"], 2);
    assert_eq!(summary["elbo"]["value"].as_f64(), Some(fit.elbo.value));
    assert_eq!(summary["is_reliable"].as_bool(), Some(fit.psis.is_reliable()));
    let groups = fit.arviz(&target());
    let column = |group: &str, name: &str| groups[group][name][0].as_array().unwrap().clone();
    assert_eq!(column("posterior", "x").len(), 500);
    // In the target's own terms: the positive unknown is not its logarithm.
    let logarithm = column("posterior", "s")[7].as_f64().unwrap().ln();
    assert!((logarithm - fit.draws[15]).abs() < 1e-12, "{logarithm} and {}", fit.draws[15]);
    assert_eq!(column("sample_stats", "log_weight")[3].as_f64(), Some(fit.log_weights[3]));
}
