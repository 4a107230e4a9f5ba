//! `elbo suggest`: a space, a history, and nothing else.

use crate::folder::Folder;

/// A space of three variables.
pub const SPACE: &str = r#"
target = "yield"
goal = "maximise"

[[variable]]
name = "temperature"
low = 20
high = 120

[[variable]]
name = "layers"
type = "integer"
low = 1
high = 8

[[variable]]
name = "solvent"
type = "categorical"
values = ["water", "ethanol", "dmf"]
"#;

const HISTORY: &str = "\
temperature,layers,solvent,yield,status,remark
40,2,water,0.31,,first day
80,4,ethanol,,failed,2025-03-01
60,3,dmf,0.52,done,
100,7,dmf,0.40,,
30,5,water,0.22,,
90,1,dmf,0.35,,
55,6,ethanol,0.44,,
70,3,dmf,,,still running
";

/// With a space and a history of it.
pub fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("space.toml", SPACE.as_bytes());
    folder.write("history.csv", HISTORY.as_bytes());
    folder
}

#[test]
fn suggestions_come_from_the_files_alone_and_repeat() {
    let folder = folder();
    let words =
        "suggest space.toml history.csv --count 3 --set starts=1 --set initial=5 --out next.csv --report r.html --json";
    let first = folder.elbo(words).json();
    assert_eq!((first["system"].as_str(), first["goal"].as_str()), (Some("bo"), Some("maximise")));
    assert_eq!(first["trials"], serde_json::json!({"measured": 6.0, "pending": 1.0, "failed": 1.0}));
    assert_eq!(first["best"], serde_json::json!({"value": 0.52, "row": 3.0}));
    let rows = first["suggestions"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        let temperature = row["temperature"].as_f64().unwrap();
        assert!((20.0..=120.0).contains(&temperature));
        assert!(["water", "ethanol", "dmf"].contains(&row["solvent"].as_str().unwrap()));
        assert!(row["mean"].is_f64() && row["sd"].as_f64().unwrap() > 0.0 && row["why"].as_str().unwrap().len() > 10);
    }
    assert_eq!(folder.elbo(words).json()["suggestions"], first["suggestions"], "the same files give the same points");
    let csv = String::from_utf8(folder.read("next.csv")).unwrap();
    assert_eq!(csv.lines().next(), Some("temperature,layers,solvent,mean,sd,improvement,feasible,score,why"));
    assert_eq!(csv.lines().count(), 4);
    let page = String::from_utf8(folder.read("r.html")).unwrap();
    assert!(
        page.starts_with("<!DOCTYPE html>")
            && page.contains("Next trials for yield")
            && page.contains("elbo suggest space.toml")
    );
    assert!(!page.contains("NaN"), "the report holds a NaN");
    let names: Vec<String> = folder.names().into_iter().collect();
    assert_eq!(names, ["history.csv", "next.csv", "r.html", "space.toml"], "no state but the files");
}

#[test]
fn an_experiment_starts_without_a_history_and_ends_with_text() {
    let folder = folder();
    let first = folder.elbo("suggest space.toml --count 5 --json --report r.html").json();
    assert_eq!(first["suggestions"].as_array().unwrap().len(), 5);
    assert!(first["best"].is_null() && first["suggestions"][0]["mean"].is_null());
    folder.write("empty.csv", b"temperature,layers,solvent,yield\n");
    assert_eq!(
        folder.elbo("suggest space.toml empty.csv --count 5 --json").json()["suggestions"],
        first["suggestions"]
    );
    folder.write("nothing.csv", b"");
    let before = folder.elbo("suggest space.toml nothing.csv --count 5 --json").json();
    assert_eq!(before["suggestions"], first["suggestions"]);
    let text = folder.elbo("suggest space.toml history.csv --system bo-mean --set starts=1 --set maximise.raw=50").ok();
    assert!(text.contains("best yield so far: 0.52 (row 3) after 6 measured trials, 1 pending, 1 failed"), "{text}");
    assert!(text.contains("temperature") && text.contains("1: "), "{text}");
}

#[test]
fn no_trial_of_a_small_history_is_passed_over() {
    let folder = folder();
    let trials = |history: &str| {
        folder.elbo(&format!("suggest space.toml {history} --count 1 --set starts=1 --set initial=20 --json")).json()
    };
    // Rows that end in a carriage return alone, as old spreadsheets write them.
    folder.write("returns.csv", HISTORY.replace('\n', "\r").as_bytes());
    let expected = trials("history.csv");
    assert_eq!(expected["trials"]["measured"], 6.0);
    let found = trials("returns.csv");
    assert_eq!((&found["trials"], &found["suggestions"]), (&expected["trials"], &expected["suggestions"]));
    folder.write("one.jsonl", br#"{"temperature": 40, "layers": 2, "solvent": "water", "yield": 0.31}"#);
    let one = trials("one.jsonl");
    assert_eq!(one["trials"], serde_json::json!({"measured": 1.0, "pending": 0.0, "failed": 0.0}));
    assert_eq!(one["best"]["value"], 0.31);
    // A header is checked as that of a history with rows is.
    folder.write("strange.csv", b"temperature,layers,solvent,output\n");
    let ran = folder.elbo("suggest space.toml strange.csv");
    assert!(ran.code != 0 && ran.err.contains("`yield`"), "{}", ran.err);
}

#[test]
fn a_fitted_model_is_asked_alone() {
    let folder = folder();
    let fitted = folder
        .elbo("fit bo history.csv --target yield --drop remark --set goal=maximise --set starts=1 --out m.elbo --report f.html --json")
        .json();
    let page = String::from_utf8(folder.read("f.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("NaN"), "the report holds a NaN");
    assert_eq!(fitted["metrics"]["pending"], 1.0);
    let suggested = folder.elbo("suggest m.elbo --count 2 --json").json();
    assert_eq!(suggested["suggestions"].as_array().unwrap().len(), 2);
    assert_eq!(suggested["goal"], "maximise");
    let ran = folder.elbo("suggest m.elbo history.csv");
    assert!(ran.code == 2 && ran.err.contains("taken for a model"), "{}", ran.err);
}

#[test]
fn mistakes_are_named() {
    let folder = folder();
    let refused = |words: &str| {
        let ran = folder.elbo(words);
        assert!(ran.code != 0 && ran.err.contains("remedy"), "{words}: {}", ran.err);
        ran.err
    };
    assert!(refused("suggest nowhere.toml").contains("cannot read the space"));
    assert!(refused("suggest space.toml nowhere.csv").contains("nowhere.csv"));
    assert!(refused("suggest space.toml history.csv --target crop").contains("crop"));
    assert!(refused("suggest space.toml history.csv --set acquisition=best").contains("acquisition"));
    assert!(refused("suggest space.toml history.csv --system gpr").contains("cannot suggest"));
    folder.write("odd.toml", format!("budget = 3\n{SPACE}").as_bytes());
    assert!(refused("suggest odd.toml").contains("`budget`"));
    folder.write("wrong.toml", SPACE.replace("low = 20", "low = 200").as_bytes());
    assert!(refused("suggest wrong.toml").contains("low must be below high"));
    folder.write("none.toml", b"target = \"y\"\n");
    assert!(refused("suggest none.toml").contains("names no variable"));
    folder.write("acid.csv", HISTORY.replace("ethanol", "acid").as_bytes());
    assert!(refused("suggest space.toml acid.csv").contains("`acid` in row 2"));
    assert!(refused("suggest space.toml history.csv --out history.csv").contains("would be overwritten"));
}
