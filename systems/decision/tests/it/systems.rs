//! Fit, save, load, suggest.

use elbo_core::{AnySystem, Array, Data, Mark, Model, ModelFile, Run, Values};
use elbo_systems_decision::SYSTEMS;
use serde_json::{Value, json};

fn text(cells: &[&str]) -> Array {
    let mut levels: Vec<String> = vec![];
    let codes = cells
        .iter()
        .map(|cell| {
            if cell.is_empty() {
                return None;
            }
            let at = levels.iter().position(|l| l == cell).unwrap_or_else(|| {
                levels.push((*cell).into());
                levels.len() - 1
            });
            Some(at as u32)
        })
        .collect();
    Array::column(Values::Text { levels, codes })
}

/// Twelve trials of a real, an integer and a category: the last two are pending, one failed.
fn trials() -> Data {
    let x = [0.1f64, 0.9, 0.4, 0.6, 0.2, 0.8, 0.5, 0.3, 0.7, 0.95, 0.45, 0.15];
    let n = [1.0f64, 5.0, 3.0, 2.0, 4.0, 1.0, 5.0, 2.0, 3.0, 4.0, 3.0, 2.0];
    let c = ["a", "b", "a", "b", "a", "b", "a", "b", "a", "b", "a", "b"];
    let value = |i: usize| -(x[i] - 0.4).powi(2) - 0.05 * (n[i] - 3.0).powi(2) - if c[i] == "a" { 0.0 } else { 0.3 };
    let y: Vec<f64> = (0..12).map(|i| if i >= 9 { f64::NAN } else { value(i) }).collect();
    let status = ["", "", "", "", "", "", "", "", "", "failed", "", ""];
    let purity: Vec<f64> = (0..12).map(|i| if i >= 9 { f64::NAN } else { 1.0 - 0.5 * x[i] }).collect();
    let arrays = vec![
        ("x".to_owned(), Array::new(&[12], x.to_vec())),
        ("n".to_owned(), Array::new(&[12], n.to_vec())),
        ("c".to_owned(), text(&c)),
        ("y".to_owned(), Array::new(&[12], y)),
        ("purity".to_owned(), Array::new(&[12], purity)),
        ("status".to_owned(), text(&status)),
    ];
    Data { source: "trials".into(), arrays, target: Some("y".into()), ..Data::default() }
}

fn settings() -> Value {
    json!({
        "goal": "maximise",
        "space": [
            {"name": "x", "low": 0, "high": 1},
            {"name": "n", "type": "integer", "low": 1, "high": 5},
            {"name": "c", "type": "categorical", "values": ["a", "b"]}
        ],
        "limits": [{"column": "purity", "at_least": 0.7}],
        "starts": 2,
        "maximise": {"raw": 32, "starts": 3}
    })
}

fn fit(system: &dyn AnySystem) -> Box<dyn Model> {
    system.fit(&settings(), &trials(), &mut Run::new(1)).unwrap()
}

#[test]
fn a_loaded_model_suggests_the_same_points_and_a_file_is_stable() {
    for system in SYSTEMS {
        let model = fit(*system);
        let mut file = ModelFile::new(system.card().id);
        model.save(&mut file).unwrap();
        let bytes = file.to_bytes();
        let back = system.load(&ModelFile::from_bytes(&bytes).unwrap()).unwrap();
        let ask = |m: &dyn Model| format!("{:?}", m.as_suggest().unwrap().suggest(3, &mut Run::new(5)).unwrap());
        assert_eq!(ask(back.as_ref()), ask(model.as_ref()));
        assert_eq!(back.summary(), model.summary());
        let mut again = ModelFile::new(system.card().id);
        back.save(&mut again).unwrap();
        assert!(again.to_bytes() == bytes);
    }
}

