//! The table in `docs/benchmarks.md`.

use super::rows::Row;
use super::works::{Floor, Work};
use std::fmt::Write;

/// One work at one size, measured on both sides.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// What was done.
    pub work: &'a Work,
    /// Our summary.
    pub ours: Row,
    /// The peers' summaries, in the work's order.
    pub theirs: Vec<Row>,
    /// The least time this machine allows.
    pub floor: Floor,
}

/// Where and how it was measured.
#[derive(Debug)]
pub struct Setting {
    /// The processor, the cores, the operating system.
    pub machine: String,
    /// Threads a process was allowed.
    pub threads: usize,
    /// Rounds that alternated between the sides.
    pub rounds: usize,
    /// How the floors' peak was found.
    pub peak: String,
    /// The command that makes the table again.
    pub command: String,
    /// The day and the commit.
    pub when: String,
}

/// Cores of other processes above which a reader should not trust a figure.
pub const QUIET: f64 = 0.2;

/// Milliseconds with three significant digits.
pub fn milliseconds(value: f64) -> String {
    let digits = 2 - (value.abs().max(1e-6).log10().floor() as i32);
    format!("{value:.*}", digits.max(0) as usize)
}

/// A ratio with two decimals, or three where two would not tell it from nothing.
pub fn quotient(value: f64) -> String {
    format!("{value:.*}", if value < 0.1 { 3 } else { 2 })
}

/// A sentence about other processes, from the cores that they kept busy at most; absent where that is not known.
pub fn quiet(busiest: Option<f64>) -> String {
    match busiest {
        None => "How busy other processes were was not measured.".into(),
        Some(busiest) if busiest <= QUIET => format!("Other processes used at most {busiest:.2} cores meanwhile."),
        Some(busiest) => format!(
            "**The machine was not quiet**: other processes used up to {busiest:.2} cores meanwhile, so treat the times with care."
        ),
    }
}

/// The whole body between the markers.
pub fn render(setting: &Setting, comparisons: &[Comparison]) -> String {
    let mut page = String::new();
    let busiest = comparisons.iter().flat_map(|c| c.theirs.iter().chain([&c.ours])).filter_map(|row| row.foreign_cores);
    let quiet = quiet(busiest.reduce(f64::max));
    let threads = if setting.threads == 1 { "one thread".into() } else { format!("{} threads", setting.threads) };
    writeln!(
        page,
        "{}; {threads} for every engine; {} alternating rounds, median of the rounds' medians. {quiet} {}\n\nMade by `{}`; {}.\n",
        setting.machine, setting.rounds, setting.peak, setting.command, setting.when
    )
    .expect("writing to a string");
    // A column that no work of this half fills is left out.
    let has_moonshots = comparisons.iter().any(|comparison| comparison.work.moonshot.is_some());
    let [head, rule] = if has_moonshots { [" moonshot |", "---:|"] } else { [""; 2] };
    writeln!(
        page,
        "| work | size | engine | median ms | fastest ms | elbo/peer | by fastest | at most |{head} verdict |\n|---|---|---|---:|---:|---:|---:|---:|{rule}---|"
    )
    .expect("string");
    for comparison in comparisons {
        comparison.rows(&mut page, has_moonshots);
    }
    page.push_str("\nFloors, the least time that this machine's measured peak allows:\n\n");
    page.push_str("| work | size | floor ms | elbo/floor | from |\n|---|---|---:|---:|---|\n");
    for Comparison { work, ours, floor, .. } in comparisons {
        let ratio = ours.median_ms / floor.ms;
        let size = format!("{} = {}", work.unit, ours.size);
        writeln!(page, "| {} | {size} | {} | {ratio:.1} | {} |", work.id, milliseconds(floor.ms), floor.reason)
            .expect("string");
    }
    page
}

impl Comparison<'_> {
    fn rows(&self, page: &mut String, has_moonshots: bool) {
        let Self { work, ours, theirs, .. } = self;
        let size = format!("{} = {}", work.unit, ours.size);
        let evaluations = |row: &Row| row.evaluations.map_or(String::new(), |count| format!(", {count} evaluations"));
        let engine = |row: &Row| {
            let found = match (work.agreement, row.value) {
                (super::works::Agreement::AtLeast(_), Some(value)) => format!(", reached {value:.2}"),
                _ => String::new(),
            };
            format!("{} {}{}{found}", row.engine, row.version, evaluations(row))
        };
        let times = |row: &Row| format!("{} | {}", milliseconds(row.median_ms), milliseconds(row.min_ms));
        let (empty, moonshot) = match work.moonshot {
            _ if !has_moonshots => ("", String::new()),
            None => (" |", " |".into()),
            Some(ratio) => (" |", format!(" {ratio:.2} |")),
        };
        writeln!(page, "| {} | {size} | {} | {} | | | |{empty} |", work.title, engine(ours), times(ours))
            .expect("string");
        for (row, (_, bound)) in theirs.iter().zip(work.peers) {
            let (ratio, fastest) = (ours.median_ms / row.median_ms, ours.min_ms / row.min_ms);
            let verdict = match work.agreement.fault(ours, row) {
                Some(fault) => format!("**not comparable**: {fault}"),
                None if ratio <= *bound => "held".into(),
                None => "**missed**".into(),
            };
            writeln!(
                page,
                "| | {size} | {} | {} | {} | {} | {bound:.2} |{moonshot} {verdict} |",
                engine(row),
                times(row),
                quotient(ratio),
                quotient(fastest)
            )
            .expect("string");
        }
    }

    /// Whether every bound holds and every value agrees.
    pub fn holds(&self) -> bool {
        self.theirs.iter().zip(self.work.peers).all(|(row, (_, bound))| {
            self.work.agreement.fault(&self.ours, row).is_none() && self.ours.median_ms <= bound * row.median_ms
        })
    }
}

