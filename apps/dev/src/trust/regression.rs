//! Intervals on the shipped regression sets: how many of the rows kept back lie inside.

use super::entry::{fit, predict, simulations};
use super::uniform::{LEVELS, coverage, standard_error};
use crate::error::{DevError, Result};
use elbo::core::{Data, DataKind, Rng, Run};
use elbo::data::{ReadOptions, fixed_split, fixed_split_count, holdout, read};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// A table of the suite.
#[derive(Debug, Clone, Copy)]
struct Table {
    /// Its file below `examples/data`, without the ending.
    name: &'static str,
    /// The column to predict.
    target: &'static str,
    /// Whether its other column is of times, so that systems for series take it too.
    is_series: bool,
}

const fn table_of(name: &'static str, target: &'static str) -> Table {
    Table { name, target, is_series: false }
}

const fn series_of(name: &'static str, target: &'static str) -> Table {
    Table { name, target, is_series: true }
}

/// The shipped tables whose target is a number.
static TABLES: [Table; 14] = [
    table_of("small/diabetes", "progression"),
    table_of("uci/yacht", "resistance"),
    table_of("uci/autompg", "mpg"),
    table_of("uci/bike-day", "rentals"),
    table_of("uci/concrete", "strength"),
    table_of("uci/airfoil", "sound_pressure"),
    table_of("uci/wine-red", "quality"),
    table_of("uci/power", "power"),
    table_of("uci/servo", "rise_time"),
    series_of("classic/airline", "passengers"),
    series_of("classic/co2", "co2"),
    series_of("classic/mcycle", "acceleration"),
    series_of("classic/nile", "flow"),
    table_of("classic/geyser", "duration"),
];
/// Rows that are fitted and judged, at most: the suite is to take minutes.
const TRAIN: usize = 250;
const TEST: usize = 500;
/// Distances of a coverage from its level, in standard errors, beyond which it is shown in bold.
const NOTABLE: f64 = 3.0;

/// Systems that predict a number from a table or of a series, with the settings that make them quick enough.
fn systems() -> Vec<(&'static str, Value)> {
    vec![
        ("gpr", json!({"starts": 1, "iterations": 60})),
        ("sgpr", json!({"inducing": 60, "iterations": 60})),
        ("svgp", json!({"inducing": 60, "steps": 800, "batch": 100})),
        ("bayesian-gpr", json!({"infer": "vi-full", "steps": 400, "iterations": 60})),
        ("cvi-ep-hyper", json!({"rounds": 15})),
        ("cvtgp", json!({"points": 60, "steps": 800, "batch": 100})),
        ("memory-dual-gp", json!({"inducing": 60, "batches": 5})),
        ("sdd-gp", json!({"iterations": 60})),
        ("scale-mixture-nngp", json!({"starts": 1, "iterations": 60})),
        ("fb-gvi", json!({})),
        ("flow-vi", json!({})),
        ("coin-sampling", json!({"particles": 50})),
        ("vbll", json!({})),
        ("markov-gp", json!({"starts": 1, "iterations": 60})),
    ]
}

/// Whether a system takes a table: those for series need a column of times.
fn takes(system: &str, table: &Table) -> Result<bool> {
    Ok(table.is_series || elbo::find(system)?.data_kind() != DataKind::Series)
}

/// One system on one table.
struct Row {
    table: &'static str,
    system: &'static str,
    test: usize,
    /// At [`LEVELS`].
    covered: [f64; 3],
}

/// The rows to fit and those to judge: the first fixed split where the table has some, three tenths at random otherwise.
fn parts(root: &Path, table: &Table) -> Result<(Data, Data)> {
    let ending = if table.name.starts_with("classic/") { "csv" } else { "csv.gz" };
    let path = root.join(format!("examples/data/{}.{ending}", table.name));
    // Names of splits are texts of 0 and 1, which would be read as numbers.
    let categorical = if table.name.starts_with("uci/") { vec!["split".into()] } else { vec![] };
    let data = read(&path, &ReadOptions { categorical, ..ReadOptions::with_target(table.target) })?;
    let mut rng = Rng::new(10);
    let (train, test) = match fixed_split_count(&data) {
        0 => holdout(data.rows(), 0.3, &mut rng)?.apply(&data),
        _ => fixed_split(&data, 0)?,
    };
    let mut some = |data: &Data, most: usize| data.take_rows(&rng.choose(data.rows(), most.min(data.rows())));
    Ok((some(&train, TRAIN), some(&test, TEST)))
}