#[test]
fn suggestions_lie_in_the_space_with_what_is_expected_there() {
    for system in SYSTEMS {
        let model = fit(*system);
        let metric = |name: &str| model.summary().metrics.iter().find(|(n, _)| n == name).unwrap().1;
        assert_eq!((metric("measured"), metric("pending"), metric("failed")), (9.0, 2.0, 1.0));
        let mut run = Run::new(2);
        let table = model.as_suggest().unwrap().suggest(4, &mut run).unwrap();
        let names: Vec<&str> = table.arrays.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["x", "n", "c", "mean", "sd", "improvement", "feasible", "score", "why"]);
        let column = |name: &str| table.get(name).unwrap().to_f64().unwrap();
        assert_eq!(table.rows(), 4);
        assert!(column("x").iter().all(|x| (0.0..=1.0).contains(x)));
        assert!(column("n").iter().all(|n| (1.0..=5.0).contains(n) && n.fract() == 0.0));
        assert!(column("mean").iter().all(|m| *m < 0.5 && *m > -2.0), "in the user's sign: {:?}", column("mean"));
        assert!(column("sd").iter().all(|s| *s > 0.0) && column("feasible").iter().all(|p| (0.0..=1.0).contains(p)));
        assert!(
            run.figures().iter().any(|f| f.name == "slice-c") && run.figures().iter().any(|f| f.name == "expected")
        );
        assert!(model.figures().iter().any(|f| f.name == "progress"));
        assert!(model.validation().is_some());
    }
}

#[test]
fn a_student_t_process_is_a_setting_that_a_file_keeps() {
    for system in SYSTEMS {
        let fit = |more: &[(&str, Value)], run: &mut Run| {
            let mut settings = settings();
            more.iter().for_each(|(name, value)| settings[*name] = value.clone());
            system.fit(&settings, &trials(), run)
        };
        let heavy = [("surrogate", json!("student_t")), ("degrees", json!(4))];
        let mut run = Run::new(1);
        let model = fit(&heavy, &mut run).unwrap();
        assert!(!run.warnings().iter().any(|w| w.contains("degrees")), "{:?}", run.warnings());
        let metric = model.summary().metrics.iter().find(|(n, _)| n == "degrees_of_freedom").map(|(_, v)| *v);
        // Nine of the trials have values.
        assert_eq!(metric, Some(13.0));
        let ask = |m: &dyn Model| format!("{:?}", m.as_suggest().unwrap().suggest(3, &mut Run::new(5)).unwrap());
        let mut file = ModelFile::new(system.card().id);
        model.save(&mut file).unwrap();
        let back = system.load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        assert_eq!(ask(back.as_ref()), ask(model.as_ref()));
        let gaussian = fit(&[], &mut run).unwrap();
        assert_ne!(ask(gaussian.as_ref()), ask(model.as_ref()));
        assert!(model.validation().is_some());
        // Refused where scores or noise are those of normal distributions, and said where it has no effect.
        let refused = |name: &'static str, value: Value| {
            let more = [heavy[0].clone(), (name, value)];
            let error = fit(&more, &mut Run::new(1)).err().expect("refused");
            format!("{error}; {}", error.remedy())
        };
        assert!(refused("acquisition", json!("knowledge_gradient")).contains("acquisition = log_ei"));
        assert!(refused("batch", json!("penalise")).contains("other than penalise"));
        assert!(refused("noise_column", json!("purity")).contains("surrogate = gp"));
        assert!(refused("degrees", json!(2)).contains("above 2"));
        let mut run = Run::new(1);
        fit(&heavy[1..], &mut run).unwrap();
        assert!(run.warnings().iter().any(|w| w.contains("`degrees` has no effect")), "{:?}", run.warnings());
    }
}

#[test]
fn a_space_without_trials_gives_a_design_and_no_space_needs_trials() {
    for system in SYSTEMS {
        let nothing = trials().take_rows(&[]);
        let model = system.fit(&settings(), &nothing, &mut Run::new(1)).unwrap();
        let table = model.as_suggest().unwrap().suggest(5, &mut Run::new(1)).unwrap();
        assert_eq!(table.rows(), 5);
        assert!(table.get("mean").unwrap().to_f64().unwrap().iter().all(|m| m.is_nan()));
        let refused = |settings: Value, data: &Data| match system.fit(&settings, data, &mut Run::new(1)) {
            Ok(_) => panic!("accepted"),
            Err(error) => format!("{error}; {}", error.remedy()),
        };
        assert!(refused(Value::Null, &nothing).contains("no rows"));
        assert!(
            refused(json!({"space": [{"name": "x", "low": 1, "high": 0}]}), &trials())
                .contains("low must be below high")
        );
        assert!(refused(json!({"space": []}), &trials()).contains("at least one variable"));
        assert!(refused(json!({"limits": [{"column": "purity"}]}), &trials()).contains("at_least or at_most"));
        let crossed = json!({"limits": [{"column": "purity", "at_least": 0.9, "at_most": 0.1}]});
        assert!(refused(crossed, &trials()).contains("not above the second"));
        assert!(
            refused(json!({"space": [{"name": "y", "low": 0, "high": 1}]}), &trials())
                .contains("both the target and a variable")
        );
        assert!(refused(json!({"goal": "enlarge"}), &trials()).contains("goal"));
        let penalised = json!({"batch": "penalise", "acquisition": "thompson"});
        assert!(refused(penalised, &trials()).contains("acquisition = log_ei"));
        assert!(refused(json!({"cost": "purity", "acquisition": "lcb"}), &trials()).contains("acquisition = log_ei"));
        for (name, message) in
            [("y", "is the target or a variable"), ("x", "is the target or a variable"), ("hours", "hours")]
        {
            let mut costly = settings();
            costly["cost"] = json!(name);
            assert!(refused(costly, &trials()).contains(message), "{name}");
        }
    }
}

