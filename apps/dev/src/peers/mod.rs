//! Peers beside us: the same work on the same data, in alternating processes, with the same number of threads.
//!
//! `benches/peers` holds a script for each work; each prints one line of JSON, as `elbo-dev time` does for our side.
//! To add a work: a script there, a line in [`works::GP`] or [`works::NN`], and its Rust side under `time`. Works whose own side is a program
//! of its crate stand in [`beside`] and [`regret`]; [`linear`] has no peer; [`formats`] and [`bounds`] compare scores; [`mod@all`] runs everything, and
//! [`mod@ratios`] draws what the document holds.

pub mod all;
pub mod beside;
pub mod bounds;
pub mod draws;
pub mod formats;
pub mod infer;
pub mod linear;
pub mod python;
pub mod ratios;
pub mod regret;
pub mod rows;
pub mod table;
pub mod works;
pub mod worst;

use crate::error::{DevError, Result, read, write};
use crate::markers;
use crate::stamp::stamp;
use python::Python;
use rows::Row;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use table::{Comparison, Setting};
use works::{Peak, Work};

/// Settings of the comparisons of times but `peers infer`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Rounds that alternate between the peers and us; of `all` also the seeds of `infer`.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Seconds each process spends repeating its work.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Threads every process may use.
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    /// Tiny sizes, to try the machinery; prints what it would write.
    #[arg(long)]
    pub tiny: bool,
    /// The document that holds the tables.
    #[arg(long, default_value = "docs/benchmarks.md")]
    pub out: PathBuf,
}

/// Settings of [`gp`] and [`nn`], whose works start alone.
#[derive(Debug, Clone, clap::Args)]
pub struct Choice {
    /// Those of every comparison.
    #[command(flatten)]
    pub options: Options,
    /// Only these works.
    #[arg(long, value_delimiter = ',', value_parser = works::GP.iter().chain(works::NN).map(|work| work.id).collect::<Vec<_>>())]
    pub only: Vec<String>,
}

/// The work that starts programs instead of timing calls.
const FIRST_PREDICTION: &str = "first-prediction";

/// One half of the table.
struct Half {
    works: &'static [Work],
    /// Writes the inputs.
    data: &'static str,
    /// Which sizes of each work it wrote.
    sizes: &'static str,
    /// The markers in the document, and the subcommand's name after `peers-`.
    marker: &'static str,
}

/// Runs both sides of the Gaussian half and writes the table between the markers `peers-gp` of the document.
///
/// # Errors
/// [`DevError::Command`] when a side fails, [`DevError::Faults`] when a bound is missed or values disagree; the table is
/// written all the same.
pub fn gp(root: &Path, choice: &Choice) -> Result<()> {
    let half = Half { works: works::GP, data: "make_data.py", sizes: "sizes.json", marker: "peers-gp" };
    compare(root, choice, &half)
}

/// [`gp`] for networks, between the markers `peers-nn`.
///
/// # Errors
/// As there.
pub fn nn(root: &Path, choice: &Choice) -> Result<()> {
    let half = Half { works: works::NN, data: "nn_data.py", sizes: "nn_sizes.json", marker: "peers-nn" };
    compare(root, choice, &half)
}

fn compare(root: &Path, choice: &Choice, half: &Half) -> Result<()> {
    let Choice { options, only } = choice;
    // A trial must not change the inputs of a measurement that may be running.
    let folder = if options.tiny { "tiny" } else { "data" };
    let python = python::prepare(root, folder, options.threads)?;
    let chosen = |work: &&Work| only.is_empty() || only.iter().any(|id| id == work.id);
    if half.works.iter().filter(chosen).any(|work| work.id == FIRST_PREDICTION) {
        // Its comparison comes last: a program that is not there is to be missed before the others have run.
        built_program()?;
    }
    let mut arguments = vec![python.folder()];
    arguments.extend(options.tiny.then_some("--tiny"));
    python.run(half.data, &arguments)?;
    let sizes: BTreeMap<String, Vec<usize>> = serde_json::from_str(&read(&python.data.join(half.sizes))?)
        .map_err(|error| DevError::format(half.sizes, error))?;
    let peak = measured_peak(&python, options.tiny)?;
    let empty_process = start_of_an_empty_process()?;

    let mut comparisons = Vec::new();
    for work in half.works.iter().filter(chosen) {
        for &size in &sizes[work.id] {
            eprintln!("{} {} = {size}", work.title, work.unit);
            let mut sides = if work.id == FIRST_PREDICTION {
                first_prediction(&python, work, options)?
            } else {
                alternate(&python, work, size, options)?
            };
            let ours = sides.pop().expect("our side is measured last");
            let floor = works::floor(&ours, &peak, empty_process);
            comparisons.push(Comparison { work, ours, theirs: sides, floor });
        }
    }
    finish(root, options, half.marker, options.threads, &peak, &comparisons, only.is_empty())
}

/// What the machine can do, with as many threads as a side may use.
fn measured_peak(python: &Python, tiny: bool) -> Result<Peak> {
    let size = if tiny { "500" } else { "2000" };
    serde_json::from_str(python.run("peak.py", &["--size", size])?.trim())
        .map_err(|error| DevError::format("output of peak.py", error))
}

