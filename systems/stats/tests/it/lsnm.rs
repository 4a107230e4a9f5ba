//! Verdicts of location-scale noise models, and what they say about bad input.

use elbo_core::{AnySystem, Array, Data, FromData, Model, ModelFile, Rng, Run, Values};
use elbo_data::{MakeOptions, ReadOptions, make, read};
use elbo_systems_stats::lsnm::{Centred, Lsnm, Pairs};
use serde_json::{Value, json};

fn fit(settings: &Value, data: &Data) -> elbo_core::Result<(Box<dyn Model>, Vec<String>)> {
    let mut run = Run::new(5);
    AnySystem::fit(&Lsnm, settings, data, &mut run).map(|model| (model, run.warnings().to_vec()))
}

fn metric(model: &dyn Model, name: &str) -> f64 {
    model.summary().metrics.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name}")).1
}

fn table(columns: &[(&str, Vec<f64>)]) -> Data {
    let arrays = columns.iter().map(|(n, v)| ((*n).to_owned(), Array::new(&[v.len()], v.clone()))).collect();
    Data { source: "made".into(), arrays, ..Data::default() }
}

fn recipe(name: &str, seed: u64) -> Data {
    make(name, seed, &MakeOptions { rows: Some(500), ..MakeOptions::default() }).unwrap()
}

#[test]
fn turning_the_columns_round_turns_the_verdict_round() {
    let data = recipe("cause-effect", 3);
    let mut turned = data.clone();
    turned.arrays.reverse();
    let quick = json!({ "resamples": 0, "permutations": 19 });
    let (one, two) = (fit(&quick, &data).unwrap().0, fit(&quick, &turned).unwrap().0);
    let (one_score, two_score) = (metric(one.as_ref(), "score"), metric(two.as_ref(), "score"));
    assert!((one_score + two_score).abs() < 1e-9 && one_score != 0.0, "{one_score} {two_score}");
    assert_eq!(
        one.figures().iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
        ["forward", "backward", "residuals-forward", "residuals-backward"]
    );
}

#[test]
fn ridges_chosen_by_evidence_leave_the_verdicts_of_made_pairs() {
    for seed in 20..24 {
        let data = recipe("cause-effect", seed);
        let [given, chosen] = [json!(1e-5), json!("evidence")].map(|ridge| {
            let settings = json!({ "resamples": 0, "permutations": 19, "ridge": ridge });
            metric(fit(&settings, &data).unwrap().0.as_ref(), "score")
        });
        assert!(given * chosen > 0.0, "{seed}: {given} {chosen}");
    }
    let wrong = json!({ "ridge": "evidence", "estimator": "homoscedastic" });
    let error = fit(&wrong, &recipe("cause-effect", 1)).err().unwrap();
    assert!(
        error.to_string().contains("`ridge` is evidence") && error.to_string().contains("estimator=splines"),
        "{error}"
    );
}

#[test]
fn units_do_not_matter() {
    let data = recipe("cause-effect", 4);
    let [a, b] = [0, 1].map(|i| data.arrays[i].1.to_f64().unwrap());
    let scaled = table(&[
        ("a", a.iter().map(|v| 1e6 + 300.0 * v).collect()),
        ("b", b.iter().map(|v| -5.0 + 1e-3 * v).collect()),
    ]);
    let quick = json!({ "resamples": 0, "permutations": 19 });
    let scores = [data, scaled].map(|d| metric(fit(&quick, &d).unwrap().0.as_ref(), "score"));
    assert!((scores[0] - scores[1]).abs() < 1e-6, "{scores:?}");
}

