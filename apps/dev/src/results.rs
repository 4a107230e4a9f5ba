//! The measured claims as a document, from what `elbo reproduce --json` printed.

use crate::error::{DevError, Result, read, write};
use crate::markers;
use elbo::core::Direction;
use elbo::core::claim::{Skipped, Verdict};
use elbo::report::format::significant;
use serde::Deserialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Where the document is written.
pub const RESULTS: &str = "docs/results.md";

/// The markers of what is said of all measurements.
const MEASURED: &str = "measured";

/// One claim as printed.
#[derive(Debug, Deserialize)]
struct Entry {
    id: String,
    budget: String,
    seeds: Vec<u64>,
    verdict: Verdict,
    seconds: f64,
    checks: Vec<Measured>,
    #[serde(default)]
    skipped: Vec<Skipped>,
    /// Why nothing was measured.
    error: Option<Failure>,
}

/// A check as printed: JSON has no number for what is not finite.
#[derive(Debug, Deserialize)]
struct Measured {
    name: String,
    value: Option<f64>,
    baseline: Option<f64>,
    threshold: Option<f64>,
    direction: Direction,
    verdict: Verdict,
}

#[derive(Debug, Deserialize)]
struct Failure {
    message: String,
    remedy: String,
}

/// Writes the document from files of `elbo reproduce ... --json`. What the former document says by hand stays: between the markers
/// `measured` how it was measured, and between those named by a system's id what is to be said of its numbers.
///
/// # Errors
/// [`DevError::File`], [`DevError::Format`]; [`DevError::Faults`] for markers of a system that the files do not hold.
pub fn results(root: &Path, files: &[PathBuf]) -> Result<String> {
    let path = root.join(RESULTS);
    let former = if path.exists() { read(&path)? } else { String::new() };
    let mut page = String::from(
        "# Results\n\nClaims of systems in the full budget: the number measured with the method, the number without it (or with the \
         baseline), the threshold, the verdict. Written by `elbo-dev results` from `elbo reproduce ID --budget full --json`; a failure is \
         shown as one, with what is known of its cause. Bounds on the log likelihood of pictures stand in [bounds.md](bounds.md).\n",
    );
    page.push_str(&by_hand(&former, MEASURED)?);
    let mut entries: Vec<Entry> = vec![];
    for file in files {
        let found: Vec<Entry> =
            serde_json::from_str(&read(file)?).map_err(|cause| DevError::format(file.display().to_string(), cause))?;
        entries.extend(found);
    }
    page.push_str(&overview(&entries));
    for entry in &entries {
        page.push_str(&section(entry));
        page.push_str(&by_hand(&former, &entry.id)?);
    }
    let lost = markers::names(&former).into_iter().filter(|name| !page.contains(&markers::begin(name)));
    let lost: Vec<String> =
        lost.map(|name| format!("{RESULTS} says something by hand of `{name}`, which no file measures")).collect();
    if !lost.is_empty() {
        return Err(DevError::Faults(lost));
    }
    write(&path, &page)?;
    Ok(format!("wrote {RESULTS}"))
}

/// What the former document says between the markers of this name, markers included; nothing where it has none.
fn by_hand(former: &str, name: &str) -> Result<String> {
    let empty = format!("\n{}\n{}\n", markers::begin(name), markers::end(name));
    if markers::names(former).contains(&name) {
        markers::replace(&empty, name, markers::between(former, name)?.trim())
    } else {
        Ok(String::new())
    }
}

fn word(verdict: Verdict) -> &'static str {
    if verdict == Verdict::Holds { "holds" } else { "fails" }
}

/// A row for each claim, with a link to its section.
fn overview(entries: &[Entry]) -> String {
    let held = entries.iter().filter(|entry| entry.verdict == Verdict::Holds).count();
    let mut out = format!(
        "\n{held} of {} claims hold.\n\n| system | claim | checks that hold | seeds | seconds |\n|---|---|---:|---:|---:|\n",
        entries.len()
    );
    for Entry { id, verdict, checks, seeds, seconds, .. } in entries {
        let claim = word(*verdict);
        let shown = if *verdict == Verdict::Holds { claim.to_owned() } else { format!("**{claim}**") };
        let holding = checks.iter().filter(|check| check.verdict == Verdict::Holds).count();
        let (all, seeds) = (checks.len(), seeds.len());
        writeln!(out, "| [`{id}`](#{id}-{claim}) | {shown} | {holding} of {all} | {seeds} | {seconds:.0} |")
            .expect("string");
    }
    out
}

