//! `gpr`: the tails of its errors, and rows that stand in the table twice.

use elbo_core::run::Checkpoints;
use elbo_core::{AnySystem, Array, Data, Event, Model, ModelFile, Prediction, Rng, Run, Values};
use elbo_systems_gp::gpr::Gpr;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn table(x: Vec<f64>, y: Vec<f64>) -> Data {
    let arrays =
        vec![("x".into(), Array::new(&[y.len(), x.len() / y.len()], x)), ("y".into(), Array::column(Values::F64(y)))];
    Data { source: "made".into(), arrays, target: Some("y".into()), ..Data::default() }
}

/// A wave with errors of a tenth, each times `factor` of its own.
fn wave(rows: usize, seed: u64, factor: impl Fn(&mut Rng) -> f64) -> Data {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = (0..rows).map(|_| rng.range(-2.0, 2.0)).collect();
    let y = x.iter().map(|x| (2.0 * x).sin() + 0.1 * factor(&mut rng) * rng.normal()).collect();
    table(x, y)
}

/// Shares of held-out targets in the 50 % and 95 % intervals, and the mean log density.
fn held_out(train: &Data, test: &Data, settings: &Value) -> (f64, f64, f64) {
    let mut run = Run::new(0);
    let model = Gpr.fit(settings, train, &mut run).unwrap();
    let Prediction::Numbers(p) = model.as_predict().unwrap().predict(test, &mut run).unwrap() else {
        panic!("numbers")
    };
    let observed = test.get("y").unwrap().to_f64().unwrap();
    let scores = elbo_dist::scores::regression(p.as_ref(), &observed).unwrap();
    (scores.coverage.p50, scores.coverage.p95, -scores.nlpd)
}

#[test]
fn heavy_tailed_errors_get_narrow_middles_and_long_tails() {
    // One error in ten is six times as large as the others.
    let gross = |rng: &mut Rng| if rng.uniform() < 0.1 { 6.0 } else { 1.0 };
    let mut means = [[0.0; 3]; 3];
    for seed in [1, 2, 3] {
        let (train, test) = (wave(300, seed, gross), wave(600, 100 + seed, gross));
        for (sums, errors) in means.iter_mut().zip(["normal", "leave_one_out", "cross_validation"]) {
            let (p50, p95, density) = held_out(&train, &test, &json!({ "errors": errors, "starts": 1 }));
            [p50, p95, density].iter().zip(sums.iter_mut()).for_each(|(v, sum)| *sum += v / 3.0);
        }
    }
    let [without, rest @ ..] = means;
    assert!(without[0] > 0.65, "{without:?}");
    for with in rest {
        // Three binomial standard errors of 1800 rows are 0.035 and 0.015; the residuals that were fitted add half as much again.
        assert!((with[0] - 0.5).abs() < 0.06 && (with[1] - 0.95).abs() < 0.025, "{with:?}");
        assert!(with[2] > without[2] + 0.1, "{with:?} {without:?}");
    }
}

#[test]
fn with_normal_errors_the_two_agree() {
    let (train, test) = (wave(300, 4, |_| 1.0), wave(600, 104, |_| 1.0));
    let without = held_out(&train, &test, &json!({ "errors": "normal", "starts": 1 }));
    for errors in ["leave_one_out", "cross_validation"] {
        let with = held_out(&train, &test, &json!({ "errors": errors, "starts": 1 }));
        assert!((with.0 - without.0).abs() < 0.05 && (with.1 - without.1).abs() < 0.02, "{with:?} {without:?}");
        assert!((with.2 - without.2).abs() < 0.02, "{with:?} {without:?}");
    }
}

#[test]
fn tables_of_a_few_rows_have_finite_intervals() {
    for rows in 2..=7 {
        let data = wave(rows, 8, |_| 1.0);
        let mut run = Run::new(0);
        let model = Gpr.fit(&json!({}), &data, &mut run).unwrap();
        let Prediction::Numbers(p) = model.as_predict().unwrap().predict(&data, &mut run).unwrap() else {
            panic!("numbers")
        };
        assert!((0..rows).all(|i| p.sd(i).is_finite() && p.sd(i) > 0.0 && p.quantile(i, 0.99).is_finite()), "{rows}");
    }
}

/// A hundred rows of six inputs, of which every second stands twice, target and all.
fn doubled() -> Data {
    let mut rng = Rng::new(5);
    let x: Vec<f64> = (0..600).map(|_| rng.range(-2.0, 2.0)).collect();
    let y: Vec<f64> = x.chunks(6).map(|x| (x[0] + 0.5 * x[1]).sin() + 0.3 * rng.normal()).collect();
    table(x, y).take_rows(&(0..100).chain((0..100).step_by(2)).collect::<Vec<_>>())
}