#[test]
fn a_file_keeps_the_verdict() {
    let (model, _) = fit(&json!({ "resamples": 10, "permutations": 19 }), &recipe("cause-effect", 5)).unwrap();
    let mut file = ModelFile::new("lsnm");
    model.save(&mut file).unwrap();
    let loaded = AnySystem::load(&Lsnm, &ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
    assert_eq!((loaded.summary(), loaded.tables()), (model.summary(), model.tables()));
    assert_eq!(loaded.figures(), model.figures());
    let p = metric(model.as_ref(), "probability_first_is_cause");
    assert!((0.0..=1.0).contains(&p) && (p > 0.5) == (metric(model.as_ref(), "score") > 0.0));
}

#[test]
fn a_ridge_that_is_no_ridge_is_answered_with_what_one_is() {
    let refused = |ridge: &str| AnySystem::check_config(&Lsnm, &json!({ "ridge": ridge })).unwrap_err();
    assert_eq!(refused("foo").to_string(), "setting `ridge` is \"foo\"; expected `evidence`, or a number");
    assert!(refused("evidense").remedy().contains("nearest allowed value is evidence"));
}

#[test]
fn many_pairs_are_told_apart_and_scored_where_the_truth_is_known() {
    let (mut names, mut a, mut b, mut truth) = (vec![], vec![], vec![], vec![]);
    for seed in 0..6u64 {
        let data = recipe("cause-effect", 100 + seed);
        let [first, second] = [0, 1].map(|i| data.arrays[i].1.to_f64().unwrap());
        names.extend(vec![seed as f64; 500]);
        truth.extend(vec![if seed % 2 == 0 { 1.0 } else { -1.0 }; 500]);
        let (x, y) = if seed % 2 == 0 { (first, second) } else { (second, first) };
        a.extend(x);
        b.extend(y);
    }
    let data = table(&[("pair", names), ("u", a), ("v", b), ("truth", truth)]);
    let (model, _) = fit(&json!({ "resamples": 8, "permutations": 19 }), &data).unwrap();
    assert_eq!(metric(model.as_ref(), "pairs"), 6.0);
    assert!(metric(model.as_ref(), "weighted_accuracy") >= 5.0 / 6.0);
    let verdicts = &model.tables()[0];
    assert_eq!((verdicts.name.as_str(), verdicts.rows.len()), ("verdicts", 6));
    assert_eq!(verdicts.rows[3][..2], ["3".to_owned(), "500".to_owned()]);
    assert!(model.summary().text.starts_with("6 pairs: "), "{}", model.summary().text);
}

#[test]
fn pairs_that_time_leaves_out_are_counted_and_the_run_is_stopped() {
    let data = recipe("cause-effect", 7);
    let [a, b] = [0, 1].map(|i| data.arrays[i].1.to_f64().unwrap()[..100].to_vec());
    let names = (0..200).map(|i| f64::from(u8::from(i >= 100))).collect();
    let data = table(&[("pair", names), ("u", [a.clone(), a].concat()), ("v", [b.clone(), b].concat())]);
    let mut run = Run::new(5).with_time(std::time::Duration::ZERO);
    let quick = json!({ "resamples": 0, "permutations": 19 });
    AnySystem::fit(&Lsnm, &quick, &data, &mut run).unwrap();
    assert!(run.stopped_early());
    assert!(run.warnings().iter().any(|w| w == "stopped after 1 of 2 pairs"), "{:?}", run.warnings());
}

#[test]
fn a_pair_in_each_row_is_read() {
    let mut rng = Rng::new(1);
    let mut list = || rng.normals(12).iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
    let mut cells = |_: &str| Values::Text { levels: vec![list(), list()], codes: vec![Some(0), Some(1)] };
    let names = Values::Text { levels: vec!["p".into(), "q".into()], codes: vec![Some(0), Some(1)] };
    let arrays = [("SampleID", names), ("A", cells("A")), ("B", cells("B"))]
        .into_iter()
        .map(|(n, v)| (n.to_owned(), Array::column(v)))
        .collect();
    let pairs = Pairs::from_data(&Data { source: "made".into(), arrays, ..Data::default() }).unwrap();
    assert_eq!(pairs.columns, ["A", "B"]);
    let found: Vec<(&str, usize)> = pairs.pairs.iter().map(|p| (p.name.as_str(), p.b.len())).collect();
    assert_eq!(found, [("p", 12), ("q", 12)]);
}

#[test]
fn a_folder_of_the_tuebingen_format_is_read_as_pairs() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("lsnm-pairs");
    std::fs::create_dir_all(&folder).unwrap();
    let rows = |seed: u64| (0..12).map(|i| format!("{} {}\n", i * i, seed + i % 5)).collect::<String>();
    let files = [
        ("pairmeta.txt", "0001 1 1 2 2 0.5\n0002 2 2 1 1 1\n".to_owned()),
        ("pair0001.txt", rows(1)),
        ("pair0002.txt", rows(2)),
    ];
    files.iter().for_each(|(name, text)| std::fs::write(folder.join(name), text).unwrap());
    let pairs = Pairs::from_data(&read(&folder, &ReadOptions::default()).unwrap()).unwrap();
    assert_eq!(pairs.columns, ["a", "b"]);
    let found: Vec<_> = pairs.pairs.iter().map(|p| (p.name.as_str(), p.weight, p.truth, p.a.len())).collect();
    assert_eq!(found, [("pair0001", 0.5, Some(true), 12), ("pair0002", 1.0, Some(false), 12)]);
}

#[test]
fn the_criterion_sees_dependence_without_correlation() {
    let mut rng = Rng::new(2);
    let x = rng.normals(200);
    let y: Vec<f64> = x.iter().map(|x| x * x + 0.3 * rng.normal()).collect();
    let (kx, ky, kz) = (Centred::new(&x), Centred::new(&y), Centred::new(&rng.normals(200)));
    assert!(kx.p_value(&ky, 99, &rng) <= 0.01 && kx.hsic(&ky) > 5.0 * kx.hsic(&kz));
    // Under independence p-values are uniform: their mean over 60 samples has a standard error of 0.037.
    let p: f64 = (0..60)
        .map(|_| Centred::new(&rng.normals(60)).p_value(&Centred::new(&rng.normals(60)), 39, &rng.clone()))
        .sum::<f64>()
        / 60.0;
    assert!((p - 0.5).abs() < 0.15, "{p}");
}

