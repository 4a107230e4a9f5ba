//! Which system suits a table: by its target, its size and its inputs, with the reasons in words.

use crate::registry::find;
use elbo_core::columns::few_counts;
use elbo_core::{Array, Data, Result, Task, Values};
use serde::Serialize;

/// A system for a table, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// The system's id.
    pub id: &'static str,
    /// What is predicted.
    pub task: Task,
    /// One sentence a reason, in the order they were weighed.
    pub reasons: Vec<String>,
}

/// Rows up to which an exact Gaussian process takes seconds: its cost grows with the cube of the rows.
const EXACT_ROWS: usize = 3000;
/// Rows up to which every step may pass over all of them; beyond, minibatches are quicker.
const FULL_PASS_ROWS: usize = 50_000;
/// Rows up to which every observation of a classifier may have a site of its own.
const SITES_ROWS: usize = 2000;
/// Whole-number targets with at most this many values could be classes; the user is told what was assumed.
const FEW_VALUES: usize = 20;
/// Names that a column of times goes by.
const TIMES: [&str; 6] = ["time", "date", "datetime", "timestamp", "t", "year"];

/// Chooses a system for the table. `task` overrides what the target column suggests.
///
/// # Errors
/// [`Error::Data`](elbo_core::Error::Data) when no target is named, [`Error::Unknown`](elbo_core::Error::Unknown) when it is not a column.
pub fn auto(data: &Data, task: Option<Task>) -> Result<Choice> {
    let name = data.target()?;
    let target = data.get(name)?;
    let mut reasons = vec![];
    let task = match task {
        Some(task) => {
            let kind = if task == Task::Regression { "a quantity" } else { "a class" };
            reasons.push(format!("`{name}` is taken as {kind}, as you asked"));
            task
        }
        None => {
            let (task, reason) = guess_task(name, target);
            reasons.push(reason);
            task
        }
    };
    let rows = data.rows();
    let id = match task {
        Task::Regression => {
            let id = series(data, name, &mut reasons).unwrap_or_else(|| regression(rows, &mut reasons));
            reasons.extend(counts(name, target, rows));
            id
        }
        Task::Classification => classification(rows, distinct(target).unwrap_or(usize::MAX), &mut reasons),
    };
    let texts = data.arrays.iter().filter(|(n, a)| n != name && matches!(a.values, Values::Text { .. })).count();
    if texts > 0 {
        let columns = if texts == 1 { "column is" } else { "columns are" };
        reasons.push(format!("{texts} text {columns} taken as categories"));
    }
    find(id)?;
    Ok(Choice { id, task, reasons })
}

/// The system for a series of many rows: of one input, which puts them in an order or is named as times are.
fn series(data: &Data, target: &str, reasons: &mut Vec<String>) -> Option<&'static str> {
    let mut inputs = data.arrays.iter().filter(|(name, _)| name != target);
    let ((name, array), None) = (inputs.next()?, inputs.next()) else { return None };
    let times = array.to_f64().filter(|_| array.shape.len() == 1)?;
    if times.len() <= EXACT_ROWS || times.iter().any(|t| !t.is_finite()) {
        return None;
    }
    let why = if times.windows(2).all(|pair| pair[0] < pair[1]) {
        "rises from row to row"
    } else if TIMES.contains(&name.to_lowercase().as_str()) {
        "is named as times are"
    } else {
        return None;
    };
    let rows = times.len();
    reasons.push(format!(
        "`{name}` is the only input and {why}: a series, whose {rows} rows take time in proportion to their number, without inducing points"
    ));
    Some("markov-gp")
}

/// What to say of a target that looks like counts.
fn counts(name: &str, target: &Array, rows: usize) -> Option<String> {
    few_counts(&target.to_f64()?)?;
    let instead = if rows <= SITES_ROWS { "cvi-ep-hyper" } else { "svgp" };
    Some(format!(
        "the whole numbers of `{name}` are none below zero, and the noise assumed here is that of a quantity: if they are counts, \
         fit `{instead}` with --set likelihood=poisson, or negative_binomial where they vary more"
    ))
}

fn regression(rows: usize, reasons: &mut Vec<String>) -> &'static str {
    let (id, reason) = match rows {
        0..=EXACT_ROWS => {
            ("gpr", format!("{rows} rows are few enough for an exact Gaussian process (up to {EXACT_ROWS})"))
        }
        _ if rows <= FULL_PASS_ROWS => {
            let summary = "inducing points summarise them; `sdd-gp` needs none, for functions that vary quickly";
            ("sgpr", format!("{rows} rows are too many for an exact Gaussian process: {summary}"))
        }
        _ => (
            "svgp",
            format!(
                "{rows} rows: inducing points trained on minibatches, so that no step passes over all rows; `sdd-gp` has more detail \
                 where the function varies quickly, at a higher price"
            ),
        ),
    };
    reasons.push(reason);
    id
}

fn classification(rows: usize, classes: usize, reasons: &mut Vec<String>) -> &'static str {
    let (id, reason) = if classes > 2 {
        ("svgp", format!("{classes} classes: one latent process a class, on inducing points"))
    } else if rows <= SITES_ROWS {
        ("cvi-ep-hyper", format!("two classes and {rows} rows: every row keeps its own site (up to {SITES_ROWS})"))
    } else {
        ("svgp", format!("two classes and {rows} rows: inducing points trained on minibatches"))
    };
    reasons.push(reason);
    id
}

