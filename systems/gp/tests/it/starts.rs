//! Where searches for hyperparameters begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use elbo_core::{AnySystem, Array, Data, Event, Prediction, Run};
use elbo_systems_gp::{gpr::Gpr, sdd_gp::SddGp, sgpr::SgprSystem};
use serde_json::{Value, json};

/// Sixty rows whose input crowds at zero: after scaling the median distance is 0.41, where one is usual.
fn crowded() -> Data {
    let x: Vec<f64> = (0..60).map(|i| ((f64::from(i) + 0.5) / 60.0).powi(6)).collect();
    let y = x.iter().enumerate().map(|(i, x)| (6.0 * x).sin() + 0.1 * (i % 5) as f64).collect();
    let arrays = vec![("x".into(), Array::new(&[60, 1], x)), ("y".into(), Array::new(&[60], y))];
    Data { source: "made".into(), arrays, target: Some("y".into()), ..Data::default() }
}

/// A prior that has no density where the search starts is refused, so it tells where that is.
fn starts_within(system: &dyn AnySystem, kernel: &str, low: f64, high: f64) -> bool {
    let prior = format!("uniform({low}, {high})");
    let settings: Value = json!({ "kernel": kernel, "priors": { "lengthscale": prior }, "iterations": 3 });
    match system.fit(&settings, &crowded(), &mut Run::new(0)) {
        Ok(_) => true,
        Err(error) => {
            assert!(error.to_string().contains("a prior with a density at"), "{error}");
            false
        }
    }
}

#[test]
fn the_first_start_has_the_lengthscale_of_the_median_distance_unless_one_is_given() {
    for system in [&Gpr as &dyn AnySystem, &SgprSystem, &SddGp] {
        assert!(starts_within(system, "matern52", 0.2, 0.8));
        assert!(!starts_within(system, "matern52", 0.8, 1.2));
        assert!(starts_within(system, "matern52(lengthscale = 1)", 0.8, 1.2));
    }
}

#[test]
fn sparse_regression_searches_from_as_many_starts_as_it_is_told_and_keeps_the_best() {
    let fit = |starts: usize| {
        let steps = Arc::new(AtomicUsize::new(0));
        let last = steps.clone();
        let mut run = Run::new(2).with_watcher(move |event| {
            if let Event::Step { step, .. } = event {
                last.fetch_max(step, Ordering::Relaxed);
            }
        });
        let settings = json!({ "inducing": 10, "iterations": 5, "starts": starts });
        let bound = SgprSystem.fit(&settings, &crowded(), &mut run).unwrap().summary().objective.unwrap().1;
        (steps.load(Ordering::Relaxed), bound)
    };
    let (one, three) = (fit(1), fit(3));
    assert!(one.0 <= 5 && three.0 > 5, "{one:?} and {three:?}: steps, and the bound");
    // The first start is the same, so that more of them cannot end lower.
    assert!(three.1 >= one.1, "{one:?} and {three:?}: steps, and the bound");
    let error = SgprSystem.fit(&json!({ "starts": 0 }), &crowded(), &mut Run::new(0)).err().unwrap().to_string();
    assert!(error.contains("`starts` is 0"), "{error}");
}

#[test]
fn a_power_of_sparse_regression_changes_its_predictions_and_none_leaves_them() {
    let fit = |settings: Value| {
        let model = SgprSystem.fit(&settings, &crowded(), &mut Run::new(4)).unwrap();
        let predicted = model.as_predict().unwrap().predict(&crowded(), &mut Run::new(0)).unwrap();
        let Prediction::Numbers(p) = predicted else { panic!("numbers") };
        let summary = model.summary();
        let (name, value) = summary.objective.unwrap();
        // Bounds of the rows as they are say nothing of what another evidence found.
        let is_bracketed = summary.metrics.iter().any(|(name, _)| name == "lower_bound");
        assert_eq!(is_bracketed, name.contains("lower bound"), "{name}");
        (name, value, (0..60).map(|row| p.sd(row)).collect::<Vec<f64>>())
    };
    let settings = |power: f64| json!({ "inducing": 4, "iterations": 15, "power": power });
    let plain = fit(json!({ "inducing": 4, "iterations": 15 }));
    let (bound, fitc) = (fit(settings(0.0)), fit(settings(1.0)));
    assert!(bound == plain && bound.0.contains("lower bound"), "{bound:?}");
    assert!(fitc.0.contains("power EP") && fitc.1 != bound.1 && fitc.2 != bound.2, "{fitc:?}");
    let error = SgprSystem.fit(&settings(1.5), &crowded(), &mut Run::new(4)).err().unwrap();
    assert!(error.to_string().contains("`power`"), "{error}");
}
