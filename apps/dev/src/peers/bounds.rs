//! Bounds on the log likelihood of pictures, of every system with a code for each picture: `benches/bounds.py`, and its tables in `docs/bounds.md`.

use super::{built_program, python, table};
use crate::error::{Result, read, write};
use crate::markers;
use crate::stamp::stamp;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The document with the tables.
pub const PAGE: &str = "docs/bounds.md";
/// The pictures, as `elbo data` calls them.
const DATA: &str = "mnist10k";

/// Settings of `peers bounds`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Epochs of each fit. The document has a table of 20, some five minutes on a quiet machine, and one of 50, some nine.
    #[arg(long, default_value_t = 20)]
    pub epochs: usize,
    /// Seeds that each system is fitted with.
    #[arg(long, default_value_t = 3)]
    pub seeds: usize,
    /// Threads a fit may use.
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    /// One epoch of one system with few draws, to try the machinery; prints the table instead of writing it.
    #[arg(long)]
    pub tiny: bool,
    /// The document that holds the tables.
    #[arg(long, default_value = PAGE)]
    pub out: PathBuf,
}

/// The markers of a table.
pub(super) fn marker(epochs: usize) -> String {
    format!("bounds-{epochs}")
}

/// Fits and scores the systems, and writes the table between the markers `bounds-EPOCHS` of the document.
///
/// # Errors
/// [`DevError::Format`](crate::DevError::Format) when the document has no place for so many epochs; [`DevError::Command`](crate::DevError::Command)
/// when the data are absent or a fit fails.
pub fn bounds(root: &Path, options: &Options) -> Result<()> {
    let path = root.join(&options.out);
    if !options.tiny {
        // Missing markers are to be missed before minutes of fits.
        markers::between(&read(&path)?, &marker(options.epochs))?;
    }
    let (elbo, version) = built_program()?;
    let remedy = format!("run `elbo data get {DATA}`");
    let data = python::output(Command::new(&elbo).args(["data", "where", DATA]), &remedy)?;
    let mut script = Command::new(python::of_the_system());
    script.arg(root.join("benches/bounds.py")).arg(&elbo).arg(data.trim());
    if options.tiny {
        script.args(["--epochs", "1", "--seeds", "1", "--draws", "50", "--pictures", "20", "--systems", "aevb"]);
    } else {
        script.args(["--epochs", &options.epochs.to_string(), "--seeds", &options.seeds.to_string()]);
    }
    python::limit(&mut script, options.threads);
    let table = python::output(&mut script, "run it by hand to see the whole message")?;
    let body = format!(
        "Made by `cargo run --release -p elbo-dev -- peers bounds --epochs {}`; {}, {}; {}; {} threads.\n\n{table}",
        options.epochs,
        version.trim(),
        stamp(root)?,
        table::machine(),
        options.threads
    );
    if options.tiny {
        println!("{body}");
        return Ok(());
    }
    write(&path, &markers::replace(&read(&path)?, &marker(options.epochs), &body)?)
}

/// The tables of the document, each with its number of epochs, in its order.
///
/// # Errors
/// [`DevError::Format`](crate::DevError::Format) for a marker that is not closed or stands twice.
pub fn tables(page: &str) -> Result<Vec<(usize, &str)>> {
    let epochs =
        |line: &str| line.trim().strip_prefix("<!-- bounds-")?.strip_suffix(":begin -->")?.parse::<usize>().ok();
    let of = |epochs: usize| -> Result<(usize, &str)> { Ok((epochs, markers::between(page, &marker(epochs))?.trim())) };
    page.lines().filter_map(epochs).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_by_their_epochs() {
        let page = "# Bounds\n<!-- bounds-50:begin -->\n| a |\n<!-- bounds-50:end -->\ntext\n<!-- bounds-20:begin -->\nb\n<!-- bounds-20:end -->\n";
        assert_eq!(tables(page).unwrap(), [(50, "| a |"), (20, "b")]);
        assert!(tables("text").unwrap().is_empty());
        assert!(tables("<!-- bounds-3:begin -->\n").unwrap_err().to_string().contains("bounds-3:end"));
    }

    #[test]
    fn a_document_without_a_place_for_the_table_is_refused_before_anything_runs() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join(PAGE), "text\n").unwrap();
        let options = Options { epochs: 7, seeds: 1, threads: 1, tiny: false, out: PAGE.into() };
        let error = bounds(folder.path(), &options).unwrap_err().to_string();
        assert!(error.contains("bounds-7:begin"), "{error}");
    }
}
