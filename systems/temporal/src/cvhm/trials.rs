//! Counts of several channels in bins, in one or several trials.

use crate::names::named;
use elbo_core::{Array, Data, Error, FromData, Result, Values};
use elbo_markov::Grid;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ops::Range;

/// Names of the array or column of the bins' times.
const TIME: [&str; 1] = ["time"];
/// Names of the column that tells trials apart.
const TRIAL: [&str; 1] = ["trial"];
/// Names of the array of known offsets.
const OFFSET: [&str; 1] = ["offset"];

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
    /// The columns of a table, one bin a row: a single trial, or those that a column `trial` tells apart.
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

/// Numbers of channels in bins.
#[derive(Debug, Clone, PartialEq)]
pub struct Trials {
    /// All trials one after the other, each `[bins, channels]`.
    pub counts: Vec<f64>,
    /// Bins of each trial.
    pub steps: Vec<usize>,
    /// Number of channels.
    pub channels: usize,
    /// Times of all bins, one trial after the other, where they are given; else bins are of equal width.
    pub times: Option<Vec<f64>>,
    /// What is known to be added to every log rate, as `counts`.
    pub offset: Option<Vec<f64>>,
    /// Where they came from.
    pub layout: Layout,
    /// Notes for the user.
    pub notes: Vec<String>,
}

impl Trials {
    /// Trials without times and offsets.
    pub fn plain(counts: Vec<f64>, steps: Vec<usize>, layout: Layout) -> Self {
        Self { channels: layout.channels(), counts, steps, times: None, offset: None, layout, notes: vec![] }
    }

    /// The bins of each trial, as ranges of all.
    fn ranges(&self) -> Vec<Range<usize>> {
        let mut first = 0;
        let range = |steps: &usize| {
            first += steps;
            first - steps..first
        };
        self.steps.iter().map(range).collect()
    }

    /// The offsets of each trial.
    pub(super) fn offsets(&self) -> Vec<Option<&[f64]>> {
        let n = self.channels;
        let own = |bins: Range<usize>| self.offset.as_ref().map(|offset| &offset[bins.start * n..bins.end * n]);
        self.ranges().into_iter().map(own).collect()
    }

    /// The times of each trial's bins; `width` apart where none are given.
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub(super) fn grids(&self, width: f64) -> Result<Vec<Grid>> {
        match &self.times {
            Some(times) => self.ranges().into_iter().map(|bins| Grid::new(&times[bins])).collect(),
            None => Ok(self.steps.iter().map(|steps| Grid::regular(0.0, width, *steps)).collect()),
        }
    }

    /// Where an entry of the counts stands in the user's data.
    pub(super) fn place(&self, entry: usize) -> String {
        let (bin, channel) = (entry / self.channels, entry % self.channels);
        match &self.layout {
            Layout::Cube { name, .. } => {
                format!("`{name}`, trial {}, bin {}", bin / self.steps[0] + 1, bin % self.steps[0] + 1)
            }
            Layout::Columns(names) => format!("column `{}`, row {}", names[channel], bin + 1),
        }
    }

    /// The bins of a range, as trials of these lengths.
    fn part(&self, bins: Range<usize>, steps: Vec<usize>) -> Self {
        let entries = bins.start * self.channels..bins.end * self.channels;
        Self {
            counts: self.counts[entries.clone()].to_vec(),
            times: self.times.as_ref().map(|times| times[bins].to_vec()),
            offset: self.offset.as_ref().map(|offset| offset[entries].to_vec()),
            steps,
            channels: self.channels,
            layout: self.layout.clone(),
            notes: self.notes.clone(),
        }
    }

    /// The first trial.
    pub(super) fn first(&self) -> Self {
        self.part(0..self.steps[0], vec![self.steps[0]])
    }

