//! `aevb` and `iwae` on digits: what differs, what does not, and what is refused.

use elbo_core::run::Checkpoints;
use elbo_core::{AnySystem, Array, Data, Error, Event, Model, ModelFile, PointBounds, Rng, Run};
use elbo_systems_inference::{aevb::Aevb, iwae::Iwae};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn digits(rows: usize) -> Data {
    let data = elbo_data::digits8().unwrap();
    data.take_rows(&(0..rows).collect::<Vec<_>>())
}

fn fit(system: &dyn AnySystem, settings: Value, data: &Data) -> Result<Box<dyn Model>, Error> {
    system.fit(&settings, data, &mut Run::new(3))
}

#[test]
fn pictures_come_back_in_their_own_unit_and_codes_have_names() {
    let data = digits(200);
    let settings = json!({"latent": 3, "hidden": [32], "epochs": 20, "batch": 20});
    let model = fit(&Aevb, settings, &data).unwrap();
    let made = model.as_reconstruct().unwrap().reconstruct(&data, &mut Run::new(1)).unwrap();
    assert_eq!(made.arrays.len(), 64);
    let all: Vec<f64> = made.arrays.iter().flat_map(|(_, a)| a.to_f64().unwrap()).collect();
    assert!(all.iter().all(|v| (0.0..=16.0).contains(v)) && all.iter().any(|v| *v > 8.0));
    let codes = model.as_encode().unwrap().encode(&data, &mut Run::new(1)).unwrap();
    let names: Vec<&str> = codes.arrays.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["z1", "z2", "z3", "z1_sd", "z2_sd", "z3_sd"]);
    // The digits name a label, so a linear classifier of the codes is tried: better than guessing one of ten.
    let summary = model.summary();
    let error = summary.metrics.iter().find(|(n, _)| n == "label_error").unwrap().1;
    assert!(error < 0.8, "{error}");
    assert!(!summary.metrics.iter().any(|(n, _)| n == "label_error_1000"), "there are 200 digits");
    assert_eq!(model.tables()[0].rows.len(), 2);
}

#[test]
fn a_thousand_labels_are_tried_where_there_are_twice_as_many_data_points() {
    let mut rng = Rng::new(4);
    let (side, noise) = (rng.normals(2000), rng.normals(2000));
    let of = |v: &[f64]| Array::new(&[2000], v.to_vec());
    let class = |v: &f64| if *v > 0.0 { 1.0 } else { 0.0 };
    let arrays = vec![
        ("a".into(), of(&side)),
        ("b".into(), of(&side.iter().zip(&noise).map(|(s, n)| s + 0.1 * n).collect::<Vec<_>>())),
        ("side".into(), of(&side.iter().map(class).collect::<Vec<_>>())),
    ];
    let data = Data { source: "sides".into(), arrays, target: Some("side".into()), ..Data::default() };
    let settings = json!({"latent": 2, "hidden": [8], "epochs": 2});
    let model = fit(&Aevb, settings, &data).unwrap();
    let metrics = model.summary().metrics;
    for name in ["label_error", "label_error_1000"] {
        let error = metrics.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name} in {metrics:?}")).1;
        assert!((0.0..=0.3).contains(&error), "{name}: {error}, by a coin 0.5");
    }
    // Encoder 2-8-4, decoder 2-8-2, and a variance for each column.
    let count = metrics.iter().find(|(n, _)| n == "network_parameters").unwrap().1;
    assert_eq!(count, (24 + 36 + 24 + 18 + 2) as f64);
    let mut file = ModelFile::new("aevb");
    model.save(&mut file).unwrap();
    assert_eq!((&Aevb as &dyn AnySystem).load(&file).unwrap().summary().metrics, metrics);
}

