//! Accuracy beside GPyTorch's on the fixed splits: the same tables, kernels and kind of model.

use crate::error::{DevError, Result, read, write};
use crate::markers;
use elbo::core::{Data, Run};
use elbo::data::{ReadOptions, fixed_split};
use elbo::dist::scores::Scores;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Settings of `accuracy`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Only these tables.
    #[arg(long, value_delimiter = ',')]
    pub tables: Vec<String>,
    /// Only this many splits of each.
    #[arg(long)]
    pub splits: Option<usize>,
    /// Where the lines that `splits.py` printed lie.
    #[arg(long, default_value = "benches/peers/results")]
    pub results: PathBuf,
    /// The document that holds the table; it is written only when all tables and splits were run.
    #[arg(long, default_value = "docs/benchmarks.md")]
    pub out: PathBuf,
}

/// One line of `splits.py`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Line {
    /// GPyTorch's version.
    pub version: String,
    /// `concrete`, ...
    pub table: String,
    /// `rbf` or `matern52`.
    pub kernel: String,
    /// `exact` or `sgpr`.
    pub kind: String,
    /// From 0.
    pub split: usize,
    /// In the target's unit.
    pub rmse: f64,
    /// Mean negative log predictive density, nats.
    pub nlpd: f64,
    /// Share of the test targets in the central 95 % interval.
    pub coverage95: f64,
    /// Log marginal likelihood of the standardised training part, or its bound, in nats.
    pub objective: f64,
}

/// Our scores on the same split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ours {
    /// In the target's unit.
    pub rmse: f64,
    /// Nats.
    pub nlpd: f64,
    /// Share inside.
    pub coverage95: f64,
}

