//! The copies of data sets on this machine: `DIR/KEY/{data files, SOURCE.json}`.

use super::fetch::{fetch, sha256};
use super::{Entry, LicenceClass, convert, entry};
use crate::read::{ReadOptions, read};
use elbo_core::{Data, Error, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A data set on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its key.
    pub key: &'static str,
    /// The data files; the first is the one to fit.
    pub files: Vec<PathBuf>,
    /// The column to predict.
    pub target: &'static str,
    /// Whether this call fetched it, as opposed to finding it there.
    pub is_new: bool,
}

/// `$ELBO_DATA`, or `.local/share/elbo/data` in the home folder.
///
/// # Errors
/// [`Error::Data`] when neither is set.
pub fn default_dir() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("ELBO_DATA")
        .or_else(|| set("HOME").or_else(|| set("USERPROFILE")).map(|home| home.join(".local/share/elbo/data")))
        .ok_or_else(|| {
            Error::data("there is no home folder to keep data in", "set ELBO_DATA to a folder, or name one with --to")
        })
}

/// Fetches a data set into `dir`, unless an intact copy is there that has been made as the catalogue describes it now. `say` is told what is
/// going on.
///
/// # Errors
/// [`Error::Unknown`] for an unknown key; [`Error::Data`] when the package cannot be had or its files are not those pinned;
/// [`Error::File`] when `dir` cannot be written. On any error an older copy stays as it was and nothing is left half-written.
pub fn get(key: &str, dir: &Path, say: &mut dyn FnMut(&str)) -> Result<Stored> {
    let entry = entry(key)?;
    if dir.join(key).join(SOURCE).exists() && verify(key, dir).is_ok() && is_current(entry, dir) {
        return Ok(stored(entry, dir, false));
    }
    let sources = fetch(entry, say)?;
    say("converting");
    let outputs = convert::convert(entry, &sources)?;
    install(entry, dir, &outputs, &sources)?;
    Ok(stored(entry, dir, true))
}

/// Whether the copy was made by the changes that this version of the catalogue names; an entry whose columns change has to say so there of the catalogue.
fn is_current(entry: &Entry, dir: &Path) -> bool {
    let text = std::fs::read(dir.join(entry.key).join(SOURCE)).unwrap_or_default();
    serde_json::from_slice(&text).is_ok_and(|record: Value| record["changes"] == entry.changes)
}

/// The copy of a data set, without looking at its contents.
///
/// # Errors
/// [`Error::Unknown`] for an unknown key, [`Error::Data`] when it has not been fetched.
pub fn locate(key: &str, dir: &Path) -> Result<Stored> {
    let found = stored(entry(key)?, dir, false);
    if !dir.join(key).join(SOURCE).exists() || found.files.iter().any(|f| !f.exists()) {
        return Err(Error::data(
            format!("data set `{key}` is not in {}", dir.display()),
            format!("run `elbo data get {key}`"),
        ));
    }
    Ok(found)
}

/// The table of a data set that was fetched into [`default_dir`], as claims on real data use it: they look, and never fetch.
/// With `is_classes` a target of numbers is read as class names.
///
/// # Errors
/// As [`locate`] when it has not been fetched, and as [`crate::read()`].
pub fn stored_table(key: &str, is_classes: bool) -> Result<Data> {
    let found = locate(key, &default_dir()?)?;
    let target = found.target.to_owned();
    let categorical = if is_classes { vec![target.clone()] } else { vec![] };
    read(&found.files[0], &ReadOptions { target: Some(target), categorical, ..ReadOptions::default() })
}

/// The copy of a data set, after comparing the SHA-256 of every file with the one recorded when it was made.
///
/// # Errors
/// As [`locate`], and [`Error::Data`] when a file has changed.
pub fn verify(key: &str, dir: &Path) -> Result<Stored> {
    let found = locate(key, dir)?;
    let changed = |path: &Path| {
        Error::data(
            format!("data set `{key}` is not as it was made: {}", path.display()),
            format!("delete the folder {} and run `elbo data get {key}`", dir.join(key).display()),
        )
    };
    let source = dir.join(key).join(SOURCE);
    let text = std::fs::read(&source).map_err(|cause| Error::file("cannot read the record", &source, &cause))?;
    let record: Value = serde_json::from_slice(&text).map_err(|_| changed(&source))?;
    for file in &found.files {
        let bytes = std::fs::read(file).map_err(|cause| Error::file("cannot read the data", file, &cause))?;
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let recorded = record["files"].as_array().and_then(|files| files.iter().find(|f| f["name"] == name));
        if recorded.is_none_or(|r| r["sha256"] != sha256(&bytes)) {
            return Err(changed(file));
        }
    }
    Ok(found)
}

