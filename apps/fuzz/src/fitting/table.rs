//! Tables.

use super::Code;
use elbo::core::{Array, Data, Values};

/// Most rows and columns: small enough for thousands of fits.
const ROWS: usize = 41;
pub(super) const COLUMNS: usize = 4;

/// Ways of making a column.
const WAYS: u8 = 9;
/// Numbers without surprises.
pub(super) const PLAIN: u8 = 7;
/// Counts from 0 to 7.
pub(super) const COUNTS: u8 = 8;

/// A number between -3.2 and 3.2.
pub(super) fn plain(b: u8) -> f64 {
    (f64::from(b) - 128.0) / 40.0
}

/// A column of `rows` cells, made in the way `way`; `before` is the column on its left.
pub(super) fn column(way: u8, rows: usize, code: &mut Code<'_>, before: Option<&Vec<f64>>) -> Vec<f64> {
    match (way % WAYS, before) {
        (0, _) => vec![plain(code.next()); rows],
        (1, _) => vec![code.strange(); rows],
        (2, Some(before)) => before.clone(),
        (3, Some(before)) => before.iter().map(|v| 2.0 * v + 1.0).collect(),
        // Nearly constant, far from zero.
        (4, _) => (0..rows).map(|_| 1e9 + 1e-6 * plain(code.next())).collect(),
        (5, _) => (0..rows).map(|_| code.strange()).collect(),
        // One cell that is far out.
        (6, _) => {
            let (at, value) = (code.below(rows.max(1)), code.strange());
            (0..rows).map(|i| if i == at { value } else { plain(code.next()) }).collect()
        }
        (COUNTS, _) => (0..rows).map(|_| f64::from(code.next() % 8)).collect(),
        _ => (0..rows).map(|_| plain(code.next())).collect(),
    }
}

/// The table of an input: its columns, and a target of numbers or classes, or none.
pub(super) fn table(code: &mut Code<'_>) -> Data {
    let head = code.head;
    let (rows, columns) = (usize::from(head[1]) % ROWS, usize::from(head[2]) % (COLUMNS + 1));
    let mut made: Vec<Vec<f64>> = vec![];
    for k in 0..columns {
        let values = column(head[4 + k], rows, code, made.last());
        made.push(values);
    }
    let y = column(head[4 + COLUMNS], rows, code, made.last());
    let mut arrays: Vec<(String, Array)> =
        made.into_iter().enumerate().map(|(k, values)| (format!("x{k}"), Array::new(&[rows], values))).collect();
    let target = match head[3] % 4 {
        0 => None,
        1 => Some(Array::new(&[rows], y)),
        kind => {
            // Some classes may have no row, and some rows no class.
            let levels: Vec<String> = (0..kind).map(|k| format!("class {k}")).collect();
            let class = |v: &f64| v.is_finite().then(|| (v.abs() * 3.0) as u32 % u32::from(kind));
            Some(Array::column(Values::Text { codes: y.iter().map(class).collect(), levels }))
        }
    };
    let name = target.is_some().then(|| "y".to_owned());
    arrays.extend(target.map(|array| ("y".to_owned(), array)));
    Data { source: "input".into(), arrays, target: name, ..Data::default() }
}

/// A smooth table of two inputs and a number, for models that have to work.
pub(crate) fn numbers(rows: usize) -> Data {
    let a: Vec<f64> = (0..rows).map(|i| (i as f64 * 0.618_034).fract() * 4.0 - 2.0).collect();
    let b: Vec<f64> = (0..rows).map(|i| (i as f64 * 0.414_214).fract() * 2.0).collect();
    let y = a.iter().zip(&b).map(|(a, b)| (1.5 * a).sin() + 0.5 * b).collect();
    let arrays = [("x0", a), ("x1", b), ("y", y)].map(|(name, values)| (name.to_owned(), Array::new(&[rows], values)));
    Data { source: "example".into(), arrays: arrays.into(), target: Some("y".into()), ..Data::default() }
}
