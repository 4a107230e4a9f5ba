//! What each verb prints, with the names that scripts rely on.

use crate::folder::{Folder, QUICK, model, table};
use serde_json::Value;
use std::fmt::Write;
use std::process::Stdio;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn assert_has(value: &Value, names: &[&str]) {
    for name in names {
        assert!(value.get(name).is_some(), "no `{name}` in {:?}", keys(value));
    }
}

#[test]
fn list_names_every_system() {
    let folder = Folder::new();
    let list = folder.elbo("list --json").json();
    for entry in list.as_array().unwrap() {
        assert_eq!(keys(entry), ["id", "title", "family", "kind", "verbs", "input"]);
        assert!(["paper", "baseline"].contains(&entry["kind"].as_str().unwrap()));
        let id = entry["id"].as_str().unwrap();
        let info = folder.elbo(&format!("info {id} --json")).json();
        assert_has(&info, &["id", "title", "settings", "schema", "example", "input", "verbs", "source", "about"]);
        let text = folder.elbo(&format!("info {id}")).ok();
        assert!(text.contains("Settings") && text.contains("Example"), "{text}");
    }
    let text = folder.elbo("list").ok();
    assert_eq!(text.lines().count(), list.as_array().unwrap().len() + 1);
    assert_eq!(folder.elbo("list gpr --json").json().as_array().unwrap().len(), 1);
    let baselines = folder.elbo("list --family gp --verb predict").ok();
    assert!(baselines.contains("gpr"), "{baselines}");
}

#[test]
fn fit_predict_and_evaluate_print_the_documented_names() {
    let folder = Folder::with_table();
    let fitted = folder.elbo(&format!("fit gpr t.csv --target y {QUICK} --report r.html --json")).json();
    assert_has(
        &fitted,
        &["system", "model", "seconds", "cost", "rows", "objective", "metrics", "warnings", "validation", "command"],
    );
    assert_eq!(keys(&fitted["cost"]), ["seconds", "processor_seconds", "peak_bytes", "joules"]);
    assert_eq!((fitted["system"].as_str(), fitted["model"].as_str()), (Some("gpr"), Some("t.gpr.elbo")));
    assert!(fitted["objective"]["value"].is_f64() && fitted["objective"]["name"].is_string());
    assert_has(&fitted["metrics"], &["rmse", "mae", "nlpd", "crps", "coverage", "width"]);
    assert_eq!(fitted["validation"]["method"], "leave-one-out");
    assert_eq!(fitted["rows"], 60, "a model that validates itself is fitted to all rows");
    let page = String::from_utf8(folder.read("r.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg") && page.contains("elbo fit gpr t.csv"));
    assert!(!page.contains("NaN"), "the report holds a NaN");

    let scores = folder.elbo("evaluate t.gpr.elbo t.csv --json").json();
    assert_eq!(keys(&scores), ["rows", "rmse", "mae", "nlpd", "crps", "coverage", "width", "msll"]);
    assert!(scores["msll"].as_f64().unwrap() < -0.5, "{scores}");
    assert_eq!(keys(&scores["coverage"]), ["0.5", "0.9", "0.95"]);
    assert!(scores["rmse"].as_f64().unwrap() < 0.3, "{scores}");

    let text = folder.elbo("predict t.gpr.elbo t.csv --level 0.5").ok();
    assert_eq!(text.lines().next(), Some("mean,sd,lower,upper"));
    let first: Vec<f64> = text.lines().nth(1).unwrap().split(',').map(|c| c.parse().unwrap()).collect();
    assert!(first[2] < first[0] && first[0] < first[3] && first[1] > 0.0, "{first:?}");
    // Half of a Gaussian lies within 0.6745 standard deviations.
    assert!(((first[3] - first[0]) / first[1] - 0.6745).abs() < 1e-3, "{first:?}");
    assert_eq!(folder.elbo("predict t.gpr.elbo t.csv --level 0.5 --out -").ok(), text);
    assert!(!folder.names().contains("-"), "`-` is standard output");
    let object = folder.elbo("predict t.gpr.elbo t.csv --json").json();
    assert_has(&object, &["system", "rows", "level", "columns", "predictions"]);
    assert_eq!(object["predictions"]["mean"].as_array().unwrap().len(), 60);

    let info = folder.elbo("info t.gpr.elbo --json").json();
    assert_has(
        &info,
        &["system", "version", "format", "target", "inputs", "seed", "data", "config", "summary", "arrays", "tables"],
    );
    assert_eq!(info["inputs"], serde_json::json!(["a", "b"]));
    assert!(folder.elbo("info t.gpr.elbo").ok().contains("Made by: elbo fit gpr t.csv"));
}

