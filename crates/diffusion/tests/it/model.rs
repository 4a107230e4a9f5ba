//! The model with its verbs.

use crate::files::moved;
use elbo_core::run::Checkpoints;
use elbo_core::{Array, Data, Event, FromData, Model, ModelFile, Restore, Rng, Run, Sample, Samples, Values};
use elbo_diffusion::denoiser::DnCnnConfig;
use elbo_diffusion::model::{DiffusionModel, NetworkSettings, PriorKind, StudentKind};
use elbo_nn::Build;
use elbo_nn::fidelity::FeatureKind;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Grey pictures of 6 x 6 pixels: a bright bar at one of six rows on dark ground, as bytes `[N, 6, 6]`.
pub fn bars(rows: usize) -> Data {
    let mut rng = Rng::new(3);
    let bytes = (0..rows).flat_map(|_| {
        let bright = rng.below(6);
        let level = rng.range(180.0, 250.0);
        (0..36).map(|i| if i / 6 == bright { level as u8 } else { 20 }).collect::<Vec<_>>()
    });
    let array = Array { shape: vec![rows, 6, 6], values: Values::U8(bytes.collect()) };
    Data { source: "bars".into(), arrays: vec![("image".into(), array)], ..Data::default() }
}

fn settings() -> NetworkSettings {
    NetworkSettings {
        widths: vec![8, 8],
        iterations: 20,
        steps: 10,
        measured: 16,
        embedding: 8,
        ..NetworkSettings::default()
    }
}

pub fn fitted(kind: PriorKind) -> DiffusionModel {
    let samples = Samples::from_data(&bars(60)).unwrap();
    DiffusionModel::fit(kind, 100, &settings(), &json!({}), samples, &mut Run::new(1)).unwrap()
}

pub fn bytes(array: &Array) -> &[u8] {
    let Values::U8(bytes) = &array.values else { panic!("bytes") };
    bytes
}

#[test]
fn every_prior_samples_restores_and_survives_saving() {
    for kind in [PriorKind::Network, PriorKind::Empirical, PriorKind::Gaussian] {
        let model = fitted(kind);
        let mut file = ModelFile::new("test");
        model.save(&mut file).unwrap();
        let file = ModelFile::from_bytes(&file.to_bytes()).unwrap();
        let back = DiffusionModel::load(&file).unwrap();
        assert_eq!(back.summary(), model.summary());
        let text = model.summary().text;
        assert!(text.contains("features pca-16 of the training data"), "{text}");
        let draw = |m: &DiffusionModel| m.sample(5, &mut Run::new(2)).unwrap();
        let drawn = draw(&model);
        assert_eq!(drawn.arrays[0].1.shape, [5, 6, 6]);
        assert_eq!(drawn.arrays, draw(&back).arrays, "{kind:?}");
        let clean = bars(2);
        let how = json!({"simulate": true, "mask": "random", "steps": 20});
        let made = model.restore(&clean, &how, &mut Run::new(4)).unwrap();
        assert_eq!(made.arrays[0].1.shape, [2, 6, 6]);
        assert!(made.notes.iter().any(|n| n.contains("signal-to-noise")), "{:?}", made.notes);
    }
}

/// [`bars`] with the row of the bar as their class.
fn labelled(rows: usize) -> Data {
    let mut data = bars(rows);
    let first = |picture: &[u8]| picture.iter().position(|v| *v > 100).unwrap() / 6;
    let classes = bytes(&data.arrays[0].1).chunks(36).map(|p| first(p) as f64).collect();
    data.arrays.push(("row".into(), Array::new(&[rows], classes)));
    data.target = Some("row".into());
    data
}