/// Writes the table between these markers, or prints it where not the whole was run, and says what was missed.
fn finish(
    root: &Path,
    options: &Options,
    marker: &str,
    threads: usize,
    peak: &Peak,
    comparisons: &[Comparison],
    is_whole: bool,
) -> Result<()> {
    let setting = Setting {
        machine: table::machine(),
        threads,
        rounds: options.rounds,
        peak: peak.words(),
        command: format!("cargo run --release -p elbo-dev -- {}", marker.replace('-', " ")),
        when: stamp(root)?,
    };
    let body = table::render(&setting, comparisons);
    if options.tiny || !is_whole {
        println!("{body}");
    } else {
        let path = root.join(&options.out);
        write(&path, &markers::replace(&read(&path)?, marker, &body)?)?;
    }
    let missed: Vec<String> = comparisons
        .iter()
        .filter(|comparison| !comparison.holds())
        .map(|comparison| {
            format!("{} {} = {}: see the table", comparison.work.id, comparison.work.unit, comparison.ours.size)
        })
        .collect();
    if missed.is_empty() || options.tiny { Ok(()) } else { Err(DevError::Faults(missed)) }
}

/// Summaries of the peers in the work's order, then ours. Each round starts with another side, so that none always runs
/// on a warmed-up or throttled machine.
fn alternate(python: &Python, work: &Work, size: usize, options: &Options) -> Result<Vec<Row>> {
    let mut rounds: Vec<Vec<Row>> = vec![Vec::new(); work.peers.len() + 1];
    let (size, seconds) = (size.to_string(), options.seconds.to_string());
    for round in 0..options.rounds.max(1) {
        for turn in 0..rounds.len() {
            let side = (round + turn) % rounds.len();
            let common = ["--size", &size, "--seconds", &seconds];
            let row = match work.peers.get(side) {
                Some((engine, _)) => {
                    let arguments = [&[python.folder(), "--engine", engine], &common[..]].concat();
                    Row::parse(&python.run(work.script, &arguments)?, work.script)?
                }
                None => {
                    let mut ours = Command::new(this_program()?);
                    python::limit(&mut ours, options.threads);
                    ours.args(["time", work.id, "--data", python.folder()]).args(common);
                    Row::parse(&python::output(&mut ours, "run it by hand")?, "elbo-dev time")?
                }
            };
            eprintln!("  {:10} {:>10} ms", row.engine, table::milliseconds(row.median_ms));
            rounds[side].push(row);
        }
    }
    Ok(rounds.iter().map(|rows| rows::summarise(rows)).collect())
}

/// scikit-learn's script and `elbo predict`, from start to exit of the process, by turns.
fn first_prediction(python: &Python, work: &Work, options: &Options) -> Result<Vec<Row>> {
    let (elbo, version) = built_program()?;
    python.run("save_model.py", &[python.folder()])?;
    let (model, rows, predictions) =
        (python.data.join("model.elbo"), python.data.join("rows.csv"), python.data.join("predictions.csv"));
    let table = python.scripts.join("../../examples/data/concrete.csv");
    let mut fit = Command::new(&elbo);
    fit.args(["fit", "gpr"]).arg(table).args(["--target", "strength", "--out"]).arg(&model);
    python::output(&mut fit, "run it by hand")?;

    let script_version = python::output(
        Command::new(&python.program)
            .args(["-c", "from importlib.metadata import version; print(version('scikit-learn'))"]),
        "install the requirements",
    )?;
    let repeats = if options.tiny { 3 } else { 5 * options.rounds.max(1) };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..repeats {
        let mut script = python.command(work.script);
        script.arg(python.folder());
        let mut ours = Command::new(&elbo);
        python::limit(&mut ours, options.threads);
        ours.arg("predict").args([&model, &rows]).arg("--out").arg(&predictions);
        for (command, times) in [&mut script, &mut ours].into_iter().zip(&mut times) {
            let start = Instant::now();
            python::output(command, "run it by hand")?;
            times.push(1e3 * start.elapsed().as_secs_f64());
        }
    }
    let row = |engine: &str, version: &str, times: &[f64]| Row {
        engine: engine.into(),
        version: version.split_whitespace().next_back().unwrap_or("unknown").into(),
        work: work.id.into(),
        size: 10,
        threads: options.threads,
        median_ms: rows::median(times),
        min_ms: times.iter().copied().fold(f64::INFINITY, f64::min),
        repeats,
        foreign_cores: None,
        value: None,
        evaluations: None,
        gradient: vec![],
    };
    Ok(vec![row("sklearn", &script_version, &times[0]), row("elbo", &version, &times[1])])
}

/// Milliseconds from the start to the end of a process that does nothing: the median of ten.
fn start_of_an_empty_process() -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        python::output(&mut Command::new("true"), "install the standard tools of the system")?;
        times.push(1e3 * start.elapsed().as_secs_f64());
    }
    Ok(rows::median(&times))
}

/// The program `elbo` beside this one, and what it says of its version.
pub(crate) fn built_program() -> Result<(PathBuf, String)> {
    let elbo = this_program()?.with_file_name("elbo");
    let remedy = "build it first: cargo build --release -p elbo-cli -p elbo-dev";
    let version = python::output(Command::new(&elbo).arg("--version"), remedy)?;
    Ok((elbo, version))
}

/// The path of `elbo-dev`, beside which the program `elbo` lies.
fn this_program() -> Result<PathBuf> {
    std::env::current_exe().map_err(|source| DevError::File { verb: "read", path: "elbo-dev".into(), source })
}