#[test]
fn classes_are_predicted_with_one_probability_each() {
    let folder = Folder::new();
    folder.elbo("data make two-moons --rows 80 --seed 1 --out m.csv").ok();
    let fitted = folder.elbo("fit auto m.csv --target class --out m.elbo --report r.html --json").json();
    assert!(!fitted["reasons"].as_array().unwrap().is_empty());
    assert!(fitted["validation"]["rows"].as_u64().unwrap() >= 8, "{fitted}");
    assert_has(&fitted["metrics"], &["accuracy", "log_loss", "brier", "ece"]);
    let scores = folder.elbo("evaluate m.elbo m.csv --json").json();
    assert_eq!(keys(&scores), ["rows", "accuracy", "log_loss", "brier", "ece", "calibration", "lower", "upper"]);
    assert!(scores["lower"]["accuracy"].as_f64().unwrap() <= scores["upper"]["accuracy"].as_f64().unwrap());
    assert!(scores["accuracy"].as_f64().unwrap() > 0.8, "{scores}");
    let text = folder.elbo("predict m.elbo m.csv").ok();
    assert_eq!(text.lines().next(), Some("label,p_a,p_b"));
    let row: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
    let sum: f64 = row[1..].iter().map(|p| p.parse::<f64>().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{row:?}");
    let page = String::from_utf8(folder.read("r.html")).unwrap();
    for part in ["<svg", "How sure are the scores?", "ece_equal_mass", "risk_coverage", "rows kept"] {
        assert!(page.contains(part), "no {part:?}");
    }
}

#[test]
fn the_same_fit_gives_the_same_file_for_any_number_of_threads() {
    let folder = Folder::with_table();
    let fit = |extra: &str, out: &str| {
        folder.elbo(&format!("fit gpr t.csv --target y {QUICK} --out {out} {extra}")).ok();
        folder.read(out)
    };
    let one = fit("--threads 1", "1.elbo");
    assert_eq!(one, fit("--threads 2", "2.elbo"));
    assert_eq!(one, fit("--report r.html --json", "3.elbo"));
    assert_ne!(one, fit("--seed 1", "4.elbo"));
}

#[test]
fn a_report_has_the_pictures_that_its_inputs_allow() {
    let folder = Folder::with_table();
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let one: String = table(30).lines().map(cells).map(|c| format!("{},{}\n", c[0], c[2])).collect();
    folder.write("s.csv", one.as_bytes());
    for (data, lead) in [("s.csv", "fit"), ("t.csv", "mean-map")] {
        let to = format!("--out m.elbo --report r.html --figures {lead}");
        folder.elbo(&format!("fit gpr {data} --target y {QUICK} {to}")).ok();
        for figure in [lead, "predicted-observed", "residuals", "calibration", "pit", "relevance"] {
            assert!(folder.path(&format!("{lead}/{figure}.svg")).is_file(), "{data}: no figure `{figure}`");
        }
        let page = String::from_utf8(folder.read("r.html")).unwrap();
        for part in ["Are the intervals honest?", "What the model learned", "Settings", "Environment", "elbo fit gpr"] {
            assert!(page.contains(part), "{data}: no {part:?}");
        }
        assert_eq!(page.contains("Thin lines are functions that the model holds possible"), lead == "fit", "{data}");
    }
}

#[test]
fn a_pipe_gets_no_progress_bar() {
    let folder = Folder::with_table();
    let ran = folder.elbo("fit svgp t.csv --target y --set inducing=10 --set steps=200 --out m.elbo");
    assert_eq!(ran.code, 0, "{}", ran.err);
    // What a terminal would be told to draw over.
    assert!(!ran.err.contains(['\r', '\u{1b}']) && !ran.out.contains(['\r', '\u{1b}']), "{ran:?}");
}

#[test]
fn held_out_rows_are_scored_and_left_out_of_the_fit() {
    let folder = Folder::with_table();
    let ran = folder.elbo(&format!("fit gpr t.csv --target y {QUICK} --holdout 0.25"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("fitted to 45 rows") && ran.out.contains("held-out rows, 15 rows"), "{}", ran.out);
}

#[test]
fn a_configuration_file_is_overridden_by_the_command_line() {
    let folder = Folder::with_table();
    folder.write("run.toml", b"system = \"gpr\"\ntarget = \"y\"\nseed = 4\n[settings]\nstarts = 1\niterations = 9\n");
    folder.elbo("fit t.csv --config run.toml --set iterations=5 --out m.elbo").ok();
    let info = folder.elbo("info m.elbo --json").json();
    assert_eq!((info["seed"].as_u64(), info["target"].as_str()), (Some(4), Some("y")));
    assert_eq!((info["config"]["starts"].as_u64(), info["config"]["iterations"].as_u64()), (Some(1), Some(5)));
    // The recorded command makes the same file.
    let command = info["command"].as_str().unwrap().strip_prefix("elbo ").unwrap().to_owned();
    folder.elbo(&format!("{command} --out again.elbo")).ok();
    assert_eq!(folder.read("m.elbo"), folder.read("again.elbo"));
}

#[test]
fn auto_says_why_and_a_task_can_be_named() {
    let folder = Folder::new();
    folder.write("t.csv", table(40).as_bytes());
    let ran = folder.elbo(&format!("fit auto t.csv --target y {QUICK}"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("gpr: `y` is a number") && ran.err.contains("40 rows are few enough"), "{}", ran.err);
    assert!(folder.names().contains("t.gpr.elbo"));
}

#[test]
fn tables_of_a_model_are_printed_as_csv() {
    let folder = Folder::new();
    folder.write("m.elbo", model());
    let info = folder.elbo("info m.elbo --json").json();
    for name in info["tables"].as_array().unwrap() {
        let text = folder.elbo(&format!("info m.elbo --table '{}'", name.as_str().unwrap())).ok();
        assert!(text.lines().count() >= 1 && text.contains(','), "{text}");
    }
}

#[test]
fn reproduce_prints_the_checks_and_writes_a_page() {
    let folder = Folder::new();
    let ran = folder.elbo("reproduce gpr --budget smoke --out out --json");
    assert!(ran.code == 0 || ran.code == 3, "{}", ran.err);
    let entries: Value = serde_json::from_str(&ran.out).unwrap();
    let entry = &entries[0];
    assert_has(entry, &["id", "budget", "seeds", "verdict", "seconds", "checks"]);
    assert_eq!((entry["id"].as_str(), entry["budget"].as_str()), (Some("gpr"), Some("smoke")));
    for check in entry["checks"].as_array().unwrap() {
        assert_eq!(keys(check), ["name", "value", "baseline", "threshold", "direction", "verdict"]);
    }
    assert_eq!(entry["verdict"] == "fails", ran.code == 3);
    let saved: Value = serde_json::from_slice(&folder.read("out/gpr/checks.json")).unwrap();
    assert_eq!(saved["checks"], entry["checks"]);
    assert!(String::from_utf8(folder.read("out/gpr/index.html")).unwrap().contains("The claim"));
}

#[test]
fn data_sets_and_recipes_are_listed() {
    let folder = Folder::new();
    let list = folder.elbo("data list --json").json();
    assert_has(
        &list["sets"][0],
        &["key", "about", "origin", "package", "licence", "may_be_shared", "rows", "dims", "target"],
    );
    assert_has(&list["recipes"][0], &["name", "about", "rows"]);
    assert!(folder.elbo("data list").ok().contains("two-moons"));
    let first = folder.elbo("data make spiral --seed 7 --out a.csv").ok();
    folder.elbo("data make spiral --seed 7 --out b.csv").ok();
    assert_eq!(first, "a.csv\n");
    assert_eq!(folder.read("a.csv"), folder.read("b.csv"), "the same seed gives the same bytes");
}

#[test]
fn update_absorbs_new_rows_into_a_saved_model() {
    let folder = Folder::new();
    let text = table(120);
    let lines: Vec<&str> = text.lines().skip(1).collect();
    // The stream moves along `a`: the second part is where the first has not been.
    let mut sorted = lines.clone();
    let a = |line: &str| line.split(',').next().unwrap().parse::<f64>().unwrap();
    sorted.sort_by(|p, q| a(p).total_cmp(&a(q)));
    let part = |rows: &[&str]| format!("a,b,y\n{}\n", rows.join("\n"));
    folder.write("one.csv", part(&sorted[..60]).as_bytes());
    folder.write("two.csv", part(&sorted[60..]).as_bytes());
    folder.elbo("fit memory-dual-gp one.csv --target y --set batches=3 --holdout 0 --out m.elbo").ok();
    let rmse = |model: &str, rows: &str| {
        folder.elbo(&format!("evaluate {model} {rows} --json")).json()["rmse"].as_f64().unwrap()
    };
    let before = folder.read("m.elbo");
    let updated = folder.elbo("update m.elbo two.csv --out new.elbo --json").json();
    assert_has(&updated, &["system", "model", "rows", "updates", "seconds", "warnings"]);
    assert_eq!((updated["rows"].as_u64(), updated["updates"].as_u64()), (Some(60), Some(1)));
    assert_eq!(folder.read("m.elbo"), before, "the old model is left alone");
    let (old, new) = (rmse("m.elbo", "two.csv"), rmse("new.elbo", "two.csv"));
    assert!(new < 0.5 * old && new < 0.3, "RMSE on the new rows: {old} before, {new} after");
    assert!(rmse("new.elbo", "one.csv") < 0.4, "the first rows are forgotten");
    let info = folder.elbo("info new.elbo --json").json();
    assert_eq!(info["updates"][0]["rows"], 60);
    assert_eq!(info["updates"][0]["source"], "two.csv");
    // A log of JSON lines, an object a row, holds the same rows and gives the same model.
    let object = |row: &&str| {
        let values: Vec<&str> = row.split(',').collect();
        format!("{{\"y\": {}, \"b\": {}, \"a\": {}}}\n", values[2], values[1], values[0])
    };
    folder.write("two.jsonl", sorted[60..].iter().map(object).collect::<String>().as_bytes());
    folder.elbo("update m.elbo two.jsonl --out lines.elbo").ok();
    let predicted = |model: &str| folder.elbo(&format!("predict {model} one.csv")).ok();
    assert_eq!(predicted("lines.elbo"), predicted("new.elbo"));
    // In place, and again.
    folder.elbo("update new.elbo one.csv --out new.elbo").ok();
    assert_eq!(folder.elbo("info new.elbo --json").json()["updates"].as_array().unwrap().len(), 2);
}

#[test]
fn update_refuses_columns_that_are_new_and_columns_in_another_unit() {
    let folder = Folder::new();
    let text = table(60);
    let with = |name: &str, cell: &dyn Fn(usize) -> String| {
        let lines = text.lines().enumerate().map(|(i, line)| match i {
            0 => format!("{name},{line}\n"),
            i => format!("{},{line}\n", cell(i)),
        });
        lines.collect::<String>()
    };
    folder.write("one.csv", with("id", &|i| format!("r{i}")).as_bytes());
    folder.write("plain.csv", text.as_bytes());
    folder.write("zz.csv", with("zz", &|i| i.to_string()).as_bytes());
    let scaled = text.lines().enumerate().map(|(i, line)| match line.split_once(',') {
        Some((a, rest)) if i > 0 => format!("{},{rest}\n", 1000.0 * a.parse::<f64>().unwrap()),
        _ => format!("{line}\n"),
    });
    folder.write("unit.csv", scaled.collect::<String>().as_bytes());
    folder.elbo("fit memory-dual-gp one.csv --target y --drop id --set batches=2 --set rounds=1 --out m.elbo").ok();
    for (rows, message) in [("zz.csv", "`zz`"), ("unit.csv", "`a` varies")] {
        let refused = folder.elbo(&format!("update m.elbo {rows} --out new.elbo"));
        assert_eq!(refused.code, 1, "{rows}: {}", refused.err);
        assert!(refused.err.contains(message), "{rows}: {}", refused.err);
        assert!(!folder.names().contains("new.elbo"), "{rows}");
    }
    folder.elbo("update m.elbo zz.csv --drop zz --out new.elbo").ok();
    // What the fit left out may be there or not.
    folder.elbo("update m.elbo one.csv --out new.elbo").ok();
    folder.elbo("update m.elbo plain.csv --out new.elbo").ok();
    // A pipe cannot be read again.
    if cfg!(unix) {
        let mut command = folder.command("update m.elbo /dev/stdin --out piped.elbo");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let ran = child.wait_with_output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
}

#[test]
fn update_reads_no_more_columns_than_a_system_needs() {
    let folder = Folder::with_table();
    folder.elbo("fit vbll t.csv --target y --set hidden=[4] --set steps=20 --holdout 0 --out m.elbo").ok();
    // A column that the fit had not, with empty cells.
    let lines: Vec<String> = table(20).lines().map(|line| format!("{line},")).collect();
    folder.write("more.csv", lines.join("\n").replacen("y,", "y,note", 1).as_bytes());
    let updated = folder.elbo("update m.elbo more.csv --out new.elbo --json").json();
    assert_eq!(updated["rows"], 20, "{updated}");
}

#[test]
fn a_series_is_forecast_and_its_components_are_drawn() {
    let folder = Folder::new();
    let mut text = String::from("t,y\n");
    for i in 0..90 {
        let t = f64::from(i);
        let noise = (f64::from(i * 7919 % 97) / 97.0 - 0.5) * 0.3;
        writeln!(text, "{t},{:.5}", 5.0 + 0.05 * t + (std::f64::consts::TAU * t / 12.0).sin() + noise).unwrap();
    }
    folder.write("s.csv", text.as_bytes());
    let fit = "fit markov-gp s.csv --time t --target y --set period=12 --set starts=1 --set iterations=20";
    folder.elbo(&format!("{fit} --out m.elbo --report r.html --figures drawn")).ok();
    let page = String::from_utf8(folder.read("r.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("NaN"), "no figure, or a NaN");
    for name in ["forecast", "component-1", "component-2", "component-3", "component-4"] {
        let drawing = String::from_utf8(folder.read(&format!("drawn/{name}.svg"))).unwrap();
        // A curve with its band, no empty frame.
        assert!(drawing.contains("class=\"band") && !drawing.contains("NaN"), "{name}");
    }
    // Two years after the last row, of which nothing but the times is known.
    let mut ahead = String::from("t\n");
    (90..114).for_each(|t| writeln!(ahead, "{t}").unwrap());
    folder.write("ahead.csv", ahead.as_bytes());
    let text = folder.elbo("predict m.elbo ahead.csv --level 0.9").ok();
    assert_eq!((text.lines().next(), text.lines().count()), (Some("mean,sd,lower,upper"), 25));
    for line in text.lines().skip(1) {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        let [mean, sd, lower, upper] = cells[..] else { panic!("{line}") };
        assert!((lower..upper).contains(&mean), "{line}");
        assert!((upper - lower - 2.0 * 1.6449 * sd).abs() < 1e-3 * sd, "{line}");
    }
}

#[test]
fn priors_are_named_on_the_command_line_and_shown() {
    let folder = Folder::with_table();
    let noise = |settings: &str| {
        let fitted = folder.elbo(&format!("fit gpr t.csv --target y {QUICK} {settings} --out m.elbo --json")).json();
        let info = folder.elbo("info m.elbo --json").json();
        let parameters = info["summary"]["parameters"].as_array().unwrap().clone();
        let noise = parameters.into_iter().find(|p| p[0] == "noise").unwrap();
        (noise[1].as_str().unwrap().parse::<f64>().unwrap(), noise[2].as_str().unwrap().to_owned(), fitted, info)
    };
    let (free, meaning, ..) = noise("");
    assert!(free < 0.1 && meaning == "learned", "{free}, {meaning}");
    let (held, meaning, fitted, info) = noise("--set 'priors.noise=normal_on_log(-0.5, 0.001)'");
    assert!((held - 0.607).abs() < 0.02, "{held}");
    assert_eq!(meaning, "learned, prior Normal(-0.5, 0.001) of the logarithm");
    assert!(fitted["metrics"]["log_prior"].is_f64(), "{fitted}");
    let text = info["summary"]["text"].as_str().unwrap();
    assert!(text.contains("without the Jacobian") && text.contains("noise ~ normal_on_log(-0.5, 0.001)"), "{text}");
    let (_, meaning, ..) = noise("--set priors=dimension_scaled");
    assert_eq!(meaning, "learned, prior LogNormal(-4, 1)");
    assert_eq!(folder.elbo("predict m.elbo t.csv").ok().lines().count(), 61);
    for (wrong, said) in [
        ("priors.noise=gama(1, 2)", "did you mean `gamma`"),
        ("priors.noise=gamma(1)", "gamma(shape, rate)"),
        ("priors.noize=gamma(1, 2)", "did you mean `noise`"),
        ("priors=flat", "dimension_scaled"),
    ] {
        let ran = folder.elbo(&format!("fit gpr t.csv --target y --set '{wrong}'"));
        assert!(ran.code == 2 && ran.err.contains(said), "{wrong}: {ran:?}");
    }
}
