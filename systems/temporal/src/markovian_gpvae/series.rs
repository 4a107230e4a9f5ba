//! Sequences of frames: rows of a table, or arrays of vectors or pictures.

use crate::names::named;
use elbo_core::{Array, Data, Error, FromData, Result, Values};
use serde::{Deserialize, Serialize};

/// Names under which times, sequence, the presence of frames, and stations are looked for.
const TIME: [&str; 2] = ["time", "t"];
const SEQUENCE: [&str; 1] = ["sequence"];
const OBSERVED: [&str; 2] = ["observed", "mask"];
const STATIONS: [&str; 1] = ["stations"];

/// Most stations: the cost grows with their third power.
const MOST_STATIONS: usize = 200;

/// One sequence in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// Strictly increasing, `[T]`.
    pub times: Vec<f64>,
    /// Frames in the user's unit, `[T, D]`; those that are missing hold anything.
    pub frames: Vec<f64>,
    /// Which frames are there, `[T]`.
    pub observed: Vec<bool>,
}

/// How the frames stand in the user's data. Part of a model's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Layout {
    /// One row a frame, one column an element.
    Table {
        /// Arrays and how many columns each has, zero for a plain column `[N]`.
        columns: Vec<(String, usize)>,
    },
    /// One array `[S, T, ...]`.
    Array {
        /// Its name.
        name: String,
        /// Shape of a frame.
        shape: Vec<usize>,
        /// Whether it holds bytes, whose full scale is 255.
        is_bytes: bool,
        /// Places of stations, `[R, d]`, of which the frames `[R]` or `[R, D]` have a row each; empty without stations.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stations: Vec<Vec<f64>>,
    },
}

impl Layout {
    /// Numbers of a frame, `D`.
    pub fn size(&self) -> usize {
        match self {
            Self::Table { columns } => columns.iter().map(|(_, width)| (*width).max(1)).sum(),
            Self::Array { shape, .. } => shape.iter().product(),
        }
    }

    /// Whether a frame has so many numbers, and stations have places; for layouts from files, which may claim anything.
    pub fn is_of(&self, size: usize) -> bool {
        match self {
            Self::Table { columns } => {
                columns.iter().try_fold(0usize, |sum, (_, width)| sum.checked_add((*width).max(1))) == Some(size)
            }
            Self::Array { shape, stations, .. } => {
                let width = stations.first().map_or(0, Vec::len);
                let have_places = stations.len() <= MOST_STATIONS
                    && (stations.is_empty() || shape.first() == Some(&stations.len()))
                    && stations.iter().all(|place| place.len() == width && place.iter().all(|v| v.is_finite()));
                have_places && shape.iter().try_fold(1usize, |product, side| product.checked_mul(*side)) == Some(size)
            }
        }
    }

    /// Places of the stations; empty without.
    pub fn stations(&self) -> &[Vec<f64>] {
        match self {
            Self::Table { .. } => &[],
            Self::Array { stations, .. } => stations,
        }
    }

    /// Shape of a frame for a network: `[C, H, W]` of a picture, else `[D]`, which at stations is what each of them sees.
    pub fn frame(&self) -> Vec<usize> {
        match self {
            Self::Array { shape, stations, .. } if !stations.is_empty() => vec![shape[1..].iter().product()],
            Self::Array { shape, .. } if shape.len() == 2 => vec![1, shape[0], shape[1]],
            Self::Array { shape, .. } if shape.len() == 3 => shape.clone(),
            _ => vec![self.size()],
        }
    }

    /// Whether a frame is a picture.
    pub fn is_picture(&self) -> bool {
        self.frame().len() == 3
    }

    /// A name for each number of a frame.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Table { columns } => columns
                .iter()
                .flat_map(|(name, width)| match width {
                    0 => vec![name.clone()],
                    width => (0..*width).map(|d| format!("{name}[{d}]")).collect(),
                })
                .collect(),
            Self::Array { name, .. } => (0..self.size()).map(|d| format!("{name}[{d}]")).collect(),
        }
    }
}

/// Where each row of the user's data went: sequence and step.
pub type Places = Vec<(usize, usize)>;

