//! Named plain arrays, as read from a file.

use crate::columns::missing;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The values of an array, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Real numbers; a missing cell of a table is NaN.
    F64(Vec<f64>),
    /// Single-precision numbers: images, network weights.
    F32(Vec<f32>),
    /// Bytes: pictures.
    U8(Vec<u8>),
    /// Integers.
    I64(Vec<i64>),
    /// Categories: the levels in order of first appearance, and one code a cell; `None` is missing.
    Text {
        /// Distinct texts.
        levels: Vec<String>,
        /// Index into `levels`, or missing.
        codes: Vec<Option<u32>>,
    },
}

impl Values {
    /// Number of cells.
    pub fn len(&self) -> usize {
        match self {
            Self::F64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::Text { codes, .. } => codes.len(),
        }
    }

    /// Whether there are no cells.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of these rows, each `width` long.
    fn take_rows(&self, rows: &[usize], width: usize) -> Self {
        fn copy<T: Clone>(values: &[T], rows: &[usize], width: usize) -> Vec<T> {
            let mut out = Vec::with_capacity(rows.len() * width);
            rows.iter().for_each(|r| out.extend_from_slice(&values[r * width..(r + 1) * width]));
            out
        }
        match self {
            Self::F64(v) => Self::F64(copy(v, rows, width)),
            Self::F32(v) => Self::F32(copy(v, rows, width)),
            Self::U8(v) => Self::U8(copy(v, rows, width)),
            Self::I64(v) => Self::I64(copy(v, rows, width)),
            Self::Text { levels, codes } => Self::Text { levels: levels.clone(), codes: copy(codes, rows, width) },
        }
    }
}

/// A plain array with its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Cells, row-major; as many as the product of `shape`.
    pub values: Values,
}

impl Array {
    /// An array of real numbers. The product of `shape` must be the number of values.
    pub fn new(shape: &[usize], values: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "an array of shape {shape:?} needs as many values");
        Self { shape: shape.into(), values: Values::F64(values) }
    }

    /// A column of a table.
    pub fn column(values: Values) -> Self {
        Self { shape: vec![values.len()], values }
    }

    /// Number of rows: the first size, or one for a scalar.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// The cells as real numbers, or `None` for text.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        match &self.values {
            Values::F64(v) => Some(v.clone()),
            Values::F32(v) => Some(v.iter().map(|x| f64::from(*x)).collect()),
            Values::U8(v) => Some(v.iter().map(|x| f64::from(*x)).collect()),
            Values::I64(v) => Some(v.iter().map(|x| *x as f64).collect()),
            Values::Text { .. } => None,
        }
    }

    /// Column `d` of a matrix `[N, D]` as real numbers, or `None` for text.
    pub(crate) fn matrix_column(&self, d: usize) -> Option<Vec<f64>> {
        fn column<T: Copy>(values: &[T], d: usize, width: usize, number: impl Fn(T) -> f64) -> Vec<f64> {
            values.iter().skip(d).step_by(width).map(|v| number(*v)).collect()
        }
        let width = self.shape[1];
        match &self.values {
            Values::F64(v) => Some(column(v, d, width, |x| x)),
            Values::F32(v) => Some(column(v, d, width, f64::from)),
            Values::U8(v) => Some(column(v, d, width, f64::from)),
            Values::I64(v) => Some(column(v, d, width, |x| x as f64)),
            Values::Text { .. } => None,
        }
    }

    /// The same array with only these rows.
    pub fn take_rows(&self, rows: &[usize]) -> Self {
        let width: usize = self.shape.iter().skip(1).product();
        let mut shape = self.shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = rows.len();
        }
        Self { shape, values: self.values.take_rows(rows, width) }
    }

    /// The cells of a column of classes as text, `None` where missing; whole numbers are written without a decimal point.
    /// `name` is the column's, for messages.
    ///
    /// # Errors
    /// [`Error::Data`] for numbers that are missing or not whole.
    pub fn class_names(&self, name: &str) -> Result<Vec<Option<String>>> {
        if let Values::Text { levels, codes } = &self.values {
            return Ok(codes.iter().map(|c| c.map(|c| levels[c as usize].clone())).collect());
        }
        let values = self.to_f64().expect("only text is not numeric");
        let name_of = |(row, v): (usize, f64)| match v {
            v if v.is_nan() => Err(missing(name, row)),
            v if names_class(v) => Ok(Some(format!("{}", v as i64))),
            v => Err(Error::data(
                format!("column `{name}` has {v} in row {}; classes are text or whole numbers", row + 1),
                "use a regression system for quantities",
            )),
        };
        values.into_iter().enumerate().map(name_of).collect()
    }
}

/// What is to be predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A quantity.
    Regression,
    /// One of two or more classes.
    Classification,
}

/// What was read from a file: named arrays in the file's order, and which of them is the target.
///
/// A table is a set of arrays of shape `[N]` or `[N, D]` with one common `N`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Data {
    /// Where it came from, for messages.
    pub source: String,
    /// The arrays, in order.
    pub arrays: Vec<(String, Array)>,
    /// Name of the column to predict, where there is one.
    pub target: Option<String>,
    /// What the target is, where the user said so; otherwise its values tell.
    pub task: Option<Task>,
    /// Notes made while reading, for the report: dropped rows, guessed formats.
    pub notes: Vec<String>,
}