#[test]
fn samples_are_measured_by_the_features_that_are_asked_for() {
    let settings = NetworkSettings { features: FeatureKind::Cnn32, ..settings() };
    let fit = |settings: &NetworkSettings, data: &Data, run: &mut Run| {
        let samples = Samples::from_data(data).unwrap();
        DiffusionModel::fit(PriorKind::Empirical, 100, settings, &json!({}), samples, run)
    };
    let text = fit(&settings, &labelled(60), &mut Run::new(1)).unwrap().summary().text;
    assert!(text.contains("features cnn-32 of the training data's classes"), "{text}");
    let error = fit(&settings, &bars(60), &mut Run::new(1)).err().unwrap().to_string();
    assert!(error.contains("without classes") && error.contains("features=pca-16"), "{error}");
    // 2000 points are measured, every other one of these.
    let mut rare = labelled(4000);
    let classes = (0..4000).map(|row| if row == 1 { 1.0 } else { 0.0 }).collect();
    rare.arrays[1].1 = Array::new(&[4000], classes);
    let mut run = Run::new(1);
    let samples = Samples::from_data(&rare).unwrap();
    let error = DiffusionModel::fit(PriorKind::Network, 100, &settings, &json!({}), samples, &mut run);
    assert!(error.err().unwrap().to_string().contains("one class among the data points that are measured"));
    assert!(run.metrics().is_empty(), "refused before the training");
    let (mut run, unmeasured) = (Run::new(1), NetworkSettings { measured: 0, ..settings });
    fit(&unmeasured, &bars(60), &mut run).unwrap();
    assert!(run.warnings().iter().any(|w| w.contains("`features` has no effect")), "{:?}", run.warnings());
}

#[test]
fn a_conditional_model_draws_restores_and_keeps_its_classes() {
    let samples = Samples::from_data(&labelled(60)).unwrap();
    let fit = |settings: NetworkSettings, samples: &Samples| {
        DiffusionModel::fit(PriorKind::Network, 100, &settings, &json!({}), samples.clone(), &mut Run::new(1))
    };
    let told = NetworkSettings { conditional: true, guidance: 2.0, ..settings() };
    let model = fit(told.clone(), &samples).unwrap();
    let mut file = ModelFile::new("test");
    model.save(&mut file).unwrap();
    let back = DiffusionModel::load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
    let drawn = back.sample(8, &mut Run::new(3)).unwrap();
    assert_eq!(drawn.arrays, model.sample(8, &mut Run::new(3)).unwrap().arrays);
    let (name, classes) = &drawn.arrays[1];
    assert_eq!((name.as_str(), classes.rows()), ("class", 8));
    // The samples are data points of the model's kind, with their labels.
    let again = Samples::from_data(&drawn).unwrap();
    assert_eq!((again.form.picture(), again.labels.map(|l| l.codes.len())), (Some([1, 6, 6]), Some(8)));
    // The class matters, and so does guidance.
    let of = |model: &DiffusionModel, k: usize| model.draw_of(4, &[k; 4], &mut Run::new(5)).unwrap();
    let plain = fit(NetworkSettings { guidance: 1.0, ..told.clone() }, &samples).unwrap();
    assert!(of(&model, 0) != of(&model, 1) && of(&model, 0) != of(&plain, 0));
    let how = |class: &str| json!({"simulate": true, "mask": "random", "steps": 12, "class": class});
    let restored = |class: &str| model.restore(&bars(2), &how(class), &mut Run::new(4)).unwrap().arrays;
    assert!(restored("0") != restored("3"));
    let refuse = |model: &DiffusionModel, class: &str| {
        model.restore(&bars(2), &how(class), &mut Run::new(4)).unwrap_err().to_string()
    };
    assert!(refuse(&model, "9").contains("class"), "{}", refuse(&model, "9"));
    assert!(refuse(&fitted(PriorKind::Empirical), "0").contains("knows no classes"));
    let bare = Samples::from_data(&bars(20)).unwrap();
    assert!(fit(told.clone(), &bare).err().unwrap().to_string().contains("without classes"));
    let gaussian = DiffusionModel::fit(PriorKind::Gaussian, 9, &told, &json!({}), samples, &mut Run::new(1));
    assert!(gaussian.err().unwrap().to_string().contains("a prior without a network"));
    assert!(NetworkSettings { distil: 5, ..told.clone() }.check().unwrap_err().to_string().contains("distil"));
    assert!(NetworkSettings { guidance: -1.0, ..told }.check().is_err());
}

