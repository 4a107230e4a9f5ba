//! Counts of several channels in bins, in one or several trials.

use elbo_core::{Array, Data, Error, FromData, Result, Values};
use serde::{Deserialize, Serialize};

/// Where the counts stand in the user's data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Layout {
    /// One array `[trials, bins, channels]`.
    Cube {
        /// Its name.
        name: String,
        /// Number of channels.
        channels: usize,
    },
    /// The columns of a table, one bin a row: a single trial.
    Columns(Vec<String>),
}

impl Layout {
    /// Number of channels.
    pub(super) fn channels(&self) -> usize {
        match self {
            Self::Cube { channels, .. } => *channels,
            Self::Columns(names) => names.len(),
        }
    }

    /// What a channel is called.
    pub fn channel_name(&self, channel: usize) -> String {
        match self {
            Self::Cube { .. } => (channel + 1).to_string(),
            Self::Columns(names) => names[channel].clone(),
        }
    }

    /// Numbers of the form of counts as the user's arrays.
    pub(super) fn arrays(&self, trials: &Trials, values: &[f64], like: &Data) -> Data {
        let arrays = match self {
            Self::Cube { name, channels } => {
                let shape = [trials.steps.len(), trials.steps[0], *channels];
                vec![(name.clone(), Array::new(&shape, values.to_vec()))]
            }
            Self::Columns(names) => like
                .arrays
                .iter()
                .filter_map(|(name, _)| names.iter().position(|n| n == name).map(|c| (name, c)))
                .map(|(name, c)| {
                    let column: Vec<f64> = values.iter().skip(c).step_by(names.len()).copied().collect();
                    (name.clone(), Array::new(&[column.len()], column))
                })
                .collect(),
        };
        Data { source: like.source.clone(), arrays, ..Data::default() }
    }
}

/// Counts in bins of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct Trials {
    /// All trials one after the other, each `[bins, channels]`.
    pub counts: Vec<f64>,
    /// Bins of each trial.
    pub steps: Vec<usize>,
    /// Number of channels.
    pub channels: usize,
    /// Where they came from.
    pub layout: Layout,
    /// Notes for the user.
    pub notes: Vec<String>,
}

impl Trials {
    /// The trials as slices, each `[bins, channels]`.
    pub fn each(&self) -> Vec<&[f64]> {
        let mut rest = &self.counts[..];
        self.steps
            .iter()
            .map(|steps| {
                let (head, tail) = rest.split_at(steps * self.channels);
                rest = tail;
                head
            })
            .collect()
    }

    /// The shape of one number a bin.
    pub(super) fn shape(&self) -> Vec<usize> {
        match self.layout {
            Layout::Cube { .. } => vec![self.steps.len(), self.steps[0]],
            Layout::Columns(_) => vec![self.steps[0]],
        }
    }

    /// Reads data of a known form.
    pub(super) fn of_layout(data: &Data, layout: &Layout) -> Result<Self> {
        match layout {
            Layout::Cube { name, channels } => {
                let out = cube(name, data.get(name)?)?;
                if out.channels == *channels {
                    return Ok(out);
                }
                Err(Error::data(
                    format!("`{name}` has {} channels, the model {channels}", out.channels),
                    "give the channels that the model was fitted to",
                ))
            }
            Layout::Columns(names) => columns(data, names.clone()),
        }
    }
}

impl FromData for Trials {
    const NEEDS: &'static str =
        "counts: a table with one bin a row and one channel a column, or an array [trials, bins, channels]";

    fn from_data(data: &Data) -> Result<Self> {
        let out = match data.arrays.iter().find(|(_, a)| a.shape.len() == 3) {
            Some((name, array)) => cube(name, array)?,
            None => {
                let mut names: Vec<String> = data
                    .arrays
                    .iter()
                    .filter(|(n, _)| Some(n) != data.target.as_ref())
                    .map(|(n, _)| n.clone())
                    .collect();
                if let [(name, array)] = &data.arrays[..]
                    && array.shape.len() == 2
                {
                    // A matrix alone is one trial.
                    let mut lifted = array.clone();
                    lifted.shape.insert(0, 1);
                    cube(name, &lifted)?
                } else {
                    names.sort_unstable();
                    columns(data, names)?
                }
            }
        };
        if out.steps[0] < 3 {
            return Err(Error::data(
                format!("trials have {} bins", out.steps[0]),
                "give at least 3 bins; rows are bins, columns are channels",
            ));
        }
        Ok(out)
    }
}

fn cube(name: &str, array: &Array) -> Result<Trials> {
    let values = array.to_f64().filter(|_| (2..=3).contains(&array.shape.len()));
    let (Some(values), true) = (values, array.shape.iter().all(|s| *s > 0)) else {
        return Err(Error::data(
            format!("`{name}` is not an array of counts, [trials, bins, channels]"),
            "give an array of numbers with three axes of at least one entry",
        ));
    };
    let shape = if array.shape.len() == 2 { vec![1, array.shape[0], array.shape[1]] } else { array.shape.clone() };
    let place =
        |i: usize| format!("`{name}`, trial {}, bin {}", i / shape[2] / shape[1] + 1, i / shape[2] % shape[1] + 1);
    check(&values, place)?;
    let layout = Layout::Cube { name: name.into(), channels: shape[2] };
    Ok(Trials { counts: values, steps: vec![shape[1]; shape[0]], channels: shape[2], layout, notes: vec![] })
}

fn columns(data: &Data, names: Vec<String>) -> Result<Trials> {
    if names.is_empty() {
        return Err(Error::data("there are no columns of counts", Trials::NEEDS));
    }
    let mut parts = vec![];
    for name in &names {
        let array = data.get(name)?;
        let values = match &array.values {
            Values::Text { .. } => None,
            _ if array.shape.len() != 1 => None,
            _ => array.to_f64(),
        };
        let values = values.ok_or_else(|| {
            Error::data(
                format!("column `{name}` does not hold one number a row"),
                "leave it out with --drop, or mend it",
            )
        })?;
        check(&values, |i| format!("column `{name}`, row {}", i + 1))?;
        parts.push(values);
    }
    let steps = parts[0].len();
    if let Some(i) = parts.iter().position(|p: &Vec<f64>| p.len() != steps) {
        return Err(Error::data(
            format!("column `{}` has {} rows, `{}` has {steps}", names[i], parts[i].len(), names[0]),
            "give every channel one count a bin",
        ));
    }
    if steps == 0 {
        return Err(Error::data("the table has no rows", "give one row a bin"));
    }
    let counts = (0..steps).flat_map(|t| parts.iter().map(move |p| p[t])).collect();
    Ok(Trials { counts, steps: vec![steps], channels: names.len(), layout: Layout::Columns(names), notes: vec![] })
}

fn check(values: &[f64], place: impl Fn(usize) -> String) -> Result<()> {
    match values.iter().position(|v| !(v.is_finite() && *v >= 0.0 && v.fract() == 0.0)) {
        Some(i) => Err(Error::data(
            format!("{} holds {}, which is not a count", place(i), values[i]),
            "counts are whole numbers from zero on; bin the events first",
        )),
        None => Ok(()),
    }
}
