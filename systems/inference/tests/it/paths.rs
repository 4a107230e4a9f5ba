//! Sample paths of posteriors over weights: draws of the function, without noise.

use elbo_core::{Array, Data, Marginals, Model, ModelFile, Prediction, Rng, Run, Values};
use elbo_infer::glm::GlmTable;
use elbo_systems_inference::SYSTEMS;
use serde_json::{Value, json};

/// Paths behind a statistic.
const PATHS: usize = 20_000;
/// Particles of `coin-sampling` here.
const PARTICLES: usize = 20;
/// Draws that predictions mix: as many are kept here, but where a test says so.
const MIXED: usize = 256;

fn table(x: Vec<f64>, target: Array) -> Data {
    let rows = target.rows();
    let arrays = vec![("x".into(), Array::new(&[rows, 2], x)), ("y".into(), target)];
    Data { source: "plane".into(), arrays, target: Some("y".into()), ..Data::default() }
}

/// A noisy plane of few rows, so that its weights are uncertain, in a unit far from one.
fn plane() -> Data {
    const ROWS: usize = 25;
    let mut rng = Rng::new(8);
    let x = rng.normals(ROWS * 2);
    let y = x.chunks_exact(2).map(|x| 300.0 + 40.0 * x[0] - 20.0 * x[1] + 30.0 * rng.normal()).collect();
    table(x, Array::new(&[ROWS], y))
}

/// Linear models, with the number of draws that each keeps.
fn linear() -> Vec<(&'static str, Value, usize)> {
    vec![
        ("fb-gvi", json!({"steps": 300, "kept": MIXED}), MIXED),
        ("flow-vi", json!({"steps": 100, "batch": 16, "flow": "planar:2", "draws": MIXED}), MIXED),
        ("coin-sampling", json!({"steps": 300, "particles": PARTICLES}), PARTICLES),
    ]
}

/// The same and a network.
fn every() -> Vec<(&'static str, Value, usize)> {
    let network = json!({"steps": 300, "particles": PARTICLES, "hidden": 4});
    linear().into_iter().chain([("coin-sampling", network, PARTICLES)]).collect()
}

fn fit(id: &str, settings: &Value, data: &Data) -> Box<dyn Model> {
    let system = SYSTEMS.iter().find(|system| system.card().id == id).expect("a registered system");
    system.fit(settings, data, &mut Run::new(3)).unwrap()
}

fn predicted(model: &dyn Model, rows: &Data) -> Box<dyn Marginals> {
    match model.as_predict().unwrap().predict(rows, &mut Run::new(0)).unwrap() {
        Prediction::Numbers(found) => found,
        Prediction::Classes { .. } => panic!("numbers"),
    }
}

fn paths(model: &dyn Model, rows: &Data, count: usize, seed: u64) -> Option<Vec<f64>> {
    model.as_predict().unwrap().sample_paths(rows, count, &mut Run::new(seed)).unwrap()
}

/// Mean, variance and fourth central moment of paths `[K, N]` at row `i`.
fn moments(paths: &[f64], rows: usize, i: usize) -> (f64, f64, f64) {
    let values = || paths.iter().skip(i).step_by(rows);
    let count = (paths.len() / rows) as f64;
    let mean = values().sum::<f64>() / count;
    let central = |power: i32| values().map(|v| (v - mean).powi(power)).sum::<f64>() / count;
    (mean, central(2), central(4))
}

/// Variance of the noise in the target's unit, the mean over all draws.
fn noise(model: &dyn Model, draws: usize) -> f64 {
    let mut file = ModelFile::new("paths");
    model.save(&mut file).unwrap();
    let table: GlmTable = file.fact("table").unwrap();
    // A network's unknowns end in the logarithms of the noise's and the weights' precisions, those of a linear model in the log of the noise.
    let drawn = model.as_sample().unwrap().sample(1, &mut Run::new(0)).unwrap();
    let labels = table.labels().len();
    let is_linear = drawn.arrays.iter().any(|(name, _)| name == "noise");
    let unknowns = if is_linear { labels } else { drawn.arrays.len() };
    let kept = file.get_as("draws", &[draws, unknowns]).unwrap();
    let variance =
        |draw: &[f64]| if is_linear { (2.0 * draw[unknowns - 1]).exp() } else { (-draw[unknowns - 2]).exp() };
    let mean = kept.chunks_exact(unknowns).map(variance).sum::<f64>() / draws as f64;
    table.target_scaling().1.powi(2) * mean
}