#[test]
fn costs_are_learned_saved_and_told() {
    for system in SYSTEMS {
        let mut settings = settings();
        settings["cost"] = json!("purity");
        settings["batch"] = json!("liar_mean");
        let model = system.fit(&settings, &trials(), &mut Run::new(1)).unwrap();
        let ask = |m: &dyn Model| m.as_suggest().unwrap().suggest(2, &mut Run::new(5)).unwrap();
        let table = ask(model.as_ref());
        let costs = table.get("cost").unwrap().to_f64().unwrap();
        assert!(costs.iter().all(|c| (0.2..2.0).contains(c)), "{costs:?}");
        let mut file = ModelFile::new(system.card().id);
        model.save(&mut file).unwrap();
        let back = system.load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        assert_eq!(format!("{:?}", ask(back.as_ref())), format!("{table:?}"));
    }
    let mut settings = settings();
    settings["cost_power"] = json!(0.5);
    let mut run = Run::new(1);
    SYSTEMS[0].fit(&settings, &trials(), &mut run).unwrap();
    assert!(run.warnings().iter().any(|w| w.contains("`cost_power` has no effect")), "{:?}", run.warnings());
}

#[test]
fn a_limit_of_which_too_little_is_known_is_told() {
    let warned = |known: usize| {
        let mut data = trials();
        let cells = (0..12).map(|i| if i < known { 0.9 - 0.05 * i as f64 } else { f64::NAN }).collect();
        data.arrays.iter_mut().find(|(name, _)| name == "purity").unwrap().1 = Array::new(&[12], cells);
        let mut settings = settings();
        settings["limits"] = json!([{"column": "purity", "at_least": 0.7, "at_most": 2}]);
        let mut run = Run::new(1);
        SYSTEMS[0].fit(&settings, &data, &mut run).unwrap();
        run.warnings().iter().filter(|w| w.contains("fewer than two values of `purity`")).count()
    };
    assert_eq!([0, 1, 2, 9].map(warned), [1, 1, 0, 0]);
}

#[test]
fn costs_count_in_proportion_to_what_is_left_of_their_budget() {
    let spent: f64 = trials().get("purity").unwrap().to_f64().unwrap().iter().filter(|c| c.is_finite()).sum();
    let asked = |name: &str, value: f64| {
        let mut settings = settings();
        settings["cost"] = json!("purity");
        settings[name] = json!(value);
        let mut run = Run::new(1);
        let model = SYSTEMS[0].fit(&settings, &trials(), &mut run).unwrap();
        let table = model.as_suggest().unwrap().suggest(1, &mut Run::new(5)).unwrap();
        (format!("{table:?}"), run.warnings().iter().any(|w| w.contains("costs count no more")))
    };
    // Half of the budget is spent, then all of it and more.
    assert_eq!(asked("cost_budget", 2.0 * spent), asked("cost_power", 0.5));
    let without = asked("cost_power", 0.0).0;
    for budget in [spent, 0.1 * spent] {
        assert_eq!(asked("cost_budget", budget), (without.clone(), true));
    }
    let mut idle = settings();
    idle["cost_budget"] = json!(1.0);
    let mut run = Run::new(1);
    SYSTEMS[0].fit(&idle, &trials(), &mut run).unwrap();
    assert!(run.warnings().iter().any(|w| w.contains("`cost_budget` has no effect")), "{:?}", run.warnings());
    idle["cost_budget"] = json!(0.0);
    let error = SYSTEMS[0].check_config(&idle).unwrap_err().to_string();
    assert!(error.contains("`cost_budget`") && error.contains("a positive number"), "{error}");
}

