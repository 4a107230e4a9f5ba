//! The typed inputs that systems ask for, made from raw data.

use crate::columns::{Columns, Features};
use crate::data::{Data, Task, Values};
use crate::error::Result;

/// What kind of data an input is made from: how a file is read for it, and which words on the command line belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    /// Rows of a table, or arrays, without a target.
    Rows,
    /// A table with a target.
    Target,
    /// A table with a target and a column of times.
    Series,
    /// Trials of an experiment: a table whose target may be empty in some rows.
    Trials,
    /// Photographs that may differ in size.
    Photographs,
    /// Pictures of a scene with their cameras.
    Scene,
}

impl DataKind {
    /// Whether a column is to be named as the target.
    pub fn has_target(self) -> bool {
        matches!(self, Self::Target | Self::Series | Self::Trials)
    }
}

/// A typed input, made from raw data with every check a user needs.
pub trait FromData: Sized {
    /// What is needed, in a few words, for `elbo info` and messages.
    const NEEDS: &'static str;

    /// The same as a value, for programs.
    const KIND: DataKind = DataKind::Rows;

    /// Whether cells may be empty (NaN): a table is then read with them, and the system says what it makes of them.
    const TAKES_MISSING: bool = false;

    /// Checks and converts.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) with what was found and what to change.
    fn from_data(data: &Data) -> Result<Self>;
}

/// Inputs and one numeric target, standardised: each numeric column, and the target, has mean zero and variance one.
#[derive(Debug, Clone, PartialEq)]
pub struct Regression {
    /// Inputs, `[N, D]`.
    pub x: Features,
    /// Target, `[N]`, standardised by `columns.target`.
    pub y: Vec<f64>,
    /// Target in its own unit, `[N]`.
    pub raw: Vec<f64>,
    /// How to encode new rows and to read predictions.
    pub columns: Columns,
    /// Notes for the user: constant columns dropped, few rows.
    pub notes: Vec<String>,
}

impl Regression {
    /// The same with the target in its own unit, for likelihoods that are not of a location and a scale: counts, shares,
    /// positive numbers.
    pub fn in_own_unit(mut self) -> Self {
        self.y.clone_from(&self.raw);
        self.columns.keep_target_unit();
        self
    }
}

impl FromData for Regression {
    const NEEDS: &'static str = "a table with a numeric target";
    const KIND: DataKind = DataKind::Target;

    fn from_data(data: &Data) -> Result<Self> {
        let (columns, notes) = Columns::learn(data)?;
        let y = columns.encode_number_target(data)?;
        let x = columns.encode(data)?;
        let raw = data.get(data.target()?)?.to_f64().expect("a numeric target was learned");
        Ok(Self { x, y, raw, columns, notes })
    }
}

/// Inputs and one target of two or more classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// Inputs, `[N, D]`, numeric columns standardised.
    pub x: Features,
    /// Class of each row, an index into `classes`.
    pub y: Vec<usize>,
    /// Class names, sorted.
    pub classes: Vec<String>,
    /// How to encode new rows.
    pub columns: Columns,
    /// Notes for the user.
    pub notes: Vec<String>,
}

impl FromData for Classification {
    const NEEDS: &'static str = "a table with a target of two or more classes";
    const KIND: DataKind = DataKind::Target;

    fn from_data(data: &Data) -> Result<Self> {
        let (columns, notes) = Columns::learn_classes(data)?;
        let y = columns.encode_class_target(data)?;
        let x = columns.encode(data)?;
        let classes = columns.classes().to_vec();
        Ok(Self { x, y, classes, columns, notes })
    }
}

/// A target of either kind, for systems that do both: text, or just two whole numbers, are classes, unless the data's
/// task says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum Supervised {
    /// A numeric target.
    Numbers(Regression),
    /// A target of classes.
    Classes(Classification),
}

impl FromData for Supervised {
    const NEEDS: &'static str = "a table with a target, numeric or of classes";
    const KIND: DataKind = DataKind::Target;

    fn from_data(data: &Data) -> Result<Self> {
        let target = data.get(data.target()?)?;
        let is_classes = match (&target.values, data.task) {
            (Values::Text { .. }, _) => true,
            (_, Some(task)) => task == Task::Classification,
            (_, None) => {
                let values = target.to_f64().expect("only text is not numeric");
                let first = values.first();
                let second = values.iter().find(|v| Some(*v) != first);
                let is_one = |v: &f64| v.fract() == 0.0 && (Some(v) == first || Some(v) == second);
                second.is_some() && values.iter().all(is_one) && values.len() > 2
            }
        };
        if is_classes {
            Classification::from_data(data).map(Self::Classes)
        } else {
            Regression::from_data(data).map(Self::Numbers)
        }
    }
}

/// Points without a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// Coordinates, `[N, D]`, in the user's own units.
    pub x: Features,
    /// The columns they came from.
    pub columns: Columns,
    /// Notes for the user.
    pub notes: Vec<String>,
}

impl FromData for Points {
    const NEEDS: &'static str = "a table of numbers, one point a row";

    fn from_data(data: &Data) -> Result<Self> {
        let (columns, notes) = Columns::learn_points(data)?;
        let x = columns.encode(data)?;
        Ok(Self { x, columns, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Array;

    fn table(y: Values) -> Data {
        let x = Array::new(&[y.len()], (0..y.len()).map(|i| i as f64).collect());
        let arrays = vec![("x".into(), x), ("y".into(), Array::column(y))];
        Data { arrays, target: Some("y".into()), ..Data::default() }
    }

    #[test]
    fn two_whole_numbers_are_classes_unless_the_task_says_otherwise() {
        let is_classes = |data: Data| matches!(Supervised::from_data(&data).unwrap(), Supervised::Classes(_));
        let two = || table(Values::F64(vec![2.0, 1.0, 2.0, 2.0]));
        assert!(is_classes(two()));
        assert!(!is_classes(two().with_task(Task::Regression).unwrap()));
        assert!(!is_classes(table(Values::F64(vec![0.5, 1.5, 0.5]))), "fractions are no classes");
        let three = || table(Values::I64(vec![2, 1, 3, 2]));
        assert!(!is_classes(three()));
        assert!(is_classes(three().with_task(Task::Classification).unwrap()));
    }

    #[test]
    fn a_task_makes_the_target_what_it_needs() {
        let data = table(Values::F64(vec![2.0, 1.0, f64::NAN, 2.0])).with_task(Task::Classification).unwrap();
        let expected =
            Values::Text { levels: vec!["2".into(), "1".into()], codes: vec![Some(0), Some(1), None, Some(0)] };
        assert_eq!(data.get("y").unwrap().values, expected);
        let error = table(Values::F64(vec![0.5, 1.0])).with_task(Task::Classification).unwrap_err();
        assert!(error.to_string().contains("0.5 in row 1"), "{error}");
        let large = table(Values::F64(vec![1e19, 2e19])).with_task(Task::Classification).unwrap_err();
        assert!(large.to_string().contains("which is no class"), "{large}");
        assert!(data.with_task(Task::Regression).is_err(), "text is no quantity");
    }
}
