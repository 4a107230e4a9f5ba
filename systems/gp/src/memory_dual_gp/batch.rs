//! What a batch must share with the table that was fitted: its columns, and their units.

use elbo_core::columns::ColumnKind;
use elbo_core::magnitude::root_mean_square;
use elbo_core::{Column, Columns, Data, DataKind, Error, Features, FromData, Result, Run, Supervised};
use std::collections::HashSet;

/// The table that a stream begins with.
pub struct FirstTable {
    /// Inputs and target.
    pub(super) input: Supervised,
    /// Names of all its columns, the target and those left out included; those of a matrix are `x[0]`, `x[1]`.
    pub(super) names: Vec<String>,
}

impl FromData for FirstTable {
    const NEEDS: &'static str = Supervised::NEEDS;
    const KIND: DataKind = Supervised::KIND;

    fn from_data(data: &Data) -> Result<Self> {
        Ok(Self { input: Supervised::from_data(data)?, names: names(data) })
    }
}

/// How many times as much a column may vary in a batch as in the table that was fitted.
const MOST_FACTOR: f64 = 100.0;

/// Names that a message lists, at most.
const MOST_NAMES: usize = 10;

fn names(data: &Data) -> Vec<String> {
    let mut names = vec![];
    for (name, array) in &data.arrays {
        match array.shape.as_slice() {
            [_, width] => names.extend((0..*width).map(|d| format!("{name}[{d}]"))),
            _ => names.push(name.clone()),
        }
    }
    names
}

/// Names of the columns that a model uses.
pub(super) fn used(columns: &Columns) -> Vec<String> {
    columns.inputs.iter().chain(&columns.target).map(|column| column.name.clone()).collect()
}

/// Refuses a batch with columns that the table `known` had not, or without some that the model uses.
///
/// # Errors
/// [`Error::Data`] naming them.
pub(super) fn check_names(known: &[String], columns: &Columns, data: &Data) -> Result<()> {
    let (found, used) = (names(data), used(columns));
    let missing = outside(&used, &found);
    let new = outside(&found, known);
    let mut wrong = vec![];
    if !missing.is_empty() {
        wrong.push(format!("lacks {}", listed(&missing)));
    }
    if !new.is_empty() {
        wrong.push(format!("has {}, which the table that was fitted had not", listed(&new)));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let drop: String = new.iter().take(MOST_NAMES).map(|name| format!(" --drop {name}")).collect();
    let remedy = match (missing.is_empty(), new.is_empty()) {
        (true, _) => format!("leave out what is new with{drop}, or fit again with it"),
        (false, true) => "give the batch the columns of the table that was fitted".to_owned(),
        (false, false) => "give the batch the columns of the table that was fitted, under their names".to_owned(),
    };
    Err(Error::data(format!("the batch {}", wrong.join(" and ")), remedy))
}

/// Those of `names` that `others` has not.
fn outside<'a>(names: &'a [String], others: &[String]) -> Vec<&'a str> {
    let others: HashSet<&str> = others.iter().map(String::as_str).collect();
    names.iter().map(String::as_str).filter(|name| !others.contains(name)).collect()
}

fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
    let more = names.len() - shown.len();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// Refuses a batch in which a numeric column varies more than a hundred times as much as in the table that was fitted, and warns where one varies a
/// hundred times less, as it does in another unit, but also in a narrow batch. A batch of one row does not vary. `x` are the inputs of the batch.
///
/// # Errors
/// [`Error::Data`] naming these columns; those of [`Columns::encode_number_target`].
pub(super) fn check_scales(columns: &Columns, x: &Features, data: &Data, run: &mut Run) -> Result<()> {
    let input = |d: usize| (0..x.rows).map(|i| x.row(i)[d]).collect::<Vec<f64>>();
    let mut cells: Vec<(&Column, Vec<f64>)> = columns.inputs.iter().enumerate().map(|(d, c)| (c, input(d))).collect();
    if let Some(target) = columns.target.as_ref().filter(|_| columns.classes().is_empty()) {
        cells.push((target, columns.encode_number_target(data)?));
    }
    let mut wild = vec![];
    for (column, values) in &cells {
        let Some(factor) = factor(column, values) else { continue };
        if factor > MOST_FACTOR {
            wild.push(format!("`{}` varies {factor:.0} times as much", column.name));
        } else if factor > 0.0 && factor < 1.0 / MOST_FACTOR {
            run.warn(format!(
                "`{}` varies {:.0} times less in this batch than in the table that was fitted: check its unit, if the batch is not a narrow one",
                column.name,
                1.0 / factor
            ));
        }
    }
    if wild.is_empty() {
        return Ok(());
    }
    Err(Error::data(
        format!("{} in this batch as in the table that was fitted", wild.join(", ")),
        "give these columns in the units of that table; if they do vary so, fit again with --set check_scale=false",
    ))
}

