//! The shape of data points, and the way from and to the user's arrays.

use crate::columns::find_input;
use crate::data::{Array, Data, Values};
use crate::error::{Error, Result};
use crate::file::ModelFile;
use serde::{Deserialize, Serialize};

/// Shape of a data point, and the way from and to the user's arrays. Part of a model's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Form {
    /// `[C, H, W]` of pictures, `[D]` of rows.
    pub shape: Vec<usize>,
    /// Where the numbers stand in the user's data.
    pub source: Source,
    /// Subtracted from the user's numbers; one for all, or one for each.
    pub shift: Vec<f64>,
    /// What they are then divided by; one for all, or one for each.
    pub scale: Vec<f64>,
}

/// Where the numbers of a data point stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Source {
    /// In one array of pictures, `[N, H, W]`, `[N, C, H, W]` or `[N, H, W, C]`.
    Pictures {
        /// The array's name.
        array: String,
        /// Number of its dimensions, and whether channels come last.
        layout: Layout,
        /// Whether they are bytes.
        is_bytes: bool,
    },
    /// In the columns of a table, in this order.
    Columns {
        /// Column names; those of a matrix `x` are `x[0]`, `x[1]` and so on.
        names: Vec<String>,
    },
}

/// How an array holds pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// `[N, H, W]`: one channel.
    Grey,
    /// `[N, C, H, W]`.
    ChannelsFirst,
    /// `[N, H, W, C]`.
    ChannelsLast,
}

/// Most numbers of a data point that a model file may claim.
const MOST_NUMBERS: usize = 1 << 28;

impl Form {
    /// The form that a model file holds under this name.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when it is missing, or is the form of no data point.
    pub fn load(file: &ModelFile, key: &str) -> Result<Self> {
        let form: Self = file.fact(key)?;
        let size = form.shape.iter().try_fold(1usize, |size, side| size.checked_mul(*side));
        let is_scaling = |values: &[f64]| values.len() == 1 || Some(values.len()) == size;
        let is_shape = match &form.source {
            Source::Columns { names } => size == Some(names.len()),
            Source::Pictures { layout, .. } => form.shape.len() == 3 && (*layout != Layout::Grey || form.shape[0] == 1),
        };
        let holds = size.is_some_and(|size| (1..=MOST_NUMBERS).contains(&size))
            && is_shape
            && is_scaling(&form.shift)
            && is_scaling(&form.scale)
            && form.scale.iter().all(|scale| *scale > 0.0);
        if holds { Ok(form) } else { Err(Error::misfit(format!("data points of the shape {:?}", form.shape))) }
    }

    /// Numbers in a data point: the product of `shape`.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// `[C, H, W]`, where the data points are pictures.
    pub fn picture(&self) -> Option<[usize; 3]> {
        self.shape.as_slice().try_into().ok()
    }

    /// What number `d` of a data point was divided by: the log density in the user's unit is lower by the sum of its logarithms.
    pub fn scale_of(&self, d: usize) -> f64 {
        self.scale[if self.scale.len() == 1 { 0 } else { d }]
    }

    pub(super) fn shift_of(&self, d: usize) -> f64 {
        self.shift[if self.shift.len() == 1 { 0 } else { d }]
    }

    /// The column or array that number `d` of a data point stands in.
    pub fn name_of(&self, d: usize) -> &str {
        match &self.source {
            Source::Columns { names } => &names[d],
            Source::Pictures { array, .. } => array,
        }
    }

    /// The numbers of new data, `[N, ...shape]`.
    ///
    /// # Errors
    /// [`Error::Data`] when a column or array is missing, has another shape, or holds text, missing or infinite cells.
    pub fn encode(&self, data: &Data) -> Result<Vec<f32>> {
        Ok(self.scaled(&self.raw(data, Gaps::Refused)?))
    }

    /// As [`Form::encode`], with NaN where a cell is missing.
    ///
    /// # Errors
    /// [`Error::Data`] when a column or array is missing, has another shape, or holds text or infinite cells.
    pub fn encode_incomplete(&self, data: &Data) -> Result<Vec<f32>> {
        Ok(self.scaled(&self.raw(data, Gaps::Kept)?))
    }

