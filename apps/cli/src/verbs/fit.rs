//! `elbo fit`: plan, run, keep.

use crate::args::{Fit, TaskName};
use crate::failure::{Failure, STOPPED};
use crate::output::{number, print, print_json, say};
use crate::progress::{Watcher, cancel_flag, is_cancelled};
use crate::report;
use crate::settings::{ConfigFile, command, merge};
use crate::table::{for_fit, for_trials, reading};
use elbo::core::run::Checkpoints;
use elbo::core::{AnySystem, Cost, Data, DataKind, Error, Meter, ModelFile, Rng, Run, Values, Verb};
use elbo::findings::{self, Work};
use elbo::{DataRecord, FitRecord, Reading, Task, record_of, write_model};
use elbo_data::{is_picture_name, read_pictures};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Rows from which on some are kept back by default, and their share.
const HOLDOUT_ROWS: usize = 50;
const HOLDOUT_SHARE: f64 = 0.1;
/// The stream of random numbers that chooses them, apart from everything the system draws.
const HOLDOUT_STREAM: u64 = 0x401d;

/// Everything decided before the work starts.
struct Plan {
    system: &'static dyn AnySystem,
    record: FitRecord,
    data: Data,
    reasons: Vec<String>,
    out: PathBuf,
    checkpoint: PathBuf,
    resume: Option<ModelFile>,
}

/// Runs the verb.
pub fn run(args: &Fit, json: bool) -> Result<ExitCode, Failure> {
    let plan = match &args.resume {
        Some(path) => resumed(args, path)?,
        None => planned(args)?,
    };
    let id = plan.system.card().id;
    check_places(args, &plan)?;
    plan.reasons.iter().for_each(|reason| say(json, format!("{id}: {reason}")));
    plan.data.notes.iter().for_each(|note| say(json, note));
    if plan.resume.is_none() && plan.checkpoint.exists() {
        let path = plan.checkpoint.display();
        say(json, format!("an unfinished fit lies in {path}; `elbo fit --resume {path}` would go on with it"));
    }

    let (training, held) = split(&plan.data, plan.record.reading.holdout, plan.record.seed);
    let mut watcher = Watcher::new(json);
    let mut run = Run::new(plan.record.seed)
        .with_cancel(cancel_flag(json))
        .with_watcher(move |event| watcher.show(&event))
        .with_checkpoints(Checkpoints {
            path: plan.checkpoint.clone(),
            every: args.checkpoint_every,
            header: checkpoint_header(&plan),
        });
    if let Some(limit) = args.budget {
        run = run.with_time(limit);
    }
    if let Some(held) = &held {
        run = run.with_held_out(held.clone());
    }
    if let Some(file) = plan.resume {
        run = run.resuming(file);
    }
    let meter = Meter::start();
    let model = plan.system.fit(&plan.record.settings, &training, &mut run)?;
    let cost = meter.stop();
    let seconds = run.elapsed().as_secs_f64();

    let mut record = plan.record;
    record.summary = model.summary();
    record.warnings = run.warnings().to_vec();
    record.notes = plan.data.notes.clone();
    let judged = findings::judge(model.as_ref(), held.as_ref(), record.seed)?;
    record.validation = match (&judged, &held) {
        (Some(judged), _) => Some(judged.scored.clone()),
        (None, Some(held)) => findings::bounds_of(model.as_ref(), held, record.seed)?,
        (None, None) => None,
    };
    write_model(&plan.out, id, model.as_ref(), &record)?;
    if args.report.is_some() || args.figures.is_some() {
        let settings = report::settings(&record);
        let work =
            Work { card: plan.system.card(), model: model.as_ref(), record: &record, run: &run, seconds, settings };
        let made = findings::make(&work, &training, judged, held.as_ref())?;
        if let Some(path) = &args.report {
            elbo_report::html::write(&made, path)?;
        }
        if let Some(folder) = &args.figures {
            report::write_figures(&made, folder)?;
        }
    }
    if !run.stopped_early() {
        remove(&plan.checkpoint)?;
    }

    // A file that another fit left there is none of this one.
    let has_checkpoint = run.has_checkpoint() || args.resume.as_ref() == Some(&plan.checkpoint);
    let kept = (run.stopped_early() && has_checkpoint).then(|| plan.checkpoint.clone());
    let result = Outcome {
        id,
        record: &record,
        rows: training.rows(),
        seconds,
        cost,
        out: &plan.out,
        report: args.report.as_deref(),
        stopped_early: run.stopped_early(),
        kept,
    };
    if json {
        print_json(&result.json(&plan.reasons))?;
    } else {
        print(&result.text())?;
    }
    Ok(if is_cancelled() && run.stopped_early() { ExitCode::from(STOPPED) } else { ExitCode::SUCCESS })
}