/// Sequences, and the way back to the user's rows.
///
/// A table has one row a frame: columns `time` and `sequence` are optional, `observed` (0 or 1) says which frames are there, every other column is an
/// element. An array of three or more axes `[S, T, ...]` holds vectors or pictures, beside it `time` `[T]` or `[S, T]` and `mask` `[S, T]`. With an array
/// `stations` `[R, d]` it holds numbers or vectors at these places, `[S, T, R]` or `[S, T, R, D]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequences {
    /// The sequences.
    pub sequences: Vec<Sequence>,
    /// How frames stand in the data.
    pub layout: Layout,
    /// For each row of the data, in order, or for each frame `[S, T]` of an array.
    pub places: Places,
    /// Notes for the user.
    pub notes: Vec<String>,
}

impl FromData for Sequences {
    const NEEDS: &'static str =
        "a table of numbers with one row a time, or arrays [sequences, times, ...] of vectors or pictures";

    fn from_data(data: &Data) -> Result<Self> {
        let is_frames = |(name, array): &&(String, Array)| array.shape.len() >= 3 && !named(name, &OBSERVED);
        match data.arrays.iter().find(is_frames) {
            Some((name, array)) => Self::from_array(data, name, array, &[]),
            None => Self::from_table(data, None),
        }
    }
}

fn numbers(name: &str, array: &Array) -> Result<Vec<f64>> {
    array.to_f64().ok_or_else(|| {
        Error::data(
            format!("column `{name}` holds text"),
            format!("frames are numbers; leave it out with --drop {name}, or name a column of sequences `sequence`"),
        )
    })
}

fn flags(name: &str, array: &Array) -> Result<Vec<bool>> {
    let flag = |(row, v): (usize, f64)| match v {
        1.0 => Ok(true),
        0.0 => Ok(false),
        v => Err(Error::data(
            format!("`{name}` has {v} in row {}", row + 1),
            "write 1 for a frame that is there and 0 for one that is missing",
        )),
    };
    numbers(name, array)?.into_iter().enumerate().map(flag).collect()
}

impl Sequences {
    /// The same form of data as a fitted model's.
    ///
    /// # Errors
    /// [`Error::Data`] when a column or the array is absent or of another shape.
    pub fn like(data: &Data, layout: &Layout) -> Result<Self> {
        let read = match layout {
            Layout::Table { columns } => Self::from_table(data, Some(columns))?,
            Layout::Array { name, stations, .. } => Self::from_array(data, name, data.get(name)?, stations)?,
        };
        if read.layout.stations() != layout.stations() {
            return Err(Error::data(
                format!("the stations of {} are not at the places of those of the model", data.source),
                "leave out the array `stations`, or fit a model to these",
            ));
        }
        let same = match (&read.layout, layout) {
            (Layout::Array { shape: a, is_bytes: x, .. }, Layout::Array { shape: b, is_bytes: y, .. }) => {
                a == b && x == y
            }
            (a, b) => a == b,
        };
        if same {
            return Ok(read);
        }
        Err(Error::data(
            format!("the frames of {} are {:?}, those of the model {:?}", data.source, read.layout, layout),
            "give data of the form that the model was fitted to",
        ))
    }

