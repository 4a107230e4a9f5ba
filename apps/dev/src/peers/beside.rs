//! Comparisons whose own side is a program of its crate: state-space models beside dynamax and JAX, splats beside gsplat and PyTorch, the coder beside constriction.

use super::rows::{Row, median, summarise};
use super::table::Comparison;
use super::works::{Agreement, Floor, Peak, Work};
use super::{Options, finish, measured_peak, python};
use crate::error::{DevError, Result, read};
use crate::supply::lock;
use crate::timing::watched;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Processes at regular and at irregular times, in the order in which both sides print them.
pub const MARKOV: &[Work] = &[
    Work {
        id: "markov-regular",
        title: "Matérn-3/2 process, regular times: likelihood and gradient, smoothed moments",
        short: "process at regular times",
        unit: "times",
        script: "markov_kalman.py",
        peers: &[("dynamax", 0.25), ("jax", 0.25)],
        moonshot: None,
        agreement: Agreement::Relative(1e-7), // dynamax adds 1e-9 to the diagonals that it inverts.
    },
    Work {
        id: "markov-irregular",
        title: "Matérn-3/2 process, irregular times: likelihood and gradient, smoothed moments",
        short: "process at irregular times",
        unit: "times",
        script: "markov_kalman.py",
        peers: &[("dynamax", 0.25), ("jax", 0.25)],
        moonshot: None,
        agreement: Agreement::Relative(1e-7),
    },
];

/// A picture of Gaussians and its derivative.
pub const SPLAT: &[Work] = &[Work {
    id: "splat-render",
    title: "picture of 256 x 256 pixels, forward and backward",
    short: "picture of splats",
    unit: "Gaussians",
    script: "splat_render.py",
    peers: &[("gsplat", 0.1), ("torch", 0.1)],
    moonshot: None,
    agreement: Agreement::Relative(1e-3), // Single precision, and Gaussians at the threshold of what is drawn.
}];

/// Both directions of the coder, and of the range coder. Pictures are coded in four lanes.
pub const CODEC: &[Work] = &[
    Work {
        id: "codec-encode",
        title: "coder, 2^20 symbols of 64 kinds, encode",
        short: "coder, encode",
        unit: "lanes",
        script: "coder.rs",
        peers: &[("constriction", 1.0)],
        moonshot: None,
        agreement: Agreement::None, // Both streams are decoded to the symbols by tests.
    },
    Work {
        id: "codec-decode",
        title: "coder, 2^20 symbols of 64 kinds, decode",
        short: "coder, decode",
        unit: "lanes",
        script: "coder.rs",
        peers: &[("constriction", 1.0)],
        moonshot: None,
        agreement: Agreement::None,
    },
    Work {
        id: "codec-range-encode",
        title: "range coder, 2^20 symbols of 64 kinds, encode",
        short: "range coder, encode",
        unit: "lanes",
        script: "coder.rs",
        peers: &[("constriction", 2.0)], // Ours gives bytes away, the peer words of 16 bits: twice as often.
        agreement: Agreement::None,
        moonshot: None,
    },
    Work {
        id: "codec-range-decode",
        title: "range coder, 2^20 symbols of 64 kinds, decode",
        short: "range coder, decode",
        unit: "lanes",
        script: "coder.rs",
        peers: &[("constriction", 2.0)],
        agreement: Agreement::None,
        moonshot: None,
    },
];

/// The numbers of lanes with which a coder is timed; a range coder has one.
fn lanes(work: &Work) -> &'static [usize] {
    if work.id.starts_with("codec-range-") { &[1] } else { &[4, 8] }
}

