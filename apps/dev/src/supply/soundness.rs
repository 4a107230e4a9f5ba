//! Where `unsafe` is written: in the modules of the table only, each time under a comment that says why it is sound.
//!
//! The compiler denies it everywhere (`unsafe_code` in the workspace's lints); this check keeps the exceptions to that in one list.

use crate::error::{Result, read};
use crate::{files, tables};
use std::collections::BTreeSet;
use std::path::Path;

/// Where sources stand.
const FOLDERS: [&str; 5] = ["apps", "benches", "crates", "examples", "systems"];
/// Lines above a block within which its reason must begin.
const ABOVE: usize = 4;

/// The modules of the table `module`, `why`, `run by Miri`.
///
/// # Errors
/// [`DevError::Format`](crate::DevError::Format) as [`tables::only`].
pub fn allowed(text: &str) -> Result<BTreeSet<String>> {
    let table = tables::only(text, "the table of modules with unsafe code", &["module", "why", "run by Miri"])?;
    Ok(table.rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect())
}

/// Every fault of the sources below `root`.
///
/// # Errors
/// [`DevError::File`](crate::DevError::File).
pub fn check(root: &Path, modules: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut found = vec![];
    let mut seen = BTreeSet::new();
    for name in files::below(root)?.into_iter().filter(|name| is_source(name)) {
        let text = read(&root.join(&name))?;
        let places = places(&text);
        if places.is_empty() {
            continue;
        }
        if !modules.contains(&name) {
            let line = places[0].line + 1;
            found.push(format!("{name}:{line} writes `unsafe`; only the modules listed in ARCHITECTURE.md may"));
        }
        found.extend(
            unexplained(&text, &places)
                .into_iter()
                .map(|line| format!("{name}:{} does not say above why it is sound; begin with `// SAFETY:`", line + 1)),
        );
        seen.insert(name);
    }
    let idle = modules.iter().filter(|module| !seen.contains(*module));
    found.extend(idle.map(|module| format!("{module} is listed in ARCHITECTURE.md, but has no unsafe code")));
    Ok(found)
}

/// A Rust file of ours, by its path from the root.
fn is_source(name: &str) -> bool {
    let folder = name.split('/').next().unwrap_or_default();
    FOLDERS.contains(&folder) && Path::new(name).extension().is_some_and(|extension| extension == "rs")
}

/// The keyword in a source, or the lint that allows it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    /// Counted from 0.
    line: usize,
    /// Whether it opens a block or an implementation, which must be explained. A function explains itself under `# Safety`.
    opens: bool,
}

/// Every `unsafe` and `unsafe_code` outside of comments and strings.
fn places(text: &str) -> Vec<Place> {
    let mut found = vec![];
    for (line, code) in without_comments_and_strings(text).lines().enumerate() {
        for (at, keyword) in code.match_indices("unsafe") {
            let (before, after) = (&code[..at], &code[at + keyword.len()..]);
            let behind = after.strip_prefix("_code").unwrap_or(after);
            let is_whole = !before.ends_with(is_part_of_a_word) && !behind.starts_with(is_part_of_a_word);
            let next = after.trim_start();
            if is_whole {
                found.push(Place { line, opens: next.starts_with('{') || next.starts_with("impl") });
            }
        }
    }
    found
}

/// Lines of those that must be explained and are not.
fn unexplained(text: &str, places: &[Place]) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let explained = |line: usize| lines[line.saturating_sub(ABOVE)..=line].iter().any(|l| l.contains("// SAFETY:"));
    places.iter().filter(|place| place.opens && !explained(place.line)).map(|place| place.line).collect()
}