    /// All but the last trials, and these, a share of all; of a single trial, its bins.
    ///
    /// # Errors
    /// [`Error::Data`] where a part would have fewer than three bins.
    pub(super) fn split(&self, share: f64) -> Result<(Self, Self)> {
        let count = self.steps.len();
        let total: usize = self.steps.iter().sum();
        let (first, second) = if count > 1 {
            let held = ((share * count as f64).round() as usize).clamp(1, count - 1);
            (self.steps[..count - held].to_vec(), self.steps[count - held..].to_vec())
        } else {
            let held = (share * total as f64).round() as usize;
            (vec![total - held], vec![held])
        };
        if first.iter().chain(&second).any(|steps| *steps < LEAST_STEPS) {
            return Err(Error::data(
                format!("a part of {share} of {total} bins is too short"),
                "set `held_out` to 0, or give more trials or bins",
            ));
        }
        let cut: usize = first.iter().sum();
        Ok((self.part(0..cut, first), self.part(cut..total, second)))
    }

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
            Layout::Columns(_) => vec![self.steps.iter().sum()],
        }
    }

    /// Reads data of a known form.
    pub(super) fn of_layout(data: &Data, layout: &Layout) -> Result<Self> {
        match layout {
            Layout::Cube { name, channels } => {
                let out = cube(data, name, data.get(name)?)?;
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
        let [time, trial, offset] =
            [&TIME[..], &TRIAL[..], &OFFSET[..]].map(|known| beside(data, known).map(|(name, _)| name));
        let is = |name: &str, found: Option<&str>| found == Some(name);
        let arrays: Vec<&(String, Array)> =
            data.arrays.iter().filter(|(name, _)| !is(name, time) && !is(name, offset)).collect();
        let out = match (arrays.iter().find(|(_, a)| a.shape.len() == 3), &arrays[..]) {
            (Some((name, array)), _) => cube(data, name, array)?,
            // A matrix alone is one trial.
            (None, [(name, array)]) if array.shape.len() == 2 => cube(data, name, array)?,
            _ => {
                let target = data.target.as_deref();
                if let Some(name) = offset.filter(|name| !is(name, target)) {
                    return Err(Error::data(
                        format!("column `{name}` would be a channel"),
                        "offsets go beside an array, not a table; give an array of counts, or leave it out with --drop",
                    ));
                }
                let is_channel = |name: &String| ![time, trial, target].into_iter().any(|found| is(name, found));
                let mut names: Vec<String> = data.arrays.iter().map(|(n, _)| n.clone()).filter(is_channel).collect();
                names.sort_unstable();
                columns(data, names)?
            }
        };
        if let Some(steps) = out.steps.iter().find(|steps| **steps < LEAST_STEPS) {
            return Err(Error::data(
                format!("trials have {steps} bins"),
                "give at least 3 bins; rows are bins, columns are channels",
            ));
        }
        Ok(out)
    }
}

/// Fewest bins of a trial.
const LEAST_STEPS: usize = 3;

fn cube(data: &Data, name: &str, array: &Array) -> Result<Trials> {
    let values = array.to_f64().filter(|_| (2..=3).contains(&array.shape.len()));
    let (Some(values), true) = (values, array.shape.iter().all(|s| *s > 0)) else {
        return Err(Error::data(
            format!("`{name}` is not an array of counts, [trials, bins, channels]"),
            "give an array of numbers with three axes of at least one entry",
        ));
    };
    let shape = if array.shape.len() == 2 { vec![1, array.shape[0], array.shape[1]] } else { array.shape.clone() };
    let layout = Layout::Cube { name: name.into(), channels: shape[2] };
    let mut out = Trials::plain(values, vec![shape[1]; shape[0]], layout);
    let other = |known: &[&str]| beside(data, known).filter(|(found, _)| *found != name);
    out.times = other(&TIME).map(|times| times_of(times, shape[0], shape[1])).transpose()?;
    out.offset = other(&OFFSET).map(|offset| offset_of(offset, name, array)).transpose()?;
    settled(out)
}

/// The array of the first of these names that there is, spelled so before any other case.
fn beside<'a>(data: &'a Data, known: &[&str]) -> Option<(&'a str, &'a Array)> {
    let of = |name: &&str| {
        let exact = data.arrays.iter().find(|(n, _)| n == name);
        exact.or_else(|| data.arrays.iter().find(|(n, _)| named(n, &[*name])))
    };
    known.iter().find_map(of).map(|(name, array)| (name.as_str(), array))
}

