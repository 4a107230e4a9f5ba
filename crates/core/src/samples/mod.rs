//! Data points of one shape, as generative models need them: pictures, or rows of numbers.

mod form;

pub use form::{Form, Layout, Source};

use crate::columns::{missing, sort_levels};
use crate::data::{Data, Values};
use crate::error::{Error, Result};
use crate::inputs::FromData;
use form::{Gaps, layout, picture_array};

/// Data points of one shape, without inputs and outputs: pictures `[C, H, W]`, or rows `[D]` of a table of numbers.
///
/// Bytes of pictures become numbers in `[0, 1]`; so do pixels that stand in the columns of a table, by the largest value that
/// such pixels have (255, or what the data show). Other numbers keep their unit until [`Samples::standardise`] is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The numbers, `[N, ...shape]`, row-major.
    pub values: Vec<f32>,
    /// Their shape, and the way from and to the user's arrays.
    pub form: Form,
    /// A class for each point, where a target column was named. Not for fitting: for pictures, and for scores.
    pub labels: Option<Labels>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// [`Samples`] some of whose numbers may be missing: they are NaN in `values`.
#[derive(Debug, Clone, PartialEq)]
pub struct Incomplete(pub Samples);

/// A class for each point.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// Class names, sorted.
    pub classes: Vec<String>,
    /// Index into `classes`, `[N]`.
    pub codes: Vec<usize>,
}

impl Labels {
    /// The classes of these points, in this order.
    pub fn gather(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().map(|i| self.codes[*i]).collect()
    }
}

impl Samples {
    /// Number of data points.
    pub fn len(&self) -> usize {
        self.values.len() / self.form.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// One data point.
    pub fn row(&self, i: usize) -> &[f32] {
        let size = self.form.size();
        &self.values[i * size..(i + 1) * size]
    }

    /// The numbers of these data points, in this order.
    pub fn gather(&self, rows: &[usize]) -> Vec<f32> {
        rows.iter().flat_map(|i| self.row(*i)).copied().collect()
    }

    /// So many data points, spread evenly over all of them; all where there are fewer. In ascending order.
    pub fn spread(&self, count: usize) -> Vec<usize> {
        let rows = self.len();
        let count = count.min(rows);
        (0..count).map(|i| i * rows / count).collect()
    }

    /// Gives every number mean zero and variance one over the data points that have it; one that does not vary is only centred.
    pub fn standardise(&mut self) {
        let size = self.form.size();
        let mut count = vec![0.0; size];
        let mut shift = vec![0.0; size];
        let mut scale = vec![0.0; size];
        let present = || {
            let rows = self.values.chunks_exact(size);
            rows.flat_map(|row| row.iter().map(|v| f64::from(*v)).enumerate().filter(|(_, v)| !v.is_nan()))
        };
        present().for_each(|(d, _)| count[d] += 1.0);
        present().for_each(|(d, v)| shift[d] += v / count[d]);
        present().for_each(|(d, v)| scale[d] += (v - shift[d]).powi(2) / count[d]);
        scale.iter_mut().for_each(|s| *s = if *s > 0.0 { s.sqrt() } else { 1.0 });
        for row in self.values.chunks_exact_mut(size) {
            let each = row.iter_mut().zip(shift.iter().zip(&scale));
            each.for_each(|(v, (mean, sd))| *v = ((f64::from(*v) - mean) / sd) as f32);
        }
        // In the user's unit: v = (raw - shift0) / scale0, then (v - mean) / sd.
        let form = &self.form;
        let shift = (0..size).map(|d| form.shift_of(d) + form.scale_of(d) * shift[d]).collect();
        let scale = (0..size).map(|d| form.scale_of(d) * scale[d]).collect();
        (self.form.shift, self.form.scale) = (shift, scale);
    }
}

impl FromData for Samples {
    const NEEDS: &'static str = "pictures of one size, or a table of numbers";

    fn from_data(data: &Data) -> Result<Self> {
        Self::read(data, Gaps::Refused)
    }
}

impl FromData for Incomplete {
    const NEEDS: &'static str = Samples::NEEDS;
    const TAKES_MISSING: bool = true;

