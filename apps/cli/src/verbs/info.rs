//! `elbo info`: a system's page, or what a model file holds.

use crate::args::Info;
use crate::failure::Failure;
use crate::output::{columns, number, print, print_json};
use elbo::core::{AnySystem, Card, DataKind, Error, Model, ModelFile, Verb};
use elbo::schema::settings;
use elbo::{FitRecord, record_of};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// Runs the verb.
pub fn run(args: &Info, json: bool) -> Result<ExitCode, Failure> {
    let path = Path::new(&args.what);
    match elbo::find(&args.what) {
        Ok(_) if args.table.is_some() => {
            return Err(Failure::usage(
                "--table belongs to a model file",
                "give a model file instead of a system's id",
            ));
        }
        Ok(system) if json => print_json(&describe(system))?,
        Ok(system) => print(&page(system))?,
        Err(error) if !path.exists() && !looks_like_a_path(&args.what) => return Err(error.into()),
        Err(_) => model(path, args.table.as_deref(), json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn looks_like_a_path(text: &str) -> bool {
    text.contains(['/', '\\']) || text.ends_with(".elbo")
}

fn verbs(card: &Card) -> Vec<&'static str> {
    card.verbs.iter().map(|v| v.name()).collect()
}

fn describe(system: &'static dyn AnySystem) -> Value {
    let card = system.card();
    json!({
        "id": card.id,
        "title": card.title,
        "family": card.family,
        "kind": card.kind,
        "verbs": card.verbs,
        "input": system.needs(),
        "source": card.source,
        "validates_itself": card.validates_itself,
        "settings": settings(system),
        "schema": system.schema(),
        "example": example(system),
        "about": card.about,
    })
}

fn example(system: &dyn AnySystem) -> String {
    let kind = system.data_kind();
    let target = if kind.has_target() { " --target y" } else { "" };
    let data = match kind {
        DataKind::Photographs => "PHOTOS",
        DataKind::Scene => "SCENE",
        _ => "table.csv",
    };
    format!("elbo fit {} {data}{target} --report report.html", system.card().id)
}

fn page(system: &'static dyn AnySystem) -> String {
    let card = system.card();
    let mut text = format!("{}: {}\n", card.id, card.title);
    let validated =
        if card.validates_itself { "on its training rows, each predicted without itself" } else { "on held-out rows" };
    text.push_str(&columns(&[
        vec!["source".into(), card.source.into()],
        vec!["needs".into(), system.needs().into()],
        vec!["verbs".into(), verbs(card).join(" ")],
        vec!["scored".into(), validated.into()],
    ]));
    if let Some(what) = section(card.about, "What it is") {
        // A picture cannot be shown here.
        let shown: Vec<&str> = what.lines().filter(|line| !line.starts_with("![")).collect();
        text.push_str(&format!("\n{}\n", shown.join("\n").trim_end()));
    }
    text.push_str("\nSettings (--set key=value)\n");
    let all = settings(system);
    if all.is_empty() {
        text.push_str("  none\n");
    }
    for s in all {
        text.push_str(&format!("  {} = {}    {}\n", s.name, default(&s.default), s.values));
        text.push_str(&wrapped(&s.help, "      "));
    }
    text.push_str(&format!("\nExample\n  {}\n", example(system)));
    text
}

/// A default as `--set` reads it back. A part chosen by its type is shown by that alone: its other fields are that type's own.
fn default(value: &Value) -> String {
    match &value["type"] {
        Value::String(name) => name.clone(),
        _ if value.is_null() => "none".into(),
        _ => crate::settings::shown(value),
    }
}

/// The text under a heading of a page, up to the next heading.
fn section<'a>(page: &'a str, heading: &str) -> Option<&'a str> {
    let start = page.find(&format!("## {heading}"))?;
    let body = page[start..].split_once('\n')?.1;
    Some(body.split("\n## ").next().unwrap_or(body).trim())
}

