//! How raw columns become the numbers a model sees, and back. Learned once from the training data, saved in the model file.

mod column;
mod features;

pub use column::{Column, ColumnKind, few_counts, is_count};
pub(crate) use column::{missing, sort_levels};
pub use features::Features;

use crate::data::{Array, Data, Values};
use crate::error::{Error, Result};
use column::{MOST_LEVELS, bounds, centre_and_scale, check_finite, encode_column, learn_column};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

fn target<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Column>, D::Error> {
    let target = Option::<Column>::deserialize(deserializer)?;
    if target.as_ref().is_some_and(|t| t.level_count() == 1) {
        return Err(D::Error::custom("a target of one class"));
    }
    Ok(target)
}

/// The input columns in order, and the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Columns {
    /// Inputs in the model's order.
    pub inputs: Vec<Column>,
    /// The target; `None` for tasks without one.
    #[serde(default, deserialize_with = "target")]
    pub target: Option<Column>,
}

impl Columns {
    /// Learns the encoding for a numeric target. Returns it with notes for the user.
    ///
    /// # Errors
    /// [`Error::Data`] for an empty table, a missing or non-numeric or constant target, cells that are missing or infinite.
    pub fn learn(data: &Data) -> Result<(Self, Vec<String>)> {
        let name = data.target()?.to_owned();
        let array = data.get(&name)?;
        let values = match &array.values {
            Values::Text { levels, .. } => {
                return Err(Error::data(
                    format!("target `{name}` holds text, such as {:?}", levels.first().map_or("", |l| l.as_str())),
                    "use a classifier for classes (`elbo list` shows them), or mend the cells if it should be numeric",
                ));
            }
            _ => array.to_f64().expect("only text is not numeric"),
        };
        check_finite(&name, &values, "target")?;
        if values.len() < 2 {
            return Err(too_few(values.len()));
        }
        let (centre, scale) = centre_and_scale(&values);
        if scale == 0.0 {
            return Err(Error::data(
                format!("target `{name}` is {} in every row", values[0]),
                "a constant needs no model; check that the right column was named with --target",
            ));
        }
        let (low, high) = bounds(&values);
        let target = Column { name, kind: ColumnKind::Number { centre, scale, low, high } };
        Self::with_target(data, Some(target), true)
    }

    /// Learns the encoding for a target of classes: text, or whole numbers.
    ///
    /// # Errors
    /// [`Error::Data`] as for [`Columns::learn`], and when there is a single class or too many.
    pub fn learn_classes(data: &Data) -> Result<(Self, Vec<String>)> {
        let name = data.target()?.to_owned();
        let array = data.get(&name)?;
        if array.rows() < 2 {
            return Err(too_few(array.rows()));
        }
        let mut levels = array.class_names(&name)?.into_iter().flatten().collect::<Vec<_>>();
        sort_levels(&mut levels);
        if levels.len() < 2 {
            let only = levels.first().cloned().unwrap_or_default();
            return Err(Error::data(
                format!("target `{name}` has a single class, {only:?}"),
                "give rows of at least two classes, or check the column named with --target",
            ));
        }
        if levels.len() > MOST_LEVELS {
            return Err(Error::data(
                format!("target `{name}` has {} classes", levels.len()),
                "if it is a quantity, use a regression system; if it is an identifier, name another target",
            ));
        }
        let target = Column { name, kind: ColumnKind::Category { levels } };
        Self::with_target(data, Some(target), true)
    }

    /// Learns the columns of plain points, kept in the user's units.
    ///
    /// # Errors
    /// [`Error::Data`] for an empty table, text columns, missing or infinite cells.
    pub fn learn_points(data: &Data) -> Result<(Self, Vec<String>)> {
        let (columns, notes) = Self::with_target(data, None, false)?;
        if let Some(column) = columns.inputs.iter().find(|c| matches!(c.kind, ColumnKind::Category { .. })) {
            return Err(Error::data(
                format!("column `{}` holds text", column.name),
                "points must be numbers; remove the column with --drop",
            ));
        }
        Ok((columns, notes))
    }

    fn with_target(data: &Data, target: Option<Column>, scaled: bool) -> Result<(Self, Vec<String>)> {
        let mut inputs = vec![];
        let mut notes = vec![];
        let rows = data.rows();
        if rows == 0 {
            return Err(Error::data(format!("{} has no rows", data.source), "give a table with at least two rows"));
        }
        for (name, array) in &data.arrays {
            if target.as_ref().is_some_and(|t| &t.name == name) {
                continue;
            }
            match array.shape.len() {
                1 => inputs.extend(learn_column(name, array, scaled, target.is_some(), &mut notes)?),
                2 => {
                    for d in 0..array.shape[1] {
                        let column = matrix_column(name, array, d)?;
                        let name = format!("{name}[{d}]");
                        inputs.extend(learn_column(&name, &column, scaled, target.is_some(), &mut notes)?);
                    }
                }
                n => {
                    return Err(Error::data(
                        format!("array `{name}` has {n} dimensions"),
                        "a table's arrays have one or two: [N] or [N, D]",
                    ));
                }
            }
        }
        if inputs.is_empty() {
            return Err(Error::data(
                "no input column varies",
                "give at least one input column besides the target that is not constant",
            ));
        }
        Ok((Self { inputs, target }, notes))
    }