/// The standard deviation of encoded values over that of the table that was fitted; `None` for categories.
fn factor(column: &Column, values: &[f64]) -> Option<f64> {
    let ColumnKind::Number { centre, scale, low, high } = &column.kind else { return None };
    let mean = values.iter().map(|v| v / values.len() as f64).sum::<f64>();
    let spread = root_mean_square(&values.iter().map(|v| v - mean).collect::<Vec<_>>());
    // A target in its own unit is not scaled by its spread, which is at most half of its range.
    let fitted = if *centre == 0.0 && *scale == 1.0 { 0.5 * (high - low) } else { *scale };
    (fitted > 0.0).then(|| spread * scale / fitted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Array;

    fn table(columns: &[(&str, Vec<f64>)]) -> Data {
        let arrays = columns.iter().map(|(name, v)| ((*name).to_owned(), Array::new(&[v.len()], v.clone()))).collect();
        Data { source: "test".into(), arrays, target: Some("y".into()), ..Data::default() }
    }

    fn first() -> Data {
        let a = vec![1.0, 2.0, 3.0, 4.0];
        table(&[("a", a), ("b", vec![0.1, 0.3, 0.2, 0.9]), ("k", vec![5.0; 4]), ("y", vec![0.5, 0.7, 0.1, 0.2])])
    }

    fn check(batch: &Data) -> Result<Vec<String>> {
        let FirstTable { input, names } = FirstTable::from_data(&first())?;
        let Supervised::Numbers(input) = input else { panic!("the target is numeric") };
        let mut run = Run::new(0);
        check_names(&names, &input.columns, batch)?;
        check_scales(&input.columns, &input.columns.encode(batch)?, batch, &mut run)?;
        Ok(run.warnings().to_vec())
    }

    #[test]
    fn columns_of_the_first_table_are_accepted_also_those_that_it_leaves_out() {
        assert_eq!(check(&first()).unwrap(), [""; 0]);
        let without = table(&[("y", vec![0.5, 0.6]), ("b", vec![0.2, 0.4]), ("a", vec![2.0, 9.0])]);
        assert_eq!(check(&without).unwrap(), [""; 0], "the order is free, and `k` was constant");
        let one = table(&[("a", vec![1.5]), ("b", vec![0.2]), ("y", vec![0.4])]);
        assert_eq!(check(&one).unwrap(), [""; 0]);
    }

    #[test]
    fn new_and_missing_columns_are_refused_by_name() {
        let message = |batch: &Data| {
            let error = check(batch).unwrap_err();
            format!("{error}; {}", error.remedy())
        };
        let y = || ("y", vec![0.5, 0.6]);
        let new = message(&table(&[("a", vec![1.0, 2.0]), ("zz", vec![1.0, 1.0]), ("b", vec![0.1, 0.2]), y()]));
        assert!(new.contains("has `zz`") && new.contains("--drop zz") && !new.contains("`a`"), "{new}");
        let missing = message(&table(&[("a", vec![1.0, 2.0]), y()]));
        assert!(missing.contains("lacks `b`") && !missing.contains("`a`"), "{missing}");
        let both = message(&table(&[("a", vec![1.0, 2.0]), ("B", vec![0.1, 0.2]), y()]));
        assert!(both.contains("lacks `b`") && both.contains("has `B`"), "{both}");
    }

    #[test]
    fn columns_in_another_unit_are_refused_and_narrow_batches_are_not() {
        let batch = |scale: f64, y: f64| {
            let a = [1.0, 2.0, 3.0, 4.0].map(|v| scale * v).to_vec();
            table(&[("a", a), ("b", vec![0.1, 0.3, 0.2, 0.9]), ("y", [0.5, 0.7, 0.1, 0.2].map(|v| y * v).to_vec())])
        };
        assert!(check(&batch(90.0, 1.0)).unwrap().is_empty());
        let error = check(&batch(1000.0, 1.0)).unwrap_err();
        assert!(error.to_string().contains("`a` varies 1000 times as much"), "{error}");
        assert!(error.remedy().contains("check_scale=false"), "{}", error.remedy());
        assert!(check(&batch(1.0, 1000.0)).unwrap_err().to_string().contains("`y` varies 1000 times"));
        let warnings = check(&batch(0.001, 1.0)).unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains("`a` varies 1000 times less"), "{warnings:?}");
    }

    #[test]
    fn columns_of_matrices_are_told_apart() {
        let matrix = |width: usize| {
            let mut data = table(&[("y", vec![0.5, 0.7])]);
            let values = (0..2 * width).map(|i| (i * i) as f64).collect();
            data.arrays.insert(0, ("x".into(), Array::new(&[2, width], values)));
            data
        };
        let FirstTable { input, names } = FirstTable::from_data(&matrix(2)).unwrap();
        let Supervised::Numbers(input) = input else { panic!("the target is numeric") };
        assert_eq!(names, ["x[0]", "x[1]", "y"]);
        assert!(check_names(&names, &input.columns, &matrix(2)).is_ok());
        let wide = check_names(&names, &input.columns, &matrix(3)).unwrap_err();
        assert!(wide.to_string().contains("has `x[2]`"), "{wide}");
        let narrow = check_names(&names, &input.columns, &matrix(1)).unwrap_err();
        assert!(narrow.to_string().contains("lacks `x[1]`"), "{narrow}");
    }
}
