//! `elbo codec fit-entropy`: which entropy model suits given integers.

use super::fit::check_writable;
use crate::args::{Codec, CodecVerb};
use crate::failure::Failure;
use crate::output::{columns, number, print, print_json, say};
use elbo::codec::compare::{Comparison, Fitted, compare};
use elbo::core::Error;
use elbo_data::{Cells, ReadOptions, read, write_table};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// Runs the verb.
pub fn run(args: &Codec, json: bool) -> Result<ExitCode, Failure> {
    let CodecVerb::FitEntropy { data, out } = &args.verb;
    fit_entropy(data, out.as_deref(), json)?;
    Ok(ExitCode::SUCCESS)
}

fn fit_entropy(path: &Path, out: Option<&Path>, json: bool) -> Result<(), Failure> {
    if let Some(out) = out {
        check_writable(out, &[path])?;
    }
    let data = read(path, &ReadOptions::default())?;
    data.notes.iter().for_each(|note| say(json, note));
    let mut values = vec![];
    for (name, array) in &data.arrays {
        let numbers = array.to_f64();
        values.extend(numbers.ok_or_else(|| {
            Error::data(format!("`{name}` holds text"), "give quantised residuals, whole numbers about a mean of zero")
        })?);
    }
    let found = compare(&values)?;
    if let Some(out) = out {
        write_table(Some(out), &table(&found.models))?;
    }
    if json {
        let out = out.map(|out| out.display().to_string());
        return print_json(&json!({
            "count": found.count,
            "models": found.models,
            "entropy": found.entropy,
            "out": out,
        }));
    }
    print(&text(&found))
}

/// The models as columns; a cell is empty where a model has no such number.
fn table(models: &[Fitted]) -> Vec<(String, Cells)> {
    let numbers = |of: fn(&Fitted) -> Option<f64>| {
        Cells::Numbers(models.iter().map(|model| of(model).unwrap_or(f64::NAN)).collect())
    };
    vec![
        ("model".into(), Cells::Text(models.iter().map(|model| model.model.to_owned()).collect())),
        ("bits".into(), numbers(|model| Some(model.bits))),
        ("bits_in_file".into(), numbers(|model| model.bits_in_file)),
        ("scale".into(), numbers(|model| model.scale)),
        ("shape".into(), numbers(|model| model.shape)),
    ]
}

fn text(found: &Comparison) -> String {
    let bits = |value: f64| format!("{value:.4}");
    let mut rows = vec![["model", "bits", "scale", "shape"].map(str::to_owned).to_vec()];
    for model in &found.models {
        let shown = |value: Option<f64>| value.map_or_else(String::new, number);
        rows.push(vec![model.model.into(), bits(model.bits), shown(model.scale), shown(model.shape)]);
        if let Some(in_file) = model.bits_in_file {
            rows.push(vec![format!("{} in a file", model.model), bits(in_file), String::new(), String::new()]);
        }
    }
    rows.push(vec!["entropy".into(), bits(found.entropy), String::new(), String::new()]);
    format!("bits an integer, {} integers\n{}", found.count, columns(&rows))
}