#[test]
fn samples_are_measured_against_the_data_with_the_features_named() {
    let settings = json!({"latent": 3, "hidden": [16], "epochs": 2, "batch": 20});
    for system in [&Aevb as &dyn AnySystem, &Iwae] {
        let model = fit(system, settings.clone(), &digits(100)).unwrap();
        let mut file = ModelFile::new(system.card().id);
        model.save(&mut file).unwrap();
        let summary = system.load(&file).unwrap().summary();
        assert_eq!(summary, model.summary(), "a model file knows the same");
        let metric = |name: &str| summary.metrics.iter().find(|(n, _)| n == name).map(|(_, v)| *v).unwrap();
        assert_eq!(metric("samples_measured"), 100.0);
        assert!(metric("frechet") > 0.0 && metric("frechet_independent") > 0.0);
        assert!(metric("kernel_distance").is_finite() && metric("kernel_distance_sd") > 0.0);
        assert!(summary.text.contains("features pca-16 of the training data"), "{}", summary.text);
    }
    // Gaps have no features.
    let settings = json!({"latent": 1, "hidden": [4], "epochs": 1, "nan_is_missing": true});
    let summary = fit(&Aevb, settings, &with_gaps().0).unwrap().summary();
    assert!(!summary.metrics.iter().any(|(n, _)| n == "frechet"), "{:?}", summary.metrics);
    assert!(!summary.text.contains("features"), "{}", summary.text);
}

#[test]
fn samples_of_pictures_with_classes_are_measured_by_what_tells_these_apart() {
    let settings = json!({"latent": 3, "hidden": [16], "epochs": 2, "batch": 20, "features": "cnn-32"});
    let summary = fit(&Aevb, settings.clone(), &digits(100)).unwrap().summary();
    assert!(summary.text.contains("features cnn-32 of the training data's classes"), "{}", summary.text);
    assert!(summary.metrics.iter().any(|(name, value)| name == "frechet" && *value > 0.0), "{:?}", summary.metrics);
    let mut unlabelled = digits(100);
    unlabelled.target = None;
    unlabelled.arrays.retain(|(name, _)| name != "digit");
    let error = fit(&Aevb, settings.clone(), &unlabelled).err().unwrap().to_string();
    assert!(error.contains("without classes") && error.contains("features=pca-16"), "{error}");
    // 1000 points are measured, two of each three of these.
    let mut rare = digits(1500);
    let classes = (0..1500).map(|row| if row == 2 { 1.0 } else { 0.0 }).collect();
    let digit = rare.arrays.iter_mut().find(|(name, _)| name == "digit").unwrap();
    digit.1 = Array::new(&[1500], classes);
    let error = fit(&Aevb, settings, &rare).err().unwrap().to_string();
    assert!(error.contains("one class among the data points that are measured"), "{error}");
}

#[test]
fn one_importance_draw_is_the_evidence_lower_bound_and_resampling_moves_codes() {
    let data = digits(120);
    let settings = |resample| json!({"latent": 2, "hidden": [16], "epochs": 3, "draws": 1, "resample": resample});
    let [own, resampled] = [0, 200].map(|r| fit(&Iwae, settings(r), &data).unwrap());
    assert_eq!(own.summary().objective, resampled.summary().objective, "the same networks");
    let codes = |m: &dyn Model| m.as_encode().unwrap().encode(&data, &mut Run::new(1)).unwrap();
    assert_ne!(codes(own.as_ref()), codes(resampled.as_ref()));
}

#[test]
fn convolutions_and_every_prior_fit_pictures() {
    let data = digits(60);
    for prior in [
        json!("diagonal"),
        json!({"type": "mixture", "components": 3}),
        json!({"type": "vamp", "components": 3}),
        json!({"type": "hierarchical", "latent": 2, "hidden": [8]}),
    ] {
        let settings = json!({"latent": 2, "channels": [4], "hidden": [], "epochs": 1, "batch": 20, "prior": prior});
        let model = fit(&Iwae, settings, &data).unwrap();
        let drawn = model.as_sample().unwrap().sample(5, &mut Run::new(1)).unwrap();
        assert_eq!((drawn.arrays.len(), drawn.rows()), (64, 5));
    }
}

