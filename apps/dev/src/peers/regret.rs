//! Bayesian optimisation beside BoTorch: the regret after as many trials, and the time of a suggestion.
//!
//! Our side is the example `bo_regret` of `elbo-decide`; `benches/peers/bo_regret.py` starts from the same first points.

use super::beside::{example, folder};
use super::works::{Floor, Peak};
use super::{Options, measured_peak, python, table};
use crate::error::{DevError, Result, read, write};
use crate::markers;
use crate::stamp::stamp;
use crate::timing::watched;
use elbo::decide::design::default_size;
use elbo::decide::maximise::MaximiseConfig;
use elbo::decide::regret::{log10_regret, quartiles};
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;

/// Largest share of the peer's time that a suggestion may take.
const AT_MOST: f64 = 0.2;

/// Variables from which on no more raw points are added.
const MOST_VARIABLES: usize = 8;

/// The functions, as both sides' rows and as the picture of all ratios name them.
pub const FUNCTIONS: [(&str, &str); 4] = [
    ("branin", "Branin's function"),
    ("hartmann-6", "Hartmann's function"),
    ("ackley", "Ackley's function"),
    ("levy", "Levy's function"),
];

/// One seed of one function, as both sides write it.
#[derive(Debug, Clone, Deserialize)]
struct Row {
    #[serde(default)]
    version: Option<String>,
    function: String,
    dims: usize,
    trials: usize,
    seed: u64,
    regret: f64,
    /// Seconds a suggestion, by the clock and of processor time.
    wall_s: f64,
    cpu_s: f64,
}

/// One side on one function.
#[derive(Debug, Clone, PartialEq)]
struct Side {
    version: String,
    /// Quartiles of the log10 regret over the seeds.
    regret: [f64; 3],
    /// Medians of milliseconds a suggestion, of processor time and by the clock.
    times: [f64; 2],
}

impl Side {
    fn of(rows: &[&Row]) -> Self {
        let regrets: Vec<f64> = rows.iter().map(|row| log10_regret(row.regret)).collect();
        let median =
            |time: fn(&Row) -> f64| super::rows::median(&rows.iter().map(|row| 1e3 * time(row)).collect::<Vec<f64>>());
        Self {
            version: rows[0].version.clone().unwrap_or_else(|| env!("CARGO_PKG_VERSION").into()),
            regret: quartiles(&regrets),
            times: [median(|row| row.cpu_s), median(|row| row.wall_s)],
        }
    }

    fn cells(&self, engine: &str, seeds: usize) -> String {
        let [low, middle, high] = self.regret;
        let times = self.times.map(table::milliseconds).join(" | ");
        format!("{engine} {} | {seeds} | {middle:.2} ({low:.2} to {high:.2}) | {times}", self.version)
    }
}

/// Both sides on one function.
#[derive(Debug, PartialEq)]
struct Problem {
    function: String,
    dims: usize,
    trials: usize,
    seeds: usize,
    ours: Side,
    theirs: Side,
}

impl Problem {
    /// What the picture of all ratios shows comes first, up to the comma.
    fn title(&self) -> String {
        format!("{}, {} variables, {} trials", in_words(&self.function), self.dims, self.trials)
    }

    /// The arithmetic that no suggestion can do without, averaged over the trials before it: the likelihood of the surrogate and its gradient once, as
    /// for any exact process, and the variance at each raw point by a triangular solve. Other evaluations of the fit and the climbs come on top.
    fn floor(&self, peak: &Peak) -> Floor {
        let raw = MaximiseConfig::default().raw * self.dims.min(MOST_VARIABLES);
        let before: Vec<f64> = (default_size(self.dims)..self.trials).map(|n| n as f64).collect();
        let operations: f64 = before.iter().map(|n| n.powi(3) + raw as f64 * n * n).sum();
        Floor {
            ms: 1e-6 * operations / before.len() as f64 / peak.gflops_float64,
            reason: format!("n³ operations for one evaluation of the surrogate, n² at each of {raw} raw points"),
        }
    }

    /// A row of the table of floors; these works have no sizes.
    fn floor_row(&self, peak: &Peak, page: &mut String) {
        let floor = self.floor(peak);
        let [_, wall] = self.ours.times;
        let share = wall / floor.ms;
        writeln!(page, "| {} | | {} | {share:.1} | {} |", self.function, table::milliseconds(floor.ms), floor.reason)
            .expect("writing to a string");
    }

    /// Our median is within the peer's quartiles, or better.
    fn is_no_worse(&self) -> bool {
        self.ours.regret[1] <= self.theirs.regret[2]
    }