fn row(root: &Path, table: &Table, system: &'static str, settings: &Value) -> Result<Row> {
    let (train, test) = parts(root, table)?;
    let mut run = Run::new(10);
    let model = fit(system, settings, &train, &mut run)?;
    let given = predict(system, model.as_ref(), &test, &mut run)?;
    let observed =
        test.get(table.target)?.to_f64().ok_or_else(|| DevError::format(table.name, "its target holds text"))?;
    let places: Vec<f64> = observed.iter().enumerate().map(|(i, y)| given.cdf(i, *y)).collect();
    Ok(Row { table: table.name, system, test: places.len(), covered: LEVELS.map(|level| coverage(&places, level)) })
}

/// The coverages as Markdown, of the systems and of the tables that are named, or of all where none is. A name of a folder stands for its
/// tables: `classic`.
///
/// # Errors
/// [`DevError::Format`] for tables that there are not; when a table cannot be read or a fit fails.
pub fn table(root: &Path, systems: &[String], tables: &[String]) -> Result<String> {
    if let Some(unknown) = tables.iter().find(|name| TABLES.iter().all(|table| !is_of(table.name, name))) {
        return Err(DevError::format(format!("table `{unknown}`"), "it is no table of the suite, and no folder of it"));
    }
    let is_asked = |table: &&Table| tables.is_empty() || tables.iter().any(|name| is_of(table.name, name));
    let mut work = vec![];
    for table in TABLES.iter().filter(is_asked) {
        for (system, settings) in self::systems() {
            if (systems.is_empty() || systems.iter().any(|name| name == system)) && takes(system, table)? {
                work.push((table, system, settings));
            }
        }
    }
    let rows = simulations(work.len(), |k| {
        let (table, system, settings) = &work[k as usize];
        let row = row(root, table, system, settings)?;
        eprintln!("{} {}: covers {:?}", row.table, row.system, row.covered);
        Ok(row)
    })?;
    Ok(page(rows.iter().map(line)))
}

