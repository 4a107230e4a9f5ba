//! Sample paths of the systems: joint draws of the function without noise, in the target's unit.

use elbo_core::{AnySystem, Array, Data, Model, ModelFile, Prediction, Rng, Run, Values};
use elbo_systems_gp::bayesian_gpr::BayesianGpr;
use elbo_systems_gp::cvi_ep_hyper::CviEpHyper;
use elbo_systems_gp::cvtgp::Cvtgp;
use elbo_systems_gp::memory_dual_gp::MemoryDualGp;
use elbo_systems_gp::scale_mixture_nngp::ScaleMixtureNngp;
use elbo_systems_gp::svgp::SvgpSystem;
use serde_json::{Value, json};

const DRAWS: usize = 3000;

fn table(x: Vec<f64>, y: Values) -> Data {
    let arrays = vec![("x".into(), Array::new(&[x.len(), 1], x)), ("y".into(), Array::column(y))];
    Data { source: "made".into(), arrays, target: Some("y".into()), ..Data::default() }
}

fn inputs() -> Vec<f64> {
    let mut rng = Rng::new(3);
    (0..60).map(|_| rng.range(-2.0, 2.0)).collect()
}

/// A wave of size five around one hundred.
fn numbers() -> Data {
    let mut rng = Rng::new(4);
    let x = inputs();
    let y = x.iter().map(|x| 100.0 + 5.0 * (2.0 * x).sin() + rng.normal()).collect();
    table(x, Values::F64(y))
}

fn counts() -> Data {
    let mut rng = Rng::new(5);
    let x = inputs();
    let y = x.iter().map(|x| rng.poisson((1.0 + x.sin()).exp()) as f64).collect();
    table(x, Values::F64(y))
}

fn classes() -> Data {
    let x = inputs();
    let codes = x.iter().map(|x| Some(u32::from((2.0 * x).sin() > 0.0))).collect();
    table(x, Values::Text { levels: vec!["low".into(), "high".into()], codes })
}

/// New rows; the first two are near each other.
fn rows() -> Data {
    let x = vec![0.30, 0.32, -1.5, 1.1, 2.2];
    let arrays = vec![("x".into(), Array::new(&[5, 1], x))];
    Data { source: "made".into(), arrays, ..Data::default() }
}

/// Systems with settings that make them quick.
fn every() -> Vec<(&'static dyn AnySystem, Value)> {
    vec![
        (&SvgpSystem, json!({ "inducing": 20, "steps": 150, "batch": 30 })),
        (
            &SvgpSystem,
            json!({ "inducing": 20, "steps": 500, "batch": 30, "start": "pivoted", "posterior": "diagonal" }),
        ),
        (&BayesianGpr, json!({ "infer": "vi-mf", "steps": 100, "mixed": 10, "iterations": 20 })),
        (&BayesianGpr, json!({ "infer": "vi-mf", "steps": 100, "mixed": 10, "iterations": 20, "inducing": 15 })),
        (&Cvtgp, json!({ "points": 20, "steps": 60 })),
        (&CviEpHyper, json!({ "rounds": 2 })),
        (&CviEpHyper, json!({ "rounds": 2, "most_dense_rows": 10, "inducing": 20 })),
        (&MemoryDualGp, json!({ "batches": 2, "moves": 3, "rounds": 1 })),
        (&ScaleMixtureNngp, json!({ "iterations": 10, "starts": 1 })),
        (&ScaleMixtureNngp, json!({ "iterations": 10, "starts": 1, "tails": "burr" })),
    ]
}

fn fit(system: &dyn AnySystem, settings: &Value, data: &Data) -> Box<dyn Model> {
    system.fit(settings, data, &mut Run::new(1)).unwrap()
}

fn paths(model: &dyn Model, count: usize, seed: u64) -> Option<Vec<f64>> {
    model.as_predict().unwrap().sample_paths(&rows(), count, &mut Run::new(seed)).unwrap()
}

/// Means and variances of predicted observations.
fn predicted(model: &dyn Model) -> (Vec<f64>, Vec<f64>) {
    let Prediction::Numbers(m) = model.as_predict().unwrap().predict(&rows(), &mut Run::new(0)).unwrap() else {
        panic!("numbers")
    };
    ((0..5).map(|i| m.mean(i)).collect(), (0..5).map(|i| m.sd(i).powi(2)).collect())
}

/// The average of a number of each path, with its standard error.
fn average(paths: &[f64], of: impl Fn(&[f64]) -> f64) -> (f64, f64) {
    let values: Vec<f64> = paths.chunks_exact(5).map(of).collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt() / count.sqrt())
}