#[test]
fn the_width_of_the_bound_is_a_setting_with_a_default_for_each_system() {
    for (system, own) in SYSTEMS.iter().zip(["practical", "study"]) {
        assert_eq!(system.defaults()["schedule"], json!(own));
        let fit = |more: &[(&str, &str)]| {
            let mut settings = settings();
            more.iter().for_each(|(name, value)| settings[*name] = json!(value));
            let mut run = Run::new(1);
            let model = system.fit(&settings, &trials(), &mut run).unwrap();
            (model, run.warnings().iter().any(|w| w.contains("`schedule` has no effect")))
        };
        let score = |schedule: &str| {
            let (model, is_idle) = fit(&[("acquisition", "lcb"), ("schedule", schedule)]);
            assert!(!is_idle);
            let table = model.as_suggest().unwrap().suggest(1, &mut Run::new(5)).unwrap();
            table.get("score").unwrap().to_f64().unwrap()[0]
        };
        // In three variables and with eleven values, two of them believed, the study's bound is 3.4 times as wide.
        let (practical, study) = (score("practical"), score("study"));
        assert!(study > practical, "{study} {practical}");
        assert!(!fit(&[]).1);
        assert!(fit(&[("schedule", if own == "study" { "practical" } else { "study" })]).1);
    }
}

#[test]
fn constraints_are_kept_by_designs_and_models_and_saved() {
    for system in SYSTEMS {
        let mut settings = settings();
        settings["constraints"] = json!([{"weights": {"x": 4, "n": 1}, "at_most": 5}]);
        for data in [trials(), trials().take_rows(&[])] {
            let mut run = Run::new(1);
            let model = system.fit(&settings, &data, &mut run).unwrap();
            // Rows 2, 6 and others have 4 x + n above 5.
            let is_warned = run.warnings().iter().any(|w| w.contains("break the constraints"));
            assert_eq!(is_warned, data.rows() > 0, "{:?}", run.warnings());
            let ask = |m: &dyn Model| m.as_suggest().unwrap().suggest(4, &mut Run::new(5)).unwrap();
            let table = ask(model.as_ref());
            let column = |name: &str| table.get(name).unwrap().to_f64().unwrap();
            assert!(column("x").iter().zip(column("n")).all(|(x, n)| 4.0 * x + n <= 5.0 + 1e-6));
            let mut file = ModelFile::new(system.card().id);
            model.save(&mut file).unwrap();
            let back = system.load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
            assert_eq!(format!("{:?}", ask(back.as_ref())), format!("{table:?}"));
            assert_eq!(back.summary(), model.summary());
        }
        let refused = |constraint: Value| {
            let mut settings = settings.clone();
            settings["constraints"] = json!([constraint]);
            system.fit(&settings, &trials(), &mut Run::new(1)).err().unwrap().to_string()
        };
        assert!(refused(json!({"weights": {"x": 1}, "at_least": 2})).contains("no place of the space"));
        assert!(refused(json!({"weights": {"c": 1}, "at_least": 2})).contains("`c` is no number"));
        assert!(refused(json!({"weights": {"x": 1}})).contains("constraints"));
    }
}

#[test]
fn noise_and_names_of_trials_are_read_saved_and_continued() {
    for system in SYSTEMS {
        let mut settings = settings();
        settings["noise_column"] = json!("sd");
        settings["id"] = json!("trial");
        settings["initial"] = json!(5);
        let mut data = trials();
        let sd = (0..12).map(|i| if i % 2 == 0 { 0.1 } else { f64::NAN }).collect();
        data.arrays.push(("sd".into(), Array::new(&[12], sd)));
        data.arrays.push(("trial".into(), Array::new(&[12], (0..12).map(|i| f64::from(i) + 30.0).collect())));
        let model = system.fit(&settings, &data, &mut Run::new(1)).unwrap();
        let ask = |m: &dyn Model| m.as_suggest().unwrap().suggest(2, &mut Run::new(5)).unwrap();
        let table = ask(model.as_ref());
        assert_eq!(table.get("trial").unwrap().class_names("trial").unwrap(), [Some("42".into()), Some("43".into())]);
        let why = table.get("why").unwrap().class_names("why").unwrap();
        assert!(
            why.iter().flatten().all(|w| w.contains("nearest trial: 3") || w.contains("nearest trial: 4")),
            "{why:?}"
        );
        let mut file = ModelFile::new(system.card().id);
        model.save(&mut file).unwrap();
        let back = system.load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        assert_eq!(format!("{:?}", ask(back.as_ref())), format!("{table:?}"));
        settings["output"] = json!("rank_normal");
        let error = system.fit(&settings, &data, &mut Run::new(1)).err().unwrap();
        assert!(error.to_string().contains("noise_column"), "{error}");
    }
}

