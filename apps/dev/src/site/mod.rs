//! The documents as a static site, made by mdBook from the texts that are read in the repository.
//!
//! | module | what it does |
//! |---|---|
//! | [`contents`] | which documents are pages, in which order; to add one, add its line to [`contents::DOCUMENTS`] |
//! | [`system`] | a system's page: its text with classes, measured claim and settings put in |
//! | [`assemble`] | turns links between files of the repository into links between pages, formulas into places for MathML |
//! | [`formula`] | formulas in LaTeX as MathML |
//! | [`markdown`] | links, formulas and anchors of a text |
//! | [`links`] | check of all Markdown documents as they lie in the repository |
//! | [`html`] | check of the rendered pages |

pub mod assemble;
pub mod contents;
pub mod formula;
pub mod html;
pub mod links;
pub mod markdown;
pub mod system;

use crate::error::{DevError, Result, read, write};
use crate::files;
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// mdBook's settings.
const BOOK: &str = include_str!("book.toml");
/// What is added to mdBook's style.
const STYLE: &str = include_str!("site.css");
/// A file that stands in every site made here, and in no other folder.
const MARK: &str = ".elbo-site";

/// Where the site goes if nobody says: `site` in cargo's target folder.
pub fn default_out(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("site")
}

/// Builds the site of the repository at `root` in the folder `out`, whose former site goes, and checks its links. Returns a
/// sentence for the log.
///
/// # Errors
/// [`DevError::Faults`] when `out` holds something else than a site, for documents that are in no list, links and formulas that
/// cannot be turned, pages that link to nothing; [`DevError::Command`] when mdBook refuses; [`DevError::File`].
pub fn build(root: &Path, out: &Path) -> Result<String> {
    let out = std::path::absolute(out).map_err(|source| DevError::File { verb: "write", path: out.into(), source })?;
    refuse_other_folders(&out)?;
    let pages = contents::pages(root)?;
    let site = assemble::assemble(root, &pages)?;
    let folder =
        tempfile::tempdir().map_err(|source| DevError::File { verb: "write", path: std::env::temp_dir(), source })?;
    let place = folder.path();
    write(&place.join("site.css"), STYLE)?;
    write(&place.join("src/SUMMARY.md"), &contents::summary(&pages))?;
    for page in &site.pages {
        write(&place.join("src").join(&page.place), &page.text)?;
    }
    for file in &site.files {
        copy(&root.join(file), &place.join("src").join(assemble::FILES).join(file))?;
    }
    let refused = |error: mdbook_driver::errors::Error| DevError::Command {
        command: "mdBook".into(),
        message: format!("{error:#}"),
        remedy: "see what it says of the page".into(),
    };
    let mut config = Config::from_str(BOOK).map_err(refused)?;
    config.build.build_dir.clone_from(&out);
    MDBook::load_with_config(place, config).and_then(|book| book.build()).map_err(refused)?;
    write(&out.join(MARK), "Made by `elbo-dev generate`, which empties this folder when it makes the site anew.\n")?;
    for page in &site.pages {
        let path = out.join(&page.place).with_extension("html");
        write(&path, &page.with_formulas(&read(&path)?))?;
    }
    for name in files::below(&out)?.into_iter().filter(|name| name.starts_with("searchindex")) {
        let path = out.join(name);
        write(&path, &assemble::without_words(&read(&path)?, &site.pages))?;
    }
    let (faults, links) = html::faults(&out)?;
    if !faults.is_empty() {
        return Err(DevError::Faults(faults));
    }
    Ok(format!("site: {} pages, {links} links, in {}", site.pages.len(), out.display()))
}

/// mdBook empties the folder first, so it must hold a site or nothing.
fn refuse_other_folders(out: &Path) -> Result<()> {
    let holds_something = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if holds_something && !out.join(MARK).exists() {
        let message = "holds something else than a site of this program; name an empty folder, or a new one";
        return Err(DevError::Faults(vec![format!("{} {message}", out.display())]));
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from).map_err(|source| DevError::File { verb: "read", path: from.into(), source })?;
    let done = to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(to, bytes));
    done.map_err(|source| DevError::File { verb: "write", path: to.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_things_is_not_emptied() {
        let folder = tempfile::tempdir().unwrap();
        // Any site on GitHub Pages may have this file.
        write(&folder.path().join(".nojekyll"), "").unwrap();
        write(&folder.path().join("thesis.md"), "all of it").unwrap();
        let error = build(Path::new("../.."), folder.path()).unwrap_err().to_string();
        assert!(error.contains("something else than a site"), "{error}");
        assert_eq!(read(&folder.path().join("thesis.md")).unwrap(), "all of it");
    }
}
