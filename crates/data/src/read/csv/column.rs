//! One column on the first pass: its numbers, and the evidence that it is something else.

use super::cell::{Cell, classify, is_date, is_dressed_number};
use crate::read::table::refuse_dates;
use elbo_core::{Error, Result};

/// Share of numbers from which other cells are taken for mistakes.
const MOSTLY: f64 = 0.9;

/// Most cells shown in a message.
const SHOWN: usize = 4;

pub(super) struct Column {
    numbers: Vec<f64>,
    forced_text: bool,
    keeps_dates: bool,
    missing: usize,
    texts: Tally,
    infinite: Tally,
    dates: Tally,
    dressed: Tally,
    commas: Tally,
    points: Tally,
    /// Digits of every cell so far, while all are runs of equally many digits.
    digits: Option<usize>,
    leading_zero: bool,
}

/// How often something was seen, and the first few cells with their lines.
#[derive(Default)]
struct Tally {
    count: usize,
    shown: Vec<(usize, String)>,
}

impl Tally {
    fn add(&mut self, line: usize, text: &str) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push((line, text.chars().take(40).collect()));
        }
    }

    fn cells(&self) -> String {
        let mut text =
            self.shown.iter().map(|(line, cell)| format!("{cell:?} in line {line}")).collect::<Vec<_>>().join(", ");
        if self.count > self.shown.len() {
            text += &format!(" and {} more", self.count - self.shown.len());
        }
        text
    }
}

impl Column {
    /// `forced_text`: text whatever the cells hold. `keeps_dates`: text where they hold dates, which are refused otherwise.
    pub(super) fn new(forced_text: bool, keeps_dates: bool) -> Self {
        Self {
            numbers: vec![],
            forced_text,
            keeps_dates,
            missing: 0,
            texts: Tally::default(),
            infinite: Tally::default(),
            dates: Tally::default(),
            dressed: Tally::default(),
            commas: Tally::default(),
            points: Tally::default(),
            digits: Some(0),
            leading_zero: false,
        }
    }

    /// Takes the next cell, trimmed.
    pub(super) fn push(&mut self, text: &str, comma: bool, line: usize) {
        let cell = classify(text, comma);
        let value = match cell {
            Cell::Number(value) | Cell::CommaNumber(value) => value,
            _ => f64::NAN,
        };
        self.numbers.push(value);
        match cell {
            Cell::Number(_) => {
                if self.digits.is_some() {
                    self.watch_digits(text);
                }
                if comma && text.contains('.') {
                    self.points.add(line, text);
                }
            }
            Cell::CommaNumber(_) => self.commas.add(line, text),
            Cell::Missing => self.missing += 1,
            Cell::Infinite => self.infinite.add(line, text),
            Cell::Text => {
                if is_date(text) {
                    self.dates.add(line, text);
                } else if is_dressed_number(text) {
                    self.dressed.add(line, text);
                }
                self.texts.add(line, text);
            }
        }
    }

    /// Codes such as `00501` or `0110010000` have equally many digits and sometimes lead with zero.
    fn watch_digits(&mut self, text: &str) {
        let length = text.len();
        let fits = text.bytes().all(|b| b.is_ascii_digit()) && (self.digits == Some(length) || self.digits == Some(0));
        self.digits = fits.then_some(length);
        self.leading_zero |= fits && length > 1 && text.starts_with('0');
    }

    /// Whether the column is text.
    ///
    /// # Errors
    /// [`Error::Data`] when it is neither: dates, infinite numbers, numbers with a few other cells, numbers with signs, two decimal marks.
    pub(super) fn decide(&self, name: &str, notes: &mut Vec<String>) -> Result<bool> {
        let present = self.numbers.len() - self.missing;
        if self.forced_text || present == 0 {
            return Ok(self.forced_text);
        }
        let mostly = |count: usize| count as f64 >= MOSTLY * present as f64;
        if self.dates.count > 0 && mostly(self.dates.count) {
            if self.keeps_dates {
                return Ok(true);
            }
            let (line, example) = &self.dates.shown[0];
            return Err(refuse_dates(name, example, &format!("line {line}")));
        }
        if self.texts.count > 0 {
            return self.decide_text(name, present, mostly);
        }
        if self.infinite.count > 0 {
            return Err(Error::data(
                format!("column `{name}` has cells that are not finite: {}", self.infinite.cells()),
                format!(
                    "correct these cells, empty them and use --missing drop, or leave the column out with --drop {name}"
                ),
            ));
        }
        if self.commas.count > 0 && self.points.count > 0 {
            return Err(Error::data(
                format!(
                    "column `{name}` has decimal commas ({}) and decimal points ({})",
                    self.commas.cells(),
                    self.points.cells()
                ),
                "use the same decimal mark in every cell, and none between thousands",
            ));
        }
        if self.commas.count > 0 {
            notes.push(format!("column `{name}` has decimal commas: {}", self.commas.cells()));
        }
        // Five digits and more: shorter runs with leading zeros, such as the months 01 to 12, are numbers.
        if self.leading_zero && self.digits.is_some_and(|digits| digits >= 5) {
            notes.push(format!("column `{name}` holds codes with leading zeros and is read as text"));
            return Ok(true);
        }
        self.note_compact_dates(name, notes);
        Ok(false)
    }

    fn decide_text(&self, name: &str, present: usize, mostly: impl Fn(usize) -> bool) -> Result<bool> {
        let numbers = present - self.texts.count;
        if mostly(numbers + self.dressed.count) && self.dressed.count * 2 > self.texts.count {
            return Err(Error::data(
                format!("column `{name}` has numbers with signs or separators: {}", self.dressed.cells()),
                format!(
                    "write plain numbers such as 1234.5, without currency, per cent or thousands; or leave it out with --drop {name}"
                ),
            ));
        }
        if mostly(numbers) {
            return Err(Error::data(
                format!(
                    "column `{name}` has {} of {present} cells that are not numbers: {}",
                    self.texts.count,
                    self.texts.cells()
                ),
                format!(
                    "correct these cells, or empty them and use --missing drop; if they are categories, use --categorical {name}"
                ),
            ));
        }
        Ok(true)
    }

    /// Dates written as one number would be used as plain quantities.
    fn note_compact_dates(&self, name: &str, notes: &mut Vec<String>) {
        let is_date = |v: &f64| {
            let (year, month, day) = ((v / 1e4).floor(), (v / 100.0).floor() % 100.0, v % 100.0);
            (1900.0..2100.0).contains(&year) && (1.0..13.0).contains(&month) && (1.0..32.0).contains(&day)
        };
        if self.digits == Some(8) && self.numbers.iter().filter(|v| !v.is_nan()).all(is_date) {
            notes.push(format!(
                "column `{name}` looks like dates written YYYYMMDD; they are used as plain numbers, which is rarely wanted"
            ));
        }
    }

    /// The numbers; NaN where a cell is missing.
    pub(super) fn into_numbers(self) -> Vec<f64> {
        self.numbers
    }
}
