//! Standard output and standard error.

use crate::failure::Failure;
use elbo::core::{Error, Result, Run};
pub use elbo::words::{found, number};
use serde::Serialize;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// The file to write, without one where standard output is meant: nothing, or `-`.
pub fn named_file(out: Option<&Path>) -> Option<&Path> {
    out.filter(|out| out.as_os_str() != "-")
}

/// Prints a result. A reader that has gone away, as in `elbo list | head -1`, is no error.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
            Err(Error::file("cannot write the result", "standard output", &cause).into())
        }
        _ => Ok(()),
    }
}

/// Prints one JSON value, readable and with a line end.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).expect("results are plain data");
    text.push('\n');
    print(&text)
}

/// Tells the user something beside the result, unless the output is for a program.
pub fn say(json: bool, text: impl AsRef<str>) {
    if !json {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
    }
}

/// Tells the user what a run has warned of, after it.
pub fn say_warnings(json: bool, run: &Run) {
    run.warnings().iter().for_each(|warning| say(json, format!("warning: {warning}")));
}

/// Columns of text, aligned; the last one is not padded.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if c + 1 < row.len() {
                let padding = widths[c] - cell.chars().count() + 2;
                line.extend(std::iter::repeat_n(' ', padding));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".into(), "bb".into()], vec!["ccc".into(), "d".into()]];
        assert_eq!(columns(&rows), "a    bb\nccc  d\n");
    }
}