    /// Our time in the peer's: the larger of the two ratios.
    fn ratio(&self) -> f64 {
        let [cpu, wall] = [0, 1].map(|k| self.ours.times[k] / self.theirs.times[k]);
        cpu.max(wall)
    }

    fn rows(&self, page: &mut String) {
        let word = |holds: bool| if holds { "held" } else { "**missed**" };
        let regret = if self.is_no_worse() { "yes" } else { "**no**" };
        let (ratio, ours) = (self.ratio(), self.ours.cells("elbo", self.seeds));
        writeln!(page, "| {} | {ours} | | | | |", self.title()).expect("writing to a string");
        writeln!(
            page,
            "| | {} | {regret} | {} | {AT_MOST:.2} | {} |",
            self.theirs.cells("botorch", self.seeds),
            table::quotient(ratio),
            word(ratio <= AT_MOST)
        )
        .expect("writing to a string");
    }

    fn faults(&self) -> Vec<String> {
        let name = self.title();
        let regret = (!self.is_no_worse()).then(|| format!("{name}: the median regret is above the peer's quartiles"));
        let ratio = self.ratio();
        // A ratio that is no number does not hold either.
        let is_fast = ratio <= AT_MOST;
        let time = (!is_fast).then(|| format!("{name}: a suggestion takes {ratio:.2} of the peer's time"));
        regret.into_iter().chain(time).collect()
    }
}

/// What makes rows comparable: function, variables, trials.
fn key(row: &Row) -> (String, usize, usize) {
    (row.function.clone(), row.dims, row.trials)
}

/// The functions in our order, each with the seeds of both sides, which must be the same.
fn problems(ours: &[Row], theirs: &[Row]) -> Result<Vec<Problem>> {
    let mut keys = vec![];
    for row in ours {
        if !keys.contains(&key(row)) {
            keys.push(key(row));
        }
    }
    let one = |wanted: (String, usize, usize)| {
        let [ours, theirs] = [ours, theirs].map(|rows| {
            let mut found: Vec<&Row> = rows.iter().filter(|row| key(row) == wanted).collect();
            found.sort_by_key(|row| row.seed);
            found
        });
        let seeds = |rows: &[&Row]| rows.iter().map(|row| row.seed).collect::<Vec<_>>();
        let (function, dims, trials) = wanted;
        if seeds(&ours) != seeds(&theirs) {
            return Err(DevError::format(
                format!("regrets on {function}"),
                format!("our seeds are {:?}, the peer's {:?}", seeds(&ours), seeds(&theirs)),
            ));
        }
        Ok(Problem { seeds: ours.len(), ours: Side::of(&ours), theirs: Side::of(&theirs), function, dims, trials })
    };
    keys.into_iter().map(one).collect()
}

/// A function's name as the picture of all ratios shows it.
fn in_words(function: &str) -> &str {
    FUNCTIONS.iter().find(|(id, _)| *id == function).map_or(function, |(_, words)| *words)
}

/// Threads of either side: a surrogate of at most 60 trials is too small to share.
const THREADS: usize = 1;