/// A new fit, from the command line and the configuration file.
fn planned(args: &Fit) -> Result<Plan, Failure> {
    let config = args.config.as_deref().map(ConfigFile::read).transpose()?.unwrap_or_default();
    // With a configuration that names the system, the only word on the command line is the table.
    let (id, path) = match (&args.system, &args.data, &config.system) {
        (Some(id), Some(path), _) => (id.clone(), path.clone()),
        (Some(path), None, Some(id)) => (id.clone(), path.clone()),
        (Some(id), None, None) => {
            let remedy = if Path::new(id).exists() {
                format!("name the system first: elbo fit auto {id} --target COLUMN")
            } else {
                format!("give a file: elbo fit {id} TABLE --target COLUMN")
            };
            return Err(Failure::usage("no table was given", remedy));
        }
        (None, ..) => {
            return Err(Failure::usage(
                "no system and no table were given",
                "write elbo fit auto TABLE --target COLUMN",
            ));
        }
    };
    // The column of times is a setting of those systems that have one.
    let mut pairs = args.set.clone();
    pairs.extend(args.time.as_ref().map(|time| format!("time={}", toml::Value::String(time.clone()))));
    let id = if id == "auto" && args.time.is_some() { "markov-gp".to_owned() } else { id };
    let settings = merge(&config.settings, &pairs)?;
    // What needs no data is checked before they are read, which may take a while.
    let named = if id == "auto" { None } else { Some(elbo::find(&id)?) };
    if let Some(system) = named {
        system.check_config(&settings)?;
    }
    let target = args.target.clone().or(config.target);
    let mut how = reading(&args.reading)?;
    let mut data = read_for(named, &path, &how, target.as_deref(), &settings)?;
    let task = args.task.map(|t| match t {
        TaskName::Regression => Task::Regression,
        TaskName::Classification => Task::Classification,
    });
    let read = DataRecord { source: path.clone(), rows: data.rows(), digest: data.digest() };
    let (system, task, reasons) = match named {
        Some(system) => (system, task, vec![]),
        None => {
            let choice = elbo::auto(&data, task)?;
            (elbo::find(choice.id)?, Some(choice.task), choice.reasons)
        }
    };
    how.task = task;
    if let Some(task) = task {
        data = data.with_task(task)?;
    }
    how.holdout = share_held_out(args.holdout, system, &data);
    if how.holdout.is_some() {
        data.check_rows()?;
    }
    let mut record = FitRecord {
        config: system.check_config(&settings)?,
        settings,
        seed: args.seed.or(config.seed).unwrap_or(0),
        data: read,
        reading: how,
        ..FitRecord::default()
    }
    .with_columns(&data, target);
    record.command = command(system.card().id, &record, args.holdout);
    let out = args.out.clone().unwrap_or_else(|| default_out(&path, system.card().id));
    let checkpoint = args.checkpoint.clone().unwrap_or_else(|| beside(&out));
    Ok(Plan { system, record, data, reasons, out, checkpoint, resume: None })
}

