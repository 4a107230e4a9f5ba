//! Tables of many rows: what `elbo fit` takes of time and memory, and how well it does.
//!
//! Each fit is a process of its own, whose largest resident memory is read from `/proc` while it runs.

use crate::error::{DevError, Result, read, write};
use crate::markers;
use crate::peers::{built_program, python, table::machine};
use crate::stamp::stamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Memory that a fit may take beyond its data, bytes.
const MOST: u64 = 2 << 30;

/// Time between two looks at the memory.
const LOOK: Duration = Duration::from_millis(20);

/// Settings of `scale`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Threads a fit may use.
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    /// Only these systems; prints the table instead of writing it.
    #[arg(long, value_delimiter = ',', value_parser = ["svgp", "sgpr", "sdd-gp"])]
    pub only: Vec<String>,
    /// The document that holds the table.
    #[arg(long, default_value = "docs/benchmarks.md")]
    pub out: PathBuf,
}

/// A table to fit.
enum Source {
    /// A data set that `elbo data get` fetches.
    Catalogue(&'static str),
    /// A recipe of `elbo data make`, and how many rows of it.
    Recipe(&'static str, usize),
}

/// One fit.
struct Work {
    system: &'static str,
    source: Source,
    target: &'static str,
    settings: &'static [&'static str],
}

static WORKS: [Work; 3] = [
    Work { system: "svgp", source: Source::Catalogue("flights"), target: "arr_delay", settings: &[] },
    Work { system: "sgpr", source: Source::Catalogue("flights"), target: "arr_delay", settings: &[] },
    // Every step works on all samples; a few of them and of the steps show the memory, and the residual says how far that came.
    Work {
        system: "sdd-gp",
        source: Source::Recipe("kin8", 56_000),
        target: "y",
        settings: &["samples=4", "steps=3000", "batch=128"],
    },
];

impl Source {
    fn name(&self) -> &'static str {
        match self {
            Self::Catalogue(name) | Self::Recipe(name, _) => name,
        }
    }

    /// The path of the table, which a recipe puts into `folder`.
    fn path(&self, elbo: &Path, folder: &Path) -> Result<PathBuf> {
        match self {
            Self::Catalogue(key) => {
                let remedy = format!("run `elbo data get {key}`");
                let printed = python::output(Command::new(elbo).args(["data", "where", key]), &remedy)?;
                Ok(printed.trim().into())
            }
            Self::Recipe(name, rows) => {
                let path = folder.join(format!("{name}.csv"));
                let mut make = Command::new(elbo);
                make.args(["data", "make", name, "--rows", &rows.to_string(), "--out"]).arg(&path);
                python::output(&mut make, "run it by hand")?;
                Ok(path)
            }
        }
    }
}

/// What `elbo fit --json` says of a fit, as far as the table needs it.
#[derive(Debug, Deserialize)]
struct Fitted {
    seconds: f64,
    rows: u64,
    metrics: Map<String, Value>,
}

impl Fitted {
    fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.get(name)?.as_f64()
    }

    fn coverage(&self) -> Option<f64> {
        self.metrics.get("coverage")?.get("0.95")?.as_f64()
    }
}

/// A fit and its memory.
struct Measured {
    fitted: Fitted,
    /// Largest resident memory of the process, bytes.
    peak: u64,
    /// Size of the training rows as numbers, bytes.
    data: u64,
}

/// The largest resident memory so far, bytes, as `/proc/PID/status` tells it.
fn peak_in(status: &str) -> Option<u64> {
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * kilobytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}

/// Runs a command to its end. Returns what it printed and its largest resident memory.
fn watched(command: &mut Command, folder: &Path) -> Result<(String, u64)> {
    let (out, err) = (folder.join("out"), folder.join("err"));
    let shown = format!("{command:?}").replace('"', "");
    let failed =
        |message: String| DevError::Command { command: shown.clone(), message, remedy: "run it by hand".into() };
    let to = |path: &Path| File::create(path).map(Stdio::from).map_err(|error| failed(error.to_string()));
    let child = command.stdin(Stdio::null()).stdout(to(&out)?).stderr(to(&err)?).spawn();
    let mut child = child.map_err(|error| failed(error.to_string()))?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    let ended = loop {
        // The file vanishes with the process, between two looks.
        if let Ok(status) = std::fs::read_to_string(&status) {
            peak = peak.max(peak_in(&status));
        }
        if let Some(ended) = child.try_wait().map_err(|error| failed(error.to_string()))? {
            break ended;
        }
        sleep(LOOK);
    };
    if !ended.success() {
        return Err(failed(read(&err)?.trim().to_owned()));
    }
    let peak = peak.ok_or_else(|| DevError::format(status, "it tells no memory; Linux is needed"))?;
    Ok((read(&out)?, peak))
}

