//! CSV text as columns, and JSON lines.

mod cell;
mod column;
mod json_lines;
mod tokens;

use super::{ReadOptions, check_cells, select, table};
use column::Column;
use elbo_core::{Array, Data, Error, Result, Values};
pub(super) use json_lines::parse as parse_json_lines;
use std::collections::HashMap;
use tokens::{Field, Records, delimiter_name, find_delimiter};

/// Reads a table whose first line names the columns.
///
/// Two passes over the text: the first reads every cell as a number and learns which columns are not numeric, the second collects the
/// texts of those. No cell is copied.
pub(super) fn parse(bytes: &[u8], options: &ReadOptions) -> Result<Data> {
    let text = decode(bytes)?;
    let delimiter = choose_delimiter(text, options)?;
    let mut notes = vec![];
    let (names, mut body) = header(text, delimiter, options, &mut notes)?;
    let wanted = select::wanted(&names, options)?;
    let width = wanted.iter().filter(|w| **w).count();
    let comma = delimiter != b',';
    let column = |name: &String| Column::new(options.categorical.contains(name), options.times.contains(name));
    let mut columns: Vec<Option<Column>> = names.iter().zip(&wanted).map(|(name, w)| w.then(|| column(name))).collect();
    let start = body.clone();

    let mut fields = vec![];
    let mut rows = 0;
    while let Some(line) = next_row(&mut body, &mut fields, text, names.len())? {
        for (column, field) in columns.iter_mut().zip(&fields) {
            if let Some(column) = column {
                column.push(&field.text(text), comma, line);
            }
        }
        rows += 1;
        check_cells(rows, width)?;
    }
    if rows == 0 && !options.may_be_empty {
        return Err(Error::data("the table has a header line and no rows", "add at least two rows below the header"));
    }

    let mut texts: Vec<Option<table::Levels>> = vec![];
    for (name, column) in names.iter().zip(&columns) {
        let is_text = match column {
            Some(column) => column.decide(name, &mut notes)?,
            None => false,
        };
        texts.push(is_text.then(table::Levels::default));
    }
    if texts.iter().any(Option::is_some) {
        collect_texts(start, text, &mut texts)?;
    }
    let arrays = names
        .into_iter()
        .zip(columns)
        .zip(texts)
        .filter_map(|((name, column), levels)| {
            let numbers = column?.into_numbers();
            Some((name, levels.map_or_else(|| Array::column(Values::F64(numbers)), table::Levels::finish)))
        })
        .collect();
    table::finish(arrays, options, notes)
}

/// The bytes as text.
fn decode(bytes: &[u8]) -> Result<&str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let line_of = |at: usize| {
        let ends = |(i, b): (usize, &u8)| *b == b'\n' || *b == b'\r' && bytes.get(i + 1) != Some(&b'\n');
        bytes[..at].iter().enumerate().filter(|(i, b)| ends((*i, b))).count() + 1
    };
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        return Err(Error::data(
            format!("line {} has a zero byte, so the file is not text", line_of(at)),
            "give CSV as UTF-8 text, or Parquet, NPY or NPZ",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|cause| {
        let at = cause.valid_up_to();
        Error::data(
            format!("line {} has the byte 0x{:02x}, which is not UTF-8 (Latin-1 perhaps)", line_of(at), bytes[at]),
            "convert the file, for example with `iconv -f latin1 -t utf-8 FILE > NEW`",
        )
    })?;
    if text.trim().is_empty() {
        return Err(only_blank());
    }
    Ok(text)
}

fn only_blank() -> Error {
    Error::data("the file has only blank lines", "give a table with a header line and at least two rows")
}

/// The delimiter given, checked; or the one found.
fn choose_delimiter(text: &str, options: &ReadOptions) -> Result<u8> {
    let (found, width) = find_delimiter(text);
    let Some(given) = options.delimiter else {
        if width == 1 {
            check_single_column(text)?;
        }
        return Ok(found);
    };
    if matches!(given, b'"' | b'\n' | b'\r') || given >= 128 {
        return Err(Error::Setting {
            setting: "delimiter".into(),
            found: format!("{:?}", char::from(given)),
            expected: "one ASCII character other than a quote or a line end, such as `,` `;` `|` or a tab".into(),
        });
    }
    let mut fields = vec![];
    Records::new(text, given).next(&mut fields)?;
    if fields.len() == 1 && width > 1 {
        return Err(Error::data(
            format!(
                "with the delimiter {} the header is a single column; {} gives {width} columns",
                delimiter_name(given),
                delimiter_name(found)
            ),
            "leave --delimiter out, or name the one that the file uses",
        ));
    }
    Ok(given)
}

