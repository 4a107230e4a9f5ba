//! The measured claims as a document, from what `elbo reproduce --json` printed.

mod page;
pub mod picture;

use crate::error::{DevError, Result, read, write};
use crate::peers::bounds;
use elbo::core::Direction;
use elbo::core::claim::{Skipped, Verdict};
use elbo::core::file::write_atomically;
use elbo::report::format::significant;
use page::{CHECKS, Page, Part, effort, heading, holding, row_start, word};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Where the document is written.
pub const RESULTS: &str = "docs/results.md";

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

/// Writes the systems of these files of `elbo reproduce ... --json` into the document, and draws the checks of all. Those of others stay as they are, and so does what is said by
/// hand: between the markers `measured` how it was measured, and between those named by a system's id what is to be said of its numbers. Systems
/// stand in the registry's order; one that it no longer has is dropped. At the end stand the bounds on the log likelihood of pictures, copies of the
/// tables of their own page where there is one.
///
/// # Errors
/// [`DevError::File`]; [`DevError::Format`] for files that `elbo reproduce` did not write, and a document that this tool did not; [`DevError::Faults`]
/// for claims that were not measured in the full budget, are measured twice, or are of no system.
pub fn results(root: &Path, files: &[PathBuf]) -> Result<String> {
    let path = root.join(RESULTS);
    let mut page = if path.exists() { Page::read(&read(&path)?)? } else { Page::default() };
    let entries = measured(files)?;
    entries.iter().for_each(|entry| page.put(part(entry)));
    let registered: Vec<&str> = elbo::systems().iter().map(|system| system.card().id).collect();
    let dropped = page.arrange(&registered);
    let bounds_page = root.join(bounds::PAGE);
    if bounds_page.exists() {
        page.put_bounds(&bounds::tables(&read(&bounds_page)?)?);
    }
    write_atomically(&path, page.text().as_bytes())?;
    for part in &page.systems {
        let path = root.join(picture::FOLDER).join(format!("{}.svg", part.id));
        match picture::picture(part)? {
            Some(picture) => write(&path, &picture)?,
            None if path.exists() => {
                std::fs::remove_file(&path).map_err(|source| DevError::File { verb: "remove", path, source })?;
            }
            None => {}
        }
    }
    let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    let new = if ids.is_empty() { "pictures and bounds alone".into() } else { ids.join(", ") };
    let mut told = format!("wrote {RESULTS}: {new}; {} as before", page.systems.len() - ids.len());
    if !dropped.is_empty() {
        told.push_str(&format!("; dropped, since not registered: {}", dropped.join(", ")));
    }
    Ok(told)
}

/// The claims of all files, each of a registered system and in the full budget.
fn measured(files: &[PathBuf]) -> Result<Vec<Entry>> {
    let (mut entries, mut faults): (Vec<Entry>, Vec<String>) = (vec![], vec![]);
    for file in files {
        let place = file.display();
        let found: Vec<Entry> =
            serde_json::from_str(&read(file)?).map_err(|cause| DevError::format(place.to_string(), cause))?;
        if found.is_empty() {
            faults.push(format!("{place} holds no claim"));
        }
        for entry in found {
            let Entry { id, budget, .. } = &entry;
            if elbo::find(id).is_err() {
                faults.push(format!("{place}: `{id}` is no registered system"));
            }
            if budget != "full" {
                let command = format!("elbo reproduce {id} --budget full --json");
                faults.push(format!("{place}: `{id}` was measured in the budget `{budget}`; run `{command}`"));
            }
            if entries.iter().any(|other| other.id == *id) {
                faults.push(format!("{place}: `{id}` is measured twice; give one of the files"));
            }
            entries.push(entry);
        }
    }
    if faults.is_empty() { Ok(entries) } else { Err(DevError::Faults(faults)) }
}

/// A claim's row and section.
fn part(entry: &Entry) -> Part {
    let Entry { id, verdict, checks, seeds, seconds, .. } = entry;
    let held = checks.iter().filter(|check| check.verdict == Verdict::Holds).count();
    let (start, count) = (row_start(id, *verdict), holding(held, checks.len()));
    let row = format!("{start}{count} | {} | {seconds:.0} |", seeds.len());
    Part { id: id.clone(), verdict: *verdict, row, section: section(entry), note: String::new() }
}

