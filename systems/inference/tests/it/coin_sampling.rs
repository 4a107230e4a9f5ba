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
fn the_spectrum_of_two_unknowns_gives_the_points_the_posteriors_moments() {
    let mut rng = Rng::new(6);
    let x = rng.normals(80);
    let y = x.iter().map(|x| f64::from(u8::from(0.5 + x + rng.normal() > 0.0))).collect();
    let arrays = vec![("x".into(), Array::new(&[80], x)), ("y".into(), Array::new(&[80], y))];
    let data = Data { source: "events".into(), arrays, target: Some("y".into()), ..Data::default() };
    // Means and deviations of the points, from the table of them.
    let moments = |settings: serde_json::Value| {
        let mut run = Run::new(2);
        let model = AnySystem::fit(&CoinSampling, &settings, &data, &mut run).unwrap();
        let table = &model.tables()[0];
        let column = |i: usize| table.rows.iter().map(|row| row[i].parse().unwrap()).collect::<Vec<f64>>();
        let moment = |values: Vec<f64>| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            (mean, square.sqrt())
        };
        assert_eq!(table.columns.len(), 2);
        (0..2).map(|i| moment(column(i))).collect::<Vec<_>>()
    };
    let lawgd = moments(json!({"likelihood": "bernoulli", "field": "lawgd", "particles": 20}));
    // Points of a kernel have the mean, and nearly the width.
    let svgd = moments(json!({"likelihood": "bernoulli", "particles": 60}));
    for ((mean, sd), (other, width)) in lawgd.iter().zip(&svgd) {
        assert!((mean - other).abs() < 0.3 * width, "{lawgd:?} {svgd:?}");
        assert!(sd / width > 0.75 && sd / width < 1.35, "{lawgd:?} {svgd:?}");
    }
    let error = AnySystem::fit(&CoinSampling, &json!({"field": "lawgd"}), &line(30), &mut Run::new(1)).err().unwrap();
    assert!(error.to_string().contains("lawgd for a model of 3 unknowns"), "{error}");
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
