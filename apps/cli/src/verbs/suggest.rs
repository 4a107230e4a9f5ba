//! `elbo suggest`: the next trials of an experiment, from its space and its history alone.

use super::fit::check_writable;
use crate::args::Suggest;
use crate::failure::Failure;
use crate::output::{columns, number, print, print_json, say};
use crate::progress::{Watcher, cancel_flag};
use crate::settings::{json as json_of, merge, quoted};
use crate::table::for_trials;
use elbo::core::read::read_text;
use elbo::core::{Array, Card, Data, Error, Figure, Mark, Model, Prediction, Run, Summary, Values};
use elbo::{Reading, record_of, refused};
use elbo_data::{Cells, write_table};
use elbo_report::{Card as KeyFigure, Report, Section};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::ExitCode;

/// What a file with a space may say.
const KEYS: [&str; 8] = ["target", "goal", "system", "seed", "variable", "limit", "constraint", "settings"];

/// An experiment, ready to be asked.
struct Asked {
    card: &'static Card,
    model: Box<dyn Model>,
    target: String,
    goal: String,
    seed: u64,
    run: Run,
    notes: Vec<String>,
}

/// Runs the verb.
pub fn run(args: &Suggest, json: bool) -> Result<ExitCode, Failure> {
    let mut inputs: Vec<&Path> = vec![&args.space];
    inputs.extend(args.history.as_deref().map(Path::new));
    for place in args.out.iter().chain(&args.report) {
        check_writable(place, &inputs)?;
    }
    let is_space = args.space.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    let mut asked = if is_space { from_space(args, json)? } else { from_model(args, json)? };
    asked.notes.iter().for_each(|note| say(json, note));
    let suggester = asked.model.as_suggest().ok_or_else(|| refused(asked.card, "suggest"))?;
    let suggestions = suggester.suggest(args.count as usize, &mut asked.run)?;
    let seconds = asked.run.elapsed().as_secs_f64();
    let summary = asked.model.summary();
    if let Some(out) = &args.out {
        write_table(Some(out), &cells(&suggestions))?;
    }
    if let Some(path) = &args.report {
        elbo_report::html::write(&report(args, &asked, &summary, &suggestions), path)?;
    }
    if json {
        print_json(&object(args, &asked, &summary, &suggestions, seconds))?;
    } else {
        print(&text(args, &asked, &summary, &suggestions))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Fits the surrogate to the history of a space.
fn from_space(args: &Suggest, json: bool) -> Result<Asked, Failure> {
    let table = read_space(&args.space)?;
    let word = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(toml::Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => {
            Err(Failure::usage(format!("`{key}` is {other}; expected a text"), format!("write {key} = \"...\"")))
        }
    };
    let target = args.target.clone().or(word("target")?).unwrap_or_else(|| "y".into());
    let goal = word("goal")?;
    let system = elbo::find(&args.system.clone().or(word("system")?).unwrap_or_else(|| "bo".into()))?;
    let card = system.card();
    let seed = match (args.seed, table.get("seed")) {
        (Some(seed), _) => seed,
        (None, Some(toml::Value::Integer(seed))) if *seed >= 0 => *seed as u64,
        (None, None) => 0,
        (None, Some(other)) => return Err(Failure::usage(format!("`seed` is {other}"), "give a whole number")),
    };
    let nothing = toml::Table::new();
    let own = match table.get("settings") {
        None => &nothing,
        Some(toml::Value::Table(settings)) => settings,
        Some(_) => return Err(Failure::usage("`settings` is not a table", "write [settings] and settings below it")),
    };
    let mut settings = merge(own, &args.set)?;
    let list = settings.as_object_mut().expect("merged settings are an object");
    if system.defaults().get("space").is_none() {
        return Err(refused(card, "suggest").into());
    }
    let Some(variables) = table.get("variable") else {
        return Err(Failure::usage(
            format!("{} names no variable", args.space.display()),
            "write one [[variable]] for each, with name, type, low and high or values",
        ));
    };
    list.insert("space".into(), json_of(variables.clone()));
    if let Some(goal) = &goal {
        list.entry("goal").or_insert_with(|| Value::String(goal.clone()));
    }
    if let Some(limits) = table.get("limit") {
        list.entry("limits").or_insert_with(|| json_of(limits.clone()));
    }
    if let Some(constraints) = table.get("constraint") {
        list.entry("constraints").or_insert_with(|| json_of(constraints.clone()));
    }
    let settings = system.check_config(&settings)?;
    let read = |path: &String| {
        let reading = Reading { delimiter: args.delimiter.clone(), ..Reading::default() };
        for_trials(path, &reading, Some(&target), Some(columns_of(&settings)))
    };
    let history = args.history.as_ref().map(read).transpose()?;
    // A history has no rows before its first trial.
    let data = history.filter(|data| data.rows() > 0).unwrap_or_else(|| Data {
        source: "no history".into(),
        arrays: vec![(target.clone(), Array::new(&[0], vec![]))],
        target: Some(target.clone()),
        ..Data::default()
    });
    let mut run = new_run(seed, json);
    let model = system.fit(&settings, &data, &mut run)?;
    let goal = settings["goal"].as_str().unwrap_or("minimise").to_owned();
    Ok(Asked { card, model, target, goal, seed, run, notes: data.notes })
}

/// A model that was fitted before.
fn from_model(args: &Suggest, json: bool) -> Result<Asked, Failure> {
    if args.history.is_some() || args.system.is_some() || args.target.is_some() || !args.set.is_empty() {
        return Err(Failure::usage(
            format!("{} is taken for a model, which brings its own history and settings", args.space.display()),
            "give the model alone, or a space in a file that ends in .toml",
        ));
    }
    let (card, model, file) = elbo::load_model(&args.space)?;
    let record = record_of(&file)?;
    let seed = args.seed.unwrap_or(record.seed);
    let goal = record.config["goal"].as_str().unwrap_or("minimise").to_owned();
    Ok(Asked {
        card,
        model,
        target: record.target.unwrap_or_default(),
        goal,
        seed,
        run: new_run(seed, json),
        notes: vec![],
    })
}

fn new_run(seed: u64, json: bool) -> Run {
    let mut watcher = Watcher::new(json);
    Run::new(seed).with_cancel(cancel_flag(json)).with_watcher(move |event| watcher.show(&event))
}

fn read_space(path: &Path) -> Result<toml::Table, Failure> {
    let text = read_text("cannot read the space", path)?;
    let table: toml::Table = toml::from_str(&text).map_err(|cause| {
        let line = cause.span().map(|s| text[..s.start.min(text.len())].matches('\n').count() + 1);
        let place = line.map(|l| format!(", line {l}")).unwrap_or_default();
        Failure::usage(
            format!("{}{place}: {}", path.display(), cause.message().trim()),
            "see `elbo info bo` for an example",
        )
    })?;
    match table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        Some(key) => Err(Error::unknown("key", key, KEYS).into()),
        None => Ok(table),
    }
}

/// The columns that an experiment's settings speak of, and the status.
fn columns_of(settings: &Value) -> Vec<String> {
    let names = |list: &str, key: &str| -> Vec<String> {
        let each = settings[list].as_array().into_iter().flatten();
        each.filter_map(|item| item[key].as_str().map(str::to_owned)).collect()
    };
    let mut all = names("space", "name");
    all.extend(names("limits", "column"));
    all.extend(["cost", "noise_column", "id"].iter().filter_map(|key| settings[*key].as_str().map(str::to_owned)));
    all.push(elbo::decide::history::STATUS.into());
    all
}

fn cells(data: &Data) -> Vec<(String, Cells)> {
    let column = |(name, array): &(String, Array)| {
        let cells = match &array.values {
            Values::Text { levels, codes } => {
                Cells::Text(codes.iter().map(|c| c.map_or_else(String::new, |c| levels[c as usize].clone())).collect())
            }
            _ => Cells::Numbers(array.to_f64().expect("only text is not numeric")),
        };
        (name.clone(), cells)
    };
    data.arrays.iter().map(column).collect()
}

/// The cells of a column as people read them; empty where there is no number.
fn shown(cells: &Cells) -> Vec<String> {
    match cells {
        Cells::Text(texts) => texts.clone(),
        Cells::Numbers(values) => {
            values.iter().map(|v| if v.is_finite() { number(*v) } else { String::new() }).collect()
        }
    }
}

fn metric(summary: &Summary, name: &str) -> Option<f64> {
    summary.metrics.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
}

fn object(args: &Suggest, asked: &Asked, summary: &Summary, suggestions: &Data, seconds: f64) -> Value {
    let columns = cells(suggestions);
    let cell = |cells: &Cells, row: usize| match cells {
        Cells::Numbers(v) => json!(v[row]),
        Cells::Text(v) => json!(v[row]),
    };
    let rows: Vec<Value> = (0..suggestions.rows())
        .map(|row| Value::Object(columns.iter().map(|(n, c)| (n.clone(), cell(c, row))).collect::<Map<_, _>>()))
        .collect();
    let best = metric(summary, "best").zip(metric(summary, "best_row"));
    json!({
        "system": asked.card.id,
        "target": asked.target,
        "goal": asked.goal,
        "seed": asked.seed,
        "trials": {
            "measured": metric(summary, "measured"),
            "pending": metric(summary, "pending"),
            "failed": metric(summary, "failed"),
        },
        "best": best.map(|(value, row)| json!({"value": value, "row": row})),
        "columns": columns.iter().map(|(n, _)| n).collect::<Vec<_>>(),
        "suggestions": rows,
        "seconds": seconds,
        "warnings": asked.run.warnings(),
        "notes": asked.notes,
        "out": args.out.as_ref().map(|p| p.display().to_string()),
        "report": args.report.as_ref().map(|p| p.display().to_string()),
    })
}

fn text(args: &Suggest, asked: &Asked, summary: &Summary, suggestions: &Data) -> String {
    let mut text = format!("{}\n", headline(asked, summary));
    let all = cells(suggestions);
    // Reasons are sentences: they stand below the table.
    let (why, table): (Vec<_>, Vec<_>) = all.iter().partition(|(name, _)| name == "why");
    let mut rows = vec![std::iter::once(String::new()).chain(table.iter().map(|(n, _)| n.clone())).collect::<Vec<_>>()];
    let shown_columns: Vec<Vec<String>> = table.iter().map(|(_, c)| shown(c)).collect();
    for row in 0..suggestions.rows() {
        rows.push(
            std::iter::once(format!("{}", row + 1)).chain(shown_columns.iter().map(|c| c[row].clone())).collect(),
        );
    }
    text.push_str(&columns(&rows));
    for (_, cells) in why {
        shown(cells).iter().enumerate().for_each(|(row, reason)| text.push_str(&format!("{}: {reason}\n", row + 1)));
    }
    for (what, path) in [("written to", &args.out), ("report:", &args.report)] {
        if let Some(path) = path {
            text.push_str(&format!("{what} {}\n", path.display()));
        }
    }
    text
}

/// How far the experiment is, in a line.
fn headline(asked: &Asked, summary: &Summary) -> String {
    let count = |name: &str| metric(summary, name).unwrap_or(0.0) as usize;
    let mut line = match metric(summary, "best").zip(metric(summary, "best_row")) {
        Some((best, row)) => format!(
            "best {} so far: {} (row {row}) after {} measured trials",
            asked.target,
            number(best),
            count("measured")
        ),
        None => format!("{} measured trials", count("measured")),
    };
    for name in ["pending", "failed"] {
        if count(name) > 0 {
            line.push_str(&format!(", {} {name}", count(name)));
        }
    }
    line
}

fn report(args: &Suggest, asked: &Asked, summary: &Summary, suggestions: &Data) -> Report {
    let count = |name: &str| metric(summary, name).unwrap_or(0.0);
    let mut cards = vec![];
    if let Some(best) = metric(summary, "best") {
        let row = metric(summary, "best_row").unwrap_or(0.0);
        cards.push(KeyFigure::new(
            format!("best {}", asked.target),
            number(best),
            format!("row {row}; the goal is to {}", asked.goal),
        ));
    }
    cards.push(KeyFigure::new("measured", number(count("measured")), "trials with a value"));
    cards.push(KeyFigure::new("pending", number(count("pending")), "trials without a value yet"));
    cards.push(KeyFigure::new("failed", number(count("failed")), "trials that gave none"));

    let all = cells(suggestions);
    let mut next = elbo::core::Table {
        name: "suggestions".into(),
        caption: "The trials to make next, and why.".into(),
        ..Default::default()
    };
    next.columns = std::iter::once("trial".to_owned()).chain(all.iter().map(|(n, _)| n.clone())).collect();
    let shown_columns: Vec<Vec<String>> = all.iter().map(|(_, c)| shown(c)).collect();
    for row in 0..suggestions.rows() {
        next.push(std::iter::once((row + 1).to_string()).chain(shown_columns.iter().map(|c| c[row].clone())).collect());
    }
    let of_run = asked.run.figures();
    let pick = |wanted: &dyn Fn(&str) -> bool, from: &[Figure]| {
        from.iter().filter(|f| wanted(&f.name)).cloned().collect::<Vec<_>>()
    };
    let own = asked.model.figures();
    let slices = pick(&|n| n.starts_with("slice-"), of_run);
    let slices = if slices.is_empty() { pick(&|n| n.starts_with("slice-"), &own) } else { slices };
    let mut check: Vec<Figure> =
        asked.model.validation().and_then(|v| left_out(&asked.target, v.observed, &v.prediction)).into_iter().collect();
    if !summary.relevance.is_empty() {
        let (names, values) = summary.relevance.iter().cloned().unzip();
        check.insert(
            0,
            Figure {
                name: "relevance".into(),
                caption:
                    "How fast the target is believed to vary with each variable over its range: inverse lengthscales."
                        .into(),
                marks: vec![Mark::Bars { names, values }],
                ..Figure::default()
            },
        );
    }
    let section = |heading: &str, text: &str, figures: Vec<Figure>, tables: Vec<elbo::core::Table>| Section {
        heading: heading.into(),
        text: if text.is_empty() { vec![] } else { vec![text.into()] },
        figures,
        facts: vec![],
        tables,
    };
    let sections = vec![
        section("Next trials", "", pick(&|n| n == "expected", of_run), vec![next]),
        section("Progress", "", pick(&|n| n == "progress", &own), asked.model.tables()),
        section(
            "What is believed",
            "Slices of the surrogate: its mean and where 95 % of the probability lies. Trials are drawn at their own values of the variable; they lie elsewhere in the others, so the curve need not meet them.",
            slices,
            vec![],
        ),
        section("Can it be believed?", "", check, vec![]),
        Section {
            heading: "Surrogate".into(),
            facts: crate::output::found(summary).map(|(n, v)| (n.clone(), number(*v))).collect(),
            ..Section::default()
        },
    ];
    let mut command = format!("elbo suggest {}", quoted(&args.space.display().to_string()));
    if let Some(history) = &args.history {
        command.push_str(&format!(" {}", quoted(history)));
    }
    command.push_str(&format!(" --count {} --seed {}", args.count, asked.seed));
    if let Some(system) = &args.system {
        command.push_str(&format!(" --system {system}"));
    }
    if let Some(target) = &args.target {
        command.push_str(&format!(" --target {}", quoted(target)));
    }
    if let Some(delimiter) = &args.delimiter {
        command.push_str(&format!(" --delimiter {}", quoted(delimiter)));
    }
    args.set.iter().for_each(|pair| command.push_str(&format!(" --set {}", quoted(pair))));
    Report {
        title: format!("Next trials for {}", asked.target),
        subtitle: format!("{} · {}", asked.card.id, asked.card.title),
        headline: headline(asked, summary),
        verdict: vec![summary.text.clone()],
        warnings: asked.run.warnings().to_vec(),
        cards,
        sections: sections.into_iter().filter(|s| !s.is_empty()).collect(),
        facts: vec![
            ("elbo".into(), env!("CARGO_PKG_VERSION").into()),
            ("system".into(), format!("{} ({})", asked.card.id, asked.card.source)),
            ("seed".into(), asked.seed.to_string()),
        ],
        command,
        ..Report::default()
    }
}

/// Each trial predicted from the others, against its value.
fn left_out(target: &str, observed: Vec<f64>, prediction: &Prediction) -> Option<Figure> {
    let Prediction::Numbers(m) = prediction else { return None };
    let mean: Vec<f64> = (0..m.len()).map(|i| m.mean(i)).collect();
    let (lower, upper): (Vec<f64>, Vec<f64>) = (0..m.len()).map(|i| m.interval(i, 0.95)).unzip();
    let inside = (0..m.len()).filter(|i| (lower[*i]..=upper[*i]).contains(&observed[*i])).count();
    let ends = vec![
        observed.iter().copied().fold(f64::INFINITY, f64::min),
        observed.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    ];
    Some(Figure {
        name: "left-out".into(),
        caption: format!(
            "Each trial predicted from the others, with 95 % intervals, which hold {inside} of {} values.",
            m.len()
        ),
        x_label: format!("{target}, measured"),
        y_label: format!("{target}, predicted"),
        marks: vec![
            Mark::Line { label: "equal".into(), x: ends.clone(), y: ends, dashed: true },
            Mark::Points { label: "trials".into(), x: observed, y: mean, lower, upper },
        ],
        ..Figure::default()
    })
}
