//! The system as a user meets it: all heads and covariances, unusual rows, updates, interruptions.

use elbo_core::run::{Checkpoints, Event};
use elbo_core::{AnySystem, Array, Data, Model, ModelFile, Prediction, Rng, Run, Values};
use elbo_systems_bayesnn::vbll::Vbll;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Two inputs, one of them a category, and a number or three classes.
fn table(rows: usize, is_number: bool, seed: u64) -> Data {
    let mut rng = Rng::new(seed);
    let a: Vec<f64> = (0..rows).map(|_| rng.range(-2.0, 2.0)).collect();
    let kind: Vec<Option<u32>> = (0..rows).map(|_| Some(rng.below(2) as u32)).collect();
    let f: Vec<f64> = (0..rows).map(|i| a[i] + 2.0 * f64::from(kind[i].unwrap()) + 0.1 * rng.normal()).collect();
    let text = |levels: &[&str], codes| Values::Text { levels: levels.iter().map(|l| (*l).into()).collect(), codes };
    let target = if is_number {
        Values::F64(f)
    } else {
        let class = |v: &f64| Some(u32::from(*v > 0.0) + u32::from(*v > 2.0));
        text(&["low", "middle", "high"], f.iter().map(class).collect())
    };
    let column = |v| Array::column(v);
    Data {
        source: "table".into(),
        arrays: vec![
            ("a".into(), column(Values::F64(a))),
            ("kind".into(), column(text(&["plain", "fancy"], kind))),
            ("y".into(), column(target)),
        ],
        target: Some("y".into()),
        ..Data::default()
    }
}

fn fit(settings: Value, data: &Data, run: &mut Run) -> Box<dyn Model> {
    let mut all = json!({"hidden": [16], "steps": 600, "batch": 32, "rate": 0.01, "weight_decay": 0.01});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    AnySystem::fit(&Vbll, &all, data, run).unwrap()
}

fn bytes(model: &dyn Model) -> Vec<u8> {
    let mut file = ModelFile::new("vbll");
    model.save(&mut file).unwrap();
    file.to_bytes()
}

/// Mean log score of the targets, and its count.
fn log_score(model: &dyn Model, data: &Data) -> f64 {
    let y = data.get("y").unwrap();
    match model.as_predict().unwrap().predict(data, &mut Run::new(0)).unwrap() {
        Prediction::Numbers(m) => {
            let y = y.to_f64().unwrap();
            y.iter().enumerate().map(|(i, y)| m.log_prob(i, *y)).sum::<f64>() / y.len() as f64
        }
        Prediction::Classes { classes, probabilities } => {
            let names = y.class_names("y").unwrap();
            let of = |(row, name): (&[f64], &Option<String>)| {
                row[classes.iter().position(|c| Some(c) == name.as_ref()).unwrap()].ln()
            };
            probabilities.chunks(classes.len()).zip(&names).map(of).sum::<f64>() / names.len() as f64
        }
    }
}

#[test]
fn every_head_and_covariance_learns_the_table_and_survives_saving() {
    for is_number in [true, false] {
        let (train, test) = (table(150, is_number, 1), table(100, is_number, 2));
        let mut settings = vec![];
        for covariance in ["point", "diagonal", "low_rank", "dense", "dense_precision"] {
            if is_number {
                settings.push(json!({"covariance": covariance}));
            } else {
                settings.push(json!({"covariance": covariance, "classifier": "discriminative"}));
                settings.push(json!({"covariance": covariance, "classifier": "generative"}));
            }
        }
        if is_number {
            settings.push(json!({"noise": "student_t"}));
            settings.push(json!({"noise": "heteroscedastic"}));
            settings.push(json!({"collapsed": true}));
        } else {
            settings.push(json!({"bound": "tilted"}));
        }
        for setting in settings {
            let model = fit(setting.clone(), &train, &mut Run::new(3));
            let score = log_score(model.as_ref(), &test);
            // The noise of 0.1 gives 0.88 at best, a normal with the target's spread -1.9; guessing classes -1.1.
            assert!(score > if is_number { -0.6 } else { -0.45 }, "{setting}: {score}");
            let back = AnySystem::load(&Vbll, &ModelFile::from_bytes(&bytes(model.as_ref())).unwrap()).unwrap();
            assert!(bytes(back.as_ref()) == bytes(model.as_ref()), "{setting}");
            assert_eq!(log_score(back.as_ref(), &test), score, "{setting}");
        }
    }
}