#[test]
fn paths_have_predicted_means_and_the_variances_of_predictions_less_one_noise() {
    for (system, settings) in every() {
        let model = fit(system, &settings, &numbers());
        let paths = paths(model.as_ref(), DRAWS, 2).unwrap();
        assert_eq!(paths.len(), 5 * DRAWS);
        let (mean, variance) = predicted(model.as_ref());
        let what = format!("{} {settings}", system.card().id);
        let mut noises = vec![];
        for i in 0..5 {
            let (found, error) = average(&paths, |f| f[i]);
            assert!((found - mean[i]).abs() < 5.0 * error, "{what}: mean {found} +- {error}, expected {}", mean[i]);
            let (spread, error) = average(&paths, |f| (f[i] - mean[i]).powi(2));
            noises.push((variance[i] - spread, error));
        }
        // What paths lack of the variance of an observation is the noise, the same in every row.
        assert!(noises[0].0 > 5.0 * noises[0].1, "{what}: {noises:?}");
        for (noise, error) in &noises {
            let alike = |(other, its): &(f64, f64)| (noise - other).abs() < 5.0 * error.hypot(*its);
            assert!(noises.iter().all(alike), "{what}: {noises:?}");
        }
    }
}

#[test]
fn rows_near_each_other_are_drawn_together() {
    for (system, settings) in every() {
        let model = fit(system, &settings, &numbers());
        let paths = paths(model.as_ref(), DRAWS, 3).unwrap();
        let centre = [0, 1].map(|i| average(&paths, |f| f[i]).0);
        let product = |i: usize, j: usize| average(&paths, |f| (f[i] - centre[i]) * (f[j] - centre[j])).0;
        let correlation = product(0, 1) / (product(0, 0) * product(1, 1)).sqrt();
        // Drawn row by row it would be zero, within 0.1.
        assert!(correlation > 0.8, "{} {settings}: {correlation}", system.card().id);
    }
}

#[test]
fn paths_are_the_same_bits_for_a_seed_and_files_keep_them() {
    for (system, settings) in every() {
        let what = format!("{} {settings}", system.card().id);
        let model = fit(system, &settings, &numbers());
        let before = paths(model.as_ref(), 7, 4).unwrap();
        assert_eq!(before, paths(model.as_ref(), 7, 4).unwrap(), "{what}");
        assert_ne!(before, paths(model.as_ref(), 7, 5).unwrap(), "{what}");
        let mut file = ModelFile::new(system.card().id);
        model.save(&mut file).unwrap();
        let loaded = system.load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        for (a, b) in before.iter().zip(paths(loaded.as_ref(), 7, 4).unwrap()) {
            assert!((a - b).abs() < 1e-6, "{what}: {a} before, {b} from the file");
        }
    }
}

#[test]
fn noise_that_varies_is_left_out_too() {
    for system in [&SvgpSystem as &dyn AnySystem, &MemoryDualGp] {
        let settings = match system.card().id {
            "svgp" => json!({ "multi": { "type": "heteroscedastic" }, "inducing": 20, "steps": 150, "batch": 30 }),
            _ => json!({ "multi": { "type": "heteroscedastic" }, "batches": 2, "moves": 3, "rounds": 1 }),
        };
        let model = fit(system, &settings, &numbers());
        let paths = paths(model.as_ref(), DRAWS, 6).unwrap();
        let (mean, variance) = predicted(model.as_ref());
        for i in 0..5 {
            let (found, error) = average(&paths, |f| f[i]);
            assert!((found - mean[i]).abs() < 5.0 * error, "{found} +- {error}, expected {}", mean[i]);
            let (spread, error) = average(&paths, |f| (f[i] - mean[i]).powi(2));
            assert!(spread < variance[i] + 5.0 * error, "{spread} +- {error}, of {} with noise", variance[i]);
        }
    }
}

#[test]
fn classes_and_counts_have_no_paths() {
    let quick = |system: &dyn AnySystem, likelihood: Option<&str>| {
        let mut settings = match system.card().id {
            "cvi-ep-hyper" => json!({ "rounds": 1, "infer": "vi" }),
            "memory-dual-gp" => json!({ "batches": 2, "moves": 0 }),
            _ => json!({ "inducing": 10, "steps": 20, "batch": 30 }),
        };
        if let Some(name) = likelihood {
            settings["likelihood"] = json!({ "type": name });
        }
        settings
    };
    for system in [&SvgpSystem as &dyn AnySystem, &CviEpHyper, &MemoryDualGp, &ScaleMixtureNngp] {
        let model = fit(system, &quick(system, None), &classes());
        assert!(paths(model.as_ref(), 3, 1).is_none(), "classes, {}", system.card().id);
    }
    for system in [&SvgpSystem as &dyn AnySystem, &CviEpHyper, &MemoryDualGp] {
        let model = fit(system, &quick(system, Some("poisson")), &counts());
        assert!(paths(model.as_ref(), 3, 1).is_none(), "counts, {}", system.card().id);
    }
}