#[test]
fn a_distilled_model_draws_in_few_evaluations_and_survives_saving() {
    let samples = Samples::from_data(&bars(60)).unwrap();
    let fit = |distil: usize, student: StudentKind| {
        let settings = NetworkSettings { distil, student, jumps: 1, ..settings() };
        DiffusionModel::fit(PriorKind::Network, 9, &settings, &json!({}), samples.clone(), &mut Run::new(1)).unwrap()
    };
    let draw = |m: &DiffusionModel| m.draw(5, &mut Run::new(2)).unwrap();
    let mut drawn = vec![draw(&fit(0, StudentKind::Consistency))];
    for student in [StudentKind::Consistency, StudentKind::MeanVelocity] {
        let model = fit(10, student);
        let mut file = ModelFile::new("test");
        model.save(&mut file).unwrap();
        let back = DiffusionModel::load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        let found = draw(&model);
        assert!(found == draw(&back) && found.iter().all(|v| v.is_finite()), "{student:?}");
        assert!(!drawn.contains(&found), "{student:?}");
        drawn.push(found);
    }
}

#[test]
fn a_fit_that_is_stopped_while_it_distils_keeps_its_model_and_says_so() {
    let samples = Samples::from_data(&bars(20)).unwrap();
    // At once, so that there is no second network, and after some of its steps.
    let [first, second] = [StudentKind::Consistency, StudentKind::MeanVelocity];
    for (wait, student) in [(0, first), (1000, first), (1000, second)] {
        let flag = Arc::new(AtomicBool::new(false));
        let raised = flag.clone();
        let mut run = Run::new(1).with_cancel(flag).with_watcher(move |event| {
            // The first network is trained; the second one tells of no steps.
            if matches!(event, Event::Done) && wait == 0 {
                raised.store(true, Ordering::Relaxed);
            } else if matches!(event, Event::Done) {
                let raised = raised.clone();
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(wait));
                    raised.store(true, Ordering::Relaxed);
                });
            }
        });
        let settings = NetworkSettings { distil: 1_000_000_000, student, jumps: 1, ..settings() };
        let model =
            DiffusionModel::fit(PriorKind::Network, 9, &settings, &json!({}), samples.clone(), &mut run).unwrap();
        assert!(run.stopped_early(), "{student:?} after {wait} ms");
        assert!(run.warnings().iter().any(|w| w.contains("`distil`")), "{:?}", run.warnings());
        assert!(model.draw(2, &mut Run::new(2)).unwrap().iter().all(|v| v.is_finite()));
    }
}

