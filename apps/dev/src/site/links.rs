//! The check of the repository's Markdown documents, as one reads them in the repository.

use super::markdown::{Parts, destination, is_external, parts};
use crate::error::{Result, read};
use std::collections::BTreeMap;
use std::path::Path;

/// Every relative link or picture that leads nowhere, one sentence each, and the number of links followed.
///
/// # Errors
/// [`crate::DevError::File`].
pub fn faults(root: &Path) -> Result<(Vec<String>, usize)> {
    let mut documents: BTreeMap<String, Parts> = BTreeMap::new();
    for name in crate::files::below(root)?.into_iter().filter(|name| name.ends_with(".md")) {
        let text = read(&root.join(&name))?;
        documents.insert(name, parts(&text));
    }
    let (mut found, mut count) = (vec![], 0);
    for (name, document) in &documents {
        found.extend(document.lost.iter().map(|link| format!("{name}: write the link `{link}` without escapes")));
        for link in document.links.iter().map(|link| link.target.as_str()).filter(|link| !is_external(link)) {
            count += 1;
            if let Some(fault) = fault(root, name, link, &documents) {
                found.push(format!("{name} links to `{link}`, but {fault}"));
            }
        }
    }
    Ok((found, count))
}

/// Why a link of the document `name` leads nowhere.
fn fault(root: &Path, name: &str, link: &str, documents: &BTreeMap<String, Parts>) -> Option<String> {
    let (target, anchor) = destination(name, link);
    let Some(target) = target else { return Some("that is outside the repository".into()) };
    if !root.join(&target).exists() {
        return Some(format!("there is no {target}"));
    }
    let (anchor, document) = (anchor?, documents.get(&target)?);
    let is_there = document.anchors.iter().any(|known| known == anchor);
    (!is_there).then(|| format!("{target} has no heading `#{anchor}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_leads_to_a_file_and_a_heading() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| crate::error::write(&folder.path().join(name), text).unwrap();
        write(
            "README.md",
            "# One\n[a](docs/a.md#two-words) [p](p.svg) [d](docs) [s](#one) [x](https://example.org/none)\n",
        );
        write("docs/a.md", "## Two words\n[up](../README.md)\n");
        write("p.svg", "");
        write("target/doc/b.md", "[none](none.md)\n");
        write(".hidden/c.md", "[none](none.md)\n");
        assert_eq!(faults(folder.path()).unwrap(), (vec![], 5));
        write("docs/a.md", "## Three words\n[none](none.md) ![p](../q.svg) [up](../../x.md) [r][r]\n\n[r]: r.md\n");
        let (found, _) = faults(folder.path()).unwrap();
        assert_eq!(found.len(), 5, "{found:?}");
        for part in ["no heading `#two-words`", "no docs/none.md", "no q.svg", "outside the repository", "no docs/r.md"]
        {
            assert!(found.iter().any(|fault| fault.contains(part)), "{part}: {found:?}");
        }
    }
}
