//! JSON lines: an object a row, whose keys name the columns. Its values are read as the cells of a CSV file are.

use super::cell::{self, Cell};
use super::column::Column;
use super::decode;
use crate::read::{ReadOptions, check_cells, select, table};
use elbo_core::{Array, Data, Error, Result, Values};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashSet;

/// What was seen of a key.
struct Key {
    name: String,
    column: Column,
    /// The first line in which it holds more than one value.
    nested: Option<usize>,
}

impl Key {
    /// A key that this many rows have not had.
    fn new(name: &str, rows: usize, options: &ReadOptions) -> Self {
        let is = |names: &[String]| names.iter().any(|n| n == name);
        let mut column = Column::new(is(&options.categorical), is(&options.times));
        (0..rows).for_each(|_| column.push("", false, 0));
        Self { name: name.to_owned(), column, nested: None }
    }

    fn push(&mut self, value: Option<&Value>, line: usize) {
        let cell = value.map_or(Some(Cow::Borrowed("")), text);
        if cell.is_none() {
            self.nested.get_or_insert(line);
        }
        self.column.push(cell.unwrap_or_default().trim(), false, line);
    }
}

/// Reads a table of one object a line. A key that a row lacks is a missing cell there, as `null` is.
///
/// Two passes, as for CSV: the second collects the texts of the columns that are not numeric.
pub(in crate::read) fn parse(bytes: &[u8], options: &ReadOptions) -> Result<Data> {
    let content = decode(bytes)?;
    let mut keys: Vec<Key> = vec![];
    let mut rows = 0;
    for row in objects(content) {
        let (line, object) = row?;
        if keys.iter().filter(|key| object.contains_key(&key.name)).count() < object.len() {
            add_keys(&mut keys, &object, line, rows, options)?;
        }
        keys.iter_mut().for_each(|key| key.push(object.get(&key.name), line));
        rows += 1;
        check_cells(rows as u64, keys.len())?;
    }
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    let wanted = select::wanted(&names, options)?;
    let keys: Vec<Key> = keys.into_iter().zip(wanted).filter_map(|(key, w)| w.then_some(key)).collect();
    let mut notes = vec![];
    let mut texts = vec![];
    for Key { name, column, nested } in &keys {
        if let Some(line) = nested {
            return Err(Error::data(
                format!("line {line} has a list or an object under `{name}`, where a table has one value"),
                format!("give each of its values a key of its own, or leave it out with --drop {name}"),
            ));
        }
        texts.push(column.decide(name, &mut notes)?.then(table::Levels::default));
    }
    if texts.iter().any(Option::is_some) {
        collect_texts(content, &keys, &mut texts)?;
    }
    let arrays = keys
        .into_iter()
        .zip(texts)
        .map(|(key, levels)| {
            let numbers = key.column.into_numbers();
            (key.name, levels.map_or_else(|| Array::column(Values::F64(numbers)), table::Levels::finish))
        })
        .collect();
    table::finish(arrays, options, notes)
}

/// The objects, each with its line.
fn objects(content: &str) -> impl Iterator<Item = Result<(usize, Map<String, Value>)>> {
    let lines = content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(i, line)| match serde_json::from_str::<Map<String, Value>>(line) {
        Ok(object) => match repeated(line, &object) {
            None => Ok((i + 1, object)),
            Some(name) => Err(Error::data(
                format!("line {} has the key `{name}` twice", i + 1),
                "give each value a key of its own, or leave all but one of them out",
            )),
        },
        Err(cause) => Err(Error::data(
            format!("line {} is not a JSON object, from its column {} on", i + 1, cause.column()),
            "write an object a line, such as {\"width\": 1.5, \"colour\": \"red\"}, with null for what is missing or is NaN",
        )),
    })
}

/// A key that the text of an object has more than once; the object itself holds the last of its values alone.
fn repeated(text: &str, object: &Map<String, Value>) -> Option<String> {
    let written = keys(text);
    if written.len() == object.len() {
        return None;
    }
    let mut seen = HashSet::new();
    // The texts are JSON strings, in which one name can be written in several ways.
    let mut names = written.into_iter().filter_map(|key| serde_json::from_str::<String>(key).ok());
    names.find(|name| !seen.insert(name.clone()))
}

/// The keys of an object as they are written, quotes included, without those of objects inside. The text must be JSON.
fn keys(text: &str) -> Vec<&str> {
    let mut keys = vec![];
    let (mut depth, mut is_escaped) = (0, false);
    // Where the string around this place starts, and the last one that ended.
    let (mut start, mut last): (Option<usize>, &str) = (None, "");
    for (i, byte) in text.bytes().enumerate() {
        match (start, byte) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), b'\\') => is_escaped = true,
            (Some(from), b'"') => (start, last) = (None, &text[from..=i]),
            (Some(_), _) => {}
            (None, b'"') => start = Some(i),
            (None, b'{' | b'[') => depth += 1,
            (None, b'}' | b']') => depth -= 1,
            (None, b':') if depth == 1 => keys.push(last),
            (None, _) => {}
        }
    }
    keys
}

/// Adds the keys that are new in the object of a line before which there are this many rows.
fn add_keys(
    keys: &mut Vec<Key>,
    object: &Map<String, Value>,
    line: usize,
    rows: usize,
    options: &ReadOptions,
) -> Result<()> {
    for name in object.keys() {
        if name.trim().is_empty() {
            return Err(Error::data(format!("line {line} has a key without a name"), "name every value"));
        }
        if !keys.iter().any(|key| key.name == *name) {
            // Before a column is made for each row, so that a table on its side is refused at once.
            if keys.len() == options.max_columns {
                select::wanted(&vec![""; keys.len() + 1], options)?;
            }
            keys.push(Key::new(name, rows, options));
        }
    }
    Ok(())
}

/// A value as the text of a cell; `None` for one that is no single cell.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => Some("".into()),
        Value::Bool(is) => Some(Cow::Borrowed(if *is { "true" } else { "false" })),
        Value::Number(number) => Some(number.to_string().into()),
        Value::String(text) => Some(text.as_str().into()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn collect_texts(content: &str, keys: &[Key], texts: &mut [Option<table::Levels>]) -> Result<()> {
    for row in objects(content) {
        let (_, object) = row?;
        for (key, levels) in keys.iter().zip(texts.iter_mut()) {
            let Some(levels) = levels else { continue };
            let value = object.get(&key.name).and_then(text).unwrap_or_default();
            let value = value.trim();
            levels.push((cell::classify(value, false) != Cell::Missing).then_some(value));
        }
    }
    Ok(())
}
