//! What a Markdown text holds that the site has to know: links, formulas, anchors.

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};
use std::collections::BTreeMap;
use std::ops::Range;

/// A link, or a picture's place.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// As written.
    pub target: String,
    /// Where it is written: bytes of the text.
    pub place: Range<usize>,
}

/// A formula.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    /// LaTeX, without its dollars.
    pub source: String,
    /// Whether it stands by itself.
    pub is_display: bool,
    /// Where it is written, dollars included: bytes of the text.
    pub place: Range<usize>,
}

/// The parts of a text.
#[derive(Debug, Default)]
pub struct Parts {
    /// Links and pictures in the order of the text, those of reference definitions included.
    pub links: Vec<Link>,
    /// Formulas in the order of the text.
    pub formulas: Vec<Formula>,
    /// Code in lines of text, outside of links and headings: its words, and where it is written, backticks included.
    pub codes: Vec<Link>,
    /// Anchors of headings, in order, as GitHub and mdBook make them.
    pub anchors: Vec<String>,
    /// Links whose place in the text was not found.
    pub lost: Vec<String>,
}

/// Reads a text.
pub fn parts(text: &str) -> Parts {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH;
    let parser = Parser::new_ext(text, options);
    let mut parts = Parts::default();
    for (_, definition) in parser.reference_definitions().iter() {
        parts.add(text, definition.span.clone(), "]:", &definition.dest);
    }
    let mut heading: Option<String> = None;
    let mut seen = BTreeMap::new();
    let mut open_links = 0;
    for (event, range) in parser.into_offset_iter() {
        match &event {
            Event::Start(Tag::Link { .. } | Tag::Image { .. }) => open_links += 1,
            Event::End(TagEnd::Link | TagEnd::Image) => open_links -= 1,
            Event::Code(words) if open_links == 0 && heading.is_none() => {
                parts.codes.push(Link { target: words.to_string(), place: range.clone() });
            }
            _ => {}
        }
        match event {
            Event::Start(
                Tag::Link { link_type: LinkType::Inline, dest_url, .. }
                | Tag::Image { link_type: LinkType::Inline, dest_url, .. },
            ) => parts.add(text, range, "](", &dest_url),
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let name = anchor(&heading.take().unwrap_or_default());
                parts.anchors.push(unique(name, &mut seen));
            }
            Event::InlineMath(source) => parts.formula(&source, false, range),
            Event::DisplayMath(source) => parts.formula(&source, true, range),
            Event::Text(words) | Event::Code(words) => {
                if let Some(title) = &mut heading {
                    title.push_str(&words);
                }
            }
            _ => {}
        }
    }
    parts.links.sort_by_key(|link| link.place.start);
    parts
}

impl Parts {
    /// Finds where `target` is written inside `range`, behind the last `opening`.
    fn add(&mut self, text: &str, range: Range<usize>, opening: &str, target: &str) {
        let written = &text[range.clone()];
        let place = written.rfind(opening).and_then(|at| {
            let behind = &written[at + opening.len()..];
            let skipped = behind.len() - behind.trim_start().len();
            let start = range.start + at + opening.len() + skipped;
            behind.trim_start().starts_with(target).then(|| start..start + target.len())
        });
        match place {
            Some(place) => self.links.push(Link { target: target.into(), place }),
            None => self.lost.push(target.into()),
        }
    }

    fn formula(&mut self, source: &str, is_display: bool, place: Range<usize>) {
        self.formulas.push(Formula { source: source.into(), is_display, place });
    }
}

/// A heading's anchor: letters, digits, `-` and `_` in lower case, spaces as `-`.
fn anchor(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace() || "-_".contains(*c));
    kept.map(|c| if c.is_whitespace() { '-' } else { c }).collect()
}

/// The anchor with `-1`, `-2` behind it where it was there before.
fn unique(name: String, seen: &mut BTreeMap<String, usize>) -> String {
    let count = seen.entry(name.clone()).or_default();
    *count += 1;
    if *count == 1 { name } else { format!("{name}-{}", *count - 1) }
}

/// Whether a link leaves the documents: `https://…`, `mailto:…`.
pub fn is_external(target: &str) -> bool {
    target.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    }) || target.starts_with("//")
}

/// The file that a relative link of the file `from` names, and its anchor: `from` itself for `#anchor`, `None` outside of the root.
pub fn destination<'a>(from: &str, link: &'a str) -> (Option<String>, Option<&'a str>) {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let file = if path.is_empty() { Some(from.to_owned()) } else { resolve(from, path) };
    (file, anchor)
}

/// The path that a relative link names, seen from the file that holds it; both from the root, with `/`. `None` where it leaves
/// the root.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut path: Vec<&str> = from.split('/').collect();
    path.pop();
    for step in link.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                path.pop()?;
            }
            name => path.push(name),
        }
    }
    Some(path.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A page\n\nSee [one](a/b.md#c \"title\"), [![p](p.svg)](q.md), [two][ref] and `[no](code.md)`.\n\n\
                        ## A `page`, once more!\n## A page\n\n$$ x_1 $$\n\nand $y$, not `$z$`.\n\n[ref]: ../r.md\n";

    #[test]
    fn links_are_found_where_they_are_written() {
        let parts = parts(PAGE);
        let targets: Vec<&str> = parts.links.iter().map(|link| link.target.as_str()).collect();
        assert_eq!(targets, ["a/b.md#c", "p.svg", "q.md", "../r.md"]);
        for link in &parts.links {
            assert_eq!(&PAGE[link.place.clone()], link.target);
        }
        assert_eq!(parts.lost, Vec::<String>::new());
    }

    #[test]
    fn code_is_found_outside_links_and_headings() {
        let found =
            parts("# `a`\n\n`b`, [`c`](d.md), ![`e`](f.svg)\n\n| `g` |\n|---|\n| ``h`` |\n\n```\n`i`\n```\n").codes;
        let words: Vec<&str> = found.iter().map(|code| code.target.as_str()).collect();
        assert_eq!(words, ["b", "g", "h"]);
        assert_eq!(found[0].place, 7..10);
    }

    #[test]
    fn headings_have_the_anchors_of_github() {
        assert_eq!(parts(PAGE).anchors, ["a-page", "a-page-once-more", "a-page-1"]);
    }

    #[test]
    fn formulas_are_found_outside_code() {
        let found: Vec<_> = parts(PAGE).formulas.into_iter().map(|f| (f.source, f.is_display)).collect();
        assert_eq!(found, [(" x_1 ".to_owned(), true), ("y".to_owned(), false)]);
    }

    #[test]
    fn paths_are_resolved_from_the_file_that_holds_the_link() {
        assert_eq!(resolve("docs/a.md", "../systems/x.md").as_deref(), Some("systems/x.md"));
        assert_eq!(resolve("README.md", "./docs/a.md").as_deref(), Some("docs/a.md"));
        assert_eq!(resolve("README.md", "../outside.md"), None);
        assert_eq!(destination("docs/a.md", "b.md#c"), (Some("docs/b.md".into()), Some("c")));
        assert_eq!(destination("docs/a.md", "#c"), (Some("docs/a.md".into()), Some("c")));
        assert!(is_external("https://example.org") && is_external("mailto:a@b.c"));
        assert!(!is_external("a/b.md#c:d") && !is_external("b.md"));
    }
}