/// Refuses a single column that is really several, separated by something we do not split at.
fn check_single_column(text: &str) -> Result<()> {
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let header = lines.next().unwrap_or_default();
    let sample: Vec<&str> = lines.take(20).collect();
    let is_number = |word: &str| word.parse::<f64>().is_ok();
    for (separator, name) in [(' ', "spaces"), (':', "`:`"), ('^', "`^`"), ('~', "`~`")] {
        let words = |line: &str| line.split(separator).filter(|w| !w.trim().is_empty()).count();
        let width = words(header);
        let even = sample.iter().all(|l| words(l) == width);
        let numbers = sample.first().is_some_and(|l| l.split(separator).any(|w| is_number(w.trim())));
        if width > 1 && even && numbers {
            return Err(Error::data(
                format!("every line is a single column; {name} seem to separate {width} columns"),
                match separator {
                    ' ' => "put commas or tabs between the columns, for example with `tr -s ' ' ',' < FILE > NEW`",
                    _ => "name the separator with --delimiter",
                },
            ));
        }
    }
    Ok(())
}

/// The column names, and the records below them.
fn header<'a>(
    text: &'a str,
    delimiter: u8,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<(Vec<String>, Records<'a>)> {
    let mut records = Records::new(text, delimiter);
    let mut fields = vec![];
    let before = loop {
        let before = records.clone();
        // A text that is not blank may have nothing but empty quotes.
        if records.next(&mut fields)?.is_none() {
            return Err(only_blank());
        }
        if fields.len() > 1 || !fields[0].text(text).is_empty() {
            break before;
        }
    };
    // Checked before the names are looked at, so that a table on its side is told so first.
    if fields.len() > options.max_columns {
        select::wanted(&vec![""; fields.len()], options)?;
    }
    let names: Vec<String> = fields.iter().map(|f| f.text(text).into_owned()).collect();
    let is_number = |name: &String| {
        matches!(cell::classify(name, delimiter != b','), cell::Cell::Number(_) | cell::Cell::CommaNumber(_))
    };
    if names.iter().all(is_number) {
        let asked = options.target.iter().chain(&options.drop).chain(&options.spare);
        let asked = asked.chain(options.keep.iter().flatten());
        if !asked.into_iter().any(|name| names.contains(name)) {
            return Ok((invented_names(names.len(), notes), before));
        }
    }
    let mut seen = HashMap::new();
    for (i, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(Error::data(
                format!("column {} of the header has no name", i + 1),
                if i == 0 {
                    "name it; row numbers written by pandas or R are left out with `index=False` or `row.names=FALSE`"
                } else {
                    "name every column in the first line; a delimiter at the end of the line makes an empty last name"
                },
            ));
        }
        if let Some(first) = seen.insert(name.as_str(), i) {
            return Err(Error::data(
                format!("columns {} and {} are both named `{name}`", first + 1, i + 1),
                "give every column its own name",
            ));
        }
    }
    Ok((names, records))
}

fn invented_names(count: usize, notes: &mut Vec<String>) -> Vec<String> {
    if count == 1 {
        notes.push("the first line is a number, so the table has no header: the column is named `x0`".into());
        return vec!["x0".into()];
    }
    notes.push(format!(
        "the first line holds only numbers, so the table has no header: columns are named `x0` to `x{}`, the last one `y`",
        count - 2
    ));
    (0..count - 1).map(|i| format!("x{i}")).chain(["y".into()]).collect()
}

/// The next record that is not a blank line, checked to have `width` fields.
fn next_row(records: &mut Records<'_>, fields: &mut Vec<Field>, text: &str, width: usize) -> Result<Option<usize>> {
    loop {
        let Some(line) = records.next(fields)? else { return Ok(None) };
        if fields.len() == width && width > 1 {
            return Ok(Some(line));
        }
        // In a table of one column, too, a blank line is more likely the file's end than a missing cell.
        if fields.len() == 1 && fields[0].text(text).is_empty() {
            continue;
        }
        if fields.len() == width {
            return Ok(Some(line));
        }
        let remedy = match fields.len() {
            n if n == width + 1 => {
                "check this line; if every line has one field more than the header, name the first column too (row names of R), or remove the \
                 delimiter at the end of the lines"
            }
            _ => "check this line: a field that contains the delimiter needs quotes around it",
        };
        return Err(Error::data(format!("line {line} has {} fields; the header has {width}", fields.len()), remedy));
    }
}

fn collect_texts(mut body: Records<'_>, text: &str, texts: &mut [Option<table::Levels>]) -> Result<()> {
    let mut fields = vec![];
    while next_row(&mut body, &mut fields, text, texts.len())?.is_some() {
        for (levels, field) in texts.iter_mut().zip(&fields) {
            if let Some(levels) = levels {
                let cell = field.text(text);
                let is_missing = cell::classify(&cell, false) == cell::Cell::Missing;
                levels.push((!is_missing).then_some(&*cell));
            }
        }
    }
    Ok(())
}
