//! Splitting text into records and fields, without copying: RFC 4180 with any of the three line ends, mixed as they come.

use elbo_core::{Error, Result};
use std::borrow::Cow;

/// A field's place in the text, quotes and outer spaces excluded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Field {
    start: usize,
    end: usize,
    /// Whether doubled quotes stand in it.
    doubled: bool,
}

impl Field {
    pub(super) fn text(self, text: &str) -> Cow<'_, str> {
        let raw = &text[self.start..self.end];
        if self.doubled { Cow::Owned(raw.replace("\"\"", "\"").trim().to_owned()) } else { Cow::Borrowed(raw.trim()) }
    }
}

/// Walks over the records of a text.
#[derive(Debug, Clone)]
pub(super) struct Records<'a> {
    text: &'a str,
    position: usize,
    delimiter: u8,
    /// Line where the next record starts, from 1.
    line: usize,
}

impl<'a> Records<'a> {
    pub(super) fn new(text: &'a str, delimiter: u8) -> Self {
        Self { text, position: 0, delimiter, line: 1 }
    }

    /// Puts the next record's fields into `fields` and returns the line where it starts; `None` at the end of the text.
    ///
    /// # Errors
    /// [`Error::Data`] for a quote that is never closed and for text after a closing quote.
    pub(super) fn next(&mut self, fields: &mut Vec<Field>) -> Result<Option<usize>> {
        fields.clear();
        let bytes = self.text.as_bytes();
        if self.position >= bytes.len() {
            return Ok(None);
        }
        let line = self.line;
        loop {
            let field = self.field(bytes)?;
            fields.push(field);
            match bytes.get(self.position) {
                Some(b) if *b == self.delimiter => self.position += 1,
                Some(b'\r') => {
                    self.position += if bytes.get(self.position + 1) == Some(&b'\n') { 2 } else { 1 };
                    break;
                }
                Some(_) => {
                    self.position += 1;
                    break;
                }
                None => break,
            }
        }
        self.line += 1;
        Ok(Some(line))
    }

    /// Reads one field and stops at the delimiter, the line's end or the text's end.
    fn field(&mut self, bytes: &[u8]) -> Result<Field> {
        let delimiter = self.delimiter;
        let mut start = self.position;
        while matches!(bytes.get(start), Some(b' ' | b'\t')) && bytes[start] != delimiter {
            start += 1;
        }
        if bytes.get(start) == Some(&b'"') {
            return self.quoted(bytes, start + 1);
        }
        let stop = |b: &u8| *b == delimiter || *b == b'\n' || *b == b'\r';
        let end = bytes[start..].iter().position(stop).map_or(bytes.len(), |length| start + length);
        self.position = end;
        Ok(Field { start, end, doubled: false })
    }

    fn quoted(&mut self, bytes: &[u8], start: usize) -> Result<Field> {
        let opened = self.line;
        let mut doubled = false;
        let mut end = start;
        loop {
            match bytes.get(end) {
                None => {
                    return Err(Error::data(
                        format!("the quote opened in line {opened} is never closed"),
                        "close it, or write a quote inside a field twice (\"\")",
                    ));
                }
                Some(b'"') if bytes.get(end + 1) == Some(&b'"') => {
                    doubled = true;
                    end += 1;
                }
                Some(b'"') => break,
                Some(b'\n') => self.line += 1,
                Some(b'\r') if bytes.get(end + 1) != Some(&b'\n') => self.line += 1,
                Some(_) => {}
            }
            end += 1;
        }
        let mut after = end + 1;
        while matches!(bytes.get(after), Some(b' ' | b'\t')) && bytes[after] != self.delimiter {
            after += 1;
        }
        match bytes.get(after) {
            None | Some(b'\n' | b'\r') => {}
            Some(b) if *b == self.delimiter => {}
            Some(_) => {
                return Err(Error::data(
                    format!("line {} has text after a closing quote", self.line),
                    "write a quote inside a field twice (\"\"), or check the delimiter",
                ));
            }
        }
        self.position = after;
        Ok(Field { start, end, doubled })
    }
}

/// The separator that splits a text most evenly, and into how many fields it splits the first record.
///
/// Each candidate is scored by the share of the first records that have as many fields as the first one.
pub(super) fn find_delimiter(text: &str) -> (u8, usize) {
    const SAMPLE: usize = 50;
    let score = |delimiter: u8| -> (f64, usize) {
        let mut records = Records::new(text, delimiter);
        let mut fields = vec![];
        let (mut header, mut seen, mut even) = (0, 0, 0);
        while seen < SAMPLE {
            match records.next(&mut fields) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                // A quote that this delimiter leaves open counts as an uneven record.
                Err(_) => {
                    seen += 1;
                    break;
                }
            }
            if fields.len() == 1 && fields[0].text(text).is_empty() {
                continue;
            }
            if seen == 0 {
                header = fields.len();
            }
            seen += 1;
            even += usize::from(fields.len() == header);
        }
        if header > 1 { (even as f64 / seen as f64, header) } else { (0.0, 1) }
    };
    let mut best = (b',', (0.0, 1));
    for delimiter in [b',', b';', b'\t', b'|'] {
        let found = score(delimiter);
        if found > best.1 {
            best = (delimiter, found);
        }
    }
    (best.0, best.1.1)
}

/// A delimiter's name for messages.
pub(super) fn delimiter_name(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "a tab".into(),
        b' ' => "a space".into(),
        other => format!("`{}`", char::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, delimiter: u8) -> Vec<(usize, Vec<String>)> {
        let mut records = Records::new(text, delimiter);
        let mut fields = vec![];
        let mut out = vec![];
        while let Some(line) = records.next(&mut fields).unwrap() {
            out.push((line, fields.iter().map(|f| f.text(text).into_owned()).collect()));
        }
        out
    }

    #[test]
    fn every_line_end_separates_and_is_counted_once() {
        let got = all("a,b\r\n1,2\r3,4\n5,6", b',');
        assert_eq!(got.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(got[3].1, ["5", "6"]);
        assert_eq!(all("a,b\n", b',').len(), 1);
        assert_eq!(all("a,\n", b',')[0].1, ["a", ""]);
    }

    #[test]
    fn quotes_hide_delimiters_lines_and_quotes() {
        let got = all("\"a,b\" , \"c\"\"d\",\"e\r\nf\"\n1,2,3", b',');
        assert_eq!(got[0].1, ["a,b", "c\"d", "e\r\nf"]);
        assert_eq!(got[1].0, 3, "the record after one of two lines starts in line 3");
        assert_eq!(all("5\" pipe,x", b',')[0].1, ["5\" pipe", "x"]);
    }

    #[test]
    fn the_delimiter_that_splits_evenly_wins() {
        assert_eq!(find_delimiter("a,b,c\n1,2,3\n"), (b',', 3));
        assert_eq!(find_delimiter("a;b\n1,5;2,5\n3,5;4,5\n"), (b';', 2));
        assert_eq!(find_delimiter("a\tb\n\"x,y\"\t2\n"), (b'\t', 2));
        assert_eq!(find_delimiter("note, long|b\nx|1\ny, z|2\nw|3\n").0, b'|');
        assert_eq!(find_delimiter("alone\n1\n2\n").1, 1);
    }
}