#[test]
fn a_fit_that_is_stopped_before_or_while_it_distils_goes_on_from_there() {
    let samples = Samples::from_data(&bars(20)).unwrap();
    let saved = |student: StudentKind, run: &mut Run| {
        let settings = NetworkSettings { distil: 200, student, jumps: 1, ..settings() };
        let model = DiffusionModel::fit(PriorKind::Network, 9, &settings, &json!({}), samples.clone(), run).unwrap();
        let mut file = ModelFile::new("test");
        model.save(&mut file).unwrap();
        file.to_bytes()
    };
    for student in [StudentKind::Consistency, StudentKind::MeanVelocity] {
        let whole = saved(student, &mut Run::new(1));
        // The second network tells of no steps; wherever in its work the stop comes, the end must be the same.
        for wait in [0, 20] {
            let folder = tempfile::tempdir().unwrap();
            let (path, every) = (folder.path().join("checkpoint"), Duration::from_secs(3600));
            let plan = Checkpoints { path: path.clone(), every, header: ModelFile::new("test") };
            let flag = Arc::new(AtomicBool::new(false));
            let raised = flag.clone();
            let mut run = Run::new(1).with_checkpoints(plan).with_cancel(flag).with_watcher(move |event| {
                let raised = raised.clone();
                if matches!(event, Event::Done) && wait == 0 {
                    raised.store(true, Ordering::Relaxed);
                } else if matches!(event, Event::Done) {
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_millis(wait));
                        raised.store(true, Ordering::Relaxed);
                    });
                }
            });
            let found = saved(student, &mut run);
            if wait > 0 && !run.stopped_early() {
                assert!(found == whole, "{student:?} was done within {wait} ms");
                continue;
            }
            assert!(run.has_checkpoint() && found != whole, "{student:?} after {wait} ms");
            let mut resumed = Run::new(1).resuming(ModelFile::read(&path).unwrap());
            assert!(saved(student, &mut resumed) == whole, "{student:?} after {wait} ms");
        }
    }
}

#[test]
fn missing_pixels_come_back_under_the_exact_prior_with_every_operator() {
    let model = fitted(PriorKind::Empirical);
    let clean = bars(4);
    let quality = |how: Value| {
        let made = model.restore(&clean, &how, &mut Run::new(4)).unwrap();
        let note = made.notes.iter().find(|n| n.contains("signal-to-noise")).unwrap().clone();
        note.split(' ').nth(3).unwrap().parse::<f64>().unwrap()
    };
    for operator in ["inpaint", "denoise", "blur", "super_resolution", "overexposed"] {
        let how = json!({"simulate": true, "operator": operator, "mask": "random", "gain": 1.5, "noise": 0.02});
        // Half the side does not tell which of two rows is bright.
        let least = if operator == "super_resolution" { 7.0 } else { 17.0 };
        assert!(quality(how.clone()) > least, "{operator}: {}", quality(how));
    }
    for method in ["red-diff", "dps", "pi_gdm", "diff_pir", "ddrm"] {
        let how = json!({"simulate": true, "mask": "random", "method": method, "noise": 0.02, "steps": 100});
        assert!(quality(how.clone()) > 15.0, "{method}: {}", quality(how));
    }
    let blind = json!({"simulate": true, "mask": "random", "method": "pseudo_inverse"});
    assert!(quality(blind.clone()) < 14.0, "{}", quality(blind));
}

#[test]
fn a_picture_comes_back_in_the_layout_it_was_given() {
    let model = fitted(PriorKind::Empirical);
    let clean = bars(1);
    let mut hole = bytes(&clean.arrays[0].1).to_vec();
    hole[14] = 255;
    let mask: Vec<u8> = (0..36).map(|i| if i == 14 { 0 } else { 255 }).collect();
    let picture = |values: Vec<u8>| Array { shape: vec![1, 6, 6, 1], values: Values::U8(values) };
    let given = Data {
        source: "photo.png".into(),
        arrays: vec![("image".into(), picture(hole.clone())), ("mask".into(), picture(mask))],
        ..Data::default()
    };
    let made = model.restore(&given, &json!({}), &mut Run::new(1)).unwrap();
    assert_eq!(made.arrays[0].1.shape, [1, 6, 6, 1]);
    let (found, truth) = (i32::from(bytes(&made.arrays[0].1)[14]), i32::from(bytes(&clean.arrays[0].1)[14]));
    assert!((found - truth).abs() < 30, "{found} {truth}");
    // The same by the value of the hole, and by a box.
    let alone = Data { arrays: vec![("image".into(), picture(hole))], ..given };
    for how in [
        json!({"mask": {"type": "value", "value": 1.0}}),
        json!({"mask": {"type": "box", "left": 2, "top": 2, "width": 1, "height": 1}}),
    ] {
        let made = model.restore(&alone, &how, &mut Run::new(1)).unwrap();
        assert!((i32::from(bytes(&made.arrays[0].1)[14]) - truth).abs() < 30, "{how}");
    }
    // A colour picture is taken as grey, and a small one is enlarged.
    let colour = Array {
        shape: vec![1, 6, 6, 3],
        values: Values::U8(bytes(&clean.arrays[0].1).iter().flat_map(|v| [*v; 3]).collect()),
    };
    let colour = Data { arrays: vec![("image".into(), colour)], ..alone.clone() };
    let made = model.restore(&colour, &json!({"operator": "denoise"}), &mut Run::new(1)).unwrap();
    assert_eq!(made.arrays[0].1.shape, [1, 6, 6, 1]);
    let small = Data {
        arrays: vec![("image".into(), Array { shape: vec![1, 3, 3], values: Values::U8(vec![20; 9]) })],
        ..alone
    };
    let made = model.restore(&small, &json!({"operator": "super_resolution"}), &mut Run::new(1)).unwrap();
    assert_eq!(made.arrays[0].1.shape, [1, 6, 6]);
}

