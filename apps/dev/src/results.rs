//! The measured claims as a document, from what `elbo reproduce --json` printed.

use crate::error::{DevError, Result, read, write};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Where the document is written.
pub const RESULTS: &str = "docs/results.md";

/// Writes the document from files of `elbo reproduce ... --json`.
///
/// # Errors
/// [`DevError::File`], [`DevError::Format`].
pub fn results(root: &Path, files: &[PathBuf]) -> Result<String> {
    let mut page = String::from(
        "# Results\n\nEvery system's claim in the full budget: the number measured with the method, the number without it (or with the \
         baseline), the threshold, the verdict. Written by `elbo-dev results` from `elbo reproduce ID --budget full --json`; a failure is \
         shown as one.\n",
    );
    for file in files {
        let entries: Vec<Value> =
            serde_json::from_str(&read(file)?).map_err(|cause| DevError::format(file.display().to_string(), cause))?;
        for entry in &entries {
            page.push_str(&section(entry));
        }
    }
    write(&root.join(RESULTS), &page)?;
    Ok(format!("wrote {RESULTS}"))
}

fn section(entry: &Value) -> String {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let seeds = entry["seeds"].as_array().map_or(0, Vec::len);
    let mut out = format!(
        "\n## {}: {}\n\n{seeds} seeds, {} budget, {:.0} s on one thread.\n\n| check | value | baseline | threshold | verdict |\n\
         |---|---:|---:|---|---|\n",
        text("id"),
        text("verdict"),
        text("budget"),
        entry["seconds"].as_f64().unwrap_or(f64::NAN)
    );
    for check in entry["checks"].as_array().into_iter().flatten() {
        let number = |key: &str| check[key].as_f64().map_or_else(String::new, |v| format!("{v:.4}"));
        let side = if check["direction"] == "at_least" { "at least" } else { "at most" };
        let name = check["name"].as_str().unwrap_or_default().replace('|', "\\|");
        let verdict = check["verdict"].as_str().unwrap_or_default();
        writeln!(
            out,
            "| {name} | {} | {} | {side} {} | {verdict} |",
            number("value"),
            number("baseline"),
            number("threshold")
        )
        .expect("string");
    }
    for skipped in entry["skipped"].as_array().into_iter().flatten() {
        let text = |key: &str| skipped[key].as_str().unwrap_or_default();
        writeln!(out, "\nSkipped: {}: {}.", text("name"), text("reason")).expect("string");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_row_with_its_verdict() {
        let entry = serde_json::json!({
            "id": "gpr", "verdict": "fails", "budget": "full", "seeds": [0, 1], "seconds": 2.0,
            "checks": [{"name": "a|b", "value": 1.5, "baseline": null, "threshold": 1.0, "direction": "at_most",
                        "verdict": "fails"}]
        });
        let page = section(&entry);
        assert!(
            page.contains("## gpr: fails") && page.contains("| a\\|b | 1.5000 |  | at most 1.0000 | fails |"),
            "{page}"
        );
    }
}
