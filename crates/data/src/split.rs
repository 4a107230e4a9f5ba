//! Training and test rows: drawn at random, in folds, or fixed by a column of the data.

use elbo_core::{Allowed, Data, Error, Result, Rng, Values, ensure};

/// Row numbers of a training part and a test part; each ascending, disjoint, together all rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Rows to fit.
    pub train: Vec<usize>,
    /// Rows to judge.
    pub test: Vec<usize>,
}

impl Split {
    fn from_test(rows: usize, test: impl IntoIterator<Item = usize>) -> Self {
        let mut is_test = vec![false; rows];
        test.into_iter().for_each(|i| is_test[i] = true);
        let (test, train) = (0..rows).partition(|i| is_test[*i]);
        Self { train, test }
    }

    /// The two parts of the data: training, test.
    pub fn apply(&self, data: &Data) -> (Data, Data) {
        (data.take_rows(&self.train), data.take_rows(&self.test))
    }
}

/// Draws a share `fraction` of the rows as the test part, at least one and at most all but one.
///
/// # Errors
/// [`Error::Setting`] when `fraction` is not in (0, 1), [`Error::Data`] for fewer than two rows.
pub fn holdout(rows: usize, fraction: f64, rng: &mut Rng) -> Result<Split> {
    ensure("fraction", fraction, fraction > 0.0 && fraction < 1.0, "in (0, 1)")?;
    if rows < 2 {
        return Err(Error::data(format!("{rows} rows cannot be split into two parts"), "give at least two rows"));
    }
    let count = ((rows as f64 * fraction).round() as usize).clamp(1, rows - 1);
    Ok(Split::from_test(rows, rng.choose(rows, count)))
}

/// Deals the rows into `count` parts of nearly equal size; each is the test part once.
///
/// # Errors
/// [`Error::Setting`] when `count` is below two or above the number of rows.
pub fn folds(rows: usize, count: usize, rng: &mut Rng) -> Result<Vec<Split>> {
    ensure(
        "folds",
        count,
        count >= 2 && count <= rows,
        Allowed::within(2..=rows).told(format!("from 2 to the number of rows, {rows}")),
    )?;
    let order = rng.permutation(rows);
    Ok((0..count).map(|k| Split::from_test(rows, order.iter().skip(k).step_by(count).copied())).collect())
}

/// Name of the column that fixes splits: a text of `0` and `1` a row, whose character `k` is `1` in the test part of split `k`.
const COLUMN: &str = "split";

/// How many splits the column `split` fixes; zero when there is no such column.
pub fn fixed_split_count(data: &Data) -> usize {
    marks(data).map_or(0, |(levels, _)| levels.first().map_or(0, String::len))
}

/// Training and test part number `k` (from 0) as the column `split` fixes them; the column itself is left out of both.
///
/// # Errors
/// [`Error::Data`] without such a column, or when a part is empty; [`Error::Setting`] when there is no split `k`.
pub fn fixed_split(data: &Data, k: usize) -> Result<(Data, Data)> {
    let (levels, codes) = marks(data)?;
    let count = levels.first().map_or(0, String::len);
    ensure("split", k, k < count, Allowed::within(0..count).told(format!("from 0 to {}", count - 1)))?;
    let is_test = |row: &usize| codes[*row].is_some_and(|code| levels[code as usize].as_bytes()[k] == b'1');
    let split = Split::from_test(codes.len(), (0..codes.len()).filter(is_test));
    if split.train.is_empty() || split.test.is_empty() {
        return Err(Error::data(format!("split {k} has no training or no test rows"), "check the column `split`"));
    }
    let mut inputs = data.clone();
    inputs.arrays.retain(|(name, _)| name != COLUMN);
    Ok(split.apply(&inputs))
}

/// The column's levels, all of one length and of `0` and `1` only, and the codes.
fn marks(data: &Data) -> Result<(&[String], &[Option<u32>])> {
    let wrong = |what: &str| {
        Error::data(
            format!("the data have no usable column `{COLUMN}`: {what}"),
            "it holds a text of 0 and 1 a row, whose character k is 1 in the test part of split k",
        )
    };
    let array = data.get(COLUMN).map_err(|_| wrong("there is none"))?;
    let Values::Text { levels, codes } = &array.values else { return Err(wrong("it holds numbers")) };
    let length = levels.first().map_or(0, String::len);
    if length == 0 {
        return Err(wrong("its texts are empty"));
    }
    if levels.iter().any(|l| l.len() != length || l.bytes().any(|b| b != b'0' && b != b'1')) {
        return Err(wrong("its texts are not of 0 and 1, or differ in length"));
    }
    Ok((levels, codes))
}