/// The rest of an interrupted fit. Everything that decides its result comes from the checkpoint.
fn resumed(args: &Fit, path: &Path) -> Result<Plan, Failure> {
    let file = ModelFile::read(path)?;
    if !file.has("checkpoint.stage") {
        return Err(Error::model_file(
            "this is a model of a finished fit, not a checkpoint",
            "give the file that ends in .checkpoint; a finished model can be used with `elbo predict`",
        )
        .into());
    }
    let record = record_of(&file)?;
    let system = elbo::find(file.system())?;
    let given = match (&args.system, &args.data) {
        (Some(id), Some(data)) if id == file.system() => Some(data),
        (Some(id), Some(_)) => {
            return Err(Failure::usage(
                format!("the checkpoint is of system `{}`, not `{id}`", file.system()),
                "leave the system out: a checkpoint knows it",
            ));
        }
        (Some(id), None) if id == file.system() => None,
        (data, None) => data.as_ref(),
        (None, Some(_)) => unreachable!("the second word cannot come without the first"),
    };
    let source = given.unwrap_or(&record.data.source);
    let mut data = read_for(Some(system), source, &record.reading, record.target.as_deref(), &record.settings)?;
    if data.digest() != record.data.digest {
        return Err(Error::data(
            format!("{source} does not hold the rows that the checkpoint was made from"),
            "give the same table, or start a new fit without --resume",
        )
        .into());
    }
    if let Some(task) = record.reading.task {
        data = data.with_task(task)?;
    }
    let out = match &args.out {
        Some(out) => out.clone(),
        None => PathBuf::from(file.fact::<String>("out")?),
    };
    let checkpoint = args.checkpoint.clone().unwrap_or_else(|| path.to_owned());
    Ok(Plan { system, record, data, reasons: vec![], out, checkpoint, resume: Some(file) })
}

/// Reads what this system is fitted to; a table where the system is yet to be chosen.
fn read_for(
    system: Option<&dyn AnySystem>,
    path: &str,
    how: &Reading,
    target: Option<&str>,
    settings: &Value,
) -> Result<Data, Failure> {
    let file = Path::new(path);
    match system.map(|s| s.data_kind()) {
        // Other files may hold photographs as arrays.
        Some(DataKind::Photographs) if file.is_dir() || is_picture_name(file) => Ok(read_pictures(file)?),
        Some(DataKind::Trials) => for_trials(path, how, target, None),
        _ => for_fit(path, how, target, system.is_some_and(|s| s.takes_missing()), settings),
    }
}

fn checkpoint_header(plan: &Plan) -> ModelFile {
    let mut header = plan.record.header(plan.system.card().id);
    header.set("out", &plan.out.display().to_string());
    header
}

/// `concrete.gpr.elbo` for `data/concrete.csv.gz`, in the current folder.
fn default_out(data: &str, id: &str) -> PathBuf {
    let name = Path::new(data).file_name().map_or_else(|| "model".into(), |n| n.to_string_lossy().into_owned());
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("model");
    PathBuf::from(format!("{stem}.{id}.elbo"))
}

fn beside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}

fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("cannot remove the checkpoint of the finished fit", path, &cause).into())
        }
        _ => Ok(()),
    }
}

/// All places are tried before the work, so that an hour's fit is not lost to a misspelt folder.
fn check_places(args: &Fit, plan: &Plan) -> Result<(), Failure> {
    let mut inputs: Vec<&Path> = vec![Path::new(&plan.record.data.source)];
    inputs.extend(args.config.as_deref());
    check_writable(&plan.out, &inputs)?;
    check_writable(&plan.checkpoint, &inputs)?;
    if let Some(report) = &args.report {
        inputs.push(&plan.out);
        check_writable(report, &inputs)?;
    }
    if let Some(folder) = &args.figures {
        check_folder(folder)?;
    }
    if plan.out == plan.checkpoint {
        return Err(Failure::usage("--out and --checkpoint name the same file", "give two names"));
    }
    Ok(())
}

/// Refuses a place that cannot be written, or that one of the `inputs` occupies.
pub fn check_writable(path: &Path, inputs: &[&Path]) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Error::File {
            message: "cannot write a file where a folder is".into(),
            remedy: "give a file name".into(),
            path: path.into(),
        }
        .into());
    }
    let same = |input: &&Path| {
        matches!((path.canonicalize(), input.canonicalize()), (Ok(a), Ok(b)) if a == b) || *path == **input
    };
    if let Some(input) = inputs.iter().find(|i| same(i)) {
        return Err(Failure::usage(
            format!("{} would be overwritten; it is also read", input.display()),
            "choose another name for the output",
        ));
    }
    if path.exists() && !path.is_file() {
        return Ok(());
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match tempfile::tempfile_in(folder) {
        Ok(_) => Ok(()),
        Err(cause) => Err(Error::file("cannot write here", path, &cause).into()),
    }
}

