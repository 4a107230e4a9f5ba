//! The check of the rendered pages: what they link to and show must be there.

use super::markdown::{destination, is_external};
use crate::error::{Result, read};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Every fault of the pages under `out`, one sentence each, and the number of links followed.
///
/// # Errors
/// [`crate::DevError::File`].
pub fn faults(out: &Path) -> Result<(Vec<String>, usize)> {
    let files = crate::files::below(out)?;
    let mut pages = BTreeMap::new();
    for name in files.iter().filter(|name| name.ends_with(".html")) {
        pages.insert(name.as_str(), without_scripts(&read(&out.join(name))?));
    }
    let anchors: BTreeMap<&str, BTreeSet<&str>> =
        pages.iter().map(|(name, page)| (*name, values(page, "id").into_iter().collect())).collect();
    let (mut found, mut count) = (vec![], 0);
    for (name, page) in &pages {
        for link in values(page, "href").into_iter().chain(values(page, "src")) {
            let link = link.replace("&amp;", "&");
            if is_external(&link) {
                continue;
            }
            count += 1;
            if let Some(fault) = fault(name, &link, &files, &anchors) {
                found.push(format!("{name} links to `{link}`, but {fault}"));
            }
        }
    }
    found.sort();
    found.dedup();
    Ok((found, count))
}

/// Why a link of the page `name` leads nowhere.
fn fault(name: &str, link: &str, files: &BTreeSet<String>, anchors: &BTreeMap<&str, BTreeSet<&str>>) -> Option<String> {
    let (target, fragment) = destination(name, link);
    let Some(target) = target else { return Some("that is outside the site".into()) };
    if !files.contains(&target) {
        return Some(format!("the site has no {target}"));
    }
    let fragment = fragment.filter(|fragment| !fragment.is_empty())?;
    let there = anchors.get(target.as_str()).is_some_and(|ids| ids.contains(decoded(fragment).as_str()));
    (!there).then(|| format!("{target} has no anchor `{fragment}`"))
}

/// The values of an attribute, in order.
fn values<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!(" {name}=\"");
    html.split(opening.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The page without the bodies of its scripts, whose texts are no markup.
fn without_scripts(html: &str) -> String {
    let mut out = String::new();
    for (at, part) in html.split("<script").enumerate() {
        if at == 0 {
            out.push_str(part);
            continue;
        }
        let (tag, rest) = part.split_once('>').unwrap_or((part, ""));
        out.push_str("<script");
        out.push_str(tag);
        out.push('>');
        out.push_str(rest.split_once("</script>").map_or("", |(_, after)| after));
    }
    out
}

/// A fragment with `%C3%A9` read as letters.
fn decoded(fragment: &str) -> String {
    let bytes = fragment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(pages: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, page) in pages {
            crate::error::write(&folder.path().join(name), page).unwrap();
        }
        faults(folder.path()).unwrap().0
    }

    #[test]
    fn links_that_lead_somewhere_are_no_faults() {
        let index = "<h1 id=\"top\"></h1><a href=\"a/b.html#caf%C3%A9\">x</a><a href=\"#top\">y</a><img src=\"p.svg\">\
                     <a href=\"https://example.org/none\">z</a><script src=\"s.js\">x = ' href=\"none\"';</script>";
        let other = "<h2 id=\"café\"></h2><a class=\"x\" href=\"../index.html\">up</a>";
        let found = site(&[("index.html", index), ("a/b.html", other), ("p.svg", ""), ("s.js", "")]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_missing_page_picture_or_anchor_is_a_fault() {
        let index =
            "<a href=\"none.html\">x</a><img src=\"none.svg\"><a href=\"#none\">y</a><a href=\"../x.html\">z</a>";
        let found = site(&[("index.html", index)]);
        assert_eq!(found.len(), 4, "{found:?}");
        for part in ["no none.html", "no none.svg", "no anchor `none`", "outside the site"] {
            assert!(found.iter().any(|fault| fault.contains(part)), "{part}: {found:?}");
        }
    }
}