#[test]
fn rows_far_from_the_data_are_novel() {
    for (is_number, classifier) in [(true, "discriminative"), (false, "generative")] {
        let train = table(150, is_number, 4);
        let model = fit(json!({"classifier": classifier}), &train, &mut Run::new(5));
        let novelty = |data: &Data| {
            let codes = model.as_encode().unwrap().encode(data, &mut Run::new(0)).unwrap();
            assert_eq!(codes.arrays.len(), 1 + 16, "novelty and the features");
            let values = codes.get("novelty").unwrap().to_f64().unwrap();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let mut far = train.clone();
        far.arrays[0].1 = Array::new(&[150], vec![12.0; 150]);
        assert!(novelty(&far) > novelty(&train) + if is_number { 0.05 } else { 3.0 }, "{classifier}");
    }
}

#[test]
fn an_update_brings_the_model_to_the_new_rows_and_narrows_it_there() {
    let train = table(60, true, 6);
    let mut more = table(40, true, 7);
    // A region that training did not see.
    more.arrays[0].1 = Array::new(&[40], (0..40).map(|i| 4.0 + 0.05 * f64::from(i)).collect());
    more.arrays[2].1 = Array::new(&[40], vec![9.0; 40]);
    let model = fit(json!({}), &train, &mut Run::new(8));
    let updated = model.as_update().unwrap().update(&more, &mut Run::new(0)).unwrap();
    assert!(log_score(updated.as_ref(), &more) > log_score(model.as_ref(), &more));
    let spread = |m: &dyn Model| {
        let codes = m.as_encode().unwrap().encode(&more, &mut Run::new(0)).unwrap();
        codes.get("novelty").unwrap().to_f64().unwrap().iter().sum::<f64>()
    };
    assert!(spread(updated.as_ref()) < spread(model.as_ref()));
    for setting in [json!({"noise": "student_t"}), json!({"covariance": "point"})] {
        assert!(fit(setting, &train, &mut Run::new(8)).as_update().is_none());
    }
}

#[test]
fn sample_paths_are_functions_with_the_spread_of_the_weights() {
    let train = table(60, true, 9);
    let model = fit(json!({}), &train, &mut Run::new(10));
    let twice = train.take_rows(&[0, 1, 0]);
    let paths = model.as_predict().unwrap().sample_paths(&twice, 3000, &mut Run::new(1)).unwrap().unwrap();
    assert!(paths.chunks(3).all(|p| p[0] == p[2]), "one draw is one function");
    let first: Vec<f64> = paths.chunks(3).map(|p| p[0]).collect();
    let mean = first.iter().sum::<f64>() / 3000.0;
    let sd = (first.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 3000.0).sqrt();
    let codes = model.as_encode().unwrap().encode(&twice, &mut Run::new(0)).unwrap();
    let expected = codes.get("novelty").unwrap().to_f64().unwrap()[0];
    // Five standard errors of a standard deviation from 3000 draws.
    assert!((sd / expected - 1.0).abs() < 5.0 / 6000f64.sqrt(), "{sd} {expected}");
}

#[test]
fn an_interrupted_fit_that_is_resumed_ends_with_the_same_bits() {
    for (is_number, settings) in [(true, json!({})), (false, json!({"classifier": "generative"}))] {
        let train = table(80, is_number, 11);
        let whole = fit(settings.clone(), &train, &mut Run::new(12));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let flag = Arc::new(AtomicBool::new(false));
        let raised = flag.clone();
        let mut run = Run::new(12)
            .with_cancel(flag)
            .with_checkpoints(Checkpoints {
                path: path.clone(),
                every: Duration::from_secs(3600),
                header: ModelFile::new("vbll"),
            })
            .with_watcher(move |event| {
                if matches!(event, Event::Step { step: 150, .. }) {
                    raised.store(true, Ordering::Relaxed);
                }
            });
        let part = fit(settings.clone(), &train, &mut run);
        assert!(run.stopped_early() && bytes(part.as_ref()) != bytes(whole.as_ref()));
        let mut run = Run::new(12).resuming(ModelFile::read(&path).unwrap());
        assert!(bytes(fit(settings, &train, &mut run).as_ref()) == bytes(whole.as_ref()));
    }
}

#[test]
fn weights_with_distributions_before_the_last_layer_learn_the_table_and_survive_saving() {
    for (is_number, classifier) in [(true, "discriminative"), (false, "discriminative"), (false, "generative")] {
        let (train, test) = (table(150, is_number, 19), table(100, is_number, 20));
        let setting = json!({"body": "mean_field", "classifier": classifier, "steps": 1500});
        let model = fit(setting.clone(), &train, &mut Run::new(21));
        let score = log_score(model.as_ref(), &test);
        // A normal with the target's spread has -1.9; guessing classes -1.1.
        assert!(score > if is_number { -1.5 } else { -1.0 }, "{setting}: {score}");
        assert!(model.summary().text.contains("have distributions") && model.as_update().is_none());
        let back = AnySystem::load(&Vbll, &ModelFile::from_bytes(&bytes(model.as_ref())).unwrap()).unwrap();
        assert!(bytes(back.as_ref()) == bytes(model.as_ref()), "{setting}");
        assert_eq!(log_score(back.as_ref(), &test), score, "{setting}");
        let codes = model.as_encode().unwrap().encode(&test, &mut Run::new(0)).unwrap();
        assert!(codes.get("novelty").unwrap().to_f64().unwrap().iter().all(|v| v.is_finite()), "{setting}");
        if is_number {
            // A path is one function; predictions do not depend on the rows beside.
            let twice = test.take_rows(&[0, 1, 0]);
            let paths = model.as_predict().unwrap().sample_paths(&twice, 50, &mut Run::new(1)).unwrap().unwrap();
            assert!(paths.chunks(3).all(|p| p[0] == p[2]));
            let mean = |data: &Data, row: usize| match model.as_predict().unwrap().predict(data, &mut Run::new(0)) {
                Ok(Prediction::Numbers(m)) => m.mean(row),
                _ => panic!("numbers"),
            };
            assert!((mean(&twice, 2) - mean(&test, 0)).abs() < 1e-9);
        }
    }
}

#[test]
fn weights_with_distributions_go_with_gaussian_noise_and_layers_alone() {
    let train = table(40, true, 22);
    let mut run = Run::new(23);
    fit(json!({"body": "mean_field", "steps": 20}), &train, &mut run);
    assert!(run.warnings().iter().any(|w| w.contains("`weight_decay` has no effect")), "{:?}", run.warnings());
    for (name, value) in [("hidden", json!([])), ("noise", json!("student_t")), ("collapsed", json!(true))] {
        let settings = json!({"body": "mean_field", name: value});
        let error = AnySystem::check_config(&Vbll, &settings).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("body=mean_field"), "{error}");
    }
}