fn measure(work: &Work, elbo: &Path, options: &Options) -> Result<Measured> {
    let folder =
        tempfile::tempdir().map_err(|source| DevError::File { verb: "write", path: std::env::temp_dir(), source })?;
    let path = work.source.path(elbo, folder.path())?;
    let mut fit = Command::new(elbo);
    fit.args(["fit", work.system]).arg(&path).args(["--target", work.target, "--holdout", "0.05", "--json"]);
    fit.args(["--threads", &options.threads.to_string(), "--out"]).arg(folder.path().join("model.elbo"));
    for setting in work.settings {
        fit.args(["--set", setting]);
    }
    let (printed, peak) = watched(&mut fit, folder.path())?;
    let fitted: Fitted =
        serde_json::from_str(&printed).map_err(|error| DevError::format(format!("`{} --json`", work.system), error))?;
    let columns = columns(&elbo::data::read(&path, &elbo::data::ReadOptions::with_target(work.target))?);
    Ok(Measured { peak, data: 8 * columns * fitted.rows, fitted })
}

/// Numbers a row.
fn columns(data: &elbo::core::Data) -> u64 {
    data.arrays.iter().map(|(_, array)| array.shape[1..].iter().product::<usize>() as u64).sum()
}

/// The table of these fits, and its faults.
fn render(measured: &[(&Work, Measured)]) -> (String, Vec<String>) {
    let mut page = String::from(
        "| system | table | rows | settings | seconds | peak memory, MiB | data, MiB | beyond it at most | RMSE | NLPD | 95 % covers | relative residual | verdict |\n\
         |---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.3}"));
    let mut faults = vec![];
    for (work, Measured { fitted, peak, data }) in measured {
        let held = peak.saturating_sub(*data) < MOST;
        if !held {
            faults.push(format!("{}: {} MiB beyond the data", work.system, peak.saturating_sub(*data) >> 20));
        }
        let [rmse, nlpd, residual] = ["rmse", "nlpd", "relative_residual"].map(|name| number(fitted.metric(name)));
        writeln!(
            page,
            "| `{}` | `{}` | {} | {} | {:.0} | {} | {} | {} | {rmse} | {nlpd} | {} | {residual} | {} |",
            work.system,
            work.source.name(),
            fitted.rows,
            work.settings.join(", "),
            fitted.seconds,
            peak >> 20,
            data >> 20,
            MOST >> 20,
            number(fitted.coverage()),
            if held { "held" } else { "**missed**" }
        )
        .expect("string");
    }
    (page, faults)
}

/// Fits the systems for many rows and writes the table between the markers `scale`.
///
/// # Errors
/// [`DevError::Command`] when a fit fails or its data are absent, [`DevError::Faults`] when one takes too much memory; the table is written
/// all the same.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let (elbo, _) = built_program()?;
    let mut measured = vec![];
    for work in &WORKS {
        if options.only.is_empty() || options.only.iter().any(|only| only == work.system) {
            eprintln!("{} on {}", work.system, work.source.name());
            measured.push((work, measure(work, &elbo, options)?));
        }
    }
    let (table, faults) = render(&measured);
    let body = format!(
        "{}; {} threads; 5 % of the rows held back for the scores, which are in the target's unit. Made by `cargo run --release -p elbo-dev -- scale`; {}.\n\n{table}",
        machine(),
        options.threads,
        stamp(root)?
    );
    if options.only.is_empty() {
        let path = root.join(&options.out);
        write(&path, &markers::replace(&read(&path)?, "scale", &body)?)?;
    } else {
        println!("{body}");
    }
    if faults.is_empty() { Ok(()) } else { Err(DevError::Faults(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_in_bytes() {
        assert_eq!(peak_in("Name:\telbo\nVmPeak:\t  99 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        assert_eq!(peak_in("Name:\telbo\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn memory_beyond_the_data_decides() {
        let fitted = || Fitted {
            seconds: 61.4,
            rows: 300_000,
            metrics: serde_json::from_str(r#"{"rmse": 2.5, "coverage": {"0.95": 0.94}}"#).unwrap(),
        };
        let data = 100 << 20;
        let rows = |peak: u64| [(&WORKS[0], Measured { fitted: fitted(), peak, data })];
        let (page, faults) = render(&rows(MOST + data - 1));
        assert!(
            page.contains("| 61 | 2147 | 100 | 2048 | 2.500 |  | 0.940 |  | held |") && faults.is_empty(),
            "{page}"
        );
        let (page, faults) = render(&rows(MOST + data));
        assert!(page.contains("**missed**") && faults == ["svgp: 2048 MiB beyond the data"], "{page} {faults:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_watched_command_gives_its_output_and_memory_and_a_failing_one_its_message() {
        let folder = tempfile::tempdir().unwrap();
        let (printed, peak) = watched(Command::new("sh").args(["-c", "echo done; sleep 0.2"]), folder.path()).unwrap();
        assert!(printed == "done\n" && peak > 0);
        let error = watched(Command::new("sh").args(["-c", "echo no >&2; exit 3"]), folder.path()).unwrap_err();
        assert!(error.to_string().contains("failed: no;"), "{error}");
    }
}