/// Times `[bins]` of every trial, or `[trials, bins]`.
fn times_of((name, array): (&str, &Array), trials: usize, bins: usize) -> Result<Vec<f64>> {
    match (array.to_f64(), &array.shape[..]) {
        (Some(values), [own]) if *own == bins => Ok(values.repeat(trials)),
        (Some(values), own) if own == [trials, bins] => Ok(values),
        (_, shape) => Err(Error::data(
            format!("`{name}` has the shape {shape:?} for {trials} trials of {bins} bins"),
            "give one number a bin, [bins] or [trials, bins]",
        )),
    }
}

fn offset_of((own, array): (&str, &Array), name: &str, counts: &Array) -> Result<Vec<f64>> {
    match array.to_f64() {
        Some(values) if array.shape == counts.shape => match values.iter().position(|v| !v.is_finite()) {
            None => Ok(values),
            Some(i) => Err(Error::data(
                format!("entry {} of `{own}` is {}", i + 1, values[i]),
                "offsets are finite; leave out channels of which nothing can be seen",
            )),
        },
        _ => Err(Error::data(
            format!("`{own}` has the shape {:?}, `{name}` {:?}", array.shape, counts.shape),
            format!("give an offset for every number of `{name}`"),
        )),
    }
}

fn columns(data: &Data, names: Vec<String>) -> Result<Trials> {
    if names.is_empty() {
        return Err(Error::data("there are no columns of counts", Trials::NEEDS));
    }
    let column = |name: &str| -> Result<Vec<f64>> {
        let array = data.get(name)?;
        let values = match &array.values {
            Values::Text { .. } => None,
            _ if array.shape.len() != 1 => None,
            _ => array.to_f64(),
        };
        values.ok_or_else(|| {
            Error::data(
                format!("column `{name}` does not hold one number a row"),
                "leave it out with --drop, or mend it",
            )
        })
    };
    let parts = names.iter().map(|name| column(name)).collect::<Result<Vec<_>>>()?;
    let rows = parts[0].len();
    let same = |name: &str, found: usize| {
        if found == rows {
            return Ok(());
        }
        Err(Error::data(
            format!("column `{name}` has {found} rows, `{}` has {rows}", names[0]),
            "give every channel one count a bin",
        ))
    };
    names.iter().zip(&parts).try_for_each(|(name, part)| same(name, part.len()))?;
    if rows == 0 {
        return Err(Error::data("the table has no rows", "give one row a bin"));
    }
    // A model that has a column of such a name as a channel keeps it.
    let aside = |known: &[&str]| beside(data, known).filter(|(found, _)| !names.iter().any(|name| name == found));
    let times = match aside(&TIME) {
        Some((name, _)) => {
            let times = column(name)?;
            same(name, times.len())?;
            Some(times)
        }
        None => None,
    };
    let steps = match aside(&TRIAL) {
        Some((name, array)) => {
            same(name, array.rows())?;
            runs(name, array)?
        }
        None => vec![rows],
    };
    let counts = (0..rows).flat_map(|t| parts.iter().map(move |p| p[t])).collect();
    settled(Trials { times, ..Trials::plain(counts, steps, Layout::Columns(names)) })
}

/// Lengths of the runs of equal names in the column of trials.
fn runs(name: &str, array: &Array) -> Result<Vec<usize>> {
    let labels = array.class_names(name)?;
    let (mut steps, mut known, mut last): (Vec<usize>, HashSet<&str>, Option<&str>) = (vec![], HashSet::new(), None);
    for (row, label) in labels.iter().enumerate() {
        let label = label.as_deref().ok_or_else(|| {
            Error::data(format!("column `{name}` is empty in row {}", row + 1), "name the trial of every row")
        })?;
        if last == Some(label) {
            *steps.last_mut().expect("the row before began a trial") += 1;
            continue;
        }
        if !known.insert(label) {
            return Err(Error::data(
                format!("row {} goes back to trial `{label}`", row + 1),
                "put the rows of a trial one after the other",
            ));
        }
        steps.push(1);
        last = Some(label);
    }
    Ok(steps)
}

/// The trials, with numbers and times that are finite, and times that increase.
fn settled(trials: Trials) -> Result<Trials> {
    if let Some(i) = trials.counts.iter().position(|v| !v.is_finite()) {
        return Err(Error::data(
            format!("{} holds {}, which is not a number", trials.place(i), trials.counts[i]),
            "mend the cell; bins without anything hold zeros",
        ));
    }
    trials.grids(1.0)?;
    Ok(trials)
}
