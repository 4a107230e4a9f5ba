//! Folders of pairs of variables, as the Tübingen collection has them: `pair0001.txt`, `pair0002.txt`, ..., and `pairmeta.txt` about all of them.
//!
//! A pair's file has its samples in rows and numbers separated by spaces in columns. A line of `pairmeta.txt` has six numbers: that of the pair,
//! the first and the last column of the cause, those of the effect, and the pair's weight.

use super::table::{Levels, finish};
use super::{ReadOptions, about, check_cells, select};
use elbo_core::read::read_text;
use elbo_core::{Array, Data, Error, Result, Values};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The file that makes a folder one of pairs.
const META: &str = "pairmeta.txt";
/// Columns of the table that the pairs become.
const COLUMNS: [&str; 5] = ["pair", "weight", "truth", "a", "b"];

/// A line of `pairmeta.txt`; columns are counted from one.
#[derive(Debug, Clone, PartialEq)]
struct Listed {
    number: usize,
    cause: [usize; 2],
    effect: [usize; 2],
    weight: f64,
}

impl Listed {
    /// # Errors
    /// [`Error::Data`] for other words than six numbers, for columns that overlap or end before they begin, and for a negative weight.
    fn parse(line: usize, words: &[&str]) -> Result<Self> {
        let whole = |word: &str| word.parse::<usize>().ok().filter(|n| *n > 0);
        let read = || {
            let [number, c, c_last, e, e_last, weight] = *words else { return None };
            let (cause, effect) = ([whole(c)?, whole(c_last)?], [whole(e)?, whole(e_last)?]);
            let weight = weight.parse::<f64>().ok().filter(|w| *w >= 0.0 && w.is_finite())?;
            let is_ordered = cause[0] <= cause[1] && effect[0] <= effect[1];
            let is_apart = cause[1] < effect[0] || effect[1] < cause[0];
            (is_ordered && is_apart).then_some(Self { number: whole(number)?, cause, effect, weight })
        };
        read().ok_or_else(|| {
            Error::data(
                format!("line {line} does not describe a pair"),
                "write six numbers: of the pair, of the first and last column of its cause, of those of its effect, which are others, and its \
                 weight of at least zero",
            )
        })
    }

    fn name(&self) -> String {
        format!("pair{:04}", self.number)
    }

    /// Whether both cause and effect are one column.
    fn is_of_two(&self) -> bool {
        self.cause[0] == self.cause[1] && self.effect[0] == self.effect[1]
    }

    /// Places of the two variables in a row, in the order of the file.
    fn places(&self) -> [usize; 2] {
        let (cause, effect) = (self.cause[0] - 1, self.effect[0] - 1);
        [cause.min(effect), cause.max(effect)]
    }

    /// 1 where the first variable causes the second, else -1.
    fn truth(&self) -> f64 {
        if self.cause[0] < self.effect[0] { 1.0 } else { -1.0 }
    }
}

pub(super) fn is_pairs(path: &Path) -> bool {
    path.join(META).is_file()
}

/// The pairs of two variables as one table: columns `pair`, `weight`, `truth` (1: the first variable causes the second, -1: the other way round),
/// `a` and `b`, in the order of `pairmeta.txt`. Pairs of more variables are left out, and a note says so.
///
/// # Errors
/// [`Error::File`] for a listed pair without a file, [`Error::Data`] with the line for what is no pair.
pub(super) fn folder(path: &Path, options: &ReadOptions) -> Result<Data> {
    let wanted = select::wanted(&COLUMNS, options)?;
    let meta = path.join(META);
    let listed =
        list(&read_text("cannot read the list of pairs", &meta)?).map_err(|error| about(error, meta.display()))?;
    let mut notes = unlisted(path, &listed)?;
    let (pairs, others): (Vec<Listed>, Vec<Listed>) = listed.into_iter().partition(Listed::is_of_two);
    if pairs.is_empty() {
        return Err(about(
            Error::data("no pair of two variables is listed", "list a pair whose cause and effect are one column each"),
            meta.display(),
        ));
    }
    if !others.is_empty() {
        let names = others.iter().take(10).map(Listed::name).collect::<Vec<_>>().join(", ");
        let more = if others.len() > 10 { ", ..." } else { "" };
        notes.push(format!("{} pairs of more than two variables are left out ({names}{more})", others.len()));
    }
    let mut names = Levels::default();
    let (mut weight, mut truth, mut a, mut b) = (vec![], vec![], vec![], vec![]);
    for pair in &pairs {
        let name = pair.name();
        let file = path.join(format!("{name}.txt"));
        let text = read_text("cannot read a pair that pairmeta.txt lists", &file)?;
        let [first, second] = variables(&text, pair).map_err(|error| about(error, file.display()))?;
        let rows = a.len() + first.len();
        check_cells(rows as u64, COLUMNS.len())?;
        first.iter().for_each(|_| names.push(Some(&name)));
        weight.resize(rows, pair.weight);
        truth.resize(rows, pair.truth());
        a.extend(first);
        b.extend(second);
    }
    let number = |values: Vec<f64>| Array::column(Values::F64(values));
    let arrays = [names.finish(), number(weight), number(truth), number(a), number(b)];
    let named = COLUMNS.iter().map(|name| (*name).to_owned()).zip(arrays);
    let arrays = named.zip(wanted).filter_map(|(array, is_wanted)| is_wanted.then_some(array)).collect();
    let data = finish(arrays, options, notes).map_err(|error| about(error, path.display()))?;
    Ok(Data { source: path.display().to_string(), ..data })
}

