//! Every comparison, one after the other, and the picture of all ratios: times, then scores.

use super::{Choice, beside, bounds, formats, gp, infer, linear, nn, ratios, regret};
use crate::error::{DevError, Result, read, write};
use crate::stamp::stamp;
use crate::{accuracy, markers, scale, tables};
use elbo::core::Error;
use std::path::Path;
use std::time::Instant;

/// The comparisons in the order in which they run.
pub const NAMES: [&str; 12] =
    ["gp", "nn", "infer", "markov", "linear", "splat", "codec", "bo", "accuracy", "scale", "formats", "bounds"];
/// Those without a tiny form.
const WHOLE: [&str; 2] = ["accuracy", "scale"];
/// The name of the markers around the table of runs.
pub const MARKER: &str = "peers-all";
/// The header of that table.
pub const COLUMNS: [&str; 5] = ["comparison", "run", "minutes", "with", "outcome"];

/// Settings of `peers all`.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)] // It would have the name of that of the settings inside.
pub struct Options {
    /// Those of every comparison.
    #[command(flatten)]
    pub common: super::Options,
    /// Only these comparisons.
    #[arg(long, value_delimiter = ',', value_parser = NAMES)]
    pub only: Vec<String>,
    /// All comparisons but these.
    #[arg(long, value_delimiter = ',', value_parser = NAMES, conflicts_with = "only")]
    pub skip: Vec<String>,
    /// Splits of each table that `accuracy` fits again, some minutes each; of others it keeps the scores that it has. `elbo-dev accuracy
    /// --again` fits all again.
    #[arg(long, default_value_t = 1)]
    pub splits: usize,
    /// Epochs of the fits of `bounds`: some five minutes for 20. The table of 50 is made by `peers bounds --epochs 50`, or by this option.
    #[arg(long, default_value_t = 20)]
    pub epochs: usize,
}

impl Options {
    /// Refuses a trial of comparisons that have no tiny form, and a choice that leaves none to run.
    fn check(&self) -> Result<()> {
        let tiny = || NAMES.into_iter().filter(|name| !WHOLE.contains(name)).collect::<Vec<_>>().join(", ");
        let whole: Vec<&str> = WHOLE.into_iter().filter(|name| self.only.iter().any(|only| only == name)).collect();
        if self.common.tiny && !whole.is_empty() {
            let has = if whole.len() == 1 { "has" } else { "have" };
            return Err(Error::data(
                format!("{} {has} no tiny form", whole.join(" and ")),
                format!("leave out `--tiny`, or choose among {}", tiny()),
            )
            .into());
        }
        if NAMES.into_iter().any(|name| self.has(name)) {
            return Ok(());
        }
        let remedy = if self.common.tiny {
            format!("skip fewer of {}, which have a tiny form", tiny())
        } else {
            "skip fewer".into()
        };
        Err(Error::data("`--skip` leaves no comparison to run", remedy).into())
    }

    fn has(&self, name: &str) -> bool {
        let is_named = |names: &[String]| names.iter().any(|other| other == name);
        let is_possible = !self.common.tiny || !WHOLE.contains(&name);
        is_possible && !is_named(&self.skip) && (self.only.is_empty() || is_named(&self.only))
    }

    /// The numbers of a comparison, as the table of runs says them.
    fn numbers(&self, name: &str) -> String {
        let Self { common: super::Options { rounds, seconds, threads, .. }, splits, epochs, .. } = self;
        match name {
            "infer" => format!("{rounds} seeds, {threads} threads"),
            "linear" => format!("{rounds} runs"),
            "bo" => "10 seeds".into(),
            "accuracy" => format!("{splits} splits of each table fitted again by us; the other scores as they were"),
            "scale" => format!("{threads} threads"),
            "formats" => format!("{} training steps", formats::STEPS),
            "bounds" => format!("{epochs} epochs, 3 seeds"),
            "codec" => format!("{rounds} rounds of {seconds} s, one thread"),
            _ => format!("{rounds} rounds of {seconds} s, {threads} threads"),
        }
    }
}