/// Whether a table is the one of this name, or one of the folder of this name.
fn is_of(table: &str, name: &str) -> bool {
    table.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The page with the rows of `new` in place of those it has of the same tables and systems, in the order of the suite.
pub fn merged(present: &str, new: &str) -> String {
    let mut rows: BTreeMap<(usize, usize), &str> = BTreeMap::new();
    // Later ones replace earlier ones; rows of tables and systems that are gone go.
    for line in present.lines().chain(new.lines()) {
        rows.extend(place(line).map(|place| (place, line)));
    }
    page(rows.into_values().map(|line| format!("{line}\n")))
}

/// Where a line of the page stands in the suite: which table, which system.
fn place(line: &str) -> Option<(usize, usize)> {
    let mut cells = line.split('|').map(str::trim).skip(1);
    let (table, system) = (cells.next()?, cells.next()?.trim_matches('`'));
    let table = TABLES.iter().position(|known| known.name == table)?;
    Some((table, systems().iter().position(|(known, _)| *known == system)?))
}

fn page(lines: impl Iterator<Item = String>) -> String {
    let head = format!(
        "At most {TRAIN} rows fitted and {TEST} judged of each table; ± is the binomial standard error of a right coverage, and bold is beyond \
         {NOTABLE} of them. Settings that make a fit quicker stand in `apps/dev/src/trust/regression.rs`.\n\n\
         | table | system | rows judged | 50 % covers | 90 % covers | 95 % covers |\n|---|---|---:|---:|---:|---:|\n"
    );
    std::iter::once(head).chain(lines).collect()
}

fn line(row: &Row) -> String {
    let cells: Vec<String> = row
        .covered
        .iter()
        .zip(LEVELS)
        .map(|(covered, level)| {
            let error = standard_error(level, row.test);
            let mark = if (covered - level).abs() > NOTABLE * error { "**" } else { "" };
            format!("{mark}{covered:.3}{mark} ± {error:.3}")
        })
        .collect();
    format!("| {} | `{}` | {} | {} |\n", row.table, row.system, row.test, cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo::core::{Classification, FromData, Verb};

    fn shown(table: &'static str, system: &'static str, test: usize) -> String {
        line(&Row { table, system, test, covered: [0.5, 0.9, 0.8] })
    }

    #[test]
    fn a_coverage_far_from_its_level_is_bold() {
        let row = shown("uci/yacht", "gpr", 100);
        assert_eq!(row, "| uci/yacht | `gpr` | 100 | 0.500 ± 0.050 | 0.900 ± 0.030 | **0.800** ± 0.022 |\n");
    }

    #[test]
    fn new_rows_replace_those_of_the_same_table_and_system_and_stand_in_the_suite_s_order() {
        let of = |rows: &[String]| page(rows.iter().cloned());
        let (kept, old) = (shown("uci/servo", "gpr", 17), shown("classic/nile", "gpr", 30));
        let present = of(&[kept.clone(), old, shown("uci/gone", "gpr", 1)]);
        let new = [shown("classic/nile", "markov-gp", 31), shown("classic/nile", "gpr", 32)];
        let [by_series, by_table] = new.clone();
        assert_eq!(merged(&present, &of(&new)), of(&[kept, by_table, by_series]));
        assert_eq!(merged(&present, ""), merged(&merged(&present, ""), ""));
    }

    #[test]
    fn a_folder_stands_for_its_tables_and_unknown_names_are_refused() {
        assert!(is_of("classic/nile", "classic") && is_of("classic/nile", "classic/nile"));
        assert!(!is_of("classic/nile", "classic/ni") && !is_of("classic/nile", "uci"));
        let error = table(Path::new("../.."), &[], &["clasic".into()]).unwrap_err().to_string();
        assert!(error.contains("`clasic`"), "{error}");
    }

    #[test]
    fn systems_for_series_take_the_tables_with_times_alone() {
        let counts = ["markov-gp", "gpr"].map(|id| TABLES.iter().filter(|table| takes(id, table).unwrap()).count());
        assert_eq!(counts, [4, TABLES.len()]);
    }

    #[test]
    fn every_system_of_the_table_is_registered_and_its_settings_are_right() {
        for (id, settings) in systems() {
            elbo::find(id).unwrap().check_config(&settings).unwrap();
        }
    }

    #[test]
    fn no_system_that_predicts_a_number_from_a_table_is_forgotten() {
        let listed: Vec<&str> = systems().into_iter().map(|(id, _)| id).collect();
        for system in elbo::systems() {
            let card = system.card();
            let is_asked = matches!(system.data_kind(), DataKind::Target | DataKind::Series);
            let predicts = card.verbs.contains(&Verb::Predict) && is_asked;
            if predicts && system.needs() != Classification::NEEDS {
                assert!(listed.contains(&card.id), "{}", card.id);
            }
        }
    }

    #[test]
    fn no_shipped_table_is_forgotten() {
        let files = crate::files::below(Path::new("../../examples/data/uci")).unwrap();
        let names: Vec<&str> = files.iter().filter_map(|name| name.strip_suffix(".csv.gz")).collect();
        assert!(names.len() > 5, "{files:?}");
        for name in names {
            assert!(TABLES.iter().any(|table| table.name.strip_prefix("uci/") == Some(name)), "{name}");
        }
        let files = crate::files::below(Path::new("../../examples/data/classic")).unwrap();
        // Samples of one variable have nothing to predict it from.
        let alone = ["coal", "galaxies"];
        let names = files.iter().filter_map(|name| name.strip_suffix(".csv")).filter(|name| !alone.contains(name));
        for name in names {
            assert!(TABLES.iter().any(|table| table.name.strip_prefix("classic/") == Some(name)), "{name}");
        }
    }

    #[test]
    fn one_table_is_judged_from_end_to_end() {
        let row = |table: &Table, system, settings: Value| row(Path::new("../.."), table, system, &settings).unwrap();
        let mixes = row(&TABLES[1], "fb-gvi", json!({"steps": 50}));
        assert_eq!(mixes.test, 31);
        let nile = TABLES.iter().find(|table| table.name == "classic/nile").unwrap();
        let flow = row(nile, "markov-gp", json!({"starts": 1, "iterations": 5}));
        assert_eq!(flow.test, 30);
        for row in [mixes, flow] {
            assert!(row.covered[0] <= row.covered[1] && row.covered[1] <= row.covered[2] && row.covered[2] > 0.5);
        }
    }
}