/// Refuses a folder that cannot be made, or that cannot be written into where it is there.
pub fn check_folder(folder: &Path) -> Result<(), Failure> {
    let failed = |cause: std::io::Error| Error::file("cannot write into this folder", folder, &cause);
    // The nearest part of the path that is there: the rest is made when there is something to write.
    let there = folder.ancestors().find(|part| part.exists()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(there).map(drop).map_err(|cause| failed(cause).into())
}

fn share_held_out(asked: Option<f64>, system: &dyn AnySystem, data: &Data) -> Option<f64> {
    let share = match asked {
        Some(share) => share,
        None if system.card().validates_itself || data.rows() < HOLDOUT_ROWS => 0.0,
        None => HOLDOUT_SHARE,
    };
    // A model of data points scores itself by what it thinks of points it has not seen; it needs no target.
    let verbs = system.card().verbs;
    let scores_points = verbs.contains(&Verb::Evaluate) && !verbs.contains(&Verb::Predict);
    (share > 0.0 && (data.target.is_some() || scores_points)).then_some(share)
}

/// Training rows, and the rows kept back. Of classes, every one gives its share, and keeps at least one row for training.
fn split(data: &Data, share: Option<f64>, seed: u64) -> (Data, Option<Data>) {
    let Some(share) = share else { return (data.clone(), None) };
    let mut rng = Rng::new(seed).split(HOLDOUT_STREAM);
    let target = data.target.as_ref().and_then(|t| data.get(t).ok());
    let groups: Vec<Vec<usize>> = match target.map(|t| &t.values) {
        Some(Values::Text { levels, codes }) => {
            let mut groups = vec![vec![]; levels.len() + 1];
            codes.iter().enumerate().for_each(|(i, c)| groups[c.map_or(levels.len(), |c| c as usize)].push(i));
            groups
        }
        _ => vec![(0..data.rows()).collect()],
    };
    let mut is_held = vec![false; data.rows()];
    for group in groups.iter().filter(|g| g.len() > 1) {
        let count = ((group.len() as f64 * share).round() as usize).min(group.len() - 1);
        rng.choose(group.len(), count).into_iter().for_each(|k| is_held[group[k]] = true);
    }
    let (held, training): (Vec<usize>, Vec<usize>) = (0..data.rows()).partition(|i| is_held[*i]);
    let held = (!held.is_empty()).then(|| data.take_rows(&held));
    (data.take_rows(&training), held)
}

/// What is printed at the end.
struct Outcome<'a> {
    id: &'static str,
    record: &'a FitRecord,
    rows: usize,
    seconds: f64,
    cost: Cost,
    out: &'a Path,
    report: Option<&'a Path>,
    stopped_early: bool,
    /// The checkpoint to go on from.
    kept: Option<PathBuf>,
}