/// The lines of `pairmeta.txt`.
fn list(text: &str) -> Result<Vec<Listed>> {
    let mut pairs: Vec<Listed> = vec![];
    let mut lines = HashMap::new();
    for (line, words) in rows(text) {
        let pair = Listed::parse(line, &words)?;
        if let Some(earlier) = lines.insert(pair.number, line) {
            return Err(Error::data(
                format!("lines {earlier} and {line} both list pair {}", pair.number),
                "list every pair once",
            ));
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

/// The lines that are not blank, with their numbers, as words.
fn rows(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = text.lines().enumerate().map(|(i, line)| (i + 1, line.split_whitespace().collect::<Vec<_>>()));
    numbered.filter(|(_, words)| !words.is_empty())
}

/// The samples of both variables; a missing one is NaN.
fn variables(text: &str, pair: &Listed) -> Result<[Vec<f64>; 2]> {
    let mut samples = [vec![], vec![]];
    let mut width = None;
    for (line, words) in rows(text) {
        let expected = *width.get_or_insert(words.len());
        if words.len() != expected {
            return Err(Error::data(
                format!("line {line} has {} numbers; the first has {expected}", words.len()),
                "mend the line; every row has as many columns as the first, separated by spaces",
            ));
        }
        for (column, place) in samples.iter_mut().zip(pair.places()) {
            let Some(word) = words.get(place) else {
                return Err(Error::data(
                    format!("the rows have {expected} columns; pairmeta.txt names column {}", place + 1),
                    "mend the columns of this pair in pairmeta.txt, or its file",
                ));
            };
            let value = number(word).ok_or_else(|| {
                Error::data(
                    format!("column {} has no number in line {line}", place + 1),
                    "write finite numbers with a decimal point, separated by spaces; a missing one is NA",
                )
            })?;
            column.push(value);
        }
    }
    if samples[0].is_empty() {
        return Err(Error::data("the file has no rows", "copy it again; a pair has one row for each sample"));
    }
    Ok(samples)
}

/// A finite number, NaN where it is missing, and nothing for other words.
fn number(word: &str) -> Option<f64> {
    if word == "?" || word.eq_ignore_ascii_case("na") {
        return Some(f64::NAN);
    }
    word.parse::<f64>().ok().filter(|v| !v.is_infinite())
}

/// A note where the folder has files of pairs that the list lacks.
fn unlisted(path: &Path, listed: &[Listed]) -> Result<Vec<String>> {
    let known: HashSet<String> = listed.iter().map(|pair| format!("{}.txt", pair.name())).collect();
    let failed = |cause| Error::file("cannot read the folder", path, &cause);
    let mut count = 0;
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        // Descriptions are named `pair0001_des.txt`.
        let digits = name.strip_prefix("pair").and_then(|rest| rest.strip_suffix(".txt"));
        let is_pair = digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
        count += usize::from(is_pair && !known.contains(&name));
    }
    let note = format!("{count} files of pairs that pairmeta.txt does not list are left out");
    Ok(if count > 0 { vec![note] } else { vec![] })
}