fn section(entry: &Entry) -> String {
    let Entry { id, verdict, seeds, seconds, .. } = entry;
    let mut blocks = vec![heading(id, *verdict), effort(&seeds.len().to_string(), &format!("{seconds:.0}"))];
    if let Some(error) = &entry.error {
        blocks.push(format!("Not measured: {}; {}.", one_line(&error.message), one_line(&error.remedy)));
    }
    if !entry.checks.is_empty() {
        let rows = entry.checks.iter().map(row);
        blocks.push(CHECKS.into_iter().map(str::to_owned).chain(rows).collect::<Vec<_>>().join("\n"));
    }
    for Skipped { name, reason } in &entry.skipped {
        // The remedy alone: before it stands a folder of the machine that measured.
        let remedy = reason.rsplit_once("; ").map_or(reason.as_str(), |(_, remedy)| remedy);
        blocks.push(format!("Skipped: {}; {}.", one_line(name), one_line(remedy)));
    }
    blocks.join("\n\n")
}

/// A check in the table of its section.
fn row(check: &Measured) -> String {
    // Enough digits to tell a small threshold from zero.
    let number = |value: Option<f64>| significant(value.unwrap_or(f64::NAN), 4);
    let side = if check.direction == Direction::AtLeast { "at least" } else { "at most" };
    format!(
        "| {} | {} | {} | {side} {} | {} |",
        one_line(&check.name).replace('|', "\\|"),
        number(check.value),
        check.baseline.map_or_else(String::new, |baseline| number(Some(baseline))),
        number(check.threshold),
        word(check.verdict)
    )
}