#[test]
fn masks_mean_the_same_in_every_layout() {
    let model = fitted(PriorKind::Empirical);
    // Another column is missing in each picture.
    let cells: Vec<u8> = (0..216).map(|i| if i % 6 == i / 36 { 0 } else { 255 }).collect();
    let restored = |shape: &[usize]| {
        let mut given = bars(6);
        given.arrays.push(("mask".into(), Array { shape: shape.to_vec(), values: Values::U8(cells.clone()) }));
        model.restore(&given, &json!({"steps": 20}), &mut Run::new(1)).unwrap().arrays
    };
    let grey = restored(&[6, 6, 6]);
    assert!(grey == restored(&[6, 1, 6, 6]) && grey == restored(&[6, 6, 6, 1]));
}

#[test]
fn a_file_whose_prior_does_not_fit_its_data_points_is_refused() {
    let mut file = ModelFile::new("test");
    fitted(PriorKind::Gaussian).save(&mut file).unwrap();
    file.put("mean", &[2], &[0.0; 2]);
    file.put("covariance", &[2, 2], &[1.0, 0.0, 0.0, 1.0]);
    let message = DiffusionModel::load(&file).err().unwrap().to_string();
    assert!(message.contains("`covariance` has the shape [2, 2], not [36, 36]"), "{message}");
}

#[test]
fn settings_that_do_not_apply_are_named() {
    let warned = |kind: PriorKind, settings: NetworkSettings| {
        let mut run = Run::new(1);
        let samples = Samples::from_data(&bars(60)).unwrap();
        DiffusionModel::fit(kind, 100, &settings, &json!({}), samples, &mut run).unwrap();
        run.warnings().join("; ")
    };
    let short = || NetworkSettings { iterations: 2, measured: 0, ..settings() };
    let student = StudentKind::MeanVelocity;
    let settings = NetworkSettings { guidance: 3.0, student, jumps: 5, hidden: vec![4], ..short() };
    let idle = warned(PriorKind::Network, settings);
    for name in ["guidance", "student", "jumps", "hidden"] {
        assert!(idle.contains(&format!("setting `{name}` has no effect")), "{name}: {idle}");
    }
    assert!(!warned(PriorKind::Network, short()).contains("no effect"));
    assert!(warned(PriorKind::Gaussian, NetworkSettings { distil: 5, ..short() }).contains("`distil` has no effect"));
    assert!(
        !warned(PriorKind::Gaussian, NetworkSettings { measured: 0, ..NetworkSettings::default() })
            .contains("no effect")
    );
}