#[test]
fn moments_of_paths_are_those_of_predictions_less_the_noise() {
    let data = plane();
    let rows = data.take_rows(&[0, 5, 11, 17, 24]);
    for (id, settings, draws) in every() {
        let model = fit(id, &settings, &data);
        let (found, noise) = (predicted(model.as_ref(), &rows), noise(model.as_ref(), draws));
        let paths = paths(model.as_ref(), &rows, PATHS, 1).unwrap();
        assert_eq!(paths.len(), PATHS * 5);
        for i in 0..5 {
            let (mean, variance, fourth) = moments(&paths, 5, i);
            // Five standard errors of each.
            let error = 5.0 * (variance / PATHS as f64).sqrt();
            assert!(variance > 0.0 && (mean - found.mean(i)).abs() < error, "{id} {i}: {mean} {}", found.mean(i));
            let error = 5.0 * ((fourth - variance * variance) / PATHS as f64).sqrt();
            let expected = found.sd(i).powi(2) - noise;
            assert!((variance - expected).abs() < error, "{id} {i}: {variance} {expected}");
        }
    }
}

#[test]
fn paths_of_many_kept_draws_are_still_those_of_predictions() {
    let data = plane();
    let rows = data.take_rows(&[0, 5, 11, 17, 24]);
    let model = fit("fb-gvi", &json!({"steps": 300, "kept": 3000}), &data);
    let found = predicted(model.as_ref(), &rows);
    let paths = paths(model.as_ref(), &rows, PATHS, 1).unwrap();
    for i in 0..5 {
        let (mean, variance, _) = moments(&paths, 5, i);
        assert!((mean - found.mean(i)).abs() < 5.0 * (variance / PATHS as f64).sqrt(), "{i}: {mean} {}", found.mean(i));
    }
}

#[test]
fn a_path_is_one_function_and_the_same_seed_draws_the_same_bits() {
    let data = plane();
    let twice = data.take_rows(&[0, 1, 0]);
    for (id, settings, draws) in every() {
        let model = fit(id, &settings, &data);
        let drawn = paths(model.as_ref(), &twice, 3000, 1).unwrap();
        assert!(drawn.chunks(3).all(|path| path[0] == path[2]), "{id}");
        assert!(paths(model.as_ref(), &twice, 3000, 1).unwrap() == drawn, "{id}");
        assert!(paths(model.as_ref(), &twice, 3000, 2).unwrap() != drawn, "{id}");
        // With replacement: of few draws each comes, and comes again.
        let mut values: Vec<f64> = drawn.chunks(3).map(|path| path[0]).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        assert!(values.len() <= draws && (draws > PARTICLES || values.len() == draws), "{id}: {}", values.len());
    }
}

#[test]
fn paths_of_linear_models_are_straight() {
    let data = plane();
    let points = Array::new(&[3, 2], vec![-1.0, 2.0, 0.5, 0.5, 2.0, -1.0]);
    let line = Data { source: "a line".into(), arrays: vec![("x".into(), points)], ..Data::default() };
    for (id, settings, _) in linear() {
        let model = fit(id, &settings, &data);
        for path in paths(model.as_ref(), &line, 50, 4).unwrap().chunks(3) {
            assert!((path[1] - 0.5 * (path[0] + path[2])).abs() < 1e-9, "{id}: {path:?}");
            assert!((path[0] - path[2]).abs() > 1e-3, "{id}: {path:?}");
        }
    }
}

#[test]
fn counts_and_classes_have_no_paths_and_a_missing_column_is_named() {
    let mut rng = Rng::new(9);
    let counts = table(rng.normals(80), Array::new(&[40], (0..40).map(|i| f64::from(i % 5)).collect()));
    let levels = ["left", "middle", "right"].map(String::from).to_vec();
    let codes = (0..40).map(|i| Some(i % 3)).collect();
    let classes = table(rng.normals(80), Array::column(Values::Text { levels, codes }));
    let settings = [("fb-gvi", json!({"steps": 50})), ("coin-sampling", json!({"steps": 50}))];
    for (id, mut settings) in settings {
        assert!(paths(fit(id, &settings, &classes).as_ref(), &classes, 3, 1).is_none(), "{id}");
        let model = fit(id, &settings, &counts);
        assert!(paths(model.as_ref(), &counts, 3, 1).is_some(), "{id}: counts as numbers");
        let without = Data { arrays: vec![], ..counts.clone() };
        let error = model.as_predict().unwrap().sample_paths(&without, 3, &mut Run::new(1)).unwrap_err();
        assert!(error.to_string().contains("x[0]"), "{error}");
        settings["likelihood"] = json!("poisson");
        assert!(paths(fit(id, &settings, &counts).as_ref(), &counts, 3, 1).is_none(), "{id}");
    }
}
