//! `gpr` with the coefficients of its mean function integrated out.

use elbo_core::{AnySystem, Array, Data, Model, ModelFile, Prediction, Rng, Run, Values};
use elbo_systems_gp::gpr::Gpr;
use serde_json::{Value, json};

fn columns(columns: Vec<(&str, Values)>) -> Data {
    let arrays = columns.into_iter().map(|(name, values)| (name.into(), Array::column(values))).collect();
    Data { source: "made".into(), arrays, target: Some("y".into()), ..Data::default() }
}

/// A wave around a line, at inputs from 0 to 4.
fn rising(rows: usize, seed: u64) -> Data {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = (0..rows).map(|_| rng.range(0.0, 4.0)).collect();
    let y = x.iter().map(|x| 10.0 + 2.0 * x + (3.0 * x).sin() + 0.2 * rng.normal()).collect();
    columns(vec![("x", Values::F64(x)), ("y", Values::F64(y))])
}

fn quick(coefficients: &str) -> Value {
    json!({ "mean": "linear", "coefficients": coefficients, "starts": 1, "errors": "normal" })
}

fn fit(settings: &Value, data: &Data, run: &mut Run) -> Box<dyn Model> {
    Gpr.fit(settings, data, run).unwrap()
}

/// Means and standard deviations at these inputs.
fn predict(model: &dyn Model, x: &[f64]) -> Vec<(f64, f64)> {
    let data = columns(vec![("x", Values::F64(x.to_vec()))]);
    let Prediction::Numbers(p) = model.as_predict().unwrap().predict(&data, &mut Run::new(0)).unwrap() else {
        panic!("numbers")
    };
    (0..x.len()).map(|i| (p.mean(i), p.sd(i))).collect()
}

#[test]
fn predictions_beyond_the_rows_hold_what_is_open_of_the_trend() {
    let data = rising(25, 1);
    let at = [2.0, 8.0, 16.0, 32.0];
    let integrated = predict(fit(&quick("integrated"), &data, &mut Run::new(0)).as_ref(), &at);
    assert!(integrated.windows(2).all(|p| p[1].1 > p[0].1), "{integrated:?}");
    assert!(integrated[3].1 > 1.5 * integrated[2].1, "{integrated:?}");
    let optimised = predict(fit(&quick("optimised"), &data, &mut Run::new(0)).as_ref(), &at);
    assert!(optimised[3].1 < 1.1 * optimised[2].1, "{optimised:?}");
}

#[test]
fn the_summary_says_what_was_done_and_the_model_comes_back_bit_for_bit() {
    let data = rising(30, 2);
    for errors in ["normal", "leave_one_out", "cross_validation"] {
        let mut settings = quick("integrated");
        settings["errors"] = json!(errors);
        let model = fit(&settings, &data, &mut Run::new(0));
        let summary = model.summary();
        assert!(summary.text.contains("integrated out"), "{}", summary.text);
        assert_eq!(summary.objective.as_ref().unwrap().0, "restricted log likelihood");
        let (_, values, meaning) = summary.parameters.iter().find(|p| p.0 == "mean.coefficients").unwrap();
        assert!(meaning.contains("integrated out"), "{meaning}");
        assert!(values.split(", ").map(|v| v.parse::<f64>().unwrap()).any(|v| v != 0.0), "{values}");
        let mut file = ModelFile::new("gpr");
        model.save(&mut file).unwrap();
        let back = Gpr.load(&file).unwrap();
        let at = [0.5, 3.0, 9.0];
        assert_eq!(predict(back.as_ref(), &at), predict(model.as_ref(), &at), "{errors}");
        let [loo, again] = [model.validation().unwrap(), back.validation().unwrap()].map(|v| {
            let Prediction::Numbers(p) = v.prediction else { panic!("numbers") };
            (0..30).map(|i| (p.mean(i), p.sd(i))).collect::<Vec<_>>()
        });
        assert_eq!(loo, again, "{errors}");
    }
}

