//! Whether to trust what systems say of their own uncertainty: a test for every system with a posterior, and `docs/trust.md`.
//!
//! | kind of test | when it is used | what it shows |
//! |---|---|---|
//! | exact answer | the posterior has a closed form | the largest distance of mean and standard deviation |
//! | calibration by simulation | the truth can be drawn from the model's own prior | ranks or places of the truth, uniform by chi-square |
//! | the same, hyperparameters learned | a system always learns some | approximately uniform: enough rows that it holds |
//! | calibration of classes | the truth is one of two classes | places of several classes together, among all they might have been |
//!
//! Every system goes through the registry, as a user's program does. To add one, write a function that returns an [`Outcome`], put an
//! [`Entry`] into [`entries`], or say in [`WITHOUT`] why the system has no posterior.
//!
//! # Source
//! Talts, Betancourt, Simpson, Vehtari and Gelman (2018), for calibration by simulation.

mod classes;
mod codes;
mod counts;
mod entry;
mod factors;
mod held;
mod integrated;
mod learned;
mod linear;
mod page;
mod process;
mod regression;
mod series;
mod spikes;
mod trials;
pub mod uniform;
mod without;

pub use entry::{Entry, Exact, LEAST_P, Outcome, Size};
pub use held::overconfident;
pub use without::WITHOUT;

use crate::error::{DevError, Result, read, write};
use crate::markers;
use crate::stamp::stamp;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Settings of `trust`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Only these systems; the document is then not written.
    #[arg(long, value_delimiter = ',')]
    pub systems: Vec<String>,
    /// Only the coverage of intervals on these tables, or tables of these folders: `classic`. The simulations are not run; of all systems the
    /// rows are put into the document's table, and others stay as they are.
    #[arg(long, value_delimiter = ',')]
    pub tables: Vec<String>,
    /// The quick suite of the tests; the document is then not written.
    #[arg(long, conflicts_with = "tables")]
    pub small: bool,
    /// The document that holds the tables.
    #[arg(long, default_value = "docs/trust.md")]
    pub out: PathBuf,
}

/// The tests of all systems with a posterior, in the registry's order.
pub fn entries() -> Vec<Entry> {
    let mut all: Vec<Entry> = [
        held::entries(),
        classes::entries(),
        learned::entries(),
        vec![integrated::entry()],
        counts::entries(),
        vec![factors::entry()],
        codes::entries(),
        vec![series::entry(), spikes::entry()],
        trials::entries(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let order: Vec<&str> = elbo::systems().iter().map(|system| system.card().id).collect();
    all.sort_by_key(|entry| order.iter().position(|id| *id == entry.system));
    all
}

/// The markers around what is said by hand of rows that are of other runs than the page's last whole one.
const APART: &str = "trust-apart";

/// Runs the suite, system by system with its progress, and writes its tables between the markers `trust-suite` and `trust-regression`, the first as soon
/// as it is made. A whole run takes away what was said between the markers `trust-apart`: all rows are of one run then. A system that could not be measured
/// has a row that says so, and does not keep the others from being measured.
///
/// # Errors
/// [`DevError::Faults`] when a system fails its test or cannot be measured, or the overconfident baseline passes; the tables are written all the same.
/// Errors of the baseline, of the tables' fits, and of files.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let size = if options.small { Size::Small } else { Size::Full };
    let mut all = entries();
    if let Some(unknown) = options.systems.iter().find(|id| all.iter().all(|entry| entry.system != **id)) {
        return Err(DevError::format(format!("system `{unknown}`"), "it has no test in the suite"));
    }
    if !options.tables.is_empty() {
        return intervals(root, options);
    }
    all.retain(|entry| options.systems.is_empty() || options.systems.iter().any(|chosen| chosen == entry.system));
    let is_whole = options.systems.is_empty() && !options.small;
    let path = root.join(&options.out);
    if is_whole {
        // Missing markers are to be missed before the simulations.
        let page = read(&path)?;
        for name in ["trust-suite", APART, "trust-regression"] {
            markers::between(&page, name)?;
        }
    }
    let (mut faults, mut found): (Vec<String>, Vec<page::Found>) = (vec![], vec![]);
    let count = all.len();
    for (at, entry) in all.into_iter().enumerate() {
        let start = Instant::now();
        let outcome = entry.run(size).map_err(|error| error.to_string());
        let fault = match &outcome {
            Ok(outcome) => outcome.fault(),
            Err(error) => Some(format!("was not measured: {error}")),
        };
        let said = fault.as_deref().unwrap_or("passes");
        eprintln!("[{}/{count}] {} {said} ({:.0} s)", at + 1, entry.system, start.elapsed().as_secs_f64());
        faults.extend(fault.map(|fault| format!("{} {fault}", entry.system)));
        found.push((entry, outcome));
    }
    let baseline = overconfident();
    let outcome = baseline.run(size)?;
    if outcome.fault().is_none() {
        faults.push("the overconfident baseline passes: the suite cannot fail".into());
    }
    let when = stamp(root)?;
    let suite = page::suite(&found, &(baseline, outcome), &when);
    if is_whole {
        write(&path, &markers::replace(&read(&path)?, "trust-suite", &suite)?)?;
        eprintln!("intervals on the tables");
        let regression = regression::table(root, &[], &[])?;
        let page = markers::replace(&read(&path)?, "trust-regression", &regression)?;
        write(&path, &markers::replace(&page, APART, &format!("All rows of this page are of one run; {when}."))?)?;
    } else {
        let regression = if options.small { String::new() } else { regression::table(root, &options.systems, &[])? };
        println!("{suite}\n{regression}");
    }
    if faults.is_empty() { Ok(()) } else { Err(DevError::Faults(faults)) }
}

/// The coverages on some tables alone.
fn intervals(root: &Path, options: &Options) -> Result<()> {
    let path = root.join(&options.out);
    let is_written = options.systems.is_empty();
    if is_written {
        // Missing markers are to be missed before the fits.
        let document = read(&path)?;
        for name in ["trust-regression", APART] {
            markers::between(&document, name)?;
        }
    }
    let found = regression::table(root, &options.systems, &options.tables)?;
    if !is_written {
        println!("{found}");
        return Ok(());
    }
    let document = read(&path)?;
    let table = regression::merged(markers::between(&document, "trust-regression")?, &found);
    let apart = with_run(markers::between(&document, APART)?, &options.tables, &stamp(root)?);
    let document = markers::replace(&document, "trust-regression", &table)?;
    write(&path, &markers::replace(&document, APART, &apart)?)
}

/// What is said of rows of other runs, with the run of these tables in place of one of the same before.
fn with_run(present: &str, tables: &[String], when: &str) -> String {
    let of_these = format!("The rows of the tables {} are of a run of their own; ", tables.join(", "));
    let new = format!("{of_these}{when}.");
    let mut said: Vec<&str> = present.trim().split("\n\n").collect();
    said.retain(|text| !text.is_empty() && !text.starts_with(&of_these));
    said.push(&new);
    said.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_some_tables_replaces_what_was_said_of_the_one_before() {
        let of = |name: &str| vec![name.to_owned()];
        let first = with_run("\nBy hand,\nin two lines.\n", &of("classic"), "monday");
        assert_eq!(
            first,
            "By hand,\nin two lines.\n\nThe rows of the tables classic are of a run of their own; monday."
        );
        let second = with_run(&with_run(&first, &of("uci"), "tuesday"), &of("classic"), "friday");
        assert!(second.starts_with("By hand") && second.contains("uci") && second.contains("friday"), "{second}");
        assert!(!second.contains("monday"), "{second}");
    }
}
