//! Scores as lines of JSON, one for each fit: GPyTorch's, which `splits.py` wrote, and ours.

use crate::error::{DevError, Result, read};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// What `engine` says in our lines.
pub const OURS: &str = "elbo";

/// The kind of an exact process with the defaults of either side.
pub const EXACT: &str = "exact";

/// The kind of our fits in which a row counts as often as it stands in the table, as it does in GPyTorch's; by our defaults it may count once.
pub const KEPT: &str = "exact, copies kept";

/// The table so many of whose rows stand twice that it matters how often they count: there GPyTorch's fits are held against both kinds of ours.
pub const COPIED: &str = "wine-red";

/// One fit: a model, its kernel and the rows it is fitted to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fit {
    /// [`EXACT`], [`KEPT`] or `sgpr`.
    pub kind: String,
    /// `concrete`, ...
    pub table: String,
    /// `rbf` or `matern52`.
    pub kernel: String,
    /// From 0.
    pub split: usize,
}

/// How a fit came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// `gpytorch` or `elbo`.
    pub engine: String,
    /// The engine's version.
    pub version: String,
    /// Which fit it was.
    #[serde(flatten)]
    pub fit: Fit,
    /// Rows that were tested; zero in lines that do not say it.
    #[serde(default)]
    pub rows: usize,
    /// In the target's unit.
    pub rmse: f64,
    /// Mean negative log predictive density, nats.
    pub nlpd: f64,
    /// Share of the test targets in the central 95 % interval.
    pub coverage95: f64,
    /// Log marginal likelihood of the standardised training part, or its bound, in nats.
    pub objective: f64,
    /// Duration of the fit.
    pub seconds: f64,
}

/// The lines of either side by their fit.
#[derive(Debug, Default)]
pub struct Lines {
    /// GPyTorch's.
    pub theirs: BTreeMap<Fit, Line>,
    /// Ours.
    pub ours: BTreeMap<Fit, Line>,
}

impl Lines {
    /// All lines in the `.jsonl` files of a folder, in the order of the files' names; the last line of a fit counts.
    ///
    /// # Errors
    /// [`DevError::File`], [`DevError::Format`].
    pub fn read(folder: &Path) -> Result<Self> {
        let failed = |source| DevError::File { verb: "read", path: folder.into(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            files.push(entry.map_err(failed)?.path());
        }
        files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        files.sort();
        let mut found = Self::default();
        for file in files {
            for line in read(&file)?.lines() {
                let line: Line =
                    serde_json::from_str(line).map_err(|error| DevError::format(file.display().to_string(), error))?;
                let is_ours = line.engine == OURS;
                if !is_ours && line.fit.table == COPIED && line.fit.kind == EXACT {
                    let kept = Fit { kind: KEPT.into(), ..line.fit.clone() };
                    found.theirs.insert(kept.clone(), Line { fit: kept, ..line.clone() });
                }
                let side = if is_ours { &mut found.ours } else { &mut found.theirs };
                side.insert(line.fit.clone(), line);
            }
        }
        Ok(found)
    }

    /// The fits that both sides have scored: GPyTorch's line, then ours.
    pub fn pairs(&self) -> Vec<(&Line, &Line)> {
        self.theirs.iter().filter_map(|(fit, theirs)| Some((theirs, self.ours.get(fit)?))).collect()
    }
}

/// Adds a line at the end of the file, which is made where it is missing.
///
/// # Errors
/// [`DevError::File`], [`DevError::Format`] for a number that is not finite.
pub fn append(path: &Path, line: &Line) -> Result<()> {
    let scores = [line.rmse, line.nlpd, line.coverage95, line.objective];
    if !scores.iter().all(|score| score.is_finite()) {
        return Err(DevError::format(format!("the scores {scores:?}"), "not all are finite"));
    }
    let text = serde_json::to_string(line).map_err(|error| DevError::format("a line of scores", error))? + "\n";
    let file = File::options().create(true).append(true).open(path);
    // In one call, so that another process that writes to the same file does not come between.
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|source| DevError::File {
        verb: "write",
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_found_again_and_the_last_line_counts() {
        let folder = tempfile::tempdir().unwrap();
        let peers = r#"{"engine": "gpytorch", "version": "1", "work": "splits", "table": "yacht", "kernel": "rbf", "kind": "exact", "split": 3, "rmse": 0.5, "nlpd": 0, "coverage95": 1, "objective": -3.5, "optimiser": "lbfgs", "evaluations": 9, "seconds": 1.5}"#;
        std::fs::write(folder.path().join("exact.jsonl"), peers).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no lines").unwrap();
        let theirs = Lines::read(folder.path()).unwrap().theirs.into_values().next().unwrap();
        assert_eq!((theirs.fit.split, theirs.nlpd, theirs.objective), (3, 0.0, -3.5));
        for rmse in [0.7, 0.4] {
            let line = Line { engine: OURS.into(), rmse, ..theirs.clone() };
            append(&folder.path().join("elbo.jsonl"), &line).unwrap();
        }
        let found = Lines::read(folder.path()).unwrap();
        let pairs: Vec<_> = found.pairs().iter().map(|(theirs, ours)| (theirs.rmse, ours.rmse)).collect();
        assert_eq!(pairs, [(0.5, 0.4)]);
    }

    #[test]
    fn one_fit_of_the_peer_stands_beside_both_kinds_of_ours_where_rows_are_copied() {
        let folder = tempfile::tempdir().unwrap();
        let peers = r#"{"engine": "gpytorch", "version": "1", "table": "wine-red", "kernel": "rbf", "kind": "exact", "split": 0, "rmse": 0.5, "nlpd": 0, "coverage95": 1, "objective": 1, "seconds": 1}"#;
        std::fs::write(folder.path().join("exact.jsonl"), peers).unwrap();
        let found = Lines::read(folder.path()).unwrap();
        let kinds: Vec<&str> = found.theirs.keys().map(|fit| fit.kind.as_str()).collect();
        assert_eq!(kinds, ["exact", KEPT]);
        assert!(found.theirs.iter().all(|(fit, line)| line.fit == *fit && line.rmse == 0.5) && found.ours.is_empty());
    }

    #[test]
    fn a_score_that_is_not_finite_is_refused_and_a_broken_line_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("elbo.jsonl");
        let fit = Fit { kind: "exact".into(), table: "yacht".into(), kernel: "rbf".into(), split: 0 };
        let (engine, version) = (OURS.into(), "1".into());
        let line = Line {
            engine,
            version,
            fit,
            rows: 31,
            rmse: f64::NAN,
            nlpd: 0.0,
            coverage95: 1.0,
            objective: 0.0,
            seconds: 0.0,
        };
        assert!(append(&path, &line).unwrap_err().to_string().contains("not all are finite") && !path.exists());
        std::fs::write(&path, "{\"engine\"").unwrap();
        assert!(Lines::read(folder.path()).unwrap_err().to_string().contains("elbo.jsonl"));
    }
}
