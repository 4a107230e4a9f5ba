//! The last step of every reader: missing cells.

use super::{MissingPolicy, ReadOptions};
use elbo_core::{Array, Data, Error, Result, Values};

/// Checks or drops rows with missing cells (NaN, or no code). `arrays` are a table: one common number of rows.
///
/// # Errors
/// [`Error::Data`] when cells are missing and may not be, when a column or every row would be empty, when there are no columns.
pub(super) fn finish(arrays: Vec<(String, Array)>, options: &ReadOptions, mut notes: Vec<String>) -> Result<Data> {
    if arrays.is_empty() && options.keep.is_none() {
        return Err(Error::data("no column is left", "leave out fewer columns with --drop"));
    }
    if options.missing == MissingPolicy::Keep {
        return Ok(Data { arrays, target: options.target.clone(), notes, ..Data::default() });
    }
    let rows = arrays.first().map_or(0, |(_, a)| a.rows());
    let mut incomplete = vec![false; rows];
    let mut counts = vec![];
    for (name, array) in &arrays {
        let missing = mark_missing(array, rows, &mut incomplete);
        if missing == array.values.len() && rows > 0 {
            return Err(Error::data(
                format!("column `{name}` has no value in any row"),
                format!("leave it out with --drop {name}, or check how the file was written"),
            ));
        }
        if missing > 0 {
            let is_target = options.target.as_ref() == Some(name);
            counts.push((missing, format!("{}`{name}`: {missing}", if is_target { "target " } else { "" })));
        }
    }
    let lost = incomplete.iter().filter(|i| **i).count();
    if lost == 0 {
        return Ok(Data { arrays, target: options.target.clone(), notes, ..Data::default() });
    }
    counts.sort_by_key(|(missing, _)| std::cmp::Reverse(*missing));
    let more = if counts.len() > 5 { format!(" and {} more columns", counts.len() - 5) } else { String::new() };
    let which = counts.iter().take(5).map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(", ") + &more;
    if options.missing == MissingPolicy::Error {
        return Err(Error::data(
            format!("{} of {rows} rows have missing cells ({which})", lost),
            "leave these rows out with --missing drop, leave a column out with --drop NAME, or fill the cells",
        ));
    }
    if lost == rows {
        return Err(Error::data(
            format!("every row has a missing cell ({which})"),
            "leave out the columns with the most missing cells with --drop NAME",
        ));
    }
    notes.push(format!("{lost} of {rows} rows have missing cells and are left out ({which})"));
    let order: Vec<usize> = (0..rows).filter(|i| !incomplete[*i]).collect();
    let arrays = arrays.into_iter().map(|(name, array)| (name, compact(array.take_rows(&order)))).collect();
    Ok(Data { arrays, target: options.target.clone(), notes, ..Data::default() })
}

/// Marks rows with a missing cell; returns the number of missing cells.
fn mark_missing(array: &Array, rows: usize, incomplete: &mut [bool]) -> usize {
    let width = array.values.len().checked_div(rows).unwrap_or(0);
    let mut count = 0;
    let mut mark = |cell: usize| {
        incomplete[cell / width] = true;
        count += 1;
    };
    match &array.values {
        Values::F64(v) => v.iter().enumerate().filter(|(_, x)| x.is_nan()).for_each(|(i, _)| mark(i)),
        Values::F32(v) => v.iter().enumerate().filter(|(_, x)| x.is_nan()).for_each(|(i, _)| mark(i)),
        Values::Text { codes, .. } => codes.iter().enumerate().filter(|(_, c)| c.is_none()).for_each(|(i, _)| mark(i)),
        Values::U8(_) | Values::I64(_) => {}
    }
    count
}

/// Levels in order of first appearance, without those that no row has any more.
fn compact(array: Array) -> Array {
    let Array { shape, values: Values::Text { levels, mut codes } } = array else { return array };
    let mut renamed = vec![None; levels.len()];
    let mut kept = vec![];
    for code in codes.iter_mut().flatten() {
        let new = *renamed[*code as usize].get_or_insert_with(|| {
            kept.push(levels[*code as usize].clone());
            kept.len() as u32 - 1
        });
        *code = new;
    }
    Array { shape, values: Values::Text { levels: kept, codes } }
}

/// Collects texts into levels by first appearance.
#[derive(Default)]
pub(super) struct Levels {
    known: std::collections::HashMap<String, u32>,
    levels: Vec<String>,
    codes: Vec<Option<u32>>,
}

impl Levels {
    pub(super) fn push(&mut self, text: Option<&str>) {
        let code = text.map(|text| {
            self.known.get(text).copied().unwrap_or_else(|| {
                let code = self.levels.len() as u32;
                self.levels.push(text.into());
                self.known.insert(text.into(), code);
                code
            })
        });
        self.codes.push(code);
    }

    pub(super) fn finish(self) -> Array {
        Array::column(Values::Text { levels: self.levels, codes: self.codes })
    }
}

/// Says that a column of dates cannot be used. `place` is where the example stands.
pub(super) fn refuse_dates(name: &str, example: &str, place: &str) -> Error {
    Error::data(
        format!("column `{name}` holds dates or times, such as {example:?} ({place})"),
        format!(
            "turn it into a number, such as days since the first row or the year as a fraction, or leave it out with --drop {name}; \
             a series over time is fitted with --time {name}"
        ),
    )
}
