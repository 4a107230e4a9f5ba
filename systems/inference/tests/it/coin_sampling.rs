//! Coin sampling on tables.

use elbo_core::{AnySystem, Array, Data, ModelFile, Prediction, Rng, Run};
use elbo_systems_inference::coin_sampling::CoinSampling;
use serde_json::json;

/// A line with known weights and noise.
fn line(rows: usize) -> Data {
    let mut rng = Rng::new(4);
    let x = rng.normals(rows);
    let y = x.iter().map(|x| 3.0 + 2.0 * x).collect::<Vec<_>>();
    let y: Vec<f64> = y.into_iter().map(|f| f + 0.5 * rng.normal()).collect();
    let arrays = vec![("x".into(), Array::new(&[rows], x)), ("y".into(), Array::new(&[rows], y))];
    Data { source: "line".into(), arrays, target: Some("y".into()), ..Data::default() }
}

fn rmse(settings: serde_json::Value, data: &Data) -> f64 {
    let model = AnySystem::fit(&CoinSampling, &settings, data, &mut Run::new(3)).unwrap();
    let observed = data.get("y").unwrap().to_f64().unwrap();
    let Prediction::Numbers(m) = model.as_predict().unwrap().predict(data, &mut Run::new(0)).unwrap() else {
        panic!("numbers")
    };
    let square: f64 = observed.iter().enumerate().map(|(i, y)| (y - m.mean(i)).powi(2)).sum();
    (square / observed.len() as f64).sqrt()
}

#[test]
fn a_line_is_found_by_a_linear_model_and_by_a_network() {
    let data = line(120);
    // The noise is 0.5; its estimate from 120 rows has a standard error of 0.03.
    for settings in [json!({"steps": 500}), json!({"steps": 500, "field": "ksdd"}), json!({"hidden": 8, "steps": 1500})]
    {
        let error = rmse(settings.clone(), &data);
        assert!(error < 0.65, "{settings}: {error}");
    }
}

#[test]
fn a_network_survives_saving_and_refuses_classes() {
    let data = line(60);
    let model = AnySystem::fit(&CoinSampling, &json!({"hidden": 5, "steps": 50}), &data, &mut Run::new(1)).unwrap();
    let mut file = ModelFile::new("coin-sampling");
    model.save(&mut file).unwrap();
    let back = AnySystem::load(&CoinSampling, &ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
    let at = |m: &dyn elbo_core::Model| match m.as_predict().unwrap().predict(&data, &mut Run::new(0)).unwrap() {
        Prediction::Numbers(m) => (m.mean(7), m.sd(7)),
        Prediction::Classes { .. } => panic!("numbers"),
    };
    assert_eq!(at(model.as_ref()), at(back.as_ref()));

    let mut classes = line(60);
    classes.arrays[1].1 = Array::new(&[60], (0..60).map(|i| f64::from(i % 2)).collect());
    let error = AnySystem::fit(&CoinSampling, &json!({"hidden": 5}), &classes, &mut Run::new(1)).err().unwrap();
    assert!(error.remedy().contains("`hidden`"), "{error}");
    let error = AnySystem::fit(&CoinSampling, &json!({"alpha": -1.0}), &classes, &mut Run::new(1)).err().unwrap();
    assert!(error.to_string().contains("alpha"), "{error}");
}

#[test]
fn the_report_shows_the_discrepancy_and_the_particles() {
    let model =
        AnySystem::fit(&CoinSampling, &json!({"particles": 7, "steps": 40}), &line(50), &mut Run::new(1)).unwrap();
    assert_eq!(model.figures()[0].name, "stein");
    assert_eq!((model.tables()[0].rows.len(), model.tables()[0].columns.len()), (7, 3));
    assert!(model.summary().objective.is_some_and(|(_, ksd)| ksd > 0.0));
}

#[test]
fn few_particles_in_many_unknowns_are_said_to_lie_too_close() {
    let warned = |inputs: usize| {
        let mut rng = Rng::new(5);
        let x = rng.normals(150 * inputs);
        let y = x.chunks_exact(inputs).map(|x| x[0] + 0.5 * rng.normal()).collect();
        let arrays = vec![("x".into(), Array::new(&[150, inputs], x)), ("y".into(), Array::new(&[150], y))];
        let data = Data { source: "wide".into(), arrays, target: Some("y".into()), ..Data::default() };
        let mut run = Run::new(1);
        AnySystem::fit(&CoinSampling, &json!({"steps": 300}), &data, &mut run).unwrap();
        run.warnings().iter().any(|w| w.contains("closer together"))
    };
    assert!(warned(60) && !warned(3));
}