/// All lines in the `.jsonl` files of a folder, in the order of the files' names.
///
/// # Errors
/// [`DevError::File`], [`DevError::Format`].
pub fn lines(folder: &Path) -> Result<Vec<Line>> {
    let failed = |source| DevError::File { verb: "read", path: folder.into(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        files.push(entry.map_err(failed)?.path());
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let mut found = Vec::new();
    for file in files {
        for line in read(&file)?.lines() {
            found
                .push(serde_json::from_str(line).map_err(|error| DevError::format(file.display().to_string(), error))?);
        }
    }
    Ok(found)
}

/// Mean and standard error of the mean.
pub fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}

/// The table: one row for each table, kernel and kind. A score is no worse when our mean is at most the peer's mean plus its
/// standard error over the splits.
pub fn render(pairs: &[(Line, Ours)]) -> (String, Vec<String>) {
    // Keyed by kind, table and kernel.
    let mut groups: BTreeMap<[String; 3], Vec<&(Line, Ours)>> = BTreeMap::new();
    for pair in pairs {
        let Line { kind, table, kernel, .. } = &pair.0;
        groups.entry([kind.clone(), table.clone(), kernel.clone()]).or_default().push(pair);
    }
    let mut page = String::from(
        "| model | table | kernel | splits | RMSE elbo | GPyTorch (± s.e.) | NLPD elbo | GPyTorch (± s.e.) | 95 % covers, elbo | GPyTorch | verdict |\n\
         |---|---|---|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    let mut faults = Vec::new();
    let mut coverage = Vec::new();
    for ([kind, table, kernel], pairs) in &groups {
        let theirs =
            |score: fn(&Line) -> f64| mean_and_error(&pairs.iter().map(|pair| score(&pair.0)).collect::<Vec<_>>());
        let ours =
            |score: fn(&Ours) -> f64| mean_and_error(&pairs.iter().map(|pair| score(&pair.1)).collect::<Vec<_>>()).0;
        let (rmse, nlpd, covered) = (ours(|o| o.rmse), ours(|o| o.nlpd), ours(|o| o.coverage95));
        let (their_rmse, their_nlpd, their_covered) =
            (theirs(|l| l.rmse), theirs(|l| l.nlpd), theirs(|l| l.coverage95));
        let worse: Vec<&str> = [("RMSE", rmse, their_rmse), ("NLPD", nlpd, their_nlpd)]
            .iter()
            .filter(|(_, ours, (mean, error))| *ours > mean + error)
            .map(|(name, ..)| *name)
            .collect();
        let verdict = if worse.is_empty() { "no worse".into() } else { format!("**worse: {}**", worse.join(", ")) };
        if !worse.is_empty() {
            faults.push(format!("{kind} {table} {kernel}: {} worse than GPyTorch's", worse.join(", ")));
        }
        coverage.push(covered);
        writeln!(
            page,
            "| {kind} | {table} | {kernel} | {} | {rmse:.4} | {:.4} ± {:.4} | {nlpd:.4} | {:.4} ± {:.4} | {covered:.3} | {:.3} | {verdict} |",
            pairs.len(), their_rmse.0, their_rmse.1, their_nlpd.0, their_nlpd.1, their_covered.0
        )
        .expect("string");
    }
    let average = coverage.iter().sum::<f64>() / coverage.len() as f64;
    let inside = (0.93..=0.97).contains(&average);
    let verdict = if inside { "held" } else { "**missed**" };
    writeln!(
        page,
        "\nOn average over the rows our 95 % intervals cover {average:.3} (wanted 0.93 to 0.97: {verdict})."
    )
    .expect("string");
    if !inside {
        faults.push(format!("95 % intervals cover {average:.3} on average, wanted 0.93 to 0.97"));
    }
    (page, faults)
}

/// Fits and scores our model on one split.
fn ours(data: &Data, line: &Line) -> Result<Ours> {
    let (id, settings) = match line.kind.as_str() {
        "sgpr" => ("sgpr", json!({"kernel": line.kernel, "inducing": 500})),
        _ => ("gpr", json!({"kernel": line.kernel})),
    };
    let (train, test) = fixed_split(data, line.split)?;
    let mut run = Run::new(line.split as u64);
    let model = elbo::find(id)?.fit(&settings, &train, &mut run)?;
    let predict = model.as_predict().ok_or_else(|| DevError::format(id, "its models do not predict"))?;
    let prediction = predict.predict(&test, &mut run)?;
    match elbo::Observed::of(&test, &prediction)?.score(&prediction)? {
        Scores::Regression(scores) => {
            Ok(Ours { rmse: scores.rmse, nlpd: scores.nlpd, coverage95: scores.coverage.p95 })
        }
        Scores::Classification(_) => Err(DevError::format(&line.table, "its target was taken for classes")),
    }
}

/// Runs our side of every line of the peer and writes the table between the markers `accuracy-gp`.
///
/// # Errors
/// [`DevError::Faults`] when a score is worse or the coverage is off; the table is written all the same.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let mut chosen = lines(&root.join(&options.results))?;
    chosen.retain(|line| options.tables.is_empty() || options.tables.contains(&line.table));
    chosen.retain(|line| options.splits.is_none_or(|splits| line.split < splits));
    let mut pairs = Vec::new();
    for line in chosen {
        let path = root.join(format!("examples/data/uci/{}.csv.gz", line.table));
        let columns = read_target(&line.table)?;
        let reading = ReadOptions { categorical: vec!["split".into()], ..ReadOptions::with_target(columns) };
        let ours = ours(&elbo::data::read(&path, &reading)?, &line)?;
        eprintln!(
            "{} {} {} {}: RMSE {:.4} ({:.4}), NLPD {:.4} ({:.4}), covers {:.3} ({:.3})",
            line.kind,
            line.table,
            line.kernel,
            line.split,
            ours.rmse,
            line.rmse,
            ours.nlpd,
            line.nlpd,
            ours.coverage95,
            line.coverage95
        );
        pairs.push((line, ours));
    }
    let (table, faults) = render(&pairs);
    let version = pairs.first().map_or("", |pair| &pair.0.version);
    let body = format!(
        "GPyTorch {version}, fitted by `benches/peers/splits.py`. Made by `cargo run --release -p elbo-dev -- accuracy`.\n\n{table}"
    );
    if options.tables.is_empty() && options.splits.is_none() {
        let path = root.join(&options.out);
        write(&path, &markers::replace(&read(&path)?, "accuracy-gp", &body)?)?;
    } else {
        println!("{body}");
    }
    if faults.is_empty() { Ok(()) } else { Err(DevError::Faults(faults)) }
}

/// The target column of a table in `examples/data/uci`.
fn read_target(table: &str) -> Result<&'static str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(split: usize, theirs: f64, ours: f64, covered: f64) -> (Line, Ours) {
        let line = Line {
            version: "1".into(),
            table: "yacht".into(),
            kernel: "rbf".into(),
            kind: "exact".into(),
            split,
            rmse: theirs,
            nlpd: 1.0,
            coverage95: 0.95,
            objective: 0.0,
        };
        (line, Ours { rmse: ours, nlpd: 1.0, coverage95: covered })
    }

    #[test]
    fn a_score_within_the_peers_standard_error_is_no_worse() {
        // Mean 2, standard error 1/sqrt(2)·sqrt(2)/... = 1 for the values 1 and 3.
        assert_eq!(mean_and_error(&[1.0, 3.0]), (2.0, 1.0));
        let (page, faults) = render(&[pair(0, 1.0, 2.9, 0.95), pair(1, 3.0, 2.9, 0.95)]);
        assert!(faults.is_empty() && page.contains("| 2.9000 | 2.0000 ± 1.0000 |"), "{page}");
        let (page, faults) = render(&[pair(0, 1.0, 3.1, 0.95), pair(1, 3.0, 3.1, 0.95)]);
        assert!(page.contains("**worse: RMSE**") && faults.len() == 1, "{page}");
    }

    #[test]
    fn intervals_that_cover_too_little_are_a_fault() {
        let (page, faults) = render(&[pair(0, 1.0, 1.0, 0.90), pair(1, 3.0, 1.0, 0.92)]);
        assert!(page.contains("cover 0.910") && faults[0].contains("0.910"), "{page}");
    }
}
