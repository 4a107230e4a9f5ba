//! One column: what it holds, learned from its cells, and its cells as numbers.

use crate::data::{Array, Values};
use crate::error::{Error, Result};
use crate::magnitude::unit_of;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Levels beyond which a text column is more likely an identifier than a category.
pub(super) const MOST_LEVELS: usize = 200;

/// One input column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the data.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// A number, centred and scaled: `(value - centre) / scale`.
    Number {
        /// Subtracted.
        centre: f64,
        /// Divided by; positive.
        #[serde(deserialize_with = "positive")]
        scale: f64,
        /// Smallest training value.
        low: f64,
        /// Largest training value.
        high: f64,
    },
    /// A category with these levels, sorted.
    Category {
        /// Level names, at least one.
        #[serde(deserialize_with = "not_empty")]
        levels: Vec<String>,
    },
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if value > 0.0 { Ok(value) } else { Err(D::Error::custom(format!("a scale of {value}"))) }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<String>, D::Error> {
    let levels = Vec::<String>::deserialize(deserializer)?;
    if levels.is_empty() { Err(D::Error::custom("a category without levels")) } else { Ok(levels) }
}

impl Column {
    /// An encoded value in the user's own terms: the number in its unit, or the level's name.
    pub fn show(&self, encoded: f64) -> String {
        match &self.kind {
            ColumnKind::Number { centre, scale, .. } => format!("{:.6}", centre + scale * encoded),
            ColumnKind::Category { levels } => {
                let code = encoded.round();
                let known = code >= 0.0 && (code as usize) < levels.len();
                if known { levels[code as usize].clone() } else { "(unseen)".into() }
            }
        }
    }

    pub(super) fn level_count(&self) -> usize {
        match &self.kind {
            ColumnKind::Number { .. } => 0,
            ColumnKind::Category { levels } => levels.len(),
        }
    }
}

/// Whether a number is a count: 0, 1, 2, ...
pub fn is_count(v: f64) -> bool {
    v.is_finite() && v >= 0.0 && v.fract() == 0.0
}

/// How many whole numbers may differ that are taken for counts.
const FEW_COUNTS: std::ops::RangeInclusive<usize> = 3..=20;

/// How many different numbers there are, where they look like counts: 3 to 20 whole numbers from zero up; NaN aside.
pub fn few_counts(values: &[f64]) -> Option<usize> {
    let mut seen: Vec<f64> = vec![];
    for v in values.iter().filter(|v| !v.is_nan()) {
        if !is_count(*v) {
            return None;
        }
        if !seen.contains(v) {
            seen.push(*v);
            if seen.len() > *FEW_COUNTS.end() {
                return None;
            }
        }
    }
    Some(seen.len()).filter(|count| FEW_COUNTS.contains(count))
}

pub(crate) fn missing(column: &str, row: usize) -> Error {
    Error::data(
        format!("column `{column}` has no value in row {}", row + 1),
        "fill the cell, or drop such rows with --missing drop",
    )
}

pub(super) fn learn_column(
    name: &str,
    array: &Array,
    scaled: bool,
    drop_constant: bool,
    notes: &mut Vec<String>,
) -> Result<Option<Column>> {
    if let Values::Text { levels, codes } = &array.values {
        if let Some(row) = codes.iter().position(Option::is_none) {
            return Err(missing(name, row));
        }
        let mut used: Vec<String> = codes.iter().flatten().map(|c| levels[*c as usize].clone()).collect();
        sort_levels(&mut used);
        if used.len() < 2 {
            notes.push(format!("column `{name}` has the same text in every row and is left out"));
            return Ok(None);
        }
        if used.len() > MOST_LEVELS && used.len() * 2 > codes.len() {
            return Err(Error::data(
                format!("text column `{name}` has {} different values in {} rows", used.len(), codes.len()),
                format!("it looks like an identifier; leave it out with --drop {name}"),
            ));
        }
        return Ok(Some(Column { name: name.into(), kind: ColumnKind::Category { levels: used } }));
    }
    let values = array.to_f64().expect("only text is not numeric");
    check_finite(name, &values, "column")?;
    let (centre, scale) = centre_and_scale(&values);
    if scale == 0.0 && drop_constant {
        notes.push(format!("column `{name}` is constant and is left out"));
        return Ok(None);
    }
    let (low, high) = bounds(&values);
    let (centre, scale) = if scaled { (centre, scale) } else { (0.0, 1.0) };
    Ok(Some(Column { name: name.into(), kind: ColumnKind::Number { centre, scale, low, high } }))
}

