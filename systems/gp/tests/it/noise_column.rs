//! Known noise of each row, from a column.

use elbo_core::{AnySystem, Array, Data, Model, ModelFile, Prediction, Rng, Run, Values};
use elbo_systems_gp::gpr::Gpr;
use elbo_systems_gp::sgpr::SgprSystem;
use serde_json::{Value, json};

fn systems() -> [(&'static dyn AnySystem, Value); 2] {
    [(&Gpr, json!({ "errors": "normal", "starts": 1 })), (&SgprSystem, json!({ "inducing": 30 }))]
}

fn truth(x: f64) -> f64 {
    (2.0 * x).sin()
}

fn columns(columns: Vec<(&str, Vec<f64>)>) -> Data {
    let arrays = columns.into_iter().map(|(name, v)| (name.into(), Array::column(Values::F64(v)))).collect();
    Data { source: "made".into(), arrays, target: Some("y".into()), ..Data::default() }
}

/// A wave of which every other row is measured fifty times as well as its neighbours, and how well.
fn measured(seed: u64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = (0..80).map(|_| rng.range(-2.0, 2.0)).collect();
    let sd: Vec<f64> = (0..80).map(|i| if i % 2 == 0 { 0.02 } else { 1.0 }).collect();
    let y = x.iter().zip(&sd).map(|(x, sd)| truth(*x) + sd * rng.normal()).collect();
    (x, sd, y)
}

fn means(model: &dyn Model, x: &[f64]) -> Vec<f64> {
    let data = columns(vec![("x", x.to_vec())]);
    let Prediction::Numbers(p) = model.as_predict().unwrap().predict(&data, &mut Run::new(0)).unwrap() else {
        panic!("numbers")
    };
    (0..x.len()).map(|i| p.mean(i)).collect()
}

fn rmse(model: &dyn Model) -> f64 {
    let x: Vec<f64> = (0..50).map(|i| -1.8 + 3.6 * f64::from(i) / 49.0).collect();
    let squares = means(model, &x).iter().zip(&x).map(|(m, x)| (m - truth(*x)).powi(2)).sum::<f64>();
    (squares / 50.0).sqrt()
}

#[test]
fn rows_that_are_measured_well_weigh_more_when_their_noise_is_known() {
    for (system, settings) in systems() {
        let (mut with, mut without) = (0.0, 0.0);
        for seed in [1, 2, 3] {
            let (x, sd, y) = measured(seed);
            let mut told = settings.clone();
            told["noise_column"] = json!("se");
            let data = columns(vec![("x", x.clone()), ("se", sd), ("y", y.clone())]);
            let model = system.fit(&told, &data, &mut Run::new(0)).unwrap();
            let summary = model.summary();
            assert!(summary.text.contains("column `se`"), "{}", summary.text);
            assert!(summary.relevance.iter().all(|(name, _)| name == "x"), "{:?}", summary.relevance);
            with += rmse(model.as_ref());
            let untold = system.fit(&settings, &columns(vec![("x", x), ("y", y)]), &mut Run::new(0)).unwrap();
            without += rmse(untold.as_ref());
        }
        assert!(with < 0.5 * without, "{}: {with} with and {without} without", system.card().id);
    }
}

#[test]
fn a_model_with_known_noise_comes_back_from_its_file() {
    for (system, mut settings) in systems() {
        let (x, sd, y) = measured(4);
        settings["noise_column"] = json!("se");
        let data = columns(vec![("x", x.clone()), ("se", sd), ("y", y)]);
        let model = system.fit(&settings, &data, &mut Run::new(0)).unwrap();
        let mut file = ModelFile::new(system.card().id);
        model.save(&mut file).unwrap();
        let back = system.load(&file).unwrap();
        assert_eq!(means(back.as_ref(), &x), means(model.as_ref(), &x), "{}", system.card().id);
    }
}

#[test]
fn a_column_that_is_not_there_is_named() {
    for (system, mut settings) in systems() {
        let (x, _, y) = measured(5);
        settings["noise_column"] = json!("se");
        let failure = system.fit(&settings, &columns(vec![("x", x), ("y", y)]), &mut Run::new(0)).err().unwrap();
        assert!(failure.to_string().contains("`noise_column` is `se`"), "{failure}");
    }
}
