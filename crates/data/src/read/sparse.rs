//! Sparse matrices in an NPZ archive: compressed rows (CSR), as `scipy.sparse.save_npz` writes them.
//!
//! | member | holds |
//! |---|---|
//! | `format` | the text `csr` |
//! | `shape` | the numbers of rows and columns |
//! | `data` | the stored values, row by row |
//! | `indices` | the column of each |
//! | `indptr` | where each row begins in `data`, and where the last one ends |
//!
//! They become one dense array `x`; other arrays beside them, such as a target, stay as they are.

use super::{ReadOptions, check_cells};
use elbo_core::{Array, Error, Result, Values};

/// The name of the dense array, as that of an NPY file.
const NAME: &str = "x";

/// Members that belong to the matrix; the last one tells SciPy's two kinds of objects apart.
const PARTS: [&str; 6] = ["format", "shape", "data", "indices", "indptr", "_is_array"];

/// What SciPy saves.
const FORMATS: [&str; 5] = ["csr", "csc", "coo", "bsr", "dia"];

/// Named arrays of an archive, in its order.
type Arrays = Vec<(String, Array)>;

/// Puts a dense array in the place of the parts of a sparse matrix, where the arrays hold them, with a note that says so.
///
/// # Errors
/// [`Error::Data`] for a matrix of another format, a damaged one, and one that is too large when it is dense.
pub(super) fn expand(arrays: Arrays, options: &ReadOptions) -> Result<(Arrays, Option<String>)> {
    let Some(format) = format_of(&arrays) else { return Ok((arrays, None)) };
    if format != "csr" {
        return Err(Error::data(
            format!("the archive holds a sparse matrix of the format `{format}`; only `csr` is read"),
            "save `matrix.tocsr()` with `scipy.sparse.save_npz`",
        ));
    }
    let (dense, note) = {
        let matrix = Csr::of(&arrays, options)?;
        (matrix.dense()?, matrix.note())
    };
    let mut out = vec![(NAME.to_owned(), dense)];
    out.extend(arrays.into_iter().filter(|(name, _)| !PARTS.contains(&name.as_str())));
    if out.iter().skip(1).any(|(name, _)| name == NAME) {
        return Err(Error::data(
            format!("the archive holds a sparse matrix, which is read as `{NAME}`, and an array `{NAME}`"),
            "give the array another name",
        ));
    }
    Ok((out, Some(note)))
}

fn part<'a>(arrays: &'a [(String, Array)], name: &str) -> Option<&'a Array> {
    arrays.iter().find(|(n, _)| n == name).map(|(_, array)| array)
}

/// The format of the sparse matrix that the arrays are, if they are one.
fn format_of(arrays: &[(String, Array)]) -> Option<String> {
    part(arrays, "shape")?;
    part(arrays, "data")?;
    match &part(arrays, "format")?.values {
        Values::Text { levels, codes } if codes.len() == 1 => {
            levels.first().filter(|format| FORMATS.contains(&format.as_str())).cloned()
        }
        _ => None,
    }
}

fn damaged(what: &str) -> Error {
    Error::data(
        format!("the sparse matrix is damaged: {what}"),
        "check it in SciPy with `matrix.check_format()`, and save it again with `scipy.sparse.save_npz`",
    )
}

/// A list of whole numbers, none of them negative.
fn whole(arrays: &[(String, Array)], name: &str) -> Result<Vec<usize>> {
    let array = part(arrays, name).ok_or_else(|| damaged(&format!("it has no `{name}`")))?;
    let numbers = match &array.values {
        Values::I64(values) if array.shape.len() == 1 => values,
        _ => return Err(damaged(&format!("`{name}` is no list of whole numbers"))),
    };
    let natural = |value: &i64| {
        usize::try_from(*value).map_err(|_| damaged(&format!("`{name}` holds {value}, and numbers count from 0")))
    };
    numbers.iter().map(natural).collect()
}

/// Compressed rows.
struct Csr<'a> {
    rows: usize,
    columns: usize,
    values: &'a Values,
    /// The column of each value.
    indices: Vec<usize>,
    /// Where each row begins among the values, and where the last one ends.
    starts: Vec<usize>,
}