    /// Encodes rows that have at least the input columns; others are ignored, order does not matter.
    ///
    /// # Errors
    /// [`Error::Data`] when a column is missing, is text where numbers were learned, or has missing or infinite cells.
    pub fn encode(&self, data: &Data) -> Result<Features> {
        let rows = data.rows();
        let dims = self.inputs.len();
        let mut values = vec![0.0; rows * dims];
        for (d, column) in self.inputs.iter().enumerate() {
            let array = find_input(data, &column.name)?;
            if array.rows() != rows {
                return Err(Error::data(
                    format!("array `{}` has {} rows, others have {rows}", column.name, array.rows()),
                    "all arrays of a table need the same number of rows",
                ));
            }
            let encoded = encode_column(column, &array)?;
            (0..rows).for_each(|i| values[i * dims + d] = encoded[i]);
        }
        let levels = self.inputs.iter().map(Column::level_count).collect();
        Ok(Features { rows, dims, values, levels, names: self.inputs.iter().map(|c| c.name.clone()).collect() })
    }

    /// The numeric target of these rows, standardised.
    ///
    /// # Errors
    /// [`Error::Data`] as for [`Columns::encode`].
    pub fn encode_number_target(&self, data: &Data) -> Result<Vec<f64>> {
        let target = self.target.as_ref().expect("learned with a target");
        encode_column(target, data.get(&target.name)?)
    }

    /// The class of each row.
    ///
    /// # Errors
    /// [`Error::Data`] when a class was not among those learned.
    pub fn encode_class_target(&self, data: &Data) -> Result<Vec<usize>> {
        let target = self.target.as_ref().expect("learned with a target");
        let levels = self.classes();
        let names = data.get(&target.name)?.class_names(&target.name)?;
        let mut out = Vec::with_capacity(names.len());
        for (row, name) in names.into_iter().enumerate() {
            let name = name.ok_or_else(|| missing(&target.name, row))?;
            let class = levels.iter().position(|l| *l == name).ok_or_else(|| {
                Error::data(
                    format!("row {} has class {name:?}, which the training data did not have", row + 1),
                    format!("classes are: {}", levels.join(", ")),
                )
            })?;
            out.push(class);
        }
        Ok(out)
    }

    /// Class names of a categorical target; empty for a numeric one.
    pub fn classes(&self) -> &[String] {
        match &self.target {
            Some(Column { kind: ColumnKind::Category { levels }, .. }) => levels,
            _ => &[],
        }
    }

    /// Leaves a numeric target in its own unit from now on.
    pub(crate) fn keep_target_unit(&mut self) {
        if let Some(Column { kind: ColumnKind::Number { centre, scale, .. }, .. }) = &mut self.target {
            (*centre, *scale) = (0.0, 1.0);
        }
    }

    /// Centre and scale of a numeric target; (0, 1) where there is none.
    pub fn target_scaling(&self) -> (f64, f64) {
        match &self.target {
            Some(Column { kind: ColumnKind::Number { centre, scale, .. }, .. }) => (*centre, *scale),
            _ => (0.0, 1.0),
        }
    }
}

fn too_few(rows: usize) -> Error {
    let found = if rows == 1 { "one usable row".to_owned() } else { format!("{rows} usable rows") };
    Error::data(format!("the table has {found}"), "give at least two rows, better fifty")
}

fn matrix_column(name: &str, array: &Array, d: usize) -> Result<Array> {
    let values = array.matrix_column(d).ok_or_else(|| {
        Error::data(format!("array `{name}` is a matrix of text"), "give text as separate columns of shape [N]")
    })?;
    Ok(Array::new(&[array.rows()], values))
}