    fn from_data(data: &Data) -> Result<Self> {
        let samples = Samples::read(data, Gaps::Kept)?;
        let size = samples.form.size();
        let is_empty = |d: &usize| samples.values.iter().skip(*d).step_by(size).all(|v| v.is_nan());
        // Margins of pictures may never be seen.
        let empty = if samples.form.picture().is_some() { None } else { (0..size).find(is_empty) };
        match empty {
            None => Ok(Self(samples)),
            Some(d) => Err(Error::data(
                format!("column `{0}` has no value in any row", samples.form.name_of(d)),
                format!("leave it out with --drop {0}, or check how the file was written", samples.form.name_of(d)),
            )),
        }
    }
}

impl Samples {
    fn read(data: &Data, gaps: Gaps) -> Result<Self> {
        let rows = data.rows();
        if rows == 0 {
            return Err(Error::data(format!("{} has no rows", data.source), "give at least two data points"));
        }
        let mut notes = vec![];
        let mut form = match picture_array(data)? {
            Some((name, array)) => {
                let (layout, shape) = layout(name, &array.shape)?;
                let is_bytes = matches!(array.values, Values::U8(_));
                let source = Source::Pictures { array: name.clone(), layout, is_bytes };
                Form { shape: shape.into(), source, shift: vec![0.0], scale: vec![1.0] }
            }
            None => {
                let names = column_names(data)?;
                let shape = pixels(&names).map_or_else(|| vec![names.len()], |side| vec![1, side, side]);
                Form { shape, source: Source::Columns { names }, shift: vec![0.0], scale: vec![1.0] }
            }
        };
        let mut values = form.scaled(&form.raw(data, gaps)?);
        if form.picture().is_some() {
            let (low, high) = values.iter().fold((f32::INFINITY, 0.0f32), |(a, b), v| (a.min(*v), b.max(*v)));
            let is_bytes = matches!(form.source, Source::Pictures { is_bytes: true, .. });
            let most = match high {
                _ if is_bytes || (16.0 < high && high <= 255.0) => 255.0,
                _ if low < 0.0 || high <= 1.0 => 1.0,
                high => f64::from(high),
            };
            if most != 1.0 {
                notes.push(format!("the values of pixels are divided by {most}"));
                form.scale = vec![most];
                values.iter_mut().for_each(|v| *v /= most as f32);
            }
        }
        let count = values.len() / form.size();
        let labels = data.target.as_ref().map(|name| labels(data, name, count)).transpose()?;
        Ok(Self { values, form, labels, notes })
    }
}

fn labels(data: &Data, name: &str, rows: usize) -> Result<Labels> {
    let named = data.get(name)?.class_names(name)?.into_iter().enumerate();
    let found: Vec<String> = named.map(|(row, l)| l.ok_or_else(|| missing(name, row))).collect::<Result<_>>()?;
    if found.len() != rows {
        return Err(Error::data(
            format!("there are {} labels `{name}` for {rows} data points", found.len()),
            "give one label a data point, or leave --target out",
        ));
    }
    let mut classes = found.clone();
    sort_levels(&mut classes);
    let code = |l: &String| classes.iter().position(|c| c == l).expect("every label is a class");
    let codes = found.iter().map(code).collect();
    Ok(Labels { classes, codes })
}

/// Names of the numbers of a table, besides the target.
fn column_names(data: &Data) -> Result<Vec<String>> {
    let mut names = vec![];
    for (name, array) in data.arrays.iter().filter(|(name, _)| data.target.as_ref() != Some(name)) {
        match array.shape.len() {
            1 => names.push(name.clone()),
            _ => names.extend((0..array.shape[1]).map(|d| format!("{name}[{d}]"))),
        }
    }
    if names.is_empty() {
        return Err(Error::data("no column is left besides the target", "give at least one column of numbers"));
    }
    Ok(names)
}

/// The side of the square that these columns are the pixels of: `pixel1`, `pixel2`, ... or `1x1`, `1x2`, ...
fn pixels(names: &[String]) -> Option<usize> {
    let side = names.len().isqrt();
    let is_pixel = |name: &String| {
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let numbered = ["pixel_", "pixel", "px"].iter().any(|p| name.strip_prefix(p).is_some_and(digits));
        numbered || name.split_once('x').is_some_and(|(a, b)| digits(a) && digits(b))
    };
    (side >= 4 && side * side == names.len() && names.iter().all(is_pixel)).then_some(side)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Array;

    fn data(name: &str, array: Array) -> Data {
        Data { source: "test".into(), arrays: vec![(name.into(), array)], ..Data::default() }
    }

    #[test]
    fn bytes_in_any_layout_come_back_as_they_were() {
        for shape in
            [vec![2, 3, 4], vec![2, 3, 4, 5], vec![2, 4, 5, 3], vec![2, 4, 5, 1], vec![2, 4, 4, 1], vec![2, 3, 4, 1]]
        {
            let count: usize = shape.iter().product();
            let bytes: Vec<u8> = (0..count).map(|i| (i * 7 % 256) as u8).collect();
            let given = data("image", Array { shape: shape.clone(), values: Values::U8(bytes) });
            let samples = Samples::from_data(&given).unwrap();
            assert_eq!(samples.len(), 2, "{shape:?}");
            assert!(samples.values.iter().all(|v| (0.0..=1.0).contains(v)));
            assert_eq!(samples.form.decode(&samples.values).arrays, given.arrays, "{shape:?}");
        }
        assert_eq!(layout("image", &[1, 4, 4, 1]).unwrap(), (Layout::ChannelsLast, [1, 4, 4]));
        assert_eq!(layout("image", &[1, 3, 4, 4]).unwrap(), (Layout::ChannelsFirst, [3, 4, 4]));
    }

    #[test]
    fn channels_last_become_channels_first() {
        let bytes = (0..12).collect();
        let given = data("x", Array { shape: vec![1, 2, 2, 3], values: Values::U8(bytes) });
        let samples = Samples::from_data(&given).unwrap();
        assert_eq!(samples.form.shape, [3, 2, 2]);
        let expected: Vec<f32> = [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11].map(|v| v as f32 / 255.0).into();
        assert_eq!(samples.values, expected);
    }

    #[test]
    fn a_table_keeps_its_unit_and_standardises_on_request() {
        let mut given = data("a", Array::new(&[4], vec![1.0, 2.0, 3.0, 6.0]));
        given.arrays.push(("m".into(), Array::new(&[4, 2], vec![5.0, 0.0, 5.0, 1.0, 5.0, 2.0, 5.0, 3.0])));
        let mut samples = Samples::from_data(&given).unwrap();
        assert_eq!(samples.form.shape, [3]);
        assert_eq!(samples.row(1), [2.0, 5.0, 1.0]);
        samples.standardise();
        let mean: f32 = samples.values.chunks(3).map(|r| r[0]).sum();
        assert!(mean.abs() < 1e-6);
        assert_eq!(samples.values[1], 0.0, "a constant column is centred");
        let back = samples.form.decode(&samples.values);
        for ((name, array), expected) in back.arrays.iter().zip([[1.0, 2.0, 3.0, 6.0], [5.0; 4], [0.0, 1.0, 2.0, 3.0]])
        {
            let values = array.to_f64().unwrap();
            assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{name}: {values:?}");
        }
        let again = samples.form.encode(&given).unwrap();
        assert!(again.iter().zip(&samples.values).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn missing_cells_are_kept_on_request_and_filled_without_touching_the_others() {
        let mut given = data("a", Array::new(&[4], vec![1.1, f64::NAN, 3.3, 5.5]));
        given.arrays.push(("b".into(), Array::new(&[4], vec![f64::NAN, 2.0, 4.0, f64::NAN])));
        assert!(Samples::from_data(&given).is_err());
        let mut samples = Incomplete::from_data(&given).unwrap().0;
        assert!(samples.row(0)[1].is_nan() && samples.row(1)[0].is_nan());
        samples.standardise();
        // Means and variances are those of the cells that are there.
        assert!((samples.form.shift[0] - 3.3).abs() < 1e-6 && samples.form.shift[1] == 3.0);
        assert_eq!((samples.row(1)[1], samples.row(2)[1]), (-1.0, 1.0));
        assert!(samples.form.encode(&given).is_err());
        let again = samples.form.encode_incomplete(&given).unwrap();
        assert!(
            again
                .iter()
                .zip(&samples.values)
                .all(|(a, b)| a == b || (a - b).abs() < 1e-6 || (a.is_nan() && b.is_nan()))
        );
        let filled = samples.form.fill(&given, &[0.0; 8]).unwrap();
        assert_eq!(filled.arrays[1].1.to_f64().unwrap(), [3.0, 2.0, 4.0, 3.0]);
        let a = filled.arrays[0].1.to_f64().unwrap();
        assert_eq!([a[0], a[2], a[3]], [1.1, 3.3, 5.5], "cells that are there keep every digit");
    }

    #[test]
    fn a_column_without_any_value_and_infinite_cells_are_refused_among_missing_ones() {
        let mut given = data("a", Array::new(&[2], vec![1.0, f64::NAN]));
        given.arrays.push(("b".into(), Array::new(&[2], vec![f64::NAN, f64::NAN])));
        let error = Incomplete::from_data(&given).unwrap_err();
        assert!(error.to_string().contains("`b` has no value in any row"), "{error}");
        let error = Incomplete::from_data(&data("a", Array::new(&[2], vec![f64::NAN, f64::INFINITY]))).unwrap_err();
        assert!(error.to_string().contains("`a` has inf in row 2"), "{error}");
    }

    #[test]
    fn columns_named_as_pixels_are_a_picture_and_the_target_labels_it() {
        let column = |v: f64| Array::new(&[3], vec![v, 16.0, 0.0]);
        let mut arrays: Vec<(String, Array)> = (0..16).map(|i| (format!("pixel{i}"), column(f64::from(i)))).collect();
        arrays.push(("digit".into(), Array::new(&[3], vec![10.0, 9.0, 9.0])));
        let given = Data { arrays, target: Some("digit".into()), ..Data::default() };
        let samples = Samples::from_data(&given).unwrap();
        assert_eq!(samples.form.picture(), Some([1, 4, 4]));
        assert_eq!((samples.row(0)[8], samples.row(1)[0]), (0.5, 1.0));
        let labels = samples.labels.unwrap();
        assert_eq!((labels.classes, labels.codes), (vec!["9".to_owned(), "10".to_owned()], vec![1, 0, 0]));
    }

    #[test]
    fn every_data_point_needs_its_label() {
        let mut given = data("image", Array { shape: vec![3, 2, 2], values: Values::U8(vec![0; 12]) });
        given.arrays.push(("label".into(), Array::new(&[2], vec![0.0, 1.0])));
        given.target = Some("label".into());
        let error = Samples::from_data(&given).unwrap_err();
        assert!(error.to_string().contains("2 labels `label` for 3 data points"), "{error}");
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_a_remedy() {
        let text = Array::column(Values::Text { levels: vec!["a".into()], codes: vec![Some(0)] });
        let pictures = |shape: &[usize]| Array::new(shape, vec![0.0; shape.iter().product()]);
        let cases = [
            data("x", Array::new(&[0], vec![])),
            data("x", Array::new(&[2], vec![1.0, f64::NAN])),
            data("x", Array::new(&[2], vec![1.0, f64::INFINITY])),
            data("x", text),
            data("x", pictures(&[2, 5, 6, 7])),
            data("x", pictures(&[2, 2, 2, 2, 2])),
            Data { target: Some("x".into()), ..data("x", Array::new(&[2], vec![1.0, 2.0])) },
        ];
        for case in cases {
            let error = Samples::from_data(&case).unwrap_err();
            assert!(!error.remedy().is_empty(), "{error}");
        }
        let samples = Samples::from_data(&data("x", pictures(&[2, 4, 4]))).unwrap();
        let error = samples.form.encode(&data("x", pictures(&[2, 4, 5]))).unwrap_err();
        assert!(error.to_string().contains("4 x 5, grey"), "{error}");
    }
}