fn wrapped(text: &str, indent: &str) -> String {
    let mut out = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.chars().count() + word.chars().count() + indent.len() > 98 && !line.is_empty() {
            out.push_str(&format!("{indent}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        out.push_str(&format!("{indent}{line}\n"));
    }
    out
}

fn model(path: &Path, table: Option<&str>, json: bool) -> Result<(), Failure> {
    let (card, model, file) = elbo::load_model(path)?;
    let record = record_of(&file)?;
    let tables = model.tables();
    if let Some(name) = table {
        let found = tables.iter().find(|t| t.name == name);
        let found = found.ok_or_else(|| Error::unknown("table", name, tables.iter().map(|t| t.name.as_str())))?;
        return if json { print_json(found) } else { print(&elbo_report::text::csv(found)) };
    }
    let names: Vec<&str> = tables.iter().map(|t| t.name.as_str()).collect();
    if json {
        return print_json(&contents(path, card, &file, &record, &names));
    }
    print(&shown(path, card, model.as_ref(), &file, &record, &names))
}

fn contents(path: &Path, card: &Card, file: &ModelFile, record: &FitRecord, tables: &[&str]) -> Value {
    let arrays: Vec<Value> = file
        .names()
        .map(|name| json!({"name": name, "shape": file.shape(name).expect("the name is the file's own")}))
        .collect();
    json!({
        "path": path.display().to_string(),
        "system": card.id,
        "title": card.title,
        "version": file.fact::<String>("version").unwrap_or_default(),
        "format": file.fact::<u64>("format").unwrap_or_default(),
        "verbs": card.verbs,
        "target": record.target,
        "inputs": crate::table::inputs(file, record),
        "seed": record.seed,
        "data": record.data,
        "reading": record.reading,
        "settings": record.settings,
        "config": record.config,
        "command": record.command,
        "summary": record.summary,
        "validation": record.validation,
        "warnings": record.warnings,
        "notes": record.notes,
        "updates": record.updates,
        "arrays": arrays,
        "tables": tables,
    })
}

fn shown(path: &Path, card: &Card, model: &dyn Model, file: &ModelFile, record: &FitRecord, tables: &[&str]) -> String {
    let summary = model.summary();
    let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
    let source = |d: &elbo::DataRecord| format!("{} ({} rows, digest {})", d.source, d.rows, short(&d.digest));
    let mut rows = vec![
        vec!["system".into(), format!("{}: {}", card.id, card.title)],
        vec!["version".into(), file.fact::<String>("version").unwrap_or_default()],
        vec!["data".into(), source(&record.data)],
    ];
    rows.extend(record.updates.iter().map(|u| vec!["update".into(), source(u)]));
    rows.extend(record.target.iter().map(|t| vec!["target".into(), t.clone()]));
    rows.push(vec!["inputs".into(), crate::table::inputs(file, record).join(", ")]);
    rows.push(vec!["seed".into(), record.seed.to_string()]);
    rows.extend(crate::output::found(&summary).map(|(name, value)| vec![name.clone(), number(*value)]));
    let mut text = format!("{}\n{}", path.display(), columns(&rows));
    if !summary.text.is_empty() {
        text.push_str(&format!("\n{}\n", summary.text));
    }
    if let Some(scored) = &record.validation {
        text.push_str(&format!("\nScores ({}, {} rows)\n", scored.method, scored.rows));
        text.push_str(&super::evaluate::shown(&scored.scores));
    }
    if !summary.relevance.is_empty() {
        let rows: Vec<Vec<String>> =
            summary.relevance.iter().map(|(n, v)| vec![format!("  {n}"), number(*v)]).collect();
        text.push_str(&format!("\nRelevance\n{}", columns(&rows)));
    }
    if !summary.parameters.is_empty() {
        let rows: Vec<Vec<String>> =
            summary.parameters.iter().map(|(n, v, m)| vec![format!("  {n}"), v.clone(), m.clone()]).collect();
        text.push_str(&format!("\nParameters\n{}", columns(&rows)));
    }
    if !tables.is_empty() {
        text.push_str(&format!("\nTables (--table NAME): {}\n", tables.join(", ")));
    }
    let offered: Vec<&str> =
        card.verbs.iter().filter(|v| !matches!(v, Verb::Fit | Verb::Reproduce)).map(|v| v.name()).collect();
    text.push_str(&format!(
        "\nVerbs: {}\nMade by: {}\n",
        if offered.is_empty() { "none".into() } else { offered.join(" ") },
        record.command
    ));
    record.warnings.iter().for_each(|w| text.push_str(&format!("Warning: {w}\n")));
    text
}