/// The named column, or column `d` of a matrix for a name like `x[3]`.
pub(crate) fn find_input<'a>(data: &'a Data, name: &str) -> Result<std::borrow::Cow<'a, Array>> {
    if let Some((_, array)) = data.arrays.iter().find(|(n, _)| n == name) {
        return Ok(std::borrow::Cow::Borrowed(array));
    }
    if let Some((stem, d)) = name.strip_suffix(']').and_then(|n| n.rsplit_once('['))
        && let (Ok(d), Some((_, array))) = (d.parse::<usize>(), data.arrays.iter().find(|(n, _)| n == stem))
        && array.shape.len() == 2
        && d < array.shape[1]
    {
        return matrix_column(stem, array, d).map(std::borrow::Cow::Owned);
    }
    let nearest = Error::unknown("column", name, data.arrays.iter().map(|(n, _)| n.as_str()));
    Err(Error::data(
        format!("input column `{name}`, which the model was fitted with, is not in {}", data.source),
        format!("add the column, or rename the one that holds it; {}", nearest.remedy()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[(&str, Values)]) -> Data {
        let arrays = columns.iter().map(|(n, v)| ((*n).to_owned(), Array::column(v.clone()))).collect();
        Data { source: "test".into(), arrays, target: Some("y".into()), ..Data::default() }
    }

    fn text(cells: &[&str]) -> Values {
        let mut levels: Vec<String> = vec![];
        let codes = cells
            .iter()
            .map(|c| {
                let at = levels.iter().position(|l| l == c).unwrap_or_else(|| {
                    levels.push((*c).into());
                    levels.len() - 1
                });
                Some(at as u32)
            })
            .collect();
        Values::Text { levels, codes }
    }

    #[test]
    fn encoding_standardises_numbers_and_codes_categories() {
        let data = table(&[
            ("a", Values::F64(vec![1.0, 3.0, 5.0, 7.0])),
            ("c", text(&["red", "blue", "red", "blue"])),
            ("k", Values::F64(vec![2.0; 4])),
            ("y", Values::F64(vec![0.0, 1.0, 2.0, 3.0])),
        ]);
        let (columns, notes) = Columns::learn(&data).unwrap();
        let x = columns.encode(&data).unwrap();
        assert_eq!((x.rows, x.dims, x.levels.as_slice()), (4, 2, &[0, 2][..]));
        assert!((x.row(0)[0] + 3.0 / 5f64.sqrt()).abs() < 1e-15);
        assert_eq!([x.row(0)[1], x.row(1)[1]], [1.0, 0.0], "levels are sorted: blue, red");
        assert_eq!(notes, ["column `k` is constant and is left out"]);
        let other = table(&[("a", Values::F64(vec![1.0])), ("c", text(&["green"])), ("y", Values::F64(vec![0.0]))]);
        assert_eq!(columns.encode(&other).unwrap().row(0)[1], -1.0, "an unseen level");
    }

    #[test]
    fn few_whole_numbers_from_zero_up_look_like_counts() {
        assert_eq!(few_counts(&[3.0, 0.0, f64::NAN, -0.0, 1.0, 1.0]), Some(3));
        let many: Vec<f64> = (0..21).map(f64::from).collect();
        assert_eq!(few_counts(&many[1..]), Some(20));
        let others = [vec![0.0, 1.0], vec![0.5, 1.0, 2.0], vec![-1.0, 0.0, 3.0], vec![0.0, 1.0, f64::INFINITY], vec![]];
        for quantity in others.iter().chain([&many]) {
            assert_eq!(few_counts(quantity), None, "{quantity:?}");
        }
        assert!(is_count(7.0) && !is_count(0.5) && !is_count(-1.0) && !is_count(f64::NAN));
    }

    #[test]
    fn columns_that_encode_nothing_are_not_read_from_a_file() {
        let number = |scale: f64| format!(r#"{{"number": {{"centre": 0, "scale": {scale}, "low": 0, "high": 1}}}}"#);
        let read = |input: &str, target: &str| {
            let text = format!(r#"{{"inputs": [{{"name": "a", "kind": {input}}}], "target": {target}}}"#);
            serde_json::from_str::<Columns>(&text).map_err(|error| error.to_string())
        };
        assert!(read(&number(2.0), "null").is_ok());
        assert!(read(&number(0.0), "null").unwrap_err().contains("a scale of 0"));
        assert!(read(r#"{"category": {"levels": []}}"#, "null").unwrap_err().contains("without levels"));
        let one_class = r#"{"name": "y", "kind": {"category": {"levels": ["only"]}}}"#;
        assert!(read(&number(1.0), one_class).unwrap_err().contains("one class"));
    }

    #[test]
    fn bad_tables_are_refused_with_a_remedy() {
        let message = |columns: &[(&str, Values)]| match Regression::from_data(&table(columns)) {
            Ok(_) => panic!("accepted"),
            Err(error) => format!("{error}; {}", error.remedy()),
        };
        use crate::inputs::{FromData, Regression};
        let x = ("x", Values::F64(vec![0.0, 1.0]));
        assert!(message(&[x.clone(), ("y", Values::F64(vec![2.0, 2.0]))]).contains("2 in every row"));
        assert!(message(&[x.clone(), ("y", text(&["a", "b"]))]).contains("classifier"));
        assert!(message(&[x.clone(), ("y", Values::F64(vec![f64::NAN, 1.0]))]).contains("--missing drop"));
        assert!(message(&[x, ("z", Values::F64(vec![1.0, 2.0]))]).contains("column `y`"));
    }
}
