//! Variants of forward-backward Gaussian inference on a user's table.

use elbo_core::{AnySystem, Array, Data, Model, ModelFile, Prediction, Rng, Run};
use elbo_systems_inference::fb_gvi::FbGvi;
use serde_json::{Value, json};

const ROWS: usize = 60;

/// A noisy plane over two inputs of correlation 0.9.
fn plane() -> Data {
    let mut rng = Rng::new(5);
    let x: Vec<f64> = (0..ROWS)
        .flat_map(|_| {
            let common = rng.normal();
            [common, 0.9 * common + 0.19f64.sqrt() * rng.normal()]
        })
        .collect();
    let y = x.chunks_exact(2).map(|x| 10.0 + 3.0 * x[0] - x[1] + 2.0 * rng.normal()).collect();
    let arrays = vec![("x".into(), Array::new(&[ROWS, 2], x)), ("y".into(), Array::new(&[ROWS], y))];
    Data { source: "plane".into(), arrays, target: Some("y".into()), ..Data::default() }
}

fn fit(settings: &Value, run: &mut Run) -> Box<dyn Model> {
    AnySystem::fit(&FbGvi, settings, &plane(), run).unwrap()
}

/// Means and standard deviations of predictions of the plane's own rows.
fn predicted(model: &dyn Model) -> Vec<(f64, f64)> {
    let Prediction::Numbers(m) = model.as_predict().unwrap().predict(&plane(), &mut Run::new(0)).unwrap() else {
        panic!("numbers")
    };
    (0..ROWS).map(|i| (m.mean(i), m.sd(i))).collect()
}

/// Correlation of two columns of draws.
fn correlation(model: &dyn Model, draws: usize, a: &str, b: &str) -> f64 {
    let drawn = model.as_sample().unwrap().sample(draws, &mut Run::new(0)).unwrap();
    let column = |name: &str| {
        let values = drawn.get(name).unwrap().to_f64().unwrap();
        let mean = values.iter().sum::<f64>() / draws as f64;
        values.iter().map(|v| v - mean).collect::<Vec<f64>>()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (a, b) = (column(a), column(b));
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

fn variants() -> Vec<Value> {
    vec![json!({ "batch": 20 }), json!({ "rank": 2 }), json!({ "rule": "diagonal" }), json!({ "batch": 30, "rank": 2 })]
}

#[test]
fn every_variant_predicts_as_the_whole_method_does_and_survives_saving() {
    let whole = predicted(fit(&json!({ "steps": 3000, "draws": 4 }), &mut Run::new(1)).as_ref());
    for mut settings in variants() {
        settings["steps"] = json!(20_000);
        settings["draws"] = json!(4);
        let model = fit(&settings, &mut Run::new(2));
        let found = predicted(model.as_ref());
        for ((mean, sd), (expected, spread)) in found.iter().zip(&whole) {
            // Of the observation's standard deviation: both answers are averages of random steps, and predictions of 256 draws.
            assert!((mean - expected).abs() < 0.15 * spread, "{settings}: {mean}, expected {expected}");
            assert!((sd / spread - 1.0).abs() < 0.15, "{settings}: {sd}, expected {spread}");
        }
        let mut file = ModelFile::new("fb-gvi");
        model.save(&mut file).unwrap();
        let back = AnySystem::load(&FbGvi, &ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        assert_eq!(predicted(back.as_ref()), found, "{settings}");
    }
}

#[test]
fn weights_of_the_diagonal_rule_are_independent_and_those_of_the_default_are_not() {
    const KEPT: usize = 4000;
    let names = |model: &dyn Model| -> Vec<String> {
        let drawn = model.as_sample().unwrap().sample(1, &mut Run::new(0)).unwrap();
        drawn.arrays.iter().map(|(name, _)| name.clone()).filter(|name| name.contains("x[")).collect()
    };
    let of = |rule: &str| {
        let model = fit(&json!({ "rule": rule, "steps": 2000, "kept": KEPT }), &mut Run::new(3));
        let names = names(model.as_ref());
        assert_eq!(names.len(), 2, "{names:?}");
        (correlation(model.as_ref(), KEPT, &names[0], &names[1]), model.summary().text)
    };
    let (dependent, text) = of("forward-backward");
    assert!(dependent < -0.7 && text.contains("full covariance"), "{dependent}: {text}");
    let (independent, text) = of("diagonal");
    // Five standard errors of a correlation of zero.
    let error = 5.0 / (KEPT as f64).sqrt();
    assert!(independent.abs() < error && text.contains("independent unknowns"), "{independent}: {text}");
}

#[test]
fn a_batch_takes_shorter_steps_and_one_of_all_rows_is_said_to_do_nothing() {
    let eta = |settings: Value, run: &mut Run| {
        let summary = fit(&settings, run).summary();
        summary.metrics.iter().find(|(name, _)| name == "eta").unwrap().1
    };
    let mut run = Run::new(4);
    let all = eta(json!({ "steps": 20 }), &mut run);
    assert!(run.warnings().iter().all(|w| !w.contains("`batch`")), "{:?}", run.warnings());
    let part = eta(json!({ "steps": 20, "batch": 15 }), &mut Run::new(4));
    assert!((part / all - 0.25).abs() < 1e-12, "{part} and {all}");
    let mut run = Run::new(4);
    assert_eq!(eta(json!({ "steps": 20, "batch": ROWS }), &mut run), all);
    assert!(run.warnings().iter().any(|w| w.contains("`batch` has no effect")), "{:?}", run.warnings());
}

#[test]
fn batches_and_ranks_of_nothing_are_refused_by_name() {
    for name in ["batch", "rank"] {
        for count in [0u64, 10_000_000_000] {
            let error = AnySystem::check_config(&FbGvi, &json!({ name: count })).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
