//! Whether to trust what systems say of their own uncertainty: one test for every system with a posterior, and `docs/trust.md`.
//!
//! | kind of test | when it is used | what it shows |
//! |---|---|---|
//! | exact answer | the posterior has a closed form | the largest distance of mean and standard deviation |
//! | calibration by simulation | the truth can be drawn from the model's own prior | ranks or places of the truth, uniform by chi-square |
//! | the same, hyperparameters learned | a system always learns some | approximately uniform: enough rows that it holds |
//!
//! Every system goes through the registry, as a user's program does. To add one, write a function that returns an [`Outcome`], put an
//! [`Entry`] into [`entries`], or say in [`WITHOUT`] why the system has no posterior.
//!
//! # Source
//! Talts, Betancourt, Simpson, Vehtari and Gelman (2018), for calibration by simulation.

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
use std::path::{Path, PathBuf};

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

/// Runs the suite, and writes its tables between the markers `trust-suite` and `trust-regression`.
///
/// # Errors
/// [`DevError::Faults`] when a system fails its test or the overconfident baseline passes it; the tables are written all the same.
/// Errors of the systems, and of files.
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
    let (mut faults, mut found) = (vec![], vec![]);
    for entry in all {
        let outcome = entry.run(size)?;
        let fault = outcome.fault();
        eprintln!("{}: {}", entry.system, fault.as_deref().unwrap_or("passes"));
        faults.extend(fault.map(|fault| format!("{} {fault}", entry.system)));
        found.push((entry, outcome));
    }
    let baseline = overconfident();
    let outcome = baseline.run(size)?;
    if outcome.fault().is_none() {
        faults.push("the overconfident baseline passes: the suite cannot fail".into());
    }
    let suite = page::suite(&found, &(baseline, outcome));
    let regression = if options.small { String::new() } else { regression::table(root, &options.systems, &[])? };
    if options.systems.is_empty() && !options.small {
        let path = root.join(&options.out);
        let page = markers::replace(&read(&path)?, "trust-suite", &suite)?;
        write(&path, &markers::replace(&page, "trust-regression", &regression)?)?;
    } else {
        println!("{suite}\n{regression}");
    }
    if faults.is_empty() { Ok(()) } else { Err(DevError::Faults(faults)) }
}

/// The coverages on some tables alone.
fn intervals(root: &Path, options: &Options) -> Result<()> {
    let found = regression::table(root, &options.systems, &options.tables)?;
    if !options.systems.is_empty() {
        println!("{found}");
        return Ok(());
    }
    let path = root.join(&options.out);
    let document = read(&path)?;
    let table = regression::merged(markers::between(&document, "trust-regression")?, &found);
    write(&path, &markers::replace(&document, "trust-regression", &table)?)
}