fn section(entry: &Entry) -> String {
    let mut out = format!(
        "\n## {}: {}\n\n{} seeds, {} budget, {:.0} s.\n",
        entry.id,
        word(entry.verdict),
        entry.seeds.len(),
        entry.budget,
        entry.seconds
    );
    if let Some(error) = &entry.error {
        writeln!(out, "\nNot measured: {}; {}.", error.message, error.remedy).expect("string");
    }
    if !entry.checks.is_empty() {
        out.push_str("\n| check | value | baseline | threshold | verdict |\n|---|---:|---:|---|---|\n");
    }
    for check in &entry.checks {
        // Enough digits to tell a small threshold from zero.
        let number = |value: Option<f64>| significant(value.unwrap_or(f64::NAN), 4);
        let side = if check.direction == Direction::AtLeast { "at least" } else { "at most" };
        writeln!(
            out,
            "| {} | {} | {} | {side} {} | {} |",
            check.name.replace('|', "\\|"),
            number(check.value),
            check.baseline.map_or_else(String::new, |baseline| number(Some(baseline))),
            number(check.threshold),
            word(check.verdict)
        )
        .expect("string");
    }
    for Skipped { name, reason } in &entry.skipped {
        // The remedy alone: before it stands a folder of the machine that measured.
        let remedy = reason.rsplit_once("; ").map_or(reason.as_str(), |(_, remedy)| remedy);
        writeln!(out, "\nSkipped: {name}; {remedy}.").expect("string");
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
            "checks": [{"name": "a|b", "value": 1.5, "baseline": null, "threshold": 1e-6, "direction": "at_most",
                        "verdict": "fails"}]
        });
        let page = section(&serde_json::from_value(entry).unwrap());
        assert!(
            page.contains("## gpr: fails") && page.contains("| a\\|b | 1.5 |  | at most 1 × 10⁻⁶ | fails |"),
            "{page}"
        );
    }

    #[test]
    fn the_overview_leads_to_every_claim() {
        let check = |verdict: &str| {
            serde_json::json!({
                "name": "a", "value": 1.0, "baseline": null, "threshold": 1.0, "direction": "at_most", "verdict": verdict
            })
        };
        let entry = |id: &str, verdict: &str| {
            serde_json::json!({
                "id": id, "verdict": verdict, "budget": "full", "seeds": [0, 1], "seconds": 2.4,
                "checks": [check("holds"), check(verdict)]
            })
        };
        let entries = serde_json::Value::from(vec![entry("gpr", "holds"), entry("bo", "fails")]);
        let entries: Vec<Entry> = serde_json::from_value(entries).unwrap();
        let table = overview(&entries);
        assert!(table.contains("\n1 of 2 claims hold.\n"), "{table}");
        assert!(table.contains("\n| [`gpr`](#gpr-holds) | holds | 2 of 2 | 2 | 2 |\n"), "{table}");
        assert!(table.contains("\n| [`bo`](#bo-fails) | **fails** | 1 of 2 | 2 | 2 |\n"), "{table}");
    }

    #[test]
    fn what_was_written_by_hand_stays_and_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let (file, page) = (folder.path().join("claims.json"), folder.path().join(RESULTS));
        let claims = |ids: &[&str]| {
            let entry = |id: &&str| {
                serde_json::json!({
                    "id": id, "verdict": "fails", "budget": "full", "seeds": [0], "seconds": 2.0, "checks": []
                })
            };
            let text = serde_json::Value::from(ids.iter().map(entry).collect::<Vec<_>>()).to_string();
            write(&file, &text).unwrap();
            results(folder.path(), std::slice::from_ref(&file))
        };
        claims(&["gpr", "bo"]).unwrap();
        let note = "\n<!-- gpr:begin -->\nToo few rows.\n<!-- gpr:end -->\n";
        let with_note = read(&page).unwrap().replace("\n## bo:", &format!("{note}\n## bo:"));
        write(&page, &with_note).unwrap();
        claims(&["gpr", "bo"]).unwrap();
        assert_eq!(read(&page).unwrap(), with_note);
        assert!(claims(&["bo"]).unwrap_err().to_string().contains("of `gpr`, which no file measures"));
        assert_eq!(read(&page).unwrap(), with_note);
    }

    #[test]
    fn an_error_is_shown_in_place_of_checks_and_other_json_is_refused() {
        let entry = serde_json::json!({
            "id": "gpr", "verdict": "fails", "budget": "full", "seeds": [], "seconds": 2.0, "checks": [],
            "skipped": [{"name": "density on heart", "reason": "`heart` is not in /data; run `elbo data get heart`"}],
            "error": {"kind": "data", "message": "no table", "remedy": "get it"}
        });
        let page = section(&serde_json::from_value(entry).unwrap());
        assert!(page.contains("\nSkipped: density on heart; run `elbo data get heart`.\n"), "{page}");
        assert!(page.contains("Not measured: no table; get it.") && !page.contains("| check |"), "{page}");
        assert!(serde_json::from_value::<Entry>(serde_json::json!({"id": "gpr"})).is_err());
    }
}