/// A line of JSON as `linear_time`, `render_speed` and the scripts print it.
#[derive(Debug, Clone, Deserialize)]
struct Line {
    engine: String,
    /// Ours is this workspace's.
    #[serde(default)]
    version: Option<String>,
    threads: usize,
    median_ms: f64,
    min_ms: f64,
    repeats: usize,
    #[serde(default)]
    foreign_cores: Option<f64>,
    value: f64,
    #[serde(default)]
    gradient: Vec<f64>,
    /// Moments that are compared beside the gradient.
    #[serde(default)]
    smoothed: Vec<f64>,
    /// The bytes that have to be read and written at least, where our side says so.
    #[serde(default)]
    floor_bytes: Option<f64>,
}

impl Line {
    fn row(&self, work: &Work, size: usize) -> Row {
        Row {
            engine: self.engine.clone(),
            version: self.version.clone().unwrap_or_else(|| env!("CARGO_PKG_VERSION").into()),
            work: work.id.into(),
            size,
            threads: self.threads,
            median_ms: self.median_ms,
            min_ms: self.min_ms,
            repeats: self.repeats,
            foreign_cores: self.foreign_cores,
            value: Some(self.value),
            evaluations: None,
            gradient: [&self.gradient[..], &self.smoothed[..]].concat(),
        }
    }
}

/// As many lines of JSON as there are works.
fn lines(output: &str, what: &str, count: usize) -> Result<Vec<Line>> {
    let parse =
        |line: &str| serde_json::from_str(line).map_err(|error| DevError::format(format!("output of {what}"), error));
    let found: Vec<Line> = output.lines().filter(|line| line.starts_with('{')).map(parse).collect::<Result<_>>()?;
    if found.len() == count {
        Ok(found)
    } else {
        Err(DevError::format(
            format!("output of {what}"),
            format!("expected {count} lines of JSON, found {}", found.len()),
        ))
    }
}

/// What `cargo` prints with these arguments, with so many threads for the program that it runs.
///
/// # Errors
/// [`DevError::Command`].
pub fn cargo(root: &Path, threads: usize, arguments: &[&str], variables: &[(&str, &Path)]) -> Result<String> {
    let mut command = Command::new(crate::cargo::program());
    command.args(arguments).current_dir(root).envs(variables.iter().copied());
    python::limit(&mut command, threads);
    python::output(&mut command, "run it by hand to see the whole message")
}

/// What an example prints with these arguments. It is built with the features of the whole workspace, so that no dependency is compiled once for
/// each example.
///
/// # Errors
/// [`DevError::Command`] when it cannot be built or fails, [`DevError::Format`] when cargo does not say where it is.
pub fn example(root: &Path, threads: usize, name: &str, arguments: &[&str]) -> Result<String> {
    let build = [
        "build",
        "--release",
        "--locked",
        "--workspace",
        "--example",
        name,
        "--message-format",
        "json-render-diagnostics",
    ];
    let program = executable(&cargo(root, threads, &build, &[])?, name).ok_or_else(|| {
        DevError::format("output of cargo", format!("it names no executable for the example `{name}`"))
    })?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root);
    python::limit(&mut command, threads);
    python::output(&mut command, "run it by hand to see the whole message")
}

/// The executable of an example, from the lines of JSON that cargo prints.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let message = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
    let of = |value: serde_json::Value| {
        let is_it = value["target"]["name"] == name && value["target"]["kind"][0] == "example";
        is_it.then(|| value["executable"].as_str().map(PathBuf::from)).flatten()
    };
    messages.lines().filter_map(message).find_map(of)
}

/// What a program of one side prints.
type Side<'a> = &'a dyn Fn() -> Result<Vec<Line>>;

/// What all sides found of one work.
struct Found {
    ours: Row,
    theirs: Vec<Row>,
    /// The bytes that have to be read and written at least, where our side says so.
    floor_bytes: Option<f64>,
}