/// What a target column suggests, and the sentence that says so.
pub fn guess_task(name: &str, target: &Array) -> (Task, String) {
    let Some(values) = target.to_f64() else {
        return (Task::Classification, format!("`{name}` holds text, so it is a class"));
    };
    let whole = values.iter().all(|v| v.fract() == 0.0 || v.is_nan());
    match distinct(target) {
        Some(2) if whole => {
            let reason =
                format!("`{name}` has two values, so it is taken as a class; --task regression says otherwise");
            (Task::Classification, reason)
        }
        Some(count) if whole && count <= FEW_VALUES => {
            let reason = format!(
                "`{name}` has {count} different whole numbers, taken as a quantity; --task classification says otherwise"
            );
            (Task::Regression, reason)
        }
        _ => (Task::Regression, format!("`{name}` is a number, so it is a quantity")),
    }
}

/// Number of distinct values, missing cells aside; `None` beyond a thousand of them.
fn distinct(array: &Array) -> Option<usize> {
    if let Values::Text { levels, codes } = &array.values {
        let mut used = vec![false; levels.len()];
        codes.iter().flatten().for_each(|c| used[*c as usize] = true);
        return Some(used.into_iter().filter(|u| *u).count());
    }
    let mut seen = std::collections::HashSet::new();
    for value in array.to_f64().expect("only text is not numeric").into_iter().filter(|v| !v.is_nan()) {
        seen.insert(value.to_bits());
        if seen.len() > 1000 {
            return None;
        }
    }
    Some(seen.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(y: Values) -> Data {
        let x = Array::new(&[y.len()], (0..y.len()).map(|i| i as f64).collect());
        let arrays = vec![("x".into(), x), ("y".into(), Array::column(y))];
        Data { source: "test".into(), arrays, target: Some("y".into()), ..Data::default() }
    }

    #[test]
    fn the_target_decides_the_task() {
        let task = |y: Values| guess_task("y", table(y).get("y").unwrap()).0;
        assert_eq!(task(Values::F64(vec![0.1, 0.2, 0.3])), Task::Regression);
        assert_eq!(task(Values::I64(vec![0, 1, 1, 0])), Task::Classification);
        assert_eq!(task(Values::I64(vec![3, 4, 5, 4])), Task::Regression);
        assert_eq!(task(Values::F64(vec![0.25, 0.75])), Task::Regression, "fractions are no classes");
    }

    /// A table of one input of this name, and a target.
    fn of_one_input(name: &str, x: Vec<f64>, y: Values) -> Data {
        let arrays = vec![(name.into(), Array::new(&[x.len()], x)), ("y".into(), Array::column(y))];
        Data { arrays, target: Some("y".into()), ..Data::default() }
    }

    #[test]
    fn many_rows_in_the_order_of_their_only_input_are_a_series() {
        let chosen = |name: &str, x: &[f64]| {
            let y = x.iter().map(|x| x.sin()).collect();
            auto(&of_one_input(name, x.to_vec(), Values::F64(y)), None).unwrap()
        };
        let ordered: Vec<f64> = (0..4000).map(|i| 0.5 * f64::from(i)).collect();
        let mixed: Vec<f64> = ordered.iter().map(|x| (x * 0.618_034).fract()).collect();
        let choice = chosen("depth", &ordered);
        assert_eq!(choice.id, "markov-gp");
        assert!(choice.reasons.iter().any(|r| r.contains("`depth`") && r.contains("rises")), "{:?}", choice.reasons);
        assert_eq!(chosen("depth", &mixed).id, "sgpr");
        assert_eq!(chosen("Year", &mixed).id, "markov-gp");
        assert_eq!(chosen("depth", &ordered[..3000]).id, "gpr", "few rows are taken exactly");
        let mut two = of_one_input("depth", ordered.clone(), Values::F64(mixed.clone()));
        two.arrays.insert(0, ("x".into(), Array::new(&[4000], mixed)));
        assert_eq!(auto(&two, None).unwrap().id, "sgpr", "two inputs are no series");
    }

    #[test]
    fn counts_are_told_which_likelihood_they_want_and_quantities_are_not() {
        let told = |y: Vec<f64>, task: Option<Task>| {
            let x = (0..y.len()).map(|i| i as f64).collect();
            let choice = auto(&of_one_input("x", x, Values::F64(y)), task).unwrap();
            choice.reasons.iter().any(|r| r.contains("likelihood=poisson"))
        };
        assert!(told(vec![0.0, 3.0, 1.0, 1.0, 7.0], None));
        assert!(!told(vec![0.0, -3.0, 1.0, 1.0, 7.0], None), "counts are not negative");
        assert!(!told(vec![0.0, 3.5, 1.0, 1.0, 7.0], None), "counts are whole");
        assert!(!told(vec![0.0, 1.0, 1.0, 0.0], Some(Task::Regression)), "two values are classes or nothing");
        assert!(!told((0..40).map(f64::from).collect(), None), "many values could be anything");
    }

    #[test]
    fn size_and_classes_decide_the_system() {
        let mut reasons = vec![];
        assert_eq!(regression(3000, &mut reasons), "gpr");
        assert_eq!(regression(3001, &mut reasons), "sgpr");
        assert_eq!(regression(300_000, &mut reasons), "svgp");
        assert_eq!(classification(500, 2, &mut reasons), "cvi-ep-hyper");
        assert_eq!(classification(5000, 2, &mut reasons), "svgp");
        assert_eq!(classification(150, 3, &mut reasons), "svgp");
        assert_eq!(reasons.len(), 6);
    }
}