impl Data {
    /// The array of this name.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest name.
    pub fn get(&self, name: &str) -> Result<&Array> {
        self.arrays
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, a)| a)
            .ok_or_else(|| Error::unknown("column", name, self.arrays.iter().map(|(n, _)| n.as_str())))
    }

    /// Number of rows; zero when there are no arrays.
    pub fn rows(&self) -> usize {
        self.arrays.first().map_or(0, |(_, a)| a.rows())
    }

    /// Checks that the arrays are a table: every one has as many rows as the first.
    ///
    /// # Errors
    /// [`Error::Data`] naming an array that has not.
    pub fn check_rows(&self) -> Result<()> {
        let rows = self.rows();
        match self.arrays.iter().find(|(_, array)| array.rows() != rows) {
            None => Ok(()),
            Some((name, array)) => Err(Error::data(
                format!("array `{name}` has {} rows, others have {rows}", array.rows()),
                "all arrays of a table need the same number of rows",
            )),
        }
    }

    /// The same data with only these rows, which every array must have; see [`Data::check_rows`].
    pub fn take_rows(&self, rows: &[usize]) -> Self {
        let arrays = self.arrays.iter().map(|(n, a)| (n.clone(), a.take_rows(rows))).collect();
        Self { arrays, ..self.clone() }
    }

    /// SHA-256 over names, shapes and cells, in hexadecimal: identifies the data a model was fitted to.
    pub fn digest(&self) -> String {
        use sha2::{Digest, Sha256};
        // A text stands after its length, so that neighbours cannot be taken for each other.
        let text = |hash: &mut Sha256, text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        let mut hash = Sha256::new();
        for (name, array) in &self.arrays {
            text(&mut hash, name);
            hash.update((array.shape.len() as u64).to_le_bytes());
            array.shape.iter().for_each(|s| hash.update((*s as u64).to_le_bytes()));
            match &array.values {
                Values::F64(v) => v.iter().for_each(|x| hash.update(x.to_bits().to_le_bytes())),
                Values::F32(v) => v.iter().for_each(|x| hash.update(x.to_bits().to_le_bytes())),
                Values::U8(v) => hash.update(v),
                Values::I64(v) => v.iter().for_each(|x| hash.update(x.to_le_bytes())),
                Values::Text { levels, codes } => codes.iter().for_each(|code| match code {
                    Some(code) => text(&mut hash, &levels[*code as usize]),
                    None => hash.update(u64::MAX.to_le_bytes()),
                }),
            }
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The same data with the target taken for what the task needs: numbers that are classes become text, written as the
    /// model will name them.
    ///
    /// # Errors
    /// [`Error::Data`] when text should be a quantity or fractions should be classes.
    pub fn with_task(mut self, task: Task) -> Result<Self> {
        let name = self.target()?.to_owned();
        let array = self.get(&name)?;
        let numbers = array.to_f64();
        match (task, numbers) {
            (Task::Regression, None) => {
                return Err(Error::data(
                    format!("target `{name}` holds text"),
                    "text cannot be a quantity; leave --task out, or name another target",
                ));
            }
            (Task::Regression, Some(_)) | (Task::Classification, None) => {}
            (Task::Classification, Some(values)) => {
                let classes = Array { shape: array.shape.clone(), values: as_classes(&name, &values)? };
                let slot = self.arrays.iter_mut().find(|(n, _)| *n == name).expect("found above");
                slot.1 = classes;
            }
        }
        self.task = Some(task);
        Ok(self)
    }

    /// The target's name.
    ///
    /// # Errors
    /// [`Error::Data`] when none was named.
    pub fn target(&self) -> Result<&str> {
        self.target.as_deref().ok_or_else(|| {
            let names: Vec<&str> = self.arrays.iter().map(|(n, _)| n.as_str()).take(20).collect();
            Error::data("no target column was named", format!("name one with --target; columns: {}", names.join(", ")))
        })
    }
}

/// Whether a number may name a class: whole, and so small that its neighbours are other doubles.
fn names_class(v: f64) -> bool {
    v.fract() == 0.0 && v.abs() < 1e15
}

fn as_classes(name: &str, values: &[f64]) -> Result<Values> {
    if let Some(row) = values.iter().position(|v| !v.is_nan() && !names_class(*v)) {
        return Err(Error::data(
            format!("target `{name}` is {} in row {}, which is no class", values[row], row + 1),
            "classes are text or whole numbers below 1e15; use --task regression for a quantity",
        ));
    }
    let mut levels: Vec<String> = vec![];
    let mut index = std::collections::HashMap::new();
    let codes = values
        .iter()
        .map(|v| {
            (!v.is_nan()).then(|| {
                *index.entry(*v as i64).or_insert_with(|| {
                    levels.push(format!("{}", *v as i64));
                    levels.len() as u32 - 1
                })
            })
        })
        .collect();
    Ok(Values::Text { levels, codes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(cells: &[Option<&str>]) -> Data {
        let levels = cells.iter().map(|cell| cell.unwrap_or_default().to_owned()).collect();
        let codes = (0..).zip(cells).map(|(code, cell)| cell.map(|_| code)).collect();
        Data { arrays: vec![("a".into(), Array::column(Values::Text { levels, codes }))], ..Data::default() }
    }

    #[test]
    fn the_digest_tells_texts_apart_that_join_to_the_same() {
        assert_eq!(texts(&[Some("ab"), Some("c")]).digest(), texts(&[Some("ab"), Some("c")]).digest());
        assert_ne!(texts(&[Some("ab"), Some("c")]).digest(), texts(&[Some("a"), Some("bc")]).digest());
        assert_ne!(texts(&[Some("\0")]).digest(), texts(&[None]).digest());
    }

    #[test]
    fn numbers_too_large_to_tell_apart_are_no_classes() {
        let error = as_classes("y", &[1.0, 1e300, 1e301]).unwrap_err();
        assert!(error.to_string().contains("in row 2, which is no class"), "{error}");
        assert!(as_classes("y", &[1.0, f64::NAN, -2.0]).is_ok());
    }
}
