//! The suite's table.

use super::entry::{Entry, LEAST_P, Outcome};
use super::uniform::{LEVELS, coverage};
use super::without::WITHOUT;
use std::fmt::Write;

/// A test, and what it found, or why nothing.
pub(super) type Found = (Entry, Result<Outcome, String>);

/// The table of all tests, the baseline that must fail, and the systems without a posterior. `when` says the day and the commit.
pub(super) fn suite(found: &[Found], baseline: &(Entry, Outcome), when: &str) -> String {
    let outcomes = || found.iter().filter_map(|(_, outcome)| outcome.as_ref().ok());
    let judged = outcomes().filter(|outcome| !outcome.places.is_empty()).count();
    let truths: usize = outcomes().map(|outcome| outcome.places.len()).sum();
    let mut page = format!(
        "Made by `cargo run --release -p elbo-dev -- trust`; {when}; {truths} truths in all. Each simulation has a seed of its own, split from one that stands \
         in its test, so that another run finds the same numbers. A system fails when its chi-square p-value is at most {LEAST_P}: by Bonferroni's \
         bound all {judged} right ones pass with a probability of at least {:.3}. The coverages are of central intervals of 50, 90 and 95 %.\n\n\
         | system | test | truths | chi-square p | 50 % covers | 90 % | 95 % | distance from exact | allowed | verdict |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---|\n",
        1.0 - judged as f64 * LEAST_P
    );
    for (entry, outcome) in found {
        let line = match outcome {
            Ok(outcome) if outcome.fault().is_none() => row(entry, outcome, "passes"),
            Ok(outcome) => row(entry, outcome, "**fails**"),
            Err(why) => {
                row(entry, &Outcome::default(), &format!("**not measured**: {}", why.replace(['|', '\n'], " ")))
            }
        };
        writeln!(page, "{line}").expect("string");
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
        let failed = Err("no rows|\nat all".to_owned());
        let page = suite(&[(entry(), Ok(exact)), (entry(), failed)], &(entry(), wrong), "today");
        assert!(page.contains("`; today; 0 truths in all.") && page.contains("all 0 right ones"), "{page}");
        assert!(page.contains("|  |  | **not measured**: no rows  at all |\n"), "{page}");
        assert!(page.contains("| `gpr` | words |  |  |  |  |  | 2e-7 | 1e-4 | passes |"), "{page}");
        assert!(
            page.contains("| 100 | ")
                && page.contains("| 0.000 | 0.000 | 0.000 |")
                && page.contains("fails, as it must"),
            "{page}"
        );
    }
}
