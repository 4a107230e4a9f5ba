//! Which documents are pages of the site, and in which order.

use super::system;
use crate::error::{DevError, Result, read};
use crate::generate::{self, SYSTEMS};
use std::fmt::Write;
use std::path::Path;

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    /// The heading of the contents under which it stands.
    pub part: &'static str,
    /// The file of the repository from which links in the text are seen.
    pub source: String,
    /// Its file in the site.
    pub place: String,
    /// Its name in the contents.
    pub title: String,
    /// Markdown, with links as in the repository.
    pub text: String,
}

/// A document that is a page: part of the contents, source, place, title. The catalogue stands for all pages of systems, which
/// follow it.
pub const DOCUMENTS: &[[&str; 4]] = &[
    ["Start", "docs/choose.md", "index.md", "Which one should I use?"],
    ["Start", "README.md", "start.md", "What elbo is"],
    ["Start", "docs/python.md", "python.md", "Python"],
    ["Start", "docs/own-model.md", "own-model.md", "A model of your own"],
    ["Cookbook", "docs/cookbook/intervals.md", "cookbook/intervals.md", "A table, with intervals"],
    ["Cookbook", "docs/cookbook/series.md", "cookbook/series.md", "A series, with a forecast"],
    ["Cookbook", "docs/cookbook/abstain.md", "cookbook/abstain.md", "Classes, or no answer"],
    ["Cookbook", "docs/cookbook/tuning.md", "cookbook/tuning.md", "What to try next"],
    ["Cookbook", "docs/cookbook/images.md", "cookbook/images.md", "New pictures"],
    ["Cookbook", "docs/cookbook/compression.md", "cookbook/compression.md", "Small files of photographs"],
    ["Cookbook", "docs/cookbook/scene.md", "cookbook/scene.md", "A scene from photographs"],
    ["Cookbook", "docs/cookbook/own.md", "cookbook/own.md", "A density of your own"],
    ["Systems", SYSTEMS, "systems.md", "Gallery of all systems"],
    ["Measured", "docs/results.md", "results.md", "Claims"],
    ["Measured", "docs/trust.md", "trust.md", "Trust"],
    ["Measured", "docs/bounds.md", "bounds.md", "Bounds"],
    ["Measured", "docs/benchmarks.md", "benchmarks.md", "Benchmarks"],
    ["Measured", "benches/peers/README.md", "peers.md", "How it was timed"],
    ["Reference", "docs/json.md", "json.md", "JSON"],
    ["Reference", "GLOSSARY.md", "glossary.md", "Glossary"],
    ["Reference", "ARCHITECTURE.md", "architecture.md", "Architecture"],
    ["Reference", "CONTRIBUTING.md", "contributing.md", "Contributing"],
    ["Reference", "CHANGELOG.md", "changelog.md", "Changelog"],
    ["Data", "examples/data/uci/SOURCE.md", "data/uci.md", "uci"],
    ["Data", "examples/data/small/SOURCE.md", "data/small.md", "small"],
    ["Data", "examples/data/classic/SOURCE.md", "data/classic.md", "classic"],
    ["Data", "examples/data/photos/SOURCE.md", "data/photos.md", "photos"],
];

/// The document that the site begins with, and that shows a picture of each family.
const FIRST: &str = "docs/choose.md";

/// The page of a system.
pub fn place_of(id: &str) -> String {
    format!("systems/{id}.md")
}

/// All pages in the order of the contents.
///
/// # Errors
/// [`DevError::Faults`] for documents in `docs/` that are no pages and for systems' pages without the common sections;
/// [`DevError::File`].
pub fn pages(root: &Path) -> Result<Vec<Page>> {
    let systems = elbo::systems();
    let mut faults = unlisted(root)?;
    let mut pages = vec![];
    for &[part, source, place, title] in DOCUMENTS {
        if source != SYSTEMS {
            let mut text = read(&root.join(source))?;
            if source == FIRST {
                let at = text.find("\n## ").map_or(text.len(), |at| at + 1);
                text.insert_str(at, &generate::gallery());
            }
            pages.push(Page { part, source: source.into(), place: place.into(), title: title.into(), text });
            continue;
        }
        let text = generate::catalogue(&systems);
        pages.push(Page { part, source: source.into(), place: place.into(), title: title.into(), text });
        let found = system::Found::read(root)?;
        for system in &systems {
            let card = system.card();
            let source = generate::page_of(card);
            match system::page(*system, &read(&root.join(&source))?, &found) {
                Ok(text) => {
                    let part = generate::words(card.family);
                    pages.push(Page { part, source, place: place_of(card.id), title: card.id.into(), text });
                }
                Err(fault) => faults.push(format!("{source}: {fault}")),
            }
        }
    }
    if faults.is_empty() { Ok(pages) } else { Err(DevError::Faults(faults)) }
}

/// Documents in `docs/` that are in no list.
fn unlisted(root: &Path) -> Result<Vec<String>> {
    let is_listed = |name: &str| DOCUMENTS.iter().any(|[_, source, ..]| source.strip_prefix("docs/") == Some(name));
    let names = crate::files::below(&root.join("docs"))?;
    let missing = names.into_iter().filter(|name| name.ends_with(".md") && !is_listed(name));
    Ok(missing
        .map(|name| format!("docs/{name} is no page of the site; add it to `site::contents::DOCUMENTS`"))
        .collect())
}

/// The contents as mdBook reads them.
pub fn summary(pages: &[Page]) -> String {
    let mut out = String::from("# Contents\n");
    let mut part = "";
    for page in pages {
        if page.part != part {
            part = page.part;
            write!(out, "\n# {part}\n\n").expect("string");
        }
        writeln!(out, "- [{}]({})", page.title, page.place).expect("string");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_places_are_unique_and_a_part_stands_together() {
        for column in [1, 2] {
            let mut names: Vec<&str> = DOCUMENTS.iter().map(|row| row[column]).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), DOCUMENTS.len());
        }
        let mut parts: Vec<&str> = DOCUMENTS.iter().map(|row| row[0]).collect();
        parts.dedup();
        let count = parts.len();
        parts.sort_unstable();
        parts.dedup();
        assert_eq!(parts.len(), count);
    }

    #[test]
    fn every_system_has_a_page_and_a_line_in_the_contents() {
        let pages = pages(Path::new("../..")).unwrap();
        let summary = summary(&pages);
        assert!(pages[0].source == FIRST && pages[0].text.contains("\n\n## By picture\n\n- [!["), "{}", pages[0].text);
        for system in elbo::systems() {
            let id = system.card().id;
            assert!(summary.contains(&format!("- [{id}](systems/{id}.md)")), "{id}");
            assert!(pages[0].text.contains(&format!("](systems.md#{id})")), "the first page does not lead to {id}");
            let page = pages.iter().find(|page| page.title == id).unwrap();
            for heading in ["## In Rust", "## In Python", "## Measured", "## Settings"] {
                assert!(page.text.contains(&format!("\n{heading}\n")), "{id} has no `{heading}`");
            }
            assert!(page.text.contains(&format!("docs/pictures/{id}.svg")), "{id} shows no picture");
        }
    }
}
