//! Turns texts of the repository into texts of the site.

use super::contents::{Page, place_of};
use super::formula::mathml;
use super::markdown::{destination, is_external, parts};
use crate::error::{DevError, Result};
use crate::generate::SYSTEMS;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

/// The folder of the site for files that are no pages: pictures, programs.
pub const FILES: &str = "files";

/// A page as mdBook reads it.
#[derive(Debug)]
pub struct Written {
    /// Its file in the site.
    pub place: String,
    /// Markdown, with links as in the site and a word in the place of each formula.
    pub text: String,
    /// MathML of the formulas.
    pub formulas: Vec<String>,
}

/// The site's sources.
#[derive(Debug)]
pub struct Site {
    /// Pages in order.
    pub pages: Vec<Written>,
    /// Files of the repository that go along.
    pub files: BTreeSet<String>,
}

impl Written {
    /// The rendered page with its formulas.
    pub fn with_formulas(&self, html: &str) -> String {
        self.formulas.iter().enumerate().fold(html.to_owned(), |html, (at, formula)| html.replace(&word(at), formula))
    }
}

/// The word that stands for a formula: letters and digits alone, which Markdown leaves as they are.
fn word(at: usize) -> String {
    format!("elboformula{at}end")
}

/// The index of the search with an ellipsis for each formula.
pub fn without_words(index: &str, pages: &[Written]) -> String {
    let most = pages.iter().map(|page| page.formulas.len()).max().unwrap_or(0);
    (0..most).fold(index.to_owned(), |index, at| index.replace(&word(at), "…"))
}

/// Turns links between files into links between pages, and names of systems into links to their pages.
///
/// # Errors
/// [`DevError::Faults`] for links to nothing, to folders and to Markdown files that are no pages, and for formulas that are not
/// understood.
pub fn assemble(root: &Path, pages: &[Page]) -> Result<Site> {
    let places: BTreeMap<&str, &str> = pages.iter().map(|page| (page.source.as_str(), page.place.as_str())).collect();
    let shown: BTreeSet<&str> = places.values().copied().collect();
    let mut site = Site { pages: vec![], files: BTreeSet::new() };
    let mut faults = vec![];
    for page in pages {
        let parts = parts(&page.text);
        let mut edits: Vec<(Range<usize>, String)> = vec![];
        let mut formulas = vec![];
        let mut fault = |message: String| faults.push(format!("{}: {message}", page.source));
        parts.lost.iter().for_each(|link| fault(format!("write the link `{link}` without escapes")));
        for link in parts.links {
            if is_external(&link.target) || link.target.starts_with('#') {
                continue;
            }
            match turned(root, page, &link.target, &places, &mut site.files) {
                Ok(target) => edits.push((link.place, target)),
                Err(message) => fault(format!("`{}` {message}", link.target)),
            }
        }
        for code in parts.codes {
            let place = place_of(&code.target);
            if shown.contains(place.as_str()) && page.place != place {
                let up = "../".repeat(page.place.matches('/').count());
                edits.push((code.place, format!("[`{}`]({up}{place})", code.target)));
            }
        }
        for formula in parts.formulas {
            match mathml(&formula.source, formula.is_display) {
                Ok(made) => {
                    edits.push((formula.place, word(formulas.len())));
                    formulas.push(made);
                }
                Err(message) => fault(format!("the formula `{}` is not understood: {message}", formula.source.trim())),
            }
        }
        let text = edited(&page.text, edits);
        site.pages.push(Written { place: page.place.clone(), text, formulas });
    }
    if faults.is_empty() { Ok(site) } else { Err(DevError::Faults(faults)) }
}

