//! Intervals on the shipped regression sets: how many of the rows kept back lie inside.

use super::entry::{fit, predict, simulations};
use super::uniform::{LEVELS, coverage, standard_error};
use crate::error::{DevError, Result};
use elbo::core::{Data, Rng, Run};
use elbo::data::{ReadOptions, fixed_split, fixed_split_count, holdout, read};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Tables below `examples/data` whose target is a number, and the target.
const TABLES: [(&str, &str); 9] = [
    ("small/diabetes", "progression"),
    ("uci/yacht", "resistance"),
    ("uci/autompg", "mpg"),
    ("uci/bike-day", "rentals"),
    ("uci/concrete", "strength"),
    ("uci/airfoil", "sound_pressure"),
    ("uci/wine-red", "quality"),
    ("uci/power", "power"),
    ("uci/servo", "rise_time"),
];
/// Rows that are fitted and judged, at most: the suite is to take minutes.
const TRAIN: usize = 250;
const TEST: usize = 500;
/// Distances of a coverage from its level, in standard errors, beyond which it is shown in bold.
const NOTABLE: f64 = 3.0;

/// Systems that predict a number from a table, with the settings that make them quick enough.
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
    ]
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
fn parts(root: &Path, table: &str, target: &str) -> Result<(Data, Data)> {
    let path = root.join(format!("examples/data/{table}.csv.gz"));
    // Names of splits are texts of 0 and 1, which would be read as numbers.
    let categorical = if table.starts_with("uci/") { vec!["split".into()] } else { vec![] };
    let data = read(&path, &ReadOptions { categorical, ..ReadOptions::with_target(target) })?;
    let mut rng = Rng::new(10);
    let (train, test) = match fixed_split_count(&data) {
        0 => holdout(data.rows(), 0.3, &mut rng)?.apply(&data),
        _ => fixed_split(&data, 0)?,
    };
    let mut some = |data: &Data, most: usize| data.take_rows(&rng.choose(data.rows(), most.min(data.rows())));
    Ok((some(&train, TRAIN), some(&test, TEST)))
}

fn row(
    root: &Path,
    (table, target): (&'static str, &'static str),
    system: &'static str,
    settings: &Value,
) -> Result<Row> {
    let (train, test) = parts(root, table, target)?;
    let mut run = Run::new(10);
    let model = fit(system, settings, &train, &mut run)?;
    let given = predict(system, model.as_ref(), &test, &mut run)?;
    let observed = test.get(target)?.to_f64().ok_or_else(|| DevError::format(table, "its target holds text"))?;
    let places: Vec<f64> = observed.iter().enumerate().map(|(i, y)| given.cdf(i, *y)).collect();
    Ok(Row { table, system, test: places.len(), covered: LEVELS.map(|level| coverage(&places, level)) })
}

/// The table of coverages as Markdown, of the systems that `chosen` holds, or of all where it is empty.
///
/// # Errors
/// When a table cannot be read or a fit fails.
pub fn table(root: &Path, chosen: &[String]) -> Result<String> {
    let systems: Vec<(&'static str, Value)> =
        systems().into_iter().filter(|(id, _)| chosen.is_empty() || chosen.iter().any(|c| c == id)).collect();
    let count = TABLES.len() * systems.len();
    let rows = simulations(count, |k| {
        let (table, system) = (k as usize / systems.len(), k as usize % systems.len());
        let row = row(root, TABLES[table], systems[system].0, &systems[system].1)?;
        eprintln!("{} {}: covers {:?}", row.table, row.system, row.covered);
        Ok(row)
    })?;
    Ok(render(&rows))
}

fn render(rows: &[Row]) -> String {
    let mut page = format!(
        "At most {TRAIN} rows fitted and {TEST} judged of each table; ± is the binomial standard error of a right coverage, and bold is beyond \
         {NOTABLE} of them. Settings that make a fit quicker stand in `apps/dev/src/trust/regression.rs`.\n\n\
         | table | system | rows judged | 50 % covers | 90 % covers | 95 % covers |\n|---|---|---:|---:|---:|---:|\n"
    );
    for row in rows {
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
        writeln!(page, "| {} | `{}` | {} | {} |", row.table, row.system, row.test, cells.join(" | ")).expect("string");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo::core::{Classification, DataKind, FromData, Verb};

    #[test]
    fn a_coverage_far_from_its_level_is_bold() {
        let page = render(&[Row { table: "uci/yacht", system: "gpr", test: 100, covered: [0.5, 0.9, 0.8] }]);
        assert!(
            page.ends_with("| uci/yacht | `gpr` | 100 | 0.500 ± 0.050 | 0.900 ± 0.030 | **0.800** ± 0.022 |\n"),
            "{page}"
        );
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
            let predicts = card.verbs.contains(&Verb::Predict) && system.data_kind() == DataKind::Target;
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
            assert!(TABLES.iter().any(|(table, _)| table.strip_prefix("uci/") == Some(name)), "{name}");
        }
    }

    #[test]
    fn one_table_is_judged_from_end_to_end() {
        let row = row(Path::new("../.."), TABLES[1], "fb-gvi", &json!({"steps": 50})).unwrap();
        assert_eq!(row.test, 31);
        assert!(row.covered[0] <= row.covered[1] && row.covered[1] <= row.covered[2] && row.covered[2] > 0.5);
    }
}