fn noise(settings: &Value, data: &Data) -> (f64, Vec<String>) {
    let mut run = Run::new(0);
    let model = Gpr.fit(settings, data, &mut run).unwrap();
    let summary = model.summary();
    let (_, value, _) = summary.parameters.iter().find(|p| p.0.contains("noise")).unwrap();
    (value.parse().unwrap(), run.warnings().to_vec())
}

#[test]
fn copies_count_once_where_they_would_have_the_rows_interpolated() {
    let data = doubled();
    let (kept, _) = noise(&json!({ "copies": "keep" }), &data);
    let (once, _) = noise(&json!({ "copies": "once" }), &data);
    let (auto, warnings) = noise(&json!({}), &data);
    assert!(kept < 1e-3 && once > 0.02, "{kept} {once}");
    assert_eq!(auto.to_bits(), once.to_bits());
    assert!(warnings.iter().any(|w| w.contains("50 rows are copies")), "{warnings:?}");
}

#[test]
fn copies_that_do_no_harm_are_rows_as_others() {
    // Ten places with thirty targets of whole numbers each: many rows are equal, and the noise says how they spread.
    let mut rng = Rng::new(6);
    let x: Vec<f64> = (0..300).map(|i| f64::from(i % 10)).collect();
    let y: Vec<f64> = x.iter().map(|x| (x + 2.0 * rng.normal()).round()).collect();
    let data = table(x, y);
    let (kept, _) = noise(&json!({ "copies": "keep", "starts": 1 }), &data);
    let (auto, warnings) = noise(&json!({ "starts": 1 }), &data);
    assert_eq!(auto.to_bits(), kept.to_bits());
    assert!(!warnings.iter().any(|w| w.contains("copies")), "{warnings:?}");
}

fn bytes(model: &dyn Model) -> Vec<u8> {
    let mut file = ModelFile::new("gpr");
    model.save(&mut file).unwrap();
    file.to_bytes()
}

/// A fit that may be stopped, with a checkpoint at the stop.
fn stopped(data: &Data, path: &Path, stops: impl FnOnce(Run) -> Run) -> (Vec<u8>, Run) {
    let plan = Checkpoints { path: path.to_owned(), every: Duration::from_secs(3600), header: ModelFile::new("gpr") };
    let mut run = stops(Run::new(3).with_checkpoints(plan));
    let model = Gpr.fit(&json!({ "starts": 2 }), data, &mut run).unwrap();
    (bytes(model.as_ref()), run)
}

#[test]
fn a_fit_that_is_stopped_keeps_its_best_state_and_goes_on_to_the_same_bits() {
    let data = wave(120, 7, |_| 1.0);
    let started = Instant::now();
    let mut run = Run::new(3);
    let whole = bytes(Gpr.fit(&json!({ "starts": 2 }), &data, &mut run).unwrap().as_ref());
    let (time, steps) = (started.elapsed(), run.metrics()[0].1.len());
    let check = |name: &str, stops: &dyn Fn(Run) -> Run| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gpr-{name}.checkpoint"));
        let (part, run) = stopped(&data, &path, stops);
        if !run.stopped_early() {
            assert!(part == whole, "{name}");
            return false;
        }
        let told = run.warnings().iter().any(|w| w.contains("stopped before every fold was predicted"));
        assert!(told && part != whole, "{name}: {:?}", run.warnings());
        let mut run = Run::new(3).resuming(ModelFile::read(&path).unwrap());
        let end = Gpr.fit(&json!({ "starts": 2 }), &data, &mut run).unwrap();
        assert!(bytes(end.as_ref()) == whole, "{name}");
        std::fs::remove_file(&path).unwrap();
        true
    };
    // In the search and at its last step, after which folds have still to be predicted.
    for at in [3, steps] {
        let stops = |run: Run| {
            let flag = Arc::new(AtomicBool::new(false));
            let (raised, mut seen) = (flag.clone(), 0);
            run.with_cancel(flag).with_watcher(move |event| {
                seen += usize::from(matches!(event, Event::Step { .. }));
                if seen == at {
                    raised.store(true, Ordering::Relaxed);
                }
            })
        };
        assert!(check(&format!("step-{at}"), &stops));
    }
    // Wherever these times fall, mostly among the folds.
    for share in [0.5, 0.6, 0.7, 0.8, 0.9] {
        check(&format!("share-{share}"), &|run| run.with_time(time.mul_f64(share)));
    }
}