/// Runs both sides and writes the table between the markers `peers-bo` of the document.
///
/// # Errors
/// [`DevError::Command`] when a side fails, [`DevError::Faults`] when a bound is missed; the table is written all the same.
pub fn bo(root: &Path, options: &Options) -> Result<()> {
    let python = python::prepare(root, "regret", THREADS)?;
    let peak = measured_peak(&python, options.tiny)?;
    let home = folder(&python)?;
    let path = |name: &str| {
        let path = home.join(name);
        path.to_str().expect("the workspace's path is UTF-8, as cargo requires").to_owned()
    };
    let files = ["ours.json", "theirs.json"].map(path);
    let (seeds, only): (&str, &[&str]) = if options.tiny { ("1", &["branin"]) } else { ("10", &[]) };
    let first = [files[0].as_str(), seeds];
    eprintln!("  elbo");
    let (_, during_ours) = watched(|| example(root, THREADS, "bo_regret", &[&first[..], only].concat()))?;
    eprintln!("  botorch, a quarter of an hour");
    let arguments = [&[files[0].as_str(), files[1].as_str(), seeds][..], only].concat();
    let (_, during_theirs) = watched(|| python.run("bo_regret.py", &arguments))?;
    let rows = |path: &String| -> Result<Vec<Row>> {
        serde_json::from_str(&read(Path::new(path))?).map_err(|error| DevError::format(path.as_str(), error))
    };
    let found = problems(&rows(&files[0])?, &rows(&files[1])?)?;
    let mut body = format!(
        "{}; {} thread for every engine. Log10 of the regret after all trials: the median over the seeds, and both quartiles. *No worse* means \
         that our median is at most the peer's upper quartile. Times are medians over the seeds of milliseconds a suggestion, fit and search; \
         the ratio is the larger of the two. {} {}\n\nMade by `cargo run --release -p elbo-dev -- peers bo`; {}.\n\n\
         | function | engine | seeds | log10 regret | processor ms | wall ms | no worse | elbo/peer | at most | verdict |\n\
         |---|---|---:|---|---:|---:|---|---:|---:|---|\n",
        table::machine(),
        THREADS,
        table::quiet(during_ours.into_iter().chain(during_theirs).reduce(f64::max)),
        peak.words(),
        stamp(root)?
    );
    found.iter().for_each(|problem| problem.rows(&mut body));
    body.push_str("\nFloors, the least wall time of a suggestion that this machine's measured peak allows, n being the trials before it:\n\n");
    body.push_str("| work | size | floor ms | elbo/floor | from |\n|---|---|---:|---:|---|\n");
    found.iter().for_each(|problem| problem.floor_row(&peak, &mut body));
    if options.tiny {
        println!("{body}");
        return Ok(());
    }
    let path = root.join(&options.out);
    write(&path, &markers::replace(&read(&path)?, "peers-bo", &body)?)?;
    let missed: Vec<String> = found.iter().flat_map(Problem::faults).collect();
    if missed.is_empty() { Ok(()) } else { Err(DevError::Faults(missed)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(function: &str, seed: u64, regret: f64, cpu_s: f64, wall_s: f64) -> Row {
        Row { version: None, function: function.into(), dims: 2, trials: 30, seed, regret, wall_s, cpu_s }
    }

    fn side(regrets: [f64; 3], cpu_s: f64, wall_s: f64) -> Vec<Row> {
        // Seeds in another order on the other side do not matter.
        (0..3).rev().map(|k| row("branin", k as u64, regrets[k], cpu_s, wall_s)).collect()
    }

    #[test]
    fn a_median_within_the_peers_quartiles_is_no_worse_and_the_larger_ratio_counts() {
        let found = problems(&side([0.1, 0.01, 1.0], 0.01, 0.03), &side([0.001, 0.01, 0.1], 0.5, 0.2)).unwrap();
        let problem = &found[0];
        // The peer's quartiles of -3, -2 and -1 are -2.5 and -1.5; ours has its median at -1.
        assert!(
            problem.theirs.regret.iter().zip([-2.5, -2.0, -1.5]).all(|(found, exact)| (found - exact).abs() < 1e-12)
        );
        assert!(!problem.is_no_worse() && (problem.ratio() - 0.15).abs() < 1e-12);
        assert_eq!(problem.faults().len(), 1);
        let mut page = String::new();
        problem.rows(&mut page);
        assert!(page.contains("| -1.00 (-1.50 to -0.50) | 10.0 | 30.0 | | | | |\n"), "{page}");
        assert!(page.contains("| 500 | 200 | **no** | 0.15 | 0.20 | held |\n"), "{page}");
        let better = problems(&side([0.01, 0.01, 0.01], 0.2, 0.2), &side([0.001, 0.01, 0.1], 0.5, 0.2)).unwrap();
        assert!(better[0].is_no_worse() && better[0].faults()[0].contains("1.00 of the peer's time"));
    }

    #[test]
    fn the_floor_of_a_suggestion_is_one_evaluation_and_the_raw_points() {
        let rows = side([0.1, 0.1, 0.1], 0.5, 0.5);
        let problem = problems(&rows, &rows).unwrap().remove(0);
        let peak = Peak { gflops_float64: 10.0, gflops_float32: 20.0, copy_gb_per_s: 1.0 };
        // Sums of n² and n³ from 5 to 29, over 25 suggestions.
        let operations = (29.0 * 30.0 / 2.0_f64).powi(2) - 100.0 + 256.0 * (29.0 * 30.0 * 59.0 / 6.0 - 30.0);
        let floor = problem.floor(&peak);
        assert!((floor.ms - 1e-7 * operations / 25.0).abs() < 1e-12, "{floor:?}");
        let mut page = String::new();
        problem.floor_row(&peak, &mut page);
        assert!(page.starts_with("| branin | | 0.0") && page.contains("256 raw points"), "{page}");
    }

    #[test]
    fn other_seeds_on_the_other_side_and_times_that_are_missing_are_faults() {
        let ours = side([0.1, 0.1, 0.1], f64::NAN, f64::NAN);
        let error = problems(&ours, &ours[..2]).unwrap_err().to_string();
        assert!(error.contains("our seeds are [0, 1, 2], the peer's [1, 2]"), "{error}");
        assert_eq!(problems(&ours, &side([0.1; 3], 1.0, 1.0)).unwrap()[0].faults().len(), 1);
    }
}
