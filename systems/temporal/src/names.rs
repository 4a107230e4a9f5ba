//! Names under which arrays and columns with a meaning of their own are looked for.

/// Whether a name is one of those known, in any case.
pub(crate) fn named(name: &str, known: &[&str]) -> bool {
    known.iter().any(|k| name.eq_ignore_ascii_case(k))
}