#[test]
fn classes_shape_the_prior_where_they_are_asked_for() {
    let data = digits(200);
    let settings = json!({"latent": 2, "hidden": [16], "epochs": 3, "prior": "class_conditional"});
    let model = fit(&Aevb, settings.clone(), &data).unwrap();
    let metrics = model.summary().metrics;
    for name in ["nmi", "ari", "cluster_accuracy", "label_error"] {
        assert!(metrics.iter().any(|(n, v)| n == name && v.is_finite()), "{name} in {metrics:?}");
    }
    // What a code varies, over data points and within them.
    let metric = |name: &str| metrics.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
    let codes = model.as_encode().unwrap().encode(&data, &mut Run::new(0)).unwrap();
    let own = |k: usize| {
        let sds = codes.get(&format!("z{k}_sd")).unwrap().to_f64().unwrap();
        sds.iter().map(|sd| sd * sd).sum::<f64>() / sds.len() as f64
    };
    let idle = [1, 2].iter().filter(|k| own(**k) > 0.8).count();
    assert_eq!(metric("idle_units"), Some(idle as f64), "{} and {}", own(1), own(2));
    assert!(metric("code_variance").is_some_and(|variance| variance > 0.0), "{metrics:?}");
    // A mean and a variance of two dimensions for each of ten classes; their shares are counted, and not found by training.
    let plain = fit(&Aevb, json!({"latent": 2, "hidden": [16], "epochs": 1}), &data).unwrap().summary().metrics;
    let alone = plain.iter().find(|(n, _)| n == "network_parameters").unwrap().1;
    assert_eq!(metric("network_parameters").map(|all| all - alone), Some(40.0));
    let mut file = ModelFile::new("aevb");
    model.save(&mut file).unwrap();
    assert_eq!((&Aevb as &dyn AnySystem).load(&file).unwrap().summary().metrics, metrics);
    let error = fit(&Aevb, settings, &Data { target: None, ..data.clone() }).err().unwrap();
    assert!(error.to_string().contains("no data point has a class"), "{error}");
    let prior = json!({"type": "class_conditional", "shares": [1.0, 1.0]});
    let error = fit(&Aevb, json!({"latent": 2, "epochs": 1, "prior": prior}), &data).err().unwrap();
    assert!(error.to_string().contains("`prior.shares` is 2 numbers for 10 classes"), "{error}");
}

#[test]
fn codes_that_are_points_have_no_divergence_to_charge() {
    let error = fit(&Aevb, json!({"latent": 2, "epochs": 1, "family": "dirac"}), &digits(50)).err().unwrap();
    assert!(error.to_string().contains("`family` is dirac with the term kl"), "{error}");
}

#[test]
fn a_fit_that_time_ends_keeps_its_model_with_labels_too() {
    let mut run = Run::new(3).with_time(std::time::Duration::from_secs(1));
    let settings = json!({"latent": 2, "hidden": [16], "epochs": 10_000_000, "density": "vae"});
    let model = AnySystem::fit(&Aevb, &settings, &digits(100), &mut run).unwrap();
    for part in ["time budget", "samples are drawn from the prior"] {
        assert!(run.warnings().iter().any(|w| w.contains(part)), "{:?}", run.warnings());
    }
    assert!(model.summary().metrics.iter().all(|(name, _)| name != "label_error"));
    assert_eq!(model.as_sample().unwrap().sample(3, &mut Run::new(1)).unwrap().rows(), 3);
}

#[test]
fn a_fit_that_is_stopped_after_its_training_is_stopped() {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = flag.clone();
    // The networks are trained, and a classifier of the codes and a density of them are to come.
    let mut run = Run::new(3).with_cancel(flag).with_watcher(move |event| {
        if matches!(event, Event::Done) {
            raised.store(true, Ordering::Relaxed);
        }
    });
    let settings = json!({"latent": 2, "hidden": [16], "epochs": 2, "density": "vae"});
    let model = AnySystem::fit(&Aevb, &settings, &digits(100), &mut run).unwrap();
    assert!(run.stopped_early());
    assert!(run.warnings().iter().any(|w| w.contains("before a density of the codes")), "{:?}", run.warnings());
    assert!(model.summary().metrics.iter().all(|(name, _)| name != "label_error"));
}

