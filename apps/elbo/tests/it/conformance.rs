//! What every system owes its users.

use crate::examples::{example, fit, fitted, quick};
use crate::linear::Linear;
use elbo::core::run::Checkpoints;
use elbo::core::{
    AnySystem, Array, Budget, Claim, Data, Error, Event, Model, ModelFile, Prediction, Result, Run, Values, Verb,
};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Runs a check for every registered system and for the one of these tests; reports all that fail.
fn each(check: impl Fn(&'static dyn AnySystem)) {
    let mut failed = vec![];
    for system in elbo::systems().into_iter().chain([&Linear as &dyn AnySystem]) {
        if catch_unwind(AssertUnwindSafe(|| check(system))).is_err() {
            failed.push(system.card().id);
        }
    }
    assert!(failed.is_empty(), "these systems fail, for the reasons above: {}", failed.join(", "));
}

/// Runs a check for every system and every kind of data it accepts, with a fitted model.
fn each_model(check: impl Fn(&'static dyn AnySystem, &'static str, &dyn Model)) {
    each(|system| fitted(system).iter().for_each(|(kind, model)| check(system, kind, model.as_ref())));
}

/// The model's file.
fn saved(system: &dyn AnySystem, model: &dyn Model) -> Vec<u8> {
    let mut file = ModelFile::new(system.card().id);
    model.save(&mut file).unwrap();
    file.to_bytes()
}

/// Everything a prediction says, as bits.
fn bits(prediction: &Prediction) -> Vec<u64> {
    let values: Vec<f64> = match prediction {
        Prediction::Numbers(m) => (0..m.len())
            .flat_map(|i| [m.mean(i), m.sd(i), m.quantile(i, 0.1), m.cdf(i, m.mean(i) + 0.5), m.log_prob(i, m.mean(i))])
            .collect(),
        Prediction::Classes { probabilities, .. } => probabilities.clone(),
    };
    values.into_iter().map(f64::to_bits).collect()
}

fn predicted(model: &dyn Model, data: &Data) -> Option<Vec<u64>> {
    let predictor = model.as_predict()?;
    Some(bits(&predictor.predict(data, &mut Run::new(7)).unwrap()))
}

#[test]
fn ids_are_unique_and_found() {
    let mut ids: Vec<&str> = elbo::systems().iter().map(|s| s.card().id).collect();
    for id in &ids {
        assert_eq!(elbo::find(id).unwrap().card().id, *id);
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn the_default_settings_are_valid_and_every_setting_is_explained() {
    each(|system| {
        assert_eq!(system.check_config(&Value::Null).unwrap(), system.defaults());
        let schema = system.schema();
        for (name, _) in system.defaults().as_object().unwrap() {
            let property = &schema["properties"][name];
            let help = property["description"].as_str().unwrap_or_default();
            assert!(help.len() > 3, "setting `{name}` has no help: {property}");
        }
        let error = system.check_config(&json!({"no-such-setting": 1})).unwrap_err();
        assert!(matches!(error, Error::Unknown { .. }), "{error}");
    });
}

/// Counts of rows, which no table exceeds.
const OF_ROWS: [&str; 1] = ["most_rows"];

#[test]
fn a_count_that_would_fill_the_memory_or_never_end_is_refused_by_name() {
    each(|system| {
        for (name, default) in system.defaults().as_object().unwrap() {
            if default.is_u64() && !OF_ROWS.contains(&name.as_str()) {
                let error = system.check_config(&json!({ name.as_str(): 1_000_000_000_000_000u64 })).unwrap_err();
                assert!(matches!(error, Error::Setting { .. }) && error.to_string().contains(name), "{error}");
            }
        }
    });
}

#[test]
fn the_page_has_its_sections() {
    each(|system| {
        let card = system.card();
        let page = card.about;
        assert!(page.starts_with("# "), "the page starts with a title");
        let mut at = 0;
        for heading in ["## What it is", "## When to use it", "## How to use it", "## What to expect", "## Source"] {
            let found = page.find(heading).unwrap_or_else(|| panic!("no `{heading}`"));
            assert!(found > at, "`{heading}` is out of order");
            at = found;
        }
        // A page is read in the repository and, through its module, in the documentation of the code.
        for link in page.split("../../../docs/").skip(1) {
            let file = link.split(|c: char| c == ')' || c.is_whitespace()).next().expect("a split has a first part");
            let path = std::path::Path::new("../../docs").join(file);
            assert!(path.exists(), "the page shows docs/{file}, which is not there");
        }
        assert!(!card.source.is_empty() && !card.title.is_empty() && !card.family.is_empty());
    });
}

#[test]
fn a_saved_model_predicts_the_same_bits() {
    each_model(|system, kind, model| {
        let bytes = saved(system, model);
        let back = system.load(&ModelFile::from_bytes(&bytes).unwrap()).unwrap();
        let rows = example(kind, 60);
        assert_eq!(predicted(back.as_ref(), &rows), predicted(model, &rows));
        assert_eq!(back.summary(), model.summary());
        assert!(saved(system, back.as_ref()) == bytes, "a model that was loaded and saved has another file");
    });
}

#[test]
fn the_same_seed_gives_the_same_model_for_any_number_of_threads() {
    each_model(|system, kind, _| {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            // Enough rows that parallel parts are split.
            pool.install(|| saved(system, fit(system, &example(kind, 120)).unwrap().as_ref()))
        };
        let one = with(1);
        assert!(one == with(2), "2 threads give another model");
        assert!(one == with(1), "a second run gives another model");
    });
}

#[test]
fn a_fit_goes_on_from_a_checkpoint_to_the_same_bits() {
    // Fits in closed form, and those that end before the third step, have none to go on from.
    let resumed = AtomicUsize::new(0);
    each_model(|system, kind, model| {
        let whole = saved(system, model);
        let data = example(kind, 40);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let name = format!("{}-{}", system.card().id, kind.replace(' ', "-"));
        let (path, kept) = (folder.join(format!("{name}.checkpoint")), folder.join(format!("{name}.kept")));
        let (from, to) = (path.clone(), kept.clone());
        let plan = Checkpoints { path: path.clone(), every: Duration::ZERO, header: ModelFile::new(system.card().id) };
        // At the third step the file is that of the second; of several stages the last is kept.
        let mut run = Run::new(7).with_checkpoints(plan).with_watcher(move |event| {
            if matches!(event, Event::Step { step: 3, .. }) {
                std::fs::copy(&from, &to).expect("the second step wrote a checkpoint");
            }
        });
        let watched = system.fit(&quick(system), &data, &mut run).unwrap();
        assert!(saved(system, watched.as_ref()) == whole, "{kind}: writing checkpoints changes the model");
        if kept.exists() {
            let mut run = Run::new(7).resuming(ModelFile::read(&kept).unwrap());
            let end = system.fit(&quick(system), &data, &mut run).unwrap();
            assert!(saved(system, end.as_ref()) == whole, "{kind}: a resumed fit ends with another model");
            resumed.fetch_add(1, Ordering::Relaxed);
            std::fs::remove_file(&kept).unwrap();
        }
        if path.exists() {
            std::fs::remove_file(&path).unwrap();
        }
    });
    let count = resumed.load(Ordering::Relaxed);
    assert!(count >= 15, "only {count} fits had a checkpoint to go on from");
}

#[test]
fn predictions_are_finite_and_probabilities_sum_to_one() {
    each_model(|_, kind, model| {
        let Some(predictor) = model.as_predict() else { return };
        let prediction = predictor.predict(&example(kind, 50), &mut Run::new(7)).unwrap();
        elbo::check_prediction(&prediction).unwrap();
        assert_eq!(prediction.len(), 50);
        match prediction {
            Prediction::Numbers(m) => {
                for i in 0..m.len() {
                    let (low, high) = m.interval(i, 0.9);
                    assert!(low < high && low.is_finite() && high.is_finite(), "row {i}: {low} to {high}");
                    let back = m.cdf(i, m.quantile(i, 0.3));
                    assert!((back - 0.3).abs() < 1e-6, "row {i}: the quantile function is not the inverse: {back}");
                }
            }
            Prediction::Classes { classes, probabilities } => {
                for row in probabilities.chunks(classes.len()) {
                    assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{row:?}");
                }
            }
        }
    });
}

/// Asserts that the data are refused with a message and a remedy.
fn refused<T>(what: &str, result: Result<T>) {
    let Err(error) = result else { panic!("{what}: accepted") };
    let (message, remedy) = (error.to_string(), error.remedy().into_owned());
    assert!(message.len() > 5 && remedy.len() > 5, "{what}: {message}; {remedy}");
}

#[test]
fn bad_data_are_refused_with_a_remedy() {
    each_model(|system, kind, model| {
        let data = example(kind, 40);
        refused("no rows", fit(system, &data.take_rows(&[])));
        refused("no columns", fit(system, &Data { arrays: vec![], ..data.clone() }));
        let mut with_nan = data.clone();
        with_nan.arrays[0].1 = Array::new(&[40], vec![f64::NAN; 40]);
        refused("an input of NaN", fit(system, &with_nan));
        // Photographs are bytes, and cannot be infinite.
        let mut with_infinity = data.clone();
        if let Some((_, Array { values: Values::F64(values), .. })) = with_infinity.arrays.get_mut(1) {
            values[3] = f64::INFINITY;
            refused("an infinite input", fit(system, &with_infinity));
        }
        if data.target.is_some() {
            refused("no target", fit(system, &Data { target: None, ..data.clone() }));
            refused("an unknown target", fit(system, &Data { target: Some("z".into()), ..data.clone() }));
        }
        let Some(predictor) = model.as_predict() else { return };
        let mut without = data.clone();
        without.arrays.remove(0);
        refused("a missing input", predictor.predict(&without, &mut Run::new(0)));
        let mut as_text = data.clone();
        as_text.arrays[0].1 = Array::column(Values::Text { levels: vec!["high".into()], codes: vec![Some(0); 40] });
        refused("text for a number", predictor.predict(&as_text, &mut Run::new(0)));
        refused("NaN to predict", predictor.predict(&with_nan, &mut Run::new(0)));
    });
}

#[test]
fn the_order_of_columns_does_not_matter() {
    each_model(|_, kind, model| {
        let data = example(kind, 20);
        let mut turned = data.clone();
        turned.arrays.reverse();
        assert_eq!(predicted(model, &turned), predicted(model, &data));
    });
}

#[test]
fn the_verbs_on_the_card_are_those_offered() {
    each(|system| {
        let card = system.card();
        let (_, model) = fitted(system).remove(0);
        let has = |verb: Verb| card.verbs.contains(&verb);
        assert!(has(Verb::Fit) && has(Verb::Reproduce));
        assert_eq!(has(Verb::Predict), model.as_predict().is_some(), "predict");
        assert_eq!(has(Verb::Update), model.as_update().is_some(), "update");
        assert_eq!(has(Verb::Sample), model.as_sample().is_some(), "sample");
        assert_eq!(has(Verb::Reconstruct), model.as_reconstruct().is_some(), "reconstruct");
        assert_eq!(has(Verb::Encode), model.as_encode().is_some(), "encode");
        let can_score = model.as_predict().is_some() || model.as_evaluate().is_some();
        assert!(!has(Verb::Evaluate) || can_score, "evaluate needs predictions or bounds");
        assert!(has(Verb::Evaluate) || model.as_evaluate().is_none(), "evaluate is offered and not on the card");
        assert_eq!(card.validates_itself, model.validation().is_some(), "validates_itself");
        assert_eq!(has(Verb::Compress), model.as_compress().is_some(), "compress");
        // A codec takes its own files back by the same verb.
        assert_eq!(has(Verb::Restore), model.as_restore().is_some() || model.as_compress().is_some(), "restore");
        assert_eq!(has(Verb::Render), model.as_render().is_some(), "render");
        assert_eq!(has(Verb::Suggest), model.as_suggest().is_some(), "suggest");
    });
}

#[test]
fn a_models_own_validation_can_be_scored() {
    each_model(|_, _, model| {
        let Some(own) = model.validation() else { return };
        let observed = elbo::Observed::of_values(own.observed, &own.prediction);
        let scores = serde_json::to_value(observed.score(&own.prediction).unwrap()).unwrap();
        for (name, value) in scores.as_object().unwrap() {
            assert!(value.is_object() || value.as_f64().is_some_and(f64::is_finite), "{name} is {value}");
        }
    });
}

#[test]
fn an_updated_model_predicts_and_can_be_saved() {
    each_model(|system, kind, model| {
        let Some(updater) = model.as_update() else { return };
        let updated = updater.update(&example(kind, 60), &mut Run::new(3)).unwrap();
        let bytes = saved(system, updated.as_ref());
        let back = system.load(&ModelFile::from_bytes(&bytes).unwrap()).unwrap();
        let rows = example(kind, 30);
        assert_eq!(predicted(back.as_ref(), &rows), predicted(updated.as_ref(), &rows));
        assert_ne!(predicted(back.as_ref(), &rows), predicted(model, &rows), "the new rows changed nothing");
    });
}

/// Every number of the arrays, checked to be finite, as bits.
fn array_bits(data: &Data, rows: usize) -> Vec<u64> {
    assert!(!data.arrays.is_empty());
    let mut bits = vec![];
    for (name, array) in &data.arrays {
        assert_eq!(array.rows(), rows, "`{name}`");
        let values = array.to_f64().unwrap_or_else(|| panic!("`{name}` holds text"));
        assert!(values.iter().all(|v| v.is_finite()), "`{name}` is not finite");
        bits.extend(values.into_iter().map(f64::to_bits));
    }
    bits
}

#[test]
fn samples_codes_and_reconstructions_are_finite_and_survive_saving() {
    each_model(|system, kind, model| {
        let back = system.load(&ModelFile::from_bytes(&saved(system, model)).unwrap()).unwrap();
        let data = example(kind, 30);
        if let Some(sampler) = model.as_sample() {
            let draw =
                |m: &dyn Model, seed| array_bits(&m.as_sample().unwrap().sample(25, &mut Run::new(seed)).unwrap(), 25);
            let drawn = array_bits(&sampler.sample(25, &mut Run::new(3)).unwrap(), 25);
            assert_eq!(drawn, draw(back.as_ref(), 3), "a loaded model draws other samples");
            assert_ne!(drawn, draw(model, 4), "another seed draws the same samples");
        }
        if let Some(encoder) = model.as_encode() {
            let codes =
                |m: &dyn Model| array_bits(&m.as_encode().unwrap().encode(&data, &mut Run::new(3)).unwrap(), 30);
            let first = array_bits(&encoder.encode(&data, &mut Run::new(3)).unwrap(), 30);
            assert_eq!(first, codes(back.as_ref()), "a loaded model gives other codes");
            refused("no columns", encoder.encode(&Data { arrays: vec![], ..data.clone() }, &mut Run::new(3)));
        }
        if let Some(reconstructor) = model.as_reconstruct() {
            let made = reconstructor.reconstruct(&data, &mut Run::new(3)).unwrap();
            array_bits(&made, 30);
            let shapes = |d: &Data| d.arrays.iter().map(|(n, a)| (n.clone(), a.shape.clone())).collect::<Vec<_>>();
            assert_eq!(shapes(&made), shapes(&data), "reconstructions have another form than the data");
        }
        if let Some(evaluator) = model.as_evaluate() {
            let bounds = evaluator.evaluate(&data, 20, &mut Run::new(3)).unwrap();
            assert_eq!(bounds.rows, 30);
            assert!(bounds.elbo.is_finite() && bounds.bits_per_dim.is_finite(), "{bounds:?}");
            assert!(bounds.iwae.value >= bounds.elbo - 4.0 * bounds.iwae.se, "the tighter bound is lower: {bounds:?}");
            let again = back.as_evaluate().unwrap().evaluate(&data, 20, &mut Run::new(3)).unwrap();
            assert_eq!(again, bounds, "a loaded model scores otherwise");
            let each = evaluator.evaluate_each(&data, 20, &mut Run::new(3)).unwrap();
            let mean = each.iter().map(|point| point.elbo).sum::<f64>() / 30.0;
            assert!((mean - bounds.elbo).abs() <= 1e-9 * bounds.elbo.abs().max(1.0), "{mean} beside {bounds:?}");
        }
        if let (Some(decoder), Some(encoder)) = (model.as_decode(), model.as_encode()) {
            let codes = encoder.encode(&data, &mut Run::new(3)).unwrap();
            let made = decoder.decode(&codes, &mut Run::new(3)).unwrap();
            assert_eq!(made.rows(), 30, "decoding reads what encoding writes");
            let none = Data { arrays: vec![], ..data.clone() };
            assert!(decoder.decode(&none, &mut Run::new(3)).is_err());
        }
    });
}

#[test]
fn a_summary_says_what_the_model_is() {
    each_model(|_, _, model| {
        let summary = model.summary();
        assert!(!summary.text.is_empty());
        let numbers = summary.objective.iter().chain(&summary.metrics).chain(&summary.relevance);
        for (name, value) in numbers {
            assert!(value.is_finite(), "{name} is {value}");
        }
        for table in model.tables() {
            assert!(!table.caption.is_empty(), "table `{}` has no caption", table.name);
        }
    });
}

#[test]
fn a_smoke_claim_has_finite_numbers_and_the_same_for_any_number_of_threads() {
    each(|system| {
        // Times are measured in the full budget only, so nothing in a smoke claim may differ.
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| system.claim(&mut Run::new(0).with_budget(Budget::Smoke)).unwrap())
        };
        let (claim, other) = std::thread::scope(|scope| {
            let other = scope.spawn(|| with(2));
            (with(1), other.join().unwrap())
        });
        let text = |claim: &Claim| serde_json::to_string_pretty(claim).unwrap();
        assert_eq!(text(&claim), text(&other), "2 threads measure something else than 1");
        assert!(!claim.checks.is_empty());
        assert_eq!(claim.seeds.len(), 1, "a smoke run has one seed");
        for check in &claim.checks {
            assert!(check.value.is_finite() && check.threshold.is_finite(), "{check:?}");
            assert!(check.baseline.is_none_or(f64::is_finite), "{check:?}");
        }
    });
}

#[test]
fn quick_settings_are_accepted() {
    each(|system| {
        system.check_config(&quick(system)).unwrap();
    });
}
