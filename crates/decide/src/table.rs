//! Spaces and tables: ranges from columns, points from rows.

use crate::space::{Domain, Space, Variable, number_text};
use elbo_core::{Array, Data, Error, Result, Values};

impl Space {
    /// The ranges of a table's columns: whole numbers become integers, other numbers reals, text categories. Columns of one value are left
    /// out; notes say so.
    ///
    /// # Errors
    /// [`Error::Data`] for a missing or infinite cell, and when no column varies.
    pub fn of_data(data: &Data, leave_out: &[&str]) -> Result<(Self, Vec<String>)> {
        let (mut variables, mut notes) = (vec![], vec![]);
        for (name, _) in data.arrays.iter().filter(|(name, _)| !leave_out.contains(&name.as_str())) {
            let array = column(data, name)?;
            let domain = match (&array.values, array.to_f64()) {
                (Values::Text { levels, .. }, _) if levels.len() > 1 => {
                    let mut values: Vec<String> = levels.iter().map(|l| l.trim().to_owned()).collect();
                    values.sort();
                    values.dedup();
                    (values.len() > 1).then_some(Domain::Categorical { values })
                }
                (Values::Text { .. }, _) | (_, None) => None,
                (_, Some(numbers)) => {
                    if let Some(row) = numbers.iter().position(|v| !v.is_finite()) {
                        return Err(bad_cell(name, row, numbers[row]));
                    }
                    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
                    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let is_whole = numbers.iter().all(|v| v.fract() == 0.0 && v.abs() < 1e15);
                    match (low < high, is_whole) {
                        (false, _) => None,
                        (true, true) => Some(Domain::Integer { low: low as i64, high: high as i64, log: false }),
                        (true, false) => Some(Domain::Real { low, high, log: false }),
                    }
                }
            };
            match domain {
                Some(domain) => variables.push(Variable::new(name, domain)),
                None => notes.push(format!("column `{name}` has the same value everywhere and is not varied")),
            }
        }
        if variables.is_empty() {
            return Err(Error::data(
                "no column of the history varies, so no ranges follow from it",
                "give the ranges in a file: elbo suggest space.toml history.csv",
            ));
        }
        Ok((Self { variables }, notes))
    }

    /// The encoded points of a table's rows, and notes on values outside of their ranges.
    ///
    /// # Errors
    /// [`Error::Data`] for a missing cell, a category that is not in the space, a fraction for an integer.
    pub(crate) fn read_rows(&self, data: &Data) -> Result<(Vec<Vec<f64>>, Vec<String>)> {
        let rows = data.rows();
        let mut natural = vec![vec![0.0; self.dims()]; rows];
        let mut notes = vec![];
        for (v, variable) in self.variables.iter().enumerate() {
            let array = column(data, &variable.name).map_err(|error| match error {
                Error::Unknown { name, remedy, .. } => Error::data(
                    format!("the history has no column `{name}`, a variable of the space"),
                    format!("add the column, or rename the variable; {remedy}"),
                ),
                other => other,
            })?;
            let mut outside = vec![];
            for (row, point) in natural.iter_mut().enumerate() {
                if !self.counts(v, &point[..v]) {
                    point[v] = f64::NAN;
                    continue;
                }
                point[v] = match (&variable.domain, &array.values) {
                    (Domain::Ordinal { values } | Domain::Categorical { values }, cells) => {
                        let text = cell_text(cells, row).ok_or_else(|| bad_cell(&variable.name, row, f64::NAN))?;
                        level_of(values, &text).ok_or_else(|| {
                            Error::data(
                                format!(
                                    "column `{}` has `{text}` in row {}, which is not in the space",
                                    variable.name,
                                    row + 1
                                ),
                                format!("mend the cell, or add the value; known: {}", values.join(", ")),
                            )
                        })? as f64
                    }
                    (domain, cells) => {
                        let value = match cells {
                            Values::Text { .. } => {
                                let text = cell_text(cells, row).unwrap_or_default();
                                text.parse::<f64>().map_err(|_| {
                                    Error::data(
                                        format!(
                                            "column `{}` has the text `{text}` in row {}; it is a number in the space",
                                            variable.name,
                                            row + 1
                                        ),
                                        "mend the cell, or make the variable categorical",
                                    )
                                })?
                            }
                            numbers => number_at(numbers, row),
                        };
                        if !value.is_finite() {
                            return Err(bad_cell(&variable.name, row, value));
                        }
                        if matches!(domain, Domain::Integer { .. }) && value.fract() != 0.0 {
                            return Err(Error::data(
                                format!(
                                    "column `{}` has {value} in row {}; it is an integer in the space",
                                    variable.name,
                                    row + 1
                                ),
                                "mend the cell, or make the variable real",
                            ));
                        }
                        value
                    }
                };
                let value = point[v];
                match variable.domain {
                    Domain::Real { log: true, .. } | Domain::Integer { log: true, .. } if value <= 0.0 => {
                        return Err(Error::data(
                            format!(
                                "column `{}` has {value} in row {}; its scale is logarithmic",
                                variable.name,
                                row + 1
                            ),
                            "mend the cell, or set log = false",
                        ));
                    }
                    Domain::Real { low, high, .. } if !(low..=high).contains(&value) => outside.push(row + 1),
                    Domain::Integer { low, high, .. } if !(low as f64..=high as f64).contains(&value) => {
                        outside.push(row + 1)
                    }
                    _ => {}
                }
            }
            if let Some(first) = outside.first() {
                notes.push(format!(
                    "`{}` lies outside of its range in {} rows (first: row {first}); they inform the model, and nothing is suggested there",
                    variable.name,
                    outside.len()
                ));
            }
        }
        Ok((natural.iter().map(|n| self.encode(n)).collect(), notes))
    }
}

/// The array of a column, which has one cell a row.
pub(crate) fn column<'a>(data: &'a Data, name: &str) -> Result<&'a Array> {
    let array = data.get(name)?;
    if array.shape.len() != 1 || array.rows() != data.rows() {
        return Err(Error::data(
            format!("column `{name}` has the shape {:?}; an experiment's history has one cell a trial", array.shape),
            "give a table such as a CSV file",
        ));
    }
    Ok(array)
}

pub(crate) fn bad_cell(name: &str, row: usize, value: f64) -> Error {
    let what = if value.is_nan() { "no value".to_owned() } else { format!("{value}") };
    Error::data(
        format!("column `{name}` has {what} in row {}", row + 1),
        "every trial needs a value for every variable; mend or remove the row",
    )
}

/// A cell as text, `None` where it is empty.
pub(crate) fn cell_text(values: &Values, row: usize) -> Option<String> {
    match values {
        Values::Text { levels, codes } => {
            codes[row].map(|c| levels[c as usize].trim().to_owned()).filter(|t| !t.is_empty())
        }
        other => Some(number_at(other, row)).filter(|v| !v.is_nan()).map(number_text),
    }
}

/// A cell as a number; NaN where it is empty or text.
pub(crate) fn number_at(values: &Values, row: usize) -> f64 {
    match values {
        Values::F64(v) => v[row],
        Values::F32(v) => f64::from(v[row]),
        Values::U8(v) => f64::from(v[row]),
        Values::I64(v) => v[row] as f64,
        Values::Text { .. } => f64::NAN,
    }
}

/// The level with this text, or with the same number.
fn level_of(values: &[String], text: &str) -> Option<usize> {
    values.iter().position(|v| v == text).or_else(|| {
        let number: f64 = text.parse().ok()?;
        values.iter().position(|v| v.parse::<f64>().is_ok_and(|v| v == number))
    })
}