/// The text with comments and the insides of strings and characters as spaces; lines stay where they are.
fn without_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut i = 0;
    while i < chars.len() {
        let end = match (at(i), at(i + 1)) {
            ('/', '/') => (i..chars.len()).find(|&k| chars[k] == '\n').unwrap_or(chars.len()),
            ('/', '*') => end_of_comment(&chars, i),
            ('"', _) => end_of_string(&chars, i),
            ('r', '"' | '#') if i == 0 || !is_part_of_a_word(at(i - 1)) || "bc".contains(at(i - 1)) => {
                end_of_raw_string(&chars, i)
            }
            // A character, not a lifetime: closed after one character, or an escape.
            ('\'', '\\') => (i + 3..chars.len()).find(|&k| chars[k] == '\'').map_or(chars.len(), |k| k + 1),
            ('\'', _) if at(i + 2) == '\'' => i + 3,
            _ => i,
        };
        if end == i {
            out.push(chars[i]);
            i += 1;
        } else {
            out.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

fn is_part_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Block comments may stand inside each other.
fn end_of_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut i = start;
    while i < chars.len() {
        match chars[i..].get(..2) {
            Some(['/', '*']) => (depth, i) = (depth + 1, i + 2),
            Some(['*', '/']) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// The end of `r"..."` or `r#"..."#`; `start` itself for a raw identifier.
fn end_of_raw_string(chars: &[char], start: usize) -> usize {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return start;
    }
    let closes =
        |k: &usize| chars[*k] == '"' && chars[k + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    (open + 1..chars.len()).find(closes).map_or(chars.len(), |k| k + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        places(text).iter().map(|place| place.line).collect()
    }

    #[test]
    fn the_keyword_is_found_in_code_and_nowhere_else() {
        let hidden = [
            "// unsafe",
            "/* a /* unsafe */ unsafe */",
            "let a = \"unsafe \\\" unsafe\";",
            "let a = r#\"unsafe \" unsafe\"#;",
            "let a = br\"unsafe\";",
            "let a = '\"'; // unsafe",
            "let a = '\\''; /* unsafe */",
            "let an_unsafe_name = unsafely + unsafe_codec;",
        ];
        for text in hidden {
            assert_eq!(lines(text), Vec::<usize>::new(), "{text}");
        }
        let seen = "fn f<'a>(x: &'a u8) {\n    let b = '\"';\n    // SAFETY: it is.\n    unsafe { g(x) }\n}";
        assert_eq!(lines(seen), vec![3]);
        assert_eq!(lines("let r#in = 1;\nlet s = \"\";\n#[allow(unsafe_code)]"), vec![2]);
    }

    #[test]
    fn a_block_must_say_why_and_a_function_need_not() {
        let text = "unsafe fn f() {}\n\n\n\n\n\n// SAFETY: so.\n#[allow(unsafe_code)]\nunsafe impl Sync for T {}\n\n\n\n\nunsafe { f() }\n";
        assert_eq!(unexplained(text, &places(text)), vec![13]);
        let beside_its_lint = "#[allow(unsafe_code)] unsafe { f() }";
        assert_eq!(unexplained(beside_its_lint, &places(beside_its_lint)), vec![0]);
    }

    #[test]
    fn files_outside_the_list_and_idle_entries_are_faults() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| crate::error::write(&folder.path().join(name), text).unwrap();
        write("crates/a/src/lib.rs", "fn f() {\n    // SAFETY: so.\n    unsafe { g() }\n}\n");
        write("crates/b/src/lib.rs", "fn f() {}\n");
        write("crates/b/target/x.rs", "unsafe { f() }\n");
        write("crates/b/target/CACHEDIR.TAG", "");
        write("crates/b/src/target/mod.rs", "fn g() {}\n");
        let modules = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(check(folder.path(), &modules(&["crates/a/src/lib.rs"])).unwrap(), Vec::<String>::new());
        let found = check(folder.path(), &modules(&["crates/b/src/lib.rs"])).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("crates/a/src/lib.rs:3 writes `unsafe`"), "{found:?}");
        assert!(found[1].starts_with("crates/b/src/lib.rs is listed"), "{found:?}");
    }
}
