//! Licences: whether an SPDX expression can be met by licences of a list.

use super::lock::Package;
use std::collections::BTreeSet;

/// Packages whose licence the list does not meet, and licences of the list that no package offers.
pub fn faults(packages: &[Package], allowed: &BTreeSet<String>) -> Vec<String> {
    let mut found = vec![];
    let mut offered = BTreeSet::new();
    for Package { name, version, licence, .. } in packages {
        match licence.as_deref().map(|text| (text, parse(text))) {
            None => found.push(format!("{name} {version} names no licence")),
            Some((text, None)) => found.push(format!("{name} {version}: `{text}` is no SPDX expression")),
            Some((text, Some(expression))) => {
                if !expression.holds(allowed) {
                    found.push(format!(
                        "{name} {version} is under `{text}`, which the licences of deny.toml do not meet"
                    ));
                }
                expression.names(&mut offered);
            }
        }
    }
    let idle = allowed.iter().filter(|licence| !offered.contains(*licence));
    found.extend(idle.map(|licence| format!("deny.toml allows `{licence}`, which no package offers; take it out")));
    found
}

/// An expression such as `(MIT OR Apache-2.0) AND Unicode-3.0`.
#[derive(Debug, Clone, PartialEq)]
enum Expression {
    /// A licence, with its exception where it has one.
    Licence(String),
    /// Any of them.
    Or(Vec<Self>),
    /// All of them.
    And(Vec<Self>),
}

impl Expression {
    fn holds(&self, allowed: &BTreeSet<String>) -> bool {
        match self {
            Self::Licence(name) => allowed.contains(name),
            Self::Or(parts) => parts.iter().any(|part| part.holds(allowed)),
            Self::And(parts) => parts.iter().all(|part| part.holds(allowed)),
        }
    }

    fn names(&self, all: &mut BTreeSet<String>) {
        match self {
            Self::Licence(name) => {
                all.insert(name.clone());
            }
            Self::Or(parts) | Self::And(parts) => parts.iter().for_each(|part| part.names(all)),
        }
    }
}

/// `None` for what is no expression. A slash is the old way to write `OR`.
fn parse(text: &str) -> Option<Expression> {
    let spaced = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    let expression = either(&mut rest)?;
    rest.is_empty().then_some(expression)
}

/// Takes the next word if it is this one.
fn takes(rest: &mut &[&str], word: &str) -> bool {
    let is_next = rest.first() == Some(&word);
    if is_next {
        *rest = &rest[1..];
    }
    is_next
}

fn either(rest: &mut &[&str]) -> Option<Expression> {
    let mut parts = vec![both(rest)?];
    while takes(rest, "OR") {
        parts.push(both(rest)?);
    }
    Some(Expression::Or(parts))
}

fn both(rest: &mut &[&str]) -> Option<Expression> {
    let mut parts = vec![one(rest)?];
    while takes(rest, "AND") {
        parts.push(one(rest)?);
    }
    Some(Expression::And(parts))
}

fn one(rest: &mut &[&str]) -> Option<Expression> {
    if takes(rest, "(") {
        let inner = either(rest)?;
        return takes(rest, ")").then_some(inner);
    }
    let name = identifier(rest)?;
    let licence = if takes(rest, "WITH") { format!("{name} WITH {}", identifier(rest)?) } else { name };
    Some(Expression::Licence(licence))
}

fn identifier(rest: &mut &[&str]) -> Option<String> {
    let (first, others) = rest.split_first()?;
    let is_name = !["OR", "AND", "WITH", "(", ")"].contains(first);
    *rest = others;
    is_name.then(|| (*first).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn holds(text: &str, names: &[&str]) -> bool {
        parse(text).unwrap().holds(&list(names))
    }

    #[test]
    fn expressions_hold_as_spdx_defines_them() {
        assert!(holds("MIT OR Apache-2.0", &["MIT"]) && holds("Unlicense/MIT", &["MIT"]));
        assert!(!holds("GPL-3.0-only", &["MIT"]) && !holds("MIT AND GPL-3.0-only", &["MIT"]));
        assert!(holds("(MIT OR Apache-2.0) AND Unicode-3.0", &["MIT", "Unicode-3.0"]));
        assert!(!holds("(MIT OR Apache-2.0) AND Unicode-3.0", &["MIT"]));
        // AND binds before OR.
        assert!(holds("MIT OR Zlib AND Unicode-3.0", &["MIT"]) && !holds("MIT OR Zlib AND Unicode-3.0", &["Zlib"]));
        assert!(!holds("Apache-2.0 WITH LLVM-exception", &["Apache-2.0"]));
        assert!(holds("Apache-2.0 WITH LLVM-exception OR MIT", &["Apache-2.0 WITH LLVM-exception"]));
    }

    #[test]
    fn what_is_no_expression_is_not_guessed_at() {
        for text in ["", "MIT OR", "(MIT", "MIT Apache-2.0", "AND", "MIT WITH"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn packages_outside_the_list_and_licences_of_nobody_are_faults() {
        let package = |name: &str, licence: Option<&str>| Package {
            name: name.into(),
            version: "1.0.0".into(),
            licence: licence.map(str::to_owned),
            folder: None,
            libraries: vec![],
        };
        let packages = [package("a", Some("MIT")), package("b", Some("GPL-3.0-only")), package("c", None)];
        let allowed = BTreeSet::from(["MIT", "ISC"].map(String::from));
        let found = faults(&packages, &allowed);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("b 1.0.0 is under `GPL-3.0-only`"), "{found:?}");
        assert!(found[1].contains("c 1.0.0 names no licence") && found[2].contains("allows `ISC`"), "{found:?}");
    }
}
