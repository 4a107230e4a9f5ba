//! When a page was measured, and of which state of the sources.

use crate::error::Result;
use crate::peers::python::output;
use std::path::Path;
use std::process::Command;

/// What a number depends on; documents change while a run writes them.
const SOURCES: [&str; 4] = ["crates", "systems", "apps", "Cargo.lock"];

/// `2026-05-31, commit 1a2b3c4`: the day (UTC) and the commit, with a word where sources differ from it or there is no repository.
///
/// # Errors
/// [`DevError::Command`](crate::DevError::Command) when the system does not tell the day.
pub fn stamp(root: &Path) -> Result<String> {
    let day = output(Command::new("date").args(["-u", "+%F"]), "install the standard tools of the system")?;
    Ok(format!("{}, {}", day.trim(), commit(root)))
}

/// The commit in words. Sources may have been copied without their history, which is no fault of a measurement.
fn commit(root: &Path) -> String {
    let git = |arguments: &[&str]| output(Command::new("git").current_dir(root).args(arguments), "see git's message");
    let Ok(name) = git(&["rev-parse", "--short", "HEAD"]) else { return "sources outside a repository".into() };
    let status = git(&[&["status", "--porcelain", "--"][..], &SOURCES].concat());
    let changed = if status.is_ok_and(|lines| lines.trim().is_empty()) { "" } else { " with changes" };
    format!("commit {}{changed}", name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_has_a_day_and_says_where_there_is_no_repository() {
        let folder = tempfile::tempdir().unwrap();
        // A folder above the temporary one is no repository of ours.
        let found = stamp(folder.path()).unwrap();
        let (day, commit) = found.split_once(", ").unwrap();
        assert!(day.len() == 10 && day.split('-').all(|part| part.parse::<u16>().is_ok()), "{found}");
        assert_eq!(commit, "sources outside a repository");
    }
}