    /// The user's data with its missing cells taken from data points `values: [N, ...shape]`; other cells stay as they are.
    ///
    /// # Errors
    /// As [`Form::encode_incomplete`].
    pub fn fill(&self, data: &Data, values: &[f32]) -> Result<Data> {
        let raw = self.raw(data, Gaps::Kept)?;
        let filled = raw.iter().zip(self.unscaled(values)).map(|(own, made)| if own.is_nan() { made } else { *own });
        Ok(self.arranged(filled.collect()))
    }

    /// Numbers in the user's unit, `[N, ...shape]`.
    pub(super) fn raw(&self, data: &Data, gaps: Gaps) -> Result<Vec<f64>> {
        Ok(match &self.source {
            Source::Columns { names } => table(data, names, gaps)?,
            Source::Pictures { array, .. } => {
                let (name, found) = match data.arrays.iter().find(|(n, _)| n == array) {
                    Some((name, found)) => (name, found),
                    None => picture_array(data)?.ok_or_else(|| {
                        Error::data(
                            format!("{} holds no pictures", data.source),
                            format!("give an array `{array}`, or a folder of pictures"),
                        )
                    })?,
                };
                let (layout, shape) = layout(name, &found.shape)?;
                if shape.as_slice() != self.shape {
                    return Err(Error::data(
                        format!(
                            "the pictures of {} are {}; the model's are {}",
                            data.source,
                            said(&shape),
                            said(&self.shape)
                        ),
                        "resize them, or convert them to grey or colour",
                    ));
                }
                channels_first(numbers(name, found, gaps)?, layout, &shape)
            }
        })
    }

    pub(super) fn scaled(&self, raw: &[f64]) -> Vec<f32> {
        let size = self.size();
        raw.iter().enumerate().map(|(i, v)| ((v - self.shift_of(i % size)) / self.scale_of(i % size)) as f32).collect()
    }

    fn unscaled(&self, values: &[f32]) -> Vec<f64> {
        let size = self.size();
        values
            .iter()
            .enumerate()
            .map(|(i, v)| f64::from(*v) * self.scale_of(i % size) + self.shift_of(i % size))
            .collect()
    }

    /// Data points in the user's unit and layout. `values: [N, ...shape]`. Bytes are rounded, and values beyond their range become
    /// black or white.
    pub fn decode(&self, values: &[f32]) -> Data {
        self.arranged(self.unscaled(values))
    }

    /// Numbers in the user's unit in the user's layout.
    fn arranged(&self, raw: Vec<f64>) -> Data {
        let size = self.size();
        let rows = raw.len() / size;
        let arrays = match &self.source {
            Source::Columns { names } => {
                let column = |d: usize| (0..rows).map(|i| raw[i * size + d]).collect();
                names.iter().enumerate().map(|(d, name)| (name.clone(), Array::new(&[rows], column(d)))).collect()
            }
            Source::Pictures { array, layout, is_bytes } => {
                let [c, h, w] = self.picture().expect("pictures have three sizes");
                let (shape, raw) = match layout {
                    Layout::Grey => (vec![rows, h, w], raw),
                    Layout::ChannelsFirst => (vec![rows, c, h, w], raw),
                    Layout::ChannelsLast => {
                        let at = |i: usize| {
                            let (row, rest) = (i / size, i % size);
                            row * size + (rest % c) * h * w + rest / c
                        };
                        (vec![rows, h, w, c], (0..raw.len()).map(|i| raw[at(i)]).collect())
                    }
                };
                let values = if *is_bytes {
                    Values::U8(raw.iter().map(|v| v.round().clamp(0.0, 255.0) as u8).collect())
                } else {
                    Values::F32(raw.iter().map(|v| *v as f32).collect())
                };
                vec![(array.clone(), Array { shape, values })]
            }
        };
        Data { source: "a model".into(), arrays, ..Data::default() }
    }

    /// Data points as grey or colour bytes to look at, `[N, C, H, W]`: `[0, 1]` of the values becomes black to white.
    pub fn to_bytes(&self, values: &[f32]) -> Vec<u8> {
        values.iter().map(|v| (v * 255.0).round().clamp(0.0, 255.0) as u8).collect()
    }
}

/// What becomes of missing cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gaps {
    /// They are an error.
    Refused,
    /// They become NaN.
    Kept,
}