    fn from_table(data: &Data, wanted: Option<&[(String, usize)]>) -> Result<Self> {
        let rows = data.rows();
        let mut notes = vec![];
        let (mut times, mut owners, mut observed) = (None, None, None);
        let mut columns: Vec<(String, usize, Vec<f64>)> = vec![];
        for (name, array) in &data.arrays {
            if array.rows() != rows {
                return Err(Error::data(
                    format!("array `{name}` has {} rows, others have {rows}", array.rows()),
                    "give every column one number a time",
                ));
            }
            if named(name, &TIME) {
                times = Some(numbers(name, array)?);
            } else if named(name, &SEQUENCE) {
                owners = Some(array.class_names(name)?);
            } else if named(name, &OBSERVED) {
                observed = Some(flags(name, array)?);
            } else if wanted.is_none_or(|w| w.iter().any(|(known, _)| known == name)) {
                let width = if array.shape.len() == 2 { array.shape[1] } else { 0 };
                columns.push((name.clone(), width, numbers(name, array)?));
            }
        }
        if let Some(wanted) = wanted {
            let mut sorted = vec![];
            for (name, width) in wanted {
                let found = columns.iter().find(|(n, w, _)| n == name && w == width).cloned().ok_or_else(|| {
                    Error::data(
                        format!("column `{name}`, which the model was fitted with, is not in {}", data.source),
                        "add the column; rows that are to be predicted have 0 in `observed` and any number here",
                    )
                })?;
                sorted.push(found);
            }
            columns = sorted;
        }
        if rows == 0 || columns.is_empty() {
            return Err(Error::data(
                format!("{} has no frames", data.source),
                "give a table with one row a time and a column for each number of a frame",
            ));
        }
        let layout = Layout::Table { columns: columns.iter().map(|(n, w, _)| (n.clone(), *w)).collect() };
        let size = layout.size();
        let mut frames = Vec::with_capacity(rows * size);
        for row in 0..rows {
            for (_, width, values) in &columns {
                let width = (*width).max(1);
                frames.extend_from_slice(&values[row * width..(row + 1) * width]);
            }
        }
        if times.is_none() {
            notes.push("there is no column `time`: the rows are taken as equally spaced".into());
        }
        let mut known: Vec<String> = vec![];
        let mut owner = vec![0; rows];
        for (row, name) in owners.into_iter().flatten().enumerate() {
            let name = name.ok_or_else(|| {
                Error::data(format!("column `sequence` is empty in row {}", row + 1), "name the sequence of every row")
            })?;
            owner[row] = known.iter().position(|k| *k == name).unwrap_or_else(|| {
                known.push(name);
                known.len() - 1
            });
        }
        let count = known.len().max(1);
        let times = times.unwrap_or_else(|| {
            let mut next = vec![0.0; count];
            let step = |o: &usize| {
                next[*o] += 1.0;
                next[*o] - 1.0
            };
            owner.iter().map(step).collect()
        });
        let observed = observed.unwrap_or_else(|| vec![true; rows]);
        let mut rows_of: Vec<Vec<usize>> = vec![vec![]; count];
        owner.iter().enumerate().for_each(|(row, o)| rows_of[*o].push(row));
        let mut places = vec![(0, 0); rows];
        let mut sequences = vec![];
        for (s, rows) in rows_of.iter().enumerate() {
            sequences.push(order(rows, &times, &frames, &observed, size, s, &mut places, &mut notes)?);
        }
        Ok(Self { sequences, layout, places, notes })
    }

    /// `known` are the places of stations where the data do not say.
    fn from_array(data: &Data, name: &str, array: &Array, known: &[Vec<f64>]) -> Result<Self> {
        let mut notes = vec![];
        let [count, steps] = [0_usize, 1].map(|axis| array.shape.get(axis).copied().unwrap_or(0));
        let shape = array.shape.get(2..).unwrap_or_default().to_vec();
        let stations = match data.arrays.iter().find(|(other, _)| named(other, &STATIONS)) {
            Some((other, places)) => places_of(other, places, &shape)?,
            None => known.to_vec(),
        };
        let is_bytes = matches!(array.values, Values::U8(_));
        let layout = Layout::Array { name: name.into(), shape, is_bytes, stations };
        let size = layout.size();
        if count * steps * size == 0 {
            return Err(Error::data(format!("array `{name}` has no frames"), "give an array [sequences, times, ...]"));
        }
        let mut frames = numbers(name, array)?;
        if let Layout::Array { is_bytes: true, .. } = layout {
            frames.iter_mut().for_each(|v| *v /= 255.0);
        }
        let mut times: Option<Vec<f64>> = None;
        let mut observed = vec![true; count * steps];
        for (other, values) in &data.arrays {
            if named(other, &TIME) {
                let found = numbers(other, values)?;
                times = Some(match found.len() {
                    n if n == steps => found.repeat(count),
                    n if n == count * steps => found,
                    n => return Err(wrong_size(other, n, steps, count)),
                });
            } else if named(other, &OBSERVED) {
                let found = flags(other, values)?;
                if found.len() != count * steps {
                    return Err(wrong_size(other, found.len(), steps, count));
                }
                observed = found;
            }
        }
        if times.is_none() {
            notes.push("there is no array `time`: the frames are taken as equally spaced".into());
        }
        let times = times.unwrap_or_else(|| (0..steps).map(|k| k as f64).collect::<Vec<_>>().repeat(count));
        let mut places = vec![(0, 0); count * steps];
        let mut sequences = vec![];
        for s in 0..count {
            let rows: Vec<usize> = (s * steps..(s + 1) * steps).collect();
            sequences.push(order(&rows, &times, &frames, &observed, size, s, &mut places, &mut notes)?);
        }
        Ok(Self { sequences, layout, places, notes })
    }