/// The processor's name, how many cores there are, and the operating system.
pub fn machine() -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    format!("{}, {cores} cores, {system}", processor.unwrap_or_else(|| "unknown processor".into()))
}

#[cfg(test)]
mod tests {
    use super::super::works::GP;
    use super::*;

    fn row(engine: &str, median_ms: f64, value: f64) -> Row {
        Row {
            engine: engine.into(),
            version: "1.0".into(),
            work: "gp-nll".into(),
            size: 1000,
            threads: 2,
            median_ms,
            min_ms: median_ms,
            repeats: 5,
            foreign_cores: Some(0.1),
            value: Some(value),
            evaluations: None,
            gradient: vec![],
        }
    }

    fn comparison(ours: Row, theirs: Vec<Row>) -> Comparison<'static> {
        Comparison { work: &GP[0], ours, theirs, floor: Floor { ms: 10.0, reason: "n³".into() } }
    }

    fn page(comparison: &Comparison) -> String {
        let setting = Setting {
            machine: "M".into(),
            threads: 2,
            rounds: 3,
            peak: "P.".into(),
            command: "c".into(),
            when: "w".into(),
        };
        render(&setting, std::slice::from_ref(comparison))
    }

    #[test]
    fn verdicts_follow_the_bounds() {
        let both = comparison(row("elbo", 40.0, 7.0), vec![row("gpytorch", 100.0, 7.0), row("sklearn", 100.0, 7.0)]);
        let text = page(&both);
        assert!(text.contains("| gpytorch 1.0 | 100 | 100 | 0.40 | 0.40 | 0.45 | held |"), "{text}");
        assert!(text.contains("| sklearn 1.0 | 100 | 100 | 0.40 | 0.40 | 0.30 | **missed** |"), "{text}");
        assert!(text.contains("| gp-nll | n = 1000 | 10.0 | 4.0 | n³ |"), "{text}");
        assert!(!both.holds());
    }

    #[test]
    fn a_half_with_moonshots_has_a_column_for_them() {
        let near = comparison(row("elbo", 40.0, 7.0), vec![row("gpytorch", 100.0, 7.0), row("sklearn", 100.0, 7.0)]);
        assert!(!page(&near).contains("moonshot"));
        let work = Work { moonshot: Some(0.2), ..GP[0] };
        let text = page(&Comparison { work: &work, ..near });
        assert!(
            text.contains("| at most | moonshot | verdict |\n|---|---|---|---:|---:|---:|---:|---:|---:|---|\n"),
            "{text}"
        );
        assert!(text.contains("| gpytorch 1.0 | 100 | 100 | 0.40 | 0.40 | 0.45 | 0.20 | held |"), "{text}");
        assert!(text.contains("| elbo 1.0 | 40.0 | 40.0 | | | | | |\n") && text.contains("; w.\n"), "{text}");
    }

    #[test]
    fn a_fast_wrong_answer_does_not_hold() {
        let wrong = comparison(row("elbo", 1.0, 8.0), vec![row("gpytorch", 100.0, 7.0), row("sklearn", 100.0, 8.0)]);
        assert!(page(&wrong).contains("**not comparable**: elbo found 8, the peer 7"));
        assert!(!wrong.holds());
    }

    #[test]
    fn a_busy_machine_is_said() {
        let mut busy = comparison(row("elbo", 1.0, 7.0), vec![row("gpytorch", 100.0, 7.0), row("sklearn", 100.0, 7.0)]);
        assert!(page(&busy).contains("at most 0.10 cores"));
        busy.ours.foreign_cores = Some(1.3);
        assert!(page(&busy).contains("**The machine was not quiet**"));
        assert!(busy.holds());
        busy.ours.foreign_cores = None;
        busy.theirs.iter_mut().for_each(|row| row.foreign_cores = None);
        assert!(page(&busy).contains("was not measured") && !page(&busy).contains("cores meanwhile"));
    }

    #[test]
    fn milliseconds_have_three_significant_digits() {
        let all = [(1234.5, "1234"), (59.84, "59.8"), (0.012345, "0.0123"), (3.0, "3.00")];
        for (value, text) in all {
            assert_eq!(milliseconds(value), text);
        }
    }
}