#[test]
fn a_value_by_hand_of_the_criterion() {
    // Two points at distance one: K = [[1, e], [e, 1]] with e = exp(-1); centred, ±(1 - e)/2; so HSIC = (1 - e)² / 4.
    let k = Centred::new(&[0.0, 1.0]);
    let expected = (1.0 - (-1.0f64).exp()).powi(2) / 4.0;
    assert!((k.hsic(&k) - expected).abs() < 1e-15);
    // To leading order its null mean is (1 - e)² / 2 and the deviation √2 (1 - e)² / 8; so the excess is -√2. A kernel twice as long has exp(-1/4).
    assert!((k.excess(&k) + 2f64.sqrt()).abs() < 1e-12, "{}", k.excess(&k));
    let expected = (1.0 - (-0.25f64).exp()).powi(2) / 4.0;
    let wide = Centred::scaled(&[0.0, 1.0], 2.0);
    assert!((wide.hsic(&wide) - expected).abs() < 1e-15);
}

#[test]
fn independent_samples_have_no_excess_in_the_mean() {
    let mut rng = Rng::new(8);
    let excess: Vec<f64> = (0..200)
        .map(|_| {
            let skewed: Vec<f64> = rng.normals(100).iter().map(|v| v.exp()).collect();
            Centred::scaled(&skewed, 0.5).excess(&Centred::scaled(&rng.normals(100), 2.0))
        })
        .collect();
    let mean = excess.iter().sum::<f64>() / 200.0;
    let sd = (excess.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / 199.0).sqrt();
    assert!(mean.abs() < 0.3 && (sd - 1.0).abs() < 0.3, "{mean} {sd}");
}

#[test]
fn bad_inputs_are_answered() {
    let refused = |data: &Data| {
        let error = fit(&json!({}), data).err().unwrap();
        assert!(!error.remedy().is_empty());
        error.to_string()
    };
    let mut rng = Rng::new(3);
    let mut normal = |n: usize| rng.normals(n);
    let three = table(&[("a", normal(50)), ("b", normal(50)), ("c", normal(50))]);
    assert!(refused(&three).contains("3 variables (a, b, c)"));
    assert!(refused(&table(&[("a", normal(50))])).contains("1 variables"));
    assert!(refused(&table(&[("a", normal(50)), ("b", vec![2.0; 50])])).contains("`b` is constant"));
    assert!(refused(&table(&[("a", normal(5)), ("b", normal(5))])).contains("5 rows"));
    assert!(refused(&table(&[("a", normal(50)), ("b", normal(40))])).contains("`b` has 40 rows"));
    let mut holes = normal(50);
    holes[7] = f64::NAN;
    assert!(refused(&table(&[("a", normal(50)), ("b", holes)])).contains("row 8"));
    let truth = table(&[("a", normal(50)), ("b", normal(50)), ("truth", vec![2.0; 50])]);
    assert!(refused(&truth).contains("`truth` has 2"));
    let error =
        fit(&json!({ "rule": "independence", "resamples": 0 }), &table(&[("a", normal(50)), ("b", normal(50))]));
    assert!(error.err().unwrap().to_string().contains("`resamples` is 0"));

    let quick = json!({ "resamples": 4, "permutations": 19 });
    let warned = |data: &Data, word: &str| {
        let (_, warnings) = fit(&quick, data).unwrap();
        assert!(warnings.iter().any(|w| w.contains(word)), "{word}: {warnings:?}");
    };
    warned(&table(&[("a", normal(60)), ("b", normal(60))]), "60 rows are few");
    let rounded = normal(200).iter().map(|v| v.round()).collect();
    warned(&table(&[("a", rounded), ("b", normal(200))]), "different values in 200 rows");
    let mut wild = normal(200);
    wild[0] = 60.0;
    warned(&table(&[("a", wild), ("b", normal(200))]), "outliers");
    // At a level this strict both directions of a pair are rejected, whatever the likelihoods say.
    let strict = json!({ "level": 0.95, "resamples": 4 });
    let (model, warnings) = fit(&strict, &recipe("cause-effect", 3)).unwrap();
    assert!(warnings.iter().any(|w| w.contains("in both directions")), "{warnings:?}");
    assert!(model.summary().text.starts_with("The model does not hold"), "{}", model.summary().text);
}

#[test]
fn an_exact_curve_is_not_a_panic() {
    let a: Vec<f64> = (0..150).map(|i| f64::from(i) / 50.0).collect();
    let b = a.iter().map(|v| v.exp()).collect();
    let line = a.iter().map(|v| 2.0 * v + 1.0).collect();
    for data in [table(&[("a", a.clone()), ("b", b)]), table(&[("a", a), ("b", line)])] {
        let (model, _) = fit(&json!({ "resamples": 4, "permutations": 19 }), &data).unwrap();
        assert!(model.summary().metrics.iter().all(|(_, v)| v.is_finite()), "{:?}", model.summary());
    }
}
