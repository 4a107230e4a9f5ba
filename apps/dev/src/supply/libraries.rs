//! The libraries that our own packages name: each is explained in the table, and named by those that the table says.

use super::lock::Package;
use crate::error::Result;
use crate::tables;
use std::collections::{BTreeMap, BTreeSet};

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Library {
    /// Its name on crates.io.
    pub name: String,
    /// The folders of the packages that name it; `None` when any may.
    pub owners: Option<BTreeSet<String>>,
}

/// The rows of the table `library`, `named by`, `why`.
///
/// # Errors
/// [`DevError::Format`](crate::DevError::Format) as [`tables::only`].
pub fn explained(text: &str) -> Result<Vec<Library>> {
    let table = tables::only(text, "the table of libraries", &["library", "named by", "why"])?;
    let library = |row: &Vec<String>| {
        let name = row[0].trim_matches('`').to_owned();
        let folders = row[1].split(',').map(|folder| folder.trim().trim_matches('`').to_owned());
        let owners = if row[1] == "any" { None } else { Some(folders.collect()) };
        Library { name, owners }
    };
    Ok(table.rows.iter().map(library).collect())
}

/// Libraries without a row, rows without a library, and packages that name what others own.
pub fn faults(packages: &[Package], explained: &[Library]) -> Vec<String> {
    let mut found = vec![];
    let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let Some(folder) = &package.folder else { continue };
        for (library, requirement) in &package.libraries {
            users.entry(library).or_default().insert(folder);
            if requirement == "*" {
                found.push(format!("{folder} takes any version of `{library}`; ask for one"));
            }
        }
    }
    let mut rows = BTreeSet::new();
    for Library { name, owners } in explained {
        if !rows.insert(name.as_str()) {
            found.push(format!("`{name}` has two rows in the table of libraries"));
        }
        let Some(using) = users.get(name.as_str()) else {
            found.push(format!("`{name}` stands in the table of libraries, but no package names it; take the row out"));
            continue;
        };
        let Some(owners) = owners else { continue };
        let strangers = using.iter().filter(|folder| !owners.contains(**folder));
        let list = || owners.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        found
            .extend(strangers.map(|folder| {
                format!("{folder} names `{name}`, which only {} may; use what is offered there", list())
            }));
        let idle = owners.iter().filter(|owner| !using.contains(owner.as_str()));
        found.extend(idle.map(|owner| format!("{owner} does not name `{name}`, as the table of libraries says")));
    }
    let missing = users.iter().filter(|(library, _)| !rows.contains(*library));
    found.extend(missing.map(|(library, folders)| {
        let folders: Vec<&str> = folders.iter().copied().collect();
        format!(
            "`{library}`, which {} name, has no row in the table of libraries; say why it is needed",
            folders.join(", ")
        )
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, libraries: &[&str]) -> Package {
        Package {
            name: folder.replace("crates/", "elbo-"),
            version: "0.1.0".into(),
            licence: Some("MIT".into()),
            folder: Some(folder.into()),
            libraries: libraries.iter().map(|library| ((*library).to_owned(), "^1".to_owned())).collect(),
        }
    }

    const TABLE: &str = "| library | named by | why |\n|---|---|---|\n| `faer` | `crates/linalg` | factorisations |\n\
                         | `serde` | any | data in files |\n";

    #[test]
    fn a_table_that_is_true_has_no_fault() {
        let packages = [package("crates/linalg", &["faer", "serde"]), package("crates/gp", &["serde"])];
        assert_eq!(faults(&packages, &explained(TABLE).unwrap()), Vec::<String>::new());
    }

    #[test]
    fn strangers_missing_rows_and_superfluous_rows_are_faults() {
        let table = explained(TABLE).unwrap();
        let all = faults(&[package("crates/linalg", &["faer"]), package("crates/gp", &["faer", "rand"])], &table);
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[0].contains("crates/gp names `faer`, which only crates/linalg may"), "{all:?}");
        assert!(all[1].contains("`serde` stands in the table"), "{all:?}");
        assert!(all[2].contains("`rand`, which crates/gp name, has no row"), "{all:?}");
    }

    #[test]
    fn any_version_and_an_owner_that_is_none_are_faults() {
        let mut wild = package("crates/gp", &["faer", "serde"]);
        wild.libraries[0].1 = "*".into();
        let all = faults(&[wild], &explained(&TABLE.replace("linalg", "gp`, `crates/nn")).unwrap());
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(all[0].contains("any version of `faer`") && all[1].contains("crates/nn does not name"), "{all:?}");
    }

    #[test]
    fn a_row_without_a_reason_is_refused() {
        let error = explained(&TABLE.replace("factorisations", "")).unwrap_err().to_string();
        assert!(error.contains("a cell of the row of `faer` is empty"), "{error}");
        assert!(explained("no table").unwrap_err().to_string().contains("found 0"));
    }
}