const SOURCE: &str = "SOURCE.json";

fn stored(entry: &'static Entry, dir: &Path, is_new: bool) -> Stored {
    let files = entry.files().iter().map(|f| dir.join(entry.key).join(f)).collect();
    Stored { key: entry.key, files, target: entry.target, is_new }
}

/// Writes everything into a folder of its own beside the final place, then renames it.
fn install(entry: &Entry, dir: &Path, outputs: &[(String, Vec<u8>)], sources: &[Vec<u8>]) -> Result<()> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause: std::io::Error| Error::file("cannot store the data set", path, &cause)
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    let fresh = tempfile::Builder::new().prefix(&format!(".{}.", entry.key)).tempdir_in(dir).map_err(failed(dir))?;
    for (name, content) in outputs {
        let path = fresh.path().join(name);
        std::fs::write(&path, content).map_err(failed(&path))?;
    }
    let path = fresh.path().join(SOURCE);
    let text = serde_json::to_string_pretty(&record(entry, outputs, sources)).expect("a record is plain data");
    std::fs::write(&path, text + "\n").map_err(failed(&path))?;
    let place = dir.join(entry.key);
    if place.exists() {
        std::fs::remove_dir_all(&place).map_err(failed(&place))?;
    }
    let kept = fresh.keep();
    std::fs::rename(&kept, &place).map_err(|cause| {
        // The original failure is what the user needs; a leftover that cannot be removed changes nothing about it.
        let _ = std::fs::remove_dir_all(&kept);
        failed(&place)(cause)
    })?;
    // Temporary folders are private; data are for everybody who may read the place.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).map_err(failed(&place))?;
    }
    Ok(())
}

fn record(entry: &Entry, outputs: &[(String, Vec<u8>)], sources: &[Vec<u8>]) -> Value {
    let members = entry.members.iter().zip(sources);
    json!({
        "key": entry.key,
        "about": entry.about,
        "origin": entry.origin,
        "package": entry.package.to_string(),
        "members": members.map(|(m, s)| json!({"path": m.path, "bytes": s.len(), "sha256": sha256(s)})).collect::<Vec<_>>(),
        "licence": entry.licence,
        "may_be_shared": entry.class == LicenceClass::A,
        "changes": entry.changes,
        "rows": entry.rows,
        "dims": entry.dims,
        "target": entry.target,
        "files": outputs.iter().map(|(n, c)| json!({"name": n, "bytes": c.len(), "sha256": sha256(c)})).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install_example(dir: &Path) -> &'static Entry {
        let entry = entry("uci-yacht").unwrap();
        install(entry, dir, &[("uci-yacht.csv.gz".into(), crate::write::gzip(b"a,b\n1,2\n"))], &[b"source".to_vec()])
            .unwrap();
        entry
    }

    #[test]
    fn an_installed_set_is_found_and_verified_and_a_changed_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(locate("uci-yacht", dir.path()).unwrap_err().remedy().contains("elbo data get uci-yacht"));
        install_example(dir.path());
        install_example(dir.path());
        let found = verify("uci-yacht", dir.path()).unwrap();
        assert_eq!(found.files, [dir.path().join("uci-yacht/uci-yacht.csv.gz")]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing but the data set is left");
        assert!(!get("uci-yacht", dir.path(), &mut |_| {}).unwrap().is_new, "an intact copy is not fetched again");
        assert!(is_current(entry("uci-yacht").unwrap(), dir.path()));
        std::fs::write(&found.files[0], b"other").unwrap();
        assert!(verify("uci-yacht", dir.path()).unwrap_err().to_string().contains("not as it was made"));
    }

    #[test]
    fn a_copy_that_an_older_version_made_in_another_form_is_not_current() {
        let dir = tempfile::tempdir().unwrap();
        let entry = install_example(dir.path());
        let source = dir.path().join("uci-yacht").join(SOURCE);
        let mut record: Value = serde_json::from_slice(&std::fs::read(&source).unwrap()).unwrap();
        record["changes"] = "one column less".into();
        std::fs::write(&source, record.to_string()).unwrap();
        assert!(verify("uci-yacht", dir.path()).is_ok(), "its files are as they were made");
        assert!(!is_current(entry, dir.path()));
        std::fs::write(&source, "no record").unwrap();
        assert!(!is_current(entry, dir.path()));
    }

    #[test]
    fn an_unknown_key_suggests_the_nearest() {
        assert_eq!(locate("uci-yatch", Path::new(".")).unwrap_err().remedy(), "did you mean `uci-yacht`?");
    }
}