/// All sides of some works by turns, ours first.
fn by_turns(works: &[Work], size: usize, rounds: usize, sides: &[Side<'_>]) -> Result<Vec<Found>> {
    let mut found = vec![vec![]; sides.len()];
    for round in 0..rounds.max(1) {
        for turn in 0..sides.len() {
            let side = (round + turn) % sides.len();
            let lines = sides[side]()?;
            let times: Vec<f64> = lines.iter().map(|line| line.median_ms).collect();
            eprintln!("  {:10} {times:?} ms", lines[0].engine);
            found[side].push(lines);
        }
    }
    let summary = |side: &Vec<Vec<Line>>, at: usize| {
        let rows: Vec<Row> = side.iter().map(|round| round[at].row(&works[at], size)).collect();
        summarise(&rows)
    };
    let work = |at: usize| Found {
        ours: summary(&found[0], at),
        theirs: found[1..].iter().map(|side| summary(side, at)).collect(),
        // The same in every round.
        floor_bytes: found[0].first().and_then(|round| round[at].floor_bytes),
    };
    Ok((0..works.len()).map(work).collect())
}

/// The folder where both sides find what one of them wrote.
///
/// # Errors
/// [`DevError::File`] when it cannot be made.
pub fn folder(python: &python::Python) -> Result<PathBuf> {
    let fault = |source| DevError::File { verb: "write", path: python.data.clone(), source };
    std::fs::create_dir_all(&python.data).map_err(fault)?;
    std::path::absolute(&python.data).map_err(fault)
}

/// The floor of moving so many bytes at the speed at which the machine copies.
fn moving(bytes: f64, peak: &Peak, reason: &str) -> Floor {
    Floor { ms: 1e-6 * bytes / peak.copy_gb_per_s, reason: reason.into() }
}

/// The floor of a picture and its derivative, of which `render_speed` counts the bytes.
fn splat_floor(bytes: Option<f64>, peak: &Peak) -> Result<Floor> {
    let bytes = bytes.ok_or_else(|| DevError::format("output of render_speed", "it gives no `floor_bytes`"))?;
    Ok(moving(bytes, peak, "parameters read twice, their gradient, the picture and its derivative written"))
}

/// Writes the table of state-space models between the markers `peers-markov` of the document.
///
/// # Errors
/// As [`super::gp`].
pub fn markov(root: &Path, options: &Options) -> Result<()> {
    const TIMES: usize = 10_000;
    let python = python::prepare(root, "beside", options.threads)?;
    let peak = measured_peak(&python, options.tiny)?;
    let ours = || lines(&example(root, options.threads, "linear_time", &["--peer"])?, "linear_time", 2);
    let seconds = options.seconds.to_string();
    let script = |name: &str| lines(&python.run(name, &["--seconds", &seconds])?, name, 2);
    let (dynamax, scans) = (|| script("markov_dynamax.py"), || script("markov_kalman.py"));
    let sides = by_turns(MARKOV, TIMES, options.rounds, &[&ours, &dynamax, &scans])?;
    let bytes = 4.0 * 8.0 * TIMES as f64;
    let comparison = |(work, found): (&'static Work, Found)| Comparison {
        work,
        ours: found.ours,
        theirs: found.theirs,
        floor: moving(bytes, &peak, "times and values read once, means and variances written: 0.32 MB"),
    };
    let comparisons: Vec<Comparison> = MARKOV.iter().zip(sides).map(comparison).collect();
    finish(root, options, "peers-markov", options.threads, &peak, &comparisons, true)
}

/// Writes the table of splats between the markers `peers-splat` of the document.
///
/// # Errors
/// As [`super::gp`].
pub fn splat(root: &Path, options: &Options) -> Result<()> {
    const GAUSSIANS: usize = 20_000;
    let python = python::prepare(root, "beside", options.threads)?;
    let peak = measured_peak(&python, options.tiny)?;
    let file = folder(&python)?.join("gaussians.ply");
    let file = file.to_str().expect("the workspace's path is UTF-8, as cargo requires");
    let seconds = options.seconds.to_string();
    let ours = || lines(&example(root, options.threads, "render_speed", &[file, &seconds])?, "render_speed", 1);
    let script = |engine: &str| {
        let arguments = [file, "--engine", engine, "--seconds", &seconds];
        lines(&python.run("splat_render.py", &arguments)?, "splat_render.py", 1)
    };
    let (gsplat, torch) = (|| script("gsplat"), || script("torch"));
    let mut sides = by_turns(SPLAT, GAUSSIANS, options.rounds, &[&ours, &gsplat, &torch])?;
    let Found { ours, theirs, floor_bytes } = sides.pop().expect("there is one work");
    let floor = splat_floor(floor_bytes, &peak)?;
    let comparison = Comparison { work: &SPLAT[0], ours, theirs, floor };
    finish(root, options, "peers-splat", options.threads, &peak, &[comparison], true)
}

/// Writes the table of the coder between the markers `peers-codec` of the document. Both sides run on one core, in one process.
///
/// # Errors
/// As [`super::gp`].
pub fn codec(root: &Path, options: &Options) -> Result<()> {
    let python = python::prepare(root, "criterion", 1)?;
    let peak = measured_peak(&python, options.tiny)?;
    let home = folder(&python)?;
    let seconds = options.seconds.to_string();
    let arguments = ["bench", "--workspace", "--bench", "coder", "--", "codec/bytes", "--measurement-time", &seconds];
    let locked = lock::parse_lock(&read(&root.join("Cargo.lock"))?)?;
    let version = |name: &str| {
        let package = locked.iter().find(|package| package.name == name);
        package
            .map(|package| package.version.clone())
            .ok_or_else(|| DevError::format("Cargo.lock", format!("no `{name}`")))
    };
    let versions = [version("elbo-codec")?, version("constriction")?];
    let cases: Vec<(&'static Work, usize)> =
        CODEC.iter().flat_map(|work| lanes(work).iter().map(move |lanes| (work, *lanes))).collect();
    let mut rounds = vec![];
    for _ in 0..options.rounds.max(1) {
        let (_, foreign) = watched(|| cargo(root, 1, &arguments, &[("CRITERION_HOME", home.as_path())]))?;
        let one = |(work, lanes): &(&'static Work, usize)| -> Result<[Row; 2]> {
            let what = work.id.trim_start_matches("codec-").replace('-', " ");
            let group = home.join("codec_bytes");
            let ours = group.join(format!("elbo {what}")).join(lanes.to_string());
            let theirs = group.join(format!("constriction {what}"));
            let rows = [
                sampled(&ours, "elbo", &versions[0], work, *lanes)?,
                sampled(&theirs, "constriction", &versions[1], work, *lanes)?,
            ];
            Ok(rows.map(|row| Row { foreign_cores: foreign, ..row }))
        };
        rounds.push(cases.iter().map(one).collect::<Result<Vec<_>>>()?);
    }
    let summary = |case: usize, side: usize| {
        let rows: Vec<Row> = rounds.iter().map(|round| round[case][side].clone()).collect();
        summarise(&rows)
    };
    let comparison = |(case, (work, _)): (usize, &(&'static Work, usize))| Comparison {
        work,
        ours: summary(case, 0),
        theirs: vec![summary(case, 1)],
        floor: moving(f64::from(1 << 20), &peak, "the symbols once through memory, one byte each"),
    };
    let comparisons: Vec<Comparison> = cases.iter().enumerate().map(comparison).collect();
    finish(root, options, "peers-codec", 1, &peak, &comparisons, true)
}

/// The times that criterion kept of one benchmark.
fn sampled(folder: &Path, engine: &str, version: &str, work: &Work, size: usize) -> Result<Row> {
    #[derive(Deserialize)]
    struct Sample {
        iters: Vec<f64>,
        /// Nanoseconds of so many iterations.
        times: Vec<f64>,
    }
    let path = folder.join("new/sample.json");
    let sample: Sample =
        serde_json::from_str(&read(&path)?).map_err(|error| DevError::format(path.display().to_string(), error))?;
    let times: Vec<f64> = sample.times.iter().zip(&sample.iters).map(|(time, count)| 1e-6 * time / count).collect();
    Ok(Row {
        engine: engine.into(),
        version: version.into(),
        work: work.id.into(),
        size,
        threads: 1,
        median_ms: median(&times),
        min_ms: times.iter().copied().fold(f64::INFINITY, f64::min),
        repeats: times.len(),
        foreign_cores: None,
        value: None,
        evaluations: None,
        gradient: vec![],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"engine": "jax", "version": "1", "work": "markov", "size": "10000 regular", "threads": 2,
        "median_ms": 4.0, "min_ms": 3.0, "repeats": 9, "foreign_cores": 0.1, "value": -3.5, "gradient": [1.0], "smoothed": [0.5, 0.1]}"#;

    #[test]
    fn a_line_of_either_side_becomes_a_row() {
        let line = LINE.replace('\n', " ");
        let found = lines(&format!("compiling\n{line}\n{line}\n"), "x", 2).unwrap();
        let row = found[1].row(&MARKOV[0], 10_000);
        assert_eq!((row.size, row.median_ms, row.gradient), (10_000, 4.0, vec![1.0, 0.5, 0.1]));
        let ours = line.replace(r#""version": "1", "#, "");
        assert_eq!(lines(&ours, "x", 1).unwrap()[0].row(&MARKOV[0], 1).version, env!("CARGO_PKG_VERSION"));
        assert!(lines(&line, "x.py", 2).unwrap_err().to_string().contains("expected 2 lines of JSON, found 1"));
    }

    #[test]
    fn the_floor_of_splats_is_that_of_the_measured_peak() {
        let peak = Peak { gflops_float64: 10.0, gflops_float32: 20.0, copy_gb_per_s: 20.0 };
        // A time that the program measured itself is passed over.
        let line = LINE.replace('\n', " ").replace('{', r#"{"floor_bytes": 40000000, "floor_ms": 7.0, "#);
        let found = lines(&line, "render_speed", 1).unwrap();
        assert_eq!(splat_floor(found[0].floor_bytes, &peak).unwrap().ms, 2.0);
        assert!(splat_floor(None, &peak).unwrap_err().to_string().contains("`floor_bytes`"));
    }

    #[test]
    fn cargo_says_where_an_example_is() {
        let line = |name: &str, kind: &str, executable: &str| {
            format!(
                r#"{{"reason": "compiler-artifact", "target": {{"name": "{name}", "kind": ["{kind}"]}}, "executable": {executable}}}"#
            )
        };
        let messages = [
            "not JSON".to_owned(),
            line("speed", "lib", "null"),
            line("other", "example", "\"/a/other\""),
            line("speed", "example", "\"/a/speed\""),
        ];
        assert_eq!(executable(&messages.join("\n"), "speed"), Some("/a/speed".into()));
        assert_eq!(executable(&messages[..3].join("\n"), "speed"), None);
    }

    #[test]
    fn every_coder_is_timed_with_its_lanes() {
        let found: Vec<&[usize]> = CODEC.iter().map(lanes).collect();
        let expected: [&[usize]; 4] = [&[4, 8], &[4, 8], &[1], &[1]];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_sample_of_criterion_is_a_time_for_each_iteration() {
        let folder = tempfile::tempdir().unwrap();
        let sample = r#"{"sampling_mode": "Linear", "iters": [1.0, 2.0, 3.0], "times": [3e6, 2e6, 6e6]}"#;
        crate::error::write(&folder.path().join("new/sample.json"), sample).unwrap();
        let row = sampled(folder.path(), "elbo", "0.1.0", &CODEC[0], 4).unwrap();
        assert_eq!((row.median_ms, row.min_ms, row.repeats), (2.0, 1.0, 3));
    }
}
