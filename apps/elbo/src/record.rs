//! Where a model came from: stored in its file under one key, so that a file explains itself and a fit can be repeated.

use crate::registry::{find, systems};
use elbo_core::{Array, Card, Data, Error, Model, ModelFile, Result, Summary, Task};
use elbo_dist::scores::TargetNormal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The key of the record in a model file and in a checkpoint.
const KEY: &str = "fit";

/// How a table was read: what must be repeated to get the same rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// The delimiter, where the user named one.
    pub delimiter: Option<String>,
    /// Columns left out.
    pub drop: Vec<String>,
    /// Columns taken as text although they hold numbers.
    pub categorical: Vec<String>,
    /// Whether rows with missing cells are left out.
    pub drop_missing: bool,
    /// Whether they are refused even by systems that can make use of them.
    pub refuse_missing: bool,
    /// The task, where it was named or chosen.
    pub task: Option<Task>,
    /// Share of rows kept back for scoring; `None` where the model validates itself or rows are few.
    pub holdout: Option<f64>,
}

/// Identity of a data file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DataRecord {
    /// The path as given.
    pub source: String,
    /// Rows read, those kept back included.
    pub rows: usize,
    /// SHA-256 over names, shapes and cells.
    pub digest: String,
}

/// Scores on rows the model had not seen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Scored {
    /// How, in words: "leave-one-out", "held-out rows".
    pub method: String,
    /// Number of rows scored.
    pub rows: usize,
    /// The scores by name, as `evaluate --json` prints them.
    pub scores: Value,
}

/// Everything about a fit besides the model itself. Holds no time of day, so that the same fit gives the same file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FitRecord {
    /// Settings as the user gave them.
    pub settings: Value,
    /// All settings, defaults filled in.
    pub config: Value,
    /// The columns of the table besides the target, as they were read.
    pub columns: Vec<String>,
    /// Widths `D` of those that are matrices `[N, D]`, whose columns are named `x[0]`, `x[1]` and so on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub widths: BTreeMap<String, usize>,
    /// The target column.
    pub target: Option<String>,
    /// The normal of a numeric target in the table that was read, rows kept back included; missing values aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_normal: Option<TargetNormal>,
    /// Whether the target's classes, `False` and `True`, were truth values where the fit was asked for, and no texts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_truth_values: bool,
    /// The seed.
    pub seed: u64,
    /// The training data.
    pub data: DataRecord,
    /// How they were read.
    pub reading: Reading,
    /// The command that repeats the fit.
    pub command: String,
    /// What the fit found.
    pub summary: Summary,
    /// Scores on unseen rows.
    pub validation: Option<Scored>,
    /// What the user was warned of.
    pub warnings: Vec<String>,
    /// What the user was told about the data.
    pub notes: Vec<String>,
    /// Rows absorbed later, in order.
    pub updates: Vec<DataRecord>,
}

impl FitRecord {
    /// The same with the columns of this table, and `target` for its target, with its normal where it is numeric and varies.
    pub fn with_columns(self, data: &Data, target: Option<String>) -> Self {
        let inputs = || data.arrays.iter().filter(|(name, _)| Some(name) != target.as_ref());
        let width = |(name, array): &(String, Array)| match array.shape.as_slice() {
            [_, width] => Some((name.clone(), *width)),
            _ => None,
        };
        let (columns, widths) =
            (inputs().map(|(name, _)| name.clone()).collect(), inputs().filter_map(width).collect());
        let known = |y: Vec<f64>| y.into_iter().filter(|v| v.is_finite()).collect::<Vec<f64>>();
        let numbers = target.as_ref().and_then(|name| data.get(name).ok()?.to_f64());
        let target_normal = numbers.and_then(|y| TargetNormal::of(&known(y)).ok());
        Self { columns, widths, target, target_normal, ..self }
    }

    /// A file of this system that holds the record and nothing else yet: the head of a checkpoint.
    pub fn header(&self, system: &str) -> ModelFile {
        let mut file = ModelFile::new(system);
        file.set(KEY, self);
        file
    }

    /// Notes that the model has absorbed further rows, and what was found then.
    pub fn absorb(&mut self, rows: DataRecord, summary: Summary, warnings: &[String]) {
        self.updates.push(rows);
        self.summary = summary;
        let fresh: Vec<String> = warnings.iter().filter(|w| !self.warnings.contains(w)).cloned().collect();
        self.warnings.extend(fresh);
    }
}