/// Runs every comparison that is asked for, each of which writes its table as it ends, then draws the ratios. One that fails does not keep
/// the others from running. The table between the markers `peers-all` says what was run when.
///
/// # Errors
/// [`DevError::Faults`] with what each comparison has to say: bounds that were missed, values that disagree, sides that failed.
/// [`DevError::Elbo`] where nothing is left to run, or `--tiny` is asked of a comparison that has no tiny form; [`DevError::Format`] for a document
/// without the markers; [`DevError::File`].
pub fn all(root: &Path, options: &Options) -> Result<()> {
    options.check()?;
    let common = &options.common;
    let path = root.join(&common.out);
    if !common.tiny {
        markers::between(&read(&path)?, MARKER)?;
        // The last comparison has a document of its own, with a place for some numbers of epochs.
        if options.has("bounds") {
            markers::between(&read(&root.join(bounds::PAGE))?, &bounds::marker(options.epochs))?;
        }
    }
    // Comparisons start this program: first predictions, many rows, bounds.
    beside::cargo(root, common.threads, &["build", "--release", "--locked", "--workspace", "--bin", "elbo"], &[])?;
    let mut faults = vec![];
    for name in NAMES.into_iter().filter(|name| options.has(name)) {
        eprintln!("== {name}");
        let start = Instant::now();
        let outcome = run(root, options, name);
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        let word = match &outcome {
            Ok(()) => "held",
            Err(DevError::Faults(_)) => "**faults**",
            Err(_) => "**failed**",
        };
        faults.extend(outcome.err().map(|error| format!("{name}: {error}")));
        if !common.tiny {
            let numbers = options.numbers(name);
            let cells = [name.to_owned(), stamp(root)?, format!("{minutes:.1}"), numbers, word.to_owned()];
            let page = read(&path)?;
            let table = with_row(markers::between(&page, MARKER)?, cells);
            write(&path, &markers::replace(&page, MARKER, &table)?)?;
        }
    }
    // The tables of a trial were printed, not written.
    if !common.tiny {
        eprintln!("== plot");
        match ratios::plot(root, &ratios::Options { from: common.out.clone() }) {
            Ok(told) => println!("{told}"),
            Err(error) => faults.push(format!("plot: {error}")),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(DevError::Faults(faults)) }
}

/// One comparison, by its name among [`NAMES`].
fn run(root: &Path, options: &Options, name: &str) -> Result<()> {
    let common = &options.common;
    let super::Options { rounds, threads, tiny, .. } = *common;
    let out = common.out.clone();
    let whole = || Choice { options: common.clone(), only: vec![] };
    match name {
        "gp" => gp(root, &whole()),
        "nn" => nn(root, &whole()),
        "infer" => {
            let rounds = rounds.max(1) as u64;
            infer::infer(root, &infer::Options { rounds, threads, only: vec![], tiny, patience: infer::PATIENCE, out })
        }
        "markov" => beside::markov(root, common),
        "linear" => linear::linear(root, common),
        "splat" => beside::splat(root, common),
        "codec" => beside::codec(root, common),
        "bo" => regret::bo(root, common),
        "accuracy" => {
            let at_once = u16::try_from(threads.max(1)).unwrap_or(u16::MAX);
            let (tables, kernels, results) = (vec![], vec![], accuracy::RESULTS.into());
            let splits = Some(options.splits);
            let scores = accuracy::Options { tables, kernels, splits, again: true, at_once, results, out };
            accuracy::refit(root, &scores)?;
            accuracy::run(root, &accuracy::Options { splits: None, again: false, ..scores })
        }
        "scale" => scale::run(root, &scale::Options { threads, only: vec![], out }),
        "formats" => formats::formats(root, &formats::Options { steps: formats::STEPS, threads, tiny }),
        "bounds" => {
            let epochs = options.epochs;
            bounds::bounds(root, &bounds::Options { epochs, seeds: 3, threads, tiny, out: bounds::PAGE.into() })
        }
        other => unreachable!("`{other}` is none of the names"),
    }
}

/// The table of runs with these cells in place of the row of the same comparison, in the order of [`NAMES`]. Comparisons that have never been run by
/// this command say so.
fn with_row(present: &str, cells: [String; 5]) -> String {
    let mut rows: Vec<Vec<String>> = tables::tables(present).into_iter().flat_map(|table| table.rows).collect();
    rows.retain(|row| row[0] != cells[0]);
    rows.push(cells.into());
    let mut page = format!("| {} |\n|---|---|---:|---|---|\n", COLUMNS.join(" | "));
    for name in NAMES {
        let row = rows
            .iter()
            .find(|row| row[0] == name)
            .map_or_else(|| [name, "not by this command", "", "", ""].join(" | "), |row| row.join(" | "));
        page.push_str(&format!("| {row} |\n"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command, FromArgMatches};

    fn parsed(words: &[&str]) -> Result<Options, clap::Error> {
        let command = Options::augment_args(Command::new("all").no_binary_name(true));
        Options::from_arg_matches(&command.try_get_matches_from(words.iter().copied())?)
    }

    #[test]
    fn comparisons_are_chosen_or_left_out_by_name() {
        let chosen = |words: &[&str]| -> Vec<&str> {
            let options = parsed(words).unwrap();
            NAMES.into_iter().filter(|name| options.has(name)).collect()
        };
        assert_eq!(chosen(&[]), NAMES);
        assert_eq!(chosen(&["--only", "bounds,gp"]), ["gp", "bounds"]);
        assert_eq!(chosen(&["--skip", "bo,bounds"]).len(), NAMES.len() - 2);
        assert_eq!(chosen(&["--tiny"]).len(), NAMES.len() - WHOLE.len());
        assert!(parsed(&["--only", "gp", "--skip", "nn"]).is_err());
        assert!(parsed(&["--only", "svgp"]).unwrap_err().to_string().contains("bounds"));
    }

    #[test]
    fn trials_of_what_has_no_tiny_form_and_choices_of_nothing_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |words: &[&str], parts: &[&str]| {
            let error = all(folder.path(), &parsed(words).unwrap()).unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{words:?}: {error}");
        };
        let tiny = ["no tiny form; ", "among gp, nn, infer, markov, linear, splat, codec, bo, formats, bounds"];
        refused(&["--tiny", "--only", "accuracy"], &[&["accuracy has"][..], &tiny[..]].concat());
        // Nor is one of several left out in silence.
        refused(&["--tiny", "--only", "gp,scale,accuracy"], &[&["accuracy and scale have"][..], &tiny[..]].concat());
        refused(&["--skip", &NAMES.join(",")], &["no comparison to run"]);
        let rest = NAMES.into_iter().filter(|name| !WHOLE.contains(name)).collect::<Vec<_>>().join(",");
        refused(
            &["--tiny", "--skip", &rest],
            &["no comparison to run", "of gp, nn,", "bounds, which have a tiny form"],
        );
        for words in
            [&["--tiny"][..], &["--tiny", "--only", "gp"], &["--only", "accuracy"], &["--tiny", "--skip", "scale"]]
        {
            assert!(parsed(words).unwrap().check().is_ok(), "{words:?}");
        }
    }

    #[test]
    fn a_run_replaces_its_row_and_leaves_those_of_others() {
        let cells = |name: &str, day: &str| [name, day, "1.0", "3 rounds", "held"].map(str::to_owned);
        let first = with_row("", cells("nn", "monday"));
        assert_eq!(first.lines().count(), 2 + NAMES.len());
        assert!(
            first.contains("\n| gp | not by this command |  |  |  |\n| nn | monday | 1.0 | 3 rounds | held |\n"),
            "{first}"
        );
        let second = with_row(&first, cells("gp", "tuesday"));
        assert!(second.contains("| gp | tuesday | 1.0 | 3 rounds | held |\n| nn | monday |"), "{second}");
        let third = with_row(&second, cells("nn", "friday"));
        assert!(third.contains("| nn | friday |") && !third.contains("monday"), "{third}");
    }

    #[test]
    fn documents_without_a_place_for_the_tables_are_refused_before_anything_runs() {
        let folder = tempfile::tempdir().unwrap();
        let set = |page: &str, text: &str| write(&folder.path().join(page), text).unwrap();
        let refused = |part: &str| {
            let error = all(folder.path(), &parsed(&["--epochs", "7"]).unwrap()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        set("docs/benchmarks.md", "text\n");
        refused("peers-all:begin");
        set("docs/benchmarks.md", &[markers::begin(MARKER), markers::end(MARKER)].join("\n"));
        set(bounds::PAGE, "<!-- bounds-20:begin -->\n<!-- bounds-20:end -->\n");
        refused("bounds-7:begin");
    }
}