impl Outcome<'_> {
    fn json(&self, reasons: &[String]) -> Value {
        let summary = &self.record.summary;
        let objective = summary.objective.as_ref().map(|(name, value)| json!({"name": name, "value": value}));
        let mut metrics: Map<String, Value> =
            summary.metrics.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let validation = self.record.validation.as_ref();
        let scores =
            validation.and_then(|v| v.scores.as_object()).into_iter().flatten().filter(|(name, _)| *name != "rows");
        metrics.extend(scores.map(|(name, value)| (name.clone(), value.clone())));
        json!({
            "system": self.id,
            "model": self.out.display().to_string(),
            "seconds": self.seconds,
            "cost": self.cost,
            "rows": self.rows,
            "target": self.record.target,
            "seed": self.record.seed,
            "objective": objective,
            "metrics": metrics,
            "validation": validation.map(|v| json!({"method": v.method, "rows": v.rows})),
            "warnings": self.record.warnings,
            "notes": self.record.notes,
            "reasons": reasons,
            "stopped_early": self.stopped_early,
            "checkpoint": self.kept.as_ref().filter(|p| p.exists()).map(|p| p.display().to_string()),
            "report": self.report.map(|p| p.display().to_string()),
            "command": self.record.command,
        })
    }

    fn text(&self) -> String {
        let summary = &self.record.summary;
        let mut text = format!(
            "{} fitted to {} rows of {} in {} s (seed {})\n",
            self.id,
            self.rows,
            self.record.data.source,
            number(self.seconds),
            self.record.seed
        );
        let mut rows = vec![];
        for (name, value) in crate::output::found(summary) {
            rows.push(vec![format!("  {name}"), number(*value)]);
        }
        text.push_str(&crate::output::columns(&rows));
        if let Some(scored) = &self.record.validation {
            text.push_str(&format!("scores ({}, {} rows)\n", scored.method, scored.rows));
            let scores = scored.scores.as_object().into_iter().flatten().filter(|(name, _)| *name != "rows");
            text.push_str(&super::evaluate::shown(
                &scores.map(|(n, v)| (n.clone(), v.clone())).collect::<Map<_, _>>().into(),
            ));
        } else if self.record.target.is_some() {
            text.push_str("not scored: no rows were kept back; see --holdout\n");
        }
        text.push_str(&format!("model: {}\n", self.out.display()));
        if let Some(report) = self.report {
            text.push_str(&format!("report: {}\n", report.display()));
        }
        if let Some(kept) = self.kept.as_ref().filter(|p| p.exists()) {
            text.push_str(&format!("stopped early; go on with: elbo fit --resume {}\n", kept.display()));
        } else if self.stopped_early {
            text.push_str("stopped early, in a part that leaves no checkpoint; fit again for the whole\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo::core::Array;

    #[test]
    fn the_default_model_is_named_after_table_and_system() {
        assert_eq!(default_out("data/concrete.csv.gz", "gpr"), Path::new("concrete.gpr.elbo"));
        assert_eq!(default_out(".hidden", "gpr"), Path::new("hidden.gpr.elbo"));
    }

    #[test]
    fn a_stopped_fit_says_so_with_and_without_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let (record, path) = (FitRecord::default(), folder.path().join("m.elbo.checkpoint"));
        std::fs::write(&path, "a checkpoint").unwrap();
        let outcome = |stopped_early: bool, kept: Option<PathBuf>| {
            let out = Path::new("m.elbo");
            let cost = Cost::default();
            Outcome { id: "aevb", record: &record, rows: 3, seconds: 1.0, cost, out, report: None, stopped_early, kept }
        };
        let (whole, alone, kept) = (outcome(false, None), outcome(true, None), outcome(true, Some(path)));
        assert!(!whole.text().contains("stopped") && alone.text().contains("stopped early, in a part"));
        assert!(kept.text().contains("go on with: elbo fit --resume"), "{}", kept.text());
        let told = |outcome: &Outcome<'_>| {
            let found = outcome.json(&[]);
            (found["stopped_early"].clone(), found["checkpoint"].is_string())
        };
        assert_eq!(told(&whole), (json!(false), false));
        assert_eq!((told(&alone), told(&kept)), ((json!(true), false), (json!(true), true)));
    }

    #[test]
    fn every_class_keeps_rows_on_both_sides() {
        let codes = (0..100).map(|i| Some(if i < 90 { 0 } else { 1 })).collect();
        let y = Array::column(Values::Text { levels: vec!["common".into(), "rare".into()], codes });
        let data = Data { arrays: vec![("y".into(), y)], target: Some("y".into()), ..Data::default() };
        let (training, held) = split(&data, Some(0.2), 1);
        let held = held.unwrap();
        assert_eq!((training.rows(), held.rows()), (80, 20));
        let Values::Text { codes, .. } = &held.get("y").unwrap().values else { panic!("text stays text") };
        assert_eq!(codes.iter().filter(|c| **c == Some(1)).count(), 2);
        assert_eq!(split(&data, Some(0.2), 1).0, training, "the seed decides");
    }
}