/// A link as the site has it.
fn turned(
    root: &Path,
    page: &Page,
    link: &str,
    places: &BTreeMap<&str, &str>,
    files: &mut BTreeSet<String>,
) -> Result<String, String> {
    let (target, anchor) = destination(&page.source, link);
    let target = target.ok_or("leads out of the repository")?;
    let up = "../".repeat(page.place.matches('/').count());
    let behind = anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
    if let Some(id) = anchor.filter(|anchor| target == SYSTEMS && elbo::find(anchor).is_ok()) {
        return Ok(format!("{up}{}", place_of(id)));
    }
    if let Some(place) = places.get(target.as_str()) {
        return Ok(format!("{up}{place}{behind}"));
    }
    if target.ends_with(".md") {
        return Err("is no page of the site; add it to `site::contents::DOCUMENTS`".into());
    }
    if !root.join(&target).is_file() {
        return Err(format!("leads to {target}, which is no file"));
    }
    let place = format!("{up}{FILES}/{target}{behind}");
    files.insert(target);
    Ok(place)
}

/// The text with the edits made. They do not overlap.
fn edited(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(place, _)| place.start);
    let mut out = text.to_owned();
    for (place, new) in edits.into_iter().rev() {
        out.replace_range(place, &new);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(source: &str, place: &str, text: &str) -> Page {
        Page { part: "Start", source: source.into(), place: place.into(), title: place.into(), text: text.into() }
    }

    fn repository(pages: &[Page]) -> Result<Site> {
        let folder = tempfile::tempdir().unwrap();
        crate::error::write(&folder.path().join("docs/p.svg"), "<svg/>").unwrap();
        crate::error::write(&folder.path().join("docs/loose.md"), "").unwrap();
        assemble(folder.path(), pages)
    }

    #[test]
    fn links_lead_from_page_to_page_and_pictures_go_along() {
        let text = "[r](../../README.md#top) ![p](../p.svg) [s](../systems.md#gpr) [t](../systems.md) [u](#here) [v][v]\n\n\
                    [v]: https://example.org\n";
        let pages = [
            page("docs/deep/a.md", "deep/a.md", text),
            page("README.md", "start.md", ""),
            page(SYSTEMS, "systems.md", ""),
        ];
        let site = repository(&pages).unwrap();
        assert_eq!(
            site.pages[0].text,
            "[r](../start.md#top) ![p](../files/docs/p.svg) [s](../systems/gpr.md) [t](../systems.md) [u](#here) [v][v]\n\n\
             [v]: https://example.org\n"
        );
        assert_eq!(site.files.into_iter().collect::<Vec<_>>(), ["docs/p.svg"]);
    }

    #[test]
    fn names_of_systems_lead_to_their_pages() {
        let pages = [
            page("docs/a.md", "deep/a.md", "# `gpr`\n\n`gpr`, `elbo info gpr`, [`gpr`](b.md), `none`\n"),
            page("docs/b.md", "b.md", ""),
            page("gpr.md", "systems/gpr.md", "`gpr` itself"),
        ];
        let site = repository(&pages).unwrap();
        let text = "# `gpr`\n\n[`gpr`](../systems/gpr.md), `elbo info gpr`, [`gpr`](../b.md), `none`\n";
        assert_eq!(site.pages[0].text, text);
        assert_eq!(site.pages[2].text, "`gpr` itself");
    }

    #[test]
    fn formulas_come_back_after_rendering() {
        let site = repository(&[page("a.md", "a.md", "A $x_1*y_2*$ and\n\n$$ z^2 $$\n")]).unwrap();
        let written = &site.pages[0];
        assert!(!written.text.contains('$') && written.formulas.len() == 2, "{}", written.text);
        let html = written.with_formulas(&written.text);
        assert_eq!(html.matches("<math").count(), 2, "{html}");
        assert!(!html.contains("elboformula"), "{html}");
    }

    #[test]
    fn links_to_nothing_and_unknown_formulas_are_faults_that_name_the_page() {
        let text = "[a](none.svg) [b](../../x.md) [c](loose.md) [d](../docs) $\\nosuchcommand$";
        let DevError::Faults(found) = repository(&[page("docs/a.md", "a.md", text)]).unwrap_err() else {
            panic!("faults were expected")
        };
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found.iter().all(|fault| fault.starts_with("docs/a.md: ")), "{found:?}");
        for part in ["no file", "out of the repository", "no page of the site", "nosuchcommand"] {
            assert!(found.iter().any(|fault| fault.contains(part)), "{part}: {found:?}");
        }
    }
}