#[test]
fn settings_that_contradict_it_are_refused() {
    let refusal = |settings: Value| Gpr.fit(&settings, &rising(20, 3), &mut Run::new(0)).err().unwrap().to_string();
    let zero = refusal(json!({ "mean": "zero", "coefficients": "integrated" }));
    assert!(zero.contains("integrated beside mean=zero"), "{zero}");
    for name in ["coefficients", "mean.coefficients"] {
        let prior = refusal(json!({ "coefficients": "integrated", "priors": { name: "normal(0, 1)" } }));
        assert!(prior.contains("integrated beside a prior on them"), "{prior}");
    }
}

#[test]
fn columns_that_do_not_determine_the_trend_are_named() {
    let refusal = |data: &Data| Gpr.fit(&quick("integrated"), data, &mut Run::new(0)).err().unwrap().to_string();
    let few = refusal(&rising(2, 4));
    assert!(few.contains("2 rows do not determine the 2 coefficients"), "{few}");
    let mut rng = Rng::new(5);
    let x: Vec<f64> = (0..20).map(|_| rng.normal()).collect();
    let twice = x.iter().map(|x| 3.0 - 2.0 * x).collect();
    let y = rng.normals(20);
    let data = columns(vec![("x", Values::F64(x)), ("twice", Values::F64(twice)), ("y", Values::F64(y))]);
    let collinear = refusal(&data);
    assert!(collinear.contains("`twice`") && collinear.contains("combination of the terms before it"), "{collinear}");
}

#[test]
fn a_fold_that_would_take_a_term_away_leaves_the_errors_to_leave_one_out() {
    // Two rows of a category: some fold may hold both, or each is in a fold of its own and the other alone determines its coefficient.
    let mut rng = Rng::new(6);
    let x: Vec<f64> = (0..24).map(|_| rng.range(-2.0, 2.0)).collect();
    let codes = (0..24).map(|i| Some(if i < 2 { 1 } else { 0 })).collect();
    let y = x.iter().map(|x| x.sin() + 0.1 * rng.normal()).collect();
    let site = Values::Text { levels: vec!["main".into(), "other".into()], codes };
    let data = columns(vec![("x", Values::F64(x)), ("site", site), ("y", Values::F64(y))]);
    let mut settings = quick("integrated");
    settings["errors"] = json!("cross_validation");
    let mut run = Run::new(0);
    fit(&settings, &data, &mut run);
    let told = run.warnings().iter().any(|w| w.contains("the errors are those of `errors=leave_one_out`"));
    assert!(told, "{:?}", run.warnings());
    assert!(!run.stopped_early());
}

#[test]
fn copies_that_the_trend_needs_are_kept() {
    // No noise, and the only row of a category stands twice.
    let x: Vec<f64> = (0..24).map(|i| if i < 2 { 0.3 } else { 0.1 * f64::from(i) }).collect();
    let codes = (0..24).map(|i| Some(if i < 2 { 1 } else { 0 })).collect();
    let y = (0..24).map(|i: usize| x[i].sin() + if i < 2 { 0.5 } else { 0.0 }).collect();
    let site = Values::Text { levels: vec!["main".into(), "other".into()], codes };
    let data = columns(vec![("x", Values::F64(x)), ("site", site), ("y", Values::F64(y))]);
    let mut run = Run::new(0);
    fit(&quick("integrated"), &data, &mut run);
    let told = run.warnings().iter().any(|w| w.contains("1 rows are copies") && w.contains("they are kept"));
    assert!(told, "{:?}", run.warnings());
    let once = json!({ "mean": "linear", "coefficients": "integrated", "copies": "once" });
    let refused = Gpr.fit(&once, &data, &mut Run::new(0)).err().unwrap().to_string();
    assert!(refused.contains("one row alone determines") && refused.contains("a level of site"), "{refused}");
}