impl<'a> Csr<'a> {
    /// The matrix, of a size that fits and with every index in its place.
    fn of(arrays: &'a [(String, Array)], options: &ReadOptions) -> Result<Self> {
        let shape = whole(arrays, "shape")?;
        let [rows, columns]: [usize; 2] =
            shape.as_slice().try_into().map_err(|_| damaged(&format!("its shape {shape:?} has not two sizes")))?;
        if rows == 0 || columns == 0 {
            return Err(Error::data(
                format!("the sparse matrix of shape {shape:?} is empty"),
                "give at least two rows and one column",
            ));
        }
        if columns > options.max_columns {
            return Err(Error::data(
                format!("the sparse matrix has {columns} columns, more than {}", options.max_columns),
                "give fewer columns; if rows and columns are swapped, save its transpose",
            ));
        }
        let data = part(arrays, "data").expect("a sparse matrix is known by its data");
        let (indices, starts) = (whole(arrays, "indices")?, whole(arrays, "indptr")?);
        let matrix = Self { rows, columns, values: &data.values, indices, starts };
        matrix.check_starts()?;
        check_cells(rows as u64, columns)?;
        matrix.check_indices()?;
        Ok(matrix)
    }

    fn check_starts(&self) -> Result<()> {
        let (count, starts) = (self.values.len(), &self.starts);
        if self.indices.len() != count {
            return Err(damaged(&format!("`data` has {count} values, and `indices` {}", self.indices.len())));
        }
        if starts.len() != self.rows.saturating_add(1) {
            let (found, rows) = (starts.len(), self.rows);
            return Err(damaged(&format!("`indptr` has {found} entries for {rows} rows; it needs one more than rows")));
        }
        if starts[0] != 0 {
            return Err(damaged(&format!("`indptr` begins with {}, not with 0", starts[0])));
        }
        if let Some(row) = starts.windows(2).position(|pair| pair[0] > pair[1]) {
            let (from, to) = (starts[row], starts[row + 1]);
            return Err(damaged(&format!("`indptr` falls from {from} to {to} in row {}", row + 1)));
        }
        if starts[self.rows] != count {
            return Err(damaged(&format!("`indptr` ends with {}, and `data` has {count} values", starts[self.rows])));
        }
        Ok(())
    }

    /// Needs starts that are in order, and a width that fits.
    fn check_indices(&self) -> Result<()> {
        // The row that last had a value in each column, counted from 1.
        let mut last = vec![0; self.columns];
        for row in 1..=self.rows {
            for column in &self.indices[self.starts[row - 1]..self.starts[row]] {
                match last.get_mut(*column) {
                    None => {
                        return Err(damaged(&format!(
                            "row {row} has a value in column {column}; there are {}, counted from 0",
                            self.columns
                        )));
                    }
                    Some(seen) if *seen == row => {
                        return Err(Error::data(
                            format!("row {row} of the sparse matrix has two values in column {column}"),
                            "add them up with `matrix.sum_duplicates()`, and save it again",
                        ));
                    }
                    Some(seen) => *seen = row,
                }
            }
        }
        Ok(())
    }

    fn dense(&self) -> Result<Array> {
        let values = match self.values {
            Values::F64(v) => Values::F64(self.spread(v)),
            Values::F32(v) => Values::F32(self.spread(v)),
            Values::U8(v) => Values::U8(self.spread(v)),
            Values::I64(v) => Values::I64(self.spread(v)),
            Values::Text { .. } => return Err(damaged("`data` holds text")),
        };
        Ok(Array { shape: vec![self.rows, self.columns], values })
    }

    fn spread<T: Copy + Default>(&self, values: &[T]) -> Vec<T> {
        let mut out = vec![T::default(); self.rows * self.columns];
        for (row, cells) in out.chunks_exact_mut(self.columns).enumerate() {
            for at in self.starts[row]..self.starts[row + 1] {
                cells[self.indices[at]] = values[at];
            }
        }
        out
    }

    fn note(&self) -> String {
        let (rows, columns) = (self.rows, self.columns);
        let share = 100.0 * self.values.len() as f64 / (rows as f64 * columns as f64);
        format!(
            "the sparse matrix of {rows} rows and {columns} columns, {share:.2} % of it stored, is read as a dense \
             array `{NAME}`"
        )
    }
}
