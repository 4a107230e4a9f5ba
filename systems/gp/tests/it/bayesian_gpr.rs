//! Hyperparameters integrated over where inducing points carry the process.

use elbo_core::{AnySystem, Array, Data, Model, ModelFile, Prediction, Rng, Run};
use elbo_systems_gp::bayesian_gpr::BayesianGpr;
use serde_json::{Value, json};

/// A wave of two inputs, of which one matters, with noise of 0.2.
fn table(rows: usize, seed: u64) -> Data {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = (0..2 * rows).map(|_| rng.range(-2.0, 2.0)).collect();
    let y: Vec<f64> = x.chunks_exact(2).map(|x| (2.0 * x[0]).sin() + 0.2 * rng.normal()).collect();
    let arrays = vec![("x".into(), Array::new(&[rows, 2], x)), ("y".into(), Array::new(&[rows], y))];
    Data { source: "wave".into(), arrays, target: Some("y".into()), ..Data::default() }
}

fn fit(settings: &Value, data: &Data, run: &mut Run) -> Box<dyn Model> {
    AnySystem::fit(&BayesianGpr, settings, data, run).unwrap()
}

/// Means and standard deviations of predictions.
fn predicted(model: &dyn Model, data: &Data) -> Vec<f64> {
    let Prediction::Numbers(m) = model.as_predict().unwrap().predict(data, &mut Run::new(0)).unwrap() else {
        panic!("numbers")
    };
    (0..data.rows()).flat_map(|i| [m.mean(i), m.sd(i)]).collect()
}

/// Every way of inference, with settings that make it quick.
fn every() -> Vec<Value> {
    vec![
        json!({ "infer": "nuts", "chains": 2, "warmup": 40, "draws": 20, "mixed": 10 }),
        json!({ "infer": "vi-full", "steps": 60, "mixed": 10 }),
        json!({ "infer": "vi-mf", "steps": 60, "mixed": 10 }),
        json!({ "infer": "ml2", "starts": 1, "iterations": 40 }),
    ]
}

#[test]
fn sparse_fits_of_every_kind_say_that_they_are_approximate_and_survive_saving() {
    let (train, test) = (table(80, 1), table(20, 2));
    for mut settings in every() {
        settings["inducing"] = json!(12);
        let model = fit(&settings, &train, &mut Run::new(3));
        let text = model.summary().text;
        assert!(text.contains("Approximate: 12 inducing points"), "{settings}: {text}");
        let mut file = ModelFile::new("bayesian-gpr");
        model.save(&mut file).unwrap();
        let back = AnySystem::load(&BayesianGpr, &ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        assert_eq!(predicted(model.as_ref(), &test), predicted(back.as_ref(), &test), "{settings}");
        settings.as_object_mut().unwrap().remove("inducing");
        let exact = fit(&settings, &train, &mut Run::new(3));
        assert!(!exact.summary().text.contains("Approximate"), "{settings}");
    }
}

#[test]
fn inducing_points_lift_the_limit_of_rows() {
    let train = table(60, 4);
    let mut settings = json!({ "infer": "ml2", "starts": 1, "iterations": 5, "most_rows": 50 });
    let error = AnySystem::fit(&BayesianGpr, &settings, &train, &mut Run::new(5)).err().unwrap();
    assert!(error.remedy().contains("inducing=100"), "{}", error.remedy());
    settings["inducing"] = json!(10);
    let mut run = Run::new(5);
    fit(&settings, &train, &mut run);
    assert!(run.warnings().iter().any(|w| w.contains("`most_rows` has no effect")), "{:?}", run.warnings());
}

#[test]
fn more_inducing_points_than_rows_are_all_rows_and_none_are_refused() {
    let (train, test) = (table(15, 6), table(10, 7));
    let settings = |inducing: Value| json!({ "infer": "ml2", "starts": 1, "iterations": 60, "noise_held": 0.05, "inducing": inducing });
    let sparse = predicted(fit(&settings(json!(40)), &train, &mut Run::new(8)).as_ref(), &test);
    let exact = predicted(fit(&settings(Value::Null), &train, &mut Run::new(8)).as_ref(), &test);
    // The bound is the likelihood then, but for jitter; the two searches end within their tolerance of one optimum.
    for (a, b) in sparse.iter().zip(&exact) {
        assert!((a - b).abs() < 0.02, "{a} with 40 inducing points, {b} without");
    }
    for count in [0, 5001] {
        let error = AnySystem::check_config(&BayesianGpr, &settings(json!(count))).unwrap_err().to_string();
        assert!(error.contains("inducing"), "{error}");
    }
}