#[test]
fn a_sobol_design_of_no_power_of_two_is_said_to_be_less_even() {
    let model = SYSTEMS[0].fit(&settings(), &trials().take_rows(&[]), &mut Run::new(1)).unwrap();
    for (count, is_even) in [(1, true), (5, false), (8, true), (12, false)] {
        let mut run = Run::new(1);
        model.as_suggest().unwrap().suggest(count, &mut run).unwrap();
        assert_eq!(run.warnings().is_empty(), is_even, "{count}: {:?}", run.warnings());
    }
    let mut run = Run::new(1);
    model.as_suggest().unwrap().suggest(5, &mut run).unwrap();
    assert!(run.warnings()[0].contains("4 or 8 points, not 5"), "{:?}", run.warnings());
}

#[test]
fn equal_values_are_said_to_teach_nothing() {
    let mut data = trials();
    data.arrays[3].1 = Array::new(&[12], vec![2.0; 12]);
    data.arrays.truncate(4);
    let mut run = Run::new(1);
    let model = SYSTEMS[0].fit(&json!({"starts": 1}), &data, &mut run).unwrap();
    assert!(run.warnings().iter().any(|w| w.contains("are equal")), "{:?}", run.warnings());
    assert_eq!(model.as_suggest().unwrap().suggest(2, &mut run).unwrap().rows(), 2);
}

#[test]
fn a_model_file_whose_surrogate_does_not_fit_its_trials_is_refused() {
    let system = SYSTEMS[0];
    let mut file = ModelFile::new(system.card().id);
    fit(system).save(&mut file).unwrap();
    let sound: Value = file.fact("objective").unwrap();
    // A tree that leads back to itself, two lengthscales for three variables, and ranks of nothing.
    let endless = json!({"Forest": [[{"Split": {"column": 0, "at": 0.5, "below": 0, "above": 0}}]]});
    // Files from before there were transforms name none.
    let mut older = sound.clone();
    older.as_object_mut().unwrap().remove("warp");
    file.set("objective", &older);
    assert!(system.load(&file).is_ok());
    let nothing = json!({"Ranks": {"values": [], "scores": []}});
    for (path, value) in [("/mean", endless), ("/hyper/lengthscale", json!([1.0, 1.0])), ("/warp", nothing)] {
        let mut saved = sound.clone();
        *saved.pointer_mut(path).unwrap() = value;
        file.set("objective", &saved);
        let error = system.load(&file).err().expect("a model that does not fit is refused");
        assert!(error.to_string().contains("does not belong to its trials"), "{path}: {error}");
    }
}

#[test]
fn intervals_of_suggestions_follow_the_transform_of_the_values() {
    let mut settings = settings();
    settings["output"] = json!("rank_normal");
    let model = SYSTEMS[0].fit(&settings, &trials(), &mut Run::new(1)).unwrap();
    let mut run = Run::new(2);
    model.as_suggest().unwrap().suggest(2, &mut run).unwrap();
    let figure = run.figures().iter().find(|f| f.name == "expected").unwrap();
    let points = figure.marks.iter().find_map(|mark| match mark {
        Mark::Points { y, lower, upper, .. } => Some((y, lower, upper)),
        _ => None,
    });
    let (y, lower, upper) = points.unwrap();
    let ends: Vec<(f64, f64)> = (0..y.len()).map(|i| (y[i] - lower[i], upper[i] - y[i])).collect();
    assert!(ends.iter().all(|(below, above)| *below >= 0.0 && *above >= 0.0 && below + above > 0.0), "{ends:?}");
    // Half a width on each side would be symmetric.
    assert!(ends.iter().any(|(below, above)| (below - above).abs() > 1e-6 * (below + above)), "{ends:?}");
}