/// Writes a model with its record.
///
/// # Errors
/// [`Error::File`] when the place cannot be written, and those of [`Model::save`].
pub fn write_model(path: &Path, system: &str, model: &dyn Model, record: &FitRecord) -> Result<()> {
    let mut file = record.header(system);
    model.save(&mut file)?;
    file.write(path)
}

/// The record of a model file or a checkpoint.
///
/// # Errors
/// [`Error::ModelFile`] when there is none.
pub fn record_of(file: &ModelFile) -> Result<FitRecord> {
    file.fact(KEY)
}

/// Opens a model file: the system's card, the model, and the file with its facts.
///
/// # Errors
/// [`Error::File`] when it cannot be read, and those of [`rebuild`].
pub fn load_model(path: &Path) -> Result<(&'static Card, Box<dyn Model>, ModelFile)> {
    let file = ModelFile::read(path)?;
    let (card, model) = rebuild(&file)?;
    Ok((card, model, file))
}

/// The model of a file that was read: the system's card and the model.
///
/// # Errors
/// [`Error::ModelFile`] when it is damaged, foreign, of a newer format, of a system this program does not have, or a checkpoint.
pub fn rebuild(file: &ModelFile) -> Result<(&'static Card, Box<dyn Model>)> {
    if file.has("checkpoint.stage") {
        return Err(Error::model_file(
            "this is a checkpoint of an unfinished fit, not a model",
            "finish it with `elbo fit --resume CHECKPOINT`",
        ));
    }
    let system = find(file.system()).map_err(|_| {
        let known: Vec<&str> = systems().iter().map(|s| s.card().id).collect();
        Error::model_file(
            format!("the model file is of system `{}`, which this program does not have", file.system()),
            format!("use the version that wrote it; this one has: {}", known.join(", ")),
        )
    })?;
    Ok((system.card(), system.load(file)?))
}

/// A verb that the system's models do not have.
pub fn refused(card: &Card, verb: &str) -> Error {
    // A verb of the card that this one of the system's models cannot do is not among those it offers.
    let offered: Vec<&str> = card.verbs.iter().map(|v| v.name()).filter(|name| *name != verb).collect();
    Error::Verb { system: card.id.into(), verb: verb.into(), offered: offered.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_that_a_model_lacks_is_not_among_those_it_offers() {
        let text = refused(find("infovae").unwrap().card(), "evaluate").to_string();
        assert!(text.contains("encode") && text.matches("evaluate").count() == 1, "{text}");
    }

    #[test]
    fn a_record_tells_matrices_from_columns_and_survives_its_file() {
        let arrays = [("a", vec![2]), ("x", vec![2, 3]), ("image", vec![2, 1, 1]), ("y", vec![2])];
        let arrays =
            arrays.map(|(name, shape)| (name.to_owned(), Array::new(&shape, vec![0.5; shape.iter().product()])));
        let data = Data { arrays: arrays.into(), ..Data::default() };
        let record = FitRecord::default().with_columns(&data, Some("y".into()));
        assert_eq!(record.columns, ["a", "x", "image"]);
        assert_eq!(record.widths, BTreeMap::from([("x".to_owned(), 3)]));
        assert_eq!(record.target_normal, None, "a constant target has none");
        assert_eq!(record_of(&record.header("test")).unwrap(), record);
        let plain = FitRecord { widths: BTreeMap::new(), ..record };
        let text = serde_json::to_string(&plain).unwrap();
        let is_new = ["widths", "has_truth_values"].iter().any(|name| text.contains(name));
        assert!(!is_new, "files of plain tables stay as they were: {text}");
        assert_eq!(record_of(&plain.header("test")).unwrap(), plain);
        let truths = FitRecord { has_truth_values: true, ..plain };
        assert_eq!(record_of(&truths.header("test")).unwrap(), truths);
    }

    #[test]
    fn a_record_knows_the_normal_of_a_numeric_target() {
        let y = Array::new(&[4], vec![1.0, f64::NAN, 3.0, 5.0]);
        let data = Data { arrays: vec![("y".into(), y)], ..Data::default() };
        let record = FitRecord::default().with_columns(&data, Some("y".into()));
        let normal = record.target_normal.unwrap();
        assert!((normal.mean - 3.0).abs() < 1e-14 && (normal.sd - (8f64 / 3.0).sqrt()).abs() < 1e-14, "{normal:?}");
        assert_eq!(record_of(&record.header("test")).unwrap(), record);
    }
}