/// The array that holds pictures, if one does.
pub(super) fn picture_array(data: &Data) -> Result<Option<(&String, &Array)>> {
    let mut found = data.arrays.iter().filter(|(_, a)| a.shape.len() > 2).map(|(n, a)| (n, a));
    let first = found.next();
    match (first, found.next()) {
        (Some((a, _)), Some((b, _))) => Err(Error::data(
            format!("{} has two arrays of pictures, `{a}` and `{b}`", data.source),
            "leave one out with --drop",
        )),
        (first, _) => Ok(first),
    }
}

/// The layout of an array of pictures, and the shape `[C, H, W]` of one.
pub(super) fn layout(name: &str, shape: &[usize]) -> Result<(Layout, [usize; 3])> {
    let is_colour = |c: usize| matches!(c, 1 | 3 | 4);
    match *shape {
        [_, h, w] => Ok((Layout::Grey, [1, h, w])),
        // Where both ends could be the channels, it is the smaller one.
        [_, c, h, w] if is_colour(c) && !(is_colour(w) && w < c) => Ok((Layout::ChannelsFirst, [c, h, w])),
        [_, h, w, c] if is_colour(c) => Ok((Layout::ChannelsLast, [c, h, w])),
        _ => Err(Error::data(
            format!("array `{name}` has the shape {shape:?}"),
            "pictures are [N, H, W], [N, C, H, W] or [N, H, W, C] with 1, 3 or 4 channels",
        )),
    }
}

fn channels_first(values: Vec<f64>, layout: Layout, &[c, h, w]: &[usize; 3]) -> Vec<f64> {
    if layout != Layout::ChannelsLast || c == 1 {
        return values;
    }
    let (size, area) = (c * h * w, h * w);
    let at = |i: usize| (i / size) * size + (i % area) * c + (i % size) / area;
    (0..values.len()).map(|i| values[at(i)]).collect()
}

fn said(shape: &[usize]) -> String {
    match shape {
        [1, h, w] => format!("{h} x {w}, grey"),
        [c, h, w] => format!("{h} x {w} with {c} channels"),
        other => format!("{other:?}"),
    }
}

/// The cells of these columns, row-major.
fn table(data: &Data, names: &[String], gaps: Gaps) -> Result<Vec<f64>> {
    let rows = data.rows();
    let mut values = vec![0.0; rows * names.len()];
    for (d, name) in names.iter().enumerate() {
        let cells = numbers(name, find_input(data, name)?.as_ref(), gaps)?;
        if cells.len() != rows {
            return Err(Error::data(
                format!("array `{name}` has {} rows, others have {rows}", cells.len()),
                "give arrays of one common number of rows",
            ));
        }
        (0..rows).for_each(|i| values[i * names.len() + d] = cells[i]);
    }
    Ok(values)
}

fn numbers(name: &str, array: &Array, gaps: Gaps) -> Result<Vec<f64>> {
    let values = array.to_f64().ok_or_else(|| {
        Error::data(
            format!("column `{name}` holds text"),
            format!("leave it out with --drop {name}, or name it with --target if it is a label"),
        )
    })?;
    let is_kept = |v: f64| v.is_nan() && gaps == Gaps::Kept;
    match values.iter().position(|v| !v.is_finite() && !is_kept(*v)) {
        None => Ok(values),
        Some(at) => {
            let row = at / (values.len() / array.rows().max(1)).max(1) + 1;
            Err(Error::data(
                format!("`{name}` has {} in row {row}", values[at]),
                "leave such rows out with --missing drop, or fill the cells",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_no_data_point_are_not_read_from_a_file() {
        let form = |shape: &[usize], names: usize, scale: &[f64]| Form {
            shape: shape.into(),
            source: Source::Columns { names: vec!["a".into(); names] },
            shift: vec![0.0],
            scale: scale.into(),
        };
        let read = |form: &Form| {
            let mut file = ModelFile::new("test");
            file.set("form", form);
            Form::load(&file, "form")
        };
        assert!(read(&form(&[2], 2, &[1.0, 2.0])).is_ok());
        for bad in [
            form(&[2], 3, &[1.0]),
            form(&[0], 0, &[1.0]),
            form(&[2], 2, &[0.0]),
            form(&[2], 2, &[1.0; 3]),
            form(&[usize::MAX, 2], 2, &[1.0]),
        ] {
            assert!(matches!(read(&bad), Err(Error::ModelFile { .. })), "{bad:?}");
        }
    }
}