#[test]
fn collapsed_training_leaves_out_what_it_has_no_use_for_and_refuses_what_has_no_closed_form() {
    let train = table(40, true, 15);
    let mut run = Run::new(16);
    let model = fit(json!({"collapsed": true, "steps": 20}), &train, &mut run);
    assert!(model.summary().text.contains("collapsed in training"));
    assert!(run.warnings().iter().any(|w| w.contains("`batch` has no effect")), "{:?}", run.warnings());
    assert!(model.as_update().is_some());
    for (name, value) in [
        ("covariance", json!("low_rank")),
        ("covariance", json!("point")),
        ("noise", json!("student_t")),
        ("kl_weight", json!(0.5)),
    ] {
        let error = AnySystem::check_config(&Vbll, &json!({"collapsed": true, name: value})).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("collapsed=true"), "{error}");
    }
    let classes = table(40, false, 17);
    let settings = json!({"collapsed": true, "steps": 20, "hidden": [4]});
    let error = AnySystem::fit(&Vbll, &settings, &classes, &mut Run::new(18)).err().unwrap();
    assert!(error.to_string().contains("of classes"), "{error}");
}

#[test]
fn a_tempered_posterior_is_warned_about_and_named() {
    let train = table(40, true, 13);
    let mut run = Run::new(14);
    let model = fit(json!({"kl_weight": 0.01, "steps": 20}), &train, &mut run);
    assert!(run.warnings().iter().any(|w| w.contains("surer")), "{:?}", run.warnings());
    assert!(model.summary().text.contains("tempered"));
    let error = AnySystem::check_config(&Vbll, &json!({"prior_scale": 0.0})).unwrap_err();
    assert!(error.to_string().contains("prior_scale"), "{error}");
    let mut unseen = train.clone();
    let codes = vec![Some(0); 40];
    unseen.arrays[1].1 = Array::column(Values::Text { levels: vec!["other".into()], codes });
    let mut run = Run::new(0);
    model.as_predict().unwrap().predict(&unseen, &mut run).unwrap();
    assert!(run.warnings()[0].contains("not seen"), "{:?}", run.warnings());
}

#[test]
fn features_that_are_small_for_the_prior_are_warned_of_after_a_fit() {
    let train = table(40, true, 24);
    let warned = |settings: Value| {
        let mut run = Run::new(25);
        fit(settings, &train, &mut run);
        run.warnings().iter().any(|w| w.contains("root mean square"))
    };
    // Untrained layers make features smaller one after the other, and of a wide last one the constant is a small part.
    let deep = json!({"hidden": [64, 64, 64, 400], "steps": 1, "rate": 1e-5, "covariance": "diagonal"});
    assert!(warned(deep.clone()));
    let mut mended = deep;
    mended["prior_scale"] = json!(300.0);
    assert!(!warned(mended));
    assert!(!warned(json!({})));
}
