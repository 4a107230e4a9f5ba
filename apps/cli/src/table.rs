//! Reading tables: the options of the command line, and those that a model brings along.

use crate::args;
use crate::failure::Failure;
use elbo::core::{Columns, Data, Error, ModelFile};
use elbo::{FitRecord, Reading};
use elbo_data::{MissingPolicy, ReadOptions};
use serde_json::Value;
use std::path::Path;

/// The part of a record that says how a table is read.
pub fn reading(given: &args::Reading) -> Result<Reading, Failure> {
    delimiter(given.delimiter.as_deref())?;
    Ok(Reading {
        delimiter: given.delimiter.clone(),
        drop: given.drop.clone(),
        categorical: given.categorical.clone(),
        drop_missing: given.missing == Some(args::Missing::Drop),
        refuse_missing: given.missing == Some(args::Missing::Error),
        ..Reading::default()
    })
}

fn delimiter(text: Option<&str>) -> Result<Option<u8>, Failure> {
    match text {
        None => Ok(None),
        Some("tab" | "\\t") => Ok(Some(b'\t')),
        Some(text) if text.len() == 1 && !text.as_bytes()[0].is_ascii_alphanumeric() && text != "\"" => {
            Ok(Some(text.as_bytes()[0]))
        }
        Some(text) => Err(Failure::usage(
            format!("`{text}` cannot separate cells"),
            "give one character such as --delimiter ';', or --delimiter tab",
        )),
    }
}

/// Reads a table to fit. `takes_missing`: whether the system says itself what it makes of empty cells. `settings` name the column of times,
/// where there is one: it may hold dates.
pub fn for_fit(
    path: &str,
    reading: &Reading,
    target: Option<&str>,
    takes_missing: bool,
    settings: &Value,
) -> Result<Data, Failure> {
    let options = ReadOptions {
        target: target.map(str::to_owned),
        missing: policy(reading, takes_missing),
        drop: reading.drop.clone(),
        categorical: reading.categorical.clone(),
        times: times(settings),
        delimiter: delimiter(reading.delimiter.as_deref())?,
        ..ReadOptions::default()
    };
    Ok(elbo_data::read(Path::new(path), &options)?)
}

/// Reads the history of an experiment: cells may be empty, since trials may be pending.
///
/// Where `keep` is given, only these columns and the target are read; others may hold anything. There may be no rows then: what may be varied is known
/// without them.
pub fn for_trials(
    path: &str,
    reading: &Reading,
    target: Option<&str>,
    keep: Option<Vec<String>>,
) -> Result<Data, Failure> {
    let options = ReadOptions {
        target: target.map(str::to_owned),
        missing: policy(reading, true),
        drop: reading.drop.clone(),
        may_be_empty: keep.is_some(),
        keep,
        categorical: reading.categorical.clone(),
        delimiter: delimiter(reading.delimiter.as_deref())?,
        ..ReadOptions::default()
    };
    Ok(elbo_data::read(Path::new(path), &options)?)
}

/// Reads rows for a model: its input columns, and its target where `with_target`. Other columns may hold anything.
pub fn for_model(
    path: &str,
    given: &args::Reading,
    file: &ModelFile,
    record: &FitRecord,
    with_target: bool,
) -> Result<Data, Failure> {
    let separator = delimiter(given.delimiter.as_deref())?;
    Ok(known(path, given, file, record, with_target, separator, None)?)
}

/// Reads rows for a model to absorb: all of their columns but those that were left out of the fit, which may be there or not, so that the system can
/// tell what is new.
pub fn for_update(path: &str, given: &args::Reading, file: &ModelFile, record: &FitRecord) -> Result<Data, Failure> {
    let separator = delimiter(given.delimiter.as_deref())?;
    Ok(known(path, given, file, record, true, separator, Some(&record.reading.drop))?)
}

/// As [`for_model`]; all columns but these where `left_out` is given.
fn known(
    path: &str,
    given: &args::Reading,
    file: &ModelFile,
    record: &FitRecord,
    with_target: bool,
    separator: Option<u8>,
    left_out: Option<&[String]>,
) -> Result<Data, Error> {
    let target = record.target.as_deref().filter(|_| with_target);
    let keep = inputs(file, record);
    let mut categorical = given.categorical.clone();
    categorical.extend(
        record
            .reading
            .categorical
            .iter()
            .filter(|c| keep.contains(c) && !categorical.contains(c))
            .cloned()
            .collect::<Vec<_>>(),
    );
    let options = ReadOptions {
        target: target.map(str::to_owned),
        missing: match given.missing {
            Some(args::Missing::Drop) => MissingPolicy::Drop,
            Some(args::Missing::Error) => MissingPolicy::Error,
            None => untold(elbo::find(file.system()).is_ok_and(|system| system.takes_missing())),
        },
        drop: given.drop.clone(),
        spare: left_out.unwrap_or_default().to_vec(),
        keep: left_out.is_none().then_some(keep),
        categorical,
        times: times(&record.settings),
        delimiter: separator,
        ..ReadOptions::default()
    };
    elbo_data::read(Path::new(path), &options).map_err(|error| match error {
        Error::Unknown { what: "column", name, remedy } if Some(name.as_str()) == target => Error::data(
            format!("column `{name}`, the model's target, is not in {path}"),
            format!("scoring needs the observed values; add the column, or use `elbo predict`; {remedy}"),
        ),
        Error::Unknown { what: "column", name, remedy } if record.reading.categorical.contains(&name) => Error::data(
            format!("input column `{name}`, which the model was fitted with, is not in {path}"),
            format!("add the column, or rename the one that holds it; {remedy}"),
        ),
        other => other,
    })
}

/// The arrays a model reads: those it says it encodes, else those it was fitted to.
pub fn inputs(file: &ModelFile, record: &FitRecord) -> Vec<String> {
    let Ok(columns) = file.fact::<Columns>("columns") else { return record.columns.clone() };
    let array = |name: &str| match name.rsplit_once('[') {
        // The columns of a matrix are named `x[0]`, `x[1]`; the file holds the matrix.
        Some((stem, _)) if name.ends_with(']') && record.columns.iter().any(|c| c == stem) => stem.to_owned(),
        _ => name.to_owned(),
    };
    let mut names: Vec<String> = columns.inputs.iter().map(|c| array(&c.name)).collect();
    names.dedup();
    names
}

/// The column of times that these settings name.
fn times(settings: &Value) -> Vec<String> {
    settings["time"].as_str().map(str::to_owned).into_iter().collect()
}

/// What happens to rows with missing cells: what the user says, else what suits the system.
fn policy(reading: &Reading, takes_missing: bool) -> MissingPolicy {
    match (reading.drop_missing, reading.refuse_missing) {
        (true, _) => MissingPolicy::Drop,
        (_, true) => MissingPolicy::Error,
        _ => untold(takes_missing),
    }
}

/// What happens to rows with missing cells where the user does not say.
fn untold(takes_missing: bool) -> MissingPolicy {
    if takes_missing { MissingPolicy::Keep } else { MissingPolicy::Error }
}