#[test]
fn a_fit_that_is_stopped_after_its_training_does_not_train_again() {
    let density = json!({"type": "vae", "hidden": [8], "epochs": 2});
    let settings = json!({"latent": 2, "hidden": [16], "epochs": 3, "density": density});
    let saved = |run: &mut Run| {
        let model = AnySystem::fit(&Aevb, &settings, &digits(100), run).unwrap();
        let mut file = ModelFile::new("aevb");
        model.save(&mut file).unwrap();
        file.to_bytes()
    };
    let whole = saved(&mut Run::new(3));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stopped-after-training.checkpoint");
    let (flag, every) = (Arc::new(AtomicBool::new(false)), Duration::from_secs(3600));
    let raised = flag.clone();
    let plan = Checkpoints { path: path.clone(), every, header: ModelFile::new("aevb") };
    let mut run = Run::new(3).with_checkpoints(plan).with_cancel(flag).with_watcher(move |event| {
        if matches!(event, Event::Done) {
            raised.store(true, Ordering::Relaxed);
        }
    });
    assert!(saved(&mut run) != whole && run.has_checkpoint());
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = steps.clone();
    let mut resumed = Run::new(3).resuming(ModelFile::read(&path).unwrap()).with_watcher(move |event| {
        counted.fetch_add(usize::from(matches!(event, Event::Step { .. })), Ordering::Relaxed);
    });
    assert!(saved(&mut resumed) == whole, "a resumed fit ends with another model");
    assert_eq!(steps.load(Ordering::Relaxed), 0);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn what_cannot_be_used_is_refused_with_a_remedy() {
    let data = digits(50);
    let table = |values: Vec<f64>| {
        let arrays = vec![("a".to_owned(), Array::new(&[values.len()], values))];
        Data { source: "test".into(), arrays, ..Data::default() }
    };
    let cases: [(Value, Data, &str); 7] = [
        (json!({"likelihood": "bernoulli"}), table(vec![0.0, 3.0]), "needs values in [0, 1]"),
        (json!({"likelihood": "poisson"}), table(vec![0.5, 3.0]), "needs counts"),
        (json!({}), table(vec![0.5]), "there are 1 data points"),
        (json!({"channels": [4]}), table(vec![0.5, 1.0]), "pictures [C, H, W]"),
        (json!({"latent": 0}), data.clone(), "`latent` is 0"),
        (json!({"draws": 0}), data, "`draws` is 0"),
        (json!({"batch": 80, "draws": 100_000}), digits(80), "GB a step"),
    ];
    for (settings, data, part) in cases {
        let Err(error) = fit(&Aevb, settings.clone(), &data) else { panic!("{settings} was accepted") };
        let text = format!("{error}; {}", error.remedy());
        assert!(text.contains(part), "{settings}: {text}");
    }
}

/// Three columns that one number decides, a third of the middle one missing; and the middle one as it was.
fn with_gaps() -> (Data, Vec<f64>) {
    let mut rng = Rng::new(8);
    let a: Vec<f64> = rng.normals(240);
    let mut near = |scale: f64| a.iter().map(|v| scale * v + 0.1 * rng.normal()).collect::<Vec<f64>>();
    let (truth, c) = (near(2.0), near(-1.0));
    let b = truth.iter().enumerate().map(|(i, v)| if i % 3 == 0 { f64::NAN } else { *v }).collect();
    let arrays = [("a", a), ("b", b), ("c", c)].map(|(name, v)| (name.to_owned(), Array::new(&[240], v)));
    (Data { source: "test".into(), arrays: arrays.into(), ..Data::default() }, truth)
}

#[test]
fn missing_cells_are_refused_unless_they_count_as_missing() {
    let (data, _) = with_gaps();
    let error = fit(&Aevb, json!({"latent": 1, "epochs": 1}), &data).err().unwrap();
    assert!(error.to_string().contains("`b` has no value in row 1"), "{error}");
    assert!(error.remedy().contains("nan_is_missing=true"), "{}", error.remedy());
    let settings = json!({"latent": 1, "epochs": 1, "nan_is_missing": true, "likelihood": "multinomial"});
    let counts = Data { arrays: vec![("a".into(), Array::new(&[3], vec![1.0, 2.0, 3.0]))], ..Data::default() };
    let error = fit(&Aevb, settings, &counts).err().unwrap();
    assert!(error.to_string().contains("`nan_is_missing` is true"), "{error}");
}

#[test]
fn missing_cells_are_filled_in_from_the_others_which_keep_every_digit() {
    let (data, truth) = with_gaps();
    let settings = json!({
        "latent": 1, "hidden": [16], "epochs": 200, "batch": 40, "rate": 0.01, "nan_is_missing": true, "binarise": "none",
    });
    for system in [&Aevb as &dyn AnySystem, &Iwae] {
        let model = fit(system, settings.clone(), &data).unwrap();
        let mut file = ModelFile::new(system.card().id);
        model.save(&mut file).unwrap();
        let loaded = system.load(&file).unwrap();
        let fill = |m: &dyn Model| m.as_reconstruct().unwrap().reconstruct(&data, &mut Run::new(1)).unwrap();
        let filled = fill(model.as_ref());
        assert_eq!(filled, fill(loaded.as_ref()), "a model file fills in the same");
        let cells = |data: &Data, name: &str| data.get(name).unwrap().to_f64().unwrap();
        assert_eq!(cells(&filled, "a"), cells(&data, "a"));
        let (before, after) = (cells(&data, "b"), cells(&filled, "b"));
        assert!(before.iter().zip(&after).all(|(b, a)| b.is_nan() || a == b));
        let gaps: Vec<usize> = (0..240).filter(|i| before[*i].is_nan()).collect();
        let rms = |error: &dyn Fn(usize) -> f64| {
            (gaps.iter().map(|i| error(*i).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt()
        };
        let (error, spread) = (rms(&|i| after[i] - truth[i]), rms(&|i| truth[i]));
        assert!(error < 0.4 * spread, "{}: {error} beside {spread}", system.card().id);
        let bounds = model.as_evaluate().unwrap().evaluate(&data, 20, &mut Run::new(1)).unwrap();
        assert!(bounds.elbo.is_finite() && bounds.bits_per_dim.is_finite());
        let codes = model.as_encode().unwrap().encode(&data, &mut Run::new(1)).unwrap();
        assert!(cells(&codes, "z1").iter().all(|v| v.is_finite()));
    }
}

#[test]
fn counts_of_a_table_may_be_negative_binomial() {
    let mut rng = Rng::new(2);
    let column = |mean: f64, rng: &mut Rng| {
        let rates: Vec<f64> = (0..80).map(|_| mean * rng.gamma(1.5)).collect();
        Array::new(&[80], rates.iter().map(|rate| rng.poisson(*rate) as f64).collect())
    };
    let arrays = vec![("a".to_owned(), column(4.0, &mut rng)), ("b".to_owned(), column(9.0, &mut rng))];
    let data = Data { source: "test".into(), arrays, ..Data::default() };
    for likelihood in ["negative_binomial", "zero_inflated_negative_binomial"] {
        let settings = json!({"latent": 1, "hidden": [8], "epochs": 3, "likelihood": likelihood});
        let model = fit(&Aevb, settings, &data).unwrap();
        let drawn = model.as_sample().unwrap().sample(30, &mut Run::new(1)).unwrap();
        let cells = drawn.get("a").unwrap().to_f64().unwrap();
        assert!(cells.iter().all(|v| *v >= 0.0 && v.fract() == 0.0), "{cells:?}");
    }
}

#[test]
fn a_constant_column_is_warned_of() {
    let arrays = vec![
        ("a".to_owned(), Array::new(&[40], (0..40).map(f64::from).collect())),
        ("b".to_owned(), Array::new(&[40], vec![2.0; 40])),
    ];
    let data = Data { source: "test".into(), arrays, ..Data::default() };
    let settings =
        json!({"latent": 1, "hidden": [8], "epochs": 1500, "batch": 40, "rate": 0.02, "weight_precision": 0.0});
    let mut run = Run::new(1);
    AnySystem::fit(&Aevb, &settings, &data, &mut run).unwrap();
    assert!(run.warnings().iter().any(|w| w.contains("1 of 2 elements never vary")), "{:?}", run.warnings());
}

/// The same model from its file, which encodes the same.
fn assert_kept(system: &dyn AnySystem, model: &dyn Model, data: &Data) {
    let mut file = ModelFile::new(system.card().id);
    model.save(&mut file).unwrap();
    let loaded = system.load(&file).unwrap();
    let codes = |m: &dyn Model| m.as_encode().unwrap().encode(data, &mut Run::new(1)).unwrap();
    assert_eq!(codes(model), codes(loaded.as_ref()));
    assert_eq!(model.summary().metrics, loaded.summary().metrics);
}

#[test]
fn posteriors_behind_a_flow_fit_say_what_is_not_measured_and_are_kept() {
    let data = digits(120);
    let settings =
        |flow: &str| json!({"latent": 2, "hidden": [16], "epochs": 3, "batch": 20, "flow": flow, "gradient": "plain"});
    let cases: [(&dyn AnySystem, &str); 4] =
        [(&Aevb, "planar:2"), (&Aevb, "iaf:2x8"), (&Iwae, "iaf:2x8"), (&Iwae, "realnvp:2x8")];
    for (system, flow) in cases {
        let mut settings = settings(flow);
        if system.card().id == "aevb" {
            settings.as_object_mut().unwrap().remove("gradient");
        }
        let model = fit(system, settings, &data).unwrap();
        let summary = model.summary();
        let has = |name: &str| summary.metrics.iter().any(|(n, v)| n == name && v.is_finite());
        assert!(has("iwae") && has("kl") && has("mmd") && has("active_units"), "{flow}: {:?}", summary.metrics);
        assert!(!has("mutual_information") && !has("mutual_information_cap") && !has("aggregated_kl"), "{flow}");
        assert!(summary.text.contains(flow) && summary.text.contains("are not measured"), "{}", summary.text);
        assert_kept(system, model.as_ref(), &data);
    }
}

#[test]
fn a_posterior_over_the_weights_of_the_decoder_is_measured_and_kept() {
    let data = digits(120);
    let cases: [(&dyn AnySystem, usize); 2] = [(&Aevb, 1), (&Iwae, 3)];
    for (system, draws) in cases {
        let settings = |weights: &str| {
            json!({
                "latent": 2, "hidden": [16], "epochs": 30, "batch": 20, "rate": 0.005, "draws": draws, "weights": weights, "weight_precision": 1.0,
            })
        };
        let model = fit(system, settings("posterior"), &data).unwrap();
        let summary = model.summary();
        let metric = |name: &str| summary.metrics.iter().find(|(n, _)| n == name).unwrap().1;
        let (_, elbo) = summary.objective.clone().unwrap();
        // What the weights cost a data point, and their noise, lower the bound; half a nat is for the draws.
        let (bound, share) = (metric("elbo_with_weights"), metric("weight_kl") / 120.0);
        assert!(share > 0.0 && bound < elbo - share + 0.5, "{bound}, {elbo}, {share}");
        assert!(summary.text.contains("weights have a posterior"), "{}", summary.text);
        assert_kept(system, model.as_ref(), &data);
        let point = fit(system, settings("point"), &data).unwrap().summary();
        assert!(!point.metrics.iter().any(|(n, _)| n == "weight_kl") && !point.text.contains("weights have"));
    }
}

#[test]
fn flows_and_posteriors_over_weights_that_do_not_fit_are_refused() {
    let data = digits(30);
    let cases: [(&dyn AnySystem, Value, &str); 7] = [
        (&Aevb, json!({"flow": "iaf"}), "`flow` is `iaf`"),
        (&Aevb, json!({"flow": "radial:2"}), "for each data point"),
        (&Aevb, json!({"flow": "iaf:2x8", "prior": {"type": "vamp", "components": 3}}), "`prior` is vamp"),
        (
            &Aevb,
            json!({"flow": "iaf:2x8", "divergence": "sticking_the_landing"}),
            "`divergence` is sticking_the_landing",
        ),
        (&Iwae, json!({"flow": "iaf:2x8"}), "`gradient` is doubly_reparameterised"),
        (&Iwae, json!({"weights": "posterior"}), "`weight_precision` is 0"),
        (&Aevb, json!({"weights": "posterior", "channels": [4]}), "convolutions"),
    ];
    for (system, settings, part) in cases {
        let Err(error) = fit(system, settings.clone(), &data) else { panic!("{settings} was accepted") };
        assert!(error.to_string().contains(part), "{settings}: {error}");
    }
}

/// Two columns in hundreds, which one number decides.
fn hundreds(seed: u64, rows: usize) -> Data {
    let mut rng = Rng::new(seed);
    let a = rng.normals(rows);
    let b = a.iter().map(|v| 300.0 * v + 30.0 * rng.normal()).collect();
    let a = a.iter().map(|v| 100.0 * v + 10.0 * rng.normal()).collect();
    let arrays = vec![("a".to_owned(), Array::new(&[rows], a)), ("b".to_owned(), Array::new(&[rows], b))];
    Data { source: "hundreds".into(), arrays, ..Data::default() }
}

#[test]
fn held_out_rows_are_followed_in_a_history_and_change_nothing() {
    let settings = json!({"latent": 2, "hidden": [16], "epochs": 4, "batch": 20, "draws": 3});
    let cases: [(&dyn AnySystem, usize); 2] = [(&Aevb, 3), (&Iwae, 4)];
    for (system, columns) in cases {
        let (data, held) = (hundreds(1, 100), hundreds(2, 400));
        let mut run = Run::new(3).with_held_out(held.clone());
        let watched = system.fit(&settings, &data, &mut run).unwrap();
        let plain = fit(system, settings.clone(), &data).unwrap();
        assert_eq!(plain.summary(), watched.summary(), "the fit does not see held-out rows");
        assert_eq!(plain.tables().len(), 1);

        let tables = watched.tables();
        let table = &tables[1];
        assert_eq!((table.name.as_str(), table.rows.len(), table.columns.len()), ("history", 4, columns));
        let cell = |row: usize, column: usize| table.rows[row][column].parse::<f64>().unwrap();
        assert_eq!([cell(0, 0), cell(3, 0)], [1.0, 4.0]);
        // In the data's own unit: standardised numbers would have a bound that is higher by the logarithms of their spreads, about ten.
        let bounds = watched.as_evaluate().unwrap().evaluate(&held, 100, &mut Run::new(1)).unwrap();
        assert!((cell(3, 2) - bounds.elbo).abs() < 0.5, "{} beside {}", cell(3, 2), bounds.elbo);
        // The loss has its sign: what the weights cost is a part of it.
        assert!(cell(3, 1) > 8.0 && cell(3, 1) + cell(3, 2) < 8.0, "{:?}", table.rows);
        if columns == 4 {
            assert!(cell(3, 3) >= cell(3, 2), "the importance-weighted bound is tighter: {:?}", table.rows);
        }
        let mut file = ModelFile::new(system.card().id);
        watched.save(&mut file).unwrap();
        assert_eq!(system.load(&file).unwrap().tables(), tables);
    }
    let mut run = Run::new(3).with_held_out(digits(10));
    let error = AnySystem::fit(&Aevb, &settings, &hundreds(1, 50), &mut run).err().unwrap();
    assert!(error.to_string().contains("`a`"), "rows of another form are refused before the work: {error}");
}

#[test]
fn bounds_of_each_row_have_the_means_of_evaluate() {
    let (data, _) = with_gaps();
    let settings = json!({
        "latent": 1, "hidden": [8], "epochs": 3, "nan_is_missing": true, "binarise": "none", "batch": 40,
    });
    for system in [&Aevb as &dyn AnySystem, &Iwae] {
        let model = fit(system, settings.clone(), &data).unwrap();
        let evaluator = model.as_evaluate().unwrap();
        let all = evaluator.evaluate(&data, 40, &mut Run::new(5)).unwrap();
        let each = evaluator.evaluate_each(&data, 40, &mut Run::new(5)).unwrap();
        assert_eq!(each.len(), 240);
        let mean = |of: fn(&PointBounds) -> f64| each.iter().map(of).sum::<f64>() / 240.0;
        let found = [mean(|b| b.elbo), mean(|b| b.iwae)];
        for (found, whole) in found.into_iter().zip([all.elbo, all.iwae.value]) {
            assert!((found - whole).abs() < 1e-9, "{found} beside {whole}");
        }
        assert!(each.iter().all(|b| b.iwae >= b.elbo - 1e-9), "Jensen's inequality holds row by row");
        assert!(each.iter().all(|b| (1.0 - 1e-9..=40.0 + 1e-9).contains(&b.effective_draws)));
        assert!(each.iter().any(|b| b.pareto_k.is_some_and(f64::is_finite)));
        let few = evaluator.evaluate_each(&data, 10, &mut Run::new(5)).unwrap();
        assert!(few.iter().all(|b| b.pareto_k.is_none()), "ten draws have no tail");
        assert!(evaluator.evaluate_each(&data, 0, &mut Run::new(5)).is_err());
    }
}

#[test]
fn decoding_what_was_encoded_is_reconstructing() {
    let data = digits(60);
    let cases: [(&dyn AnySystem, &str); 5] =
        [(&Aevb, "gauss_diag"), (&Iwae, "gauss_diag"), (&Aevb, "categorical"), (&Aevb, "vmf"), (&Aevb, "dirichlet")];
    for (system, family) in cases {
        let settings = json!({"latent": 3, "hidden": [16], "epochs": 2, "batch": 20, "family": family});
        let model = fit(system, settings, &data).unwrap();
        let codes = model.as_encode().unwrap().encode(&data, &mut Run::new(1)).unwrap();
        let decoded = model.as_decode().unwrap().decode(&codes, &mut Run::new(1)).unwrap();
        let rebuilt = model.as_reconstruct().unwrap().reconstruct(&data, &mut Run::new(1)).unwrap();
        assert_eq!(decoded, rebuilt, "{} {family}", system.card().id);
    }
}

/// A table of codes of two numbers.
fn two_numbers(z1: Vec<f64>, z2: Vec<f64>) -> Data {
    let arrays = [("z1", z1), ("z2", z2)].map(|(name, z)| (name.to_owned(), Array::new(&[z.len()], z)));
    Data { source: "codes.csv".into(), arrays: arrays.into(), ..Data::default() }
}

#[test]
fn a_traversal_moves_one_number_at_a_time() {
    let data = digits(60);
    let settings = |prior: &str| json!({"latent": 2, "hidden": [16], "epochs": 2, "batch": 20, "prior": prior});
    let model = fit(&Aevb, settings("standard"), &data).unwrap();
    let decoder = model.as_decode().unwrap();
    let codes = decoder.traverse(5, &mut Run::new(1)).unwrap();
    let z = |codes: &Data, name: &str| codes.get(name).unwrap().to_f64().unwrap();
    let (moving, still) = ([-3.0, -1.5, 0.0, 1.5, 3.0], [0.0; 5]);
    assert_eq!(z(&codes, "z1"), [moving, still].concat());
    assert_eq!(z(&codes, "z2"), [still, moving].concat());
    assert_eq!(decoder.decode(&codes, &mut Run::new(1)).unwrap().rows(), 10);

    // A learned prior has quantiles of its own, about its middle.
    let learned = fit(&Aevb, settings("diagonal"), &data).unwrap();
    let codes = learned.as_decode().unwrap().traverse(5, &mut Run::new(1)).unwrap();
    let z2 = z(&codes, "z2");
    assert!(z2[..5].iter().all(|v| *v == z2[0]) && z2[7] == z2[0], "{z2:?}");
    assert!(z2[5..].is_sorted_by(|a, b| a < b), "{z2:?}");

    for (steps, part) in [(1, "`traverse` is 1"), (5001, "10000 pictures or rows at most")] {
        let error = decoder.traverse(steps, &mut Run::new(1)).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn what_is_no_code_is_refused() {
    let data = digits(60);
    let settings = |family: &str| json!({"latent": 2, "hidden": [8], "epochs": 1, "family": family});
    let [gaussian, sphere, shares] =
        ["gauss_diag", "vmf", "dirichlet"].map(|family| fit(&Aevb, settings(family), &data).unwrap());
    let one = || vec![1.0];
    let lacking = Data { arrays: two_numbers(one(), one()).arrays[..1].to_vec(), ..two_numbers(one(), one()) };
    let cases: [(&dyn Model, Data, &str); 6] = [
        (gaussian.as_ref(), lacking, "codes.csv has no column of numbers `z2`; the model's codes are z1 to z2"),
        (gaussian.as_ref(), two_numbers(one(), vec![f64::NAN]), "`z2` of codes.csv is NaN in row 1"),
        (gaussian.as_ref(), two_numbers(one(), vec![1.0, 2.0]), "no column of numbers `z2`"),
        (gaussian.as_ref(), two_numbers(vec![], vec![]), "codes.csv holds no codes"),
        (sphere.as_ref(), two_numbers(vec![1.0, 0.0], vec![1.0, 0.0]), "row 2 is no code of the family `vmf`"),
        (shares.as_ref(), two_numbers(one(), one()), "row 1 is no code of the family `dirichlet`"),
    ];
    for (model, codes, part) in cases {
        let error = model.as_decode().unwrap().decode(&codes, &mut Run::new(1)).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    }
    let error = sphere.as_decode().unwrap().traverse(5, &mut Run::new(1)).err().unwrap();
    assert!(error.to_string().contains("codes of the family `vmf`"), "{error}");
}