pub(super) fn encode_column(column: &Column, array: &Array) -> Result<Vec<f64>> {
    match (&column.kind, &array.values) {
        (ColumnKind::Category { levels }, _) => {
            let names = array.class_names(&column.name)?;
            let code = |(row, name): (usize, Option<String>)| {
                let name = name.ok_or_else(|| missing(&column.name, row))?;
                Ok(levels.iter().position(|l| *l == name).map_or(-1.0, |c| c as f64))
            };
            names.into_iter().enumerate().map(code).collect()
        }
        (ColumnKind::Number { .. }, Values::Text { levels, .. }) => Err(Error::data(
            format!(
                "column `{}` holds text such as {:?}; the model was fitted with numbers there",
                column.name,
                levels.first().map_or("", |l| l.as_str())
            ),
            "mend these cells; a decimal comma or a unit in the cell is the usual cause",
        )),
        (ColumnKind::Number { centre, scale, .. }, _) => {
            let values = array.to_f64().expect("only text is not numeric");
            check_finite(&column.name, &values, "column")?;
            Ok(values.into_iter().map(|v| (v - centre) / scale).collect())
        }
    }
}

/// Sorted without repeats: by value when all are numbers, else as text.
pub(crate) fn sort_levels(levels: &mut Vec<String>) {
    levels.sort();
    levels.dedup();
    if let Ok(mut numbers) =
        levels.iter().map(|l| l.parse::<f64>().map(|v| (v, l.clone()))).collect::<Result<Vec<_>, _>>()
    {
        numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
        *levels = numbers.into_iter().map(|(_, l)| l).collect();
    }
}

pub(super) fn check_finite(name: &str, values: &[f64], what: &str) -> Result<()> {
    let bad = |v: &f64| !v.is_finite();
    match values.iter().position(bad) {
        None => Ok(()),
        Some(_) if values.iter().all(|v| v.is_nan()) => Err(Error::data(
            format!("{what} `{name}` has no value in any row"),
            format!("leave it out with --drop {name}"),
        )),
        Some(row) if values[row].is_nan() => Err(missing(name, row)),
        Some(row) => Err(Error::data(
            format!("{what} `{name}` is infinite in row {}", row + 1),
            "remove the row or mend the cell",
        )),
    }
}

pub(super) fn bounds(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)))
}

/// Mean and standard deviation; the scale is zero for a constant column. Computed relative to the largest magnitude, so
/// that values near the ends of the floating-point range neither overflow nor vanish.
pub(super) fn centre_and_scale(values: &[f64]) -> (f64, f64) {
    if values.iter().all(|v| *v == 0.0) {
        return (0.0, 0.0);
    }
    let unit = unit_of(values.iter().copied());
    let n = values.len() as f64;
    let mean = values.iter().map(|v| v / unit).sum::<f64>() / n;
    let variance = values.iter().map(|v| (v / unit - mean).powi(2)).sum::<f64>() / n;
    let sd = variance.sqrt();
    // A spread below rounding of the magnitude is no spread.
    let (low, high) = bounds(values);
    if low == high || sd <= 1e-13 { (mean * unit, 0.0) } else { (mean * unit, sd * unit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_ends_of_the_range_keep_a_finite_scale() {
        for magnitude in [1e-300, 1.0, 1e300] {
            let values: Vec<f64> = (0..5).map(|i| magnitude * f64::from(i)).collect();
            let (centre, scale) = centre_and_scale(&values);
            assert!((centre / magnitude - 2.0).abs() < 1e-12 && (scale / magnitude - 2f64.sqrt()).abs() < 1e-12);
        }
        assert_eq!(centre_and_scale(&[1e9 + 0.1; 3]).1, 0.0);
    }
}
