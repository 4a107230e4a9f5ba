//! Systems: what there is, their settings, reading data, and fitting.

use crate::arrays::{Given, Taken, data, taken};
use crate::error::raised;
use crate::model::{Kept, Model};
use crate::work::{Finished, Order, unlocked, work};
use elbo::core::{self, Data, Error, FromData, Run};
use elbo::{DataRecord, FitRecord, Task};
use pyo3::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Settings as JSON. Python's own encoder wrote them.
pub fn parsed(settings: &str) -> Result<Value, Error> {
    serde_json::from_str(settings)
        .map_err(|cause| Error::data(format!("the settings are no JSON: {cause}"), "give plain values"))
}

/// A part of a model from its settings as JSON; `what` names it in the message.
pub fn of_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|cause| Error::Setting {
        setting: what.into(),
        found: text.into(),
        expected: cause.to_string().into(),
    })
}

/// All systems, as JSON: cards, what they need, settings in words.
#[pyfunction]
pub fn systems() -> String {
    let described = |system: &&dyn core::AnySystem| {
        let (card, kind) = (system.card(), system.data_kind());
        json!({
            "id": card.id,
            "title": card.title,
            "family": card.family,
            "kind": card.kind,
            "verbs": card.verbs,
            "source": card.source,
            "about": card.about,
            "needs": system.needs(),
            "data": format!("{kind:?}").to_lowercase(),
            "classes": system.needs() == core::Supervised::NEEDS || system.needs() == core::Classification::NEEDS,
            "numbers": kind.has_target() && system.needs() != core::Classification::NEEDS,
            "settings": elbo::schema::settings(*system),
        })
    };
    Value::from(elbo::systems().iter().map(described).collect::<Vec<_>>()).to_string()
}

/// Checks settings of a system; returns all of them, defaults filled in, as JSON.
#[pyfunction]
pub fn check(py: Python<'_>, id: &str, settings: &str) -> PyResult<String> {
    let checked = unlocked(py, || elbo::find(id)?.check_config(&parsed(settings)?))?;
    Ok(raised(py, checked)?.to_string())
}

/// Reads a file, or a folder of pictures or of a scene: notes and arrays.
#[pyfunction]
#[pyo3(signature = (path, target=None, any_size=false, keep_missing=false))]
pub fn read(
    py: Python<'_>,
    path: PathBuf,
    target: Option<String>,
    any_size: bool,
    keep_missing: bool,
) -> PyResult<(Vec<String>, Vec<Taken>)> {
    use elbo::data::{MissingPolicy, ReadOptions};
    let missing = if keep_missing { MissingPolicy::Keep } else { MissingPolicy::Error };
    let options = ReadOptions { target, missing, ..ReadOptions::default() };
    let file: &Path = &path;
    let job = |_: &mut Run| if any_size { elbo::data::read_pictures(file) } else { elbo::data::read(file, &options) };
    let data = work(py, Order::default(), job)?.value;
    Ok((data.notes.clone(), taken(py, &data)))
}

/// Fits a system: the model, and as JSON what the run has to tell. The fit learns nothing from the rows that are held out. Whether the
/// target's classes are truth values is only noted, for who reads the model's file.
#[pyfunction]
#[pyo3(signature = (id, settings, arrays, target, task, source, seed, max_time, watcher, held_out=None, has_truth_values=false))]
pub fn fit(
    py: Python<'_>,
    id: &str,
    settings: &str,
    arrays: Vec<Given>,
    target: Option<String>,
    task: Option<&str>,
    source: String,
    seed: u64,
    max_time: Option<f64>,
    watcher: Option<Py<PyAny>>,
    held_out: Option<Vec<Given>>,
    has_truth_values: bool,
) -> PyResult<(Model, String)> {
    let system = raised(py, elbo::find(id))?;
    let settings = raised(py, parsed(settings))?;
    let config = raised(py, unlocked(py, || system.check_config(&settings))?)?;
    let held_out = held_out.map(|rows| data(rows, target.clone(), "held-out rows".into())).transpose()?;
    let data = data(arrays, target, source)?;
    let data_record = identity(py, &data)?;
    let record = FitRecord { config, seed, data: data_record, settings, has_truth_values, ..FitRecord::default() };
    let mut record = record.with_columns(&data, data.target.clone());
    record.reading.task = task_named(task);
    let data = match record.reading.task {
        Some(task) => raised(py, data.with_task(task))?,
        None => data,
    };
    let order = Order { seed, max_time, held_out, watcher, ..Order::default() };
    let done = work(py, order, |run| system.fit(&record.settings, &data, run))?;
    record.summary = done.value.summary();
    record.warnings = done.run.warnings().to_vec();
    let told = told(&done);
    let kept = Kept::new(data, done.run);
    Ok((Model { card: system.card(), model: done.value, record, kept }, told))
}

/// What suits a table, as the program's `fit auto` chooses: a system's id, the task, and the reasons in words. A `task` that is
/// given is kept.
#[pyfunction]
#[pyo3(signature = (arrays, target, task=None))]
pub fn auto(
    py: Python<'_>,
    arrays: Vec<Given>,
    target: String,
    task: Option<&str>,
) -> PyResult<(&'static str, &'static str, Vec<String>)> {
    let data = data(arrays, Some(target), "memory".into())?;
    let task = task_named(task);
    let choice = raised(py, unlocked(py, || elbo::auto(&data, task))?)?;
    let task = match choice.task {
        Task::Regression => "regression",
        Task::Classification => "classification",
    };
    Ok((choice.id, task, choice.reasons))
}

/// A task by its name.
fn task_named(name: Option<&str>) -> Option<Task> {
    match name {
        Some("regression") => Some(Task::Regression),
        Some("classification") => Some(Task::Classification),
        _ => None,
    }
}

/// What identifies a data set in a record.
pub fn identity(py: Python<'_>, data: &Data) -> PyResult<DataRecord> {
    let digest = unlocked(py, || data.digest())?;
    Ok(DataRecord { source: data.source.clone(), rows: data.rows(), digest })
}

/// What a run has to tell, as JSON.
pub fn told<T>(done: &Finished<T>) -> String {
    json!({
        "warnings": done.run.warnings(),
        "stopped_early": done.run.stopped_early(),
        "interrupted": done.is_interrupted,
        "seconds": done.run.elapsed().as_secs_f64(),
        "metrics": done.run.metrics().iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
    })
    .to_string()
}
