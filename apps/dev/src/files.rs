//! The files of a folder and of all folders in it.

use crate::error::{DevError, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// Folders that only programs fill, wherever they stand.
const FILLED: [&str; 2] = ["__pycache__", "node_modules"];

/// All files under `root` by their paths from it, with `/`; without hidden folders, those that cargo marks as built, and the
/// `target` of `root` itself. Links to folders are not followed.
///
/// # Errors
/// [`DevError::File`].
pub fn below(root: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![(root.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let failed = |source| DevError::File { verb: "read", path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.file_type().map_err(failed)?.is_dir() {
                found.insert(format!("{prefix}{name}"));
                continue;
            }
            // A module may be called `target` as well.
            let is_built = prefix.is_empty() && name == "target" || entry.path().join("CACHEDIR.TAG").exists();
            if !is_built && !name.starts_with('.') && !FILLED.contains(&name.as_str()) {
                folders.push((entry.path(), format!("{prefix}{name}/")));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found_and_what_programs_make_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let all = [
            "a.md",
            "src/target/mod.rs",
            ".git/config",
            "target/x.md",
            "apps/p/target/CACHEDIR.TAG",
            "apps/p/target/y.rs",
            "apps/p/__pycache__/z.pyc",
            "apps/p/lib.rs",
        ];
        for name in all {
            crate::error::write(&folder.path().join(name), "").unwrap();
        }
        let found: Vec<String> = below(folder.path()).unwrap().into_iter().collect();
        assert_eq!(found, ["a.md", "apps/p/lib.rs", "src/target/mod.rs"]);
    }
}