#[test]
fn bad_restorations_are_refused_with_a_remedy() {
    let model = fitted(PriorKind::Empirical);
    let clean = bars(2);
    let refuse = |data: &Data, how: Value| {
        let error = model.restore(data, &how, &mut Run::new(1)).unwrap_err();
        format!("{error}; {}", error.remedy())
    };
    assert!(refuse(&clean, json!({})).contains("--mask"));
    assert!(refuse(&clean, json!({"stepps": 3})).contains("steps"));
    assert!(refuse(&clean, json!({"steps": "many"})).contains("setting `steps`"));
    assert!(refuse(&clean, json!({"steps": 0})).contains("steps"));
    assert!(refuse(&clean, json!({"operator": "magic"})).contains("operator"));
    assert!(refuse(&clean, json!({"mask": {"type": "value", "value": 0.5}})).contains("no pixel has the value"));
    assert!(
        refuse(&clean, json!({"mask": {"type": "box", "left": 5, "top": 0, "width": 4, "height": 1}})).contains("box")
    );
    assert!(refuse(&clean, json!({"operator": "colour", "simulate": true})).contains("1 channels"));
    assert!(refuse(&clean, json!({"operator": "super_resolution"})).contains("3 x 3"));
    assert!(refuse(&clean, json!({"operator": "super_resolution", "factor": 4, "simulate": true})).contains("factor"));
    assert!(refuse(&clean, json!({"operator": "overexposed", "method": "diff_pir"})).contains("not linear"));
    let large = Array { shape: vec![1, 9, 9], values: Values::U8(vec![0; 81]) };
    let large = Data { arrays: vec![("image".into(), large)], ..clean.clone() };
    assert!(refuse(&large, json!({"operator": "denoise"})).contains("9 x 9"));
    // As many pixels, but another height and width.
    for shape in [vec![4, 9], vec![2, 4, 9], vec![2, 1, 4, 9], vec![2, 9, 4, 1]] {
        let mut masked = clean.clone();
        let values = Values::U8(vec![0; shape.iter().product()]);
        masked.arrays.push(("mask".into(), Array { shape, values }));
        assert!(refuse(&masked, json!({})).contains("same height and width"));
    }
    for (name, value) in [
        ("views", json!(0)),
        ("spacing", json!(-1)),
        ("fan", json!([1])),
        ("kernel", json!([[1, 2], [3, 4]])),
        ("kernel", json!([[0]])),
        ("transmission", json!(0)),
        ("light", json!([])),
        ("counts", json!(-1)),
        ("counts", json!(1e300)),
        ("counts", json!(1e-300)),
    ] {
        let message = refuse(&clean, json!({"operator": "denoise", name: value}));
        assert!(message.contains(name), "{message}");
    }
    assert!(refuse(&clean, json!({"operator": "radon"})).contains("6 x 6"));
    assert!(refuse(&clean, json!({"operator": "haze", "light": [0.5, 0.6]})).contains("light"));
    let vast = json!({"mask": {"type": "box", "left": u64::MAX, "top": 0, "width": 2, "height": 1}});
    assert!(refuse(&clean, vast).contains("box"));
    assert!(refuse(&clean, json!({"operator": "denoise", "schedule": "karras", "steps": u64::MAX})).contains("steps"));
    let samples = Samples::from_data(&bars(1)).unwrap();
    assert!(DiffusionModel::fit(PriorKind::Gaussian, 9, &settings(), &json!({}), samples, &mut Run::new(1)).is_err());
    let many = settings();
    assert!(NetworkSettings { measured: 1, ..many.clone() }.check().is_err());
    assert!(NetworkSettings { iterations: 0, ..many.clone() }.check().is_err());
    assert!(NetworkSettings { steps: 2000, ..many }.check().is_err());
}