/// Text on one line, as the document is read back by lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A claim with a check that holds and one with this verdict.
    fn entry(id: &str, verdict: &str, value: f64) -> Value {
        let check = |verdict: &str| {
            json!({
                "name": "a|b", "value": value, "baseline": null, "threshold": 1e-6, "direction": "at_most",
                "verdict": verdict
            })
        };
        json!({
            "id": id, "verdict": verdict, "budget": "full", "seeds": [0, 1], "seconds": 2.4,
            "checks": [check("holds"), check(verdict)]
        })
    }

    /// A workspace with the folder of the documents.
    struct Root(tempfile::TempDir);

    impl Root {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("docs")).unwrap();
            Self(folder)
        }

        fn file(&self, name: &str, entries: Vec<Value>) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, Value::from(entries).to_string()).unwrap();
            path
        }

        fn results(&self, entries: Vec<Value>) -> Result<String> {
            results(self.0.path(), &[self.file("claims.json", entries)])
        }

        fn page(&self) -> String {
            read(&self.0.path().join(RESULTS)).unwrap()
        }

        fn set(&self, page: &str) {
            std::fs::write(self.0.path().join(RESULTS), page).unwrap();
        }
    }

    #[test]
    fn every_check_has_a_row_with_its_verdict_and_the_overview_leads_to_it() {
        let made = part(&serde_json::from_value(entry("gpr", "fails", 1.5)).unwrap());
        let section = &made.section;
        assert!(section.starts_with("## gpr: fails\n\n2 seeds, full budget, 2 s.\n\n| check |"), "{section}");
        assert!(section.ends_with("\n| a\\|b | 1.5 |  | at most 1 × 10⁻⁶ | fails |"), "{section}");
        assert_eq!(made.row, "| [`gpr`](#gpr-fails) | **fails** | 1 of 2 | 2 | 2 |");
    }

    #[test]
    fn only_the_systems_that_are_given_change() {
        let root = Root::new();
        // In the registry's order, whatever that of the file.
        root.results(vec![entry("bo", "fails", 1.0), entry("gpr", "holds", 2.0), entry("svgp", "holds", 3.0)]).unwrap();
        let first = root.page();
        assert!(first.contains("\n2 of 3 claims hold.\n"), "{first}");
        let places = ["## gpr: holds", "## svgp: holds", "## bo: fails"].map(|title| first.find(title).unwrap());
        assert!(places.is_sorted(), "{first}");
        let note = "\n<!-- svgp:begin -->\nToo few  rows.\n<!-- svgp:end -->\n";
        let measured = "\n<!-- measured:begin -->\nOn a busy machine.\n<!-- measured:end -->\n";
        let by_hand =
            first.replace("\n## bo:", &format!("{note}\n## bo:")).replace("\n2 of 3", &format!("{measured}\n2 of 3"));
        root.set(&by_hand);

        let told = root.results(vec![entry("svgp", "fails", 9.0)]).unwrap();
        assert_eq!(told, "wrote docs/results.md: svgp; 2 as before");
        let expected = by_hand
            .replace("2 of 3 claims", "1 of 3 claims")
            .replace("| [`svgp`](#svgp-holds) | holds | 2 of 2 |", "| [`svgp`](#svgp-fails) | **fails** | 1 of 2 |")
            .replace("## svgp: holds", "## svgp: fails")
            .replace("| holds |\n\n<!-- svgp", "| fails |\n\n<!-- svgp")
            .replace("| a\\|b | 3 |", "| a\\|b | 9 |");
        assert_eq!(root.page(), expected);
        let files: Vec<_> = std::fs::read_dir(root.0.path().join("docs")).unwrap().collect();
        assert_eq!(files.len(), 2, "the document and the folder of pictures: nothing temporary is left");
    }

    #[test]
    fn a_system_that_is_not_registered_any_more_is_dropped_with_its_row() {
        let root = Root::new();
        root.results(vec![entry("gpr", "holds", 1.0), entry("svgp", "holds", 1.0)]).unwrap();
        root.set(&root.page().replace("svgp", "gone"));
        let told = root.results(vec![entry("gpr", "holds", 1.0)]).unwrap();
        assert!(told.ends_with("gpr; 0 as before; dropped, since not registered: gone"), "{told}");
        let page = root.page();
        assert!(page.contains("\n1 of 1 claims hold.\n") && !page.contains("gone"), "{page}");
    }

    #[test]
    fn the_bounds_of_their_own_page_are_copied_anew_by_each_run() {
        let root = Root::new();
        let set = |text: &str| {
            let page = format!("# Bounds\n\n<!-- bounds-50:begin -->\n{text}\n<!-- bounds-50:end -->\n");
            std::fs::write(root.0.path().join(bounds::PAGE), page).unwrap();
        };
        set("| aevb | -99.1 |");
        root.results(vec![entry("gpr", "holds", 1.0)]).unwrap();
        assert!(root.page().contains("\n### After 50 epochs\n\n| aevb | -99.1 |\n"), "{}", root.page());
        set("| aevb | -98.2 |");
        results(root.0.path(), &[]).unwrap();
        assert!(root.page().contains("-98.2") && !root.page().contains("-99.1"), "{}", root.page());
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_the_page_stays() {
        let root = Root::new();
        root.results(vec![entry("gpr", "holds", 1.0)]).unwrap();
        let before = root.page();
        let mut smoke = entry("bo", "holds", 1.0);
        smoke["budget"] = json!("smoke");
        let cases = [
            (vec![smoke], "`bo` was measured in the budget `smoke`; run `elbo reproduce bo --budget full --json`"),
            (vec![entry("bo", "holds", 1.0), entry("bo", "fails", 1.0)], "`bo` is measured twice"),
            (vec![entry("none-such", "holds", 1.0)], "`none-such` is no registered system"),
            (vec![], "holds no claim"),
            (vec![json!({"id": "gpr"})], "cannot be understood"),
        ];
        for (entries, message) in cases {
            let error = root.results(entries).unwrap_err().to_string();
            assert!(error.contains("claims.json") && error.contains(message), "{error}");
            assert_eq!(root.page(), before);
        }
        let cut = before.strip_suffix(" | holds |\n").unwrap();
        root.set(cut);
        let error = root.results(vec![entry("gpr", "holds", 1.0)]).unwrap_err().to_string();
        assert!(error.starts_with("docs/results.md cannot be understood: "), "{error}");
        assert_eq!(root.page(), cut);
    }

    #[test]
    fn an_error_is_shown_in_place_of_checks_and_is_read_back() {
        let failed = json!({
            "id": "gpr", "verdict": "fails", "budget": "full", "seeds": [], "seconds": 2.0, "checks": [],
            "skipped": [{"name": "density on heart", "reason": "`heart` is not in /data; run `elbo data get heart`"}],
            "error": {"kind": "data", "message": "no table\nat all", "remedy": "get it"}
        });
        let root = Root::new();
        root.results(vec![failed]).unwrap();
        let page = root.page();
        assert!(page.contains("\nSkipped: density on heart; run `elbo data get heart`.\n"), "{page}");
        assert!(page.contains("Not measured: no table at all; get it.") && !page.contains("| check |"), "{page}");
        assert!(page.contains("| [`gpr`](#gpr-fails) | **fails** | 0 of 0 | 0 | 2 |"), "{page}");
        root.results(vec![entry("bo", "holds", 1.0)]).unwrap();
        assert!(root.page().contains("Not measured: no table at all; get it."));
    }
}
