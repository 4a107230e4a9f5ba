//! The suite's table.

use super::entry::{Entry, LEAST_P, Outcome};
use super::uniform::{LEVELS, coverage};
use super::without::WITHOUT;
use std::fmt::Write;

/// The table of all tests, the baseline that must fail, and the systems without a posterior.
pub(super) fn suite(found: &[(Entry, Outcome)], baseline: &(Entry, Outcome)) -> String {
    let judged = found.iter().filter(|(_, outcome)| !outcome.places.is_empty()).count();
    let mut page = format!(
        "Made by `cargo run --release -p elbo-dev -- trust`. A system fails when its chi-square p-value is at most {LEAST_P}: by Bonferroni's \
         bound all {judged} right ones pass with a probability of at least {:.3}. The coverages are of central intervals of 50, 90 and 95 %.\n\n\
         | system | test | truths | chi-square p | 50 % covers | 90 % | 95 % | distance from exact | allowed | verdict |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---|\n",
        1.0 - judged as f64 * LEAST_P
    );
    for (entry, outcome) in found {
        let verdict = if outcome.fault().is_none() { "passes" } else { "**fails**" };
        writeln!(page, "{}", row(entry, outcome, verdict)).expect("string");
    }
    let (entry, outcome) = baseline;
    let verdict = if outcome.fault().is_some() { "fails, as it must" } else { "**passes, and must not**" };
    writeln!(page, "{}", row(entry, outcome, verdict)).expect("string");
    page.push_str("\nSystems without a posterior to judge:\n\n| system | why |\n|---|---|\n");
    for (id, reason) in WITHOUT {
        writeln!(page, "| `{id}` | {reason} |").expect("string");
    }
    page
}

fn row(entry: &Entry, outcome: &Outcome, verdict: &str) -> String {
    let count = outcome.places.len();
    let shown = |show: &dyn Fn() -> String| if count == 0 { String::new() } else { show() };
    let p = outcome.p_value().map_or_else(String::new, |p| if p < 1e-2 { power(p, 3) } else { format!("{p:.3}") });
    let covers = LEVELS.map(|level| shown(&|| format!("{:.3}", coverage(&outcome.places, level))));
    let (distance, allowed) =
        outcome.exact.map_or_else(Default::default, |e| (power(e.distance, 2), power(e.tolerance, 2)));
    format!(
        "| `{}` | {} | {} | {p} | {} | {distance} | {allowed} | {verdict} |",
        entry.system,
        entry.test,
        shown(&|| count.to_string()),
        covers.join(" | ")
    )
}

/// So many digits and a power of ten; digits behind the point are left out where all are zeros.
fn power(value: f64, digits: usize) -> String {
    let text = format!("{value:.0$e}", digits - 1);
    text.replace(&format!(".{:0<1$}e", "", digits - 1), "e")
}

#[cfg(test)]
mod tests {
    use super::super::entry::Exact;
    use super::*;

    #[test]
    fn numbers_are_told_apart_from_the_limit_beside_them() {
        assert_eq!([0.15, 1e-4, 1.4e-3, 2e-7].map(|value| power(value, 2)), ["1.5e-1", "1e-4", "1.4e-3", "2e-7"]);
        assert_eq!([0.0, 1.04e-3, 1e-3].map(|p| power(p, 3)), ["0e0", "1.04e-3", "1e-3"]);
    }

    #[test]
    fn every_test_has_a_row_and_empty_cells_where_nothing_was_measured() {
        let entry = || Entry::new("gpr", "words", |_| Ok(Outcome::default()));
        let exact = Outcome { places: vec![], exact: Some(Exact { distance: 2e-7, tolerance: 1e-4 }) };
        let wrong = Outcome { places: vec![0.999; 100], exact: None };
        let page = suite(&[(entry(), exact)], &(entry(), wrong));
        assert!(page.contains("| `gpr` | words |  |  |  |  |  | 2e-7 | 1e-4 | passes |"), "{page}");
        assert!(
            page.contains("| 100 | ")
                && page.contains("| 0.000 | 0.000 | 0.000 |")
                && page.contains("fails, as it must"),
            "{page}"
        );
    }
}