    /// Takes frames with a number that is NaN as missing, where the user said so, and refuses them otherwise; refuses infinities.
    ///
    /// # Errors
    /// [`Error::Data`] naming the first such frame.
    pub fn settle_missing(&mut self, nan_is_missing: bool) -> Result<usize> {
        let size = self.layout.size();
        let names = self.layout.names();
        let mut missing = 0;
        for sequence in &mut self.sequences {
            for (k, frame) in sequence.frames.chunks_exact(size).enumerate() {
                if !sequence.observed[k] {
                    continue;
                }
                let Some(d) = frame.iter().position(|v| !v.is_finite()) else { continue };
                if nan_is_missing && frame.iter().all(|v| !v.is_infinite()) {
                    sequence.observed[k] = false;
                    missing += 1;
                    continue;
                }
                return Err(Error::data(
                    format!("`{}` is {} at time {}", names[d], frame[d], sequence.times[k]),
                    "fill the cell, mark the frame as missing with 0 in a column `observed`, or set nan_is_missing=true for NaN",
                ));
            }
        }
        Ok(missing)
    }
}

/// Places of stations, for frames of this shape.
fn places_of(name: &str, array: &Array, shape: &[usize]) -> Result<Vec<Vec<f64>>> {
    let values = numbers(name, array)?;
    let fits =
        array.shape.len() == 2 && array.shape[1] > 0 && (1..=2).contains(&shape.len()) && array.shape[0] == shape[0];
    if !fits || !(1..=MOST_STATIONS).contains(&array.shape[0]) {
        return Err(Error::data(
            format!("array `{name}` has the shape {:?} for frames of the shape {shape:?}", array.shape),
            format!(
                "give the coordinates of up to {MOST_STATIONS} stations, [R, d], and frames [sequences, times, R] or [sequences, times, R, D]"
            ),
        ));
    }
    if let Some(row) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::data(
            format!("the place of station {} is not finite", row / array.shape[1] + 1),
            "write its coordinates, or leave the station out",
        ));
    }
    Ok(values.chunks_exact(array.shape[1]).map(<[f64]>::to_vec).collect())
}

fn wrong_size(name: &str, found: usize, steps: usize, count: usize) -> Error {
    Error::data(
        format!("array `{name}` has {found} numbers for {count} sequences of {steps} frames"),
        "give one for each frame, or, for times, one for each step",
    )
}

/// Sorts rows by time and merges those of equal time: the mean of the observed ones.
fn order(
    rows: &[usize],
    times: &[f64],
    frames: &[f64],
    observed: &[bool],
    size: usize,
    s: usize,
    places: &mut [(usize, usize)],
    notes: &mut Vec<String>,
) -> Result<Sequence> {
    if let Some(row) = rows.iter().find(|r| !times[**r].is_finite()) {
        return Err(Error::data(format!("the time of row {} is {}", row + 1, times[*row]), "write its time"));
    }
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| times[*a].total_cmp(&times[*b]));
    let mut note = |text: &str| {
        if !notes.iter().any(|n| n == text) {
            notes.push(text.into());
        }
    };
    if sorted != rows {
        note("rows were not in order of time and are sorted");
    }
    let mut out = Sequence { times: vec![], frames: vec![], observed: vec![] };
    let mut merged = 0;
    for row in sorted {
        let frame = &frames[row * size..(row + 1) * size];
        let is_new = out.times.last().is_none_or(|t| *t != times[row]);
        if is_new {
            out.times.push(times[row]);
            out.frames.extend_from_slice(frame);
            out.observed.push(observed[row]);
            merged = usize::from(observed[row]);
        } else {
            note("frames of equal time are merged into their mean");
            let (k, at) = (out.observed.len() - 1, out.frames.len() - size);
            if observed[row] {
                let weight = 1.0 / (merged as f64 + 1.0);
                for (mean, v) in out.frames[at..].iter_mut().zip(frame) {
                    *mean = if merged == 0 { *v } else { *mean + (v - *mean) * weight };
                }
                out.observed[k] = true;
                merged += 1;
            }
        }
        places[row] = (s, out.times.len() - 1);
    }
    Ok(out)
}