#[test]
fn rows_of_numbers_are_completed_from_what_is_seen() {
    // y follows x.
    let mut rng = Rng::new(1);
    let x: Vec<f64> = rng.normals(200).iter().map(|v| 10.0 + 2.0 * v).collect();
    let y: Vec<f64> = x.iter().map(|v| 3.0 * v + 0.1 * rng.normal()).collect();
    let table = |x: Vec<f64>, y: Vec<f64>| {
        let n = x.len();
        let arrays = vec![("x".into(), Array::new(&[n], x)), ("y".into(), Array::new(&[n], y))];
        Data { source: "table".into(), arrays, ..Data::default() }
    };
    let samples = Samples::from_data(&table(x, y)).unwrap();
    let model =
        DiffusionModel::fit(PriorKind::Gaussian, 9, &settings(), &json!({}), samples, &mut Run::new(1)).unwrap();
    let mut given = table(vec![12.0], vec![0.0]);
    given.arrays.push(("mask".into(), Array::new(&[1, 2], vec![1.0, 0.0])));
    let how = json!({"method": "pi_gdm", "steps": 100, "noise": 0.01, "eta": 0.0, "schedule": "karras"});
    let made = model.restore(&given, &how, &mut Run::new(2)).unwrap();
    let y = made.arrays[1].1.to_f64().unwrap()[0];
    assert!((y - 36.0).abs() < 3.0, "{y}");
}

#[test]
fn a_dncnn_can_stand_in_for_the_prior() {
    let config = DnCnnConfig { depth: 3, width: 4, ..DnCnnConfig::small(1, [0.05, 0.2]) };
    let mut network = config.build(&mut Build::new(&mut Rng::new(6))).unwrap();
    moved(&mut network, 7);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dncnn.safetensors");
    std::fs::write(&path, network.to_safetensors()).unwrap();
    let how = |more: Value| {
        let mut how = json!({"simulate": true, "operator": "denoise", "noise": 0.1, "steps": 12});
        more.as_object().unwrap().iter().for_each(|(key, value)| how[key] = value.clone());
        how
    };
    let restored = |kind: PriorKind, more: Value| {
        let mut run = Run::new(4);
        let made = fitted(kind).restore(&bars(2), &how(more), &mut run).unwrap();
        (made.arrays, run.warnings().to_vec())
    };
    let plugged = json!({"denoiser": path.to_str().unwrap()});
    let (found, warnings) = restored(PriorKind::Gaussian, plugged.clone());
    assert!(warnings.is_empty(), "{warnings:?}");
    // The model's own prior is not asked.
    assert_eq!(found, restored(PriorKind::Empirical, plugged.clone()).0);
    assert!(found != restored(PriorKind::Gaussian, json!({})).0);
    let mut leveled = plugged.clone();
    leveled["denoiser_levels"] = json!([0.5, 0.5]);
    assert!(found != restored(PriorKind::Gaussian, leveled).0);
    let idle = restored(PriorKind::Gaussian, json!({"denoiser_levels": [0.1, 0.2]})).1;
    assert!(idle.iter().any(|text| text.contains("without `denoiser`")), "{idle:?}");
    let refuse = |model: &DiffusionModel, data: &Data, more: Value| {
        model.restore(data, &how(more), &mut Run::new(4)).unwrap_err().to_string()
    };
    let model = fitted(PriorKind::Gaussian);
    assert!(refuse(&model, &bars(1), json!({"denoiser": "no/such/file"})).contains("cannot be read"));
    assert!(refuse(&model, &bars(1), json!({"denoiser": 3})).contains("denoiser"));
    let mut wrong = plugged.clone();
    wrong["denoiser_levels"] = json!([0.3, 0.1]);
    assert!(refuse(&model, &bars(1), wrong).contains("levels"));
    let columns = |name: &str, seed: u64| (name.to_owned(), Array::new(&[20], Rng::new(seed).normals(20)));
    let table = Data { source: "a table".into(), arrays: vec![columns("a", 1), columns("b", 2)], ..Data::default() };
    let samples = Samples::from_data(&table).unwrap();
    let rows = DiffusionModel::fit(PriorKind::Gaussian, 9, &settings(), &json!({}), samples, &mut Run::new(1)).unwrap();
    assert!(refuse(&rows, &table, plugged).contains("a denoiser of pictures"));
}
