//! Accuracy beside GPyTorch's on the fixed splits: the same tables, kernels and kind of model.
//!
//! GPyTorch's scores come from `benches/peers/splits.py`. Ours are computed for every fit that it has scored and we have not, and added
//! to `elbo.jsonl` beside its lines as they come, so that an interrupted run goes on where it was.

mod lines;
mod table;

pub use lines::{COPIED, EXACT, Fit, KEPT, Line, Lines, OURS, append};
pub use table::{WANTED, mean_and_error, render};

use crate::error::{DevError, Result, read, write};
use crate::markers;
use crate::stamp::stamp;
use elbo::core::Run;
use elbo::data::{ReadOptions, fixed_split};
use elbo::dist::scores::Scores;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Settings of `accuracy`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Only these tables.
    #[arg(long, value_delimiter = ',')]
    pub tables: Vec<String>,
    /// Only these kernels.
    #[arg(long, value_delimiter = ',')]
    pub kernels: Vec<String>,
    /// Only this many splits of each.
    #[arg(long)]
    pub splits: Option<usize>,
    /// Fit again what has been scored already.
    #[arg(long)]
    pub again: bool,
    /// Fits at once, each on one thread.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub at_once: u16,
    /// Where the lines of both sides lie.
    #[arg(long, default_value = RESULTS)]
    pub results: PathBuf,
    /// The document that holds the table.
    #[arg(long, default_value = "docs/benchmarks.md")]
    pub out: PathBuf,
}

/// Where the lines of both sides lie.
pub const RESULTS: &str = "benches/peers/results";

impl Options {
    fn is_chosen(&self, fit: &Fit) -> bool {
        (self.tables.is_empty() || self.tables.contains(&fit.table))
            && (self.kernels.is_empty() || self.kernels.contains(&fit.kernel))
            && self.splits.is_none_or(|splits| fit.split < splits)
    }
}

/// Fits and scores our model on one split.
fn ours(root: &Path, fit: &Fit) -> Result<Line> {
    let (id, settings) = match fit.kind.as_str() {
        "sgpr" => ("sgpr", json!({"kernel": fit.kernel, "inducing": 500})),
        EXACT => ("gpr", json!({"kernel": fit.kernel})),
        KEPT => ("gpr", json!({"kernel": fit.kernel, "copies": "keep"})),
        other => {
            return Err(DevError::format(
                format!("the kind `{other}`"),
                format!("only `{EXACT}`, `{KEPT}` and `sgpr` are known"),
            ));
        }
    };
    let path = root.join(format!("examples/data/uci/{}.csv.gz", fit.table));
    let reading = ReadOptions { categorical: vec!["split".into()], ..ReadOptions::with_target(target(&fit.table)?) };
    let (train, test) = fixed_split(&elbo::data::read(&path, &reading)?, fit.split)?;
    let mut run = Run::new(fit.split as u64);
    let started = Instant::now();
    let model = elbo::find(id)?.fit(&settings, &train, &mut run)?;
    let seconds = started.elapsed().as_secs_f64();
    let predict = model.as_predict().ok_or_else(|| DevError::format(id, "its models do not predict"))?;
    let prediction = predict.predict(&test, &mut run)?;
    let Scores::Regression(scores) = elbo::Observed::of(&test, &prediction)?.score(&prediction)? else {
        return Err(DevError::format(&fit.table, "its target was taken for classes"));
    };
    let objective = model.summary().objective.map(|(_, value)| value);
    Ok(Line {
        engine: OURS.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        fit: fit.clone(),
        rows: test.rows(),
        rmse: scores.rmse,
        nlpd: scores.nlpd,
        coverage95: scores.coverage.p95,
        objective: objective.ok_or_else(|| DevError::format(id, "its models have no objective"))?,
        seconds: (100.0 * seconds).round() / 100.0,
    })
}

/// Scores our side of these fits of the peer, several at once, and adds each to the file as it comes.
fn score(root: &Path, todo: &[&Line], out: &Path, at_once: u16) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        // Two fits on a thread each are sooner done than one after the other on two threads; the bits are the same.
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let alone = alone.map_err(|error| DevError::format("a pool of one thread", error))?;
        while let Some(theirs) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Fit { kind, table, kernel, split } = &theirs.fit;
            let ours = alone.install(|| ours(root, &theirs.fit))?;
            append(out, &ours)?;
            eprintln!(
                "{kind} {table} {kernel} {split}: RMSE {:.4} ({:.4}), NLPD {:.4} ({:.4}), covers {:.3} ({:.3}), objective {:.2} ({:.2}), {:.0} s",
                ours.rmse,
                theirs.rmse,
                ours.nlpd,
                theirs.nlpd,
                ours.coverage95,
                theirs.coverage95,
                ours.objective,
                theirs.objective,
                ours.seconds
            );
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a fit answers with an error"))
    })
}

/// Scores what is missing of our side, or all of it where it is asked for again, and adds it to `elbo.jsonl`.
///
/// # Errors
/// When a table cannot be read or a fit fails; [`DevError::File`].
pub fn refit(root: &Path, options: &Options) -> Result<()> {
    let folder = root.join(&options.results);
    let before = Lines::read(&folder)?;
    let is_missing = |fit: &Fit| options.again || !before.ours.contains_key(fit);
    // From the end, where the longest fits are.
    let todo: Vec<&Line> =
        before.theirs.values().rev().filter(|l| options.is_chosen(&l.fit) && is_missing(&l.fit)).collect();
    score(root, &todo, &folder.join("elbo.jsonl"), options.at_once)
}

/// Computes what is missing of our side and writes the table between the markers `accuracy-gp`; where only some tables, kernels or splits
/// are asked for, it is printed instead.
///
/// # Errors
/// [`DevError::Faults`] when a score is worse, the coverage is off, or splits are missing; the table is written all the same.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    refit(root, options)?;
    let after = Lines::read(&root.join(&options.results))?;
    let is_whole = options.tables.is_empty() && options.kernels.is_empty() && options.splits.is_none();
    let mut pairs = after.pairs();
    pairs.retain(|(theirs, _)| options.is_chosen(&theirs.fit));
    let (table, faults) = render(&pairs);
    let version = pairs.first().map_or("", |(theirs, _)| &theirs.version);
    let body = format!(
        "GPyTorch {version}, fitted by `benches/peers/splits.py`. Made by `cargo run --release -p elbo-dev -- accuracy`; {}. Scores of fits \
         that were not asked for again are of earlier days.\n\n{table}",
        stamp(root)?
    );
    if is_whole {
        let path = root.join(&options.out);
        write(&path, &markers::replace(&read(&path)?, "accuracy-gp", &body)?)?;
    } else {
        println!("{body}");
    }
    if faults.is_empty() { Ok(()) } else { Err(DevError::Faults(faults)) }
}

/// The target column of a table in `examples/data/uci`.
fn target(table: &str) -> Result<&'static str> {
    let targets = [
        ("concrete", "strength"),
        ("airfoil", "sound_pressure"),
        ("yacht", "resistance"),
        ("wine-red", "quality"),
        ("power", "power"),
    ];
    let found = targets.iter().find(|(name, _)| *name == table);
    found
        .map(|(_, target)| *target)
        .ok_or_else(|| DevError::format(format!("table `{table}`"), "its target is not known here"))
}
